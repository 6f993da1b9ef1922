//! Runs a program for an alert, with JSON on its standard input, and variables.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::notice::Notice;

/// How often it is looked whether the program has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Runs it to its end; what it prints is nobody's. Why it did not end well, in words.
pub(super) fn run(
    words: &[String],
    notice: &Notice,
    deadline: Duration,
    is_over: &AtomicBool,
) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("it names no program")?;
    let mut command = Command::new(program);
    (command.args(arguments))
        .envs(notice.variables())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What it starts ends with it, and Ctrl-C is not meant for it.
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|e| format!("cannot be started: {e}"))?;
    if let Some(mut input) = child.stdin.take() {
        // Less than a pipe holds. A program that does not read it has still been notified.
        let _ = input.write_all(&notice.json());
    }
    wait(&mut child, deadline, is_over)
}

#[allow(clippy::disallowed_methods)] // a process of the machine ends in the machine's time
fn wait(child: &mut Child, deadline: Duration, is_over: &AtomicBool) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("ended with {status}")),
            Ok(None) => {}
            Err(e) => return Err(format!("cannot be waited for: {e}")),
        }
        if begun.elapsed() > deadline || is_over.load(Ordering::SeqCst) {
            if let Some(group) = Pid::from_raw(child.id() as i32) {
                // It may just have ended by itself.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait();
            return Err(format!("took longer than {deadline:?}, and was ended"));
        }
        std::thread::sleep(LOOK);
    }
}

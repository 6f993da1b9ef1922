//! Plays trials, several at a time, a process each: as `squall run` plays its one run.
//!
//! Each has networks and directories of its own, so they do not meet. A worker is the calling
//! program itself, with the trial on its command line; it prints its line.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::line::{Line, Trial};

/// Begins the command line of a worker.
pub const WORKER: &str = "--as-worker";
/// Between two looks at the workers.
const REST: Duration = Duration::from_millis(100);

struct Worker {
    trial: Trial,
    process: Child,
}

/// Plays all trials in their order, `jobs` at a time, and hands over each that is done.
///
/// Asked to end once (Ctrl-C, SIGTERM), it begins no further trial; asked twice, it ends those
/// that are played.
///
/// # Errors
/// A worker cannot be started, or the signals cannot be heard.
#[allow(clippy::disallowed_methods)] // runs are in real time, and so is the wait for them
pub fn play_all(
    trials: Vec<Trial>,
    jobs: usize,
    keep: Option<&Path>,
    mut done: impl FnMut(&Trial, Result<Line, String>) -> Result<(), String>,
) -> Result<(), String> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, asked.clone()).map_err(|e| e.to_string())?;
    }
    let mut waiting = VecDeque::from(trials);
    let mut playing: Vec<Worker> = Vec::new();
    let mut is_ending = false;
    loop {
        if asked.swap(false, Ordering::SeqCst) {
            if is_ending {
                playing.iter().for_each(Worker::end);
            } else {
                eprintln!("no further trial begins; once more ends those that are played");
            }
            is_ending = true;
            waiting.clear();
        }
        while playing.len() < jobs
            && let Some(trial) = waiting.pop_front()
        {
            playing.push(Worker::start(trial, keep)?);
        }
        if playing.is_empty() {
            return Ok(());
        }
        let mut still = Vec::new();
        for mut worker in playing {
            match worker.process.try_wait().map_err(|e| e.to_string())? {
                None => still.push(worker),
                Some(status) => {
                    let line = worker.line(status);
                    done(&worker.trial, line)?;
                }
            }
        }
        playing = still;
        std::thread::sleep(REST);
    }
}

impl Worker {
    fn start(trial: Trial, keep: Option<&Path>) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        let job = serde_json::to_string(&trial).expect("plain data");
        let mut arguments = vec![OsString::from(WORKER), job.into()];
        arguments.extend(keep.map(|dir| dir.as_os_str().to_owned()));
        let process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C of a terminal is for this process, which ends the others when it should.
            .process_group(0)
            .spawn();
        let process = process.map_err(|e| format!("a worker cannot be started: {e}"))?;
        Ok(Self { trial, process })
    }

    fn end(&self) {
        let pid = Pid::from_child(&self.process);
        // It may have ended by itself meanwhile.
        let _ = kill_process(pid, Signal::TERM);
    }

    /// What it printed. A line and an error are far shorter than what a pipe holds.
    fn line(&mut self, status: ExitStatus) -> Result<Line, String> {
        let mut text = String::new();
        let printed: Option<Box<dyn Read>> = match status.success() {
            true => self.process.stdout.take().map(|pipe| Box::new(pipe) as _),
            false => self.process.stderr.take().map(|pipe| Box::new(pipe) as _),
        };
        if let Some(mut pipe) = printed {
            pipe.read_to_string(&mut text).map_err(|e| e.to_string())?;
        }
        match status.success() {
            true => serde_json::from_str(&text).map_err(|e| e.to_string()),
            false => Err(text.trim().to_owned()),
        }
    }
}

/// Plays a trial and prints its line, if this process is a worker: what it ends with.
pub fn work(arguments: &[String]) -> Option<Result<(), String>> {
    let (first, rest) = arguments.split_first()?;
    if first != WORKER {
        return None;
    }
    let job = rest.first().ok_or("a worker has a trial".to_owned());
    let trial = job.and_then(|job| serde_json::from_str(job).map_err(|e| e.to_string()));
    let keep = rest.get(1).map(Path::new);
    let line = trial.and_then(|trial| crate::trial::play(&trial, keep));
    Some(line.map(|line| println!("{}", serde_json::to_string(&line).expect("plain data"))))
}

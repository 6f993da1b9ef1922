//! A pool of processes: a few at a time, each watched.
//!
//! One thread a running process reads what the process says; the calling thread hands out
//! work, takes in results, and ends processes that take too long. Threads of the real
//! machine are right here: no simulation runs in this process.
//!
//! Every process is in a group of its own, so that Ctrl-C on a terminal reaches the caller
//! only, who then decides; and each asks the kernel to be ended with its parent, so that
//! nothing goes on running when the parent is killed outright (see [`limit_this_process`]).

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, setrlimit};

use crate::stopwatch::Stopwatch;

/// How often the caller looks after its processes.
const TICK: Duration = Duration::from_millis(20);
/// What is kept of the end of a process's standard error.
const STDERR_KEPT: usize = 16 * 1024;

/// How a process ended.
#[derive(Debug)]
pub enum End {
    Exited(Exited),
    TimedOut,
    /// Ended because the pool was stopped; says nothing about the work.
    Stopped,
    /// It could not even be started.
    NotStarted(std::io::Error),
}

#[derive(Debug)]
pub struct Exited {
    pub status: ExitStatus,
    pub stdout: String,
    /// The end of it.
    pub stderr: String,
}

/// What the caller is asked on every tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// Start more work.
    On,
    /// Start nothing more, and wait for what runs.
    Finish,
    /// Start nothing more, and end what runs.
    Stop,
}

/// Runs `work`, `jobs` processes at a time, each for at most `timeout`.
///
/// `go` is asked many times a second; `done` is told of every process as it ends, on the
/// calling thread.
pub fn run<T: Send>(
    jobs: usize,
    timeout: Duration,
    work: impl Iterator<Item = (T, Command)> + Send,
    mut go: impl FnMut() -> Go,
    mut done: impl FnMut(T, End),
) {
    let pool = Pool {
        work: Mutex::new(work),
        running: (0..jobs.max(1)).map(|_| Mutex::default()).collect(),
        draining: AtomicBool::new(false),
        stopped: AtomicBool::new(false),
    };
    let (ends, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for slot in &pool.running {
            let (pool, ends) = (&pool, ends.clone());
            scope.spawn(move || {
                while let Some((item, command)) = pool.next() {
                    // The receiver outlives every thread of the scope.
                    let _ = ends.send((item, pool.carry_out(slot, command)));
                }
            });
        }
        drop(ends);
        loop {
            match results.recv_timeout(TICK) {
                Ok((item, end)) => done(item, end),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            match go() {
                Go::On => {}
                Go::Finish => pool.draining.store(true, Ordering::SeqCst),
                Go::Stop => pool.stop(),
            }
            pool.end_overdue(timeout);
        }
    });
}

struct Pool<W> {
    work: Mutex<W>,
    running: Vec<Mutex<Option<Running>>>,
    draining: AtomicBool,
    stopped: AtomicBool,
}

struct Running {
    child: Child,
    since: Stopwatch,
    is_overdue: bool,
}

impl<T, W: Iterator<Item = (T, Command)>> Pool<W> {
    fn next(&self) -> Option<(T, Command)> {
        match self.draining.load(Ordering::SeqCst) || self.stopped.load(Ordering::SeqCst) {
            true => None,
            false => lock(&self.work).next(),
        }
    }

    fn carry_out(&self, slot: &Mutex<Option<Running>>, mut command: Command) -> End {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(e) => return End::NotStarted(e),
        };
        let mut stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        *lock(slot) = Some(Running {
            child,
            since: Stopwatch::start(),
            is_overdue: false,
        });
        // Stopped between the start and here: nobody else would end it.
        if self.stopped.load(Ordering::SeqCst) {
            end(slot);
        }
        let (stdout, stderr) = std::thread::scope(|scope| {
            let stderr = scope.spawn(|| tail(stderr));
            let mut text = Vec::new();
            // What could not be read is missing, and a result that is not whole is none.
            let _ = stdout.read_to_end(&mut text);
            (text, stderr.join().unwrap_or_default())
        });
        // Both pipes are closed, so it is ending. It leaves its slot before it is reaped:
        // from then on its number may be another process's.
        let running = lock(slot).take();
        let mut running = running.expect("only its own thread empties a slot");
        match running.child.wait() {
            _ if running.is_overdue => End::TimedOut,
            Ok(status) if status.success() || !self.stopped.load(Ordering::SeqCst) => {
                End::Exited(Exited {
                    status,
                    stdout: String::from_utf8_lossy(&stdout).into_owned(),
                    stderr: String::from_utf8_lossy(&stderr).into_owned(),
                })
            }
            Ok(_) => End::Stopped,
            Err(e) => End::NotStarted(e),
        }
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.running.iter().for_each(end);
    }

    fn end_overdue(&self, timeout: Duration) {
        for slot in &self.running {
            let is_overdue = match &mut *lock(slot) {
                Some(running) => {
                    running.is_overdue |= running.since.elapsed() > timeout;
                    running.is_overdue
                }
                None => false,
            };
            if is_overdue {
                end(slot);
            }
        }
    }
}

/// Ends the process of a slot, if there is one, with all that it has started.
fn end(slot: &Mutex<Option<Running>>) {
    if let Some(running) = &*lock(slot) {
        // It may have ended by itself, which is as good.
        let _ = kill_process_group(Pid::from_child(&running.child), Signal::KILL);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics with the lock held")
}

/// The last bytes of a stream.
fn tail(mut stream: impl Read) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * STDERR_KEPT {
            kept.drain(..kept.len() - STDERR_KEPT);
        }
    }
    kept
}

/// Limits this process, which a pool has started: its memory, and its life to its parent's.
///
/// Address space is what is limited, as the one figure that the kernel refuses at once; a
/// process that asks for more ends with an abort, where a slow death by swapping would take
/// the machine along.
///
/// # Errors
/// The kernel's.
pub fn limit_this_process(memory_bytes: u64) -> std::io::Result<()> {
    let only = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::As, only(memory_bytes))?;
    // A crash is told by the parent; a core file would only fill the disk.
    setrlimit(Resource::Core, only(0))?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// Whether the process ended because memory was refused to it: Rust says so, and aborts.
pub fn ran_out_of_memory(exited: &Exited) -> bool {
    let told = exited.stderr.contains("memory allocation of");
    told || exited.status.signal() == Some(Signal::KILL.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn ends(scripts: &[&'static str], go: impl FnMut() -> Go) -> Vec<(&'static str, End)> {
        let mut ends = Vec::new();
        let work = scripts.iter().map(|script| (*script, sh(script)));
        let timeout = Duration::from_millis(500);
        run(2, timeout, work, go, |script, end| ends.push((script, end)));
        ends
    }

    #[test]
    fn every_process_is_heard_to_its_end() {
        let scripts = ["echo out; echo err >&2; exit 3", "echo a", "echo b"];
        let ended = ends(&scripts, || Go::On);
        assert_eq!(ended.len(), 3);
        for (script, end) in ended {
            let End::Exited(exited) = end else {
                panic!("{script}: {end:?}");
            };
            if script == scripts[0] {
                assert_eq!(exited.status.code(), Some(3));
                assert_eq!((&*exited.stdout, &*exited.stderr), ("out\n", "err\n"));
            }
        }
    }

    #[test]
    fn a_hanging_process_is_ended_and_the_others_go_on() {
        let ended = ends(&["sleep 60", "echo a", "echo b"], || Go::On);
        let hung = ended.iter().find(|(script, _)| *script == "sleep 60");
        assert!(matches!(hung, Some((_, End::TimedOut))), "{hung:?}");
        assert_eq!(ended.len(), 3);
    }

    #[test]
    fn stopping_ends_what_runs_and_starts_nothing_more() {
        let ended = ends(&["sleep 60", "sleep 60", "echo never"], || Go::Stop);
        assert!(ended.iter().all(|(_, end)| matches!(end, End::Stopped)));
        assert!(ended.iter().all(|(script, _)| *script != "echo never"));
    }

    #[test]
    fn a_program_that_does_not_exist_is_told() {
        let mut told = Vec::new();
        let work = [((), Command::new("/nowhere/no-program"))].into_iter();
        run(
            1,
            Duration::from_secs(1),
            work,
            || Go::On,
            |(), end| told.push(end),
        );
        assert!(matches!(told[..], [End::NotStarted(_)]), "{told:?}");
    }

    #[test]
    fn a_talkative_process_does_not_block() {
        let script = "head -c 300000 /dev/zero >&2; echo said";
        let ended = ends(&[script], || Go::On);
        let [(_, End::Exited(exited))] = &ended[..] else {
            panic!("{ended:?}");
        };
        assert_eq!(exited.stdout, "said\n");
        assert!(exited.stderr.len() <= 2 * STDERR_KEPT);
    }
}

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
/// What is read of a process's standard output, far more than any result.
const STDOUT_KEPT: u64 = 64 * 1024 * 1024;
/// What is kept of the end of a process's standard error.
const STDERR_KEPT: usize = 16 * 1024;

/// How a process ended.
#[derive(Debug)]
pub enum End {
    /// By itself; what it said.
    Exited(Exited),
    /// It was killed, since its time was over.
    TimedOut,
    /// It was killed, or killed itself, for want of memory.
    OutOfMemory,
    /// Ended because the pool was stopped; says nothing about the work.
    Stopped,
    /// It could not even be started.
    NotStarted(std::io::Error),
}

/// What a process left.
#[derive(Debug)]
pub struct Exited {
    /// Its code, or the signal that ended it.
    pub status: ExitStatus,
    /// All of it.
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

/// What one process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall time.
    pub timeout: Duration,
    /// Resident memory, watched where the kernel tells of it (`/proc`).
    pub memory_bytes: u64,
}

/// Runs `work`, `jobs` processes at a time, each within its limits.
///
/// `go` is asked many times a second; `done` is called for every process as it ends, on the
/// calling thread.
pub fn run<T: Send>(
    jobs: usize,
    limits: Limits,
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
            pool.end_excessive(limits);
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
    /// What it used too much of, once it was ended for it.
    excess: Option<Excess>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    Time,
    Memory,
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
        let stdout = child.stdout.take().expect("it is piped");
        let mut stdout = stdout.take(STDOUT_KEPT);
        let stderr = child.stderr.take().expect("it is piped");
        *lock(slot) = Some(Running {
            child,
            since: Stopwatch::start(),
            excess: None,
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
        let status = running.child.wait();
        match running.excess {
            Some(Excess::Time) => return End::TimedOut,
            Some(Excess::Memory) => return End::OutOfMemory,
            None => {}
        }
        match status {
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

    fn end_excessive(&self, limits: Limits) {
        for slot in &self.running {
            let is_excessive = match &mut *lock(slot) {
                Some(running) => {
                    running.excess = running.excess.or_else(|| running.exceeds(limits));
                    running.excess.is_some()
                }
                None => false,
            };
            if is_excessive {
                end(slot);
            }
        }
    }
}

impl Running {
    fn exceeds(&self, limits: Limits) -> Option<Excess> {
        if self.since.elapsed() > limits.timeout {
            return Some(Excess::Time);
        }
        let resident = resident_bytes(self.child.id());
        resident
            .is_some_and(|bytes| bytes > limits.memory_bytes)
            .then_some(Excess::Memory)
    }
}

/// Memory in which a process resides, where the kernel tells.
fn resident_bytes(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
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

/// Ties this process, which a pool has started, to its parent, and bounds its address space
/// as a second line: what grows faster than the parent looks is refused by the kernel. The
/// bound is far above the limit, because allocators reserve space that they never use.
///
/// # Errors
/// The kernel's.
pub fn limit_this_process(memory_bytes: u64) -> std::io::Result<()> {
    let only = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    let reserve_bytes = 4 << 30;
    let space_bytes = memory_bytes.saturating_mul(2).saturating_add(reserve_bytes);
    setrlimit(Resource::As, only(space_bytes))?;
    // A crash is reported by the parent; a core file would only fill the disk.
    setrlimit(Resource::Core, only(0))?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// Whether the process ended because memory was refused to it: Rust says so, and aborts.
pub fn ran_out_of_memory(exited: &Exited) -> bool {
    let out_of_memory = exited.stderr.contains("memory allocation of");
    out_of_memory || exited.status.signal() == Some(Signal::KILL.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Long enough for a machine with other things to do.
    const LONG: Duration = Duration::from_secs(60);

    fn ends(
        scripts: &[&'static str],
        timeout: Duration,
        go: impl FnMut() -> Go,
    ) -> Vec<(&'static str, End)> {
        let mut ends = Vec::new();
        let work = scripts.iter().map(|script| (*script, sh(script)));
        let limits = Limits {
            timeout,
            memory_bytes: 50 << 20,
        };
        run(2, limits, work, go, |script, end| ends.push((script, end)));
        ends
    }

    #[test]
    fn every_process_is_heard_to_its_end() {
        let scripts = ["echo out; echo err >&2; exit 3", "echo a", "echo b"];
        let ended = ends(&scripts, LONG, || Go::On);
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
    fn a_hanging_process_is_ended() {
        let ended = ends(&["sleep 600"], Duration::from_millis(300), || Go::On);
        assert!(matches!(ended[..], [(_, End::TimedOut)]), "{ended:?}");
    }

    const GREEDY: &str = "exec awk 'BEGIN { while (1) kept[i++] = i }'";

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_takes_too_much_memory_is_ended() {
        let ended = ends(&[GREEDY, "echo a"], LONG, || Go::On);
        let greedy = ended.iter().find(|(script, _)| *script == GREEDY);
        assert!(matches!(greedy, Some((_, End::OutOfMemory))), "another end");
    }

    #[test]
    fn stopping_ends_what_runs_and_starts_nothing_more() {
        let ended = ends(&["sleep 600", "sleep 600", "echo never"], LONG, || Go::Stop);
        assert!(ended.iter().all(|(_, end)| matches!(end, End::Stopped)));
        assert!(ended.iter().all(|(script, _)| *script != "echo never"));
    }

    #[test]
    fn a_program_that_does_not_exist_is_not_started() {
        let mut ends = Vec::new();
        let work = [((), Command::new("/nowhere/no-program"))].into_iter();
        run(
            1,
            Limits {
                timeout: Duration::from_secs(1),
                memory_bytes: 1 << 30,
            },
            work,
            || Go::On,
            |(), end| ends.push(end),
        );
        assert!(matches!(ends[..], [End::NotStarted(_)]), "{ends:?}");
    }

    #[test]
    fn a_talkative_process_does_not_block() {
        let script = "head -c 300000 /dev/zero >&2; echo said";
        let ended = ends(&[script], LONG, || Go::On);
        let [(_, End::Exited(exited))] = &ended[..] else {
            panic!("{ended:?}");
        };
        assert_eq!(exited.stdout, "said\n");
        assert!(exited.stderr.len() <= 2 * STDERR_KEPT);
    }
}

//! A process of this machine: signalled, and seen to end.
//!
//! Signals go straight to the process, by a file descriptor that no other process can inherit
//! (pidfd_open(2)), and its end is seen at once. Where that is not permitted, whoever started
//! the process has other means.

use std::os::fd::OwnedFd;
use std::rc::Rc;

pub use rustix::process::Signal;
use rustix::process::{Pid, PidfdFlags, kill_process_group, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

/// What the kernel shows of a process that has not been waited for (proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Running, sleeping, stopped (`T`), zombie (`Z`) and so on.
    pub state: char,
    /// Its process group.
    pub group: i32,
    /// When it started, in clock ticks from boot.
    pub started: u64,
}

impl Stat {
    /// Of the process that has this number now, if there is one.
    pub fn of(pid: i32) -> Option<Self> {
        Self::read(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn read(stat: &str) -> Option<Self> {
        // The second field is a name in parentheses, which may hold anything.
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        Some(Self {
            state: fields.next()?.chars().next()?,
            // The 5th, and the 22nd.
            group: fields.nth(1)?.parse().ok()?,
            started: fields.nth(16)?.parse().ok()?,
        })
    }

    /// Whether it is more than an entry that its parent has not read yet.
    pub fn is_running(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// The number of every process that can be seen from here.
pub fn all() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.collect()
}

/// A process, known by its number while it has not been waited for.
#[derive(Clone)]
pub struct Process {
    pid: i32,
    /// `None`: it cannot be held on to.
    handle: Option<Rc<AsyncFd<OwnedFd>>>,
}

impl Process {
    /// The process that has this number now.
    #[allow(deprecated)] // what took its place is unsafe; an `OwnedFd` keeps its descriptor
    pub fn of(pid: i32) -> Self {
        let handle = Pid::from_raw(pid)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            .and_then(|handle| AsyncFd::new(handle).ok());
        Self {
            pid,
            handle: handle.map(Rc::new),
        }
    }

    /// The process number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends the signal, which means nothing to a process that has ended. `false`: this is not
    /// permitted here, and nothing was sent.
    pub fn signal(&self, signal: Signal) -> bool {
        let sent = |handle: &Rc<AsyncFd<OwnedFd>>| {
            let sent = pidfd_send_signal(handle.get_ref(), signal);
            matches!(sent, Ok(()) | Err(rustix::io::Errno::SRCH))
        };
        self.handle.as_ref().is_some_and(sent)
    }

    /// Resolves when the process has ended, or with `false` at once if that cannot be seen.
    pub async fn ended(&self) -> bool {
        match &self.handle {
            Some(handle) => handle.readable().await.is_ok(),
            None => false,
        }
    }

    /// Whether all of the process stands still.
    pub fn is_stopped(&self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.state == 'T')
    }

    /// Whether it has ended, be it that nobody has waited for it yet.
    pub fn has_ended(&self) -> bool {
        !Stat::of(self.pid).is_some_and(|stat| stat.is_running())
    }
}

/// Sends the signal to every process of a group, whose leader has not been waited for. Means
/// nothing to a group of which nothing is left.
pub fn signal_group(leader: i32, signal: Signal) {
    if let Some(leader) = Pid::from_raw(leader) {
        // Who may not be signalled is seen to go on.
        let _ = kill_process_group(leader, signal);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use squall_world::{RealWorld, World, timeout};

    use super::{Process, Signal, Stat};

    const LIMIT: Duration = Duration::from_secs(10);

    #[allow(clippy::disallowed_methods)] // real processes end in real time
    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build();
        runtime.expect("an event loop").block_on(work)
    }

    #[test]
    fn stat_is_read_whatever_a_program_is_called() {
        let read = Stat::read("7 (a) Z (b) T 1 5 5 0 -1 4 9 0 0 0 1 2 0 0 20 0 1 0 8800 1 2");
        let expected = Stat {
            state: 'T',
            group: 5,
            started: 8_800,
        };
        assert_eq!(read, Some(expected));
        assert_eq!(Stat::read(""), None);
    }

    #[test]
    fn process_stopped_and_killed_is_seen_to_stand_and_to_end() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("a shell");
        block_on(async {
            let process = Process::of(child.id() as i32);
            assert!(process.signal(Signal::STOP), "it is our own");
            let stands = async {
                while !process.is_stopped() {
                    RealWorld::sleep(Duration::from_millis(1)).await;
                }
            };
            let stood = timeout::<RealWorld, _>(LIMIT, stands).await;
            stood.expect("a stopped process stands");
            assert!(process.signal(Signal::KILL));
            let ended = timeout::<RealWorld, _>(LIMIT, process.ended()).await;
            assert_eq!(ended, Ok(true), "the end of a killed process is seen");
        });
        child.wait().expect("it is a child");
        // What has ended cannot be signalled, and that is no error.
        block_on(async { assert!(!Process::of(0).signal(Signal::KILL)) });
    }
}

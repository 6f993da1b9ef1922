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

/// A process, known by its number while it has not been waited for.
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
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid));
        stat.is_ok_and(|stat| {
            stat.rsplit_once(") ")
                .is_some_and(|(_, s)| s.starts_with('T'))
        })
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

    use super::{Process, Signal};

    const LIMIT: Duration = Duration::from_secs(10);

    #[allow(clippy::disallowed_methods)] // real processes end in real time
    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build();
        runtime.expect("an event loop").block_on(work)
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

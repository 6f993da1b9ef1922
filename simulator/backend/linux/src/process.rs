//! A process of this machine: signalled, and seen to end.
//!
//! Signals go straight to the process, by a file descriptor that no other process can inherit
//! (pidfd_open(2)), and its end is seen at once. Where that is not permitted, whoever started
//! the process has other means.

use std::os::fd::OwnedFd;
use std::rc::Rc;

pub use rustix::process::Signal;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
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

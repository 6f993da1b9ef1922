//! A process of this machine that runs in a container: signalled, and seen to end.
//!
//! Through the engine a signal takes as long as the engine likes, which a measure of
//! milliseconds cannot have. So signals go straight to the process, by a file descriptor that
//! no other process can inherit (pidfd_open(2)), and its end is seen at once. Where that is
//! not permitted, the engine does it.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use squall_world::RealWorld;
use tokio::io::unix::AsyncFd;

use super::DockerError;
use super::engine::Engine;

/// A signal that faults send.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kick {
    Kill,
    Terminate,
    Stop,
    Continue,
}

/// The first process of a container, while the container runs.
pub(super) struct Process {
    engine: Engine,
    container: String,
    pid: i32,
    handle: Option<Rc<AsyncFd<OwnedFd>>>,
}

impl Process {
    /// The process that runs in a container now.
    #[allow(deprecated)] // what took its place is unsafe; an `OwnedFd` keeps its descriptor
    pub(super) async fn of(engine: &Engine, container: &str) -> Result<Self, DockerError> {
        let pid = engine.state(container).await?.pid.unwrap_or_default();
        let handle = Pid::from_raw(pid)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            .and_then(|handle| AsyncFd::new(handle).ok());
        Ok(Self {
            engine: engine.clone(),
            container: container.to_owned(),
            pid,
            handle: handle.map(Rc::new),
        })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends the signal; to a process that has ended it means nothing.
    pub(super) async fn kick(&self, kick: Kick) -> Result<(), DockerError> {
        if let Some(handle) = &self.handle {
            match pidfd_send_signal(handle.get_ref(), kick.signal()) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => return Ok(()),
                Err(_) => {}
            }
        }
        self.engine.signal(&self.container, kick.name()).await
    }

    /// Resolves when the process has ended; its exit code, if the engine knows.
    pub(super) async fn ended(&self) -> Result<(), DockerError> {
        if let Some(handle) = &self.handle {
            match handle.readable().await {
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {}
            }
        }
        self.settled().await.map(drop)
    }

    /// Waits until the engine knows, too, that the process has ended; its exit code. Before
    /// that, the container cannot be started again.
    pub(super) async fn settled(&self) -> Result<Option<i64>, DockerError> {
        loop {
            let state = self.engine.state(&self.container).await?;
            if !state.running {
                return Ok(state.exit_code);
            }
            rest().await;
        }
    }

    /// Whether all of the process stands still.
    pub(super) fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid));
        stat.is_ok_and(|stat| {
            stat.rsplit_once(") ")
                .is_some_and(|(_, s)| s.starts_with('T'))
        })
    }
}

async fn rest() {
    <RealWorld as squall_world::World>::sleep(Duration::from_millis(10)).await;
}

impl Kick {
    fn signal(self) -> Signal {
        match self {
            Kick::Kill => Signal::KILL,
            Kick::Terminate => Signal::TERM,
            Kick::Stop => Signal::STOP,
            Kick::Continue => Signal::CONT,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kick::Kill => "SIGKILL",
            Kick::Terminate => "SIGTERM",
            Kick::Stop => "SIGSTOP",
            Kick::Continue => "SIGCONT",
        }
    }
}

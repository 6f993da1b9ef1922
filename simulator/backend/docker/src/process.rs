//! The process in a container: signalled directly, and by the engine where that is not
//! permitted.
//!
//! Through the engine a signal takes as long as the engine likes, which a measure of
//! milliseconds cannot have.

use std::time::Duration;

use squall_linux::process::Process as LinuxProcess;
pub(super) use squall_linux::process::Signal;
use squall_world::{RealWorld, World};

use super::DockerError;
use super::engine::Engine;

/// The first process of a container, while the container runs.
pub(super) struct Process {
    engine: Engine,
    container: String,
    process: LinuxProcess,
}

impl Process {
    /// The process that runs in a container now.
    pub(super) async fn of(engine: &Engine, container: &str) -> Result<Self, DockerError> {
        let pid = engine.state(container).await?.pid.unwrap_or_default();
        Ok(Self {
            engine: engine.clone(),
            container: container.to_owned(),
            process: LinuxProcess::of(pid),
        })
    }

    pub(super) fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Sends the signal; to a process that has ended it means nothing.
    pub(super) async fn signal(&self, signal: Signal) -> Result<(), DockerError> {
        if self.process.signal(signal) {
            return Ok(());
        }
        self.engine.signal(&self.container, name(signal)).await
    }

    /// Resolves when the process has ended.
    pub(super) async fn ended(&self) -> Result<(), DockerError> {
        if self.process.ended().await {
            return Ok(());
        }
        self.settled().await.map(drop)
    }

    /// Waits until the engine knows, too, that the process has ended; its exit code, if the
    /// engine knows. Before that, the container cannot be started again.
    pub(super) async fn settled(&self) -> Result<Option<i64>, DockerError> {
        loop {
            let state = self.engine.state(&self.container).await?;
            if !state.running {
                return Ok(state.exit_code);
            }
            RealWorld::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether all of the process stands still.
    pub(super) fn is_stopped(&self) -> bool {
        self.process.is_stopped()
    }
}

/// As the engine wants it: faults send these signals and no others.
fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::KILL => "SIGKILL",
        Signal::TERM => "SIGTERM",
        Signal::STOP => "SIGSTOP",
        Signal::CONT => "SIGCONT",
        other => unreachable!("no fault sends {other:?}"),
    }
}

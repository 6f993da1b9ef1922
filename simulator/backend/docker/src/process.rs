//! The process in a container: signalled directly, and by the engine where that is not
//! permitted.
//!
//! Through the engine a signal takes as long as the engine likes, which a measure of
//! milliseconds cannot have.

use std::time::Duration;

use squall_linux::host::HostProcess;
use squall_linux::process::{Process as LinuxProcess, Signal};
use squall_linux::sampler::Accounts;
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

    /// Waits until the engine knows, too, that the process has ended; its exit code, if the
    /// engine knows. Before that, the container cannot be started again.
    async fn known_to_end(&self) -> Result<Option<i64>, DockerError> {
        loop {
            let state = self.engine.state(&self.container).await?;
            if !state.running {
                return Ok(state.exit_code);
            }
            RealWorld::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl HostProcess for Process {
    fn pid(&self) -> i32 {
        self.process.pid()
    }

    async fn signal(&self, signal: Signal) -> Result<(), String> {
        if self.process.signal(signal) {
            return Ok(());
        }
        let sent = self.engine.signal(&self.container, name(signal)).await;
        sent.map_err(|e| e.to_string())
    }

    async fn ended(&self) -> Result<(), String> {
        match self.process.ended().await {
            true => Ok(()),
            false => self.settled().await.map(drop),
        }
    }

    async fn settled(&self) -> Result<Option<i64>, String> {
        self.known_to_end().await.map_err(|e| e.to_string())
    }

    fn is_stopped(&self) -> bool {
        self.process.is_stopped()
    }

    fn accounts(&self) -> Accounts {
        Accounts::Group(self.pid())
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

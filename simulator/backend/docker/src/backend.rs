//! Containers as a [`Backend`]: what they can do, and what only a simulation can.

use squall_backend::backend::{Backend, BackendError, BackendInfo, Lacks, RunOutput};
use squall_fault::FaultAction;
use squall_plan::plan::Plan;

use super::{DockerError, Options, run};

/// What containers are called, and what can be expected of their histories.
pub const INFO: BackendInfo = BackendInfo {
    name: "docker",
    title: "containers",
    simulated: false,
    knows_resources: true,
};

/// Real nodes in containers on this machine's Docker engine, in real time.
#[derive(Default)]
pub struct DockerBackend {
    pub options: Options,
}

impl Backend for DockerBackend {
    fn info(&self) -> BackendInfo {
        INFO
    }

    /// Latency, bandwidth and syncs are left as they are: nearly every scenario has them, to be
    /// what a machine is like.
    fn lacks(&self) -> Lacks {
        Lacks {
            clock_skew: Some(
                "cannot set clocks wrong ([clock]): containers share the machine's; leave it out",
            ),
            hardware: Some(
                "cannot be as fast as a profile says (--profile, [hardware]): containers are as \
                 fast as this machine; leave it out",
            ),
            regions: Some(
                "cannot put members far apart ([[region]]): containers are all on this machine; \
                 leave the regions out",
            ),
            loss: Some(
                "does not lose packets all the time (`loss` in [network]): write a fault with \
                 `link`",
            ),
            bandwidth: None,
        }
    }

    fn cannot(&self, action: &FaultAction) -> Option<&'static str> {
        match action {
            FaultAction::PowerLoss { .. } => Some("what was not synced outlives a process"),
            FaultAction::Clock { .. } => Some("containers share the machine's clock"),
            FaultAction::Disk { .. } => Some("containers share the machine's disk"),
            FaultAction::Kill { .. }
            | FaultAction::Stop { .. }
            | FaultAction::Pause { .. }
            | FaultAction::Isolate { .. }
            | FaultAction::Partition { .. }
            | FaultAction::Bridge { .. }
            | FaultAction::Link { .. }
            | FaultAction::Transfer { .. }
            | FaultAction::Wipe { .. }
            | FaultAction::CrashLoop { .. }
            | FaultAction::RollingRestart { .. }
            | FaultAction::Member { .. }
            | FaultAction::Client { .. } => None,
        }
    }

    fn run(&self, plan: &Plan) -> Result<RunOutput, BackendError> {
        match run(plan, &self.options) {
            Ok(run) => Ok(RunOutput {
                history: run.history,
                resources: run.resources,
            }),
            Err(DockerError::Interrupted) => Err(BackendError::Interrupted),
            Err(error) => Err(BackendError::failed(INFO, error)),
        }
    }
}

/// Whether the plan does anything to links.
pub(super) fn has_link_faults(plan: &Plan) -> bool {
    plan.faults.iter().any(|fault| {
        matches!(
            fault.action,
            FaultAction::Isolate { .. }
                | FaultAction::Partition { .. }
                | FaultAction::Bridge { .. }
                | FaultAction::Link { .. }
        )
    })
}

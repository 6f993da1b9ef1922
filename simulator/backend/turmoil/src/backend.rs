//! Classic `turmoil` as a [`Backend`]: what it models, and what it does not.

use squall_backend::backend::{Backend, BackendError, BackendInfo, Lacks, RunOutput};
use squall_fault::FaultAction;
use squall_plan::plan::Plan;

use super::run;

/// What the engine is called, and what can be expected of its histories.
pub const INFO: BackendInfo = BackendInfo {
    name: "turmoil",
    title: "simulation on classic turmoil",
    simulated: true,
    knows_resources: false,
};

/// The same nodes and plans on another engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct TurmoilBackend;

impl Backend for TurmoilBackend {
    fn info(&self) -> BackendInfo {
        INFO
    }

    fn lacks(&self) -> Lacks {
        Lacks {
            clock_skew: Some("has one clock for all hosts; leave [clock] out"),
            hardware: Some("models no hardware; leave --profile and [hardware] out"),
            bandwidth: Some("models no bandwidth; leave `bandwidth` in [network] out"),
            ..Lacks::default()
        }
    }

    fn cannot(&self, action: &FaultAction) -> Option<&'static str> {
        match action {
            FaultAction::Pause { .. } => Some("a host runs or is crashed, nothing in between"),
            FaultAction::PowerLoss { .. } => Some("a host that crashes loses its process alone"),
            FaultAction::Disk { .. } => Some("its disks are sound"),
            FaultAction::Clock { .. } => Some("all hosts share one clock"),
            FaultAction::Link { change, .. } => {
                (change.bandwidth_bytes_per_s.is_some()).then_some("it models no bandwidth")
            }
            FaultAction::Kill { .. }
            | FaultAction::Stop { .. }
            | FaultAction::Isolate { .. }
            | FaultAction::Partition { .. }
            | FaultAction::Bridge { .. }
            | FaultAction::Transfer { .. }
            | FaultAction::Wipe { .. }
            | FaultAction::CrashLoop { .. }
            | FaultAction::RollingRestart { .. }
            | FaultAction::Member { .. }
            | FaultAction::Client { .. } => None,
        }
    }

    fn run(&self, plan: &Plan) -> Result<RunOutput, BackendError> {
        let run = run(plan).map_err(|error| BackendError::failed(INFO, error))?;
        Ok(RunOutput {
            history: run.history,
            resources: Vec::new(),
        })
    }
}

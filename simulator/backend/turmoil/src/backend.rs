//! Classic `turmoil` as a [`Backend`]: what it models, and what it does not.

use squall_backend::backend::{Backend, BackendError, BackendInfo, Lacks, RunOutput};
use squall_fault::{Action, Capability, NodeFault, Target};
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

/// What can be done here; whatever else a fault needs is refused.
const CAPABILITIES: [Capability; 4] = [
    Capability::Processes,
    Capability::Links,
    Capability::Membership,
    Capability::Clients,
];

impl Backend for TurmoilBackend {
    fn info(&self) -> BackendInfo {
        INFO
    }

    fn lacks(&self) -> Lacks {
        Lacks {
            clock_skew: Some("has one clock for all hosts; leave [clock] out"),
            hardware: Some("models no hardware; leave --profile and [hardware] out"),
            bandwidth: Some("models no bandwidth; leave `bandwidth` in [network] out"),
            points: Some(
                "makes nothing happen at points of the nodes' code; leave out [[point]], `points` \
                 and `at_points`, and faults whose `when` is a point",
            ),
            order: Some("decides itself what goes first; leave `order` in [schedule] out"),
            ..Lacks::default()
        }
    }

    fn missing(&self, needed: Capability) -> Option<&'static str> {
        let why = match needed {
            Capability::Power => "a host that crashes loses its process alone",
            Capability::Disks => "its disks are sound",
            Capability::Clocks => "all hosts share one clock",
            _ => "the engine has no means for it",
        };
        (!CAPABILITIES.contains(&needed)).then_some(why)
    }

    fn cannot(&self, action: &Action<Target>) -> Option<&'static str> {
        match action {
            Action::Nodes {
                does: NodeFault::Pause,
                ..
            } => Some("a host runs or is crashed, nothing in between"),
            Action::Link { change, .. } if change.bandwidth_bytes_per_s.is_some() => {
                Some("it models no bandwidth")
            }
            _ => self.missing(action.kind().info().needs),
        }
    }

    fn run(&self, plan: &Plan) -> Result<RunOutput, BackendError> {
        let run = run(plan).map_err(|error| BackendError::failed(INFO, error))?;
        Ok(RunOutput {
            history: run.history,
            ..RunOutput::default()
        })
    }
}

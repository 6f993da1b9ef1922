//! Containers as a [`Backend`]: what they can do, and what only a simulation can.

use squall_backend::backend::{Backend, BackendError, BackendInfo, Lacks, RunOutput};
use squall_fault::Capability;
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
    /// How to run, beside the plan.
    pub options: Options,
}

/// What can be done here; whatever else a fault needs is refused.
const CAPABILITIES: [Capability; 4] = [
    Capability::Processes,
    Capability::Links,
    Capability::Membership,
    Capability::Clients,
];

impl Backend for DockerBackend {
    fn info(&self) -> BackendInfo {
        INFO
    }

    /// Latency, bandwidth and syncs are left as they are: nearly every scenario has them, to be
    /// what a machine is like.
    fn lacks(&self) -> Lacks {
        squall_linux::real_nodes_lack!("containers")
    }

    fn missing(&self, needed: Capability) -> Option<&'static str> {
        let why = match needed {
            Capability::Power => "what was not synced outlives a process",
            Capability::Disks => "containers share the machine's disk",
            Capability::Clocks => "containers share the machine's clock",
            _ => "containers have no means for it",
        };
        (!CAPABILITIES.contains(&needed)).then_some(why)
    }

    fn run(&self, plan: &Plan) -> Result<RunOutput, BackendError> {
        run(plan, &self.options).map_err(|error| match error {
            DockerError::Interrupted => BackendError::Interrupted,
            error => BackendError::failed(INFO, error),
        })
    }
}

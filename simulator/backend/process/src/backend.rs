//! Processes as a [`Backend`]: what they can do, and what only a simulation can.

use squall_backend::backend::{Backend, BackendError, BackendInfo, Lacks, RunOutput};
use squall_check::Promises;
use squall_fault::kind::Loss;
use squall_fault::{Action, Capability, Target};
use squall_plan::plan::Plan;
use squall_workload::service::Services;
use squall_workload::shipped;

use super::network::can_be_isolated;
use super::{Options, ProcessError, run};

/// What processes are called, and what can be expected of their histories.
pub const INFO: BackendInfo = BackendInfo {
    name: "process",
    title: "processes of this machine",
    simulated: false,
    knows_resources: true,
};

/// Real nodes as processes of this machine, in real time.
#[derive(Default)]
pub struct ProcessBackend {
    /// How to run, beside the plan.
    pub options: Options,
}

impl ProcessBackend {
    /// Whether its nodes take the commands of Squall's own nodes.
    fn takes_commands(&self) -> bool {
        let system = self.options.system.as_ref();
        system.is_none_or(|system| system.takes_commands())
    }
}

impl Backend for ProcessBackend {
    fn info(&self) -> BackendInfo {
        INFO
    }

    /// Latency, bandwidth and syncs are left as they are: nearly every scenario has them, to be
    /// what a machine is like.
    fn lacks(&self) -> Lacks {
        squall_linux::real_nodes_lack!("processes")
    }

    fn missing(&self, needed: Capability) -> Option<&'static str> {
        match needed {
            Capability::Processes | Capability::Clients => None,
            Capability::Membership => (!self.takes_commands())
                .then_some("the system has no changes of leader or members that are known here"),
            Capability::Links => can_be_isolated().err(),
            Capability::Power => Some("what was not synced outlives a process"),
            Capability::Disks => Some("processes share the machine's disk"),
            Capability::Clocks => Some("processes share the machine's clock"),
            Capability::Connections => Some("processes have no means for it"),
        }
    }

    /// A node that lost its disk is replaced by way of the membership.
    fn cannot(&self, action: &Action<Target>) -> Option<&'static str> {
        let kind = action.kind().info();
        let replaces = kind.loses == Loss::Stored;
        let membership = || self.missing(Capability::Membership).filter(|_| replaces);
        self.missing(kind.needs).or_else(membership)
    }

    fn run(&self, plan: &Plan) -> Result<RunOutput, BackendError> {
        run(plan, &self.options).map_err(|error| match error {
            ProcessError::Interrupted => BackendError::Interrupted,
            error => BackendError::failed(INFO, error),
        })
    }

    fn runs_other_system(&self) -> bool {
        self.options.system.is_some()
    }

    fn promises(&self) -> Promises {
        let system = self.options.system.as_ref();
        system.map_or_else(Promises::default, |system| system.promises())
    }

    fn services(&self) -> Services {
        let system = self.options.system.as_ref();
        system.map_or_else(shipped, |system| system.services())
    }
}

//! The simulation as a [`Backend`]: it can do everything.

use std::sync::Arc;

use squall_backend::backend::{Backend, BackendError, BackendInfo, Lacks, RunOutput};
use squall_backend::log::{LogFilter, Logs};
use squall_backend::trace::{TraceFilter, Traced};
use squall_fault::Capability;
use squall_plan::plan::Plan;
use squall_workload::service::Services;
use squall_workload::shipped;

use super::log::Capture;
use super::run_system;
use super::system::System;
use super::trace::Tracing;

/// What the simulation is called, and what can be expected of its histories.
pub const INFO: BackendInfo = BackendInfo {
    name: "sim",
    title: "simulation in virtual time",
    simulated: true,
    knows_resources: false,
};

/// Deterministic simulation in virtual time, of Squall's own cluster or of another system.
#[derive(Default)]
pub struct SimBackend {
    /// `None`: Squall's own cluster.
    pub system: Option<Arc<dyn System>>,
    /// Which lines of the nodes' logs to keep; `None`: none, which costs nothing.
    pub log: Option<LogFilter>,
    /// What to record of messages and states; `None`: nothing, which costs nothing.
    pub trace: Option<TraceFilter>,
}

impl Backend for SimBackend {
    fn info(&self) -> BackendInfo {
        INFO
    }

    fn lacks(&self) -> Lacks {
        Lacks::default()
    }

    fn missing(&self, _needed: Capability) -> Option<&'static str> {
        None
    }

    fn run(&self, plan: &Plan) -> Result<RunOutput, BackendError> {
        let capture = self.log.clone().map(Capture::start);
        let tracing = self.trace.clone().map(Tracing::start);
        let run = run_system(plan, self.system.as_ref());
        let traced = tracing.map_or_else(Traced::default, Tracing::finish);
        let logs = capture.map_or_else(Logs::default, Capture::finish);
        let run = run.map_err(|error| BackendError::failed(INFO, error))?;
        Ok(RunOutput {
            history: run.history,
            resources: Vec::new(),
            logs,
            traced,
        })
    }

    fn runs_other_system(&self) -> bool {
        self.system.is_some()
    }

    fn services(&self) -> Services {
        services(self.system.as_ref())
    }
}

/// Of the system, or of Squall's own cluster.
pub(super) fn services(system: Option<&Arc<dyn System>>) -> Services {
    system.map_or_else(shipped, |system| system.services())
}

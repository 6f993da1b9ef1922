//! Defines a service for the harness: its clients, its probes and its audit.
//!
//! Locks, queues and caches implement [`Service`], and [`shipped`](super::shipped()) lists them; a service from
//! outside implements the same and is given to a run with its system. Everything that has to
//! know all services asks the list of the run.

use std::sync::Arc;

use super::{Audit, Client, LocalFuture};
use squall_check::OwnCheck;
use squall_history::{self as history, Outcome};
use squall_plan::plan::WorkloadPlan;

/// A service that workloads ask.
pub trait Service: Send + Sync {
    /// As in scenarios, histories and reports.
    fn name(&self) -> history::Service;

    /// The clients of a workload. Unless said otherwise, so many as the scenario says, which
    /// are all alike.
    fn roles(&self, workload: &WorkloadPlan) -> Vec<Role> {
        vec![Role::of_load("", workload.kind.clients())]
    }

    /// The life of one client: until [`Client::next`] says that the workload is over.
    fn run(&self, role: &'static str, client: Client) -> LocalFuture<'static, ()>;

    /// A probe, which resolves downtime beside the workloads. `None`: the service has none.
    fn probe(&self) -> Option<Box<dyn Probe>> {
        None
    }

    /// Looks, after the faults, at everything that was acknowledged. The operations are part
    /// of the history; whether anything is missing is for checks to find.
    fn audit<'a>(&'a self, audit: &'a mut Audit) -> LocalFuture<'a, ()> {
        let _ = audit;
        Box::pin(async {})
    }

    /// What its histories are judged by. The checks of the services that ship are those of
    /// Squall itself, and need no mention here.
    fn checks(&self) -> Vec<OwnCheck> {
        Vec::new()
    }
}

/// Clients of a workload that do the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// Part of the clients' names; empty for the only one.
    pub name: &'static str,
    /// How many there are.
    pub clients: u64,
    /// Whether these are the clients that the workload's pace and number of operations mean.
    /// Others go on as long as there is anything to see.
    pub is_load: bool,
    /// Of those others: whether they rest between operations where a load paces the rest.
    pub rests: bool,
}

impl Role {
    /// Clients that the workload's pace means.
    pub fn of_load(name: &'static str, clients: u64) -> Self {
        Role {
            name,
            clients,
            is_load: true,
            rests: true,
        }
    }

    /// Clients that go on as long as there is anything to see.
    pub fn beside(name: &'static str, clients: u64) -> Self {
        Role {
            is_load: false,
            ..Role::of_load(name, clients)
        }
    }
}

/// A small, steady client; see [`super::probe`].
pub trait Probe {
    /// The next operation of its cycle, on an object of its own: that of the client's name.
    fn ask<'a>(&'a mut self, client: &'a mut Client) -> LocalFuture<'a, Outcome>;
}

/// The services of a run, in the order of its audit: what is only read comes first, and
/// queues, whose draining may take all the time there is, last.
pub type Services = Vec<Arc<dyn Service>>;

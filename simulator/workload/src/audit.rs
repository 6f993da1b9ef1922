//! The audit: after the faults have healed, every service looks at all that was acknowledged.
//!
//! The audit's operations are part of the history; whether anything is missing is for the
//! checks to find.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use squall_world::Instant;
use tokio::sync::Notify;

use super::service::workloads_of;
use super::{Client, RunContext, probe};
use squall_history::{Action, Outcome, Service};
use squall_plan::plan::{Plan, WorkloadPlan};

/// From so many reads on, several are made at a time.
const MANY_READS: usize = 2_000;
/// So many.
const READERS: usize = 32;
const TIMEOUT_US: u64 = 2_000_000;

/// An audit under way, and the client that asks.
pub struct Audit {
    /// The client that asks.
    pub client: Client,
    plan: Rc<Plan>,
    deadline: Instant,
    /// What could not be looked at in time, in words.
    unfinished: Vec<String>,
}

/// Audits everything within `limit`.
///
/// # Errors
/// What could not be finished in time, in words.
pub async fn run(context: &Rc<RunContext>, plan: &Plan, limit: Duration) -> Result<(), String> {
    let mut audit = Audit {
        client: client(context, plan, "audit".into(), 0),
        plan: Rc::new(plan.clone()),
        deadline: context.host.now() + limit,
        unfinished: Vec::new(),
    };
    for service in &context.services {
        // What cannot be finished of one service must not keep the others from being audited.
        audit.client.service = service.name();
        service.audit(&mut audit).await;
    }
    if audit.unfinished.is_empty() {
        Ok(())
    } else {
        Err(audit.unfinished.join("; "))
    }
}

fn client(context: &Rc<RunContext>, plan: &Plan, name: String, number: u64) -> Client {
    Client::of_harness(
        context.clone(),
        name,
        plan.stream("audit"),
        TIMEOUT_US,
        number,
        Service::Lock,
    )
}

impl Audit {
    /// The workloads that asked a service.
    pub fn workloads(&self, service: Service) -> impl Iterator<Item = &WorkloadPlan> {
        workloads_of(&self.plan, service)
    }

    /// The names of the service's probes, each of which has an object of that name.
    pub fn probes(&self, service: Service) -> Vec<String> {
        if self.client.context.probed.borrow().contains(&service) {
            probe::names(service).collect()
        } else {
            Vec::new()
        }
    }

    /// Whether the time for it is over.
    pub fn is_over(&self) -> bool {
        self.client.now() >= self.deadline
    }

    /// Asks until there is an answer; `None` if there is none in time.
    pub async fn ask(&mut self, action: Action) -> Option<Outcome> {
        ask(&mut self.client, &action, self.deadline).await
    }

    /// Says what could not be looked at in time.
    pub fn leave_unfinished(&mut self, what: String) {
        self.unfinished.push(what);
    }

    /// Reads objects, each by its operation; what is not answered stays unfinished. Many are
    /// read several at a time: one after the other would take longer than the run.
    pub async fn read_all(&mut self, reads: Vec<Action>) {
        if reads.len() < MANY_READS {
            for action in reads {
                let answer = self.ask(action.clone()).await;
                self.unfinished.extend(unread(&action, answer));
            }
            return;
        }
        let reads = Rc::new(RefCell::new(VecDeque::from(reads)));
        let missing = Rc::new(RefCell::new(Vec::new()));
        let left = Rc::new(Cell::new(READERS));
        let finished = Rc::new(Notify::new());
        let context = self.client.context.clone();
        for reader in 0..READERS {
            let name = format!("audit-{}", reader + 1);
            let mut client = client(&context, &self.plan, name, reader as u64);
            client.service = self.client.service;
            let (reads, missing, deadline) = (reads.clone(), missing.clone(), self.deadline);
            let (left, finished) = (left.clone(), finished.clone());
            context.spawn(async move {
                loop {
                    let next = reads.borrow_mut().pop_front();
                    let Some(action) = next else { break };
                    let answer = ask(&mut client, &action, deadline).await;
                    missing.borrow_mut().extend(unread(&action, answer));
                }
                left.set(left.get() - 1);
                finished.notify_one();
            });
        }
        while left.get() > 0 {
            finished.notified().await;
        }
        self.unfinished.append(&mut missing.borrow_mut());
    }
}

async fn ask(client: &mut Client, action: &Action, deadline: Instant) -> Option<Outcome> {
    while client.now() < deadline {
        let outcome = client.ask(None, action.clone()).await;
        if outcome.is_acknowledged() {
            return Some(outcome);
        }
    }
    None
}

fn unread(action: &Action, answer: Option<Outcome>) -> Option<String> {
    let key = action.key().unwrap_or_default();
    match answer {
        Some(_) => None,
        None => Some(format!("key {key} could not be read in time")),
    }
}

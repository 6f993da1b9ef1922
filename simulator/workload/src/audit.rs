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

use super::probe_names::probe_names;
use super::{Client, RunContext};
use squall_history::{Action, Outcome, Service};
use squall_plan::plan::{Plan, WorkloadPlan};

/// From so many reads on, several are made at a time.
const MANY_READS: usize = 2_000;
/// From so many messages on, several are acknowledged at a time.
const MANY_MESSAGES: usize = 50;
/// So many.
const CLIENTS_AT_A_TIME: usize = 32;
const TIMEOUT_US: u64 = 2_000_000;

/// An audit under way, and the client that asks.
pub struct Audit {
    /// The client that asks.
    pub client: Client,
    plan: Rc<Plan>,
    deadline: Instant,
    /// What could not be looked at in time, in words.
    unfinished: Vec<String>,
    /// Something of it was not for want of time alone.
    is_stuck: bool,
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

/// What an audit could not finish in time.
pub struct Unfinished {
    /// In words.
    pub why: String,
    /// All was answered, and there was more than the time was enough for.
    pub in_progress: bool,
}

impl Audit {
    /// Of everything that `plan` says was asked, within `limit` from now.
    pub(super) fn new(context: &Rc<RunContext>, plan: &Plan, limit: Duration) -> Self {
        Audit {
            client: client(context, plan, "audit".into(), 0),
            plan: Rc::new(plan.clone()),
            deadline: context.host.now() + limit,
            unfinished: Vec::new(),
            is_stuck: false,
        }
    }

    pub(super) fn end(self) -> Result<(), Unfinished> {
        match self.unfinished.is_empty() {
            true => Ok(()),
            false => Err(Unfinished {
                why: self.unfinished.join("; "),
                in_progress: !self.is_stuck,
            }),
        }
    }

    /// The workloads that asked a service.
    pub fn workloads(&self, service: Service) -> impl Iterator<Item = &WorkloadPlan> {
        self.plan.workloads_of(service)
    }

    /// The names of the service's probes, each of which has an object of that name.
    pub fn probes(&self, service: Service) -> Vec<String> {
        if self.client.context.probed.borrow().contains(&service) {
            probe_names(service).collect()
        } else {
            Vec::new()
        }
    }

    /// Whether the time for it is over.
    pub fn is_over(&self) -> bool {
        self.client.now() >= self.deadline
    }

    /// Asks until there is an answer; `None` if it is a refusal, or there is none in time.
    pub async fn ask(&mut self, action: Action) -> Option<Outcome> {
        ask(&mut self.client, &action, self.deadline).await
    }

    /// Says what could not be looked at in time.
    pub fn leave_unfinished(&mut self, what: String) {
        self.unfinished.push(what);
        self.is_stuck = true;
    }

    /// The same of what went on well, and would have taken more time than there was.
    pub fn leave_in_progress(&mut self, what: String) {
        self.unfinished.push(what);
    }

    /// Acknowledges messages, each by its operation; how many were not answered in time, which
    /// leaves their messages in flight.
    pub async fn acknowledge_all(&mut self, acks: Vec<Action>) -> usize {
        self.ask_all(acks, MANY_MESSAGES).await.len()
    }

    /// Reads objects, each by its operation; what is not answered stays unfinished.
    pub async fn read_all(&mut self, reads: Vec<Action>) {
        for action in self.ask_all(reads, MANY_READS).await {
            let key = action.key().unwrap_or_default();
            self.leave_unfinished(format!("key {key} could not be read in time"));
        }
    }

    /// Asks all, and returns what was not answered in time. From `many` on, several are asked
    /// at a time: one after the other would take longer than the run.
    async fn ask_all(&mut self, actions: Vec<Action>, many: usize) -> Vec<Action> {
        let mut missing = Vec::new();
        if actions.len() < many {
            for action in actions {
                let answer = self.ask(action.clone()).await;
                missing.extend(answer.is_none().then_some(action));
            }
            return missing;
        }
        let actions = Rc::new(RefCell::new(VecDeque::from(actions)));
        let missing = Rc::new(RefCell::new(missing));
        let left = Rc::new(Cell::new(CLIENTS_AT_A_TIME));
        let finished = Rc::new(Notify::new());
        let context = self.client.context.clone();
        for number in 0..CLIENTS_AT_A_TIME {
            let name = format!("audit-{}", number + 1);
            let mut client = client(&context, &self.plan, name, number as u64);
            client.service = self.client.service;
            let (actions, missing, deadline) = (actions.clone(), missing.clone(), self.deadline);
            let (left, finished) = (left.clone(), finished.clone());
            context.spawn(async move {
                loop {
                    let next = actions.borrow_mut().pop_front();
                    let Some(action) = next else { break };
                    if ask(&mut client, &action, deadline).await.is_none() {
                        missing.borrow_mut().push(action);
                    }
                }
                left.set(left.get() - 1);
                finished.notify_one();
            });
        }
        while left.get() > 0 {
            finished.notified().await;
        }
        missing.take()
    }
}

/// Asks until there is an answer; `None` if it is a refusal, or there is none in time.
async fn ask(client: &mut Client, action: &Action, deadline: Instant) -> Option<Outcome> {
    while client.now() < deadline {
        let outcome = client.ask(None, action.clone()).await;
        if outcome.is_answer() {
            return Some(outcome).filter(Outcome::is_acknowledged);
        }
    }
    None
}

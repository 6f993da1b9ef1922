//! Clients of Redis: alone, with Sentinel, or as a cluster.
//!
//! What Redis has is used as its documentation teaches: registers are `GET`, `SET`, `DEL` and a
//! script that compares; locks are `SET key token NX PX ttl` and a script that deletes only its
//! own token; queues are streams with a group, or lists. Redis has neither versions nor fencing
//! tokens, so both are names here ([`squall_history::unordered`]).
//!
//! **What is known of an outcome.** An error that Redis answers is certain: it executes one
//! command at a time, and each of ours changes something in its last step or not at all. So is
//! a connection that could not be opened. A connection that breaks, or an answer that does not
//! come in time, leaves it unknown, and nothing is sent twice after that. What was refused by a
//! node that is not the right one (`MOVED`, `READONLY`, `LOADING`, `NOREPLICAS` and their like)
//! is asked again of the right one for as long as there is time.

mod commander;
mod connection;
mod locks;
mod queues;
mod registers;
mod status;
#[cfg(test)]
mod testing;

use std::rc::Rc;

use squall_history::{Action, Outcome};
use squall_workload::{ClientDriver, LocalFuture};
use squall_world::Instant;

use crate::deliveries::Deliveries;
use crate::offer::{QueueKind, Reads};
use commander::Commander;
pub(crate) use commander::Topology;
use locks::Sessions;
use registers::Registers;
pub(crate) use status::status;

/// What all clients of a run have in common.
pub(crate) struct Setup {
    /// Of the nodes, for clients.
    pub(crate) addresses: Vec<String>,
    pub(crate) topology: Topology,
    pub(crate) reads: Reads,
    pub(crate) queues: QueueKind,
    deliveries: Deliveries,
}

impl Setup {
    pub(crate) fn new(
        addresses: Vec<String>,
        topology: Topology,
        reads: Reads,
        queues: QueueKind,
    ) -> Self {
        Self {
            addresses,
            topology,
            reads,
            queues,
            deliveries: Deliveries::default(),
        }
    }
}

/// The operations that there are.
pub(crate) fn offers(operation: &str) -> bool {
    OFFERED.contains(&operation)
}

const OFFERED: &[&str] = &[
    "get",
    "set",
    "compare_and_set",
    "delete",
    "increment",
    "open_session",
    "keep_alive",
    "close_session",
    "acquire",
    "release",
    "publish",
    "receive",
    "ack",
    "depth",
];

/// One client.
pub(crate) struct Driver {
    setup: Rc<Setup>,
    commander: Commander,
    registers: Registers,
    sessions: Sessions,
    number: usize,
}

impl Driver {
    pub(crate) fn new(setup: Rc<Setup>, number: usize) -> Self {
        Self {
            commander: Commander::new(setup.clone(), number),
            setup,
            registers: Registers::default(),
            sessions: Sessions::default(),
            number,
        }
    }

    async fn outcome(&mut self, action: &Action, deadline: Instant) -> Outcome {
        let commander = &mut self.commander;
        let done = match action.service() {
            _ if !offers(action.operation()) => {
                let why = format!("Redis has no {}", action.operation());
                return Outcome::Failed { why };
            }
            squall_history::Service::Cache => self.registers.ask(commander, action, deadline).await,
            squall_history::Service::Lock => self.sessions.ask(commander, action, deadline).await,
            _ => {
                let queues = queues::Queues {
                    commander,
                    setup: &self.setup,
                    consumer: format!("c{}", self.number),
                };
                queues.ask(action, deadline).await
            }
        };
        crate::outcome::settled(done)
    }
}

impl ClientDriver for Driver {
    fn issue<'a>(&'a mut self, action: &'a Action, deadline: Instant) -> LocalFuture<'a, Outcome> {
        Box::pin(self.outcome(action, deadline))
    }

    fn offers(&self, operation: &str) -> bool {
        offers(operation)
    }
}

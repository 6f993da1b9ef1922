//! The driver of Squall's own cluster: actions become commands and queries, replies become
//! outcomes. Says which driver the clients of a run have.

use std::rc::Rc;

use squall_cluster::client::{CallError, Client, Tracking};
use squall_cluster::protocol::Push;
use squall_cluster::state::command::{Refusal, Reply};
use squall_world::{Instant, World};

use super::asked::Asked;
use super::driver::{Connect, Connection, Foreign, Invalidations, LocalFuture, Request};
use super::{Drivers, RunContext, cache, lock, queue};
use squall_history::{Action, Outcome, Recorder, Service};

impl RunContext {
    /// For clients of Squall's own cluster in the world `W`.
    pub fn new<W: World>(recorder: Recorder, addresses: Vec<String>) -> Rc<Self> {
        Self::with_drivers::<W>(recorder, addresses, None)
    }

    /// For clients of another system, if `drivers` are given.
    pub fn with_drivers<W: World>(
        recorder: Recorder,
        addresses: Vec<String>,
        drivers: Option<Drivers>,
    ) -> Rc<Self> {
        let is_foreign = drivers.is_some();
        let connect: Connect = match drivers {
            Some(drivers) => Box::new(move |_, number| Box::new(Foreign(drivers(number)))),
            None => Box::new(|addresses, number| {
                Box::new(Cluster(Client::<W>::new(addresses.to_vec(), number)))
            }),
        };
        Self::with_connect::<W>(recorder, addresses, connect, is_foreign)
    }
}

/// A connection to Squall's own cluster.
pub(super) struct Cluster<W: World>(pub(super) Client<W>);

impl<W: World> Connection for Cluster<W> {
    fn send<'a>(&'a mut self, request: Request<'a>) -> LocalFuture<'a, Outcome> {
        Box::pin(async move {
            let action = request.action;
            let (once, deadline) = (request.extras.once, request.deadline);
            let asked = match action.service() {
                Service::Lock => lock::asked(action, request.extras.wait_die),
                Service::Queue => queue::asked(action, request.extras.producer),
                Service::Cache => cache::asked(action, request.extras.bytes),
                Service::Own(name) => {
                    let why = format!("squall's own cluster has no service `{}`", name.text());
                    return Outcome::Failed { why };
                }
            };
            let result = match asked {
                Asked::Write(command) => {
                    let wait_ms = action.wait_ms();
                    self.0.write(once, &command, wait_ms, deadline).await
                }
                Asked::Read(mode, query) => self.0.read(mode, &query, deadline).await,
            };
            outcome_of(action, result)
        })
    }

    fn track(
        &mut self,
        index: u64,
        deadline: Instant,
    ) -> LocalFuture<'_, Option<Box<dyn Invalidations>>> {
        Box::pin(async move {
            let stream = self.0.track(index, deadline).await.ok()?;
            Some(Box::new(stream) as Box<dyn Invalidations>)
        })
    }
}

impl<W: World> Invalidations for Tracking<W> {
    fn next(&mut self) -> LocalFuture<'_, Result<Push, String>> {
        Box::pin(Tracking::next(self))
    }

    fn ping(&mut self, deadline: Instant) -> LocalFuture<'_, Result<(), String>> {
        Box::pin(Tracking::ping(self, deadline))
    }
}

/// What the client learnt, in the terms of the history.
fn outcome_of(action: &Action, result: Result<Reply, CallError>) -> Outcome {
    let reply = match result {
        Ok(reply) => reply,
        Err(CallError::Refused(Refusal::NotHeld | Refusal::NoSession)) if is_hold(action) => {
            return Outcome::NotHeld;
        }
        Err(CallError::Refused(refusal)) => {
            return Outcome::Failed {
                why: format!("{refusal:?}"),
            };
        }
        Err(CallError::Definite(why) | CallError::Rejected(why)) => {
            return Outcome::Failed { why };
        }
        Err(CallError::Indefinite(why)) => return Outcome::Unknown { why },
    };
    let answer = match action.service() {
        Service::Lock => lock::answer(action, reply),
        Service::Queue => queue::answer(action, reply),
        Service::Cache => cache::answer(action, reply),
        Service::Own(_) => Err(reply),
    };
    // The protocol does not allow this here. The effect is unknown; the checks for phantom and
    // lost effects will find it.
    answer.unwrap_or_else(|reply| Outcome::Unknown {
        why: format!("unexpected reply {reply:?}"),
    })
}

fn is_hold(action: &Action) -> bool {
    use Action::*;
    matches!(
        action,
        Acquire { .. } | Release { .. } | KeepAlive { .. } | CloseSession { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each; a new one does not compile until it is here.
    fn refusals() -> Vec<Refusal> {
        use Refusal::*;
        let all = vec![
            NoSession,
            StaleSequence { last: 1 },
            NotHeld,
            WouldDeadlock,
            WrongMode,
            NoQueue,
            QueueFull { depth: 1, limit: 1 },
            NotAnInteger,
            Overflow,
            TooLarge,
            OutOfRange,
            NotAFloat,
            NotFinite,
            NoSuchKey,
            ReplyTooLarge,
            NotEmpty { messages: 1 },
            WrongType,
            NoSuchIndex,
            TooMuchWork,
            SequenceReused,
        ];
        for refusal in &all {
            match refusal {
                NoSession
                | StaleSequence { .. }
                | NotHeld
                | WouldDeadlock
                | WrongMode
                | NoQueue
                | QueueFull { .. }
                | NotAnInteger
                | Overflow
                | TooLarge
                | OutOfRange
                | NotAFloat
                | NotFinite
                | NoSuchKey
                | ReplyTooLarge
                | WrongType
                | NoSuchIndex
                | TooMuchWork
                | SequenceReused
                | NotEmpty { .. } => {}
            }
        }
        all
    }

    #[test]
    fn a_refusal_of_the_service_is_an_answer_and_a_failure_of_the_cluster_is_none() {
        let get = Action::Ttl { key: "k".into() };
        for refusal in refusals() {
            let outcome = outcome_of(&get, Err(CallError::Refused(refusal.clone())));
            assert!(
                outcome.is_answer() && !outcome.is_acknowledged(),
                "{refusal:?}"
            );
        }
        let failed = CallError::Definite("connection refused".into());
        assert!(!outcome_of(&get, Err(failed)).is_answer());
    }
}

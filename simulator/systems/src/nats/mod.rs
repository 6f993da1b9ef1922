//! Clients of NATS JetStream, by the text protocol of NATS.
//!
//! Registers are keys of a bucket of the key-value store; versions are sequences of its stream,
//! and a compare-and-set compares them. Queues are subjects of a stream whose messages stay until
//! they are acknowledged, each with a durable pull consumer; a visibility timeout is its
//! `ack_wait`.
//!
//! **What is known of an outcome.** "No responders" is certain: the server that was asked has
//! sent the message to no one. So is a connection that could not be opened, and an error that
//! JetStream gives before it proposes anything, or in place of storing it. Everything else that
//! is no answer leaves the outcome unknown: a time that ran out, a connection that broke.
//!
//! The field's own crate (`async-nats`) connects again by itself and sends then what it had kept
//! meanwhile, so that nobody learns whether a request had been sent before.
//!
//! Source: "Client Protocol" and "JetStream API Reference", docs.nats.io; ADR-8 (key-value),
//! ADR-13 (pulls), ADR-31 (direct gets).

mod connection;
mod queues;
mod registers;
mod requests;
mod status;
mod streams;
#[cfg(test)]
mod testing;
mod wire;

use std::rc::Rc;

use squall_history::{Action, Outcome, Service};
use squall_workload::{ClientDriver, LocalFuture};
use squall_world::Instant;

use crate::deliveries::Deliveries;
use crate::offer::Reads;
use queues::{Consumers, Queues};
use registers::Registers;
use requests::Requests;
pub(crate) use status::status;
pub(crate) use streams::prepare;

/// What all clients of a run have in common.
pub(crate) struct Setup {
    /// Of the nodes, for clients.
    addresses: Vec<String>,
    reads: Reads,
    deliveries: Deliveries,
    consumers: Consumers,
}

impl Setup {
    pub(crate) fn new(addresses: Vec<String>, reads: Reads) -> Self {
        Self {
            addresses,
            reads,
            deliveries: Deliveries::default(),
            consumers: Consumers::default(),
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
    "publish",
    "receive",
    "ack",
    "nack",
    "depth",
];

/// One client.
pub(crate) struct Driver {
    setup: Rc<Setup>,
    requests: Requests,
}

impl Driver {
    pub(crate) fn new(setup: Rc<Setup>, number: usize) -> Self {
        Self {
            requests: Requests::new(setup.addresses.clone(), number),
            setup,
        }
    }

    async fn outcome(&mut self, action: &Action, deadline: Instant) -> Outcome {
        let requests = &mut self.requests;
        let done = match action.service() {
            _ if !offers(action.operation()) => {
                let why = format!("NATS has no {}", action.operation());
                return Outcome::Failed { why };
            }
            Service::Cache => {
                let reads = self.setup.reads;
                Registers { requests, reads }.ask(action, deadline).await
            }
            _ => {
                let setup = &self.setup;
                Queues { requests, setup }.ask(action, deadline).await
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::testing::{Answer, Client, with_server};
    use super::*;

    fn set() -> Action {
        Action::Set {
            key: "k".into(),
            value: "a".into(),
            bytes: 0,
        }
    }

    fn set_if(version: u64) -> Action {
        Action::CompareAndSet {
            key: "k".into(),
            version,
            value: "a".into(),
        }
    }

    fn publish(value: &str, bytes: u64) -> Action {
        Action::Publish {
            queue: "q".into(),
            value: value.into(),
            bytes,
        }
    }

    fn receive(max: u32) -> Action {
        Action::Receive {
            queue: "q".into(),
            max,
            visibility_ms: 1_000,
            wait_ms: 100,
        }
    }

    /// What becomes of an operation whose messages are answered in these ways, the last of them
    /// again and again; and how many messages there were.
    fn asked(action: Action, answers: Vec<fn() -> Answer>) -> (Outcome, usize) {
        let count = Rc::new(RefCell::new(0));
        let counted = count.clone();
        let outcome = Rc::new(RefCell::new(None));
        let of_test = outcome.clone();
        with_server(
            move |_| {
                let mut count = counted.borrow_mut();
                *count += 1;
                answers[(*count - 1).min(answers.len() - 1)]()
            },
            |mut client: Client| async move {
                let outcome = client.ask(action).await;
                of_test.replace(Some(outcome));
            },
        );
        let messages = *count.borrow();
        (outcome.take().expect("it was asked"), messages)
    }

    fn stored() -> Answer {
        Answer::Json(r#"{"stream":"KV_squall", "seq":7}"#.into())
    }

    fn nobody() -> Answer {
        Answer::Status(503)
    }

    fn no_leader_any_more() -> Answer {
        Answer::Json(r#"{"error":{"code":503,"description":"raft: not leader"}}"#.into())
    }

    fn other_sequence() -> Answer {
        let error = r#"{"code":400,"err_code":10071,"description":"wrong last sequence: 9"}"#;
        Answer::Json(format!(
            r#"{{"error":{error},"stream":"KV_squall","seq":0}}"#
        ))
    }

    fn not_stored_here() -> Answer {
        Answer::Json(r#"{"error":{"code":503,"err_code":10077,"description":"x"}}"#.into())
    }

    #[test]
    fn what_nobody_has_had_is_sent_again_and_else_has_failed() {
        let version = 7;
        for refused in [nobody, no_leader_any_more] {
            let done = asked(set(), vec![refused, refused, stored]);
            assert_eq!(done, (Outcome::Stored { version }, 3));
            let (outcome, messages) = asked(set(), vec![refused]);
            assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
            assert!(messages > 2, "{messages}");
        }
        let (outcome, messages) = asked(publish("m", 1_001), vec![stored]);
        assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
        assert_eq!(messages, 0);
    }

    #[test]
    fn what_somebody_may_have_had_is_unknown_and_not_sent_again() {
        let nothing = || Answer::Nothing;
        let close = || Answer::Close;
        for answer in [nothing, close, not_stored_here] {
            let actions = [set(), set_if(3), publish("m", 0)];
            for action in actions {
                let (outcome, messages) = asked(action.clone(), vec![answer]);
                assert!(
                    matches!(outcome, Outcome::Unknown { .. }),
                    "{action:?}: {outcome:?}"
                );
                assert_eq!(messages, 1, "{action:?}");
            }
        }
    }

    #[test]
    fn another_sequence_is_a_mismatch_unless_the_key_was_deleted() {
        let mismatch = asked(set_if(3), vec![other_sequence]);
        assert_eq!(mismatch, (Outcome::Mismatch, 1));
        let deleted = || {
            // NATS/1.0, KV-Operation: DEL
            let headers = "TkFUUy8xLjANCktWLU9wZXJhdGlvbjogREVMDQoNCg==";
            Answer::Json(format!(
                r#"{{"message":{{"subject":"s","seq":9,"hdrs":"{headers}"}}}}"#
            ))
        };
        let created = asked(set_if(0), vec![other_sequence, deleted, stored]);
        assert_eq!(created, (Outcome::Stored { version: 7 }, 3));
        let taken = || Answer::Json(r#"{"message":{"subject":"s","seq":9,"data":"eg=="}}"#.into());
        let mismatch = asked(set_if(0), vec![other_sequence, taken]);
        assert_eq!(mismatch, (Outcome::Mismatch, 2));
    }

    #[test]
    fn a_compare_and_set_names_the_sequence_that_it_expects() {
        let seen = Rc::new(RefCell::new(String::new()));
        let of_server = seen.clone();
        with_server(
            move |published| {
                assert_eq!(
                    (published.subject.as_str(), published.payload.as_str()),
                    ("$KV.squall.k", "a ")
                );
                of_server.replace(published.headers.clone());
                stored()
            },
            |mut client| async move {
                client.ask(set_if(3)).await;
            },
        );
        assert_eq!(
            *seen.borrow(),
            "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 3\r\n\r\n"
        );
    }

    #[test]
    fn a_pull_takes_what_comes_until_its_end() {
        let consumer = || Answer::Json(r#"{"name":"q"}"#.into());
        let kept_for_others = || Answer::Status(408);
        let two = || {
            let messages = vec![
                ("$JS.ACK.s.q.1.4.1.9.1", "a "),
                ("$JS.ACK.s.q.2.5.2.9.0", "b "),
            ];
            Answer::Messages(messages, 408)
        };
        let (outcome, messages) = asked(receive(10), vec![consumer, kept_for_others, two]);
        let Outcome::Received { messages: received } = outcome else {
            panic!("{outcome:?}")
        };
        let received_at = |at: usize| {
            let message: &squall_history::Delivered = &received[at];
            (message.value.as_str(), message.id, message.deliveries)
        };
        assert_eq!((received_at(0), received_at(1)), (("a", 4, 1), ("b", 5, 2)));
        assert_eq!((received.len(), messages), (2, 3));
        // Of the first two it is certain that nobody took anything.
        let (outcome, _) = asked(receive(1), vec![consumer, || Answer::Nothing]);
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        let (outcome, _) = asked(receive(1), vec![|| Answer::Nothing]);
        assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
        let (outcome, _) = asked(receive(1), vec![consumer, || Answer::Status(409)]);
        assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    }
}

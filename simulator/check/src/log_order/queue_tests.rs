//! Tests of queues by their receipts: histories by hand, and against the search.

use proptest::prelude::*;

use super::judge;
use super::*;
use crate::linearizability::brute_force::agree;
use crate::testing::*;
use squall_history::{EventKind, History, operations};

fn judged(history: &History) -> Answer {
    let operations = operations(history);
    let queues = objects(&operations);
    judge(&operations, &queues["q"])
}

#[track_caller]
fn wrong(run: &Run, why: &str) {
    match judged(&run.cut()) {
        Answer::Violation(what, shown) => {
            assert!(what.contains(why), "{what}");
            assert!(!shown.is_empty());
        }
        answer => panic!("{answer:?}"),
    }
}

/// A queue with message `m1` published and delivered under receipt 1.
fn delivered_once() -> Run {
    let mut run = Run::new();
    run.call("p", publish("q", "m1"), Outcome::Published { id: 1 });
    run.call("c", receive("q"), received(1, 1, 1));
    run
}

#[test]
fn a_message_that_comes_again_until_it_is_acked() {
    let mut run = delivered_once();
    run.call("c", nack("q", "m1", 1), settled());
    run.call("d", receive("q"), received(1, 2, 2));
    run.call("c", ack("q", "m1", 1), Outcome::Settled { valid: false });
    run.call("d", ack("q", "m1", 2), settled());
    run.call("c", receive("q"), nothing());
    assert_eq!(judged(&run.cut()), Answer::Linearizable);
}

#[test]
fn an_unanswered_publish_may_be_delivered() {
    let mut run = Run::new();
    run.call("p", publish("q", "m1"), unknown());
    run.call("p", publish("q", "m2"), Outcome::Published { id: 2 });
    run.call("c", receive("q"), received(1, 1, 1));
    assert_eq!(judged(&run.cut()), Answer::Linearizable);
}

#[test]
fn a_message_after_its_ack_and_a_receipt_that_had_run_out() {
    let mut run = delivered_once();
    run.call("c", ack("q", "m1", 1), settled());
    run.call("d", receive("q"), received(1, 2, 2));
    wrong(&run, "delivered after receipt 1 was acked");
    let mut run = delivered_once();
    run.call("d", receive("q"), received(1, 2, 2));
    run.call("c", nack("q", "m1", 1), settled());
    wrong(&run, "by the log");
}

#[test]
fn messages_and_receipts_from_nowhere() {
    let mut run = Run::new();
    run.call("c", receive("q"), received(1, 1, 1));
    wrong(&run, "never published");
    let mut run = delivered_once();
    run.call("c", ack("q", "m1", 9), settled());
    wrong(&run, "settled but not given");
    let mut run = delivered_once();
    run.call("d", receive("q"), received(1, 1, 2));
    wrong(&run, "given twice");
    let mut run = delivered_once();
    run.call("p", publish("q", "m2"), Outcome::Published { id: 1 });
    wrong(&run, "under one id");
}

#[test]
fn ids_and_receipts_that_go_back_in_time() {
    let mut run = Run::new();
    run.call("p", publish("q", "m2"), Outcome::Published { id: 2 });
    run.call("p", publish("q", "m1"), Outcome::Published { id: 1 });
    wrong(&run, "by the log");
    let mut run = Run::new();
    run.call("p", publish("q", "m1"), Outcome::Published { id: 1 });
    run.call("p", publish("q", "m2"), Outcome::Published { id: 2 });
    run.call("c", receive("q"), received(1, 2, 1));
    run.call("c", receive("q"), received(2, 1, 1));
    wrong(&run, "by the log");
}

/// One step of a random history on one queue: who, what, when in its time, how bent.
type Step = (usize, u8, bool, u8);

#[derive(Clone)]
enum Asked {
    Publish(String),
    Receive,
    Settle(Delivered, bool),
}

/// A true queue.
#[derive(Default)]
struct Truth {
    last_id: u64,
    last_receipt: u64,
    /// Id, receipt, deliveries, value.
    ready: Vec<Delivered>,
    hidden: Vec<Delivered>,
}

impl Truth {
    fn answer(&mut self, asked: &Asked) -> Outcome {
        match asked {
            Asked::Publish(value) => {
                self.last_id += 1;
                self.ready.push(Delivered {
                    id: self.last_id,
                    receipt: 0,
                    deliveries: 0,
                    value: value.clone(),
                });
                Outcome::Published { id: self.last_id }
            }
            Asked::Receive => {
                let count = self.ready.len().min(2);
                let mut messages: Vec<Delivered> = self.ready.drain(..count).collect();
                for message in &mut messages {
                    self.last_receipt += 1;
                    message.receipt = self.last_receipt;
                    message.deliveries += 1;
                }
                self.hidden.extend(messages.iter().cloned());
                Outcome::Received { messages }
            }
            Asked::Settle(message, ack) => {
                let held = |m: &Delivered| m.receipt == message.receipt;
                let Some(place) = self.hidden.iter().position(held) else {
                    return Outcome::Settled { valid: false };
                };
                let message = self.hidden.remove(place);
                if !ack {
                    self.ready.push(message);
                }
                settled()
            }
        }
    }
}

fn bent(answer: Outcome, bend: u8) -> Outcome {
    match (bend, answer) {
        (0, Outcome::Published { id }) => Outcome::Published { id: id + 1 },
        (1, Outcome::Settled { valid }) => Outcome::Settled { valid: !valid },
        (2..=4, Outcome::Received { mut messages }) => {
            if let Some(message) = messages.first_mut() {
                match bend {
                    2 => message.receipt += 1,
                    3 => message.deliveries = 1,
                    _ => message.id += 1,
                }
            }
            Outcome::Received { messages }
        }
        (6..=8, _) => unknown(),
        (_, answer) => answer,
    }
}

fn played(steps: &[Step]) -> History {
    let mut run = Run::new();
    let mut truth = Truth::default();
    let mut open: [Option<(u64, Asked, Option<Outcome>)>; 3] = [const { None }; 3];
    let mut mine: [Vec<Delivered>; 3] = [const { Vec::new() }; 3];
    for (n, &(client, kind, early, bend)) in steps.iter().enumerate() {
        if let Some((op, asked, answer)) = open[client].take() {
            let answer = bent(answer.unwrap_or_else(|| truth.answer(&asked)), bend);
            if let Outcome::Received { messages } = &answer {
                mine[client].extend(messages.iter().cloned());
            }
            run.returns(op, answer);
            continue;
        }
        let op = n as u64 + 1_000;
        let last = mine[client].last().cloned();
        let (asked, action) = match (kind, last) {
            (0..3, _) => {
                let value = format!("v{op}");
                (Asked::Publish(value.clone()), publish("q", &value))
            }
            (3..6, Some(message)) => {
                let settle = if kind == 3 { nack } else { ack };
                let action = settle("q", &message.value, message.receipt);
                if bend % 2 == 0 {
                    mine[client].pop();
                }
                (Asked::Settle(message, kind > 3), action)
            }
            (6, _) => {
                // Its time is up.
                let back = truth.hidden.pop();
                truth.ready.extend(back);
                continue;
            }
            _ => (Asked::Receive, receive("q")),
        };
        run.push(EventKind::Invoke {
            op,
            client: format!("queue-{client}"),
            intended_us: None,
            action,
        });
        let answer = early.then(|| truth.answer(&asked));
        open[client] = Some((op, asked, answer));
    }
    run.cut()
}

fn steps(bends: std::ops::Range<u8>) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0usize..3, 0u8..10, any::<bool>(), bends), 2..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Wherever ids and receipts decide, the search decides the same, or has nothing to
    /// search because no order could mend it.
    #[test]
    fn receipts_and_search_agree(steps in steps(0..60)) {
        let history = played(&steps);
        let operations = operations(&history);
        for indexes in objects(&operations).values() {
            let fast = judge(&operations, indexes);
            let bounds = Bounds { steps: 1_000_000, bytes: 1 << 30 };
            let slow = search(&operations, indexes, bounds, &|| false);
            prop_assume!(fast != Answer::NotApplicable);
            prop_assert_eq!(
                fast == Answer::Linearizable,
                slow == Some(Verdict::Linearizable),
                "fast: {:?}, slow: {:?}", fast, slow
            );
        }
    }

    /// The search decides as an enumeration does.
    #[test]
    fn search_agrees_with_brute_force(mut steps in steps(0..60)) {
        steps.truncate(16);
        let history = played(&steps);
        let operations = operations(&history);
        for indexes in objects(&operations).values() {
            if let Some((_, calls)) = calls(&operations, indexes) {
                agree(&Receipts, &calls)?;
            }
        }
    }

    /// An honest queue passes, whatever the interleaving and the unknown answers.
    #[test]
    fn an_honest_queue_passes(steps in steps(6..30)) {
        let history = played(&steps);
        let operations = operations(&history);
        for indexes in objects(&operations).values() {
            let fast = judge(&operations, indexes);
            prop_assert!(!matches!(fast, Answer::Violation(..)), "{:?}", fast);
        }
    }
}

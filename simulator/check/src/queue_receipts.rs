//! Q4, second half: one valid receipt a message. Once a message has been delivered again,
//! the receipt of the older delivery settles nothing; and one receipt is settled once. While
//! the message is hidden, its receipt is valid until it is used.
//!
//! Source: receipt handles of Amazon SQS; the mistake it guards against is an ack by
//! message id, which lets a slow consumer ack what another one is working on. The delivery
//! count gives the order of deliveries. A refusal within the visibility timeout, counted from
//! when the receive was sent until the refusal was heard, has no excuse but another attempt
//! that may have used the receipt, or a newer delivery, which is judged for itself; nobody
//! purges queues here. Not checked: receipts that never were handed out in an answered
//! receive, since the answer may have been lost.

use std::collections::BTreeMap;

use super::messages::{Message, visibility_us};
use super::result::Judge;
use super::view::{STAMP_RESOLUTION_US, View, may_have_effect};
use super::words;
use squall_history::{Action, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (queue, value, message) in view.messages.all() {
        let settled = |index: &usize| {
            view.operations[*index].outcome == Some(&Outcome::Settled { valid: true })
        };
        let attempts = message.acks.iter().chain(&message.nacks).copied();
        let mut used: BTreeMap<u64, usize> = BTreeMap::new();
        for index in attempts.filter(settled) {
            judge.count_checked();
            let Some(receipt) = receipt(view.operations[index].action) else {
                continue;
            };
            if let Some(first) = used.insert(receipt, index) {
                judge.violation(
                    format!("queue {queue}: receipt {receipt} of {value} was settled twice"),
                    [first, index].map(|i| words::operation(&view.operations[i])),
                );
            }
            if let Some(newer) = newer_delivery(view, message, receipt, index) {
                judge.violation(
                    format!(
                        "queue {queue}: receipt {receipt} of {value} was valid \
                        after a newer delivery"
                    ),
                    [newer, index].map(|i| words::operation(&view.operations[i])),
                );
            }
        }
    }
    for (queue, value, message) in view.messages.all() {
        judge_refusals(view, judge, queue, value, message);
    }
}

/// Receipts that were refused although nobody else can have had the message.
fn judge_refusals(view: &View, judge: &mut Judge, queue: &str, value: &str, message: &Message) {
    let attempts = || message.acks.iter().chain(&message.nacks).copied();
    for index in attempts() {
        let refused = &view.operations[index];
        if refused.outcome != Some(&Outcome::Settled { valid: false }) {
            continue;
        }
        judge.count_checked();
        let delivery = receipt(refused.action)
            .and_then(|number| message.deliveries.iter().find(|(_, d)| d.receipt == number));
        let Some((receive, delivered)) = delivery else {
            continue;
        };
        let receive = &view.operations[*receive];
        let hidden_until_us = view.earliest_us(receive.invoked_us, visibility_us(receive));
        let returned_us = refused.returned_us.expect("a refusal is an answer");
        let is_hidden = returned_us + STAMP_RESOLUTION_US < hidden_until_us;
        let is_earlier = |other: usize| {
            let other = &view.operations[other];
            Some(other.invoke_pos) < refused.return_pos && may_have_effect(other)
        };
        let was_used = attempts().any(|other| {
            let of_receipt = receipt(view.operations[other].action) == receipt(refused.action);
            of_receipt && is_earlier(other)
        });
        let was_delivered_again = message.deliveries.iter().any(|(other, newer)| {
            newer.id == delivered.id
                && newer.deliveries > delivered.deliveries
                && is_earlier(*other)
        });
        if is_hidden && !was_used && !was_delivered_again {
            judge.violation(
                format!(
                    "queue {queue}: receipt {} of {value} was refused {} us before the end of \
                    its visibility timeout",
                    delivered.receipt,
                    hidden_until_us - returned_us
                ),
                [receive, refused].map(words::operation),
            );
        }
    }
}

fn receipt(action: &Action) -> Option<u64> {
    match action {
        Action::Ack { receipt, .. } | Action::Nack { receipt, .. } => Some(*receipt),
        _ => None,
    }
}

/// A receive that handed out the message anew, and had returned when the receipt was used.
fn newer_delivery(view: &View, message: &Message, receipt: u64, settle: usize) -> Option<usize> {
    let (_, own) = message
        .deliveries
        .iter()
        .find(|(_, d)| d.receipt == receipt)?;
    let newer = message.deliveries.iter().find(|(index, delivered)| {
        delivered.id == own.id
            && delivered.deliveries > own.deliveries
            && view.operations[*index].return_pos < Some(view.operations[settle].invoke_pos)
    });
    newer.map(|(index, _)| *index)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::FaultStatus;
    use squall_history::Outcome::Settled;

    #[test]
    fn a_late_ack_by_an_old_receipt() {
        let mut run = Run::new();
        run.call("queue-1", receive("q"), received(1, 1, 1)).at(900);
        run.call("queue-2", receive("q"), received(1, 2, 2));
        run.call("queue-1", ack("q", "m1", 1), settled());
        fails(
            check,
            &run.end(),
            "receipt 1 of m1 was valid after a newer delivery",
        );
    }

    #[test]
    fn one_receipt_settled_twice() {
        let mut run = Run::new();
        run.call("queue-1", receive("q"), received(1, 1, 1));
        run.call("queue-1", nack("q", "m1", 1), settled());
        run.call("queue-1", ack("q", "m1", 1), settled());
        fails(check, &run.end(), "settled twice");
    }

    #[test]
    fn a_good_receipt_refused() {
        let mut run = Run::new();
        run.call("queue-1", receive("q"), received(1, 1, 1));
        run.call("queue-1", ack("q", "m1", 1), Settled { valid: false });
        fails(
            check,
            &run.end(),
            "receipt 1 of m1 was refused 98000 us before",
        );
    }

    #[test]
    fn no_clock_fault_excuses_the_refusal_of_a_good_receipt() {
        let mut run = Run::new();
        run.fault("clock_jump", "node-1", FaultStatus::Installed);
        run.call("queue-1", receive("q"), received(1, 1, 1));
        run.call("queue-1", ack("q", "m1", 1), Settled { valid: false });
        fails(check, &run.end(), "receipt 1 of m1 was refused");
    }

    /// Too late, after an attempt that may have worked, and twice.
    #[test]
    fn a_receipt_refused_for_a_reason() {
        let mut run = Run::new();
        run.call("queue-1", receive("q"), received(1, 1, 1));
        run.call("queue-1", nack("q", "m1", 1), unknown());
        run.call("queue-1", ack("q", "m1", 1), Settled { valid: false });
        run.call("queue-2", receive("q"), received(2, 2, 1));
        run.call("queue-2", ack("q", "m2", 2), settled());
        run.call("queue-2", ack("q", "m2", 2), Settled { valid: false });
        run.call("queue-2", receive("q"), received(3, 3, 1)).at(150);
        run.call("queue-2", ack("q", "m3", 3), Settled { valid: false });
        passes(check, &run.end());
    }

    #[test]
    fn a_refused_late_ack_and_one_that_raced() {
        let mut run = Run::new();
        run.call("queue-1", receive("q"), received(1, 1, 1)).at(900);
        let op = run.invoke("queue-2", receive("q"));
        run.call("queue-1", nack("q", "m1", 1), settled());
        run.returns(op, received(1, 2, 2));
        run.call("queue-1", ack("q", "m1", 1), Settled { valid: false });
        run.call("queue-2", ack("q", "m1", 2), settled());
        passes(check, &run.end());
    }
}

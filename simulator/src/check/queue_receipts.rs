//! Q4, second half: one valid receipt a message. Once a message has been delivered again,
//! the receipt of the older delivery settles nothing; and one receipt is settled once.
//!
//! Source: receipt handles of Amazon SQS; the mistake it guards against is an ack by
//! message id, which lets a slow consumer ack what another one is working on. The delivery
//! count gives the order of deliveries. Not checked: receipts that never were handed out
//! in an answered receive, since the answer may have been lost.

use std::collections::BTreeMap;

use super::messages::Message;
use super::result::{CheckResult, Judge};
use super::view::View;
use super::words;
use crate::history::{Action, Outcome};

pub(super) fn check(view: &View) -> CheckResult {
    let mut judge = Judge::new("queue_receipts", "Q4");
    for (queue, value, message) in view.messages.all() {
        let settled = |index: &usize| {
            view.operations[*index].outcome == Some(&Outcome::Settled { valid: true })
        };
        let attempts = message.acks.iter().chain(&message.nacks).copied();
        let mut used: BTreeMap<u64, usize> = BTreeMap::new();
        for index in attempts.filter(settled) {
            judge.looked();
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
    judge.finish("settled receipts")
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
    use crate::check::testing::*;
    use crate::history::Outcome::Settled;

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

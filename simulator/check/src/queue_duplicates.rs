//! Q6: one publish makes one message. A value lives under one id, an id carries one value,
//! and each delivery of a message has its own, rising count and its own receipt.
//!
//! Source: exactly-once execution in Raft's dissertation, §6.3. In a history each publish
//! is one attempt with a unique value, so two ids for one value are a duplicate. Being
//! delivered more than once is allowed (at-least-once) and judged by `queue_visibility`
//! and `queue_redelivery`. Not checked: the move to a dead-letter queue, where the message
//! may get a new id.

use indexmap::IndexMap;

use super::messages::Message;
use super::result::Judge;
use super::view::{RunningMax, View};
use super::words;

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (queue, messages) in &view.messages.queues {
        // First value and delivery seen under each id, and under each receipt.
        let mut ids: IndexMap<u64, (&str, usize)> = IndexMap::new();
        let mut receipts: IndexMap<u64, usize> = IndexMap::new();
        for (&value, message) in messages {
            for &(index, delivered) in &message.deliveries {
                judge.count_checked();
                let (other, first) = *ids.entry(delivered.id).or_insert((value, index));
                if other != value {
                    let what = format!(
                        "queue {queue}: id {} carries {other} and {value}",
                        delivered.id
                    );
                    judge.violation(what, lines(view, [first, index]));
                }
                if let Some(first) = receipts.insert(delivered.receipt, index) {
                    let what = format!(
                        "queue {queue}: receipt {} was handed out twice",
                        delivered.receipt
                    );
                    judge.violation(what, lines(view, [first, index]));
                }
            }
            judge_message(view, judge, queue, value, message);
        }
    }
}

fn judge_message(view: &View, judge: &mut Judge, queue: &str, value: &str, message: &Message) {
    let [(first, original), others @ ..] = message.deliveries.as_slice() else {
        return;
    };
    if let Some((index, copy)) = others.iter().find(|(_, d)| d.id != original.id) {
        judge.violation(
            format!(
                "queue {queue}: {value} exists twice, as ids {} and {}",
                original.id, copy.id
            ),
            lines(view, [*first, *index]),
        );
        return;
    }
    if others.is_empty() {
        return;
    }
    let returned = |index: usize| view.operations[index].return_pos;
    let counts = message.deliveries.iter().map(|&(index, delivered)| {
        let pos = returned(index).expect("a delivery has been answered");
        (pos, u64::from(delivered.deliveries), index)
    });
    let largest = RunningMax::new(counts.collect());
    for &(index, delivered) in &message.deliveries {
        let count = u64::from(delivered.deliveries);
        if let Some((before, earlier)) = largest.before(view.operations[index].invoke_pos)
            && before >= count
        {
            judge.violation(
                format!("queue {queue}: delivery {count} of {value} came after delivery {before}"),
                lines(view, [earlier, index]),
            );
        }
    }
}

fn lines(view: &View, indexes: [usize; 2]) -> [String; 2] {
    indexes.map(|index| words::operation(&view.operations[index]))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{Delivered, Outcome};

    fn under_id(id: u64, receipt: u64) -> Outcome {
        let value = "m1".to_owned();
        let delivered = Delivered {
            id,
            receipt,
            deliveries: 1,
            value,
        };
        Outcome::Received {
            messages: vec![delivered],
        }
    }

    #[test]
    fn one_value_under_two_ids_or_one_id_for_two_values() {
        let mut run = Run::new();
        run.call("queue-1", receive("q"), under_id(1, 1));
        run.call("queue-2", receive("q"), under_id(2, 2));
        fails(check, &run.end(), "m1 exists twice, as ids 1 and 2");

        let mut run = Run::new();
        run.call("queue-1", receive("q"), under_id(2, 1));
        run.call("queue-2", receive("q"), received(2, 2, 1));
        fails(check, &run.end(), "id 2 carries m1 and m2");
    }

    #[test]
    fn a_count_that_does_not_rise_or_a_receipt_used_twice() {
        let mut run = Run::new();
        run.call("queue-1", receive("q"), received(1, 1, 1)).at(900);
        run.call("queue-1", receive("q"), received(1, 2, 1));
        fails(check, &run.end(), "delivery 1 of m1 came after delivery 1");

        let mut run = Run::new();
        run.call("queue-1", receive("q"), received(1, 1, 1));
        run.call("queue-2", receive("q"), received(2, 1, 1));
        fails(check, &run.end(), "receipt 1 was handed out twice");
    }

    #[test]
    fn redelivery_under_the_same_id_is_no_duplicate() {
        let mut run = Run::new();
        run.call("queue-1", receive("q"), received(1, 1, 1)).at(900);
        run.call("queue-2", receive("q"), received(1, 2, 3));
        run.call("queue-3", receive("p"), received(1, 1, 1));
        passes(check, &run.end());
    }
}

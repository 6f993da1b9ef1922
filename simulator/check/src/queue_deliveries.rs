//! Q5: each delivery reports exactly how often its message was delivered so far.
//!
//! In plain words: what the limit counts are deliveries, and nothing else.
//!
//! Source: `ApproximateReceiveCount` of Amazon SQS, which is exact here, since every delivery is
//! an entry of the log. Of a message that is reported as delivery n, n deliveries
//! have been made: to receives that showed it, or to ones without an answer, of which each may
//! have been handed it once. And those that were over before this one was asked for count.
//!
//! Not checked: messages that no receive has shown.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::{View, certain};
use super::words;
use squall_history::Delivered;

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (queue, messages) in &view.messages.queues {
        let receives = view.messages.receives.get(queue).into_iter().flatten();
        let receives = receives.map(|&index| &view.operations[index]);
        // When each receive was sent of which nobody knows what it was handed.
        let in_doubt = receives.filter(|receive| !certain(receive));
        let mut in_doubt: Vec<usize> = in_doubt.map(|receive| receive.invoke_pos).collect();
        in_doubt.sort_unstable();
        for (value, message) in messages {
            let mut by_id: BTreeMap<u64, Vec<(usize, &Delivered)>> = BTreeMap::new();
            for &(index, delivered) in &message.deliveries {
                by_id
                    .entry(delivered.id)
                    .or_default()
                    .push((index, delivered));
            }
            for deliveries in by_id.values() {
                judge_counts(view, judge, (queue, value), deliveries, &in_doubt);
            }
        }
    }
}

/// Compares the count that each delivery of a message reported with the counts that it can have.
fn judge_counts(
    view: &View,
    judge: &mut Judge,
    (queue, value): (&str, &str),
    deliveries: &[(usize, &Delivered)],
    in_doubt: &[usize],
) {
    for &(index, delivered) in deliveries {
        judge.count_checked();
        let this = &view.operations[index];
        let returned = this.return_pos.expect("what it was handed is known");
        let others = || {
            let others = deliveries.iter().filter(|(other, _)| *other != index);
            others.map(|&(other, _)| &view.operations[other])
        };
        let least = others().filter(|o| o.return_pos < Some(this.invoke_pos));
        let most = others().filter(|o| o.invoke_pos < returned);
        let unheard = in_doubt.partition_point(|sent| *sent < returned);
        let (least, most) = (1 + least.count(), 1 + most.count() + unheard);
        let reported = delivered.deliveries as usize;
        if !(least..=most).contains(&reported) {
            judge.violation(
                format!(
                    "queue {queue} reported delivery {reported} of {value}, and it was \
                     delivery {least} to {most}"
                ),
                [words::operation(this)],
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Outcome::Published;

    fn delivered_once() -> Run {
        let mut run = Run::new();
        run.call("queue-1", publish("q", "m1"), Published { id: 1 });
        run.call("queue-2", receive("q"), received(1, 1, 1));
        run
    }

    #[test]
    fn more_or_fewer_than_were_made() {
        let mut run = delivered_once();
        run.call("queue-2", receive("q"), received(1, 2, 3));
        fails(
            check,
            &run.end(),
            "reported delivery 3 of m1, and it was delivery 2 to 2",
        );
        let mut run = delivered_once();
        run.call("queue-2", receive("q"), received(1, 2, 1));
        fails(check, &run.end(), "reported delivery 1");
    }

    /// One went to a receive that was never answered, and one was made at the same time.
    #[test]
    fn deliveries_that_nobody_heard_of() {
        let mut run = delivered_once();
        run.call("queue-3", receive("q"), unknown());
        let third = run.invoke("queue-2", receive("q"));
        let fourth = run.invoke("queue-3", receive("q"));
        run.returns(fourth, received(1, 4, 4));
        run.returns(third, received(1, 3, 3));
        passes(check, &run.end());
    }

    #[test]
    fn a_queue_that_hands_out_nothing() {
        let mut run = Run::new();
        run.call("queue-2", receive("q"), nothing());
        not_judged(check, &run.end(), "no deliveries");
    }
}

//! Q10: a queue's depth limit is exact, and a batch is taken in whole or not at all.
//!
//! In plain words: a queue of ten holds ten, refuses the eleventh, and refuses nobody while
//! it holds nine; half a batch is never there.
//!
//! Source: `max-length` with `reject-publish` of RabbitMQ, taken exactly. Counted are messages
//! in whatever place: ready, delayed, in flight. From outside a message is surely in the queue
//! from the answer to its publish until somebody tries to ack it, and surely gone once an ack
//! was confirmed. Where deliveries are limited, a message may have left as a dead letter from
//! its first delivery on, and every receive without an answer may have been the last delivery
//! of as many messages as it asked for.
//!
//! Not checked: queues configured with several limits.

use super::messages::Message;
use super::queue_group_order::has_limit;
use super::result::Judge;
use super::view::{View, certain, may_have_effect};
use super::words;
use squall_history::{Action, Operation, Outcome, Phase};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (queue, messages) in &view.messages.queues {
        judge_batches(view, judge, queue);
        if let Some(limit) = limit(view, queue) {
            let messages: Vec<&Message> = messages.values().collect();
            judge_most(view, judge, queue, &messages, limit);
            judge_refusals(view, judge, queue, &messages, limit);
        }
    }
}

/// The queue's depth limit, if it has one and only one.
fn limit(view: &View, queue: &str) -> Option<u64> {
    let mut limits = view.operations.iter().filter_map(|o| match o.action {
        Action::Configure {
            queue: other,
            max_depth,
            ..
        } if other == queue => Some(*max_depth),
        _ => None,
    });
    let first = limits.next()?;
    (first > 0 && limits.all(|limit| limit == first)).then_some(first)
}

/// Never more are surely in the queue than the limit allows.
fn judge_most(view: &View, judge: &mut Judge, queue: &str, messages: &[&Message], limit: u64) {
    let dies = has_limit(view, queue);
    // At each position, how many come surely in and how many may go.
    let mut steps: Vec<(usize, i64, usize)> = Vec::new();
    for message in messages {
        let (Some(index), Some(_)) = (message.publish, message.published_id(&view.operations))
        else {
            continue;
        };
        let from = view.operations[index]
            .return_pos
            .expect("its publish was answered");
        let acks = message
            .acks
            .iter()
            .filter(|&&i| may_have_effect(&view.operations[i]));
        let left = acks
            .copied()
            .chain(message.deliveries.iter().map(|&(i, _)| i).filter(|_| dies));
        let left = left.map(|i| view.operations[i].invoke_pos).min();
        if left.is_none_or(|left| left > from) {
            steps.push((from, 1, index));
            steps.extend(left.map(|left| (left, -1, index)));
        }
    }
    let receives = view.messages.receives.get(queue).into_iter().flatten();
    for &index in receives.filter(|_| dies) {
        let receive = &view.operations[index];
        if let Action::Receive { max, .. } = receive.action
            && !certain(receive)
        {
            steps.push((receive.invoke_pos, -i64::from(*max), index));
        }
    }
    steps.sort_unstable();
    let mut inside = 0;
    for (_, step, index) in steps {
        judge.count_checked();
        inside += step;
        if step > 0 && inside > limit as i64 {
            judge.violation(
                format!("queue {queue} holds {inside} messages, its limit is {limit}"),
                [words::operation(&view.operations[index])],
            );
        }
    }
}

/// Nobody is refused while there is surely room.
fn judge_refusals(view: &View, judge: &mut Judge, queue: &str, messages: &[&Message], limit: u64) {
    for refused in view.operations.iter().filter(|o| is_refusal(o, queue)) {
        judge.count_checked();
        let possible = messages.iter().filter(|message| {
            let publish = message.publish.map(|index| &view.operations[index]);
            let may_be_in = publish
                .is_some_and(|o| may_have_effect(o) && Some(o.invoke_pos) < refused.return_pos);
            let acked = message.acks.iter().map(|&index| &view.operations[index]);
            let mut confirmed =
                acked.filter(|o| o.outcome == Some(&Outcome::Settled { valid: true }));
            may_be_in && !confirmed.any(|o| o.return_pos < Some(refused.invoke_pos))
        });
        let (possible, asked) = (possible.count() as u64, size(refused.action));
        if possible + asked <= limit {
            judge.violation(
                format!(
                    "queue {queue} of {limit} refused {asked} more, but holds at most {possible}"
                ),
                [words::operation(refused)],
            );
        }
    }
}

fn is_refusal(operation: &Operation, queue: &str) -> bool {
    let publishes = match operation.action {
        Action::Publish { queue: other, .. } | Action::PublishBatch { queue: other, .. } => {
            other == queue
        }
        _ => false,
    };
    publishes
        && matches!(operation.outcome, Some(Outcome::Failed { why }) if why.contains("QueueFull"))
}

fn size(action: &Action) -> u64 {
    match action {
        Action::PublishBatch { values, .. } => values.len() as u64,
        _ => 1,
    }
}

/// Of a batch, everything turns up or nothing, once the queue is known to be empty.
fn judge_batches(view: &View, judge: &mut Judge, queue: &str) {
    if !is_emptied(view, queue) {
        return;
    }
    for batch in &view.operations {
        let Action::PublishBatch {
            queue: other,
            values,
            ..
        } = batch.action
        else {
            continue;
        };
        if other != queue {
            continue;
        }
        judge.count_checked();
        let came = |value: &&String| {
            let dead = view.messages.dead_letters(queue);
            let places = [Some(queue), dead].into_iter().flatten();
            let mut found = places.filter_map(|place| view.messages.get(place, value));
            found.any(|message| !message.deliveries.is_empty())
        };
        let count = values.iter().filter(came).count();
        if count > 0 && count < values.len() {
            judge.violation(
                format!(
                    "queue {queue}: {count} of a batch of {} are there",
                    values.len()
                ),
                [words::operation(batch)],
            );
        }
    }
}

/// Whether the audit saw the queue, and that of its dead letters, hold nothing.
fn is_emptied(view: &View, queue: &str) -> bool {
    let dead = view.messages.dead_letters(queue);
    [Some(queue), dead].into_iter().flatten().all(|queue| {
        let depths = view.operations.iter().rev().filter(|o| {
            view.in_phase(o, Phase::Audit)
                && matches!(o.action, Action::Depth { queue: other } if other == queue)
        });
        let last = depths.filter_map(|o| o.outcome).next();
        let nothing = Outcome::Depth {
            ready: 0,
            in_flight: 0,
            delayed: 0,
        };
        last == Some(&nothing)
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Outcome::{Configured, Published};

    fn limited() -> Run {
        let mut run = Run::new();
        run.call("queue-1", configure("q", 2, 0), Configured);
        run.call("queue-1", publish("q", "m1"), Published { id: 1 });
        run
    }

    #[test]
    fn one_too_many() {
        let mut run = limited();
        run.call(
            "queue-1",
            publish_batch("q", &["m2", "m3"]),
            published(&[2, 3]),
        );
        fails(
            check,
            &run.end(),
            "queue q holds 3 messages, its limit is 2",
        );
    }

    /// The first message was delivered to somebody who never heard of it, and is a dead letter.
    #[test]
    fn a_delivery_that_nobody_heard_of_may_have_been_the_last() {
        let filled = |max_deliveries| {
            let mut run = Run::new();
            run.call("queue-1", configure("q", 2, max_deliveries), Configured);
            run.call(
                "queue-1",
                publish_batch("q", &["m1", "m2"]),
                published(&[1, 2]),
            );
            run.call("queue-2", receive("q"), unknown());
            run.call("queue-1", publish("q", "m3"), Published { id: 3 });
            run.end()
        };
        passes(check, &filled(1));
        fails(
            check,
            &filled(0),
            "queue q holds 3 messages, its limit is 2",
        );
    }

    #[test]
    fn refused_while_there_is_room() {
        let mut run = limited();
        run.call(
            "queue-1",
            publish("q", "m2"),
            failed("QueueFull { depth: 2, limit: 2 }"),
        );
        fails(check, &run.end(), "refused 1 more, but holds at most 1");
    }

    #[test]
    fn half_a_batch() {
        let mut run = limited();
        run.call("queue-1", publish_batch("q", &["m2", "m3"]), unknown());
        run.audit().call("audit", receive("q"), received(2, 2, 1));
        run.call("audit", depth("q"), holds(0, 0, 0));
        fails(check, &run.end(), "1 of a batch of 2 are there");
    }

    /// The unknown publish may fill the queue, and the ack under way may empty it.
    #[test]
    fn perhaps_full_and_perhaps_not() {
        let mut run = limited();
        run.call("queue-1", publish("q", "m2"), unknown());
        run.call(
            "queue-1",
            publish("q", "m3"),
            failed("QueueFull { depth: 2, limit: 2 }"),
        );
        run.call("queue-2", receive("q"), received(1, 1, 1));
        let op = run.invoke("queue-2", ack("q", "m1", 1));
        run.call(
            "queue-1",
            publish_batch("q", &["m4", "m5"]),
            published(&[3, 4]),
        );
        run.returns(op, settled());
        run.call("queue-1", publish_batch("q", &["m6", "m7"]), unknown());
        run.audit().call("audit", depth("q"), holds(0, 0, 0));
        passes(check, &run.end());
    }
}

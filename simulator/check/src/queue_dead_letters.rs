//! Q5: a message is dead-lettered exactly when its deliveries reach the limit, once, and for
//! good.
//!
//! In plain words: a message that nobody can cope with is set aside after the agreed number
//! of attempts, not before, not later, not twice.
//!
//! Source: the redrive policy (`maxReceiveCount`) of Amazon SQS. The limit is what the
//! history says that the queue was configured with; the delivery count is in every delivery.
//!
//! Not checked: queues that were configured with several limits, and that a dead letter is
//! not lost on its way, which is `queue_conservation`.

use std::collections::BTreeMap;

use super::messages::Message;
use super::result::Judge;
use super::view::{View, certain};
use super::words;
use squall_history::{Action, dead_lettered_from};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let limits = limits(view);
    for (queue, value, message) in view.messages.all() {
        let limit = limits.get(queue).copied().flatten();
        if let Some(limit) = limit {
            judge_count(view, judge, queue, value, message, limit);
        }
        let Some(origin) = dead_lettered_from(queue) else {
            continue;
        };
        let Some(limit) = limits.get(origin).copied().flatten() else {
            continue;
        };
        if !message.deliveries.is_empty() {
            let before = view.messages.get(origin, value);
            judge_letter(
                view,
                judge,
                (origin, queue),
                value,
                (before, message),
                limit,
            );
        }
    }
}

/// The delivery limit of each queue that has one and only one.
fn limits<'a>(view: &View<'a>) -> BTreeMap<&'a str, Option<u32>> {
    let mut limits: BTreeMap<&str, Option<u32>> = BTreeMap::new();
    for operation in &view.operations {
        if let Action::Configure {
            queue,
            max_deliveries,
            ..
        } = operation.action
        {
            let limit = Some(*max_deliveries).filter(|&limit| limit > 0);
            let known = limits.entry(queue).or_insert(limit);
            if *known != limit {
                *known = None;
            }
        }
    }
    limits
}

fn judge_count(
    view: &View,
    judge: &mut Judge,
    queue: &str,
    value: &str,
    message: &Message,
    limit: u32,
) {
    judge.count_checked();
    let beyond = message
        .deliveries
        .iter()
        .find(|(_, d)| d.deliveries > limit);
    if let Some(&(index, delivered)) = beyond {
        judge.violation(
            format!(
                "queue {queue} delivered {value} for the {}th time, beyond its limit of {limit}",
                delivered.deliveries
            ),
            [words::operation(&view.operations[index])],
        );
    }
}

fn judge_letter(
    view: &View,
    judge: &mut Judge,
    (origin, queue): (&str, &str),
    value: &str,
    (before, letter): (Option<&Message>, &Message),
    limit: u32,
) {
    let (first, found) = letter.deliveries[0];
    if let Some(&(again, _)) = letter.deliveries.iter().find(|(_, d)| d.id != found.id) {
        judge.violation(
            format!("{value} is twice in {queue}"),
            [first, again].map(|index| words::operation(&view.operations[index])),
        );
    }
    let deliveries = before.map_or(&[][..], |message| &message.deliveries);
    let most = deliveries
        .iter()
        .map(|(_, d)| d.deliveries)
        .max()
        .unwrap_or(0);
    // A receive without an answer may have been one of the deliveries.
    let receives = view.messages.receives.get(origin);
    let in_doubt = receives
        .into_iter()
        .flatten()
        .filter(|&&index| !certain(&view.operations[index]));
    if u64::from(most) + (in_doubt.count() as u64) < u64::from(limit) {
        judge.violation(
            format!("{value} is a dead letter after {most} deliveries, its limit is {limit}"),
            [words::operation(&view.operations[first])],
        );
    }
    let known = letter
        .deliveries
        .iter()
        .filter_map(|(index, _)| view.operations[*index].return_pos);
    let known = known.min();
    let after = deliveries
        .iter()
        .find(|(index, _)| Some(view.operations[*index].invoke_pos) > known);
    if let Some(&(index, _)) = after {
        judge.violation(
            format!("queue {origin} delivered {value}, which was a dead letter by then"),
            [first, index].map(|index| words::operation(&view.operations[index])),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Outcome::{Configured, Published};

    /// Two deliveries allowed.
    fn limited() -> Run {
        let mut run = Run::new();
        run.call("queue-1", configure("q", 0, 2), Configured);
        run.call("queue-1", publish("q", "m1"), Published { id: 1 });
        run.call("queue-2", receive("q"), received(1, 1, 1));
        run
    }

    #[test]
    fn delivered_beyond_the_limit() {
        let mut run = limited();
        run.call("queue-2", receive("q"), received(1, 3, 3));
        fails(check, &run.end(), "for the 3th time, beyond its limit of 2");
    }

    #[test]
    fn set_aside_too_early_or_twice_or_not_for_good() {
        let mut run = limited();
        run.call("audit", receive("q.dead"), received(1, 1, 1));
        fails(
            check,
            &run.end(),
            "a dead letter after 1 deliveries, its limit is 2",
        );
        let mut run = limited();
        run.call("queue-2", receive("q"), received(1, 2, 2));
        run.call("audit", receive("q.dead"), received(1, 1, 1));
        run.call("queue-2", receive("q"), received(1, 2, 2));
        fails(check, &run.end(), "which was a dead letter by then");
    }

    /// The second delivery went to a receive that was never answered.
    #[test]
    fn a_delivery_that_nobody_heard_of() {
        let mut run = limited();
        run.call("queue-2", receive("q"), unknown());
        run.call("audit", receive("q.dead"), received(1, 1, 1));
        passes(check, &run.end());
    }
}

//! Q7: messages of a group are delivered in publish order, one at a time. Nobody is handed
//! a message while an earlier one of its group is not settled.
//!
//! In plain words: what belongs together is done in order, redeliveries included.
//!
//! Source: message groups of Amazon SQS FIFO queues. Ids rise in publish order. A message is
//! surely not settled yet as long as nobody has tried to ack it, and at every moment before
//! a receive that delivers it was sent.
//!
//! Not checked: order between groups, and whether dead-lettering settled a message, so
//! queues with a delivery limit are judged by their deliveries alone.

use std::collections::BTreeMap;

use super::messages::Message;
use super::result::Judge;
use super::view::{View, may_have_effect};
use super::words;
use squall_history::Action;

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (queue, messages) in &view.messages.queues {
        // The messages of each group, by id.
        let mut groups: BTreeMap<&str, BTreeMap<u64, (&str, &Message)>> = BTreeMap::new();
        for (&value, message) in messages {
            let id = message.published_id(&view.operations);
            let id = id.or_else(|| message.deliveries.first().map(|(_, d)| d.id));
            if let (Some(group), Some(id)) = (group(view, message), id) {
                groups
                    .entry(group)
                    .or_default()
                    .insert(id, (value, message));
            }
        }
        let limited = has_limit(view, queue);
        for (group, members) in groups {
            judge_group(
                view,
                judge,
                &format!("queue {queue}, group {group}"),
                &members,
                limited,
            );
        }
    }
}

fn group<'a>(view: &View<'a>, message: &Message) -> Option<&'a str> {
    match view.operations[message.publish?].action {
        Action::PublishBatch { group, .. } => group.as_deref(),
        _ => None,
    }
}

/// Whether the queue's messages may be settled by becoming dead letters.
pub(super) fn has_limit(view: &View, queue: &str) -> bool {
    view.operations.iter().any(|operation| {
        matches!(operation.action, Action::Configure { queue: other, max_deliveries, .. }
            if other == queue && *max_deliveries > 0)
    })
}

/// Until when a message was surely not settled, and the operation that tells.
fn unsettled_until(view: &View, message: &Message, limited: bool) -> Option<(usize, usize)> {
    let delivered = message.deliveries.iter().map(|&(index, _)| index);
    let delivered = delivered
        .map(|index| (view.operations[index].invoke_pos, index))
        .max();
    if limited {
        return delivered;
    }
    let acks = message
        .acks
        .iter()
        .filter(|&&index| may_have_effect(&view.operations[index]));
    let acked = acks
        .map(|&index| (view.operations[index].invoke_pos, index))
        .min();
    delivered.max(acked)
}

fn judge_group(
    view: &View,
    judge: &mut Judge,
    place: &str,
    members: &BTreeMap<u64, (&str, &Message)>,
    limited: bool,
) {
    // Of all earlier messages, the one that was unsettled longest.
    let mut earlier: Option<(usize, usize, &str)> = None;
    let mut handed_out: BTreeMap<usize, &str> = BTreeMap::new();
    for (value, message) in members.values() {
        judge.count_checked();
        for &(index, _) in &message.deliveries {
            let receive = &view.operations[index];
            if let Some((until, witness, other)) = earlier
                && receive.return_pos < Some(until)
            {
                judge.violation(
                    format!("{place}: {value} was delivered before {other} was settled"),
                    [index, witness].map(|i| words::operation(&view.operations[i])),
                );
            }
            if let Some(other) = handed_out
                .insert(index, value)
                .filter(|other| other != value)
            {
                judge.violation(
                    format!("{place}: {other} and {value} were delivered together"),
                    [words::operation(receive)],
                );
            }
        }
        let until = unsettled_until(view, message, limited);
        let until = until.map(|(until, witness)| (until, witness, *value));
        if until.map(|u| u.0) > earlier.map(|e| e.0) {
            earlier = until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{Delivered, Outcome};

    fn grouped() -> Run {
        let mut run = Run::new();
        let publish = publish_with("q", &["m1", "m2"], 0, 0, Some("g"));
        run.call("queue-1", publish, published(&[1, 2]));
        run
    }

    #[test]
    fn the_second_before_the_first_is_settled() {
        let mut run = grouped();
        run.call("queue-2", receive("q"), received(1, 1, 1));
        run.call("queue-3", receive("q"), received(2, 2, 1));
        run.call("queue-2", ack("q", "m1", 1), settled());
        fails(check, &run.end(), "m2 was delivered before m1 was settled");
    }

    #[test]
    fn both_at_once_or_the_second_before_a_redelivery() {
        let mut run = grouped();
        let delivered = |id: u64| Delivered {
            id,
            receipt: id,
            deliveries: 1,
            value: format!("m{id}"),
        };
        let messages = vec![delivered(1), delivered(2)];
        run.call("queue-2", receive("q"), Outcome::Received { messages });
        fails(check, &run.end(), "m1 and m2 were delivered together");
        let mut run = grouped();
        run.call("queue-2", receive("q"), received(1, 1, 1)).at(900);
        run.call("queue-3", receive("q"), received(2, 2, 1))
            .at(1000);
        run.call("queue-3", receive("q"), received(1, 3, 2));
        fails(check, &run.end(), "m2 was delivered before m1 was settled");
    }

    /// The ack of the first was on its way, and other groups do not wait.
    #[test]
    fn an_ack_under_way_and_another_group() {
        let mut run = grouped();
        run.call(
            "queue-1",
            publish_with("q", &["m3"], 0, 0, Some("h")),
            published(&[3]),
        );
        run.call("queue-2", receive("q"), received(1, 1, 1));
        run.call("queue-3", receive("q"), received(3, 2, 1));
        let op = run.invoke("queue-2", ack("q", "m1", 1));
        run.call("queue-3", receive("q"), received(2, 3, 1));
        run.returns(op, unknown());
        passes(check, &run.end());
    }
}

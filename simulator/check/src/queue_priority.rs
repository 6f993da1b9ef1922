//! Q9: of the messages that are ready, the one of the highest priority goes first, and of
//! equal ones the older.
//!
//! In plain words: the urgent is not kept waiting by the rest.
//!
//! Source: message priorities of AMQP 1.0, §3.2.1, and JMS, taken strictly. A message is
//! surely ready from the answer to its publish until the receive that delivers it for the
//! first time was sent, unless it is delayed or in a group, which may hold it back.
//!
//! Not checked: redelivered messages, since the moment of their return is not seen.

use std::collections::BTreeMap;

use super::messages::Message;
use super::result::Judge;
use super::view::{RunningMax, View};
use super::words;
use squall_history::unordered::is_ordered;
use squall_history::{Action, Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (queue, messages) in &view.messages.queues {
        let priorities: BTreeMap<&str, u64> = (messages.iter())
            .filter_map(|(&value, message)| Some((value, kind(view, message)?.priority)))
            .collect();
        // With a single priority there is nothing to get wrong but the order of an answer.
        let ready = ready(view, messages.values());
        for &index in view.messages.receives.get(queue).into_iter().flatten() {
            let receive = &view.operations[index];
            judge_answer(judge, queue, receive, &priorities);
            judge_receive(view, judge, queue, receive, &priorities, &ready);
        }
    }
}

struct Kind {
    priority: u64,
    /// Delayed or in a group.
    held_back: bool,
}

fn kind(view: &View, message: &Message) -> Option<Kind> {
    match view.operations[message.publish?].action {
        Action::Publish { .. } => Some(Kind {
            priority: 0,
            held_back: false,
        }),
        Action::PublishBatch {
            delay_ms,
            priority,
            group,
            ..
        } => Some(Kind {
            priority: *priority,
            held_back: *delay_ms > 0 || group.is_some(),
        }),
        _ => None,
    }
}

/// By priority, from which position on messages were surely ready and until when.
fn ready<'m>(
    view: &View,
    messages: impl Iterator<Item = &'m Message<'m>>,
) -> BTreeMap<u64, RunningMax> {
    let mut spans: BTreeMap<u64, Vec<(usize, u64, usize)>> = BTreeMap::new();
    for message in messages {
        let (Some(kind), Some(_)) = (kind(view, message), message.published_id(&view.operations))
        else {
            continue;
        };
        let first = message.deliveries.iter().find(|(_, d)| d.deliveries == 1);
        if let (Some(&(index, _)), false) = (first, kind.held_back) {
            let publish = &view.operations[message.publish.expect("it was published")];
            let from = publish.return_pos.expect("its publish was answered");
            let until = view.operations[index].invoke_pos as u64;
            spans
                .entry(kind.priority)
                .or_default()
                .push((from, until, index));
        }
    }
    spans
        .into_iter()
        .map(|(priority, spans)| (priority, RunningMax::new(spans)))
        .collect()
}

/// The messages of one answer are in order.
fn judge_answer(
    judge: &mut Judge,
    queue: &str,
    receive: &Operation,
    priorities: &BTreeMap<&str, u64>,
) {
    let Some(Outcome::Received { messages }) = receive.outcome else {
        return;
    };
    for pair in messages.windows(2) {
        let rank = |value: &str| priorities.get(value).copied();
        let [first, second] = [&pair[0], &pair[1]];
        if first.deliveries > 1 || second.deliveries > 1 {
            continue;
        }
        let (Some(before), Some(after)) = (rank(&first.value), rank(&second.value)) else {
            continue;
        };
        let is_known = is_ordered(first.id) && is_ordered(second.id);
        if before < after || before == after && is_known && first.id > second.id {
            judge.violation(
                format!(
                    "queue {queue} handed out {} before {}",
                    first.value, second.value
                ),
                [words::operation(receive)],
            );
        }
    }
}

/// Nothing more urgent was ready all the while.
fn judge_receive(
    view: &View,
    judge: &mut Judge,
    queue: &str,
    receive: &Operation,
    priorities: &BTreeMap<&str, u64>,
    ready: &BTreeMap<u64, RunningMax>,
) {
    let (Some(Outcome::Received { messages }), Some(return_pos)) =
        (receive.outcome, receive.return_pos)
    else {
        return;
    };
    judge.count_checked();
    let ranks = messages
        .iter()
        .filter_map(|m| priorities.get(m.value.as_str()));
    let Some(&lowest) = ranks.min() else {
        return;
    };
    for (priority, spans) in ready.range(lowest + 1..) {
        if let Some((until, index)) = spans.before(receive.invoke_pos)
            && until > return_pos as u64
        {
            judge.violation(
                format!(
                    "queue {queue} handed out priority {lowest} while priority {priority} waited"
                ),
                [receive, &view.operations[index]].map(words::operation),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{Delivered, Outcome};

    fn two() -> Run {
        let mut run = Run::new();
        run.call(
            "queue-1",
            publish_with("q", &["m1"], 0, 1, None),
            published(&[1]),
        );
        run.call(
            "queue-1",
            publish_with("q", &["m2"], 0, 5, None),
            published(&[2]),
        );
        run
    }

    #[test]
    fn ids_that_are_names_tell_nothing_of_what_came_first() {
        let [first, second] = [9, 4].map(squall_history::unordered::name_of_number);
        let mut run = Run::new();
        run.call(
            "queue-1",
            publish("q", "m1"),
            Outcome::Published { id: first },
        );
        run.call(
            "queue-1",
            publish("q", "m2"),
            Outcome::Published { id: second },
        );
        let delivered = |id, value: &str| Delivered {
            id,
            receipt: id,
            deliveries: 1,
            value: value.into(),
        };
        let messages = vec![delivered(first, "m1"), delivered(second, "m2")];
        run.call("queue-2", receive("q"), Outcome::Received { messages });
        passes(check, &run.end());
    }

    #[test]
    fn the_less_urgent_first() {
        let mut run = two();
        run.call("queue-2", receive("q"), received(1, 1, 1));
        run.call("queue-2", receive("q"), received(2, 2, 1));
        fails(
            check,
            &run.end(),
            "handed out priority 1 while priority 5 waited",
        );
    }

    #[test]
    fn out_of_order_in_one_answer() {
        let mut run = two();
        let delivered = |id: u64| Delivered {
            id,
            receipt: id,
            deliveries: 1,
            value: format!("m{id}"),
        };
        let messages = vec![delivered(1), delivered(2)];
        run.call("queue-2", receive("q"), Outcome::Received { messages });
        fails(check, &run.end(), "handed out m1 before m2");
    }

    /// Nobody sees when it came back: it may have been after the rest was picked.
    #[test]
    fn what_is_delivered_again_has_no_place_in_an_answer() {
        let delivered = |id: u64, deliveries| Delivered {
            id,
            receipt: id,
            deliveries,
            value: format!("m{id}"),
        };
        for deliveries in [[2, 1], [1, 2]] {
            let mut run = two();
            let messages = vec![delivered(1, deliveries[0]), delivered(2, deliveries[1])];
            run.call("queue-2", receive("q"), Outcome::Received { messages });
            passes(check, &run.end());
        }
    }

    /// The urgent one came while the other was being received, had been out before, or was
    /// delayed.
    #[test]
    fn not_ready_all_the_while() {
        let mut run = Run::new();
        run.call(
            "queue-1",
            publish_with("q", &["m1"], 0, 1, None),
            published(&[1]),
        );
        let op = run.invoke("queue-2", receive("q"));
        run.call(
            "queue-1",
            publish_with("q", &["m2"], 0, 5, None),
            published(&[2]),
        );
        run.call(
            "queue-1",
            publish_with("q", &["m3"], 900, 7, None),
            published(&[3]),
        );
        run.returns(op, received(1, 1, 1));
        run.call("queue-2", receive("q"), received(2, 2, 1))
            .at(2000);
        run.call("queue-2", receive("q"), received(3, 3, 1));
        passes(check, &run.end());
    }
}

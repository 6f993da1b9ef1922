//! Q2: nothing appears that was not published. Every delivery carries a value that some
//! publish to that queue sent before, under the id that the publish was answered with.
//!
//! Source: "unexpected" elements in Jepsen's total-queue check. A publish without an
//! answer may appear; one that certainly failed may not. Dead letters appear in
//! `<queue>.dead`, under whatever id. Not checked: the payload beyond its value.

use super::messages::Message;
use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::{Outcome, dead_lettered_from};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (queue, value, message) in view.messages.all() {
        if message.deliveries.is_empty() {
            continue;
        }
        let origin = || {
            view.messages
                .get(dead_lettered_from(queue)?, value)?
                .publish
        };
        match (message.publish, origin()) {
            (Some(publish), _) => {
                judge_deliveries(view, judge, queue, value, message, publish, true)
            }
            (None, Some(publish)) => {
                judge_deliveries(view, judge, queue, value, message, publish, false);
            }
            (None, None) => {
                judge.count_checked();
                judge.violation(
                    format!("queue {queue} delivered {value}, which nobody published to it"),
                    [words::operation(&view.operations[message.deliveries[0].0])],
                );
            }
        }
    }
}

fn judge_deliveries(
    view: &View,
    judge: &mut Judge,
    queue: &str,
    value: &str,
    message: &Message,
    publish: usize,
    same_id: bool,
) {
    let publish = &view.operations[publish];
    for &(index, delivered) in &message.deliveries {
        judge.count_checked();
        let receive = &view.operations[index];
        let what = match publish.outcome {
            _ if receive.return_pos < Some(publish.invoke_pos) => "before it was published".into(),
            Some(Outcome::Failed { .. }) => "although its publish failed".into(),
            _ => match message.published_id(&view.operations) {
                Some(id) if same_id && id != delivered.id => {
                    format!("as id {}, but it was published as id {id}", delivered.id)
                }
                _ => continue,
            },
        };
        judge.violation(
            format!("queue {queue} delivered {value} {what}"),
            [publish, receive].map(words::operation),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Outcome::Published;

    #[test]
    fn a_message_from_nowhere_or_from_another_queue() {
        let mut run = Run::new();
        run.call("queue-1", publish("p", "m1"), Published { id: 1 });
        run.call("queue-2", receive("q"), received(1, 1, 1));
        fails(check, &run.end(), "which nobody published to it");
    }

    #[test]
    fn a_message_before_its_publish_after_its_failure_or_under_another_id() {
        let mut run = Run::new();
        run.call("queue-2", receive("q"), received(1, 1, 1));
        run.call("queue-1", publish("q", "m1"), Published { id: 1 });
        fails(check, &run.end(), "before it was published");

        let mut run = Run::new();
        run.call("queue-1", publish("q", "m1"), failed("no leader"));
        run.call("queue-2", receive("q"), received(1, 1, 1));
        fails(check, &run.end(), "although its publish failed");

        let mut run = Run::new();
        run.call("queue-1", publish("q", "m1"), Published { id: 9 });
        run.call("queue-2", receive("q"), received(1, 1, 1));
        fails(check, &run.end(), "as id 1, but it was published as id 9");
    }

    #[test]
    fn an_unknown_publish_a_slow_one_and_a_dead_letter() {
        let mut run = Run::new();
        run.call("queue-1", publish("q", "m1"), unknown());
        let op = run.invoke("queue-1", publish("q", "m2"));
        run.call("queue-2", receive("q"), received(1, 1, 1));
        run.call("queue-2", receive("q"), received(2, 2, 1));
        run.call("queue-2", receive("q.dead"), received(2, 7, 1));
        run.returns(op, Published { id: 2 });
        passes(check, &run.end());
    }
}

//! Q1: no acknowledged message is lost. Every message whose publish was acknowledged is
//! received at least once, and one that nobody tried to ack is still there at the end.
//!
//! Source: the total-queue check of Jepsen (`jepsen.checker/total-queue`), which drains
//! every queue at the end and compares. The audit drains: it receives until a receive
//! comes back empty. Without that proof of emptiness the answer is `Unknown`, never a pass.
//!
//! Allowed for is whatever may hide a message from the drain: a receive without an answer
//! may have taken messages along, and an unacked delivery or a nack hides its message for
//! a while. Hiding times are log time, which stands still without a leader, so they count
//! from the last change of leader at the earliest; a clock that runs slow lengthens them.
//! A publish without an answer may or may not appear. Dead letters are found in
//! `<queue>.dead`, which must be drained too if the history mentions it.
//!
//! Not checked: payload bytes (`queue_phantom` compares values), and messages dropped by
//! a stated policy, which no scenario has yet.

use super::messages::{Message, visibility_us};
use super::result::Judge;
use super::view::{STAMP_RESOLUTION_US, View, certain, may_have_effect};
use super::words;
use squall_history::{Action, NodeEvent, Operation, Outcome, Phase};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let settled_us = settled_us(view);
    for (queue, messages) in &view.messages.queues {
        let acknowledged: Vec<(&str, &Message, &Operation)> = messages
            .iter()
            .filter_map(|(&value, message)| {
                let publish = &view.operations[message.publish?];
                message.published_id(&view.operations)?;
                Some((value, message, publish))
            })
            .collect();
        if acknowledged.is_empty() {
            continue;
        }
        let last_publish = acknowledged
            .iter()
            .filter_map(|(_, _, o)| o.return_pos)
            .max();
        let drain = match Drain::find(view, queue, last_publish, settled_us) {
            Ok(drain) => drain,
            Err(why) => {
                judge.unknown(why);
                continue;
            }
        };
        judge_queue(view, judge, queue, &acknowledged, &drain);
    }
}

/// The time from which log time surely runs: service restored, and no leader changed since.
/// `None` without such a time.
fn settled_us(view: &View) -> Option<u64> {
    let serve_us = view.phase(Phase::Serve)?.at_us;
    let leaders = view
        .nodes()
        .filter(|(.., what)| matches!(what, NodeEvent::Leader { .. }));
    let last_leader_us = leaders.map(|(_, at_us, ..)| at_us).last();
    Some(serve_us.max(last_leader_us.unwrap_or(0)))
}

fn judge_queue(
    view: &View,
    judge: &mut Judge,
    queue: &str,
    acknowledged: &[(&str, &Message, &Operation)],
    drain: &Drain,
) {
    let mut lost = Vec::new();
    for &(value, message, publish) in acknowledged {
        judge.count_checked();
        let dead = drain
            .dead_letters
            .and_then(|dead| view.messages.get(dead, value));
        let lives = [Some(message), dead].into_iter().flatten();
        let delivered = lives.clone().any(|m| !m.deliveries.is_empty());
        if !delivered {
            lost.push((value, publish, "was never received"));
        } else if lives.clone().all(|m| drain.should_have_seen(view, m)) {
            lost.push((value, publish, "was received, never acked, and is gone"));
        }
    }
    let Some((value, _, what)) = lost.first() else {
        return;
    };
    let summary = format!("queue {queue}: acknowledged message {value} {what}");
    if lost.len() as u64 <= drain.may_be_hidden {
        judge.unknown(format!(
            "{summary}; but receives without an answer may still hide {} messages",
            drain.may_be_hidden
        ));
        return;
    }
    for (value, publish, what) in &lost {
        judge.violation(
            format!("queue {queue}: acknowledged message {value} {what}"),
            [words::operation(publish)],
        );
    }
}

/// The proof that a queue is empty.
struct Drain<'a> {
    dead_letters: Option<&'a str>,
    /// When the last receive that came back empty was sent.
    empty_us: u64,
    settled_us: Option<u64>,
    /// Most messages that receives without an answer may have taken out of sight.
    may_be_hidden: u64,
}

impl<'a> Drain<'a> {
    fn find(
        view: &View<'a>,
        queue: &str,
        last_publish: Option<usize>,
        settled_us: Option<u64>,
    ) -> Result<Self, String> {
        let dead_letters = view.messages.dead_letters(queue);
        let empty = [Some(queue), dead_letters]
            .into_iter()
            .flatten()
            .map(|queue| {
                last_empty_receive(view, queue)
                    .filter(|o| last_publish < Some(o.invoke_pos))
                    .map(|o| o.invoked_us)
                    .ok_or_else(|| {
                        format!(
                            "queue {queue} was not drained: no receive of the audit \
                            found it empty after the last publish"
                        )
                    })
            });
        let empty_us = empty.collect::<Result<Vec<_>, _>>()?;
        let mut drain = Self {
            dead_letters,
            empty_us: empty_us
                .into_iter()
                .min()
                .expect("the queue itself is one of them"),
            settled_us,
            may_be_hidden: 0,
        };
        let queues = [Some(queue), dead_letters].into_iter().flatten();
        let receives = queues
            .filter_map(|queue| view.messages.receives.get(queue))
            .flatten();
        drain.may_be_hidden = receives
            .map(|&index| &view.operations[index])
            .filter(|o| !certain(o) && !drain.is_over(view, o, visibility_us(o)))
            .map(max_messages)
            .sum();
        Ok(drain)
    }

    /// Whether what `operation` hid for `hidden_us` must have been visible to the drain.
    fn is_over(&self, view: &View, operation: &Operation, hidden_us: u64) -> bool {
        let (Some(settled_us), Some(returned_us)) = (self.settled_us, operation.returned_us) else {
            return false;
        };
        let since_us = returned_us.max(settled_us);
        let hidden_us = view.longest_us(since_us, self.empty_us, hidden_us);
        since_us.saturating_add(hidden_us) < self.empty_us.saturating_sub(STAMP_RESOLUTION_US)
    }

    /// Whether `message` must have been in sight of the drain, which found nothing:
    /// nobody may have acked it, and all that hid it is over.
    fn should_have_seen(&self, view: &View, message: &Message) -> bool {
        let operation = |index: usize| &view.operations[index];
        let acked = message
            .acks
            .iter()
            .any(|&index| may_have_effect(operation(index)));
        let hidden = message.deliveries.iter().any(|&(index, _)| {
            !self.is_over(view, operation(index), visibility_us(operation(index)))
        });
        let nacked = message
            .nacks
            .iter()
            .map(|&index| operation(index))
            .any(|nack| may_have_effect(nack) && !self.is_over(view, nack, delay_us(nack)));
        !acked && !hidden && !nacked
    }
}

fn last_empty_receive<'v, 'a>(view: &'v View<'a>, queue: &str) -> Option<&'v Operation<'a>> {
    let receives = view.messages.receives.get(queue)?.iter().rev();
    receives.map(|&index| &view.operations[index]).find(|o| {
        let empty =
            matches!(o.outcome, Some(Outcome::Received { messages }) if messages.is_empty());
        empty && view.in_phase(o, Phase::Audit)
    })
}

fn max_messages(operation: &Operation) -> u64 {
    match operation.action {
        Action::Receive { max, .. } => u64::from(*max),
        action => unreachable!("only a receive takes messages, not {action:?}"),
    }
}

fn delay_us(nack: &Operation) -> u64 {
    match nack.action {
        Action::Nack { delay_ms, .. } => delay_ms.saturating_mul(1_000),
        action => unreachable!("only a nack has a delay, not {action:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{FaultStatus, Outcome::Published};

    fn published() -> Run {
        let mut run = Run::new();
        run.call("queue-1", publish("q", "m1"), Published { id: 1 });
        run
    }

    #[test]
    fn a_message_that_never_comes() {
        let mut run = published();
        run.audit().call("audit", receive("q"), nothing());
        fails(check, &run.end(), "message m1 was never received");
    }

    #[test]
    fn a_queue_that_is_not_drained_proves_nothing() {
        cannot_tell(check, &published().end(), "not drained");
        let mut run = published();
        run.call("queue-2", receive("q"), nothing()).audit();
        cannot_tell(check, &run.end(), "not drained");
        let mut run = published();
        run.audit().call("audit", receive("q"), received(1, 1, 1));
        cannot_tell(check, &run.end(), "not drained");
    }

    #[test]
    fn a_drain_before_the_last_publish_proves_nothing() {
        let mut run = published();
        run.audit().call("audit", receive("q"), nothing());
        run.call("queue-1", publish("q", "m2"), Published { id: 2 });
        cannot_tell(check, &run.end(), "not drained");
    }

    #[test]
    fn received_anywhere_and_acked_is_not_lost() {
        let mut run = published();
        run.call("queue-2", receive("q"), received(1, 1, 1));
        run.call("queue-2", ack("q", "m1", 1), unknown());
        run.audit().at(1000).call("audit", receive("q"), nothing());
        passes(check, &run.end());
    }

    #[test]
    fn a_publish_without_answer_may_be_missing_or_there() {
        let mut run = published();
        run.call("queue-1", publish("q", "m2"), unknown());
        run.call("queue-1", publish("q", "m3"), unknown());
        run.call("queue-2", receive("q"), received(3, 3, 1));
        run.audit().call("audit", receive("q"), received(1, 1, 1));
        run.call("audit", receive("q"), nothing());
        passes(check, &run.end());
    }

    #[test]
    fn received_but_never_acked_and_gone() {
        let mut run = published();
        run.call("queue-2", receive("q"), received(1, 1, 1)).audit();
        run.at(1000).call("audit", receive("q"), nothing());
        fails(check, &run.end(), "never acked, and is gone");
    }

    #[test]
    fn still_hidden_from_the_drain() {
        let mut run = published();
        run.at(50).call("queue-2", receive("q"), received(1, 1, 1));
        run.audit().at(100).call("audit", receive("q"), nothing());
        passes(check, &run.end());
    }

    /// A clock that runs slow may hide it for longer; one that jumped does not.
    #[test]
    fn clocks_that_go_wrong() {
        let received_and_gone = |run: &mut Run| {
            run.call("queue-2", receive("q"), received(1, 1, 1)).audit();
            run.at(1000).call("audit", receive("q"), nothing());
            run.end()
        };
        let drift = |ppm| {
            let mut run = published();
            run.drift(Some(ppm), FaultStatus::Installed);
            received_and_gone(&mut run)
        };
        passes(check, &drift(-950_000));
        fails(check, &drift(-1_000), "never acked");
        let mut run = published();
        run.fault("clock_jump", "node-1", FaultStatus::Installed);
        fails(check, &received_and_gone(&mut run), "never acked");
    }

    #[test]
    fn a_receive_without_answer_may_hide_the_message() {
        let mut run = published();
        run.audit().at(50).call("audit", receive("q"), unknown());
        run.call("audit", receive("q"), nothing());
        cannot_tell(check, &run.end(), "may still hide 10 messages");
    }

    #[test]
    fn a_receive_without_answer_hides_only_for_a_while() {
        let mut run = published();
        run.call("queue-2", receive("q"), unknown()).audit();
        run.at(1000).call("audit", receive("q"), nothing());
        fails(check, &run.end(), "was never received");
    }

    #[test]
    fn dead_letters_are_not_lost() {
        let mut run = published();
        run.audit().call("audit", receive("q"), nothing());
        run.call("audit", receive("q.dead"), received(1, 1, 1));
        run.call("audit", receive("q.dead"), nothing());
        passes(check, &run.end());
    }
}

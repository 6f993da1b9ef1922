//! Q11: no message is stuck. What is hidden or delayed comes back when its time is over.
//!
//! In plain words: a message in the hands of somebody who is gone is handed to somebody else,
//! after the visibility timeout and no more than a moment.
//!
//! Source: the visibility timeout of Amazon SQS, as an upper bound. Every delivery, nack and
//! delayed publish hides a message for a known time; when all of that is over, with
//! [`GRACE_US`] on top, a queue that says it still has messages in flight or delayed has lost
//! track of them. Time without a leader counts for nobody, so the times count from the last
//! change of leader or fault at the earliest. A clock that runs slow lengthens them.
//!
//! Not checked: how many are stuck.

use std::collections::BTreeMap;

use super::messages::visibility_us;
use super::result::Judge;
use super::view::{View, certain, may_have_effect};
use super::words::{self, seconds};
use squall_history::{Action, Operation, Outcome};

/// For the leader to notice, and to commit the return.
const GRACE_US: u64 = 2_000_000;
/// A node gives up on a request after this long; until then it may take effect.
const IN_DOUBT_US: u64 = 10_000_000;

pub(super) fn check(view: &View, judge: &mut Judge) {
    // A queue that lost track of a message goes on saying so: its last look tells.
    let mut last: BTreeMap<&str, &Operation> = BTreeMap::new();
    for look in &view.operations {
        if let (Action::Depth { queue }, Some(Outcome::Depth { .. })) = (look.action, look.outcome)
        {
            last.insert(queue, look);
        }
    }
    for (queue, look) in last {
        judge_look(view, judge, queue, look);
    }
}

fn judge_look(view: &View, judge: &mut Judge, queue: &str, look: &Operation) {
    let Some(Outcome::Depth {
        in_flight, delayed, ..
    }) = look.outcome
    else {
        unreachable!("only answered looks are judged")
    };
    if in_flight + delayed == 0 {
        judge.count_checked();
        return;
    }
    let calm_us = view.calm_since_us(look.invoked_us);
    let earlier = view
        .operations
        .iter()
        .filter(|o| o.invoke_pos < look.invoke_pos);
    let hidden = earlier.filter_map(|o| hides(view, queue, o, look));
    let over_us = hidden.map(|(at_us, for_us)| {
        let from_us = at_us.max(calm_us);
        from_us.saturating_add(view.longest_us(from_us, look.invoked_us, for_us))
    });
    let over_us = over_us.max().unwrap_or(0).saturating_add(GRACE_US);
    if look.invoked_us <= over_us {
        judge.pass_over(|| "the time of what is hidden is not over in the last look".into());
    } else {
        judge.count_checked();
        judge.violation(
            format!(
                "queue {queue} has {in_flight} messages in flight and {delayed} delayed, \
                though all must have come back by {}",
                seconds(over_us)
            ),
            [words::operation(look)],
        );
    }
}

/// When the operation hid something in the queue at the latest, and for how long, if that
/// was not known to be settled before `look`.
fn hides(view: &View, queue: &str, operation: &Operation, look: &Operation) -> Option<(u64, u64)> {
    let hidden_us = match operation.action {
        Action::Receive { queue: other, .. } if other == queue => match operation.outcome {
            Some(Outcome::Received { messages }) => {
                let open = messages.iter().any(|delivered| {
                    let message = view.messages.get(queue, &delivered.value);
                    let acks = message
                        .into_iter()
                        .flat_map(|m| m.acks.iter().chain(&m.nacks));
                    let acks = acks.map(|&index| &view.operations[index]);
                    let mut valid = acks.filter(|o| {
                        o.outcome == Some(&Outcome::Settled { valid: true })
                            && o.return_pos < Some(look.invoke_pos)
                    });
                    !valid.any(|o| receipt(o.action) == Some(delivered.receipt))
                });
                if !open {
                    return None;
                }
                visibility_us(operation)
            }
            _ => visibility_us(operation),
        },
        Action::PublishBatch {
            queue: other,
            delay_ms,
            ..
        }
        | Action::Nack {
            queue: other,
            delay_ms,
            ..
        } if other == queue => delay_ms.saturating_mul(1_000),
        _ => return None,
    };
    let at_us = match (operation.returned_us, certain(operation)) {
        (Some(returned_us), true) => returned_us,
        (Some(returned_us), false) => returned_us.saturating_add(IN_DOUBT_US),
        (None, _) => u64::MAX,
    };
    may_have_effect(operation).then_some((at_us, hidden_us))
}

fn receipt(action: &Action) -> Option<u64> {
    match action {
        Action::Ack { receipt, .. } | Action::Nack { receipt, .. } => Some(*receipt),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::FaultStatus;
    use squall_history::NodeEvent::FirstCommit;
    use squall_history::Outcome::Published;

    /// One message, received and not heard of again; hidden for 100 ms.
    fn forgotten() -> Run {
        let mut run = Run::new();
        run.call("queue-1", publish("q", "m1"), Published { id: 1 });
        run.call("queue-2", receive("q"), received(1, 1, 1));
        run
    }

    #[test]
    fn in_flight_for_ever() {
        let mut run = forgotten();
        run.at(2200).call("audit", depth("q"), holds(0, 1, 0));
        fails(check, &run.end(), "has 1 messages in flight and 0 delayed");
    }

    #[test]
    fn delayed_for_ever() {
        let mut run = Run::new();
        run.call(
            "queue-1",
            publish_with("q", &["m1"], 500, 0, None),
            published(&[1]),
        );
        run.at(2600).call("audit", depth("q"), holds(0, 0, 1));
        fails(check, &run.end(), "has 0 messages in flight and 1 delayed");
    }

    /// Its time may not be over, a new leader moved it on, or a receive without an answer
    /// may have it.
    #[test]
    fn hidden_for_a_reason() {
        let look = |run: &mut Run| {
            run.call("audit", depth("q"), holds(0, 1, 0));
            not_judged(check, &run.end(), "not over in the last look");
        };
        look(forgotten().at(2000));
        let commit = FirstCommit { term: 2, index: 50 };
        look(forgotten().at(1500).node("node-2", commit).at(3500));
        look(
            forgotten()
                .call("queue-3", receive("q"), unknown())
                .at(9000),
        );
    }

    #[test]
    fn nothing_hidden_is_judged_and_so_is_a_clock_that_jumped() {
        let mut run = forgotten();
        run.at(2200).call("audit", depth("q"), holds(1, 0, 0));
        passes(check, &run.end());
        let look = |run: &mut Run| {
            run.at(2200).call("audit", depth("q"), holds(0, 1, 0));
            run.end()
        };
        let mut run = forgotten();
        run.fault("clock_jump", "node-1", FaultStatus::Installed);
        fails(check, &look(&mut run), "1 messages in flight");
        let drift = |ppm| look(forgotten().drift(Some(ppm), FaultStatus::Installed));
        fails(check, &drift(-1_000), "1 messages in flight");
        not_judged(check, &drift(-900_000), "is not over in the last look");
    }
}

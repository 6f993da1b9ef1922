//! Q4, first half: visibility is a lower bound. A delivered message is not delivered again
//! before its visibility timeout has passed, unless it was nacked.
//!
//! Source: the visibility timeout of Amazon SQS. The timeout counts from when the first
//! receive was sent, the earliest moment at which it can have begun, until the second one
//! was answered. The delivery count gives the order of two deliveries. The millisecond
//! resolution of log time is allowed for, and a clock that runs faster than the cluster bears.
//! A nack that may have taken effect excuses the redelivery.
//!
//! Not checked: that the message comes back at all (Q11), and a nack's delay (Q8).

use super::messages::{Message, visibility_us};
use super::result::Judge;
use super::view::{STAMP_RESOLUTION_US, View, may_have_effect};
use super::words;
use squall_history::Operation;

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (queue, value, message) in view.messages.all() {
        let mut deliveries = message.deliveries.clone();
        deliveries.sort_by_key(|(_, delivered)| (delivered.id, delivered.deliveries));
        for pair in deliveries
            .windows(2)
            .filter(|pair| pair[0].1.id == pair[1].1.id)
        {
            judge.count_checked();
            let [first, second] = [pair[0].0, pair[1].0].map(|index| &view.operations[index]);
            let hidden_until_us = view.earliest_us(first.invoked_us, visibility_us(first));
            let again_us = second.returned_us.expect("a delivery has been answered");
            let early = again_us + STAMP_RESOLUTION_US < hidden_until_us;
            if early && !nacked(view, message, first, second) {
                judge.violation(
                    format!(
                        "queue {queue} delivered {value} again {} us before its visibility timeout",
                        hidden_until_us - again_us
                    ),
                    [first, second].map(words::operation),
                );
            }
        }
    }
}

/// Whether a nack may have ended the first delivery before the second.
fn nacked(view: &View, message: &Message, first: &Operation, second: &Operation) -> bool {
    let mut nacks = message.nacks.iter().map(|&index| &view.operations[index]);
    nacks.any(|nack| {
        let between =
            first.return_pos < Some(nack.invoke_pos) && Some(nack.invoke_pos) < second.return_pos;
        between && may_have_effect(nack)
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Outcome::Settled;

    #[test]
    fn delivered_again_too_early() {
        let mut run = Run::new();
        run.at(10).call("queue-1", receive("q"), received(1, 1, 1));
        run.at(80).call("queue-2", receive("q"), received(1, 2, 2));
        fails(check, &run.end(), "29000 us before its visibility timeout");
    }

    #[test]
    fn in_time_or_nacked_perhaps() {
        let mut run = Run::new();
        run.at(10).call("queue-1", receive("q"), received(1, 1, 1));
        run.at(109).call("queue-2", receive("q"), received(1, 2, 2));
        run.call("queue-2", nack("q", "m1", 2), unknown());
        run.call("queue-2", receive("q"), received(1, 3, 3));
        passes(check, &run.end());
    }

    #[test]
    fn a_nack_that_was_refused_excuses_nothing() {
        let mut run = Run::new();
        run.at(10).call("queue-1", receive("q"), received(1, 1, 1));
        run.call("queue-1", nack("q", "m1", 1), Settled { valid: false });
        run.call("queue-2", receive("q"), received(1, 2, 2));
        fails(check, &run.end(), "before its visibility timeout");
    }
}

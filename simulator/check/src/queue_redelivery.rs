//! Q3: an acknowledged message is not delivered again. After an ack has been answered as
//! valid, no receive that begins later hands out the message.
//!
//! Source: the settle contract of at-least-once queues (AMQP 1.0, part 2, settlement).
//! A receive already under way when the ack was answered may have come first. Not
//! checked: acks without an answer, which promise nothing.

use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::Outcome;

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (queue, value, message) in view.messages.all() {
        let acks = message.acks.iter().map(|&index| &view.operations[index]);
        let valid = acks.filter(|o| o.outcome == Some(&Outcome::Settled { valid: true }));
        let Some(ack) = valid.min_by_key(|o| o.return_pos) else {
            continue;
        };
        judge.count_checked();
        let deliveries = message
            .deliveries
            .iter()
            .map(|&(index, _)| &view.operations[index]);
        for receive in deliveries.filter(|o| ack.return_pos < Some(o.invoke_pos)) {
            judge.violation(
                format!("queue {queue} delivered {value} again after its ack"),
                [ack, receive].map(words::operation),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Outcome::Settled;

    #[test]
    fn delivered_again_after_its_ack() {
        let mut run = Run::new();
        run.call("queue-1", receive("q"), received(1, 1, 1));
        run.call("queue-1", ack("q", "m1", 1), settled()).at(900);
        run.call("queue-2", receive("q"), received(1, 2, 2));
        fails(check, &run.end(), "delivered m1 again after its ack");
    }

    #[test]
    fn unknown_or_invalid_acks_and_receives_under_way() {
        let mut run = Run::new();
        run.call("queue-1", ack("q", "m1", 1), unknown());
        run.call("queue-1", ack("q", "m1", 1), Settled { valid: false });
        let op = run.invoke("queue-2", receive("q"));
        run.call("queue-1", ack("q", "m1", 2), settled());
        run.returns(op, received(1, 2, 2));
        passes(check, &run.end());
    }
}

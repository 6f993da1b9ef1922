//! Q8: a delay is a lower bound. A message published or given back with a delay is not
//! delivered before that has passed.
//!
//! In plain words: "not before five o'clock" means not before five o'clock.
//!
//! Source: message timers of Amazon SQS. The delay counts from when the publish, or the
//! nack, was sent, the earliest moment at which it can have begun, until the receive was
//! answered; the millisecond resolution of log time is allowed for.
//!
//! Log time is never faster than that, but under a clock that runs faster than the cluster
//! bears, which shortens the bound by as much.
//!
//! Not checked: that the message comes soon after (`queue_stuck`).

use super::messages::Message;
use super::result::Judge;
use super::view::{STAMP_RESOLUTION_US, View};
use super::words;
use squall_history::{Action, Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (queue, value, message) in view.messages.all() {
        for (cause, delay_ms, first) in delays(view, message) {
            judge.count_checked();
            let delay_us = delay_ms.saturating_mul(1_000);
            let ready_us = view.earliest_us(cause.invoked_us, delay_us);
            let deliveries = message
                .deliveries
                .iter()
                .filter(|(_, d)| d.deliveries >= first);
            let receives = deliveries.map(|&(index, _)| &view.operations[index]);
            let early = receives
                .filter(|o| {
                    o.returned_us
                        .is_some_and(|at_us| at_us + STAMP_RESOLUTION_US < ready_us)
                })
                .find(|o| o.return_pos > Some(cause.invoke_pos));
            if let Some(receive) = early {
                judge.violation(
                    format!("queue {queue} delivered {value} before its delay of {delay_ms} ms"),
                    [cause, receive].map(words::operation),
                );
            }
        }
    }
}

/// The operations that delayed a message, by how much, and from which delivery on.
fn delays<'v, 'a>(
    view: &'v View<'a>,
    message: &'v Message,
) -> impl Iterator<Item = (&'v Operation<'a>, u64, u32)> {
    let publish = message.publish.map(|index| &view.operations[index]);
    let published = publish.and_then(|publish| match publish.action {
        Action::PublishBatch { delay_ms, .. } => Some((publish, *delay_ms, 1)),
        _ => None,
    });
    let nacks = message.nacks.iter().map(|&index| &view.operations[index]);
    let nacked = nacks.filter_map(|nack| {
        let Action::Nack {
            receipt, delay_ms, ..
        } = nack.action
        else {
            return None;
        };
        let mut deliveries = message.deliveries.iter();
        let (_, own) = deliveries.find(|(_, d)| d.receipt == *receipt)?;
        let valid = nack.outcome == Some(&Outcome::Settled { valid: true });
        valid.then_some((nack, *delay_ms, own.deliveries + 1))
    });
    published
        .into_iter()
        .chain(nacked)
        .filter(|(_, delay_ms, _)| *delay_ms > 0)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{Action, FaultStatus};

    fn delayed() -> Run {
        let mut run = Run::new();
        run.at(10);
        run.call(
            "queue-1",
            publish_with("q", &["m1"], 500, 0, None),
            published(&[1]),
        );
        run
    }

    #[test]
    fn delivered_too_early() {
        let mut run = delayed();
        run.at(400).call("queue-2", receive("q"), received(1, 1, 1));
        fails(check, &run.end(), "delivered m1 before its delay of 500 ms");
    }

    #[test]
    fn given_back_with_a_delay_and_delivered_too_early() {
        let mut run = delayed();
        run.at(600).call("queue-2", receive("q"), received(1, 1, 1));
        let nack = Action::Nack {
            queue: "q".into(),
            receipt: 1,
            value: "m1".into(),
            delay_ms: 300,
        };
        run.call("queue-2", nack, settled());
        run.at(700).call("queue-2", receive("q"), received(1, 2, 2));
        fails(check, &run.end(), "before its delay of 300 ms");
    }

    /// The receive was sent long before, and answered in time.
    #[test]
    fn a_long_poll_that_was_sent_early() {
        let mut run = delayed();
        let op = run.at(20).invoke("queue-2", receive("q"));
        run.at(510).returns(op, received(1, 1, 1));
        passes(check, &run.end());
    }

    #[test]
    fn no_clock_that_the_cluster_bears_excuses_an_early_delivery() {
        let early = |run: &mut Run| {
            run.at(400).call("queue-2", receive("q"), received(1, 1, 1));
            run.end()
        };
        for kind in ["clock_offset", "clock_jump"] {
            let mut run = delayed();
            run.fault(kind, "node-1", FaultStatus::Installed);
            fails(check, &early(&mut run), "before its delay of 500 ms");
        }
        let drift = |ppm| early(delayed().drift(Some(ppm), FaultStatus::Installed));
        fails(check, &drift(1_000), "before its delay of 500 ms");
        // Nobody promised anything under such a clock.
        passes(check, &drift(400_000));
    }
}

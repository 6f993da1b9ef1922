//! Recounts queue depth over time from the answers that clients received.
//!
//! A message is in its queue from the answer to its publish until the answer to the ack that
//! removed it. Where an answer is missing, the rest of the history decides: a publish without
//! an answer counts from the message's first delivery, or never; an ack without an answer
//! counts when the message was not seen again. A message that turns up among the dead letters
//! left its queue at the end of its last delivery there: when it was given back, or when its
//! visibility ran out.
//!
//! So this is the depth as clients could know it. It may differ from a node's own count by
//! the operations that are on their way.

use std::collections::BTreeMap;

use squall_history::{Action, Operation, Outcome, dead_lettered_from};

use super::windows::Windows;
use crate::timeline::Class;

/// Messages in a queue, in one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Fewest at any moment of the window.
    pub lowest: u64,
    /// Most at any moment of the window.
    pub highest: u64,
    /// At the end of the window.
    pub last: u64,
}

/// What is known of one message. A value names one message in the whole run.
#[derive(Default)]
struct Message<'a> {
    queue: &'a str,
    /// When its publish was acknowledged.
    published_us: Option<u64>,
    /// Queue, time, and until when it was hidden from others, in order of time.
    deliveries: Vec<(&'a str, u64, u64)>,
    /// Of an ack that was confirmed.
    acked_us: Option<u64>,
    /// When the last ack without an answer was sent.
    maybe_acked_us: Option<u64>,
    /// Of the last time it was given back.
    returned_us: Option<u64>,
}

/// Depth of every queue that ever held a message, by name, and of all together.
pub(super) fn depths(
    operations: &[Operation<'_>],
    windows: &Windows,
) -> (BTreeMap<String, Vec<Depth>>, Vec<Depth>) {
    let mut changes: BTreeMap<&str, Vec<(u64, i64)>> = BTreeMap::new();
    for message in messages(operations).values() {
        for (queue, from_us, until_us) in message.stays() {
            let changes = changes.entry(queue).or_default();
            changes.push((from_us, 1));
            changes.extend(until_us.map(|until_us| (until_us, -1)));
        }
    }
    let all = changes.values().flatten().copied().collect();
    let depths = changes.into_iter();
    let depths = depths.map(|(queue, changes)| (queue.to_owned(), depth(changes, windows)));
    (depths.collect(), depth(all, windows))
}

fn messages<'a>(operations: &[Operation<'a>]) -> BTreeMap<&'a str, Message<'a>> {
    let mut messages: BTreeMap<&str, Message<'_>> = BTreeMap::new();
    for operation in operations {
        let class = class(operation);
        let at_us = operation.returned_us;
        match operation.action {
            Action::Publish { queue, value, .. } => {
                published(&mut messages, queue, value, class, at_us);
            }
            Action::PublishBatch { queue, values, .. } => {
                for value in values {
                    published(&mut messages, queue, value, class, at_us);
                }
            }
            Action::Receive {
                queue,
                visibility_ms,
                ..
            } => {
                if let (Some(Outcome::Received { messages: came }), Some(at_us)) =
                    (operation.outcome, at_us)
                {
                    let until_us = at_us + visibility_ms * 1_000;
                    for delivered in came {
                        let message = messages.entry(&delivered.value).or_default();
                        message.deliveries.push((queue, at_us, until_us));
                    }
                }
            }
            Action::Ack { value, .. } => {
                let message = messages.entry(value).or_default();
                match (class, operation.outcome) {
                    (Class::Ok, Some(Outcome::Settled { valid: true })) => message.acked_us = at_us,
                    (Class::Unknown, _) => message.maybe_acked_us = Some(operation.invoked_us),
                    _ => {}
                }
            }
            Action::Nack { value, .. } if class == Class::Ok => {
                messages.entry(value).or_default().returned_us = at_us;
            }
            _ => {}
        }
    }
    for message in messages.values_mut() {
        // Operations come in order of invocation.
        message.deliveries.sort_by_key(|(_, at_us, _)| *at_us);
        if let Some((queue, ..)) = message.deliveries.first()
            && message.queue.is_empty()
        {
            message.queue = dead_lettered_from(queue).unwrap_or(queue);
        }
    }
    messages
}

fn published<'a>(
    messages: &mut BTreeMap<&'a str, Message<'a>>,
    queue: &'a str,
    value: &'a str,
    class: Class,
    at_us: Option<u64>,
) {
    let message = messages.entry(value).or_default();
    message.queue = queue;
    message.published_us = message
        .published_us
        .or(at_us.filter(|_| class == Class::Ok));
}

fn class(operation: &Operation<'_>) -> Class {
    match operation.outcome {
        Some(Outcome::Failed { .. }) => Class::Failed,
        Some(Outcome::Unknown { .. }) | None => Class::Unknown,
        Some(_) => Class::Ok,
    }
}

impl<'a> Message<'a> {
    /// The queues it was in, from when and until when; no end: to the end of the run.
    fn stays(&self) -> Vec<(&'a str, u64, Option<u64>)> {
        let first = self.deliveries.first().map(|(_, at_us, _)| *at_us);
        let Some(from_us) = [self.published_us, first].into_iter().flatten().min() else {
            return Vec::new();
        };
        let left_us = self.left_us().map(|at_us| at_us.max(from_us));
        let moved = self.deliveries.iter().find(|(at, ..)| *at != self.queue);
        let Some((dead, seen_us, _)) = moved else {
            return vec![(self.queue, from_us, left_us)];
        };
        let here = self.deliveries.iter().rev().find(|d| d.0 == self.queue);
        let hidden_until_us = here.map_or(*seen_us, |(_, _, until_us)| *until_us);
        let given_back_us = self
            .returned_us
            .filter(|at_us| here.is_some_and(|(_, delivered_us, _)| at_us >= delivered_us));
        let moved_us = given_back_us.map_or(hidden_until_us, |at| at.min(hidden_until_us));
        let moved_us = moved_us.min(*seen_us).max(from_us);
        vec![
            (self.queue, from_us, Some(moved_us)),
            (*dead, moved_us, left_us.map(|at_us| at_us.max(moved_us))),
        ]
    }

    /// When it left for good.
    fn left_us(&self) -> Option<u64> {
        let seen_after = |at_us: u64| {
            let delivered = self.deliveries.last().is_some_and(|(_, at, _)| *at > at_us);
            delivered || self.returned_us.is_some_and(|at| at > at_us)
        };
        self.acked_us
            .or_else(|| self.maybe_acked_us.filter(|at_us| !seen_after(*at_us)))
    }
}

/// From changes in any order to a depth for every window.
fn depth(mut changes: Vec<(u64, i64)>, windows: &Windows) -> Vec<Depth> {
    // At one instant arrivals first, so that no depth is below what anybody saw.
    changes.sort_unstable_by_key(|(at_us, step)| (*at_us, -*step));
    let mut changes = changes.into_iter().peekable();
    let mut inside = 0_i64;
    let mut depth = |window: usize| {
        let (mut lowest, mut highest) = (inside, inside);
        while let Some((_, step)) = changes.next_if(|(at_us, _)| windows.at(*at_us) == window) {
            inside += step;
            lowest = lowest.min(inside);
            highest = highest.max(inside);
        }
        let count = |depth: i64| u64::try_from(depth).expect("who leaves has come before");
        Depth {
            lowest: count(lowest),
            highest: count(highest),
            last: count(inside),
        }
    };
    (0..windows.count).map(&mut depth).collect()
}

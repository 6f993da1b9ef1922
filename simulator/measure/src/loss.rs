//! Data loss: acknowledged writes whose effect is missing when all is over.
//!
//! Writes are acknowledged publishes, acknowledged cache writes, and acknowledged pushes to lists
//! ([`list_loss`](super::list_loss)), of all phases.
//!
//! *Queue*: a published value is lost if no receive ever brought it, the audit's draining
//! ones included. Unless the queue's last answered receive of the audit came back empty,
//! it was not drained, and a missing value is unaudited instead of lost. A value that a receive
//! brought from the queue's dead letters is not lost either, though nobody heard of its
//! deliveries; dead letters must be drained like the queue.
//!
//! *Cache*: versions are log indexes, so an audit read that returns version v shows that
//! every acknowledged write with a version above v is gone. If it returns nothing, all
//! writes are, but for those that a delete not known to have failed may have erased. Keys
//! that the audit did not read are unaudited. Where versions only name values, writes are gone
//! that were sent after the write of the value had returned. Histories know no time to live and no
//! eviction; keys subject to either do not belong into an audit.
//!
//! *Counters*: a key that was only ever incremented, always by the same positive amount,
//! tells both ways: less than the acknowledged increments is loss, more than those and the
//! unknown ones together is duplication.
//!
//! Duplicated: a message stored twice (one value, several ids) or delivered by a receive
//! invoked after its acknowledgement was confirmed; redelivery before that is a queue's
//! right. Phantom: a value that was never issued, or only by an operation that certainly
//! had no effect. Contradictory lock grants are the checks' business, and no loss.
//!
//! Figures for the report, not a verdict: the checks judge every property by itself.

use indexmap::{IndexMap, IndexSet};
use squall_history::unordered::is_ordered;
use squall_history::{Action, Operation, Outcome, Phase, dead_lettered_from, dead_letters_of};

use squall_objective::fixed::Ms;

use super::list_loss::list_loss;
pub use super::tally::Loss;
use super::tally::Tally;
use super::timeline::{Class, Timeline};

pub fn loss(timeline: &Timeline<'_>) -> Loss {
    let mut tally = Tally::default();
    queue_loss(timeline, &mut tally);
    cache_loss(timeline, &mut tally);
    list_loss(timeline, &mut tally);
    let window_us = tally.window.map_or(0, |(from_us, to_us)| to_us - from_us);
    Loss {
        window_ms: Ms::of(window_us),
        ..tally.loss
    }
}

/// What happened to one published or received value.
#[derive(Default)]
struct Message<'a> {
    /// Whether an operation that may have taken effect published it.
    issued: bool,
    acked: Option<&'a Operation<'a>>,
    id: Option<u64>,
    /// Whether it was seen under more than one id.
    is_double: bool,
    /// Latest invocation among the receives that brought it.
    last_receive_us: Option<u64>,
    /// Earliest confirmation of its acknowledgement.
    settled_us: Option<u64>,
}

impl Message<'_> {
    fn was_received(&self) -> bool {
        self.last_receive_us.is_some() || self.settled_us.is_some()
    }

    fn see(&mut self, id: u64) {
        self.is_double |= *self.id.get_or_insert(id) != id;
    }
}

fn queue_loss<'a>(timeline: &'a Timeline<'a>, tally: &mut Tally) {
    let mut messages: IndexMap<(&str, &str), Message<'_>> = IndexMap::new();
    let mut drained: IndexMap<&str, bool> = IndexMap::new();
    for (operation, sample) in timeline.asked() {
        match (operation.action, operation.outcome) {
            (Action::Publish { queue, value, .. }, outcome) => {
                let message = messages.entry((queue, value)).or_default();
                message.issued |= sample.class != Class::Failed;
                if let Some(Outcome::Published { id }) = outcome {
                    message.acked = Some(operation);
                    message.see(*id);
                }
            }
            (Action::PublishBatch { queue, values, .. }, outcome) => {
                for (nth, value) in values.iter().enumerate() {
                    let message = messages.entry((queue, value)).or_default();
                    message.issued |= sample.class != Class::Failed;
                    if let Some(Outcome::PublishedBatch { ids }) = outcome {
                        message.acked = Some(operation);
                        message.see(ids[nth]);
                    }
                }
            }
            (Action::Receive { queue, .. }, Some(Outcome::Received { messages: brought })) => {
                if sample.phase == Phase::Audit {
                    drained.insert(queue, brought.is_empty());
                }
                for delivered in brought {
                    let message = messages.entry((queue, &delivered.value)).or_default();
                    message.see(delivered.id);
                    message.last_receive_us =
                        message.last_receive_us.max(Some(operation.invoked_us));
                }
            }
            (Action::Ack { queue, value, .. }, Some(Outcome::Settled { valid: true })) => {
                let message = messages.entry((queue, value)).or_default();
                let settled_us = message.settled_us.unwrap_or(u64::MAX);
                message.settled_us = operation.returned_us.map(|at_us| at_us.min(settled_us));
            }
            _ => {}
        }
    }
    for ((queue, value), message) in &messages {
        let received = message.was_received();
        if let Some(publish) = message.acked {
            tally.loss.acked += 1;
            let dead_letters = dead_letters_of(queue);
            let is_dead =
                (messages.get(&(dead_letters.as_str(), *value))).is_some_and(Message::was_received);
            let all_drained = drained.get(queue) == Some(&true)
                && drained
                    .get(dead_letters.as_str())
                    .is_none_or(|empty| *empty);
            match (received || is_dead, all_drained) {
                (true, _) => {}
                (false, true) => tally.lose(publish),
                (false, false) => tally.loss.unaudited += 1,
            }
        }
        let again = message
            .settled_us
            .is_some_and(|at_us| message.last_receive_us > Some(at_us));
        tally.loss.duplicated += u64::from(message.is_double || again);
        // What was published to one queue turns up in another as a dead letter.
        let origin = dead_lettered_from(queue);
        let is_dead_letter = origin.is_some_and(|queue| messages.contains_key(&(queue, *value)));
        tally.loss.phantom += u64::from(received && !message.issued && !is_dead_letter);
    }
}

/// What happened to one key of the cache.
#[derive(Default)]
struct Key<'a> {
    acked: Vec<(&'a Operation<'a>, u64)>,
    /// Values of writes that may have taken effect.
    issued: IndexSet<&'a str>,
    /// Values that reads brought.
    read: IndexSet<&'a str>,
    /// Return of each delete that may have taken effect; the end of time if outstanding.
    deleted_us: Vec<u64>,
    increments: Vec<(i64, Class)>,
    /// When each write returned that may have taken effect, by its value; `None` if
    /// nobody knows what became of it.
    written_us: IndexMap<&'a str, Option<u64>>,
    /// Whether anything but increments may have changed it.
    is_mixed: bool,
    /// Value and version of the last answered read of the audit.
    audited: Option<(Option<&'a str>, u64)>,
}

fn cache_loss<'a>(timeline: &'a Timeline<'a>, tally: &mut Tally) {
    for key in keys(timeline).values() {
        tally.loss.acked += key.acked.len() as u64;
        let phantoms = key
            .read
            .iter()
            .filter(|value| !key.issued.contains(*value))
            .count();
        if key.increments.is_empty() {
            tally.loss.phantom += phantoms as u64;
        }
        let Some((value, version)) = key.audited else {
            tally.loss.unaudited += key.acked.len() as u64;
            continue;
        };
        if let Some(step) = counter_step(key) {
            counter_loss(key, step, value, tally);
            continue;
        }
        let erased = |operation: &Operation<'_>| {
            value.is_none()
                && key
                    .deleted_us
                    .iter()
                    .any(|at_us| *at_us >= operation.invoked_us)
        };
        for (operation, written) in &key.acked {
            let is_gone =
                value.is_none_or(|value| is_later(key, operation, *written, (value, version)));
            if is_gone && !erased(operation) {
                tally.lose(operation);
            }
        }
    }
}

/// Whether the write of a version came after that of another.
fn is_later(
    key: &Key<'_>,
    operation: &Operation<'_>,
    written: u64,
    (value, version): (&str, u64),
) -> bool {
    if is_ordered(written) && is_ordered(version) {
        return written > version;
    }
    let seen_us = key.written_us.get(value).copied().flatten();
    seen_us.is_some_and(|seen_us| seen_us < operation.invoked_us)
}

fn keys<'a>(timeline: &'a Timeline<'a>) -> IndexMap<&'a str, Key<'a>> {
    let mut keys: IndexMap<&str, Key<'_>> = IndexMap::new();
    for (operation, sample) in timeline.asked() {
        let may_have_acted =
            sample.class != Class::Failed && operation.outcome != Some(&Outcome::Mismatch);
        match operation.action {
            Action::Get { key, .. } => {
                if let Some(Outcome::Value { value, version }) = operation.outcome {
                    let key = keys.entry(key).or_default();
                    key.read.extend(value.as_deref());
                    if sample.phase == Phase::Audit {
                        key.audited = Some((value.as_deref(), *version));
                    }
                }
            }
            Action::Set { key, value, .. } | Action::CompareAndSet { key, value, .. }
                if may_have_acted =>
            {
                let key = keys.entry(key).or_default();
                key.is_mixed = true;
                key.issued.insert(value);
                let returned_us = operation.returned_us.filter(|_| sample.class == Class::Ok);
                key.written_us.insert(value, returned_us);
                if let Some(Outcome::Stored { version }) = operation.outcome {
                    key.acked.push((operation, *version));
                }
            }
            // Its vanishing is no loss, so it is not among the acknowledged writes.
            Action::SetVolatile { key, value, .. } if may_have_acted => {
                let key = keys.entry(key).or_default();
                key.is_mixed = true;
                key.issued.insert(value);
            }
            Action::Delete { key } if may_have_acted => {
                let key = keys.entry(key).or_default();
                key.is_mixed = true;
                key.deleted_us.push(match sample.class {
                    Class::Ok => operation.returned_us.unwrap_or(u64::MAX),
                    _ => u64::MAX,
                });
            }
            Action::Increment { key, by } if may_have_acted => {
                let key = keys.entry(key).or_default();
                key.increments.push((*by, sample.class));
                if let Some(Outcome::Counted { version, .. }) = operation.outcome {
                    key.acked.push((operation, *version));
                }
            }
            _ => {}
        }
    }
    keys
}

/// The amount of every increment, if the key is a plain counter.
fn counter_step(key: &Key<'_>) -> Option<i64> {
    let step = key.increments.first()?.0;
    let is_plain = !key.is_mixed && key.increments.iter().all(|(by, _)| *by == step);
    (is_plain && step > 0).then_some(step)
}

fn counter_loss(key: &Key<'_>, step: i64, value: Option<&str>, tally: &mut Tally) {
    let Ok(value) = value.unwrap_or("0").parse::<i64>() else {
        tally.loss.phantom += 1;
        return;
    };
    let counted = value.div_euclid(step).max(0) as u64;
    let acked = key.acked.len() as u64;
    // The history does not tell which ones are missing; the last ones are the likeliest.
    let missing = acked.saturating_sub(counted) as usize;
    for (operation, _) in key.acked.iter().rev().take(missing) {
        tally.lose(operation);
    }
    tally.loss.duplicated += counted.saturating_sub(key.increments.len() as u64);
}

#[cfg(test)]
#[path = "loss_tests.rs"]
mod tests;

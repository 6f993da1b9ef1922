//! Totals of the services' own: messages, reads, invalidations.
//!
//! As clients received them, so a recount from the history gives the same.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::{Action, EventKind, History, Outcome, StreamEvent, dead_lettered_from};

use squall_objective::fixed::{Ms, Percent};

use super::distribution::{Times, sorted};
use super::misses::Misses;
use super::timeline::Timeline;

/// Over the whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// `None` if no message was published.
    pub queue: Option<QueueReport>,
    /// `None` if nothing was read.
    pub cache: Option<CacheReport>,
}

/// What queues did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueReport {
    /// Messages whose publish was acknowledged.
    pub published: u64,
    /// Deliveries that arrived; more than messages where some were delivered again.
    pub delivered: u64,
    /// Messages whose ack was confirmed, as dead letters too.
    pub consumed: u64,
    /// Messages that were found among dead letters.
    pub dead_letters: u64,
    /// Most messages published and not yet consumed at a time, of all queues together.
    pub depth_max: u64,
    /// The same at the end of serve, before the audit takes what is left.
    pub depth_end: u64,
    /// From the first moment with the most messages to the next with a hundredth of them or
    /// less, which is what is under way in a queue that keeps up; `null` if there was none
    /// before the audit.
    #[serde(default)]
    pub drained_ms: Option<Ms>,
}

/// What the cache did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheReport {
    /// Reads that were answered. Near caches included.
    pub reads: u64,
    /// Those among them that found a value.
    pub hits: u64,
    /// `null` if nothing was read.
    pub hit_rate: Option<Percent>,
    /// A write is acknowledged → a client with a cache of its own has heard of it; zero where
    /// that client heard first.
    pub invalidation_ms: Times,
    /// Reads that found a value, and reads that found none with the set that filled them;
    /// from the start of chaos to the end of serve.
    #[serde(default)]
    pub hit_ms: Times,
    /// As `hit_ms`, of reads that found none.
    #[serde(default)]
    pub miss_ms: Times,
    /// By how much the median miss takes longer than the median hit.
    #[serde(default)]
    pub miss_penalty_ms: Option<Ms>,
}

pub fn totals(history: &History, timeline: &Timeline<'_>, misses: &Misses) -> Totals {
    Totals {
        queue: queue(timeline),
        cache: cache(history, timeline, misses),
    }
}

fn queue(timeline: &Timeline<'_>) -> Option<QueueReport> {
    let mut totals = QueueReport::default();
    let mut dead: BTreeSet<&str> = BTreeSet::new();
    // Time, place in the history, and by how much the depth changes.
    let mut changes: Vec<(u64, usize, i64)> = Vec::new();
    for operation in &timeline.operations {
        let (Some(outcome), Some(at_us), Some(pos)) = (
            operation.outcome,
            operation.returned_us,
            operation.return_pos,
        ) else {
            continue;
        };
        let mut change = |by: usize, sign: i64| changes.push((at_us, pos, by as i64 * sign));
        match (operation.action, outcome) {
            (Action::Publish { .. }, Outcome::Published { .. }) => change(1, 1),
            (Action::PublishBatch { .. }, Outcome::PublishedBatch { ids }) => change(ids.len(), 1),
            (Action::Ack { .. }, Outcome::Settled { valid: true }) => {
                totals.consumed += 1;
                change(1, -1);
            }
            (Action::Receive { queue, .. }, Outcome::Received { messages }) => {
                totals.delivered += messages.len() as u64;
                if dead_lettered_from(queue).is_some() {
                    dead.extend(messages.iter().map(|message| message.value.as_str()));
                }
            }
            _ => {}
        }
    }
    changes.sort_unstable();
    let served_us = timeline
        .measured()
        .map_or(timeline.end_us, |span| span.to_us);
    let (mut depth, mut most_at_us) = (0, 0);
    for (at_us, _, change) in changes {
        depth += change;
        totals.published += change.max(0) as u64;
        let shown = u64::try_from(depth).unwrap_or(0);
        if shown > totals.depth_max {
            (totals.depth_max, most_at_us) = (shown, at_us);
            totals.drained_ms = None;
        }
        if at_us < served_us {
            totals.depth_end = shown;
            if shown <= totals.depth_max / 100 {
                totals.drained_ms.get_or_insert(Ms::of(at_us - most_at_us));
            }
        }
    }
    totals.dead_letters = dead.len() as u64;
    (totals.published > 0).then_some(totals)
}

fn cache(history: &History, timeline: &Timeline<'_>, misses: &Misses) -> Option<CacheReport> {
    let mut totals = CacheReport {
        hit_ms: misses.hits,
        miss_ms: misses.filled,
        miss_penalty_ms: misses.penalty(),
        ..CacheReport::default()
    };
    // When the write of an entry to a key was acknowledged.
    let mut written: BTreeMap<(u64, &str), u64> = BTreeMap::new();
    for operation in &timeline.operations {
        let (Some(outcome), Some(at_us)) = (operation.outcome, operation.returned_us) else {
            continue;
        };
        match outcome {
            Outcome::Value { value, .. } => {
                totals.reads += 1;
                totals.hits += u64::from(value.is_some());
            }
            Outcome::Values { values } => {
                totals.reads += values.len() as u64;
                totals.hits += values.iter().filter(|found| found.value.is_some()).count() as u64;
            }
            Outcome::Stored { version } | Outcome::Counted { version, .. } => {
                if let Some(key) = written_key(operation.action) {
                    written.insert((*version, key), at_us);
                }
            }
            _ => {}
        }
    }
    let mut delays_us = Vec::new();
    for event in &history.events {
        if let EventKind::Stream {
            event: StreamEvent::Invalidated { index, keys },
            ..
        } = &event.kind
        {
            let known = keys
                .iter()
                .filter_map(|key| written.get(&(*index, key.as_str())));
            delays_us.extend(known.map(|at_us| event.at_us.saturating_sub(*at_us)));
        }
    }
    totals.invalidation_ms = Times::of(&sorted(delays_us));
    let hit_ppm = (totals.hits * 1_000_000).checked_div(totals.reads);
    totals.hit_rate = hit_ppm.map(Percent::of);
    (totals.reads > 0).then_some(totals)
}

/// The key that a write changed under the version that it returned.
fn written_key(action: &Action) -> Option<&str> {
    match action {
        Action::Set { key, .. }
        | Action::SetVolatile { key, .. }
        | Action::CompareAndSet { key, .. }
        | Action::Increment { key, .. } => Some(key),
        _ => None,
    }
}

//! The price of a miss: a read that found nothing, against one that found its value.
//!
//! A client in front of something slower reads, finds nothing, gets the value from elsewhere
//! and sets it. Such a miss lasts from the start of the read to the acknowledgement of the
//! set, whatever lies between. A read that found nothing, and after which its client did
//! anything else, was not filled and counts as neither.

use std::collections::BTreeMap;

use squall_history::{Action, Outcome};

use squall_objective::fixed::Ms;

use super::distribution::{Times, sorted};
use super::timeline::Timeline;

/// From the start of chaos to the end of serve. Reads from clients' own caches are not here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Misses {
    /// Reads that found a value.
    pub hits: Times,
    /// Reads that found nothing, with the set that filled them.
    pub filled: Times,
}

impl Misses {
    /// By how much the median miss takes longer than the median hit; `None` without misses
    /// that were filled, or without hits.
    pub fn penalty(&self) -> Option<Ms> {
        let (filled, hit) = (self.filled.p50?.get(), self.hits.p50?.get());
        Some(Ms::of(filled.saturating_sub(hit)))
    }
}

pub fn misses(timeline: &Timeline<'_>) -> Misses {
    let Some(measured) = timeline.measured() else {
        return Misses::default();
    };
    let (mut hits_us, mut filled_us) = (Vec::new(), Vec::new());
    // What each client found nothing for, in its last operation, and when it asked.
    let mut missed: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
    for operation in &timeline.operations {
        let start_us = operation.start_us();
        let before = missed.remove(operation.client);
        let (Some(outcome), Some(end_us)) = (operation.outcome, operation.returned_us) else {
            continue;
        };
        if !(measured.from_us..measured.to_us).contains(&start_us) {
            continue;
        }
        match (operation.action, outcome) {
            (
                Action::Get { key, .. } | Action::GetFrom { key, .. },
                Outcome::Value { value, .. },
            ) => match value {
                Some(_) => hits_us.push(end_us - start_us),
                None => {
                    missed.insert(operation.client, (key, start_us));
                }
            },
            (Action::Set { key, .. } | Action::SetVolatile { key, .. }, Outcome::Stored { .. }) => {
                let filled = before.filter(|(wanted, _)| wanted == key);
                filled_us.extend(filled.map(|(_, asked_us)| end_us - asked_us));
            }
            _ => {}
        }
    }
    Misses {
        hits: Times::of(&sorted(hits_us)),
        filled: Times::of(&sorted(filled_us)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{Event, EventKind, History, Phase};

    /// Operations of one client: start, end, what, and what came of it.
    fn history(operations: &[(u64, u64, Action, Outcome)]) -> History {
        let phase = |at_us, phase| Event {
            at_us,
            kind: EventKind::Phase { phase },
        };
        let mut events = vec![phase(0, Phase::Chaos), phase(1_000_000, Phase::Audit)];
        for (op, (from_us, to_us, action, outcome)) in operations.iter().enumerate() {
            let op = op as u64;
            let invoke = EventKind::Invoke {
                op,
                client: "cache-1".into(),
                intended_us: None,
                action: action.clone(),
            };
            let outcome = outcome.clone();
            events.push(Event {
                at_us: *from_us,
                kind: invoke,
            });
            events.push(Event {
                at_us: *to_us,
                kind: EventKind::Return { op, outcome },
            });
        }
        events.sort_by_key(|event| event.at_us);
        History { events }
    }

    fn get(key: &str) -> Action {
        crate::testing::get(key)
    }

    fn set(key: &str) -> Action {
        Action::Set {
            key: key.into(),
            value: "v".into(),
            bytes: 1,
        }
    }

    #[test]
    fn a_miss_lasts_until_it_is_filled() {
        let found = crate::testing::value(Some("v"), 1);
        let nothing = crate::testing::value(None, 0);
        let stored = Outcome::Stored { version: 2 };
        let history = history(&[
            (0, 2_000, get("a"), found.clone()),
            // Filled after 15 ms elsewhere.
            (10_000, 12_000, get("b"), nothing.clone()),
            (27_000, 30_000, set("b"), stored.clone()),
            // Not filled: another key is set, another read comes between.
            (40_000, 42_000, get("c"), nothing.clone()),
            (50_000, 52_000, set("d"), stored.clone()),
            (60_000, 62_000, get("c"), nothing),
            (70_000, 74_000, get("a"), found),
            (80_000, 82_000, set("c"), stored),
        ]);
        let misses = misses(&Timeline::of(&history));
        assert_eq!(
            (misses.hits.count, misses.hits.max),
            (2, Some(Ms::of(4_000)))
        );
        assert_eq!(misses.filled.count, 1);
        assert_eq!(misses.filled.p50, Some(Ms::of(20_000)));
        assert_eq!(misses.penalty(), Some(Ms::of(18_000)));
        assert_eq!(Misses::default().penalty(), None);
    }
}

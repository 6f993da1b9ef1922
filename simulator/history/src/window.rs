//! Sums up what clients saw in an interval of time.
//!
//! Used while a run is going on, to decide whether a step of a stress test broke, and
//! afterwards, to report the steps. Operations count by when they were meant to start; a
//! long poll's latency is the consumer's own wish and does not count.

use std::collections::BTreeMap;

use super::{Action, Event, EventKind, Outcome, start_us};

/// Operations that were meant to start within a stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// Answered with anything but a failure.
    pub acknowledged: u64,
    /// Failed or of unknown outcome.
    pub errors: u64,
    /// Sent, and not answered within the events that were looked at.
    pub pending: u64,
    /// Of everything above, in order; of pending ones, up to the last moment looked at.
    latencies_us: Vec<u64>,
}

impl Window {
    /// Of the operations that were meant to start from `from_us` to before `to_us`. Looks at
    /// `events` up to `until_us` only.
    pub fn of(events: &[Event], from_us: u64, to_us: u64, until_us: u64) -> Self {
        let mut window = Self::default();
        let mut outstanding: BTreeMap<u64, u64> = BTreeMap::new();
        // Nothing is sent before it is meant to start.
        let begin = events.partition_point(|event| event.at_us < from_us);
        let end = events.partition_point(|event| event.at_us <= until_us);
        for event in &events[begin.min(end)..end] {
            match &event.kind {
                EventKind::Invoke {
                    op,
                    intended_us,
                    action,
                    ..
                } => {
                    let start_us = start_us(*intended_us, event.at_us);
                    if (from_us..to_us).contains(&start_us) && counts(action) {
                        outstanding.insert(*op, start_us);
                    }
                }
                EventKind::Return { op, outcome } => {
                    if let Some(start_us) = outstanding.remove(op) {
                        window.add(outcome, event.at_us - start_us);
                    }
                }
                _ => {}
            }
        }
        window.pending = outstanding.len() as u64;
        let waited = outstanding
            .values()
            .map(|start_us| until_us.saturating_sub(*start_us));
        window.latencies_us.extend(waited);
        window.latencies_us.sort_unstable();
        window
    }

    fn add(&mut self, outcome: &Outcome, latency_us: u64) {
        match outcome.is_acknowledged() {
            true => self.acknowledged += 1,
            false => self.errors += 1,
        }
        self.latencies_us.push(latency_us);
    }

    /// Operations that were not even sent by `until_us`, since then they were meant to start.
    pub fn add_unsent(&mut self, starts_us: impl Iterator<Item = u64>, until_us: u64) {
        let before = self.latencies_us.len();
        let waited = starts_us.map(|start_us| until_us.saturating_sub(start_us));
        self.latencies_us.extend(waited);
        self.pending += (self.latencies_us.len() - before) as u64;
        self.latencies_us.sort_unstable();
    }

    /// All of them, whatever became of them.
    pub fn operations(&self) -> u64 {
        self.acknowledged + self.errors + self.pending
    }

    /// Of the operations that ended, parts per million; 0 if none did.
    pub fn error_ppm(&self) -> u64 {
        let ended = self.acknowledged + self.errors;
        (self.errors * 1_000_000).checked_div(ended).unwrap_or(0)
    }

    /// Of all operations, parts per million that have not ended; 0 if there are none.
    pub fn pending_ppm(&self) -> u64 {
        let pending = self.pending * 1_000_000;
        pending.checked_div(self.operations()).unwrap_or(0)
    }

    /// The latency that so many hundredths of the operations had at most; `None` without
    /// operations.
    pub fn percentile_us(&self, percent: u64) -> Option<u64> {
        let count = self.latencies_us.len() as u64;
        let rank = (count * percent).div_ceil(100).max(1);
        self.latencies_us.get(rank as usize - 1).copied()
    }

    /// Rounded down.
    pub fn mean_us(&self) -> Option<u64> {
        let sum: u64 = self.latencies_us.iter().sum();
        sum.checked_div(self.latencies_us.len() as u64)
    }

    /// The longest latency or, of pending operations, wait; `None` if there was no operation.
    pub fn max_us(&self) -> Option<u64> {
        self.latencies_us.last().copied()
    }
}

fn counts(action: &Action) -> bool {
    let waits = matches!(action, Action::Receive { wait_ms: 1.., .. });
    action.is_remote() && !waits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at_us: u64, kind: EventKind) -> Event {
        Event { at_us, kind }
    }

    fn get(op: u64, at_us: u64, intended_us: Option<u64>) -> Event {
        let action = Action::Get {
            key: "k".into(),
            lease: false,
        };
        let client = format!("c-{op}");
        at(
            at_us,
            EventKind::Invoke {
                op,
                client,
                intended_us,
                action,
            },
        )
    }

    fn answer(op: u64, at_us: u64, is_good: bool) -> Event {
        let outcome = match is_good {
            true => Outcome::Stored { version: 1 },
            false => Outcome::Unknown { why: "lost".into() },
        };
        at(at_us, EventKind::Return { op, outcome })
    }

    #[test]
    fn operations_count_where_they_were_meant_to_start() {
        let events = [
            get(0, 50, None),
            get(1, 100, None),
            answer(1, 130, true),
            // Late: meant to start in the window, sent after it.
            get(2, 210, Some(150)),
            answer(0, 220, true),
            answer(2, 250, false),
            get(3, 199, None),
        ];
        let mut ordered = events.to_vec();
        ordered.sort_by_key(|event| event.at_us);
        let mut window = Window::of(&ordered, 100, 200, 1_000);
        assert_eq!(
            (window.acknowledged, window.errors, window.pending),
            (1, 1, 1)
        );
        assert_eq!(window.error_ppm(), 500_000);
        assert_eq!(window.percentile_us(50), Some(100));
        assert_eq!(
            window.max_us(),
            Some(801),
            "at least as long as it has waited"
        );
        window.add_unsent([180].into_iter(), 1_000);
        assert_eq!(window.pending_ppm(), 500_000);
        // Whoever looks earlier knows less.
        assert_eq!(Window::of(&ordered, 100, 200, 240).pending, 2);
        assert_eq!(Window::default().percentile_us(99), None);
    }
}

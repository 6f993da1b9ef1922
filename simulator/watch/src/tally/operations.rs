//! Operations by service and name: how many, and how long they took.

use std::collections::BTreeMap;

use squall_history::Service;

/// Upper bounds of the buckets of latencies, microseconds; there is one more above the last.
pub const BUCKETS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Latencies of one outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latencies {
    /// In each bucket, not summed up; those above the last bound are in [`Self::count`] only.
    pub buckets: [u64; BUCKETS_US.len()],
    pub count: u64,
    pub sum_us: u64,
}

impl Latencies {
    fn add(&mut self, latency_us: u64) {
        let place = BUCKETS_US.partition_point(|bound_us| *bound_us < latency_us);
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(latency_us);
    }
}

/// All that was asked of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    pub started: u64,
    pub acknowledged: Latencies,
    pub failed: Latencies,
    pub unknown: Latencies,
    /// Outstanding when the run or the client ended: unknown, and without a latency.
    pub unanswered: u64,
}

/// By service and name.
#[derive(Debug, Clone, Default)]
pub struct Operations(BTreeMap<(Service, &'static str), Counted>);

impl Operations {
    fn of(&mut self, service: Service, operation: &'static str) -> &mut Counted {
        self.0.entry((service, operation)).or_default()
    }

    pub(super) fn started(&mut self, service: Service, operation: &'static str) {
        self.of(service, operation).started += 1;
    }

    pub(super) fn acknowledged(&mut self, service: Service, operation: &'static str, us: u64) {
        self.of(service, operation).acknowledged.add(us);
    }

    pub(super) fn failed(&mut self, service: Service, operation: &'static str, us: u64) {
        self.of(service, operation).failed.add(us);
    }

    pub(super) fn unknown(&mut self, service: Service, operation: &'static str, us: u64) {
        self.of(service, operation).unknown.add(us);
    }

    /// Nobody waits for the answer any more.
    pub(super) fn unanswered(&mut self, service: Service, operation: &'static str) {
        self.of(service, operation).unanswered += 1;
    }

    pub fn iter(&self) -> impl Iterator<Item = (Service, &'static str, &Counted)> {
        self.0
            .iter()
            .map(|((service, operation), counted)| (*service, *operation, counted))
    }

    /// Acknowledged, failed and unknown, of all.
    pub fn totals(&self) -> [u64; 3] {
        self.0
            .values()
            .fold([0; 3], |[acked, failed, unknown], counted| {
                [
                    acked + counted.acknowledged.count,
                    failed + counted.failed.count,
                    unknown + counted.unknown.count + counted.unanswered,
                ]
            })
    }
}

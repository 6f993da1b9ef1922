//! Latency: how long operations took, by service, operation, phase and outcome.
//!
//! Kept in HdrHistograms of three significant digits (Gil Tene's HdrHistogram), timed
//! from the intended start in an open loop, so that a stall of the driver is not hidden
//! (his "coordinated omission"). An operation belongs to the phase in which it started.
//! Operations still outstanding at the end have no latency and are not in here. Waiting
//! that the client asked for is included: a long poll's latency is the client's.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use squall_history::{Phase, Service};

use super::timeline::{Class, Timeline};

/// Latencies of one kind of operation, in one phase, with one kind of outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyRow {
    pub service: Service,
    pub operation: &'static str,
    pub phase: Phase,
    pub class: Class,
    pub summary: LatencySummary,
}

/// Microseconds. Quantiles are exact to three significant digits, the rest exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencySummary {
    pub count: u64,
    pub min_us: u64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p95_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
    /// Rounded down.
    pub mean_us: u64,
}

/// In order of service, operation, phase, outcome.
pub fn latency(timeline: &Timeline<'_>) -> Vec<LatencyRow> {
    let mut recorders: BTreeMap<_, Recorder> = BTreeMap::new();
    for sample in &timeline.samples {
        if let Some(end_us) = sample.end_us {
            let key = (
                sample.service,
                sample.action.operation(),
                sample.phase,
                sample.class,
            );
            recorders
                .entry(key)
                .or_insert_with(Recorder::new)
                .record(end_us - sample.start_us);
        }
    }
    recorders
        .into_iter()
        .map(
            |((service, operation, phase, class), recorder)| LatencyRow {
                service,
                operation,
                phase,
                class,
                summary: recorder.summary(),
            },
        )
        .collect()
}

/// A histogram, with what it would round kept exactly.
pub(super) struct Recorder {
    histogram: Histogram<u64>,
    min_us: u64,
    max_us: u64,
    sum_us: u128,
}

impl Recorder {
    pub(super) fn new() -> Self {
        let histogram = Histogram::new(3).expect("three significant digits are supported");
        Self {
            histogram,
            min_us: u64::MAX,
            max_us: 0,
            sum_us: 0,
        }
    }

    pub(super) fn record(&mut self, latency_us: u64) {
        self.histogram
            .record(latency_us)
            .expect("the histogram grows to any latency of a run");
        self.min_us = self.min_us.min(latency_us);
        self.max_us = self.max_us.max(latency_us);
        self.sum_us += u128::from(latency_us);
    }

    pub(super) fn summary(&self) -> LatencySummary {
        let count = self.histogram.len();
        let mean_us = self.sum_us / u128::from(count.max(1));
        // A bucket's upper bound may lie above the largest value recorded.
        let quantile = |share| self.histogram.value_at_quantile(share).min(self.max_us);
        LatencySummary {
            count,
            min_us: self.min_us,
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p95_us: quantile(0.95),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: self.max_us,
            mean_us: u64::try_from(mean_us).expect("a mean is no larger than the maximum"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Script, get, unknown};

    #[test]
    fn latencies_are_split_by_phase_and_outcome_and_start_when_intended() {
        let mut script = Script::new();
        script.phase(0, Phase::Warmup).phase(100_000, Phase::Chaos);
        for latency_us in 1..=100 {
            script.get(1_000, 1_000 + latency_us);
        }
        script.open_loop_get(100_000, 900_000, 1_000_000);
        script
            .op(200_000, get("k"), Some((700_000, unknown())))
            .op(300_000, get("k"), None);
        let history = script.end(2_000_000);
        let rows = latency(&Timeline::of(&history));
        let keys: Vec<_> = rows
            .iter()
            .map(|r| (r.operation, r.phase, r.class, r.summary.count))
            .collect();
        assert_eq!(
            keys,
            [
                ("get", Phase::Warmup, Class::Ok, 100),
                ("get", Phase::Chaos, Class::Ok, 1),
                ("get", Phase::Chaos, Class::Unknown, 1),
            ]
        );
        let expected = LatencySummary {
            count: 100,
            min_us: 1,
            p50_us: 50,
            p90_us: 90,
            p95_us: 95,
            p99_us: 99,
            p999_us: 100,
            max_us: 100,
            mean_us: 50,
        };
        assert_eq!(rows[0].summary, expected);
        assert_eq!(
            (rows[1].summary.min_us, rows[1].summary.p50_us),
            (900_000, 900_000)
        );
        assert_eq!(rows[2].summary.max_us, 500_000);
    }
}

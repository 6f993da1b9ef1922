//! Latency: how long operations took, by service, operation, phase and outcome.
//!
//! Kept in HdrHistograms of three significant digits (Gil Tene's HdrHistogram), timed
//! from the intended start in an open loop, so that a stall of the driver is not hidden
//! (his "coordinated omission"). An operation belongs to the phase in which it started.
//! Operations still outstanding at the end have no latency and are not in here. Waiting
//! that the client asked for is included: a long poll's latency is the client's.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::Phase;

use super::timeline::{Class, Timeline};

/// Microseconds. Quantiles are exact to three significant digits, the rest exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// How many operations.
    pub count: u64,
    /// The fastest.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 95th percentile.
    pub p95: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p999: u64,
    /// The slowest.
    pub max: u64,
    /// Rounded down.
    pub mean: u64,
}

/// Phase → outcome.
pub type OperationLatency = BTreeMap<Phase, BTreeMap<Class, Latency>>;

/// Service → operation → phase → outcome.
pub type Latencies = BTreeMap<String, BTreeMap<String, OperationLatency>>;

pub fn latency(timeline: &Timeline<'_>) -> Latencies {
    let mut recorders: BTreeMap<_, Recorder> = BTreeMap::new();
    for sample in &timeline.samples {
        if let Some(end_us) = sample.end_us {
            let operation = (sample.service, sample.action.operation());
            let recorder = recorders.entry((operation, sample.phase, sample.class));
            let recorder = recorder.or_insert_with(Recorder::new);
            recorder.record(end_us - sample.start_us);
        }
    }
    let mut latencies = Latencies::new();
    for (((service, operation), phase, class), recorder) in recorders {
        let operations = latencies.entry(service.name().to_owned()).or_default();
        let phases = operations.entry(operation.to_owned()).or_default();
        let outcomes = phases.entry(phase).or_default();
        outcomes.insert(class, recorder.summary());
    }
    latencies
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

    pub(super) fn summary(&self) -> Latency {
        let count = self.histogram.len();
        let mean_us = self.sum_us / u128::from(count.max(1));
        // A bucket's upper bound may lie above the largest value recorded.
        let quantile = |share| self.histogram.value_at_quantile(share).min(self.max_us);
        Latency {
            count,
            min: self.min_us,
            p50: quantile(0.5),
            p90: quantile(0.9),
            p95: quantile(0.95),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: self.max_us,
            mean: u64::try_from(mean_us).expect("a mean is no larger than the maximum"),
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
        let latencies = latency(&Timeline::of(&history));
        let phases = &latencies["cache"]["get"];
        let counts: Vec<_> = phases
            .iter()
            .flat_map(|(phase, classes)| classes.iter().map(move |(c, l)| (*phase, *c, l.count)))
            .collect();
        assert_eq!(
            counts,
            [
                (Phase::Warmup, Class::Ok, 100),
                (Phase::Chaos, Class::Ok, 1),
                (Phase::Chaos, Class::Unknown, 1),
            ]
        );
        let expected = Latency {
            count: 100,
            min: 1,
            p50: 50,
            p90: 90,
            p95: 95,
            p99: 99,
            p999: 100,
            max: 100,
            mean: 50,
        };
        assert_eq!(phases[&Phase::Warmup][&Class::Ok], expected);
        let chaos = &phases[&Phase::Chaos];
        let stalled = chaos[&Class::Ok];
        assert_eq!((stalled.min, stalled.p50), (900_000, 900_000));
        assert_eq!(chaos[&Class::Unknown].max, 500_000);
    }
}

//! Latency distributions of whole runs, as the curves that users of HdrHistogram know.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use squall_history::Service;

use crate::timeline::{Class, Timeline};

/// Points of a curve for each halving of the distance to 100 %.
const TICKS_PER_HALF: u32 = 5;

/// Latencies of the acknowledged operations of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Whose operations.
    pub service: Service,
    /// As in histories.
    pub operation: &'static str,
    /// How many operations.
    pub count: u64,
    /// Share of operations at or below a latency, and the latency in microseconds, to three
    /// significant digits; both rising, the last point is the maximum.
    pub points: Vec<(f64, u64)>,
}

/// One curve for each operation, in order of service and name. Waiting that the client asked
/// for is included.
pub(super) fn curves(timeline: &Timeline<'_>) -> Vec<Curve> {
    let mut histograms: BTreeMap<_, (Histogram<u64>, u64)> = BTreeMap::new();
    for sample in timeline.samples.iter().filter(|s| s.class == Class::Ok) {
        let Some(end_us) = sample.end_us else {
            continue;
        };
        let new = || Histogram::new(3).expect("three significant digits are supported");
        let key = (sample.service, sample.action.operation());
        let (histogram, max_us) = histograms.entry(key).or_insert_with(|| (new(), 0));
        let latency_us = end_us - sample.start_us;
        let recorded = histogram.record(latency_us);
        recorded.expect("the histogram grows to any latency of a run");
        *max_us = latency_us.max(*max_us);
    }
    let curves = histograms.into_iter();
    curves
        .map(|((service, operation), (histogram, max_us))| Curve {
            service,
            operation,
            count: histogram.len(),
            points: points(&histogram, max_us),
        })
        .collect()
}

fn points(histogram: &Histogram<u64>, max_us: u64) -> Vec<(f64, u64)> {
    let mut points: Vec<(f64, u64)> = Vec::new();
    for value in histogram.iter_quantiles(TICKS_PER_HALF) {
        // A bucket's upper bound may lie above the largest value recorded.
        let point = (value.quantile(), value.value_iterated_to().min(max_us));
        // Several ticks may fall on one value, of which the last share is the true one.
        match points.last_mut() {
            Some(last) if last.1 == point.1 => last.0 = point.0,
            _ => points.push(point),
        }
    }
    points
}

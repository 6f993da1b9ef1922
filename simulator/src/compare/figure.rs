//! Picks the metrics that are compared: those of a sweep, and those of the warm-up.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::sweep::result::{LatencyQuantiles, Measure, RunFacts, SeedResult};

/// What a compared number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Shown as durations.
    Microseconds,
    /// Shown as they are.
    Count,
    /// Thousandths of an operation a second.
    ThousandthsPerSecond,
}

/// Every value of a metric in a run.
type ValuesOf = Box<dyn Fn(&RunFacts) -> Vec<u64>>;

/// A metric, and how its values are had from a run.
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) unit: Unit,
    of: ValuesOf,
}

impl Metric {
    fn new(name: String, unit: Unit, of: impl Fn(&RunFacts) -> Vec<u64> + 'static) -> Self {
        let of = Box::new(of);
        Self { name, unit, of }
    }

    fn of_measure(measure: Measure) -> Self {
        let unit = if measure.is_count() {
            Unit::Count
        } else {
            Unit::Microseconds
        };
        Self::new(measure.label().to_owned(), unit, move |facts| {
            let sampled = facts.measures.get(&measure);
            sampled.map_or(Vec::new(), |sampled| sampled.values.clone())
        })
    }

    /// Acknowledged operations of a service a second, in the warm-up.
    fn throughput(service: &str) -> Self {
        let (name, service) = (format!("throughput: {service}"), service.to_owned());
        Self::new(name, Unit::ThousandthsPerSecond, move |facts| {
            let warmup = facts.warmup.get(&service);
            let rate = warmup.and_then(|warmup| warmup.thousandths_per_second);
            rate.into_iter().collect()
        })
    }

    /// Of the acknowledged operations of a service, in the warm-up.
    fn latency(service: &str, operation: &str, quantile: &Quantile) -> Self {
        let (quantile, pick) = *quantile;
        let name = format!("latency: {service} {operation} {quantile}");
        let (service, operation) = (service.to_owned(), operation.to_owned());
        Self::new(name, Unit::Microseconds, move |facts| {
            let warmup = facts.warmup.get(&service);
            let quantiles = warmup.and_then(|warmup| warmup.latency.get(&operation));
            quantiles.map(pick).into_iter().collect()
        })
    }

    /// Of all runs, in rising order.
    pub(super) fn values(&self, runs: &[&SeedResult]) -> Vec<u64> {
        let facts = runs.iter().filter_map(|result| result.run.as_ref());
        let mut values: Vec<u64> = facts.flat_map(|facts| (self.of)(facts)).collect();
        values.sort_unstable();
        values
    }
}

type Quantile = (&'static str, fn(&LatencyQuantiles) -> u64);

const QUANTILES: [Quantile; 2] = [("p50", |of| of.p50_us), ("p99", |of| of.p99_us)];

/// Every metric that at least one of the runs could show.
pub(super) fn all<'a>(runs: impl Iterator<Item = &'a SeedResult>) -> Vec<Metric> {
    let mut services: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for facts in runs.filter_map(|result| result.run.as_ref()) {
        for (service, warmup) in &facts.warmup {
            let operations = warmup.latency.keys().map(String::as_str);
            services.entry(service).or_default().extend(operations);
        }
    }
    let mut metrics: Vec<Metric> = Measure::ALL.map(Metric::of_measure).into();
    let duplicated = |facts: &RunFacts| vec![facts.duplicated];
    let phantom = |facts: &RunFacts| vec![facts.phantom];
    metrics.push(Metric::new(
        "duplicated writes".into(),
        Unit::Count,
        duplicated,
    ));
    metrics.push(Metric::new("phantom writes".into(), Unit::Count, phantom));
    metrics.extend(services.keys().map(|service| Metric::throughput(service)));
    for (service, operations) in &services {
        for operation in operations {
            let quantiles = QUANTILES.iter();
            metrics.extend(quantiles.map(|of| Metric::latency(service, operation, of)));
        }
    }
    metrics
}

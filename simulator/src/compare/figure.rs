//! What is compared: the measures of a sweep, and how clients fared while nothing was wrong.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::sweep::result::{Measure, RunFacts, SeedResult};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Microseconds,
    Count,
    /// Thousandths of an operation a second.
    ThousandthsPerSecond,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Figure {
    Measure(Measure),
    Duplicated,
    Phantom,
    /// Acknowledged operations of a service a second, in the warm-up.
    Throughput(String),
    /// Of the acknowledged operations of a service, in the warm-up.
    Latency {
        service: String,
        operation: String,
        is_p99: bool,
    },
}

/// Every figure that at least one of the runs could show.
pub(super) fn all<'a>(runs: impl Iterator<Item = &'a SeedResult>) -> Vec<Figure> {
    let mut services = BTreeSet::new();
    let mut operations = BTreeSet::new();
    for facts in runs.filter_map(|result| result.run.as_ref()) {
        for (service, warmup) in &facts.warmup {
            services.insert(service.clone());
            let of_it = warmup.latency.keys();
            operations.extend(of_it.map(|operation| (service.clone(), operation.clone())));
        }
    }
    let mut figures: Vec<Figure> = Measure::ALL.map(Figure::Measure).into();
    figures.extend([Figure::Duplicated, Figure::Phantom]);
    figures.extend(services.into_iter().map(Figure::Throughput));
    for (service, operation) in operations {
        figures.extend([false, true].map(|is_p99| Figure::Latency {
            service: service.clone(),
            operation: operation.clone(),
            is_p99,
        }));
    }
    figures
}

impl Figure {
    pub(super) fn name(&self) -> String {
        match self {
            Figure::Measure(measure) => measure.label().to_owned(),
            Figure::Duplicated => "duplicated writes".into(),
            Figure::Phantom => "phantom writes".into(),
            Figure::Throughput(service) => format!("throughput: {service}"),
            Figure::Latency {
                service,
                operation,
                is_p99,
            } => {
                let quantile = if *is_p99 { "p99" } else { "p50" };
                format!("latency: {service} {operation} {quantile}")
            }
        }
    }

    pub(super) fn unit(&self) -> Unit {
        match self {
            Figure::Measure(measure) if !measure.is_count() => Unit::Microseconds,
            Figure::Measure(_) | Figure::Duplicated | Figure::Phantom => Unit::Count,
            Figure::Throughput(_) => Unit::ThousandthsPerSecond,
            Figure::Latency { .. } => Unit::Microseconds,
        }
    }

    /// Of all runs, in rising order.
    pub(super) fn values(&self, runs: &[&SeedResult]) -> Vec<u64> {
        let facts = runs.iter().filter_map(|result| result.run.as_ref());
        let mut values: Vec<u64> = facts.flat_map(|facts| self.of(facts)).collect();
        values.sort_unstable();
        values
    }

    fn of(&self, facts: &RunFacts) -> Vec<u64> {
        let one = |value: Option<u64>| value.into_iter().collect();
        match self {
            Figure::Measure(measure) => {
                let sampled = facts.measures.get(measure);
                sampled.map_or(Vec::new(), |sampled| sampled.values.clone())
            }
            Figure::Duplicated => one(Some(facts.duplicated)),
            Figure::Phantom => one(Some(facts.phantom)),
            Figure::Throughput(service) => {
                let warmup = facts.warmup.get(service);
                one(warmup.and_then(|warmup| warmup.thousandths_per_second))
            }
            Figure::Latency {
                service,
                operation,
                is_p99,
            } => {
                let warmup = facts.warmup.get(service);
                let quantiles = warmup.and_then(|warmup| warmup.latency.get(operation));
                one(quantiles.map(|q| if *is_p99 { q.p99_us } else { q.p50_us }))
            }
        }
    }
}

//! `[objectives]`: what the run must achieve; a miss is exit code 2.
//!
//! All optional. Figures that can be looked at second by second take a `grace`, for how long
//! they may be missed at a stretch, their own or that of the whole table.
//!
//! Here is what can be written. How texts stand for tables is in `objective_text`, what it all
//! means to the rest of the program in `objective_list`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::check::{Checked, problem};
use super::unit::{Duration, Rate, Share, Size};
use squall_objective::baseline::Tolerance;
use squall_objective::objective::{self, Service};

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objectives {
    pub election: Percentiles,
    pub downtime: Downtime,
    pub recovery: Worst,
    /// Recovery time objective: fault takes effect → service as in the warm-up.
    pub recovery_time: Option<Duration>,
    /// Recovery point objective: the time that lost writes span.
    pub recovery_point: Option<Duration>,
    pub detection: Worst,
    /// Acknowledged operations whose effect may be missing.
    pub lost: Option<u64>,
    /// Of every service, over the chaos phase.
    pub availability: Option<Share>,
    pub latency: Latencies,
    pub throughput: Throughput,
    /// Acknowledged operations of one kind, mean of the load.
    pub rate: OperationRates,
    pub error_rate: Option<ErrorRate>,
    pub success_rate: Option<AtLeast>,
    pub hit_rate: Option<AtLeast>,
    pub flat: Flat,
    pub backlog: Backlog,
    /// A read that missed and was filled, against one that hit.
    pub miss_penalty: Option<Duration>,
    pub memory: Memory,
    pub cpu: Cpu,
    /// For every figure that takes one and has none of its own.
    pub grace: Option<Duration>,
    /// Earlier runs to compare with.
    pub baseline: Option<Baseline>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Percentiles {
    pub p50: Option<Duration>,
    pub p99: Option<Duration>,
    pub max: Option<Duration>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Downtime {
    /// The longest single gap.
    pub max: Option<Duration>,
    /// All gaps together.
    pub total: Option<Duration>,
    /// The same, as if a whole day went like the run.
    pub per_day: Option<Duration>,
    /// For 30 days.
    pub per_month: Option<Duration>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Worst {
    pub max: Option<Duration>,
}

/// By operation.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Latencies {
    pub lock: BTreeMap<String, Spanned<Latency>>,
    pub queue: BTreeMap<String, Spanned<Latency>>,
    pub cache: BTreeMap<String, Spanned<Latency>>,
}

impl Latencies {
    pub(super) fn all(&self) -> impl Iterator<Item = (Service, &String, &Spanned<Latency>)> {
        by_service(Service::Lock, &self.lock)
            .chain(by_service(Service::Queue, &self.queue))
            .chain(by_service(Service::Cache, &self.cache))
    }
}

fn by_service<T>(
    service: Service,
    limits: &BTreeMap<String, Spanned<T>>,
) -> impl Iterator<Item = (Service, &String, &Spanned<T>)> {
    limits
        .iter()
        .map(move |(operation, limits)| (service, operation, limits))
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Latency {
    pub p50: Option<Duration>,
    pub p90: Option<Duration>,
    pub p95: Option<Duration>,
    pub p99: Option<Duration>,
    pub max: Option<Duration>,
    pub grace: Option<Duration>,
}

/// By operation.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperationRates {
    pub lock: BTreeMap<String, Spanned<Rate>>,
    pub queue: BTreeMap<String, Spanned<Rate>>,
    pub cache: BTreeMap<String, Spanned<Rate>>,
}

impl OperationRates {
    pub(super) fn all(&self) -> impl Iterator<Item = (Service, &String, &Spanned<Rate>)> {
        by_service(Service::Lock, &self.lock)
            .chain(by_service(Service::Queue, &self.queue))
            .chain(by_service(Service::Cache, &self.cache))
    }
}

/// Of all services together, and of each.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Throughput {
    pub minimum: Option<Rate>,
    pub sustained: Option<Rate>,
    pub peak: Option<Rate>,
    pub grace: Option<Duration>,
    pub lock: Rates,
    pub queue: Rates,
    pub cache: Rates,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    pub minimum: Option<Rate>,
    pub sustained: Option<Rate>,
    pub peak: Option<Rate>,
    pub grace: Option<Duration>,
}

/// Operations that failed or were never answered; over all, and of those begun in a phase.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ErrorRate {
    pub max: Option<Share>,
    pub warmup: Option<Share>,
    pub chaos: Option<Share>,
    pub serve: Option<Share>,
    pub grace: Option<Duration>,
}

/// `"99%"`, or a table with a `grace`.
#[derive(Debug, Clone, PartialEq)]
pub struct AtLeast {
    pub min: Share,
    pub grace: Option<Duration>,
}

/// What may differ between the first tenth of the load and the last, in percentage points.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flat {
    pub hit_rate: Option<Share>,
    pub error_rate: Option<Share>,
}

/// Messages that wait in queues.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backlog {
    /// So many may be left at the end of serve.
    pub end: Option<u64>,
    /// From the moment with the most messages to the next with a hundredth of them or less.
    pub drained: Option<Duration>,
}

/// Per node; known on containers only.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    pub max: Option<Size>,
    /// From the first tenth of the run to the last.
    pub growth: Option<Share>,
}

/// Per node, in percent of one processor; known on containers only.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cpu {
    pub max: Option<Share>,
}

/// Figures may not be worse than those of earlier runs by more than a tolerance.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// From the directory of the scenario file.
    pub file: String,
    /// In the file; the scenario's own unless given.
    pub name: Option<String>,
    #[serde(default)]
    pub tolerance: ToleranceText,
}

/// `"10%"` for every kind of figure, or a table by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ToleranceText(pub Tolerance);

/// Operations that are named must exist: one that never occurs would never be missed.
pub(super) fn check(objectives: &Objectives) -> Checked {
    let latencies = objectives.latency.all();
    let latencies = latencies.map(|(service, operation, limit)| (service, operation, limit.span()));
    let rates = objectives.rate.all();
    let rates = rates.map(|(service, operation, limit)| (service, operation, limit.span()));
    for (service, operation, place) in latencies.chain(rates) {
        let known = objective::operations(service);
        if !known.contains(&operation.as_str()) {
            let message = format!(
                "no operation `{operation}` of the service {}, expected one of {}",
                service.name(),
                known.join(", ")
            );
            return problem(place, message);
        }
    }
    Ok(())
}

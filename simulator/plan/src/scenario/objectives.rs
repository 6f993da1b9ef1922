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

use super::bounds::{Checked, Place, problem};
use super::unit::{Duration, Rate, Share, Size};
use squall_history::{Service, operation_names};
use squall_objective::baseline::Tolerance;
use squall_objective::objective::Metric;

/// `[objectives]`: what a run must keep to pass. What is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objectives {
    /// Fault takes effect → a new leader has committed its first entry.
    pub election: Percentiles,
    /// Stretches in which one service was down.
    pub downtime: Downtime,
    /// New leader → service as in the warm-up.
    pub recovery: Worst,
    /// Recovery time objective: fault takes effect → service as in the warm-up.
    pub recovery_time: Option<Duration>,
    /// Recovery point objective: the time that lost writes span.
    pub recovery_point: Option<Duration>,
    /// Fault takes effect → a surviving node starts an election.
    pub detection: Worst,
    /// Acknowledged operations whose effect may be missing.
    pub lost: Option<u64>,
    /// Of every service, over the chaos phase.
    pub availability: Option<Share>,
    /// Of acknowledged operations, by service and operation.
    pub latency: ByOperation<Latency>,
    /// Acknowledged operations a second.
    pub throughput: Throughput,
    /// Acknowledged operations of one kind, mean of the load.
    pub rate: ByOperation<Rate>,
    /// Operations that failed or were never answered.
    pub error_rate: Option<ErrorRate>,
    /// The other operations.
    pub success_rate: Option<AtLeast>,
    /// Reads that found a value, of those that were answered.
    pub hit_rate: Option<AtLeast>,
    /// How the end of a load may differ from its beginning.
    pub flat: Flat,
    /// Messages that wait in queues.
    pub backlog: Backlog,
    /// A read that missed and was filled, against one that hit.
    pub miss_penalty: Option<Duration>,
    /// Memory of the nodes.
    pub memory: Memory,
    /// Processor time of the nodes.
    pub cpu: Cpu,
    /// For every figure that takes one and has none of its own.
    pub grace: Option<Duration>,
    /// Earlier runs to compare with.
    pub baseline: Option<Baseline>,
}

/// Most that a percentile may be.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Percentiles {
    /// Of the median.
    pub p50: Option<Duration>,
    /// Of the 99th percentile.
    pub p99: Option<Duration>,
    /// Of the longest.
    pub max: Option<Duration>,
}

/// Most time without service.
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

/// A limit of the longest only.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Worst {
    /// Most that the longest may be.
    pub max: Option<Duration>,
}

/// By service and operation.
pub type ByOperation<T> = BTreeMap<Service, BTreeMap<String, Spanned<T>>>;

/// All of them, in the order of reports.
pub(super) fn each<T>(
    all: &ByOperation<T>,
) -> impl Iterator<Item = (Service, &String, &Spanned<T>)> {
    let services = all.iter();
    services.flat_map(|(service, operations)| {
        let operations = operations.iter();
        operations.map(|(operation, limits)| (*service, operation, limits))
    })
}

/// Most that the latency of an operation may be, by percentile.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Latency {
    /// Of the median.
    pub p50: Option<Duration>,
    /// Of the 90th percentile.
    pub p90: Option<Duration>,
    /// Of the 95th percentile.
    pub p95: Option<Duration>,
    /// Of the 99th percentile.
    pub p99: Option<Duration>,
    /// Of the slowest operation.
    pub max: Option<Duration>,
    /// How long they may be missed at a stretch; absent: that of `[objectives]`.
    pub grace: Option<Duration>,
}

/// Of all services together, and of each.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Throughput {
    /// In any whole second.
    pub minimum: Option<Rate>,
    /// The mean.
    pub sustained: Option<Rate>,
    /// What the best second must reach.
    pub peak: Option<Rate>,
    /// How long they may be missed at a stretch; absent: that of `[objectives]`.
    pub grace: Option<Duration>,
    /// Of locks only.
    pub lock: Rates,
    /// Of queues only.
    pub queue: Rates,
    /// Of the cache only.
    pub cache: Rates,
}

/// Least throughput of one service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// In any whole second.
    pub minimum: Option<Rate>,
    /// The mean.
    pub sustained: Option<Rate>,
    /// What the best second must reach.
    pub peak: Option<Rate>,
    /// How long they may be missed at a stretch; absent: that of `[objectives]`.
    pub grace: Option<Duration>,
}

/// Operations that failed or were never answered; over all, and of those begun in a phase.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ErrorRate {
    /// Over the whole load.
    pub max: Option<Share>,
    /// Begun in the warm-up.
    pub warmup: Option<Share>,
    /// Begun in the chaos phase.
    pub chaos: Option<Share>,
    /// Begun in the serve phase.
    pub serve: Option<Share>,
    /// How long they may be missed at a stretch; absent: that of `[objectives]`.
    pub grace: Option<Duration>,
}

/// `"99%"`, or a table with a `grace`.
#[derive(Debug, Clone, PartialEq)]
pub struct AtLeast {
    /// The least share that will do.
    pub min: Share,
    /// How long it may be missed at a stretch; absent: that of `[objectives]`.
    pub grace: Option<Duration>,
}

/// What may differ between the first tenth of the load and the last, in percentage points.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flat {
    /// How far hits may fall.
    pub hit_rate: Option<Share>,
    /// How far errors may rise.
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
    /// The most at any moment.
    pub max: Option<Size>,
    /// From the first tenth of the run to the last.
    pub growth: Option<Share>,
}

/// Per node, in percent of one processor; known on containers only.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cpu {
    /// Mean over the run.
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
    /// How much worse this run may be.
    #[serde(default)]
    pub tolerance: ToleranceText,
}

/// `"10%"` for every kind of figure, or a table by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ToleranceText(pub Tolerance);

/// Operations that are named must exist: one that never occurs would never be missed.
pub(super) fn check(objectives: &Objectives, asked: &[Service]) -> Checked {
    let latencies = each(&objectives.latency);
    let latencies = latencies.map(|(service, operation, limit)| (service, operation, limit.span()));
    let rates = each(&objectives.rate);
    let rates = rates.map(|(service, operation, limit)| (service, operation, limit.span()));
    for (service, operation, place) in latencies.chain(rates) {
        must_exist(service, operation, place, asked)?;
    }
    Ok(())
}

/// The same of a figure.
pub(super) fn check_operation(figure: &Metric, place: Place, asked: &[Service]) -> Checked {
    match figure {
        Metric::Latency {
            service, operation, ..
        }
        | Metric::OperationRate { service, operation } => {
            must_exist(*service, operation, place, asked)
        }
        Metric::Throughput {
            service: Some(service),
            ..
        } => must_be_asked(*service, place, asked),
        _ => Ok(()),
    }
}

fn must_exist(service: Service, operation: &str, place: Place, asked: &[Service]) -> Checked {
    if matches!(service, Service::Own(_)) {
        return must_be_asked(service, place, asked);
    }
    let known = operation_names(service);
    if known.contains(&operation) {
        return Ok(());
    }
    let message = format!(
        "no operation `{operation}` of the service {}, expected one of {}",
        service.name(),
        known.join(", ")
    );
    problem(place, message)
}

/// Squall's own services are there in every cluster; nobody knows of another.
fn must_be_asked(service: Service, place: Place, asked: &[Service]) -> Checked {
    match service {
        Service::Own(name) if !asked.contains(&service) => {
            let name = name.text();
            problem(place, format!("no workload asks a service `{name}`"))
        }
        _ => Ok(()),
    }
}

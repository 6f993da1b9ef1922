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
    pub latency: ByOperation<Latency>,
    pub throughput: Throughput,
    /// Acknowledged operations of one kind, mean of the load.
    pub rate: ByOperation<Rate>,
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

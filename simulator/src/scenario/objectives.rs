//! `[objectives]`: what the run must achieve; a miss is exit code 2.
//!
//! All optional. Figures that can be looked at second by second take a `grace`, for how long
//! they may be missed at a stretch, their own or that of the whole table.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use toml::Spanned;

use super::check::{Checked, problem};
use super::unit::{Duration, Rate, Share, Size};
use crate::baseline::{Kind, Tolerance};
use crate::objective::{self, Figure, Objective, Phase, Quantile, Service};

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
    fn all(&self) -> impl Iterator<Item = (Service, &String, &Spanned<Latency>)> {
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
    fn all(&self) -> impl Iterator<Item = (Service, &String, &Spanned<Rate>)> {
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

impl Objectives {
    /// As the rest of the program knows them, in the order of reports.
    pub fn list(&self) -> Vec<Objective> {
        let mut list = List {
            objectives: Vec::new(),
            grace: self.grace,
        };
        list.failures(self);
        list.latencies(&self.latency);
        list.rates(self);
        list.loads(self);
        list.resources(self);
        list.objectives
    }
}

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

struct List {
    objectives: Vec<Objective>,
    grace: Option<Duration>,
}

impl List {
    fn add(&mut self, figure: Figure, limit: Option<u64>, own_grace: Option<Duration>) {
        let grace = own_grace.or(self.grace).filter(|_| figure.takes_grace());
        self.objectives.extend(limit.map(|limit| Objective {
            figure,
            limit,
            grace_us: grace.map(Duration::us),
        }));
    }

    fn time(&mut self, figure: Figure, limit: Option<Duration>) {
        self.add(figure, limit.map(Duration::us), None);
    }

    fn failures(&mut self, asked: &Objectives) {
        let election = |quantile| Figure::Election { quantile };
        self.time(Figure::DetectionMax, asked.detection.max);
        self.time(election(Quantile::P50), asked.election.p50);
        self.time(election(Quantile::P99), asked.election.p99);
        self.time(election(Quantile::Max), asked.election.max);
        self.time(Figure::DowntimeMax, asked.downtime.max);
        self.time(Figure::DowntimeTotal, asked.downtime.total);
        self.time(Figure::DowntimePerDay, asked.downtime.per_day);
        self.time(Figure::DowntimePerMonth, asked.downtime.per_month);
        self.time(Figure::RecoveryMax, asked.recovery.max);
        self.time(Figure::RecoveryTime, asked.recovery_time);
        self.time(Figure::RecoveryPoint, asked.recovery_point);
        self.add(Figure::Lost, asked.lost, None);
        self.add(Figure::Availability, asked.availability.map(ppm), None);
    }

    fn latencies(&mut self, asked: &Latencies) {
        for (service, operation, limits) in asked.all() {
            let limits = limits.get_ref();
            for (quantile, limit) in [
                (Quantile::P50, limits.p50),
                (Quantile::P90, limits.p90),
                (Quantile::P95, limits.p95),
                (Quantile::P99, limits.p99),
                (Quantile::Max, limits.max),
            ] {
                let operation = operation.clone();
                let figure = Figure::Latency {
                    service,
                    operation,
                    quantile,
                };
                self.add(figure, limit.map(Duration::us), limits.grace);
            }
        }
    }

    fn rates(&mut self, asked: &Objectives) {
        let all = &asked.throughput;
        let together = Rates {
            minimum: all.minimum,
            sustained: all.sustained,
            peak: all.peak,
            grace: all.grace,
        };
        for (service, rates) in [
            (None, &together),
            (Some(Service::Lock), &all.lock),
            (Some(Service::Queue), &all.queue),
            (Some(Service::Cache), &all.cache),
        ] {
            for (rate, limit) in [
                (objective::Rate::Minimum, rates.minimum),
                (objective::Rate::Sustained, rates.sustained),
                (objective::Rate::Peak, rates.peak),
            ] {
                let grace = rates.grace.or(all.grace);
                let figure = Figure::Throughput { service, rate };
                self.add(figure, limit.map(per_second_milli), grace);
            }
        }
        for (service, operation, limit) in asked.rate.all() {
            let operation = operation.clone();
            let figure = Figure::OperationRate { service, operation };
            self.add(figure, Some(per_second_milli(*limit.get_ref())), None);
        }
        if let Some(errors) = &asked.error_rate {
            for (phase, limit) in [
                (None, errors.max),
                (Some(Phase::Warmup), errors.warmup),
                (Some(Phase::Chaos), errors.chaos),
                (Some(Phase::Serve), errors.serve),
            ] {
                self.add(Figure::ErrorRate { phase }, limit.map(ppm), errors.grace);
            }
        }
        for (figure, limit) in [
            (Figure::SuccessRate, &asked.success_rate),
            (Figure::HitRate, &asked.hit_rate),
        ] {
            let grace = limit.as_ref().and_then(|limit| limit.grace);
            self.add(figure, limit.as_ref().map(|limit| ppm(limit.min)), grace);
        }
    }

    fn loads(&mut self, asked: &Objectives) {
        self.add(Figure::HitRateChange, asked.flat.hit_rate.map(ppm), None);
        self.add(
            Figure::ErrorRateChange,
            asked.flat.error_rate.map(ppm),
            None,
        );
        self.add(Figure::BacklogEnd, asked.backlog.end, None);
        self.time(Figure::BacklogDrained, asked.backlog.drained);
        self.time(Figure::MissPenalty, asked.miss_penalty);
    }

    fn resources(&mut self, asked: &Objectives) {
        self.add(Figure::Memory, asked.memory.max.map(|size| size.0), None);
        self.add(Figure::MemoryGrowth, asked.memory.growth.map(ppm), None);
        self.add(Figure::Cpu, asked.cpu.max.map(ppm), None);
    }
}

fn ppm(share: Share) -> u64 {
    share.0.into()
}

/// From operations an hour, to the nearest thousandth a second.
fn per_second_milli(rate: Rate) -> u64 {
    (rate.0 * 1_000 + 1_800) / 3_600
}

/// Reads a text as the value itself, or a table as `T`.
struct TextOr<T, F>(&'static str, F, std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>, O, F> Visitor<'de> for TextOr<T, F>
where
    F: FnOnce(Result<&str, T>) -> Result<O, String>,
{
    type Value = O;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<O, E> {
        (self.1)(Ok(text)).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<O, A::Error> {
        let table = T::deserialize(MapAccessDeserializer::new(map))?;
        (self.1)(Err(table)).map_err(A::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ErrorRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Table {
            max: Option<Share>,
            warmup: Option<Share>,
            chaos: Option<Share>,
            serve: Option<Share>,
            grace: Option<Duration>,
        }
        let read = |written: Result<&str, Table>| match written {
            Ok(text) => Ok(ErrorRate {
                max: Some(Share::from_str(text)?),
                ..ErrorRate::default()
            }),
            Err(table) => Ok(ErrorRate {
                max: table.max,
                warmup: table.warmup,
                chaos: table.chaos,
                serve: table.serve,
                grace: table.grace,
            }),
        };
        let expected = "a share such as \"1%\", or { max, warmup, chaos, serve, grace }";
        deserializer.deserialize_any(TextOr(expected, read, Default::default()))
    }
}

impl<'de> Deserialize<'de> for AtLeast {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            min: Share,
            grace: Option<Duration>,
        }
        let read = |written: Result<&str, Table>| match written {
            Ok(text) => Ok(AtLeast {
                min: Share::from_str(text)?,
                grace: None,
            }),
            Err(Table { min, grace }) => Ok(AtLeast { min, grace }),
        };
        let expected = "a share such as \"99%\", or { min = \"99%\", grace = \"5s\" }";
        deserializer.deserialize_any(TextOr(expected, read, Default::default()))
    }
}

impl<'de> Deserialize<'de> for ToleranceText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |written: Result<&str, BTreeMap<Kind, Share>>| match written {
            Ok(text) => Ok(ToleranceText(Tolerance::uniform(Share::from_str(text)?.0))),
            Err(table) => {
                let mut tolerance = Tolerance::default();
                for (kind, share) in table {
                    tolerance.set(kind, share.0);
                }
                Ok(ToleranceText(tolerance))
            }
        };
        let expected = "a share such as \"10%\", or a table such as { latency = \"20%\" }";
        deserializer.deserialize_any(TextOr(expected, read, Default::default()))
    }
}

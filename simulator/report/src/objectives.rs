//! Judges objectives by what was measured.
//!
//! A figure that should be there and could not be measured is missed: an election that never ended
//! was too long. Nothing to measure keeps a limit that asks how long (no election in a run
//! with a limit on elections), and leaves one that asks how well *unknown* (no acquisition in
//! a run with a limit on their latency): the run is then inconclusive, never a pass. What the
//! backend cannot know (memory and CPU in simulation) is *unsupported*: it is said, counts
//! neither as met nor as missed, and changes no verdict.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_measure::distribution::nearest_rank;
use squall_measure::levels::seconds;
use squall_measure::{Levels, Measures, RecoveryTimes, Resources, ServiceDowntime, Span};
use squall_objective::objective::{Bound, Metric, Objective, Rate, Unit};

use squall_objective::fixed::{Ms, Number, SignedPercent};

const DAY_US: u64 = 86_400_000_000;
const DAYS_OF_MONTH: u64 = 30;

/// An objective and what was measured against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectiveResult {
    /// `election_p99`, `latency.lock.acquire.p95`, `lost` …
    pub name: String,
    /// Of `limit` and `measured`.
    pub unit: Unit,
    /// On which side of the limit it should be.
    pub bound: Bound,
    /// As in the scenario.
    pub limit: Number,
    /// `null` when there was nothing to measure, or it could not be measured.
    pub measured: Option<Number>,
    /// What it comes to.
    pub status: Status,
    /// By how much the limit was kept, in percent of it; negative when it was not. `null` of a
    /// limit of zero, and without a measured value.
    pub margin_percent: Option<SignedPercent>,
    /// How long the limit may be missed at a stretch, if the objective says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<Ms>,
    /// With a grace: the longest stretch of seconds that missed the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_for_ms: Option<Ms>,
    /// What a reader must know of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How an objective stands when the run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// On the right side of its limit.
    Met,
    /// On the wrong side.
    Missed,
    /// Too little happened to tell.
    Unknown,
    /// Not known on this backend.
    Unsupported,
}

impl Status {
    /// As in tables.
    pub fn label(self) -> &'static str {
        match self {
            Status::Met => "met",
            Status::Missed => "missed",
            Status::Unknown => "unknown",
            Status::Unsupported => "not known here",
        }
    }
}

/// `election_p99 is 1203.4 ms, limit 1000 ms`.
impl fmt::Display for ObjectiveResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match (self.measured, &self.note) {
            (Some(measured), _) => write!(f, " is {}", self.unit.text(measured))?,
            (None, Some(note)) => write!(f, ": {note}")?,
            (None, None) => f.write_str(" had nothing to measure")?,
        }
        write!(f, ", limit {}", self.unit.text(self.limit))?;
        if let (Some(_), Some(note)) = (self.measured, &self.note) {
            write!(f, " ({note})")?;
        }
        if let (Some(missed), Some(grace)) = (self.missed_for_ms, self.grace_ms) {
            let text = |ms: Ms| Unit::Ms.text(Unit::Ms.number(ms.get()));
            write!(
                f,
                ", missed for {} with a grace of {}",
                text(missed),
                text(grace)
            )?;
        }
        Ok(())
    }
}

/// What was found of a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    value: Option<u64>,
    state: State,
    note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// All there was to measure.
    Complete,
    /// Some of it never came, or cannot be known: missed, whatever the value.
    Incomplete,
    Unknown,
    Unsupported,
}

impl Found {
    /// Nothing to measure keeps the limit.
    fn of(value: Option<u64>, is_complete: bool) -> Self {
        let state = match is_complete {
            true => State::Complete,
            false => State::Incomplete,
        };
        let note = (!is_complete).then(|| "could not be measured in full".to_owned());
        Self { value, state, note }
    }

    /// Nothing to measure tells nothing.
    fn level(value: Option<u64>) -> Self {
        match value {
            Some(_) => Self::of(value, true),
            None => Self {
                value,
                state: State::Unknown,
                note: Some("nothing to measure it by".into()),
            },
        }
    }

    fn of_backend(value: Option<u64>, backend: &str) -> Self {
        match value {
            Some(_) => Self::of(value, true),
            None => Self {
                value,
                state: State::Unsupported,
                note: Some(format!("not known on the backend {backend}")),
            },
        }
    }

    fn noted(mut self, note: impl FnOnce() -> String) -> Self {
        self.note = self.note.or_else(|| Some(note()));
        self
    }
}

/// What objectives are judged by.
pub(super) struct Evidence<'a> {
    pub(super) measures: &'a Measures,
    pub(super) resources: Option<&'a Resources>,
    pub(super) backend: &'a str,
}

/// Objectives in their order.
pub(super) fn evaluate(objectives: &[Objective], evidence: &Evidence<'_>) -> Vec<ObjectiveResult> {
    objectives
        .iter()
        .map(|objective| evidence.judge(objective))
        .collect()
}

impl Evidence<'_> {
    fn judge(&self, objective: &Objective) -> ObjectiveResult {
        let Objective {
            figure,
            limit,
            grace_us,
        } = objective;
        let (unit, bound) = (figure.unit(), figure.bound());
        let found = self.find(figure);
        let missed_for_us = grace_us.and_then(|_| self.longest_miss(figure, *limit));
        let is_kept = found.value.is_none_or(|value| bound.is_kept(value, *limit));
        let status = match (found.state, grace_us, missed_for_us) {
            (State::Unknown, ..) => Status::Unknown,
            (State::Unsupported, ..) => Status::Unsupported,
            (State::Incomplete, ..) => Status::Missed,
            (State::Complete, Some(grace_us), Some(us)) if us <= *grace_us => Status::Met,
            (State::Complete, Some(_), Some(_)) => Status::Missed,
            (State::Complete, ..) if is_kept => Status::Met,
            (State::Complete, ..) => Status::Missed,
        };
        let (limit, measured) = (unit.number(*limit), found.value.map(|v| unit.number(v)));
        let above = measured.and_then(|value| SignedPercent::above(value, limit));
        ObjectiveResult {
            name: figure.to_string(),
            unit,
            bound,
            limit,
            measured,
            status,
            margin_percent: above.map(|above| match bound {
                Bound::AtMost => SignedPercent(-above.0),
                Bound::AtLeast => above,
            }),
            grace_ms: grace_us.map(Ms::of),
            missed_for_ms: missed_for_us.map(Ms::of),
            note: found.note,
        }
    }

    fn find(&self, figure: &Metric) -> Found {
        let measures = self.measures;
        let election = |per_mille: usize| {
            let mut elections = measures.faults.iter().filter_map(|f| f.election.as_ref());
            let is_complete = elections.all(|election| election.elected_us.is_some());
            Found::of(
                nearest_rank(&measures.samples.election, per_mille),
                is_complete,
            )
        };
        let recovery =
            |seen: &RecoveryTimes| Found::of(seen.times.max.map(Ms::get), seen.unseen == 0);
        let loss = measures.loss;
        match figure {
            Metric::DetectionMax => Found::of(measures.detection.max.map(Ms::get), true),
            Metric::Election { quantile } => election(quantile.per_mille()),
            Metric::DowntimeMax => self.downtime_of_clients(),
            Metric::DowntimeTotal => self.downtime(|down| down.total.get()),
            Metric::DowntimePerDay => self.downtime_of(DAY_US),
            Metric::DowntimePerMonth => self.downtime_of(DAYS_OF_MONTH * DAY_US),
            Metric::RecoveryMax => recovery(&measures.recovery.throughput),
            Metric::RecoveryTime => recovery(&measures.recovery_after_fault),
            Metric::Lost => Found::of(Some(loss.lost), loss.unaudited == 0),
            Metric::RecoveryPoint => Found::of(Some(loss.window_ms.get()), loss.unaudited == 0),
            Metric::Availability => {
                let any = measures.outages.downtime.any;
                Found::of(any.map(|any| any.availability.get()), any.is_some())
            }
            Metric::BacklogEnd => {
                let queue = measures.totals.queue.as_ref();
                Found::level(queue.map(|queue| queue.depth_end))
            }
            Metric::BacklogDrained => match &measures.totals.queue {
                Some(queue) => Found::of(queue.drained_ms.map(Ms::get), queue.drained_ms.is_some()),
                None => Found::level(None),
            },
            Metric::MissPenalty => {
                let cache = measures.totals.cache;
                Found::level(cache.and_then(|cache| cache.miss_penalty_ms).map(Ms::get))
            }
            Metric::Memory => self.of_backend(|r| r.memory_max_bytes),
            Metric::MemoryGrowth => self.of_backend(|r| r.memory_growth_ppm),
            Metric::Cpu => self.of_backend(|r| r.cpu_max_ppm),
            Metric::Latency { .. }
            | Metric::Throughput { .. }
            | Metric::OperationRate { .. }
            | Metric::ErrorRate { .. }
            | Metric::SuccessRate
            | Metric::HitRate
            | Metric::HitRateChange
            | Metric::ErrorRateChange => {
                let levels = &measures.levels;
                Found::level(levels.measured.and_then(|span| level(levels, figure, span)))
            }
        }
    }

    fn downtime(&self, pick: impl FnOnce(ServiceDowntime) -> u64) -> Found {
        let any = self.measures.outages.downtime.any;
        Found::of(any.map(pick), any.is_some())
    }

    fn downtime_of_clients(&self) -> Found {
        let found = self.downtime(|down| down.clients.max.get());
        let any = self.measures.outages.downtime.any;
        match any.filter(|any| any.clients.without > 0) {
            Some(any) => found.noted(|| super::words::affected(&any)),
            None => found,
        }
    }

    /// As if `period_us` went like the measured stretch in every part.
    fn downtime_of(&self, period_us: u64) -> Found {
        let length_us = self.measures.levels.measured.map_or(0, Span::length_us);
        let scaled = |total_us: u64| {
            let product = u128::from(total_us) * u128::from(period_us);
            let scaled = product.checked_div(u128::from(length_us)).unwrap_or(0);
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        let length = super::duration(length_us);
        self.downtime(|down| scaled(down.total.get()))
            .noted(|| format!("extrapolated from {length} with the faults of this run"))
    }

    fn of_backend(&self, pick: impl FnOnce(&Resources) -> Option<u64>) -> Found {
        Found::of_backend(self.resources.and_then(pick), self.backend)
    }

    /// The longest stretch of whole seconds each of which missed the limit, microseconds;
    /// `None` of a figure that cannot be looked at like that. A second in which nothing
    /// happened to measure it by keeps a limit, and does not end a stretch of misses.
    fn longest_miss(&self, figure: &Metric, limit: u64) -> Option<u64> {
        if !figure.takes_grace() {
            return None;
        }
        let levels = &self.measures.levels;
        let span = match figure {
            Metric::Throughput { .. } => levels.loaded?,
            Metric::ErrorRate { phase: Some(phase) } => levels.phase(*phase)?,
            _ => levels.measured?,
        };
        let (mut longest_us, mut begun_us) = (0, None);
        for second in seconds(span) {
            match in_second(levels, figure, second) {
                Some(value) if !figure.bound().is_kept(value, limit) => {
                    let from_us = *begun_us.get_or_insert(second.from_us);
                    longest_us = longest_us.max(second.to_us - from_us);
                }
                Some(_) => begun_us = None,
                None => {}
            }
        }
        Some(longest_us)
    }
}

/// A figure that is counted from single operations, over a stretch.
pub(super) fn level(levels: &Levels, figure: &Metric, span: Span) -> Option<u64> {
    match figure {
        Metric::Latency {
            service,
            operation,
            quantile,
        } => levels.latency_us(*service, operation, quantile.per_mille(), span),
        Metric::Throughput { service, rate } => {
            let per_second = levels.per_second(*service);
            match rate {
                Rate::Minimum => per_second.iter().min().map(|count| count * 1_000),
                Rate::Peak => per_second.iter().max().map(|count| count * 1_000),
                Rate::Sustained => {
                    let loaded = levels.loaded?;
                    mean_milli(levels.acknowledged(*service, loaded), loaded)
                }
            }
        }
        Metric::OperationRate { service, operation } => {
            let loaded = levels.loaded?;
            match levels.acknowledged_of(*service, operation, loaded) {
                0 => None,
                acknowledged => mean_milli(acknowledged, loaded),
            }
        }
        Metric::ErrorRate { phase } => {
            let span = match phase {
                Some(phase) => levels.phase(*phase)?,
                None => span,
            };
            let (good, all) = levels.successes(span);
            share_ppm(all - good, all)
        }
        Metric::SuccessRate => {
            let (good, all) = levels.successes(span);
            share_ppm(good, all)
        }
        Metric::HitRate => {
            let (hits, reads) = levels.hits(span);
            share_ppm(hits, reads)
        }
        Metric::HitRateChange => change(levels, &Metric::HitRate),
        Metric::ErrorRateChange => change(levels, &Metric::ErrorRate { phase: None }),
        _ => None,
    }
}

/// Thousandths a second.
fn mean_milli(count: u64, span: Span) -> Option<u64> {
    let scaled = u128::from(count) * 1_000_000_000;
    u64::try_from(scaled.checked_div(span.length_us().into())?).ok()
}

/// By how much a figure of the first tenth of the load and of the last differ.
fn change(levels: &Levels, figure: &Metric) -> Option<u64> {
    let loaded = levels.loaded?;
    let tenth_us = loaded.length_us() / 10;
    let first = Span {
        to_us: loaded.from_us + tenth_us,
        ..loaded
    };
    let last = Span {
        from_us: loaded.to_us - tenth_us,
        ..loaded
    };
    let [first, last] = [first, last].map(|span| level(levels, figure, span));
    Some(first?.abs_diff(last?))
}

/// The same over one second.
fn in_second(levels: &Levels, figure: &Metric, second: Span) -> Option<u64> {
    match figure {
        Metric::Throughput { service, .. } => Some(levels.acknowledged(*service, second) * 1_000),
        Metric::ErrorRate { .. } => level(levels, &Metric::ErrorRate { phase: None }, second),
        figure => level(levels, figure, second),
    }
}

fn share_ppm(part: u64, whole: u64) -> Option<u64> {
    (part * 1_000_000).checked_div(whole)
}

#[cfg(test)]
#[path = "objectives_tests.rs"]
mod tests;

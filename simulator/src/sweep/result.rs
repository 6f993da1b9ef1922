//! Holds the result of one seed: one line of `results.jsonl`.
//!
//! It holds single durations, not quantiles, because quantiles of several seeds cannot be
//! had from those of each; and nothing of the wall clock, so that two sweeps over the same
//! seeds have the same results.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cause::{Cause, causes};
use crate::baseline::Figures;
use crate::history::{FaultStatus, Phase, Service};
use crate::measure::{Class, ServiceDowntime};
use crate::report::{Operations, Report, RunVerdict, Status, Verdict};

/// Results by scenario and seed.
pub type Results = BTreeMap<(String, u64), SeedResult>;

/// How a seed ended: with the verdict of its run, or without one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All is well.
    Pass,
    /// A check failed.
    Violation,
    /// Two runs of the seed gave two histories.
    NotDeterministic,
    /// All checks hold, and a figure is beyond its limit.
    ObjectiveMissed,
    /// Too little happened, or could be judged, to tell.
    Inconclusive,
    /// The process ended without a verdict: a panic, an abort, a failure of the harness.
    Crashed,
    /// The process took longer than a seed may.
    TimedOut,
    /// The process needed more memory than a seed may have.
    OutOfMemory,
}

impl Ending {
    /// In the order of summaries.
    pub const ALL: [Ending; 8] = [
        Ending::Pass,
        Ending::Violation,
        Ending::NotDeterministic,
        Ending::ObjectiveMissed,
        Ending::Inconclusive,
        Ending::Crashed,
        Ending::TimedOut,
        Ending::OutOfMemory,
    ];

    /// As on a terminal.
    pub fn label(self) -> &'static str {
        match self {
            Ending::Pass => "pass",
            Ending::Violation => "violation",
            Ending::NotDeterministic => "not deterministic",
            Ending::ObjectiveMissed => "objective missed",
            Ending::Inconclusive => "inconclusive",
            Ending::Crashed => "crashed",
            Ending::TimedOut => "timed out",
            Ending::OutOfMemory => "out of memory",
        }
    }
}

impl From<RunVerdict> for Ending {
    fn from(verdict: RunVerdict) -> Self {
        match verdict {
            RunVerdict::Pass => Ending::Pass,
            RunVerdict::Violation => Ending::Violation,
            RunVerdict::ObjectiveMissed => Ending::ObjectiveMissed,
            RunVerdict::Inconclusive => Ending::Inconclusive,
        }
    }
}

/// A quantity that a sweep shows as a distribution.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Each fault that cost the cluster its leader.
    Detection,
    /// Each fault that cost the cluster its leader.
    Election,
    /// Each seed: longest gap of any client.
    Downtime,
    /// Each seed: all time in which nobody was served who asked a service.
    DowntimeTotal,
    /// Each seed: longest gap of any client with one service.
    DowntimeLock,
    /// See `downtime_lock`.
    DowntimeQueue,
    /// See `downtime_lock`.
    DowntimeCache,
    /// Each new leader, or healed fault.
    Recovery,
    /// Each new leader: until every node then up has caught up.
    RecoveryMembers,
    /// Each healed fault: until its nodes have caught up.
    RecoveryRejoin,
    /// Each seed: acknowledged writes that were lost.
    Lost,
}

impl Measure {
    /// In the order of summaries.
    pub const ALL: [Measure; 11] = [
        Measure::Detection,
        Measure::Election,
        Measure::Downtime,
        Measure::DowntimeTotal,
        Measure::DowntimeLock,
        Measure::DowntimeQueue,
        Measure::DowntimeCache,
        Measure::Recovery,
        Measure::RecoveryMembers,
        Measure::RecoveryRejoin,
        Measure::Lost,
    ];

    /// As in tables.
    pub fn label(self) -> &'static str {
        match self {
            Measure::Detection => "detection",
            Measure::Election => "election",
            Measure::Downtime => "downtime: a client",
            Measure::DowntimeTotal => "downtime: nobody served",
            Measure::DowntimeLock => "downtime: a client, lock",
            Measure::DowntimeQueue => "downtime: a client, queue",
            Measure::DowntimeCache => "downtime: a client, cache",
            Measure::Recovery => "recovery: service",
            Measure::RecoveryMembers => "recovery: members",
            Measure::RecoveryRejoin => "recovery: rejoin",
            Measure::Lost => "lost writes",
        }
    }

    /// Whether it counts; the others are durations in microseconds.
    pub fn is_count(self) -> bool {
        self == Measure::Lost
    }
}

/// Values of a measure from one seed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampled {
    /// In rising order; microseconds, or a count.
    pub values: Vec<u64>,
    /// Values that should be there and could not be seen, as a recovery that never came.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unseen: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Occurrences of one kind of fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultCounts {
    /// Those that took effect.
    pub injected: u64,
    /// Those that were not done, since there was nothing to do them to.
    pub skipped: u64,
    /// Those whose effect could not be seen.
    pub uncertain: u64,
}

/// What became of one seed of one scenario; a line of a sweep's results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedResult {
    /// As in [`Spec::scenarios`](super::Spec::scenarios).
    pub scenario: String,
    /// Of the run.
    pub seed: u64,
    /// How it ended.
    pub ending: Ending,
    /// In one line.
    pub reason: String,
    /// The first is the reason's; empty for a pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// `None` when the seed has no history.
    pub run: Option<RunFacts>,
}

/// What there is to tell of a seed that was judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// In hexadecimal: equal for equal histories.
    pub history_sha256: String,
    /// Length of the run on its own clock.
    pub simulated_us: u64,
    /// Of the history.
    pub events: u64,
    /// How many were asked, and how they ended.
    pub operations: Operations,
    /// Acknowledged writes, which `lost` is a part of.
    pub acked_writes: u64,
    /// Messages stored or delivered once more, and increments that count twice.
    pub duplicated: u64,
    /// Values that clients were given though nobody wrote them.
    pub phantom: u64,
    /// By their names.
    pub faults: BTreeMap<String, FaultCounts>,
    /// Checks that had something to judge, and how much.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub judged: BTreeMap<String, u64>,
    /// Checks that cannot tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// How each stands, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub objectives: BTreeMap<String, Status>,
    /// Marks that were met.
    pub marks: BTreeMap<String, u64>,
    /// Those that the run shows.
    pub measures: BTreeMap<Measure, Sampled>,
    /// What baselines are made of; results of version 0.1.0 may lack them.
    #[serde(default, skip_serializing_if = "Figures::is_empty")]
    pub figures: Figures,
    /// How clients fared before anything went wrong, by service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub warmup: BTreeMap<String, Warmup>,
    /// Where a search asked for it: what the run met (`explore::met`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub met: Vec<String>,
}

/// What clients of one service saw in the warm-up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warmup {
    /// Acknowledged operations.
    pub thousandths_per_second: Option<u64>,
    /// Of acknowledged operations, by operation.
    pub latency: BTreeMap<String, LatencyQuantiles>,
}

/// Two quantiles of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyQuantiles {
    /// The median.
    pub p50_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
}

impl SeedResult {
    /// Of a run that came to a report.
    pub fn of(report: &Report) -> Self {
        Self {
            scenario: report.scenario.clone(),
            seed: report.seed,
            ending: report.verdict.into(),
            reason: report.reason.clone(),
            causes: match report.verdict {
                RunVerdict::Pass => Vec::new(),
                _ => causes(report),
            },
            run: Some(facts(report)),
        }
    }

    /// A seed that came to no verdict.
    pub fn without_run(scenario: &str, seed: u64, ending: Ending, reason: String) -> Self {
        Self {
            scenario: scenario.into(),
            seed,
            causes: vec![Cause::new(ending.label(), "", &reason)],
            ending,
            reason,
            run: None,
        }
    }

    /// One line of JSON, without its end.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a result is plain data")
    }

    /// What identifies the failure; `None` for a pass.
    pub fn cause(&self) -> Option<&Cause> {
        self.causes.first()
    }

    /// The causes that are broken checks.
    pub fn broken(&self) -> impl Iterator<Item = &Cause> {
        let causes = self.causes.iter();
        causes.filter(|cause| cause.is_check())
    }
}

fn facts(report: &Report) -> RunFacts {
    let loss = &report.data_loss;
    RunFacts {
        history_sha256: report.sim.history_sha256.clone(),
        simulated_us: report.sim.seconds.get(),
        events: report.sim.events,
        operations: report.operations,
        acked_writes: loss.acked,
        duplicated: loss.duplicated,
        phantom: loss.phantom,
        faults: faults(report),
        judged: (report.checks.iter())
            .filter(|check| check.checked > 0)
            .map(|check| (check.name.clone(), check.checked))
            .collect(),
        unknown: (report.checks.iter())
            .filter(|check| check.verdict == Verdict::Unknown)
            .map(|check| check.name.clone())
            .collect(),
        objectives: (report.objectives.iter())
            .map(|result| (result.name.clone(), result.status))
            .collect(),
        marks: report
            .marks
            .clone()
            .into_iter()
            .filter(|mark| mark.1 > 0)
            .collect(),
        measures: measures(report),
        figures: report.figures.clone(),
        warmup: warmup(report),
        met: Vec::new(),
    }
}

fn faults(report: &Report) -> BTreeMap<String, FaultCounts> {
    let mut kinds: BTreeMap<String, FaultCounts> = BTreeMap::new();
    for fault in &report.faults {
        let counts = kinds.entry(fault.kind.to_string()).or_default();
        match fault.status {
            FaultStatus::Installed | FaultStatus::Healed => counts.injected += 1,
            FaultStatus::Skipped { .. } => counts.skipped += 1,
            FaultStatus::Uncertain { .. } => counts.uncertain += 1,
        }
    }
    kinds
}

fn warmup(report: &Report) -> BTreeMap<String, Warmup> {
    let mut services: BTreeMap<String, Warmup> = BTreeMap::new();
    for (service, phases) in &report.throughput {
        if let Some(rate) = phases.get(&Phase::Warmup) {
            let warmup = services.entry(service.clone()).or_default();
            warmup.thousandths_per_second = Some(rate.per_second.get());
        }
    }
    for (service, operations) in &report.latency_us {
        for (operation, phases) in operations {
            let outcomes = phases.get(&Phase::Warmup);
            let Some(latency) = outcomes.and_then(|outcomes| outcomes.get(&Class::Ok)) else {
                continue;
            };
            let quantiles = LatencyQuantiles {
                p50_us: latency.p50,
                p99_us: latency.p99,
            };
            let warmup = services.entry(service.clone()).or_default();
            warmup.latency.insert(operation.clone(), quantiles);
        }
    }
    services
}

fn measures(report: &Report) -> BTreeMap<Measure, Sampled> {
    let samples = &report.samples_us;
    let downtime = &report.downtime_ms;
    let recovery = &report.recovery_ms;
    let seen = |values: &Vec<u64>, unseen| Sampled {
        values: values.clone(),
        unseen,
    };
    let one = |value: Option<u64>| Sampled {
        values: value.into_iter().collect(),
        unseen: 0,
    };
    let of_clients = |down: ServiceDowntime| down.clients.max.get();
    let longest = |service| one(downtime.of(service).map(of_clients));
    let charged = report
        .faults
        .iter()
        .filter(|fault| fault.old_leader.is_some());
    let never_elected = charged.filter(|fault| fault.elected_ms.is_none()).count() as u64;
    BTreeMap::from([
        (Measure::Detection, seen(&samples.detection, 0)),
        (Measure::Election, seen(&samples.election, never_elected)),
        (Measure::Downtime, one(downtime.any.map(of_clients))),
        (
            Measure::DowntimeTotal,
            one(downtime.any.map(|d| d.total.get())),
        ),
        (Measure::DowntimeLock, longest(Service::Lock)),
        (Measure::DowntimeQueue, longest(Service::Queue)),
        (Measure::DowntimeCache, longest(Service::Cache)),
        (
            Measure::Recovery,
            seen(&samples.recovery_throughput, recovery.throughput.unseen),
        ),
        (
            Measure::RecoveryMembers,
            seen(&samples.recovery_members, recovery.members.unseen),
        ),
        (
            Measure::RecoveryRejoin,
            seen(&samples.recovery_rejoin, recovery.rejoin.unseen),
        ),
        (Measure::Lost, one(Some(report.data_loss.lost))),
    ])
}

//! The report: what a run showed, as plain data, and its renderings.
//!
//! [`Report`] is `report.json`, field by field; [`build`] composes it from measures, check
//! results and what the caller knows of the run. Renderers read nothing but a report, so
//! a stored one prints as the fresh one did. All that depends on the wall clock or on the
//! program's build is in [`Sim`]; everything else is byte-identical for a seed, which is
//! why every number comes from an integer (see [`Fixed`]). Times named `at` count from
//! the start of the run; `detected_ms` and `elected_ms` count from the fault's effect.
//!
//! Not here: how anything is measured ([`squall_measure`]) or judged ([`squall_check`]),
//! and writing of files.

mod bottlenecks;
mod build;
pub mod csv;
pub mod document;
mod figures;
pub mod html;
pub mod load;
mod markdown;
mod objectives;
pub mod payload;
mod sections;
mod tables;
mod text;
mod timeline;
pub mod variants;
mod verdict;
mod words;
pub mod write;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bottlenecks::{Bottleneck, Priority, Rule};
pub use build::{Cluster, ElectionTimeout, Input, WallInput, build};
pub use figures::figures;
pub use load::Load;
pub use markdown::markdown;
pub use objectives::{ObjectiveResult, Status};
pub use payload::PayloadRow;
pub use squall_objective::baseline::Comparison;
pub use squall_objective::fixed::{Fixed, Ms, Number, PerSecond, Percent, Seconds, SignedPercent};
pub use squall_objective::objective::{Bound, Unit};
pub use text::text;
pub use variants::Variants;
pub use verdict::{RECOVERY_CHECKS, RunVerdict, check_counts};
pub use words::{count, duration};
pub use write::text::Style;

use squall_fault::FaultKind;
use squall_history::{BackendInfo, Phase};
use squall_measure::{Class, SpanStatus};

/// `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    pub scenario: String,
    pub seed: u64,
    /// Name of the backend, as `--backend` takes it.
    pub backend: String,
    /// What is known of that backend. Whoever reads a stored report puts it in; `None`: this
    /// program does not have the backend.
    #[serde(skip)]
    #[schemars(skip)]
    pub made_on: Option<BackendInfo>,
    pub verdict: RunVerdict,
    /// Why, in one line.
    pub reason: String,
    /// Go or no-go, with every reason.
    pub decision: Decision,
    /// The command that runs it again.
    pub reproduce: String,
    pub cluster: Cluster,
    /// The plan of the run, in words.
    pub configuration: String,
    pub faults: Vec<FaultRow>,
    pub detection_ms: Times,
    pub election_ms: Times,
    pub downtime_ms: DowntimeMs,
    /// Every stretch in which a service was down.
    pub gaps: Vec<GapMs>,
    /// Percent of the stretch from the start of chaos to the end of serve in which no service
    /// was down.
    pub availability: Option<Percent>,
    pub recovery_ms: RecoveryMs,
    pub data_loss: Loss,
    /// Service → operation → phase → outcome.
    pub latency_us: BTreeMap<String, BTreeMap<String, OperationLatency>>,
    /// Of writes whose payloads differ by a power of ten; left out where none do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latency_by_payload: Vec<PayloadRow>,
    /// Service, or `all` → phase.
    pub throughput: BTreeMap<String, BTreeMap<Phase, Rate>>,
    pub operations: Operations,
    /// What clients saw of the whole chaos phase, all operations but long polls together;
    /// `null` if the run did not come to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overall: Option<Overall>,
    /// Left out when no load was asked for.
    #[serde(default, skip_serializing_if = "Load::is_empty")]
    pub load: Load,
    pub checks: Vec<CheckRow>,
    pub objectives: Vec<ObjectiveResult>,
    /// With earlier runs, if the run was to be compared with any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// What a comparison with other runs is made of.
    pub figures: BTreeMap<String, squall_objective::baseline::Figure>,
    /// Where operations' time went, by service; microseconds, means over its operations.
    pub stages_us: BTreeMap<String, BTreeMap<String, u64>>,
    pub bottlenecks: Vec<Bottleneck>,
    pub queue: Option<QueueReport>,
    pub cache: Option<CacheReport>,
    /// How often operations failed or were never answered, by service, operation and reason.
    pub errors: Vec<ErrorRow>,
    /// The slowest acknowledged operations, slowest first.
    pub slowest: Vec<SlowRow>,
    /// Of each node, where the backend knows them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, ResourceRow>,
    /// What bounds throughput and latency, if it is not the machine that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounded_by: Option<String>,
    /// How often the run met each of the situations of [`squall_measure::marks`].
    pub marks: BTreeMap<String, u64>,
    pub samples_us: Samples,
    pub timeline: TimelineData,
    pub sim: Sim,
}

/// Whether to go on with what was tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    pub go: bool,
    /// Of a no-go, all that speaks against it; of a go, what it rests on.
    pub reasons: Vec<String>,
}

impl Decision {
    pub fn word(&self) -> &'static str {
        if self.go { "go" } else { "no-go" }
    }
}

/// Messages, as clients were told; see [`squall_measure::totals`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueReport {
    pub published: u64,
    pub delivered: u64,
    pub consumed: u64,
    pub dead_letters: u64,
    pub depth_max: u64,
    pub depth_end: u64,
    /// From the moment with the most messages to the next with a hundredth of them or less;
    /// `null` if there was none before the audit.
    #[serde(default)]
    pub drained_ms: Option<Ms>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheReport {
    pub reads: u64,
    pub hits: u64,
    pub hit_rate: Option<Percent>,
    /// A write is acknowledged → a client's own cache has heard of it.
    pub invalidation_ms: Times,
    /// Reads that found a value, and reads that found none with the set that filled them;
    /// from the start of chaos to the end of serve.
    #[serde(default)]
    pub hit_ms: Times,
    #[serde(default)]
    pub miss_ms: Times,
    /// By how much the median miss takes longer than the median hit.
    #[serde(default)]
    pub miss_penalty_ms: Option<Ms>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorRow {
    pub service: String,
    pub operation: String,
    /// `failed` or `unknown`.
    pub outcome: Class,
    /// With every number replaced by `N`.
    pub why: String,
    pub count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlowRow {
    pub service: String,
    pub operation: String,
    pub client: String,
    /// When it was meant to start; of a client that asks at no rate, when it was sent.
    pub at_ms: Ms,
    /// From `at_ms` to the answer.
    pub latency_ms: Ms,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceRow {
    pub memory_max_bytes: u64,
    pub memory_growth: Option<Percent>,
    /// Mean, of one processor.
    pub cpu: Option<Percent>,
}

/// All operations of a phase together, by when they were meant to start. Microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Overall {
    pub acknowledged: u64,
    pub errors: u64,
    pub per_second: PerSecond,
    pub mean_us: Option<u64>,
    pub p50_us: Option<u64>,
    pub p95_us: Option<u64>,
    pub p99_us: Option<u64>,
    pub max_us: Option<u64>,
}

/// One occurrence of a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultRow {
    #[schemars(with = "String")]
    pub kind: FaultKind,
    pub targets: Vec<String>,
    /// When it took effect, or was given up.
    pub at_ms: Ms,
    pub healed_ms: Option<Ms>,
    #[serde(flatten)]
    pub status: SpanStatus,
    /// `null` when the fault cost the cluster no leader, or nobody noticed.
    pub detected_ms: Option<Ms>,
    pub elected_ms: Option<Ms>,
    /// Who led before; `null` when the fault cost the cluster no leader.
    pub old_leader: Option<String>,
    pub new_leader: Option<String>,
    pub new_term: Option<u64>,
}

/// A distribution of durations; exact values by nearest rank.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    pub count: u64,
    pub min: Option<Ms>,
    pub p50: Option<Ms>,
    pub p90: Option<Ms>,
    pub p99: Option<Ms>,
    pub max: Option<Ms>,
}

/// Every single duration behind the distributions, in rising order, so that runs can be
/// taken together without loss. Microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Samples {
    pub detection: Vec<u64>,
    pub election: Vec<u64>,
    pub recovery_throughput: Vec<u64>,
    pub recovery_members: Vec<u64>,
    pub recovery_rejoin: Vec<u64>,
}

/// `null` for services that were never asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DowntimeMs {
    pub lock: Option<ServiceDowntimeMs>,
    pub queue: Option<ServiceDowntimeMs>,
    pub cache: Option<ServiceDowntimeMs>,
    /// At least one service down.
    pub any: Option<ServiceDowntimeMs>,
}

/// From the start of chaos to the end of serve; a gap that goes beyond either is cut there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceDowntimeMs {
    /// All gaps together.
    pub total: Ms,
    /// The longest gap.
    pub max: Ms,
    /// How many gaps.
    pub count: u64,
    /// Percent of that stretch without a gap.
    pub availability: Percent,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GapMs {
    pub service: String,
    pub from_ms: Ms,
    pub to_ms: Ms,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecoveryMs {
    /// New leader → service as in the warm-up for a second.
    pub throughput: Spell,
    /// New leader → every node then up has caught up.
    pub members: Spell,
    /// Fault healed → its nodes have caught up.
    pub rejoin: Spell,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spell {
    #[serde(flatten)]
    pub times: Times,
    /// Recoveries that the history does not show.
    pub unseen: u64,
}

/// Writes are publishes and writes to the cache, of the whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// Acknowledged writes.
    pub acked: u64,
    /// Acknowledged writes whose effect the audit missed.
    pub lost: u64,
    /// Payload of the lost writes, bytes.
    pub lost_bytes: u64,
    /// The first of the lost writes is sent → the last of them is acknowledged: the recovery
    /// point objective (RPO) that the run would have needed; 0 if none is lost.
    pub window_ms: Ms,
    /// Messages stored twice, or delivered after their acknowledgement was confirmed, and
    /// increments that count more than once.
    pub duplicated: u64,
    /// Values that clients were given though nobody wrote them, or only a write that failed
    /// for certain.
    pub phantom: u64,
    /// Acknowledged writes of which nobody can say whether they are lost: the audit did not
    /// come to their key or to the end of their queue.
    pub unaudited: u64,
}

/// Phase → outcome.
pub type OperationLatency = BTreeMap<Phase, BTreeMap<Class, Latency>>;

/// Microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    pub count: u64,
    pub min: u64,
    pub p50: u64,
    pub p90: u64,
    pub p95: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
    pub mean: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    pub acked: u64,
    pub per_second: PerSecond,
    /// Fewest in any second; `null` in phases shorter than that.
    pub lowest: Option<u64>,
}

/// What the cluster was asked in the whole run, by probes and the audit too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operations {
    /// Started: the sum of the others.
    pub invoked: u64,
    /// Answered, whatever the answer.
    pub acknowledged: u64,
    /// Certainly without effect.
    pub failed: u64,
    /// Without a usable answer, so that they may have had an effect: timed out, broken off,
    /// or outstanding at the end.
    pub unknown: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckRow {
    pub name: String,
    pub property: String,
    pub verdict: CheckVerdict,
    pub detail: String,
    pub checked: u64,
    /// One line an operation or event; left out when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// [`squall_check::Verdict`] in a form that can be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    Pass,
    Fail,
    Unknown,
    /// There was nothing to judge; the row's detail says why.
    NotJudged,
}

/// For drawing: acknowledged operations by bucket, leaderships and phases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineData {
    pub end_ms: Ms,
    /// Length of a bucket.
    pub bucket_ms: Ms,
    /// Service → operations acknowledged in each bucket, the first of which starts with the
    /// run; by when the client had the answer.
    pub acked: BTreeMap<String, Vec<u64>>,
    pub phases: Vec<PhaseStart>,
    pub leaders: Vec<Leader>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseStart {
    pub phase: Phase,
    pub at_ms: Ms,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leader {
    pub node: String,
    pub term: u64,
    pub from_ms: Ms,
    pub until_ms: Option<Ms>,
}

/// How the run went as a computation. The only object that may differ between two runs of a
/// seed, in the fields that say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sim {
    /// Length of the run on its own clock.
    pub seconds: Seconds,
    /// Events of the history.
    pub events: u64,
    pub history_sha256: String,
    /// What the run took; differs between runs.
    pub wall_seconds: Seconds,
    /// Seconds of the run's clock for each second of wall clock; differs between runs.
    pub speed: PerSecond,
    /// UTC, RFC 3339, when the run began, or `unknown`; differs between runs.
    pub started: String,
    /// Of the program; differs between builds.
    pub version: String,
    /// That was checked out when the program was built, if that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// That the program ran on; differs between runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
}

/// The machine that the program ran on, as far as it told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    pub processor: String,
    pub processors: u64,
    pub memory_bytes: u64,
    /// `linux-x86_64`.
    pub platform: String,
}

/// `2 × Some Processor, 24.1 GB memory, linux-x86_64`.
impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let memory = Unit::Bytes.text(Unit::Bytes.number(self.memory_bytes));
        let Machine {
            processor,
            processors,
            platform,
            ..
        } = self;
        write!(f, "{processors} × {processor}, {memory} memory, {platform}")
    }
}

impl Report {
    /// `report.json`, with a line break at the end.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.expect("a report holds nothing that JSON cannot") + "\n"
    }
}

#[cfg(test)]
mod tests;

impl Report {
    /// The backend for people: `containers`.
    pub(crate) fn backend_title(&self) -> &str {
        self.made_on.map_or(&self.backend, |backend| backend.title)
    }

    /// Whether a seed has one history on the backend.
    pub(crate) fn is_simulated(&self) -> bool {
        self.made_on.is_some_and(|backend| backend.simulated)
    }

    /// Whether the backend is one that cannot say what nodes use.
    pub(crate) fn cannot_know_resources(&self) -> bool {
        self.made_on.is_some_and(|backend| !backend.knows_resources)
    }
}

//! `report.json`, field by field: what a run showed, as plain data.
//!
//! All that depends on the wall clock or on the program's build is in [`Sim`]; everything else
//! is byte-identical for a seed, which is why every number comes from an integer (see
//! [`Fixed`](squall_objective::fixed::Fixed)). Times named `at` count from the start of the
//! run; `detected_ms` and `elected_ms` count from the fault's effect.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_check::CheckResult;
use squall_history::{BackendInfo, Service};
use squall_measure::{
    CacheReport, ClientGaps, Downtime, ErrorRow, Gap, Latencies, Loss, Operations, Overall,
    PayloadRow, QueueReport, Recovery, ResourceRow, Samples, ServiceDowntime, SlowRow, Throughput,
    TimelineData, Times,
};
use squall_objective::alert::{ActionOutcome, AlertReport};
use squall_objective::baseline::{Comparison, Figure};
use squall_objective::fixed::{Ms, PerSecond, Percent, Seconds};
use squall_objective::objective::Unit;

use crate::analysis::Analysis;
use crate::bottlenecks::Bottleneck;
use crate::faults::FaultRow;
use crate::load::Load;
use crate::objectives::ObjectiveResult;
use crate::verdict::{Decision, RunVerdict};

/// `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// With its variant, if it has any: `NAME-VARIANT`.
    pub scenario: String,
    /// The one that everything was drawn from.
    pub seed: u64,
    /// Name of the backend, as `--backend` takes it.
    pub backend: String,
    /// What is known of that backend. Whoever reads a stored report puts it in; `None`: this
    /// program does not have the backend.
    #[serde(skip)]
    #[schemars(skip)]
    pub made_on: Option<BackendInfo>,
    /// What the run comes to.
    pub verdict: RunVerdict,
    /// Why, in one line.
    pub reason: String,
    /// Go or no-go, with every reason.
    pub decision: Decision,
    /// The command that runs it again.
    pub reproduce: String,
    /// Size and time limits.
    pub cluster: Cluster,
    /// The plan of the run, in words.
    pub configuration: String,
    /// Every occurrence, in order of time.
    pub faults: Vec<FaultRow>,
    /// Fault takes effect → a surviving node starts an election.
    pub detection_ms: Times,
    /// Fault takes effect → a new leader has committed its first entry.
    pub election_ms: Times,
    /// By service, and of any service.
    pub downtime_ms: Downtime,
    /// Every stretch in which a service answered nobody.
    pub gaps: Vec<Gap>,
    /// Clients that were without a service, the longest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients_down: Vec<ClientGaps>,
    /// What the harness's probes of each service felt.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probes_ms: BTreeMap<Service, ServiceDowntime>,
    /// Percent of the stretch from the start of chaos to the end of serve in which no service
    /// was down.
    pub availability: Option<Percent>,
    /// How long clients and nodes took to come back to normal.
    pub recovery_ms: Recovery,
    /// What was acknowledged and is gone, or happened twice, or never was.
    pub data_loss: Loss,
    /// Service → operation → phase → outcome.
    pub latency_us: Latencies,
    /// Of writes whose payloads differ by a power of ten; left out where none do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latency_by_payload: Vec<PayloadRow>,
    /// Service, or `all` → phase.
    pub throughput: Throughput,
    /// How many were asked in the whole run, and how they ended.
    pub operations: Operations,
    /// What clients saw of the whole chaos phase, all operations but long polls together;
    /// `null` if the run did not come to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overall: Option<Overall>,
    /// Left out when no load was asked for.
    #[serde(default, skip_serializing_if = "Load::is_empty")]
    pub load: Load,
    /// In the order of their properties.
    pub checks: Vec<CheckResult>,
    /// In the order of the scenario.
    pub objectives: Vec<ObjectiveResult>,
    /// Alerts of the scenario, and when each was on; they change no verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<AlertReport>,
    /// With earlier runs, if the run was to be compared with any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// What a comparison with other runs is made of.
    pub figures: BTreeMap<String, Figure>,
    /// Where operations' time went, by service; microseconds, means over its operations.
    pub stages_us: BTreeMap<String, BTreeMap<String, u64>>,
    /// The most important first.
    pub bottlenecks: Vec<Bottleneck>,
    /// How much load the cluster bears, and what response time goes together with; left out
    /// where nothing can be said.
    #[serde(default, skip_serializing_if = "Analysis::is_empty")]
    pub analysis: Analysis,
    /// `null` if nothing was published.
    pub queue: Option<QueueReport>,
    /// `null` if nothing was read.
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
    /// Workloads of which a client asks again only when it was answered: while nothing is
    /// answered nothing is asked, so percentiles of their latency leave out what would have
    /// waited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed_loops: Vec<String>,
    /// How often the run met each of the situations of [`squall_measure::marks`].
    pub marks: BTreeMap<String, u64>,
    /// Every single duration behind the distributions.
    pub samples_us: Samples,
    /// For drawing.
    pub timeline: TimelineData,
    /// Length of the run, and what it took.
    pub sim: Sim,
}

/// Size and time limits of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cluster {
    /// Members at the start.
    pub nodes: u64,
    /// Interval of the leader.
    pub heartbeat_ms: Ms,
    /// A follower that hears no leader for so long stands for election.
    pub election_timeout_ms: ElectionTimeout,
}

/// Each wait is drawn between the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ElectionTimeout {
    /// The shortest.
    pub min: Ms,
    /// The longest.
    pub max: Ms,
}

/// How the run went as a computation. The only object that may differ between two runs of a
/// seed, in the fields that say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sim {
    /// Length of the run on its own clock.
    pub seconds: Seconds,
    /// Events of the history.
    pub events: u64,
    /// Of the history file, in hexadecimal: the same seed gives the same.
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
    /// What became of the actions of alerts; differs between runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alert_actions: Vec<ActionOutcome>,
}

/// The machine that the program ran on, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Its model, as the system names it.
    pub processor: String,
    /// How many the program could use.
    pub processors: u64,
    /// In all.
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

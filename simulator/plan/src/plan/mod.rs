//! A plan: what will happen, decided before anything does.
//!
//! A scenario and a seed give one plan, always the same. It can be printed, stored as
//! JSON, compared and shrunk, and it is all that a backend is given. All times are
//! microseconds from the start of the run, which is the start of the warm-up. What cannot
//! be known yet, who leads when a fault fires, stays a role
//! ([`mod@squall_fault::resolve`]); every draw after this one comes from a stream of the
//! plan's seed.

mod chaos;
mod generator;
mod hardware;
mod list_mix;
pub mod load;
mod mix;
mod parts;
pub mod points;
mod region;
mod resolve;
pub mod seed;
pub mod spread;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::scenario::{Scenario, ScenarioError};
pub use hardware::{Costs, ProcessorPlan, Quantiles};
pub use list_mix::ListMix;
pub use load::{LoadPlan, LoadStepPlan, LoadUnit, StressPlan};
pub use mix::{CacheMix, ExactlyOnce, LockMix, QueueMix, ReadMode, Records, Retries};
pub use points::{Delay, Order, PlannedPoint, can_wait_for_point};
pub use region::{RegionLink, RegionPlan};
pub use seed::Seed;
pub use spread::{Access, KeyDraw, Payload, Popularity};
use squall_fault::{Action, FaultKind, Point, Target, Trigger};
use squall_history::Service;
use squall_objective::alert::Alert;
use squall_objective::baseline::Tolerance;
use squall_objective::objective::Objective;

/// All that a run does, with every choice made: it can be printed, stored, shrunk and played
/// again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// With its variant, if it has any: `NAME-VARIANT`.
    pub scenario: String,
    /// What the scenario says it is for; may be empty.
    pub summary: String,
    /// The one that everything was drawn from; a simulation draws its world from it, too.
    pub seed: u64,
    /// Sizes and time limits of the nodes.
    pub cluster: ClusterPlan,
    /// Links as they are before any fault.
    pub network: NetworkPlan,
    /// Disks as they are before any fault.
    pub disk: DiskPlan,
    /// `None`: processing takes no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processors: Option<ProcessorPlan>,
    /// One a node, `node-1` first.
    pub clocks: Vec<ClockPlan>,
    /// How long each part of the run lasts.
    pub phases: PhasePlan,
    /// `None`: no probe runs.
    pub probe: Option<ProbePlan>,
    /// In the order of the scenario; only those that run.
    pub workloads: Vec<WorkloadPlan>,
    /// `None`: every workload paces itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadPlan>,
    /// `None`: every fault was written by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chaos: Option<ChaosPlan>,
    /// In order of `at_us`; `id` is the position.
    pub faults: Vec<PlannedFault>,
    /// Where tasks of nodes wait, or let others go first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<PlannedPoint>,
    /// Who goes first at one instant.
    #[serde(default, skip_serializing_if = "Order::is_fifo")]
    pub order: Order,
    /// What the run must achieve.
    pub objectives: Vec<Objective>,
    /// The conditions that notify somebody meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<Alert>,
    /// Properties or checks that the run must have judged to count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_judge: Vec<String>,
    /// Figures of earlier runs that this one is held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselinePlan>,
    /// What `[[swarm]]` drew from the seed, as overrides of the scenario.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drawn: Vec<(String, String)>,
}

/// Sizes and time limits of the nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterPlan {
    /// 1 to 64.
    pub nodes: usize,
    /// Machines beyond `nodes` that run and wait to be added.
    #[serde(default)]
    pub spares: usize,
    /// The leader's interval.
    pub heartbeat_ms: u64,
    /// Below `election_max_ms`, and at least two heartbeats.
    pub election_min_ms: u64,
    /// A follower that hears no leader for a time between the two stands for election.
    pub election_max_ms: u64,
    /// Log entries between snapshots.
    pub snapshot_every: u64,
    /// Most keys that the cache holds.
    pub cache_entries: u64,
}

/// Every link between two nodes, one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// One way.
    pub latency_min_us: u64,
    /// One way; at least `latency_min_us`.
    pub latency_max_us: u64,
    /// Added at random to single packets, up to this much.
    pub jitter_us: u64,
    /// Parts per million.
    pub loss_ppm: u32,
    /// `None`: unlimited.
    pub bandwidth_bytes_per_s: Option<u64>,
    /// `None`: nodes and clients are all as far apart as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<RegionPlan>,
    /// In the place of latency and jitter, where hardware was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_latency: Option<Quantiles>,
}

/// Every disk, before any fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskPlan {
    /// Shortest time that a sync takes.
    pub sync_min_us: u64,
    /// Longest time that a sync takes.
    pub sync_max_us: u64,
    /// In the place of both, where hardware was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_sync: Option<Quantiles>,
}

/// How a node's clock differs from true time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClockPlan {
    /// How far the clock is ahead at the start; negative is behind.
    pub offset_us: i64,
    /// How much faster it runs, in parts per million; negative is slower.
    pub drift_ppm: i32,
}

impl ClockPlan {
    /// Whether it shows the true time.
    pub fn is_exact(&self) -> bool {
        self.offset_us == 0 && self.drift_ppm == 0
    }
}

/// Lengths; of `converge_us` and `audit_us`, deadlines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhasePlan {
    /// Clients work, nothing is broken.
    pub warmup_us: u64,
    /// Faults happen, at times from its start.
    pub chaos_us: u64,
    /// By then all replicas must have the same index.
    pub converge_us: u64,
    /// Clients work on the healed cluster.
    pub serve_us: u64,
    /// By then what is left must have been read.
    pub audit_us: u64,
}

/// One more client for each service, so that gaps in service have sharp edges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbePlan {
    /// Interval around faults.
    pub dense_us: u64,
    /// Interval otherwise.
    pub idle_us: u64,
    /// Of one probe.
    pub timeout_us: u64,
}

/// Clients of one service, which do the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadPlan {
    /// Unique: the service, and a number from the second of its kind on (`queue-2`).
    pub name: String,
    /// Seed of everything the workload draws.
    pub seed: u64,
    /// The service, and what is done with it.
    pub kind: WorkloadKind,
    /// When operations start.
    pub pacing: Pacing,
    /// Of one operation.
    pub timeout_us: u64,
    /// The workload ends after so many from the start of the chaos phase; `None`: with its
    /// phases.
    pub operations: Option<u64>,
    /// Of one message or value; nothing where the service has none.
    pub payload: Payload,
    /// Of further operations by name, the share that clients send beside what they do; parts
    /// per million.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub also: BTreeMap<String, u32>,
}

/// When clients start their operations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "loop", rename_all = "snake_case")]
pub enum Pacing {
    /// Each client pauses after each operation.
    Closed {
        /// Shortest pause.
        think_min_us: u64,
        /// Longest pause.
        think_max_us: u64,
    },
    /// The whole workload starts an operation every `interval_us`, over its clients in
    /// turn. Of a queue: the producers; consumers are a closed loop without a pause.
    Open {
        /// Of the whole workload, at least 1.
        interval_us: u64,
    },
    /// Clients are users of the plan's load, and pause after each operation.
    Users {
        /// Shortest pause, where the step of the load names none.
        think_min_us: u64,
        /// Longest pause, where the step of the load names none.
        think_max_us: u64,
    },
    /// The plan's load says when operations start; whichever client is free starts the next.
    Arrivals,
}

/// The service that clients use, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "service", rename_all = "snake_case")]
pub enum WorkloadKind {
    /// Clients take locks, hold them, and use a fenced resource meanwhile.
    Lock {
        /// Those that take locks; watchers are beside them.
        clients: u64,
        /// Names in use.
        locks: u64,
        /// Share of shared acquisitions, parts per million.
        shared_ppm: u32,
        /// Time to live of a session.
        ttl_ms: u64,
        /// How long an acquire waits in line, at most.
        wait_ms: u64,
        /// How long a lock is held.
        hold_us: u64,
        /// Whatever else is done.
        mix: LockMix,
    },
    /// Producers publish, consumers receive and ack.
    Queue {
        /// Clients that publish.
        producers: u64,
        /// Clients that receive.
        consumers: u64,
        /// How long a delivery is hidden from other consumers.
        visibility_ms: u64,
        /// Names in use.
        queues: u64,
        /// Whatever else is done.
        mix: QueueMix,
    },
    /// Clients read and write keys, records or lists.
    Cache {
        /// Those that read and write; near ones and workers are beside them.
        clients: u64,
        /// How many there are; of lists, how many lists.
        keys: u64,
        /// Parts per million.
        reads_ppm: u32,
        /// Whatever else is done.
        mix: CacheMix,
    },
    /// Clients of a service from outside.
    Own(OwnWorkload),
}

/// Clients of a service that does not ship with Squall, and their parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnWorkload {
    /// Never one that ships.
    pub name: Service,
    /// How many there are.
    pub clients: u64,
    /// Objects that they use.
    pub keys: u64,
    /// Which objects are used how often.
    #[serde(default)]
    pub access: Access,
    /// For the service to understand.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub options: serde_json::Map<String, serde_json::Value>,
}

impl OwnWorkload {
    /// One client and one key.
    pub fn of(name: Service) -> Self {
        Self {
            name,
            clients: 1,
            keys: 1,
            access: Access::default(),
            options: serde_json::Map::new(),
        }
    }
}

impl WorkloadKind {
    /// Whose operations the clients send.
    pub fn service(&self) -> Service {
        match self {
            WorkloadKind::Lock { .. } => Service::Lock,
            WorkloadKind::Queue { .. } => Service::Queue,
            WorkloadKind::Cache { .. } => Service::Cache,
            WorkloadKind::Own(own) => own.name,
        }
    }

    /// Clients whose pace is that of the workload.
    pub fn clients(&self) -> u64 {
        match self {
            WorkloadKind::Lock { clients, .. } | WorkloadKind::Cache { clients, .. } => *clients,
            WorkloadKind::Queue { producers, .. } => *producers,
            WorkloadKind::Own(own) => own.clients,
        }
    }

    fn clients_mut(&mut self) -> &mut u64 {
        match self {
            WorkloadKind::Lock { clients, .. } | WorkloadKind::Cache { clients, .. } => clients,
            WorkloadKind::Queue { producers, .. } => producers,
            WorkloadKind::Own(own) => &mut own.clients,
        }
    }

    /// How many locks, queues or keys there are, and which are used how often.
    pub fn keys(&self) -> (u64, Access) {
        match self {
            WorkloadKind::Lock { locks, mix, .. } => (*locks, mix.access.clone()),
            WorkloadKind::Queue { queues, .. } => (*queues, Access::default()),
            WorkloadKind::Cache { keys, mix, .. } => (*keys, mix.access.clone()),
            WorkloadKind::Own(own) => (own.keys, own.access.clone()),
        }
    }
}

/// One firing of a fault; a repeated fault is several of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// Its place in the plan, from 0; as in histories.
    pub id: usize,
    /// When it begins, from the start of the run.
    pub at_us: u64,
    /// When it heals; equal to `at_us` for a fault that is over at once.
    pub until_us: u64,
    /// What is done to which nodes; roles become nodes when it fires.
    pub action: Action<Target>,
    /// It waits from `at_us` on for such a moment, and lasts as long from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Trigger>,
    /// It fires when its target passes the point of `when` for the so-manieth time; 0 and 1 are
    /// the first.
    #[serde(default, skip_serializing_if = "is_first")]
    pub nth: u64,
    /// Drawn for the chaos, or written as if: it keeps to the budget, and may be skipped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drawn: bool,
}

fn is_first(nth: &u64) -> bool {
    *nth <= 1
}

impl PlannedFault {
    /// The point at which it strikes, if it waits for one.
    pub fn point(&self) -> Option<Point> {
        self.when.and_then(Trigger::point)
    }
}

/// What was drawn for `[chaos]`, beside the faults themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChaosPlan {
    /// Kinds that this seed uses.
    pub kinds: Vec<FaultKind>,
    /// How many nodes drawn faults may strike at a time.
    pub budget: Budget,
}

/// How many nodes faults that keep to a budget may strike at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// At most so many are impaired in any way.
    Impaired(usize),
    /// At most so many may lose what they had stored; the others are struck without a limit.
    Damaged(usize),
    /// No limit at all.
    Unlimited,
}

impl Budget {
    /// Most nodes that a fault of the kind may add to those counted so far; `None`: any number.
    pub fn most(self, kind: FaultKind) -> Option<usize> {
        match self {
            Budget::Impaired(most) => Some(most),
            Budget::Damaged(most) if kind.endangers_data() => Some(most),
            Budget::Damaged(_) | Budget::Unlimited => None,
        }
    }

    /// Whether nodes struck by a fault of the kind are counted.
    pub fn counts(self, kind: FaultKind) -> bool {
        kind.is_costly() && self.most(kind).is_some()
    }
}

/// Earlier runs to compare with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselinePlan {
    /// From the directory of the scenario file.
    pub file: String,
    /// In its file.
    pub name: String,
    /// How much worse this run may be.
    pub tolerance: Tolerance,
}

impl Plan {
    /// Draws everything that can be known before the run.
    ///
    /// # Errors
    /// The scenario's own, if it was changed after it was parsed and no longer holds
    /// together.
    pub fn resolve(scenario: &Scenario, seed: u64) -> Result<Plan, ScenarioError> {
        scenario.check()?;
        Ok(resolve::resolve(&scenario.draw(seed)?, Seed(seed)))
    }

    /// The workloads that ask this service.
    pub fn workloads_of(&self, service: Service) -> impl Iterator<Item = &WorkloadPlan> {
        let workloads = self.workloads.iter();
        workloads.filter(move |workload| workload.kind.service() == service)
    }

    /// The stream `name` of this plan.
    pub fn stream(&self, name: &str) -> Seed {
        Seed(self.seed).fork(name)
    }

    /// Whether anything is to happen at a named point of the nodes' code.
    pub fn uses_points(&self) -> bool {
        !self.points.is_empty() || self.faults.iter().any(|fault| fault.point().is_some())
    }

    /// Whether the chaos phase may be over before its time: when all that was to be done is
    /// done, or a stress test has found what it looked for.
    pub fn may_end_early(&self) -> bool {
        let is_stress = self.load.as_ref().is_some_and(|load| load.stress.is_some());
        is_stress || self.is_limited()
    }

    /// Whether every workload has an end of its own.
    pub fn is_limited(&self) -> bool {
        let has_end = |workload: &WorkloadPlan| workload.operations.is_some();
        self.workloads.iter().all(has_end)
    }
}

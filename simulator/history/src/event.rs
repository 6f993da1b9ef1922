//! Events: one line of `history.jsonl` each.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_fault::{FaultKind, Point};

/// What a node says about itself, in the words of whoever emits it.
pub use squall_world::event::{NodeEvent, Served, Timed, Work};

use super::{Action, Outcome};

/// Something that happened at a point of the run's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Microseconds since the start of the run (start of warm-up).
    #[serde(rename = "at")]
    pub at_us: u64,
    /// What happened then.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened, with all that checks and measures read of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// How the cluster was set up, as far as checks must know it; once, before the first phase.
    Setup {
        /// For how long at most a leader that no quorum follows lets log time go on. Absent for
        /// a system that is not Squall's own.
        #[serde(default, skip_serializing_if = "Option::is_none", rename = "lease")]
        lease_us: Option<u64>,
        /// How much faster than true time the clocks of nodes run, apart from faults, in parts
        /// per million; those that are true are left out.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        drift_ppm: BTreeMap<String, i32>,
    },
    /// A phase begins.
    Phase {
        /// It lasts until the next one.
        phase: Phase,
    },
    /// A client sends an operation.
    Invoke {
        /// Unique, rising.
        op: u64,
        /// `lock-3`, `probe-queue`: sequential, at most one operation outstanding.
        client: String,
        /// When an open-loop schedule wanted it sent; absent in closed loop.
        #[serde(default, skip_serializing_if = "Option::is_none", rename = "intended")]
        intended_us: Option<u64>,
        /// What it asks.
        action: Action,
    },
    /// The client learns the outcome.
    Return {
        /// As in its [`EventKind::Invoke`].
        op: u64,
        /// [`Outcome::Unknown`] if the answer was never heard.
        outcome: Outcome,
    },
    /// The client sends operation `op` once more, under the same session and sequence.
    Retry {
        /// As in its [`EventKind::Invoke`].
        op: u64,
        /// Whether the client threw away the answer to the attempt before, on purpose.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unheard: bool,
        /// What the client learnt from the attempt before. Absent if it threw the answer away,
        /// and in histories of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Outcome>,
    },
    /// A fault begins, ends, or could not be done.
    Fault(FaultEvent),
    /// The faults in force leave no majority of the voters unharmed, or leave one again: what a
    /// cluster does not answer in between, no cluster could.
    Majority {
        /// Whether an unharmed majority is left from now on.
        is_left: bool,
        /// The nodes that faults keep away or impair.
        impaired: Vec<String>,
    },
    /// A node reports about itself.
    Node {
        /// As in the list of nodes: `node-1`.
        node: String,
        /// What it says.
        #[serde(flatten)]
        event: NodeEvent,
    },
    /// A client with a cache of its own hears from its stream of invalidations.
    Stream {
        /// As in its operations: `cache-2`.
        client: String,
        /// What it hears.
        #[serde(flatten)]
        event: StreamEvent,
    },
    /// How much is asked of the cluster changes.
    Load {
        /// How it changes.
        #[serde(flatten)]
        event: LoadEvent,
    },
    /// The harness could not do something, or see it through.
    Harness {
        /// What it could not do.
        #[serde(flatten)]
        event: HarnessEvent,
    },
    /// What happened at named points of the nodes' code, of those that nodes have passed; once,
    /// at the end of a run that has something happen at points.
    Points {
        /// By point, in the order of their names.
        points: BTreeMap<Point, PointCounts>,
    },
    /// The harness notes something that a reader of the history should know. No check reads
    /// it.
    Note {
        /// In plain words.
        text: String,
    },
}

impl EventKind {
    /// Operation `op` is sent once more, after the attempt before ended thus.
    pub fn retry(op: u64, before: Outcome) -> Self {
        let unheard = before.is_unheard();
        EventKind::Retry {
            op,
            unheard,
            before: (!unheard).then_some(before),
        }
    }
}

/// How often something happened at a point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PointCounts {
    /// A node passed it.
    pub met: u64,
    /// It waited there.
    #[serde(skip_serializing_if = "is_zero")]
    pub waited: u64,
    /// It let others go first.
    #[serde(skip_serializing_if = "is_zero")]
    pub yielded: u64,
    /// A fault struck it there.
    #[serde(skip_serializing_if = "is_zero")]
    pub struck: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What the harness could not do, or see through within its time. Checks read these: a run
/// in which one of them stands is no pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "missed", rename_all = "snake_case")]
pub enum HarnessEvent {
    /// The cluster did not converge in time after the last fault was over.
    Convergence {
        /// Since the last fault was over.
        waited_us: u64,
        /// Where each node stands, in words.
        state: String,
    },
    /// Clients that were asked to stop still wait for answers.
    ClientsDone,
    /// The audit could not look at everything.
    Audit {
        /// What was left out, in plain words.
        why: String,
        /// All was answered, and there was more than the time was enough for.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        in_progress: bool,
    },
    /// With all quiet, replicas did not reach the same index.
    Level {
        /// How far each replica was, in words.
        state: String,
    },
    /// A change of the membership, or the replacement of a node that lost its data.
    Membership {
        /// The error or refusal, in words.
        why: String,
    },
    /// A fault that was in force could not be undone.
    Undo {
        /// Number of the fault in the plan, from 0.
        fault: usize,
        /// The error or refusal, in words.
        why: String,
    },
}

/// The steps of a load. Levels are users, or operations an hour, as `unit` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "load", rename_all = "snake_case")]
pub enum LoadEvent {
    /// A step begins; steps are numbered from 0. The load goes from one level to the other
    /// in a straight line, and then stays.
    Step {
        /// Number of the step, from 0.
        step: usize,
        /// What `from` and `to` count.
        unit: LoadUnit,
        /// Level at the step's begin, in `unit`.
        from: u64,
        /// Level at the end of the ramp, in `unit`.
        to: u64,
        /// How long the way from one level to the other takes; 0: a jump.
        ramp_us: u64,
    },
    /// The chaos phase ended before all operations that were asked for.
    Unfinished,
    /// A limit of a stress test is not kept or broken, because nobody here can tell.
    Unknown {
        /// Which one.
        limit: StressLimit,
    },
    /// A step broke a limit of a stress test. Times in microseconds, shares in millionths,
    /// memory in bytes.
    Broke {
        /// Number of the step that broke it, from 0.
        step: usize,
        /// The first that it broke.
        limit: StressLimit,
        /// What the step showed.
        measured: u64,
        /// What the limit allowed, in the unit of `measured`.
        allowed: u64,
    },
    /// The load is back at the first level, and was judged again by the same limits.
    Recovered {
        /// What is still broken, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        broken: Option<StressLimit>,
    },
}

/// What a level of load counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadUnit {
    /// Clients at work at the same time, each with one operation outstanding (closed loop).
    Users,
    /// Operations an hour, started by schedule (open loop).
    PerHour,
}

/// What can break under stress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StressLimit {
    /// Operations that failed or were never answered, of those that ended.
    ErrorRate,
    /// 99th percentile of latencies.
    P99,
    /// Operations that should have started and did not finish in their step.
    Unserved,
    /// Of the node that has the most.
    Memory,
    /// Of the busiest node.
    Cpu,
}

/// The life of a stream of invalidations, as its client sees it. Indexes are those of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum StreamEvent {
    /// It is open, and was asked for what changed after `from`; 0: from now on.
    Opened {
        /// Log index of the last change that the client knows.
        from: u64,
    },
    /// The entry changed these keys.
    Invalidated {
        /// Log index of the change.
        index: u64,
        /// Those that it may have changed.
        keys: Vec<String>,
    },
    /// Every key may have changed up to the entry.
    Flushed {
        /// Log index; changes up to it are covered.
        index: u64,
    },
    /// Everything up to the entry has been said.
    UpTo {
        /// Log index; later changes are still to be said.
        index: u64,
    },
    /// The stream broke or was closed: until another is open, the client's cache is blind.
    Ended {
        /// What ended it, in words.
        why: String,
    },
}

/// A part of a run. Phases come in this order, each at most once.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Clients work and nothing is broken, so that caches fill and a leader is found.
    Warmup,
    /// The plan's faults happen, under load.
    Chaos,
    /// Faults that are still in force are undone.
    Heal,
    /// Replicas catch up with each other, until all have the same index.
    Converge,
    /// Clients work on the healed cluster, to show that it serves again.
    Serve,
    /// What is left is read, so that losses can be told from delays.
    Audit,
    /// The run is over; the last event.
    End,
}

impl Phase {
    /// As in the history.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Warmup => "warmup",
            Phase::Chaos => "chaos",
            Phase::Heal => "heal",
            Phase::Converge => "converge",
            Phase::Serve => "serve",
            Phase::Audit => "audit",
            Phase::End => "end",
        }
    }
}

/// A fault's life. `fault` numbers the plan's faults from 0. What happens in turns (a flapping
/// link, a rolling restart, a crash loop) is installed and healed once for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultEvent {
    /// Its number in the plan, from 0.
    pub fault: usize,
    /// Written by its name; a name that is unknown makes a history unreadable.
    pub kind: FaultKind,
    /// Node names (roles resolved), or `a->b` for links.
    pub targets: Vec<String>,
    /// Members that a partition cuts off from a majority of the members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut_off: Vec<String>,
    /// How much faster it makes the targets' clocks run, in parts per million. Absent if it
    /// leaves their rate alone, and in histories of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_ppm: Option<i32>,
    /// What became of it.
    #[serde(flatten)]
    pub status: FaultStatus,
}

/// How a fault, or one turn of it, stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum FaultStatus {
    /// In force, and seen to be.
    Installed,
    /// Over, and seen to be.
    Healed,
    /// Not done, with the reason (a target that did not exist at that moment).
    Skipped {
        /// The reason, in words.
        why: String,
    },
    /// Tried, but its effect could not be seen.
    Uncertain {
        /// What was tried and what could not be seen, in words.
        why: String,
    },
}

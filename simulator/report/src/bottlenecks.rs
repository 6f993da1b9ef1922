//! Bottlenecks: what an operation's time goes into, and what to do about it.
//!
//! Every finding comes from one rule of `docs/bottlenecks.md` and quotes what was measured.
//! A stage is a bottleneck if it takes a large share of a service's time *and* takes long in
//! itself: something always takes the largest share, and the largest share of little is no
//! reason to change anything. A rule without evidence does not fire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_measure::QueueReport;
use squall_measure::{Breakdown, Measures, Resources, Stages};
use squall_objective::objective::Service;

use super::analysis::Leak;
use super::words::{count, duration};
use squall_objective::fixed::Percent;

/// Operations of a service that its stages must be means of.
const LEAST_OPERATIONS: u64 = 50;

/// A bottleneck, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bottleneck {
    /// What was recognised.
    pub rule: Rule,
    /// `lock`, `queue`, `cache`, or the name of a node.
    pub subject: String,
    /// How much it matters.
    pub priority: Priority,
    /// Of the subject's time, or of what it has.
    pub share: Percent,
    /// What was measured, a figure each.
    pub evidence: Vec<String>,
    /// What it does to clients, in a sentence.
    pub impact: String,
    /// Why it is there, in a sentence.
    pub cause: String,
    /// What to try, in a sentence.
    pub recommendation: String,
}

/// Ways in which a cluster is slow; see `docs/bottlenecks.md` for when each applies.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Writes wait for disks to sync.
    DiskSync,
    /// Writes wait for the way between nodes.
    Network,
    /// Operations are on the way between client and node.
    ClientNetwork,
    /// Writes wait for a majority, neither its disks nor the way to it.
    Consensus,
    /// Writes wait for the leader to propose and apply them.
    Processing,
    /// Clients wait for a lock that others hold.
    LockContention,
    /// Messages wait in a queue.
    Backlog,
    /// A node's processor is busy.
    Cpu,
    /// A node's memory grows.
    MemoryGrowth,
}

impl Rule {
    /// As in tables.
    pub fn title(self) -> &'static str {
        match self {
            Rule::DiskSync => "disk sync",
            Rule::Network => "network between nodes",
            Rule::ClientNetwork => "way between clients and nodes",
            Rule::Consensus => "consensus overhead",
            Rule::Processing => "processing on the leader",
            Rule::LockContention => "lock contention",
            Rule::Backlog => "consumers slower than producers",
            Rule::Cpu => "processor",
            Rule::MemoryGrowth => "growing memory",
        }
    }
}

/// High from 60 %, medium from 30 %.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// From 60 % of the time, or of what there is.
    High,
    /// From 30 %.
    Medium,
    /// Below that.
    Low,
}

impl Priority {
    fn of(share_ppm: u64) -> Self {
        match share_ppm {
            600_000.. => Priority::High,
            300_000.. => Priority::Medium,
            _ => Priority::Low,
        }
    }

    /// For a reader: `high`.
    pub fn label(self) -> &'static str {
        match self {
            Priority::High => "high",
            Priority::Medium => "medium",
            Priority::Low => "low",
        }
    }
}

/// When a stage is a bottleneck: both hold.
struct Threshold {
    rule: Rule,
    share_ppm: u64,
    mean_us: u64,
}

const THRESHOLDS: [Threshold; 6] = [
    threshold(Rule::DiskSync, 300_000, 5_000),
    threshold(Rule::Network, 300_000, 20_000),
    threshold(Rule::ClientNetwork, 300_000, 20_000),
    threshold(Rule::Consensus, 300_000, 10_000),
    threshold(Rule::Processing, 150_000, 2_000),
    threshold(Rule::LockContention, 400_000, 20_000),
];

const fn threshold(rule: Rule, share_ppm: u64, mean_us: u64) -> Threshold {
    Threshold {
        rule,
        share_ppm,
        mean_us,
    }
}

/// Mean load of one processor.
const BUSY_PPM: u64 = 800_000;
/// A backlog counts from this share of what was published, and this many messages, on.
const BACKLOG_PPM: u64 = 100_000;
const BACKLOG_LEAST: u64 = 100;

/// Highest priority first, then by share.
pub(super) fn bottlenecks(
    measures: &Measures,
    resources: Option<&Resources>,
    leaks: &[Leak],
) -> Vec<Bottleneck> {
    let breakdown = &measures.breakdown;
    let mut found = Vec::new();
    for (service, stages) in &breakdown.services {
        if stages.operations >= LEAST_OPERATIONS {
            let of = |threshold| of_stage(breakdown, *service, stages, threshold);
            found.extend(THRESHOLDS.iter().filter_map(of));
        }
    }
    found.extend(measures.totals.queue.as_ref().and_then(backlog));
    found.extend(resources.into_iter().flat_map(busy));
    found.extend(leaks.iter().map(leaking));
    found.sort_by(|a, b| {
        let key = |b: &Bottleneck| (b.priority, std::cmp::Reverse(b.share), b.rule);
        key(a).cmp(&key(b))
    });
    found
}

fn of_stage(
    breakdown: &Breakdown,
    service: Service,
    stages: &Stages,
    threshold: &Threshold,
) -> Option<Bottleneck> {
    let rule = threshold.rule;
    let mean_us = match rule {
        Rule::DiskSync => stages.disk_us,
        Rule::Network => stages.network_us,
        Rule::ClientNetwork => stages.travel_us,
        Rule::Consensus => stages.consensus_us,
        Rule::Processing => stages.held_us + stages.queued_us + stages.applied_us,
        // A message that is awaited is no contention.
        Rule::LockContention if service == Service::Lock => stages.waited_us,
        _ => return None,
    };
    // A node also worked on what its client no longer waited for.
    let mean_us = mean_us.min(stages.total_us);
    let share_ppm = (mean_us * 1_000_000).checked_div(stages.total_us)?;
    if share_ppm < threshold.share_ppm || mean_us < threshold.mean_us {
        return None;
    }
    let share = Percent::of(share_ppm);
    let name = service.name();
    let mut evidence = vec![format!(
        "{} of {} of a {name} operation, {share:.1} %, over {} operations",
        duration(mean_us),
        duration(stages.total_us),
        count(stages.operations),
    )];
    evidence.extend(further(breakdown, rule, stages));
    let rest_us = stages.total_us - mean_us;
    let (cause, recommendation) = advice(rule);
    Some(Bottleneck {
        rule,
        subject: name.into(),
        priority: Priority::of(share_ppm),
        share,
        evidence,
        impact: format!(
            "without it a {name} operation would take {} instead of {}",
            duration(rest_us),
            duration(stages.total_us)
        ),
        cause: cause.into(),
        recommendation: recommendation.into(),
    })
}

/// What else was measured and belongs to the rule.
fn further(breakdown: &Breakdown, rule: Rule, stages: &Stages) -> Option<String> {
    Some(match rule {
        Rule::DiskSync => format!(
            "{} syncs of {} each; a follower takes {} to make entries durable",
            count(breakdown.syncs),
            duration(breakdown.sync_us),
            duration(breakdown.follower_us),
        ),
        Rule::Network => format!(
            "{} calls to followers, {} each on the way there and back",
            count(breakdown.calls),
            duration(breakdown.round_trip_us),
        ),
        Rule::Consensus => format!(
            "a round trip between nodes takes {}, a follower's disk {}",
            duration(breakdown.round_trip_us),
            duration(breakdown.follower_us),
        ),
        Rule::Processing => format!(
            "{} before Raft took the write, {} until it was in the log, {} from commit to answer",
            duration(stages.held_us),
            duration(stages.queued_us),
            duration(stages.applied_us),
        ),
        Rule::LockContention => {
            let (name, us) = breakdown.busiest_lock.as_ref()?;
            format!(
                "lock {name} was waited for longest, {} in all",
                duration(*us)
            )
        }
        _ => return None,
    })
}

fn advice(rule: Rule) -> (&'static str, &'static str) {
    match rule {
        Rule::DiskSync => (
            "every write waits until a majority of disks has synced it",
            "disks with faster syncs (a write cache that survives power loss), or larger batches: \
             more clients at a time share a sync",
        ),
        Rule::Network => (
            "every write waits for a majority of nodes, every linearizable read for their word \
             that the leader still leads",
            "nodes closer to each other; reads with `READ LEASE` or a staleness bound where they \
             suffice, which need no round trip",
        ),
        Rule::ClientNetwork => (
            "operations take long to reach the node that answers them, or its answer to come back",
            "clients closer to the leader; several commands in one pipeline; near caches \
             (`CACHE.TRACK`) for what is read again and again",
        ),
        Rule::Consensus => (
            "beyond one round trip and one sync, writes wait for calls and batches before them, \
             or for a follower that lags",
            "a smaller quorum or a faster third node; fewer and larger writes (batches); check \
             whether faults or elections fell into the run",
        ),
        Rule::Processing => (
            "the leader holds writes before it proposes them, or is slow to apply them",
            "find what delays writes on the leader: a build that got slower, a busy processor, \
             writes that arrive while no leader is ready",
        ),
        Rule::LockContention => (
            "clients wait for locks that others hold",
            "shorter holds, more and finer locks, shared locks for readers",
        ),
        Rule::Backlog | Rule::Cpu | Rule::MemoryGrowth => {
            unreachable!("these rules are about no stage")
        }
    }
}

fn backlog(totals: &QueueReport) -> Option<Bottleneck> {
    let share_ppm = (totals.depth_end * 1_000_000).checked_div(totals.published)?;
    if totals.depth_end < BACKLOG_LEAST || share_ppm < BACKLOG_PPM {
        return None;
    }
    let share = Percent::of(share_ppm);
    Some(Bottleneck {
        rule: Rule::Backlog,
        subject: "queue".into(),
        priority: Priority::of(share_ppm),
        share,
        evidence: vec![format!(
            "{} of {} published messages, {share:.1} %, were not consumed at the end of serve; {} \
             at most",
            count(totals.depth_end),
            count(totals.published),
            count(totals.depth_max),
        )],
        impact: "messages wait the longer the longer the load lasts".into(),
        cause: "producers publish faster than consumers acknowledge".into(),
        recommendation: "more consumers, larger receives, shorter work on a message; a depth \
                         limit, if producers can wait"
            .into(),
    })
}

fn busy(resources: &Resources) -> Vec<Bottleneck> {
    let nodes = resources.nodes.iter();
    let busy = nodes.filter_map(|(node, used)| {
        let share = used.cpu.filter(|share| share.get() >= BUSY_PPM)?;
        Some(Bottleneck {
            rule: Rule::Cpu,
            subject: node.clone(),
            priority: Priority::of(share.get()),
            share,
            evidence: vec![format!("{share:.1} % of one processor on average")],
            impact: "operations queue for the processor, and more load only lengthens the queue"
                .into(),
            cause: "a node works on one thread, and that is nearly always busy".into(),
            recommendation: "a faster processor, fewer commands (batches, pipelines), or another \
                             cluster for a part of the keys"
                .into(),
        })
    });
    busy.collect()
}

fn leaking(leak: &Leak) -> Bottleneck {
    let share = Percent::of(leak.growth.0.max(0).unsigned_abs());
    Bottleneck {
        rule: Rule::MemoryGrowth,
        subject: leak.node.clone(),
        priority: Priority::of(share.get()),
        share,
        evidence: vec![leak.evidence.clone()],
        impact: "a run that lasts longer needs more memory, until there is none".into(),
        cause: "what is stored grows, or something is never given back".into(),
        recommendation: "lifetimes or a limit for cache keys, depth limits for queues; if the \
                         stored data does not grow, look for a leak"
            .into(),
    }
}

#[cfg(test)]
#[path = "bottlenecks_tests.rs"]
mod tests;

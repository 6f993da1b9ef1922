//! Recovery: how long after a new leader (or a healed node) all is well again.
//!
//! Three kinds, each over all leadership changes or faults of the run:
//!
//! *Throughput*: a new leader's first commit → the start of the first second in which
//! acknowledgements, over all services, come at 90 % of the warm-up's rate or more and at
//! least 99 % of the answers take no longer than twice their own service's warm-up p99.
//! Windows of one second begin at the new leader's first commit and slide by
//! [`STEP_US`]; a window must lie before the end of serve. The time counted is that to
//! the window's start: service was back then, the second itself proves that it lasted.
//! The search goes on past later faults, so a recovery that one of them interrupts ends
//! when clients were in fact served again.
//!
//! *Members*: a new leader's first commit → every node that was up at that moment has
//! reported that commit's index, or a later one, as committed, applied or installed from
//! a snapshot. Nodes silenced by a fault at that moment are the business of the next
//! kind.
//!
//! *Rejoin*: a fault healed → each node it had silenced has reported the highest index
//! that any node had reported as committed by then.
//!
//! Nodes report an index only every so many entries, so the last two are upper bounds.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::NodeEvent;

use super::baseline::Baselines;
use super::causes::is_silenced;
use super::distribution::{Times, sorted};
use super::election::{Election, NewLeader};
use super::faults::FaultSpan;
use super::timeline::{Span, Timeline, count_in};

/// Length of the window that proves recovery.
pub const WINDOW_US: u64 = 1_000_000;
/// How far the window slides.
pub const STEP_US: u64 = 10_000;

/// Durations of one kind of recovery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecoveryTimes {
    /// Those that the history shows.
    #[serde(flatten)]
    pub times: Times,
    /// Recoveries that the history does not show: never, or after its load had ended.
    pub unseen: u64,
}

/// See the head of this file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    /// New leader → service as in the warm-up for a second.
    pub throughput: RecoveryTimes,
    /// New leader → every node then up has caught up.
    pub members: RecoveryTimes,
    /// Fault healed → its nodes have caught up.
    pub rejoin: RecoveryTimes,
}

/// How long each recovery took, microseconds; `None`: the history does not show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recoveries {
    pub throughput: Vec<Option<u64>>,
    /// From the fault's effect instead of the new leader's first commit.
    pub after_fault: Vec<Option<u64>>,
    pub members: Vec<Option<u64>>,
    pub rejoin: Vec<Option<u64>>,
}

impl Recoveries {
    pub fn summary(&self) -> Recovery {
        Recovery {
            throughput: RecoveryTimes::of(&self.throughput),
            members: RecoveryTimes::of(&self.members),
            rejoin: RecoveryTimes::of(&self.rejoin),
        }
    }
}

impl RecoveryTimes {
    /// Of durations in microseconds; `None`: the history does not show it.
    pub fn of(us: &[Option<u64>]) -> Self {
        Self {
            times: Times::of(&sorted(us.iter().copied().flatten())),
            unseen: us.iter().filter(|us| us.is_none()).count() as u64,
        }
    }
}

pub fn recovery(
    timeline: &Timeline<'_>,
    baselines: &Baselines,
    spans: &[FaultSpan],
    elections: &[Option<Election>],
) -> Recoveries {
    let acks = Acks::of(timeline, baselines);
    let progress = Progress::of(timeline);
    // Two faults may share a new leader; it recovers once.
    let leaders: BTreeMap<u64, &NewLeader> = elections
        .iter()
        .flatten()
        .filter_map(|election| election.new_leader.as_ref())
        .map(|leader| (leader.term, leader))
        .collect();
    let healed = spans
        .iter()
        .filter(|span| !span.silenced().is_empty() && span.healed_us.is_some());
    let recovered = |leader: &NewLeader| acks.recovered(leader.at_us, baselines);
    let after_fault = |election: &Election| {
        Some(election.elected_us? + recovered(election.new_leader.as_ref()?)?)
    };
    let members = |leader: &&NewLeader| members(&progress, timeline, spans, leader);
    Recoveries {
        throughput: leaders.values().map(|leader| recovered(leader)).collect(),
        after_fault: elections.iter().flatten().map(after_fault).collect(),
        members: leaders.values().map(members).collect(),
        rejoin: healed.map(|span| rejoin(&progress, span)).collect(),
    }
}

/// Acknowledgements of the measured stretch, and those among them that were slow.
struct Acks {
    all: Vec<u64>,
    slow: Vec<u64>,
    end_us: u64,
}

impl Acks {
    fn of(timeline: &Timeline<'_>, baselines: &Baselines) -> Self {
        let is_slow = |at_us: u64, index: usize| {
            let sample = &timeline.samples[index];
            let limit = baselines.p99_us(sample.service).map(|p99_us| 2 * p99_us);
            let latency_us = at_us - sample.start_us;
            sample.patience_us == 0 && limit.is_some_and(|limit_us| latency_us > limit_us)
        };
        let slow = timeline
            .acks
            .iter()
            .filter(|(at_us, index)| is_slow(*at_us, *index));
        Self {
            all: timeline.ack_times(None),
            slow: slow.map(|(at_us, _)| *at_us).collect(),
            end_us: timeline
                .measured()
                .map_or(timeline.end_us, |measured| measured.to_us),
        }
    }

    fn recovered(&self, leader_us: u64, baselines: &Baselines) -> Option<u64> {
        if baselines.acked == 0 || baselines.span_us == 0 {
            return None;
        }
        let last_us = self.end_us.checked_sub(WINDOW_US)?;
        let enough = u128::from(baselines.acked) * u128::from(WINDOW_US) * 9;
        let mut from_us = leader_us;
        while from_us <= last_us {
            let window = Span {
                from_us,
                to_us: from_us + WINDOW_US,
            };
            let acked = count_in(&self.all, window);
            let fast = count_in(&self.slow, window) * 100 <= acked;
            if fast && u128::from(acked) * u128::from(baselines.span_us) * 10 >= enough {
                return Some(from_us - leader_us);
            }
            from_us += STEP_US;
        }
        None
    }
}

/// The index that each node had reached, by its own reports; `None` once its process has
/// ended.
struct Progress<'a> {
    nodes: BTreeMap<&'a str, Vec<(u64, Option<u64>)>>,
}

impl<'a> Progress<'a> {
    fn of(timeline: &Timeline<'a>) -> Self {
        let mut nodes: BTreeMap<&str, Vec<(u64, Option<u64>)>> = BTreeMap::new();
        for report in &timeline.reports {
            let reached = nodes.entry(report.node).or_default();
            let index = match report.event {
                NodeEvent::Stopped { .. } => None,
                NodeEvent::Started { applied: index, .. }
                | NodeEvent::FirstCommit { index, .. }
                | NodeEvent::Applied { index, .. }
                | NodeEvent::Committed { index, .. }
                | NodeEvent::SnapshotInstalled { index, .. } => Some(*index),
                _ => continue,
            };
            reached.push((report.at_us, index));
        }
        Self { nodes }
    }

    /// When the node, from a moment on, had reached the index.
    fn reached(&self, node: &str, index: u64, from_us: u64) -> Option<u64> {
        let reports = self.nodes.get(node)?;
        let later = reports.partition_point(|(at_us, _)| *at_us <= from_us);
        if later > 0 && reports[later - 1].1 >= Some(index) {
            return Some(from_us);
        }
        reports[later..]
            .iter()
            .find(|(_, reached)| *reached >= Some(index))
            .map(|(at_us, _)| *at_us)
    }

    /// Whether the node's last word by then was not that its process had ended.
    fn is_running(&self, node: &str, at_us: u64) -> bool {
        self.nodes.get(node).is_some_and(|reports| {
            let later = reports.partition_point(|(reported_us, _)| *reported_us <= at_us);
            later == 0 || reports[later - 1].1.is_some()
        })
    }

    /// The highest index that any node had reported by then.
    fn highest(&self, at_us: u64) -> u64 {
        let by_then = |reports: &Vec<(u64, Option<u64>)>| {
            let later = reports.partition_point(|(reported_us, _)| *reported_us <= at_us);
            reports[..later]
                .iter()
                .filter_map(|(_, index)| *index)
                .max()
        };
        self.nodes.values().filter_map(by_then).max().unwrap_or(0)
    }
}

fn members(
    progress: &Progress<'_>,
    timeline: &Timeline<'_>,
    spans: &[FaultSpan],
    leader: &NewLeader,
) -> Option<u64> {
    let silenced = |node: &str| {
        spans
            .iter()
            .any(|span| is_silenced(&timeline.reports, span, node, leader.at_us))
    };
    progress
        .nodes
        .keys()
        .filter(|node| progress.is_running(node, leader.at_us) && !silenced(node))
        .map(|node| progress.reached(node, leader.index, leader.at_us))
        .try_fold(0, |latest, reached| {
            Some(latest.max(reached? - leader.at_us))
        })
}

fn rejoin(progress: &Progress<'_>, span: &FaultSpan) -> Option<u64> {
    let healed_us = span.healed_us.expect("only healed faults rejoin");
    let index = progress.highest(healed_us);
    let nodes: BTreeSet<_> = span.silenced().iter().collect();
    nodes
        .into_iter()
        .map(|node| progress.reached(node, index, healed_us))
        .try_fold(0, |latest, reached| Some(latest.max(reached? - healed_us)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::election::elections;
    use crate::faults::spans;
    use crate::testing::Script;
    use squall_history::{History, Phase};
    use squall_objective::fixed::Ms;

    const SECOND: u64 = 1_000_000;

    fn measured(history: &History) -> Recovery {
        let timeline = Timeline::of(history);
        let spans = spans(history);
        let causes = crate::causes::causes(&timeline, &spans);
        let elections = elections(&timeline, &spans, &causes);
        recovery(&timeline, &Baselines::of(&timeline), &spans, &elections).summary()
    }

    fn applied(index: u64) -> NodeEvent {
        NodeEvent::Applied {
            term: 2,
            index,
            digest: "d".into(),
            state: None,
        }
    }

    /// A get every 10 ms in warm-up; at 2 s node-1 is killed and node-2 leads from 3 s on.
    fn script() -> Script {
        let mut script = Script::new();
        script
            .phase(0, Phase::Warmup)
            .phase(2 * SECOND, Phase::Chaos);
        script.phase(10 * SECOND, Phase::Audit);
        script.leader(0, "node-1", 1, 10);
        script.gets(0, 2 * SECOND, 10_000, 5_000);
        script.fault(0, "kill", &["node-1"], 2 * SECOND, Some(6 * SECOND));
        script.node(
            2 * SECOND,
            "node-1",
            NodeEvent::Stopped {
                why: "killed".into(),
            },
        );
        script.leader(2_900_000, "node-2", 2, 3 * SECOND);
        script
    }

    #[test]
    fn throughput_is_back_when_a_second_of_it_is_fast_and_dense_again() {
        let mut script = script();
        // Half the rate, then slow, then normal from 5 s on.
        script.gets(3 * SECOND, 4 * SECOND, 20_000, 5_000);
        script.gets(4 * SECOND, 5 * SECOND, 10_000, 50_000);
        script.gets(5 * SECOND, 9 * SECOND, 10_000, 5_000);
        let throughput = measured(&script.end(11 * SECOND)).throughput;
        // At 5.040 s one slow answer of 5.040 s is left in the window, which is 1 %.
        assert_eq!(throughput.times.max, Some(Ms::of(2_040_000)));
        assert_eq!((throughput.times.count, throughput.unseen), (1, 0));
    }

    #[test]
    fn throughput_that_never_returns_is_unseen() {
        let mut script = script();
        script.gets(3 * SECOND, 9 * SECOND, 20_000, 5_000);
        let throughput = measured(&script.end(11 * SECOND)).throughput;
        assert_eq!((throughput.times.count, throughput.unseen), (0, 1));
    }

    #[test]
    fn members_are_the_nodes_up_at_the_first_commit() {
        let mut script = script();
        script.node(SECOND, "node-3", applied(12));
        script.node(3_200_000, "node-3", applied(19));
        script.node(3_500_000, "node-3", applied(25));
        let recovery = measured(&script.end(11 * SECOND));
        assert_eq!(recovery.members.times.max, Some(Ms::of(500_000)));
        assert_eq!(
            recovery.rejoin,
            RecoveryTimes {
                unseen: 1,
                ..RecoveryTimes::default()
            }
        );
    }

    #[test]
    fn nodes_that_a_partition_cut_off_rejoin() {
        let mut script = Script::new();
        script
            .phase(0, Phase::Warmup)
            .phase(2 * SECOND, Phase::Chaos);
        script.leader(0, "node-1", 1, 10);
        let all = ["node-1", "node-2", "node-3"];
        script.partition(&all, &["node-1"], 2 * SECOND, Some(6 * SECOND));
        script.leader(2_900_000, "node-2", 2, 3 * SECOND);
        script.node(3_100_000, "node-3", applied(20));
        script.node(6_300_000, "node-1", applied(20));
        let recovery = measured(&script.end(11 * SECOND));
        assert_eq!(recovery.members.times.max, Some(Ms::of(100_000)));
        assert_eq!(recovery.rejoin.times.max, Some(Ms::of(300_000)));
        assert_eq!(recovery.rejoin.times.count, 1);
    }

    #[test]
    fn a_healed_node_rejoins_when_it_has_what_was_committed() {
        let mut script = script();
        script.node(5 * SECOND, "node-2", applied(90));
        script.node(
            6_100_000,
            "node-1",
            NodeEvent::Started {
                last_log: 12,
                applied: 10,
            },
        );
        script.node(
            6_400_000,
            "node-1",
            NodeEvent::SnapshotInstalled { term: 2, index: 80 },
        );
        script.node(6_700_000, "node-1", applied(95));
        let recovery = measured(&script.end(11 * SECOND));
        assert_eq!(recovery.rejoin.times.max, Some(Ms::of(700_000)));
        assert_eq!(recovery.members.times.max, Some(Ms::of(0)));
    }
}

//! Marks of the cluster: elections, leaders, snapshots, processes and faults.

use std::collections::{BTreeMap, BTreeSet};

use super::{CoverageMark, MarkInput};
use crate::timeline::Reported;
use squall_history::NodeEvent;

pub(super) const MARKS: [CoverageMark; 14] = [
    CoverageMark {
        name: "split_vote",
        about: "two nodes or more stood for election in a term, and none of them won it",
        count: split_votes,
    },
    CoverageMark {
        name: "rivals_for_a_term",
        about: "two nodes or more stood for election in a term, and one of them won it",
        count: rivals,
    },
    CoverageMark {
        name: "leader_lost_before_first_commit",
        about: "a new leader was lost before it committed anything",
        count: stillborn,
    },
    CoverageMark {
        name: "two_leaders_at_once",
        about: "a leader began its term while the one before had not noticed its own end",
        count: two_leaders,
    },
    CoverageMark {
        name: "leader_reelected",
        about: "the node that had lost the leadership was the next to win it",
        count: reelected,
    },
    CoverageMark {
        name: "leader_lost_without_fault",
        about: "a leader was lost, and no fault had taken it away",
        count: lost_without_fault,
    },
    CoverageMark {
        name: "quorum_down",
        about: "too few processes ran to elect a leader",
        count: |input| times_down(input, |running, nodes| running <= nodes / 2),
    },
    CoverageMark {
        name: "cluster_down",
        about: "no process ran at all",
        count: |input| times_down(input, |running, _| running == 0),
    },
    CoverageMark {
        name: "restart_without_leader",
        about: "a process started again while there was no leader",
        count: restarts_without_leader,
    },
    CoverageMark {
        name: "fault_without_leader",
        about: "a fault took effect while there was no leader",
        count: faults_without_leader,
    },
    CoverageMark {
        name: "overlapping_faults",
        about: "a fault took effect while another was in force",
        count: overlapping_faults,
    },
    CoverageMark {
        name: "snapshot_under_fault",
        about: "a node made a snapshot while a fault was in force",
        count: snapshots_under_fault,
    },
    CoverageMark {
        name: "snapshot_installed",
        about: "a node that had fallen behind was given a snapshot",
        count: |input| installs(input).count() as u64,
    },
    CoverageMark {
        name: "leader_elected_during_snapshot_transfer",
        about: "a leader was elected after a node had come back and before its snapshot arrived",
        count: elected_during_transfer,
    },
];

/// Candidates of each term, pre-votes not counted.
fn candidates<'a>(input: &MarkInput<'a>) -> BTreeMap<u64, BTreeSet<&'a str>> {
    let mut candidates: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for report in &input.timeline.reports {
        if let NodeEvent::Election {
            term,
            pre_vote: false,
        } = report.event
        {
            candidates.entry(*term).or_default().insert(report.node);
        }
    }
    candidates
}

fn contested(input: &MarkInput, won: bool) -> u64 {
    let leaderships = &input.timeline.leaderships;
    let terms = candidates(input).into_iter();
    let terms = terms.filter(|(_, nodes)| nodes.len() > 1);
    let terms = terms.filter(|(term, _)| {
        leaderships
            .iter()
            .any(|leadership| leadership.term == *term)
            == won
    });
    terms.count() as u64
}

fn split_votes(input: &MarkInput) -> u64 {
    contested(input, false)
}

fn rivals(input: &MarkInput) -> u64 {
    contested(input, true)
}

fn stillborn(input: &MarkInput) -> u64 {
    let leaderships = input.timeline.leaderships.iter();
    let lost = leaderships
        .filter(|leadership| leadership.until_us.is_some() && leadership.first_commit_us.is_none());
    lost.count() as u64
}

fn two_leaders(input: &MarkInput) -> u64 {
    let reports = &input.timeline.reports;
    let pairs = input.timeline.leaderships.windows(2);
    let unaware = pairs.filter(|pair| {
        let (old, new) = (&pair[0], &pair[1]);
        let noticed = |report: &Reported| {
            report.node == old.node
                && (old.from_us..=new.from_us).contains(&report.at_us)
                && match report.event {
                    NodeEvent::Stopped { .. } => true,
                    NodeEvent::Follower { term, .. } => *term >= old.term,
                    _ => false,
                }
        };
        old.node != new.node && !reports.iter().any(noticed)
    });
    unaware.count() as u64
}

fn reelected(input: &MarkInput) -> u64 {
    let pairs = input.timeline.leaderships.windows(2);
    pairs.filter(|pair| pair[0].node == pair[1].node).count() as u64
}

fn lost_without_fault(input: &MarkInput) -> u64 {
    let leaderships = input.timeline.leaderships.iter();
    let lost = leaderships.zip(input.causes);
    lost.filter(|(leadership, cause)| leadership.until_us.is_some() && cause.is_none())
        .count() as u64
}

/// How often the processes came to be as few as `is_too_few` says, given how many run and
/// how many there are.
fn times_down(input: &MarkInput, is_too_few: fn(usize, usize) -> bool) -> u64 {
    let reports = &input.timeline.reports;
    let nodes: BTreeSet<&str> = reports.iter().map(|report| report.node).collect();
    let mut running = BTreeSet::new();
    let (mut formed, mut was_down, mut times) = (false, false, 0);
    for report in reports {
        match report.event {
            NodeEvent::Started { .. } => running.insert(report.node),
            NodeEvent::Stopped { .. } => running.remove(report.node),
            _ => continue,
        };
        formed |= running.len() == nodes.len();
        let is_down = is_too_few(running.len(), nodes.len());
        times += u64::from(formed && is_down && !was_down);
        was_down = is_down;
    }
    times
}

fn restarts_without_leader(input: &MarkInput) -> u64 {
    let reports = input.timeline.reports.iter();
    let starts = reports.filter(|report| matches!(report.event, NodeEvent::Started { .. }));
    starts
        .filter(|report| input.is_vacant(report.at_us))
        .count() as u64
}

fn faults_without_leader(input: &MarkInput) -> u64 {
    let installed = input.spans.iter().filter_map(|span| span.installed_us);
    // The fault that takes the leader away is at the very beginning of the interval.
    let during = |at_us: u64| {
        let within = |interval: &super::Span| interval.from_us < at_us && at_us < interval.to_us;
        input.leaderless.iter().any(within)
    };
    installed.filter(|at_us| during(*at_us)).count() as u64
}

fn overlapping_faults(input: &MarkInput) -> u64 {
    let spans = input.spans.iter().enumerate();
    let begun = spans.filter_map(|(index, span)| Some((index, span.installed_us?)));
    let overlapping = begun.filter(|(index, at_us)| {
        let before = input.spans[..*index].iter();
        before.clone().any(|other| other.is_in_force(*at_us))
    });
    overlapping.count() as u64
}

fn snapshots_under_fault(input: &MarkInput) -> u64 {
    let reports = input.timeline.reports.iter();
    let made = reports.filter(|report| matches!(report.event, NodeEvent::Snapshot { .. }));
    made.filter(|report| input.is_faulty(report.at_us)).count() as u64
}

fn installs<'a>(input: &'a MarkInput) -> impl Iterator<Item = &'a Reported<'a>> {
    let reports = input.timeline.reports.iter();
    reports.filter(|report| matches!(report.event, NodeEvent::SnapshotInstalled { .. }))
}

/// Nodes do not say when a transfer begins, but it cannot before the node is back: started,
/// or no longer cut off.
fn elected_during_transfer(input: &MarkInput) -> u64 {
    let during = installs(input).filter(|install| {
        let reports = input.timeline.reports.iter();
        let starts = reports.filter(|report| {
            report.node == install.node
                && report.at_us <= install.at_us
                && matches!(report.event, NodeEvent::Started { .. })
        });
        let healed = input.spans.iter().filter(|span| span.names(install.node));
        let healed = healed.filter_map(|span| span.healed_us);
        let back = starts.map(|report| report.at_us).chain(healed);
        let back_us = back.filter(|at_us| *at_us <= install.at_us).max();
        back_us.is_some_and(|back_us| input.leader_changed(back_us, install.at_us))
    });
    during.count() as u64
}

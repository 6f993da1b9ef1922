//! Detection and election: how long a fault left the cluster without a leader.
//!
//! Detection time: the fault takes effect → the first surviving node starts an election
//! (pre-vote rounds are elections). Election time: the fault takes effect → a leader of a
//! higher term than the one in force has committed its first entry (Raft dissertation
//! §3.6.2: only then may it serve).
//!
//! Which fault cost the cluster its leader is decided as follows. A lost leadership is
//! charged to at most one fault, and a fault is charged at most once, with the first.
//! The candidates are the faults that took effect during that leadership and were still
//! in force when it was lost, or healed at most [`GRACE_US`] before (a short pause is over
//! before the timers that it set off). Among them:
//!
//! 1. the *earliest* that silenced the leader's node, since nothing that follows can
//!    silence it more; else
//! 2. the *latest* that named the leader's node (a slow link, a slow disk); else
//! 3. the *latest* of all (a lost quorum, a partition).
//!
//! What follows from it: a fault installed while there is no leader is charged with
//! nothing, and the wait it prolongs is in the figure of the fault that began it. An
//! election that a second fault cuts short counts for both, each from its own beginning,
//! as clients did wait that long. With the whole cluster down, election time counts from
//! the fault, so it holds the outage, and detection is the first election of a restarted
//! node. A graceful stop that hands leadership over before it takes effect costs no
//! leader and has no figures; if the handover comes after, its figures are the handover's.

use std::collections::BTreeSet;

use squall_fault::kind::Silence;
use squall_history::NodeEvent;

use super::faults::FaultSpan;
use super::timeline::{Leadership, Reported, Timeline};

/// How long after its healing a fault still answers for the loss of a leader, and how
/// long an attempt at election counts as going on. Several times any sensible election
/// timeout.
pub const GRACE_US: u64 = 2_000_000;

/// The leadership change that a fault caused. Durations count from the fault's effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    pub old_leader: String,
    pub old_term: u64,
    pub detected_us: Option<u64>,
    /// `None` when no new leader committed anything before the history ended.
    pub elected_us: Option<u64>,
    /// The new leader, its term, and time and index of its first commit.
    pub new_leader: Option<NewLeader>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLeader {
    pub node: String,
    pub term: u64,
    pub at_us: u64,
    pub index: u64,
}

/// The leadership change of each fault, in the order of the faults.
pub fn elections(timeline: &Timeline<'_>, spans: &[FaultSpan]) -> Vec<Option<Election>> {
    let mut elections = vec![None; spans.len()];
    for leadership in &timeline.leaderships {
        let Some(lost_us) = leadership.until_us else {
            continue;
        };
        if let Some(index) = cause_of(spans, &elections, leadership, lost_us) {
            elections[index] = Some(election(timeline, spans, index, leadership));
        }
    }
    elections
}

fn cause_of(
    spans: &[FaultSpan],
    attributed: &[Option<Election>],
    leadership: &Leadership,
    lost_us: u64,
) -> Option<usize> {
    let candidate = |span: &FaultSpan| {
        let during = span
            .installed_us
            .is_some_and(|at| leadership.from_us <= at && at <= lost_us);
        during
            && span
                .healed_us
                .is_none_or(|healed_us| healed_us + GRACE_US >= lost_us)
    };
    let candidates: Vec<usize> = (0..spans.len())
        .filter(|i| attributed[*i].is_none() && candidate(&spans[*i]))
        .collect();
    let names_leader = |i: &&usize| spans[**i].names(&leadership.node);
    let silences_leader =
        |i: &&usize| names_leader(i) && spans[**i].kind.info().silence != Silence::None;
    let begun = |i: &&usize| spans[**i].installed_us;
    let earliest_silencing = candidates.iter().filter(silences_leader).min_by_key(begun);
    earliest_silencing
        .or_else(|| candidates.iter().filter(names_leader).max_by_key(begun))
        .or_else(|| candidates.iter().max_by_key(begun))
        .copied()
}

fn election(
    timeline: &Timeline<'_>,
    spans: &[FaultSpan],
    index: usize,
    leadership: &Leadership,
) -> Election {
    let at_us = spans[index]
        .installed_us
        .expect("only faults in effect are charged");
    let new_leader = timeline
        .leaderships
        .iter()
        .filter(|next| next.term > leadership.term)
        .filter_map(|next| {
            Some(NewLeader {
                node: next.node.clone(),
                term: next.term,
                at_us: next
                    .first_commit_us
                    .filter(|commit_us| *commit_us >= at_us)?,
                index: next.first_commit_index?,
            })
        })
        .min_by_key(|leader| leader.at_us);
    let until_us = new_leader
        .as_ref()
        .map_or(timeline.end_us, |leader| leader.at_us);
    let detected_at = detection(&timeline.reports, spans, at_us, until_us);
    Election {
        old_leader: leadership.node.clone(),
        old_term: leadership.term,
        detected_us: detected_at.map(|detected_at| detected_at - at_us),
        elected_us: new_leader.as_ref().map(|leader| leader.at_us - at_us),
        new_leader,
    }
}

/// Time of the first election that a surviving node starts within the stretch. A node that
/// was already at it before (cut off by an earlier fault, say) detects nothing new, so it
/// counts only if no other node ever starts.
fn detection(
    reports: &[Reported<'_>],
    spans: &[FaultSpan],
    from_us: u64,
    until_us: u64,
) -> Option<u64> {
    let busy = electing_at(reports, from_us);
    let first = reports.partition_point(|r| r.at_us < from_us);
    let last = reports.partition_point(|r| r.at_us <= until_us);
    let started: Vec<_> = reports[first..last]
        .iter()
        .filter(|r| matches!(r.event, NodeEvent::Election { .. }))
        .filter(|r| {
            !spans
                .iter()
                .any(|span| is_silenced(reports, span, r.node, r.at_us))
        })
        .collect();
    let fresh = started.iter().find(|r| !busy.contains(r.node));
    fresh.or(started.first()).map(|r| r.at_us)
}

/// The nodes whose last word before `at_us` was a recent attempt at election.
fn electing_at<'a>(reports: &[Reported<'a>], at_us: u64) -> BTreeSet<&'a str> {
    let mut electing = BTreeSet::new();
    let before = reports.partition_point(|r| r.at_us < at_us);
    let recent = reports.partition_point(|r| r.at_us + GRACE_US < at_us);
    for report in &reports[recent..before] {
        match report.event {
            NodeEvent::Election { .. } => {
                electing.insert(report.node);
            }
            NodeEvent::Voted { candidate, .. } if candidate == report.node => {}
            NodeEvent::Voted { .. }
            | NodeEvent::Leader { .. }
            | NodeEvent::Started { .. }
            | NodeEvent::Follower {
                leader: Some(_), ..
            } => {
                electing.remove(report.node);
            }
            _ => {}
        }
    }
    electing
}

/// Whether a fault keeps the node down or unheard at that time.
pub fn is_silenced(reports: &[Reported<'_>], span: &FaultSpan, node: &str, at_us: u64) -> bool {
    let Some(from_us) = span.installed_us else {
        return false;
    };
    if at_us < from_us || !span.names(node) {
        return false;
    }
    let healed = span.healed_us.is_some_and(|healed_us| healed_us <= at_us);
    let restarted = || {
        let first = reports.partition_point(|r| r.at_us <= from_us);
        let last = reports.partition_point(|r| r.at_us <= at_us);
        reports[first..last]
            .iter()
            .any(|r| r.node == node && matches!(r.event, NodeEvent::Started { .. }))
    };
    match span.kind.info().silence {
        Silence::None => false,
        _ if healed => false,
        Silence::Process => !restarted(),
        Silence::CutOff => true,
        Silence::Turns => is_away(reports, node, at_us),
    }
}

/// Whether the last that was heard of the node's process is its end.
fn is_away(reports: &[Reported<'_>], node: &str, at_us: u64) -> bool {
    let last = reports.partition_point(|r| r.at_us <= at_us);
    let of_node = reports[..last].iter().rev().filter(|r| r.node == node);
    of_node
        .filter_map(|r| match r.event {
            NodeEvent::Stopped { .. } => Some(true),
            NodeEvent::Started { .. } => Some(false),
            _ => None,
        })
        .next()
        .unwrap_or(false)
}

#[cfg(test)]
#[path = "election_tests.rs"]
mod tests;

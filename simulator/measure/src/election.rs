//! Detection and election: how long a fault left the cluster without a leader.
//!
//! Detection time: the fault takes effect → the first surviving node starts an election
//! (pre-vote rounds are elections). Election time: the fault takes effect → a leader of a
//! higher term than the one in force has committed its first entry (Raft dissertation
//! §3.6.2: only then may it serve).
//!
//! Which fault cost the cluster its leader is decided by [`super::causes`]. A fault is charged
//! with the first leader that it took away. What follows from that: a fault installed while
//! there is no leader is charged with nothing, and the wait it prolongs is in the figure of the
//! fault that began it. An election that a second fault cuts short counts for both, each from
//! its own beginning, as clients did wait that long. With the whole cluster down, election time
//! counts from the fault, so it holds the outage, and detection is the first election of a
//! restarted node.

use std::collections::BTreeSet;

use squall_history::NodeEvent;

use super::causes::{Cause, GRACE_US, is_silenced};
use super::faults::FaultSpan;
use super::timeline::{Leadership, Reported, Timeline};

/// The leadership change that a fault caused. Durations count from the fault's effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    /// Who led before.
    pub old_leader: String,
    /// Its term.
    pub old_term: u64,
    /// Until a surviving node started an election; `None`: nobody did.
    pub detected_us: Option<u64>,
    /// `None` when no new leader committed anything before the history ended.
    pub elected_us: Option<u64>,
    /// The new leader, its term, and time and index of its first commit.
    pub new_leader: Option<NewLeader>,
}

/// Who leads afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLeader {
    /// As in the list of nodes: `node-1`.
    pub node: String,
    /// Later than the old one.
    pub term: u64,
    /// Of its first commit, from the fault's effect.
    pub at_us: u64,
    /// Log index of its first commit.
    pub index: u64,
}

/// The leadership change of each fault, in the order of the faults; `causes` says what ended
/// each leadership.
pub fn elections(
    timeline: &Timeline<'_>,
    spans: &[FaultSpan],
    causes: &[Option<Cause>],
) -> Vec<Option<Election>> {
    let mut elections = vec![None; spans.len()];
    for (leadership, cause) in timeline.leaderships.iter().zip(causes) {
        if let Some(cause) = cause.filter(|cause| elections[cause.span].is_none()) {
            elections[cause.span] = Some(election(timeline, spans, cause.at_us, leadership));
        }
    }
    elections
}

fn election(
    timeline: &Timeline<'_>,
    spans: &[FaultSpan],
    at_us: u64,
    leadership: &Leadership,
) -> Election {
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

#[cfg(test)]
#[path = "election_tests.rs"]
mod tests;

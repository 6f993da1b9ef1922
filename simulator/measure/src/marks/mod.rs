//! Marks: named situations, and how often a run met them.
//!
//! A run that passes has shown something only about the situations that it went through. A
//! mark names one that is hard to come by (a split vote, a session that expires during a
//! failover), is found by a pure function of the history, and is counted, so that a sweep can
//! say what its seeds exercised and, more important, what they did not.
//!
//! A mark is no verdict: meeting one is neither good nor bad. Situations that a history does
//! not show have no mark; dead-lettering is one, since clients do not see it.
//!
//! Source: the `sometimes` assertions of deterministic simulation testing, and the coverage
//! marks (`cov-mark`) of rust-analyzer.

mod clients;
pub mod points;
mod raft;

use std::collections::BTreeMap;

use super::causes::Cause;
use super::downtime::Gap;
use super::faults::FaultSpan;
use super::timeline::{Span, Timeline};
use squall_history::History;

/// A situation worth meeting.
pub struct CoverageMark {
    /// As in `report.json`.
    pub name: &'static str,
    /// What happened, in one line.
    pub about: &'static str,
    count: fn(&MarkInput) -> u64,
}

/// Every mark, those of the cluster first.
pub fn all() -> impl Iterator<Item = &'static CoverageMark> {
    raft::MARKS.iter().chain(&clients::MARKS)
}

/// How often the run met each mark, by name; those of points only if it counted any.
pub fn count(
    history: &History,
    timeline: &Timeline,
    spans: &[FaultSpan],
    causes: &[Option<Cause>],
    gaps: &[Gap],
) -> BTreeMap<String, u64> {
    let input = MarkInput {
        timeline,
        spans,
        causes,
        gaps,
        leaderless: leaderless(timeline),
    };
    let counted = all().map(|mark| (mark.name.to_owned(), (mark.count)(&input)));
    counted.chain(points::count(history)).collect()
}

/// What marks look at.
struct MarkInput<'a> {
    timeline: &'a Timeline<'a>,
    spans: &'a [FaultSpan],
    /// Of each leadership.
    causes: &'a [Option<Cause>],
    gaps: &'a [Gap],
    /// From the loss of a leader to the first commit of a later one.
    leaderless: Vec<Span>,
}

impl MarkInput<'_> {
    fn is_vacant(&self, at_us: u64) -> bool {
        let within = |interval: &Span| (interval.from_us..interval.to_us).contains(&at_us);
        self.leaderless.iter().any(within)
    }

    /// Whether there was a time without a leader within the stretch.
    fn is_vacant_within(&self, from_us: u64, to_us: u64) -> bool {
        let meets = |interval: &Span| interval.from_us < to_us && from_us < interval.to_us;
        self.leaderless.iter().any(meets)
    }

    /// Whether another leadership began after `from_us` and not after `to_us`.
    fn leader_changed(&self, from_us: u64, to_us: u64) -> bool {
        let begins = |begun_us: u64| from_us < begun_us && begun_us <= to_us;
        let leaderships = self.timeline.leaderships.iter();
        leaderships
            .skip(1)
            .any(|leadership| begins(leadership.from_us))
    }

    /// Whether a fault is in force.
    fn is_faulty(&self, at_us: u64) -> bool {
        self.spans.iter().any(|span| span.is_in_force(at_us))
    }
}

fn leaderless(timeline: &Timeline) -> Vec<Span> {
    let leaderships = &timeline.leaderships;
    let lost = leaderships.iter().enumerate();
    let lost = lost.filter_map(|(index, leadership)| Some((index, leadership.until_us?)));
    lost.map(|(index, from_us)| {
        let next = leaderships[index + 1..]
            .iter()
            .find_map(|r| r.first_commit_us);
        Span {
            from_us,
            to_us: next.unwrap_or(timeline.end_us),
        }
    })
    .collect()
}

#[cfg(test)]
mod tests;

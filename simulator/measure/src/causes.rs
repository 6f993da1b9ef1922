//! Causes: which fault took each leader away, if any did.
//!
//! A leadership is lost to at most one fault. In this order:
//!
//! 1. the *earliest* that took away its node (ended or stopped its process, made it stand
//!    still, cut it off from a majority, removed it from the cluster, or had it hand over)
//!    while it led, since nothing that follows can take it away more;
//! 2. the fault that took the last node without which there is *no majority*;
//! 3. the *latest* that made its node's links or disk worse without silencing it, while it led.
//!
//! A fault answers for as long as it is in force, and for [`GRACE_US`] after it: a short pause
//! is over before the timers that it set off. A transfer answers for the change to the node
//! that it names. Everything else (a clock set wrong, clients that vanish, a fault of another
//! node) takes no leader away: such a leader was lost to nothing.

use std::collections::BTreeSet;

use squall_fault::FaultKind;
use squall_fault::kind::{Group, Silence};
use squall_history::NodeEvent;

use super::faults::FaultSpan;
use super::timeline::{Leadership, Reported, Timeline};

/// How long after its healing a fault still answers for the loss of a leader, and how
/// long an attempt at election counts as going on. Several times any sensible election
/// timeout.
pub const GRACE_US: u64 = 2_000_000;

/// What a leader was lost to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// Which of the faults.
    pub span: usize,
    /// When it took effect on the node that counted.
    pub at_us: u64,
}

/// What each leadership was lost to, in their order; `None` also of one still in force.
pub fn causes(timeline: &Timeline<'_>, spans: &[FaultSpan]) -> Vec<Option<Cause>> {
    let leaderships = timeline.leaderships.iter().enumerate();
    let cause_of = |(index, leadership): (usize, &Leadership)| {
        let lost_us = leadership.until_us?;
        let next = timeline.leaderships.get(index + 1);
        let loss = Loss {
            timeline,
            spans,
            leadership,
            lost_us,
            next: next.map(|next| next.node.as_str()),
        };
        let taken = loss.taken_away();
        taken
            .or_else(|| loss.without_majority())
            .or_else(|| loss.made_worse())
    };
    leaderships.map(cause_of).collect()
}

/// The loss of one leader.
struct Loss<'a> {
    timeline: &'a Timeline<'a>,
    spans: &'a [FaultSpan],
    leadership: &'a Leadership,
    lost_us: u64,
    /// Who led next.
    next: Option<&'a str>,
}

impl Loss<'_> {
    fn in_effect(&self) -> impl Iterator<Item = (usize, &FaultSpan, u64)> {
        let spans = self.spans.iter().enumerate();
        spans.filter_map(|(index, span)| Some((index, span, span.installed_us?)))
    }

    /// Whether the fault still answers for what happened when the leader was lost.
    fn answers(&self, span: &FaultSpan) -> bool {
        let healed_us = span.healed_us.unwrap_or(u64::MAX);
        healed_us.saturating_add(GRACE_US) >= self.lost_us
    }

    fn within(&self, at_us: u64) -> bool {
        (self.leadership.from_us..=self.lost_us).contains(&at_us)
    }

    fn taken_away(&self) -> Option<Cause> {
        let node = self.leadership.node.as_str();
        let taken = self.in_effect().filter_map(|(index, span, installed_us)| {
            let takes = match span.kind {
                FaultKind::Transfer => self.next.is_some_and(|next| span.names(next)),
                FaultKind::RemoveMember | FaultKind::ReplaceMember => span.names(node),
                _ => span.silences(node),
            };
            let at_us = effect_us(&self.timeline.reports, span, node, installed_us);
            // One that is asked to stop may win another election before it does.
            let last_us = match span.kind.info().silence {
                Silence::Process => stopped_us(&self.timeline.reports, span, node, at_us),
                _ => at_us,
            };
            let meets = at_us <= self.lost_us && self.leadership.from_us <= last_us;
            (takes && meets && self.answers(span)).then_some(Cause { span: index, at_us })
        });
        taken.min_by_key(|cause| cause.at_us)
    }

    /// Faults of other nodes that left the leader without a majority.
    fn without_majority(&self) -> Option<Cause> {
        let reports = &self.timeline.reports;
        let members = members(reports, self.lost_us);
        let mut struck: Vec<(u64, usize, &str)> = Vec::new();
        for (index, span, installed_us) in
            self.in_effect().filter(|(_, span, _)| self.answers(span))
        {
            let nodes = members.iter().filter(|node| span.silences(node));
            struck.extend(nodes.map(|node| {
                let at_us = effect_us(reports, span, node, installed_us);
                (at_us, index, *node)
            }));
        }
        struck.retain(|(at_us, ..)| *at_us <= self.lost_us);
        struck.sort_unstable();
        let mut away = BTreeSet::new();
        let last = struck.into_iter().find(|(_, _, node)| {
            away.insert(*node);
            2 * (members.len() - away.len()) <= members.len()
        });
        let (at_us, span, _) = last?;
        self.within(at_us).then_some(Cause { span, at_us })
    }

    fn made_worse(&self) -> Option<Cause> {
        let worse = self.in_effect().filter(|(_, span, at_us)| {
            let info = span.kind.info();
            let of_links = info.group == Group::Network && !span.kind.is_instant();
            (of_links || span.kind == FaultKind::SlowSync)
                && info.silence != Silence::CutOff
                && span.names(&self.leadership.node)
                && self.within(*at_us)
                && self.answers(span)
        });
        let worse = worse.map(|(span, _, at_us)| Cause { span, at_us });
        worse.max_by_key(|cause| cause.at_us)
    }
}

/// When the fault took effect on the node: when its process ended, if that was shortly before
/// the fault was seen to be in force.
fn effect_us(reports: &[Reported<'_>], span: &FaultSpan, node: &str, installed_us: u64) -> u64 {
    if span.kind.info().silence != Silence::Process {
        return installed_us;
    }
    match last_of_life(reports, node, installed_us) {
        Some((NodeEvent::Stopped { .. }, at_us)) if at_us + GRACE_US >= installed_us => at_us,
        _ => installed_us,
    }
}

/// When the node's process ended that a fault took away at `at_us`.
fn stopped_us(reports: &[Reported<'_>], span: &FaultSpan, node: &str, at_us: u64) -> u64 {
    let healed_us = span.healed_us.unwrap_or(u64::MAX);
    let first = reports.partition_point(|r| r.at_us < at_us);
    let meanwhile = reports[first..].iter();
    let mut of_node = meanwhile.filter(|r| r.node == node && r.at_us <= healed_us);
    let stopped = of_node.find(|r| matches!(r.event, NodeEvent::Stopped { .. }));
    stopped.map_or(at_us, |r| r.at_us)
}

/// The last start or end of the node's process by then.
fn last_of_life<'a>(
    reports: &[Reported<'a>],
    node: &str,
    at_us: u64,
) -> Option<(&'a NodeEvent, u64)> {
    let last = reports.partition_point(|r| r.at_us <= at_us);
    let mut of_node = reports[..last].iter().rev().filter(|r| r.node == node);
    let life = of_node.find(|r| {
        matches!(
            r.event,
            NodeEvent::Stopped { .. } | NodeEvent::Started { .. }
        )
    });
    life.map(|r| (r.event, r.at_us))
}

/// The voters of the newest configuration that was reported by then; every node that had
/// reported anything, if none was.
fn members<'a>(reports: &[Reported<'a>], at_us: u64) -> BTreeSet<&'a str> {
    let last = reports.partition_point(|r| r.at_us <= at_us);
    let configurations = reports[..last].iter().filter_map(|r| match r.event {
        NodeEvent::Membership { index, voters, .. } => Some((*index, voters)),
        _ => None,
    });
    match configurations.max_by_key(|(index, _)| *index) {
        Some((_, voters)) => voters.iter().map(String::as_str).collect(),
        None => reports.iter().map(|r| r.node).collect(),
    }
}

/// Whether a fault keeps the node down or unheard at that time.
pub fn is_silenced(reports: &[Reported<'_>], span: &FaultSpan, node: &str, at_us: u64) -> bool {
    let Some(from_us) = span.installed_us.filter(|from_us| *from_us <= at_us) else {
        return false;
    };
    if !span.silences(node) || span.healed_us.is_some_and(|healed_us| healed_us <= at_us) {
        return false;
    }
    let first = reports.partition_point(|r| r.at_us <= from_us);
    let last = reports.partition_point(|r| r.at_us <= at_us);
    let is_back = reports[first..last]
        .iter()
        .any(|r| r.node == node && matches!(r.event, NodeEvent::Started { .. }));
    span.kind.info().silence != Silence::Process || !is_back
}

#[cfg(test)]
#[path = "causes_tests.rs"]
mod tests;

//! A history sorted for judging: operations paired, phases found, holds, sessions,
//! messages and keys indexed. Built once and shared by all checks, in one pass each.
//!
//! Real-time order is the order of events in the history, by position, so that events of
//! the same instant keep their order. Operation A precedes B if A's return stands before
//! B's invocation. It holds references only; it judges nothing.

use std::collections::BTreeSet;

use indexmap::{IndexMap, IndexSet};

pub(super) use super::certainty::{certain, end, may_have_effect};
use super::clocks::Clocks;
use super::lists::Lists;
use super::locks::Locks;
use super::messages::Messages;
use squall_history::{
    Action, EventKind, FaultEvent, FaultStatus, History, NodeEvent, Operation, Phase, Service,
    operations,
};

/// Nodes stamp log entries in whole milliseconds, so a deadline may seem to come up to
/// this much early on the run's finer clock. This is rounding, not a tolerance for drift.
pub(super) const STAMP_RESOLUTION_US: u64 = 1_000;

pub(super) struct View<'a> {
    pub(super) history: &'a History,
    /// In order of invocation.
    pub(super) operations: Vec<Operation<'a>>,
    pub(super) phases: Vec<PhaseStart>,
    pub(super) locks: Locks<'a>,
    pub(super) messages: Messages<'a>,
    pub(super) lists: Lists<'a>,
    /// Operations of each cache key that keeps its value, as positions in `operations`.
    pub(super) keys: IndexMap<&'a str, Vec<usize>>,
    /// Operations of each cache key that may vanish by itself.
    pub(super) volatile_keys: IndexMap<&'a str, Vec<usize>>,
    /// Reads of each cache key from one node or a client's own cache, which may be behind.
    pub(super) node_reads: IndexMap<&'a str, Vec<usize>>,
    /// The times at which a leader took over or a fault began or ended, in order.
    disturbances_us: Vec<u64>,
    /// How wrong the rates of clocks were.
    clocks: Clocks,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct PhaseStart {
    pub(super) phase: Phase,
    pub(super) at_us: u64,
    pub(super) pos: usize,
}

impl<'a> View<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let operations = operations(history);
        let (volatile_keys, keys) = keys(&operations);
        Self {
            phases: phases(history),
            locks: Locks::new(&operations),
            messages: Messages::new(&operations),
            lists: Lists::new(&operations),
            keys,
            volatile_keys,
            node_reads: node_reads(&operations),
            disturbances_us: disturbances_us(history),
            clocks: Clocks::new(history),
            history,
            operations,
        }
    }

    /// The longest election timeout of the cluster, which its leases last; `None` where nobody
    /// said so.
    pub(super) fn lease_us(&self) -> Option<u64> {
        let setups = self.history.events.iter().map(|event| &event.kind);
        let mut leases = setups.filter_map(|kind| match kind {
            EventKind::Setup { lease_us, .. } => *lease_us,
            _ => None,
        });
        leases.next_back()
    }

    /// The services that the cluster was asked for, in the order of reports.
    pub(super) fn services(&self) -> BTreeSet<Service> {
        let remote = self.operations.iter().filter(|o| o.action.is_remote());
        remote.map(|operation| operation.action.service()).collect()
    }

    pub(super) fn phase(&self, phase: Phase) -> Option<PhaseStart> {
        self.phases.iter().copied().find(|p| p.phase == phase)
    }

    /// Whether `operation` was invoked in `phase`.
    pub(super) fn in_phase(&self, operation: &Operation, phase: Phase) -> bool {
        let Some(index) = self.phases.iter().position(|p| p.phase == phase) else {
            return false;
        };
        let end = self.phases.get(index + 1).map_or(usize::MAX, |p| p.pos);
        (self.phases[index].pos..end).contains(&operation.invoke_pos)
    }

    /// Node reports in order: position, time, node, what.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (usize, u64, &'a str, &'a NodeEvent)> {
        let events = self.history.events.iter().enumerate();
        events.filter_map(|(pos, event)| match &event.kind {
            EventKind::Node { node, event: what } => Some((pos, event.at_us, node.as_str(), what)),
            _ => None,
        })
    }

    /// The earliest that log time may have counted `duration_us` since `from_us`: what a lower
    /// bound in log time promises.
    pub(super) fn earliest_us(&self, from_us: u64, duration_us: u64) -> u64 {
        let until_us = from_us.saturating_add(duration_us);
        from_us.saturating_add(self.shortest_us(from_us, until_us, duration_us))
    }

    /// The shortest true time within `from_us..=until_us` in which log time may have counted
    /// `duration_us`.
    pub(super) fn shortest_us(&self, from_us: u64, until_us: u64, duration_us: u64) -> u64 {
        self.clocks.shortest_us(from_us, until_us, duration_us)
    }

    /// The longest true time within `from_us..=until_us` until log time has counted
    /// `duration_us`, as long as a leader has a quorum: what an upper bound in log time allows.
    pub(super) fn longest_us(&self, from_us: u64, until_us: u64, duration_us: u64) -> u64 {
        self.clocks.longest_us(from_us, until_us, duration_us)
    }

    /// The last time up to `at_us` at which a leader took over or a fault began or ended:
    /// what a bound that holds "once the service is available" may have to wait for.
    pub(super) fn calm_since_us(&self, at_us: u64) -> u64 {
        let count = self
            .disturbances_us
            .partition_point(|&time_us| time_us <= at_us);
        self.disturbances_us[..count].last().copied().unwrap_or(0)
    }

    pub(super) fn faults(&self) -> impl Iterator<Item = (usize, u64, &'a FaultEvent)> {
        let events = self.history.events.iter().enumerate();
        events.filter_map(|(pos, event)| match &event.kind {
            EventKind::Fault(fault) => Some((pos, event.at_us, fault)),
            _ => None,
        })
    }
}

fn disturbances_us(history: &History) -> Vec<u64> {
    let disturbs = |event: &&squall_history::Event| match &event.kind {
        EventKind::Fault(fault) => !matches!(fault.status, FaultStatus::Skipped { .. }),
        EventKind::Node { event, .. } => matches!(
            event,
            NodeEvent::FirstCommit { .. } | NodeEvent::Stopped { .. } | NodeEvent::Started { .. }
        ),
        _ => false,
    };
    let events = history.events.iter();
    events.filter(disturbs).map(|event| event.at_us).collect()
}

pub(super) fn phases(history: &History) -> Vec<PhaseStart> {
    let events = history.events.iter().enumerate();
    let start = |(pos, event): (usize, &squall_history::Event)| match event.kind {
        EventKind::Phase { phase } => Some(PhaseStart {
            phase,
            at_us: event.at_us,
            pos,
        }),
        _ => None,
    };
    events.filter_map(start).collect()
}

type Keys<'a> = IndexMap<&'a str, Vec<usize>>;

/// Operations by key: of those that may vanish by themselves, and of the others.
fn keys<'a>(operations: &[Operation<'a>]) -> (Keys<'a>, Keys<'a>) {
    let mut keys: Keys = IndexMap::new();
    let mut volatile: IndexSet<&str> = IndexSet::new();
    for (index, operation) in operations.iter().enumerate() {
        use Action::*;
        let action = operation.action;
        if let SetVolatile { key, .. } = action {
            volatile.insert(key);
        }
        let is_behind = matches!(action, GetFrom { .. } | GetNear { .. });
        let is_left_out = is_behind || action.is_of_list();
        if let (Service::Cache, false, Some(key)) = (action.service(), is_left_out, action.key()) {
            keys.entry(key).or_default().push(index);
        }
    }
    keys.into_iter()
        .partition(|(key, _)| volatile.contains(key))
}

fn node_reads<'a>(operations: &[Operation<'a>]) -> Keys<'a> {
    let mut keys: Keys = IndexMap::new();
    for (index, operation) in operations.iter().enumerate() {
        if let Action::GetFrom { key, .. } | Action::GetNear { key, .. } = operation.action {
            keys.entry(key).or_default().push(index);
        }
    }
    keys
}

/// The largest value that was certain before a position: answers "what is the largest
/// token that any client knew when this operation began?".
#[derive(Debug, Default)]
pub(super) struct RunningMax {
    /// Position, largest value up to there, and the operation that returned it.
    steps: Vec<(usize, u64, usize)>,
}

impl RunningMax {
    /// From (return position, value, operation) in any order.
    pub(super) fn new(mut known: Vec<(usize, u64, usize)>) -> Self {
        known.sort_unstable();
        let mut max = Self::default();
        for (pos, value, operation) in known {
            max.push(pos, value, operation);
        }
        max
    }

    /// Adds a value known from `pos` on; positions must not fall.
    pub(super) fn push(&mut self, pos: usize, value: u64, operation: usize) {
        let last = self.steps.last();
        assert!(
            last.is_none_or(|step| step.0 <= pos),
            "positions are pushed in order"
        );
        if last.is_none_or(|step| step.1 < value) {
            self.steps.push((pos, value, operation));
        }
    }

    /// The largest value known before `pos`, with its operation.
    pub(super) fn before(&self, pos: usize) -> Option<(u64, usize)> {
        let count = self.steps.partition_point(|step| step.0 < pos);
        let (_, value, operation) = *self.steps[..count].last()?;
        Some((value, operation))
    }
}

#[cfg(test)]
mod tests {
    use super::RunningMax;

    #[test]
    fn running_max_sees_only_what_was_known_before() {
        let max = RunningMax::new(vec![(9, 3, 2), (1, 5, 0), (4, 8, 1)]);
        assert_eq!(max.before(1), None);
        assert_eq!(max.before(2), Some((5, 0)));
        assert_eq!(max.before(10), Some((8, 1)));
    }
}

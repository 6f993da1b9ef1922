//! Lists when each fault was in force.

use std::collections::BTreeMap;

use crate::history::{EventKind, FaultEvent, FaultStatus, History};

/// A stretch in which a fault was in force; one that happens in turns has several.
#[derive(Debug, Clone, Copy)]
pub struct FaultSpan<'a> {
    /// As it was installed.
    pub event: &'a FaultEvent,
    /// When it took effect, µs of the run.
    pub from_us: u64,
    /// `None`: until the end of the run.
    pub until_us: Option<u64>,
}

impl FaultSpan<'_> {
    /// `partition node-1 node-2`.
    pub fn words(&self) -> String {
        format!("{} {}", self.event.kind, self.event.targets.join(" "))
    }

    /// Whether the moment is within; its end is not.
    pub fn is_in_force(&self, at_us: u64) -> bool {
        self.from_us <= at_us && self.until_us.is_none_or(|until_us| at_us < until_us)
    }
}

/// All of them, by when they began.
pub fn faults(history: &History) -> Vec<FaultSpan<'_>> {
    let mut spans: Vec<FaultSpan> = Vec::new();
    let mut in_force: BTreeMap<usize, usize> = BTreeMap::new();
    for event in &history.events {
        let EventKind::Fault(fault) = &event.kind else {
            continue;
        };
        let is_over = matches!(fault.status, FaultStatus::Installed | FaultStatus::Healed);
        if let Some(place) = in_force.remove(&fault.fault).filter(|_| is_over) {
            spans[place].until_us = Some(event.at_us);
        }
        if fault.status == FaultStatus::Installed {
            // What has happened in an instant is never healed.
            let is_instant = fault.kind.is_instant();
            if !is_instant {
                in_force.insert(fault.fault, spans.len());
            }
            spans.push(FaultSpan {
                event: fault,
                from_us: event.at_us,
                until_us: is_instant.then_some(event.at_us),
            });
        }
    }
    spans
}

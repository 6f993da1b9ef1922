//! Finds when no fault was in force, for promises that hold only then.

use std::collections::BTreeSet;

use super::view::View;
use squall_fault::kind::Ends;
use squall_history::{FaultEvent, FaultStatus};

/// From when to when some fault was in force; the largest number if it never healed.
pub(super) fn in_force(view: &View) -> Vec<(u64, u64)> {
    let mut spans = Vec::new();
    let (mut open, mut since_us) = (BTreeSet::new(), 0);
    let lasts = |fault: &FaultEvent| fault.kind.info().ends != Ends::AtOnce;
    for (_, at_us, fault) in view.faults().filter(|(_, _, fault)| lasts(fault)) {
        match fault.status {
            FaultStatus::Installed | FaultStatus::Uncertain { .. } => {
                if open.is_empty() {
                    since_us = at_us;
                }
                open.insert(fault.fault);
            }
            FaultStatus::Healed => {
                if open.remove(&fault.fault) && open.is_empty() {
                    spans.push((since_us, at_us));
                }
            }
            FaultStatus::Skipped { .. } => {}
        }
    }
    if !open.is_empty() {
        spans.push((since_us, u64::MAX));
    }
    spans
}

/// Whether no fault was in force, began or ended in this time, and no leader took over.
pub(super) fn is_calm(
    view: &View,
    in_force: &[(u64, u64)],
    (from_us, until_us): (u64, u64),
) -> bool {
    let is_faulty = in_force
        .iter()
        .any(|&(begun, ended)| begun <= until_us && ended >= from_us);
    !is_faulty && view.calm_since_us(until_us) < from_us
}

//! R1: a node refuses its disk only if a fault may have damaged what is on it. No crash and no
//! loss of power leaves a log or a snapshot that cannot be opened.
//!
//! In plain words: what was said to be stored is there, and fits together.
//!
//! Source: recovery as in ARIES (Mohan et al., 1992): whatever a crash leaves, a restart makes
//! the state of some moment of it. That a node refuses what it cannot trust, and is replaced,
//! hides from everybody else that it had acknowledged what it has not; only its refusal tells.
//! Faults of disks, and those that lose what was stored, excuse every later refusal of the same
//! machine, since damage may be found late.
//!
//! Not checked: that a node opens what was damaged; its effects are for other checks.

use std::collections::{BTreeMap, BTreeSet};

use super::result::Judge;
use super::view::View;
use super::words::seconds;
use squall_fault::FaultKind;
use squall_fault::kind::{Group, Loss};
use squall_history::{EventKind, FaultEvent, FaultStatus, NodeEvent};

/// What the reason of a process that ended says of a disk that can be read and not be trusted.
const DISTRUST: [&str; 3] = [
    "is damaged at byte",
    "was not written by this program",
    "has format version",
];

pub(super) fn check(view: &View, judge: &mut Judge) {
    let mut excused: BTreeSet<&str> = BTreeSet::new();
    // Some faults are seen to have taken effect only by the refusal.
    let mut refusals: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for event in &view.history.events {
        match &event.kind {
            EventKind::Fault(fault) if may_damage(fault) => {
                excused.extend(fault.targets.iter().map(String::as_str));
            }
            EventKind::Node { node, event: what } => match what {
                NodeEvent::Started { .. } => judge.count_checked(),
                NodeEvent::Replaced => {
                    let refused = refusals.remove(node.as_str());
                    if !excused.remove(node.as_str()) {
                        refuse(judge, node, refused);
                    }
                }
                NodeEvent::Stopped { why } if is_refusal(why) => {
                    judge.count_checked();
                    let line = format!("{} {node}: {why}", seconds(event.at_us));
                    refusals.entry(node).or_default().push(line);
                }
                _ => {}
            },
            _ => {}
        }
    }
    for (node, refused) in refusals {
        if !excused.contains(node) {
            refuse(judge, node, Some(refused));
        }
    }
}

fn refuse(judge: &mut Judge, node: &str, refused: Option<Vec<String>>) {
    if let Some(lines) = refused {
        let what = format!("{node} refuses its disk, which no fault has damaged");
        judge.violation(what, lines);
    }
}

fn may_damage(fault: &FaultEvent) -> bool {
    let info = fault.kind.info();
    let harmless = [
        FaultKind::SlowSync,
        FaultKind::DiskFull,
        FaultKind::ReadError,
    ];
    let is_of_disks = info.group == Group::Disk && !harmless.contains(&fault.kind);
    let begins = match fault.status {
        FaultStatus::Installed | FaultStatus::Uncertain { .. } => true,
        // It may have been done before something else was in its way.
        FaultStatus::Skipped { .. } => info.loses == Loss::Stored,
        FaultStatus::Healed => false,
    };
    (is_of_disks || info.loses == Loss::Stored) && begins
}

fn is_refusal(why: &str) -> bool {
    DISTRUST.iter().any(|words| why.contains(words))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::NodeEvent::{Replaced, Stopped};
    use squall_history::{FaultStatus, NodeEvent};

    fn refuses() -> NodeEvent {
        Stopped {
            why: "does not start: wal is damaged at byte 0: entries are missing".into(),
        }
    }

    #[test]
    fn refused_after_nothing_or_a_loss_of_power() {
        let mut run = Run::new();
        run.node("node-1", refuses());
        fails(check, &run.end(), "node-1 refuses its disk");
        let mut run = Run::new();
        run.fault("power_loss", "node-1", FaultStatus::Installed);
        run.node("node-1", refuses());
        fails(check, &run.end(), "node-1 refuses its disk");
    }

    #[test]
    fn refused_by_another_than_was_damaged_or_by_its_successor() {
        let mut run = Run::new();
        run.fault("bit_rot", "node-2", FaultStatus::Installed);
        run.node("node-1", refuses());
        fails(check, &run.end(), "node-1 refuses its disk");
        let mut run = Run::new();
        run.fault("bit_rot", "node-1", FaultStatus::Installed);
        run.node("node-1", Replaced).node("node-1", refuses());
        fails(check, &run.end(), "node-1 refuses its disk");
    }

    /// A disk that was slow or full is none the worse, and rot may show after all.
    #[test]
    fn a_fault_that_damages_nothing_and_one_that_was_skipped_too_late() {
        let mut run = Run::new();
        run.fault("slow_sync", "node-1", FaultStatus::Installed);
        run.node("node-1", refuses());
        fails(check, &run.end(), "node-1 refuses its disk");
        let mut run = Run::new();
        let why = "node-1 could not start meanwhile".into();
        run.fault("bit_rot", "node-1", FaultStatus::Skipped { why });
        run.started("node-1").node("node-1", refuses());
        passes(check, &run.end());
    }

    /// Damage is found late, and a disk that cannot be read is not one that is distrusted.
    #[test]
    fn refused_for_a_reason() {
        let mut run = Run::new();
        run.fault("bit_rot", "node-1", FaultStatus::Installed);
        run.fault("bit_rot", "node-1", FaultStatus::Healed);
        run.started("node-1").node("node-1", refuses());
        run.node("node-3", refuses());
        run.fault("bit_rot", "node-3", FaultStatus::Installed);
        run.node("node-3", Replaced);
        let why = "does not start: storage cannot be read: it failed".into();
        run.node("node-2", Stopped { why });
        passes(check, &run.end());
    }
}

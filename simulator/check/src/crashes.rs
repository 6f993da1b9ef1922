//! No node panics. A process that ends itself by a failed assertion has met what its authors
//! held to be impossible.
//!
//! In plain words: nodes may be killed, and may refuse to go on with a broken disk, but they
//! do not fall over by themselves.
//!
//! Source: TigerBeetle's `docs/TIGER_STYLE.md`, on assertions: a crash in time is better than
//! going on wrongly, and a bug all the same. No fault excuses a panic: whatever a disk, a
//! clock or a peer does, a node has an error for it.
//!
//! Squall's own nodes say of a panic that it was one. Of another system all that is seen is that
//! a process ended which nobody had ended: by a signal, or with an exit code. While a fault that
//! names the node is in force, that may be its right answer to it; at any other time it is a
//! crash.
//!
//! Not checked: nodes that end in good order, by an error of their storage for instance; and
//! nodes of another system that end while a fault of theirs is in force.

use std::collections::{BTreeMap, BTreeSet};

use super::result::Judge;
use super::view::View;
use super::words::seconds;
use squall_history::{EventKind, FaultStatus, NodeEvent};

/// How the reason of a node's end begins when one of its tasks panicked.
const PANICKED: &str = "panicked: ";
/// The same when its process ended, and nobody had ended it.
const BY_ITSELF: &str = "ended by itself ";

pub(super) fn check(view: &View, judge: &mut Judge) {
    let unbidden = match is_foreign(view) {
        true => outside_of_faults(view),
        false => BTreeSet::new(),
    };
    for (pos, at_us, node, what) in view.nodes() {
        if matches!(what, NodeEvent::Started { .. }) {
            judge.count_checked();
        }
        let NodeEvent::Stopped { why } = what else {
            continue;
        };
        judge.count_checked();
        if let Some(text) = why.strip_prefix(PANICKED) {
            judge.violation(
                format!("{node} panicked: {text}"),
                [format!("{} {node}: {why}", seconds(at_us))],
            );
        } else if unbidden.contains(&pos) {
            judge.violation(
                format!("{node} {why}"),
                [format!("{} {node}: {why}", seconds(at_us))],
            );
        }
    }
}

/// Whether the nodes are those of another system: only Squall's own have leases.
fn is_foreign(view: &View) -> bool {
    let events = view.history.events.iter();
    let mut setups = events.filter(|event| matches!(event.kind, EventKind::Setup { .. }));
    setups.next().is_some() && view.lease_us().is_none()
}

/// Places of the events by which nodes ended by themselves that no fault in force names.
fn outside_of_faults(view: &View) -> BTreeSet<usize> {
    // How many turns of faults are in force that name it.
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    let mut unbidden = BTreeSet::new();
    for (pos, event) in view.history.events.iter().enumerate() {
        match &event.kind {
            EventKind::Fault(fault) => {
                for node in fault.targets.iter().flat_map(|target| target.split("->")) {
                    let count = faults.entry(node).or_default();
                    match fault.status {
                        FaultStatus::Installed => *count += 1,
                        FaultStatus::Healed => *count = count.saturating_sub(1),
                        _ => {}
                    }
                }
            }
            EventKind::Node {
                node,
                event: NodeEvent::Stopped { why },
            } if why.starts_with(BY_ITSELF)
                && faults.get(node.as_str()).is_none_or(|count| *count == 0) =>
            {
                unbidden.insert(pos);
            }
            _ => {}
        }
    }
    unbidden
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::NodeEvent::Stopped;
    use squall_history::{FaultStatus, History};

    #[test]
    fn a_failed_assertion() {
        let mut run = Run::new();
        let why = "panicked: assertion failed: a < b".to_owned();
        run.node("node-1", Stopped { why });
        fails(check, &run.end(), "node-1 panicked: assertion failed");
    }

    /// A node that dies of a signal, before, in or after a fault of `target`.
    fn dies(lease_ms: Option<u64>, target: &str, is_healed: bool) -> History {
        let mut run = Run::new();
        run.setup(lease_ms, &[]);
        run.fault("pause", target, FaultStatus::Installed);
        if is_healed {
            run.fault("pause", target, FaultStatus::Healed);
        }
        let why = "ended by itself with exit code 139: ".to_owned();
        run.node("node-1", Stopped { why });
        run.end()
    }

    #[test]
    fn a_server_of_another_system_that_dies_of_a_signal_outside_of_its_faults() {
        let expected = "node-1 ended by itself with exit code 139";
        fails(check, &dies(None, "node-2", false), expected);
        fails(check, &dies(None, "node-1", true), expected);
        passes(check, &dies(None, "node-1", false));
        // Squall's own say so themselves when they panic.
        passes(check, &dies(Some(100), "node-2", false));
    }

    #[test]
    fn killed_or_out_of_disk() {
        let mut run = Run::new();
        for why in ["killed", "raft ended: storage"] {
            run.node("node-1", Stopped { why: why.into() });
        }
        passes(check, &run.end());
    }
}

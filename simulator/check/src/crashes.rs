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
//! Not checked: nodes that end in good order, by an error of their storage for instance.

use super::result::Judge;
use super::view::View;
use super::words::seconds;
use squall_history::NodeEvent;

/// How the reason of a node's end begins when one of its tasks panicked.
const PANICKED: &str = "panicked: ";

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (_, at_us, node, what) in view.nodes() {
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::NodeEvent::Stopped;

    #[test]
    fn a_failed_assertion() {
        let mut run = Run::new();
        let why = "panicked: assertion failed: a < b".to_owned();
        run.node("node-1", Stopped { why });
        fails(check, &run.end(), "node-1 panicked: assertion failed");
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

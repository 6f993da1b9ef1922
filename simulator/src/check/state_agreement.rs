//! R2, C4: same index, same state. All nodes that applied the log up to an index have the
//! same digest of their state, restarts included.
//!
//! Source: Schneider, "Implementing fault-tolerant services using the state machine
//! approach" (1990); TigerBeetle's `src/testing/cluster/state_checker.zig`. Not checked:
//! indexes that only one node reports.

use std::collections::BTreeMap;

use super::result::{CheckResult, Judge};
use super::view::View;
use super::words::seconds;
use crate::history::NodeEvent;

pub(super) fn check(view: &View) -> CheckResult {
    let mut judge = Judge::new("state_agreement", "R2").needs_evidence();
    let mut first: BTreeMap<u64, (&str, &str, u64)> = BTreeMap::new();
    for (_, at_us, node, what) in view.nodes() {
        let NodeEvent::Applied { index, digest, .. } = what else {
            continue;
        };
        judge.looked();
        let (other, expected, other_us) = *first.entry(*index).or_insert((node, digest, at_us));
        if expected != digest {
            let line = |node: &str, digest: &str, at_us| {
                format!(
                    "{} {node}: state {digest} after index {index}",
                    seconds(at_us)
                )
            };
            judge.violation(
                format!("{node} and {other} differ after applying index {index}"),
                [line(other, expected, other_us), line(node, digest, at_us)],
            );
        }
    }
    judge.finish("applied indexes")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::check::testing::*;
    use crate::history::NodeEvent;

    fn applied(index: u64, digest: &str) -> NodeEvent {
        NodeEvent::Applied {
            term: 1,
            index,
            digest: digest.into(),
        }
    }

    #[test]
    fn two_states_at_one_index() {
        let mut run = Run::new();
        run.node("node-1", applied(7, "aa"));
        run.node("node-2", applied(7, "bb"));
        fails(
            check,
            &run.end(),
            "node-2 and node-1 differ after applying index 7",
        );
    }

    #[test]
    fn equal_at_each_index_however_late() {
        let mut run = Run::new();
        run.node("node-1", applied(7, "aa"));
        run.node("node-1", applied(8, "bb"));
        run.at(900).node("node-2", applied(7, "aa"));
        passes(check, &run.end());
    }

    #[test]
    fn silent_nodes_prove_nothing() {
        cannot_tell(check, &Run::new().end(), "no applied indexes");
    }
}

//! Log matching, for committed entries: entries at the same index are of the same term on
//! all nodes, and never change once committed.
//!
//! Source: Ongaro & Ousterhout, "In search of an understandable consensus algorithm"
//! (2014), figure 3 and §5.3. Term and index identify an entry, so a different term is a
//! different entry. Not checked: uncommitted tails, which may differ.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::View;
use super::words::seconds;
use squall_history::NodeEvent;

pub(super) fn check(view: &View, judge: &mut Judge) {
    let mut first: BTreeMap<u64, (u64, &str, u64)> = BTreeMap::new();
    for (_, at_us, node, what) in view.nodes() {
        use NodeEvent::*;
        let (Committed { term, index }
        | Applied { term, index, .. }
        | FirstCommit { term, index }
        | Snapshot { term, index }
        | SnapshotInstalled { term, index }) = what
        else {
            continue;
        };
        judge.count_checked();
        let (expected, other, other_us) = *first.entry(*index).or_insert((*term, node, at_us));
        if expected != *term {
            let line = |node: &str, term, at_us| {
                format!(
                    "{} {node}: committed index {index} is of term {term}",
                    seconds(at_us)
                )
            };
            judge.violation(
                format!(
                    "index {index} is of term {expected} on {other} but of term {term} on {node}"
                ),
                [line(other, expected, other_us), line(node, *term, at_us)],
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::NodeEvent::{Committed, Snapshot};

    #[test]
    fn one_index_in_two_terms() {
        let mut run = Run::new();
        run.node("node-1", Committed { term: 2, index: 7 });
        run.node("node-2", Committed { term: 3, index: 7 });
        fails(
            check,
            &run.end(),
            "index 7 is of term 2 on node-1 but of term 3 on node-2",
        );
    }

    #[test]
    fn reported_late_and_again() {
        let mut run = Run::new();
        run.node("node-1", Committed { term: 2, index: 7 });
        run.node("node-1", Committed { term: 3, index: 8 });
        run.at(900).node("node-2", Committed { term: 2, index: 7 });
        run.node("node-2", Snapshot { term: 3, index: 8 });
        passes(check, &run.end());
    }
}

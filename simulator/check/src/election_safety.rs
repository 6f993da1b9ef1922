//! Election safety: at most one leader in a term.
//!
//! Source: Ongaro & Ousterhout, "In search of an understandable consensus algorithm"
//! (2014), figure 3 and §5.2. Two leaders at one time in *different* terms are allowed:
//! an old one that has not heard yet. Not checked: votes, which `monotonic` judges.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::View;
use super::words::seconds;
use squall_history::NodeEvent;

pub(super) fn check(view: &View, judge: &mut Judge) {
    let mut leaders: BTreeMap<u64, (&str, u64)> = BTreeMap::new();
    for (_, at_us, node, what) in view.nodes() {
        let (NodeEvent::Leader { term } | NodeEvent::FirstCommit { term, .. }) = what else {
            continue;
        };
        judge.count_checked();
        let (other, other_us) = *leaders.entry(*term).or_insert((node, at_us));
        if other != node {
            judge.violation(
                format!("{other} and {node} both led term {term}"),
                [(other, other_us), (node, at_us)].map(|(node, at_us)| {
                    format!("{} {node}: leader of term {term}", seconds(at_us))
                }),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::NodeEvent::Leader;

    #[test]
    fn two_leaders_in_a_term() {
        let mut run = Run::new();
        run.node("node-1", Leader { term: 3 });
        run.node("node-2", Leader { term: 3 });
        fails(check, &run.end(), "node-1 and node-2 both led term 3");
    }

    #[test]
    fn two_leaders_at_once_in_two_terms() {
        let mut run = Run::new();
        run.node("node-1", Leader { term: 3 });
        run.node("node-2", Leader { term: 4 });
        run.node("node-1", Leader { term: 3 });
        passes(check, &run.end());
    }
}

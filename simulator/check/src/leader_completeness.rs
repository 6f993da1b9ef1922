//! Leader completeness: a leader has every entry that was committed in earlier terms.
//!
//! Source: Ongaro & Ousterhout, "In search of an understandable consensus algorithm"
//! (2014), figure 3 and §5.4. From outside it shows in the index of the first entry that
//! a leader commits of its own term: it lies above everything that any node had reported
//! as committed before that leader was elected. (That committed entries are never
//! contradicted later is `log_matching`.) Not checked: leaders that never commit.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::View;
use super::words::seconds;
use squall_history::NodeEvent;

/// The highest committed index reported so far: index, term, node, time.
type Highest<'a> = (u64, u64, &'a str, u64);

pub(super) fn check(view: &View, judge: &mut Judge) {
    let mut highest: Option<Highest> = None;
    let mut at_election: BTreeMap<u64, Option<Highest>> = BTreeMap::new();
    for (_, at_us, node, what) in view.nodes() {
        match what {
            NodeEvent::Leader { term } => {
                at_election.entry(*term).or_insert(highest);
            }
            NodeEvent::Committed { term, index } | NodeEvent::Applied { term, index, .. }
                if highest.is_none_or(|(known, ..)| known < *index) =>
            {
                highest = Some((*index, *term, node, at_us));
            }
            NodeEvent::FirstCommit { term, index } => {
                judge.count_checked();
                if let Some(Some(before)) = at_election.get(term)
                    && before.1 < *term
                    && before.0 >= *index
                {
                    let (known, known_term, other, other_us) = *before;
                    judge.violation(
                        format!(
                            "{node}, leader of term {term}, committed its first entry \
                            at index {index}, \
                            though index {known} was committed before its election"
                        ),
                        [
                            format!(
                                "{} {other}: committed index {known} of term {known_term}",
                                seconds(other_us)
                            ),
                            format!(
                                "{} {node}: first commit of term {term} at index {index}",
                                seconds(at_us)
                            ),
                        ],
                    );
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::NodeEvent::{Committed, FirstCommit, Leader};

    #[test]
    fn a_leader_without_a_committed_entry() {
        let mut run = Run::new();
        run.node("node-1", Committed { term: 1, index: 7 });
        run.node("node-2", Leader { term: 2 });
        run.node("node-2", FirstCommit { term: 2, index: 7 });
        fails(
            check,
            &run.end(),
            "though index 7 was committed before its election",
        );
    }

    /// The old leader's commits are reported while the new one is already elected: those
    /// entries may have been committed by the new leader itself.
    #[test]
    fn commits_reported_after_the_election_do_not_count() {
        let mut run = Run::new();
        run.node("node-1", Committed { term: 1, index: 7 });
        run.node("node-2", Leader { term: 2 });
        run.node("node-2", Committed { term: 2, index: 9 });
        run.node("node-2", FirstCommit { term: 2, index: 9 });
        run.node("node-1", Leader { term: 3 });
        run.node("node-1", FirstCommit { term: 3, index: 10 });
        passes(check, &run.end());
    }
}

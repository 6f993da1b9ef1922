//! Raft's state never goes back: a node's term rises, also over restarts; it votes once a
//! term, also over restarts; its commit and applied indexes rise while its process lives.
//!
//! Source: Ongaro & Ousterhout, "In search of an understandable consensus algorithm"
//! (2014), figure 2 (persistent and volatile state) and §5.2. A restarted process may
//! recover to a lower commit or applied index and catch up again. A node that was replaced
//! by an empty machine may start anew; merely losing its disk excuses nothing. Whose log has lost its
//! end may be back in an earlier term, since it cannot know better; if it votes again in a term in
//! which it had voted, that counts all the same. A pre-vote asks about a term without entering it, so
//! it does not count. Not checked: that indexes rise at all.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::View;
use super::words::seconds;
use squall_fault::FaultKind;
use squall_history::{EventKind, NodeEvent};

/// Terms never fall.
pub(super) fn terms(view: &View, judge: &mut Judge) {
    let mut terms: BTreeMap<&str, Mark> = BTreeMap::new();
    for step in steps(view) {
        use NodeEvent::*;
        match step.what {
            What::Replaced | What::EndLost => {
                terms.remove(step.node);
            }
            What::Reports(
                Election {
                    term,
                    pre_vote: false,
                }
                | Voted { term, .. }
                | Leader { term }
                | FirstCommit { term, .. }
                | Follower { term, .. },
            ) => judge_rise(judge, &mut terms, &step, "term", *term),
            What::Reports(_) => {}
        }
    }
}

/// One vote a term.
pub(super) fn votes(view: &View, judge: &mut Judge) {
    let mut votes: BTreeMap<(&str, u64), (&str, u64)> = BTreeMap::new();
    for step in steps(view) {
        match step.what {
            What::Replaced => votes.retain(|(node, _), _| *node != step.node),
            What::Reports(NodeEvent::Voted { term, candidate }) => {
                judge.count_checked();
                let (node, at_us) = (step.node, step.at_us);
                let first = *votes.entry((node, *term)).or_insert((candidate, at_us));
                if first.0 != candidate {
                    let lines = [first, (candidate.as_str(), at_us)];
                    judge.violation(
                        format!(
                            "{node} voted for {} and {candidate} in term {term}",
                            first.0
                        ),
                        lines.map(|(candidate, at_us)| {
                            format!(
                                "{} {node}: voted for {candidate} in term {term}",
                                seconds(at_us)
                            )
                        }),
                    );
                }
            }
            What::Reports(_) | What::EndLost => {}
        }
    }
}

/// Commit and applied indexes do not fall while the process lives.
pub(super) fn indexes(view: &View, judge: &mut Judge) {
    let mut committed: BTreeMap<&str, Mark> = BTreeMap::new();
    let mut applied: BTreeMap<&str, Mark> = BTreeMap::new();
    for step in steps(view) {
        use NodeEvent::*;
        match step.what {
            What::Replaced | What::Reports(Started { .. } | Stopped { .. }) => {
                committed.remove(step.node);
                applied.remove(step.node);
            }
            What::Reports(Committed { index, .. }) => {
                judge_rise(judge, &mut committed, &step, "commit index", *index);
            }
            What::Reports(Applied { index, .. }) => {
                judge_rise(judge, &mut applied, &step, "applied index", *index);
            }
            What::Reports(_) | What::EndLost => {}
        }
    }
}

/// The highest value reported so far, and when.
#[derive(Clone, Copy)]
struct Mark {
    value: u64,
    at_us: u64,
}

/// A node's report, or what became of what it had stored.
struct Step<'a> {
    at_us: u64,
    node: &'a str,
    what: What<'a>,
}

enum What<'a> {
    Reports(&'a NodeEvent),
    Replaced,
    EndLost,
}

fn steps<'a>(view: &View<'a>) -> impl Iterator<Item = Step<'a>> {
    view.history.events.iter().flat_map(|event| {
        let at_us = event.at_us;
        let step = move |node: &'a String, what| Step { at_us, node, what };
        let (report, struck): (_, &[String]) = match &event.kind {
            EventKind::Node { node, event } => {
                let what = match event {
                    NodeEvent::Replaced => What::Replaced,
                    event => What::Reports(event),
                };
                (Some(step(node, what)), &[])
            }
            EventKind::Fault(fault) if fault.kind == FaultKind::LostTail => (None, &fault.targets),
            _ => (None, &[]),
        };
        let struck = struck.iter().map(move |node| step(node, What::EndLost));
        report.into_iter().chain(struck)
    })
}

fn judge_rise<'a>(
    judge: &mut Judge,
    marks: &mut BTreeMap<&'a str, Mark>,
    step: &Step<'a>,
    name: &str,
    value: u64,
) {
    judge.count_checked();
    let now = Mark {
        value,
        at_us: step.at_us,
    };
    let mark = marks.entry(step.node).or_insert(now);
    if mark.value <= value {
        *mark = now;
        return;
    }
    let node = step.node;
    judge.violation(
        format!("{node}: {name} fell from {} to {value}", mark.value),
        [*mark, now].map(|mark| format!("{} {node}: {name} {}", seconds(mark.at_us), mark.value)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use squall_history::FaultStatus;
    use squall_history::NodeEvent::{Applied, Committed, Leader, Started, Voted};

    fn voted(term: u64, candidate: &str) -> NodeEvent {
        Voted {
            term,
            candidate: candidate.into(),
        }
    }

    fn applied(index: u64) -> NodeEvent {
        Applied {
            term: 1,
            index,
            digest: "d".into(),
            state: None,
        }
    }

    const STARTED: NodeEvent = Started {
        last_log: 0,
        applied: 0,
    };

    #[test]
    fn a_term_that_falls_over_a_restart() {
        let mut run = Run::new();
        run.node("node-1", Leader { term: 5 });
        run.node("node-1", STARTED);
        run.node("node-1", voted(4, "node-2"));
        fails(terms, &run.end(), "node-1: term fell from 5 to 4");
    }

    #[test]
    fn two_votes_in_a_term() {
        let mut run = Run::new();
        run.node("node-1", voted(5, "node-2"));
        run.node("node-1", STARTED);
        run.node("node-1", voted(5, "node-3"));
        fails(
            votes,
            &run.end(),
            "node-1 voted for node-2 and node-3 in term 5",
        );
    }

    #[test]
    fn an_index_that_falls_in_one_life() {
        let mut run = Run::new();
        run.node("node-1", Committed { term: 1, index: 9 });
        run.node("node-1", applied(9)).node("node-1", applied(8));
        fails(indexes, &run.end(), "applied index fell from 9 to 8");
    }

    #[test]
    fn a_restart_may_lower_indexes_but_neither_term_nor_vote() {
        let mut run = Run::new();
        run.node("node-1", voted(5, "node-2"));
        run.node("node-1", applied(9)).node("node-1", STARTED);
        run.node("node-1", applied(3));
        run.node("node-1", voted(5, "node-2"));
        run.node("node-2", voted(4, "node-3"));
        let history = run.end();
        for check in [terms, votes, indexes] {
            passes(check, &history);
        }
    }

    #[test]
    fn a_pre_vote_enters_no_term() {
        let mut run = Run::new();
        let term = 6;
        run.node("node-1", voted(5, "node-2"));
        let pre_vote = true;
        run.node("node-1", NodeEvent::Election { term, pre_vote });
        run.node("node-1", voted(5, "node-2"));
        passes(terms, &run.end());
    }

    #[test]
    fn a_wiped_node_starts_anew() {
        let mut run = Run::new();
        run.node("node-1", voted(5, "node-2"));
        run.node("node-1", NodeEvent::Replaced);
        run.node("node-1", voted(2, "node-3"));
        passes(terms, &run.end());
        passes(votes, &run.end());
    }

    #[test]
    fn a_log_that_lost_its_end_is_back_in_its_term_and_does_not_vote_twice() {
        let lost = |vote: NodeEvent| {
            let mut run = Run::new();
            run.node("node-1", voted(5, "node-2"));
            run.fault("lost_tail", "node-1", FaultStatus::Installed);
            run.node("node-1", vote);
            run.end()
        };
        passes(terms, &lost(voted(4, "node-3")));
        let twice = lost(voted(5, "node-3"));
        fails(votes, &twice, "node-2 and node-3 in term 5");
    }

    #[test]
    fn a_node_that_forgot_its_vote_and_was_not_replaced() {
        let mut run = Run::new();
        run.node("node-1", voted(5, "node-2"));
        run.fault("wipe", "node-1", FaultStatus::Installed);
        run.node("node-1", voted(5, "node-3"));
        fails(
            votes,
            &run.end(),
            "node-1 voted for node-2 and node-3 in term 5",
        );
    }
}

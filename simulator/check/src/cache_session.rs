//! C3: monotonic within a session. A client that reads a key from one node again and again
//! never sees it go back, as long as that node's process lives.
//!
//! In plain words: what I have seen does not become unseen, even where reads may be old.
//!
//! Source: Terry et al., "Session guarantees for weakly consistent replicated data" (1994),
//! monotonic reads. A node applies the log in order and never goes back; a restarted one
//! begins at its snapshot and may show less for a while. Reading one's own writes is
//! promised through the leader only, and follows from linearizability (C1).
//!
//! Not checked: sessions that move from node to node, which are promised nothing here.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::{Action, NodeEvent, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let mut starts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (pos, _, node, what) in view.nodes() {
        if matches!(what, NodeEvent::Started { .. }) {
            starts.entry(node).or_default().push(pos);
        }
    }
    for (key, reads) in &view.node_reads {
        if deleted(view, key) {
            continue;
        }
        // The newest version that each client has seen at each node.
        let mut seen: BTreeMap<(&str, &str), (u64, usize)> = BTreeMap::new();
        for &index in reads {
            let read = &view.operations[index];
            let (Action::GetFrom { node, .. }, Some(Outcome::Value { version, .. })) =
                (read.action, read.outcome)
            else {
                continue;
            };
            judge.count_checked();
            let newest = seen.entry((read.client, node)).or_insert((*version, index));
            let first = &view.operations[newest.1];
            let restarts = starts.get(node.as_str()).into_iter().flatten();
            let restarted = restarts
                .clone()
                .any(|&pos| pos > first.invoke_pos && Some(pos) < read.return_pos);
            if *version < newest.0 && !restarted {
                judge.violation(
                    format!(
                        "key {key}: {} saw version {} at {node}, and then version {version}",
                        read.client, newest.0
                    ),
                    [first, read].map(words::operation),
                );
            }
            *newest = (*version, index);
        }
    }
}

fn deleted(view: &View, key: &str) -> bool {
    let operations = view.keys.get(key).into_iter().flatten();
    let mut actions = operations.map(|&index| view.operations[index].action);
    actions.any(|action| matches!(action, Action::Delete { .. }))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::NodeEvent::Started;

    fn from(node: &str) -> squall_history::Action {
        get_from("k", node, None)
    }

    #[test]
    fn back_in_time() {
        let mut run = Run::new();
        run.call("cache-1", from("node-2"), value("b", 6));
        run.call("cache-1", from("node-2"), value("a", 5));
        fails(
            check,
            &run.end(),
            "saw version 6 at node-2, and then version 5",
        );
        let mut run = Run::new();
        run.call("cache-1", from("node-2"), value("b", 6));
        run.call("cache-1", from("node-2"), absent());
        fails(check, &run.end(), "and then version 0");
    }

    /// Another node, another client, or a node that was restarted in between.
    #[test]
    fn elsewhere_or_after_a_restart() {
        let mut run = Run::new();
        run.call("cache-1", from("node-2"), value("b", 6));
        run.call("cache-1", from("node-3"), value("a", 5));
        run.call("cache-2", from("node-2"), value("a", 5));
        let started = Started {
            last_log: 0,
            applied: 0,
        };
        run.node("node-2", started);
        run.call("cache-1", from("node-2"), value("a", 5));
        passes(check, &run.end());
    }
}

//! R2, C4: same index, same state. All nodes that applied the log up to an index have the
//! same digest of their state, restarts included.
//!
//! Source: Schneider, "Implementing fault-tolerant services using the state machine
//! approach" (1990); TigerBeetle's `src/testing/cluster/state_checker.zig`. Not checked:
//! indexes that only one node reports.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::View;
use super::words::seconds;
use squall_history::NodeEvent;

pub(super) fn check(view: &View, judge: &mut Judge) {
    // What the first node to report an index said of it: of the entries, and of the state.
    let mut entries: BTreeMap<u64, Report> = BTreeMap::new();
    let mut states: BTreeMap<u64, Report> = BTreeMap::new();
    for (_, at_us, node, what) in view.nodes() {
        let NodeEvent::Applied {
            index,
            digest,
            state,
            ..
        } = what
        else {
            continue;
        };
        judge.count_checked();
        let said = [
            (&mut entries, "entries and replies", Some(digest)),
            (&mut states, "state", state.as_ref()),
        ];
        for (first, kind, digest) in said {
            let Some(digest) = digest else {
                continue;
            };
            let report = Report {
                node,
                digest,
                at_us,
            };
            let other = *first.entry(*index).or_insert(report);
            if other.digest != report.digest {
                judge.violation(
                    format!(
                        "{node} and {} differ after applying index {index}",
                        other.node
                    ),
                    [other, report].map(|report| report.line(kind, *index)),
                );
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Report<'a> {
    node: &'a str,
    digest: &'a str,
    at_us: u64,
}

impl Report<'_> {
    fn line(&self, kind: &str, index: u64) -> String {
        format!(
            "{} {}: {kind} {} after index {index}",
            seconds(self.at_us),
            self.node,
            self.digest
        )
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::NodeEvent;

    fn applied(index: u64, digest: &str) -> NodeEvent {
        NodeEvent::Applied {
            term: 1,
            index,
            digest: digest.into(),
            state: None,
        }
    }

    fn with_state(index: u64, state: &str) -> NodeEvent {
        NodeEvent::Applied {
            term: 1,
            index,
            digest: "aa".into(),
            state: Some(state.into()),
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
    fn equal_entries_and_two_states() {
        let mut run = Run::new();
        run.node("node-1", with_state(7, "cc"));
        run.node("node-2", with_state(7, "dd"));
        fails(
            check,
            &run.end(),
            "node-2 and node-1 differ after applying index 7",
        );
    }

    #[test]
    fn a_report_without_the_state_contradicts_none() {
        let mut run = Run::new();
        run.node("node-1", applied(7, "aa"));
        run.node("node-2", with_state(7, "cc"));
        passes(check, &run.end());
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

//! C9: hits + misses = gets, at every node; and together the nodes counted every get that
//! was answered.
//!
//! In plain words: the statistics that operators trust add up.
//!
//! Source: `keyspace_hits` and `keyspace_misses` of Redis's `INFO`. Each node reports its
//! counters at the end. They begin with the process, so they are compared with what clients
//! saw only if no process ended during the run; a node may have counted more, since an answer
//! can get lost.
//!
//! Not checked: the other counters of `INFO`.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::View;
use super::words::seconds;
use squall_history::{Action, NodeEvent, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let mut last: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut ended = false;
    for (_, at_us, node, what) in view.nodes() {
        match what {
            NodeEvent::Stopped { .. } => ended = true,
            NodeEvent::CacheReads { gets, hits, misses } => {
                judge.count_checked();
                last.insert(node, (*hits, *misses));
                if hits + misses != *gets {
                    judge.violation(
                        format!("{node} counted {hits} hits and {misses} misses in {gets} gets"),
                        [format!("{} {node}: its counters", seconds(at_us))],
                    );
                }
            }
            _ => {}
        }
    }
    if !ended && !last.is_empty() {
        let counted = last
            .values()
            .fold((0, 0), |sum, node| (sum.0 + node.0, sum.1 + node.1));
        let seen = seen(view);
        for (kind, counted, seen) in [("hits", counted.0, seen.0), ("misses", counted.1, seen.1)] {
            if counted < seen {
                judge.violation(
                    format!("all nodes together counted {counted} {kind}, clients saw {seen}"),
                    last.iter()
                        .map(|(node, (h, m))| format!("{node}: {h} hits, {m} misses")),
                );
            }
        }
    }
}

/// Answered reads that found their key, and those that did not.
fn seen(view: &View) -> (u64, u64) {
    let mut seen = (0, 0);
    for operation in &view.operations {
        if let Some(Outcome::Values { values }) = operation.outcome {
            let found = values.iter().filter(|found| found.value.is_some()).count();
            seen.0 += found as u64;
            seen.1 += (values.len() - found) as u64;
        }
        let reads = matches!(
            operation.action,
            Action::Get { .. } | Action::GetFrom { .. }
        );
        if let (true, Some(Outcome::Value { value, .. })) = (reads, operation.outcome) {
            match value {
                Some(_) => seen.0 += 1,
                None => seen.1 += 1,
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::NodeEvent::{CacheReads, Stopped};

    fn counted(hits: u64, misses: u64) -> squall_history::NodeEvent {
        let gets = hits + misses;
        CacheReads { gets, hits, misses }
    }

    #[test]
    fn a_sum_that_is_wrong() {
        let mut run = Run::new();
        let (gets, hits, misses) = (5, 3, 1);
        run.node("node-1", CacheReads { gets, hits, misses });
        fails(
            check,
            &run.end(),
            "node-1 counted 3 hits and 1 misses in 5 gets",
        );
    }

    #[test]
    fn fewer_than_clients_saw() {
        let mut run = Run::new();
        run.call("cache-1", get("k"), value("a", 5));
        run.call("cache-1", get("k"), absent());
        run.node("node-1", counted(1, 0))
            .node("node-2", counted(0, 0));
        fails(check, &run.end(), "counted 0 misses, clients saw 1");
    }

    /// A lost answer is counted by the node alone, and a killed process forgets.
    #[test]
    fn more_than_clients_saw_or_a_process_that_ended() {
        let mut run = Run::new();
        run.call("cache-1", get("k"), unknown());
        run.node("node-1", counted(1, 0));
        passes(check, &run.end());
        let mut run = Run::new();
        run.call("cache-1", get("k"), value("a", 5));
        let why = "killed".to_owned();
        run.node("node-1", Stopped { why })
            .node("node-1", counted(0, 0));
        passes(check, &run.end());
    }
}

//! C2: a bounded-stale read is at most as old as its bound; and whatever the mode, a read
//! shows what somebody wrote.
//!
//! In plain words: "half a second old at most" is kept, also by a node that was cut off; and
//! an old answer is an old truth, never an invention.
//!
//! Source: bounded staleness as in Bermbach & Tai, "Eventual consistency: how soon is
//! eventual?" (2011), and the consistency levels of Azure Cosmos DB. Everything acknowledged
//! before the read was sent less its bound must be visible. Versions are log indexes, so one
//! number tells.
//!
//! Not checked: bounds while a clock drifts, keys that were deleted, and keys whose history
//! of writes has increments, which name no value.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::{DRIFT_PPM, STAMP_RESOLUTION_US, View, may_have_effect};
use super::words;
use squall_history::{Action, Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (key, reads) in &view.node_reads {
        let writes = Writes::new(view, key);
        for &index in reads {
            let read = &view.operations[index];
            let bound_ms = match read.action {
                Action::GetFrom { bound_ms, .. } => *bound_ms,
                Action::GetNear { bound_ms, .. } => Some(*bound_ms),
                _ => continue,
            };
            let Some(Outcome::Value { value, version }) = read.outcome else {
                continue;
            };
            judge.count_checked();
            if let Some(bound_ms) = bound_ms {
                judge_age(view, judge, key, &writes, read, *version, bound_ms);
            }
            if let Some(value) = value {
                judge_truth(view, judge, key, &writes, read, value, *version);
            }
        }
    }
}

/// The writes of one key.
struct Writes<'a> {
    /// By the time of their answer: the largest version acknowledged so far.
    acknowledged: Vec<(u64, u64, usize)>,
    by_version: BTreeMap<u64, usize>,
    /// Values of writes without an answer, which may be anywhere.
    unanswered: BTreeMap<&'a str, usize>,
}

impl<'a> Writes<'a> {
    fn new(view: &View<'a>, key: &str) -> Self {
        let mut writes = Self {
            acknowledged: Vec::new(),
            by_version: BTreeMap::new(),
            unanswered: BTreeMap::new(),
        };
        let operations = view.keys.get(key);
        for &index in operations.into_iter().flatten() {
            let operation = &view.operations[index];
            let Some(value) = written(operation) else {
                continue;
            };
            match (operation.outcome, operation.returned_us) {
                (Some(Outcome::Stored { version }), Some(returned_us)) => {
                    writes.acknowledged.push((returned_us, *version, index));
                    writes.by_version.insert(*version, index);
                }
                _ if may_have_effect(operation) => {
                    writes.unanswered.insert(value, index);
                }
                _ => {}
            }
        }
        writes.acknowledged.sort_unstable();
        let mut largest = (0, 0);
        for (_, version, index) in &mut writes.acknowledged {
            largest = largest.max((*version, *index));
            (*version, *index) = largest;
        }
        writes
    }

    /// The largest version acknowledged before a time, and its write.
    fn before_us(&self, at_us: u64) -> Option<(u64, usize)> {
        let count = self
            .acknowledged
            .partition_point(|&(returned_us, ..)| returned_us < at_us);
        self.acknowledged[..count]
            .last()
            .map(|&(_, version, index)| (version, index))
    }
}

fn written<'a>(operation: &Operation<'a>) -> Option<&'a str> {
    match operation.action {
        Action::Set { value, .. } | Action::CompareAndSet { value, .. } => Some(value),
        _ => None,
    }
}

fn judge_age(
    view: &View,
    judge: &mut Judge,
    key: &str,
    writes: &Writes,
    read: &Operation,
    version: u64,
    bound_ms: u64,
) {
    let bound_us = bound_ms.saturating_mul(1_000);
    let since_us = read
        .invoked_us
        .saturating_sub(bound_us + bound_us * DRIFT_PPM / 1_000_000 + STAMP_RESOLUTION_US);
    if view.clocks_wrong(since_us, read.invoked_us).is_some() {
        return;
    }
    if let Some((newest, write)) = writes.before_us(since_us)
        && version < newest
    {
        judge.violation(
            format!(
                "key {key}: a read at most {bound_ms} ms old showed version {version}, \
                but version {newest} is older than that"
            ),
            [&view.operations[write], read].map(words::operation),
        );
    }
}

fn judge_truth(
    view: &View,
    judge: &mut Judge,
    key: &str,
    writes: &Writes,
    read: &Operation,
    value: &str,
    version: u64,
) {
    let write = match writes.by_version.get(&version) {
        Some(&index) => Some(index).filter(|&i| written(&view.operations[i]) == Some(value)),
        None => writes.unanswered.get(value).copied(),
    };
    let known = write.is_some_and(|i| Some(view.operations[i].invoke_pos) < read.return_pos);
    if !known {
        judge.violation(
            format!("key {key}: nobody had written {value} as version {version}"),
            [words::operation(read)],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::FaultStatus;

    fn written_twice() -> Run {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), stored(5)).at(1000);
        run.call("cache-1", set("k", "b"), stored(6)).at(2000);
        run
    }

    #[test]
    fn older_than_its_bound() {
        let mut run = written_twice();
        run.call("cache-2", get_from("k", "node-2", Some(500)), value("a", 5));
        fails(
            check,
            &run.end(),
            "showed version 5, but version 6 is older than that",
        );
        let mut run = written_twice();
        run.call("cache-2", get_from("k", "node-2", Some(500)), absent());
        fails(check, &run.end(), "showed version 0");
    }

    #[test]
    fn what_nobody_wrote() {
        let mut run = written_twice();
        run.call("cache-2", get_from("k", "node-2", None), value("c", 6));
        fails(check, &run.end(), "nobody had written c as version 6");
    }

    /// Old within its bound, or without one; and a write without an answer may be seen.
    #[test]
    fn old_but_allowed() {
        let mut run = written_twice();
        run.call(
            "cache-2",
            get_from("k", "node-2", Some(1500)),
            value("a", 5),
        );
        run.call("cache-2", get_from("k", "node-2", None), absent());
        run.call("cache-1", set("k", "d"), unknown());
        run.call("cache-2", get_from("k", "node-3", Some(500)), value("d", 9));
        passes(check, &run.end());
    }

    #[test]
    fn clocks_that_go_wrong() {
        let read = |kind, status| {
            let mut run = written_twice();
            run.fault(kind, "node-2", status);
            run.call("cache-2", get_from("k", "node-2", Some(500)), value("a", 5));
            run.end()
        };
        let installed = || FaultStatus::Installed;
        let why = "version 6 is older than that";
        fails(check, &read("clock_offset", installed()), why);
        passes(check, &read("clock_drift", installed()));
        let skipped = FaultStatus::Skipped {
            why: "no leader".into(),
        };
        fails(check, &read("clock_drift", skipped), why);
    }
}

//! C2: a bounded-stale read is at most as old as its bound.
//!
//! In plain words: "half a second old at most" is kept, also by a node that was cut off.
//!
//! Source: bounded staleness as in Bermbach & Tai, "Eventual consistency: how soon is
//! eventual?" (2011), and the consistency levels of Azure Cosmos DB. Everything acknowledged
//! before the read was sent less its bound must be visible. Versions are log indexes, so one
//! number tells. A clock that runs slow lengthens the bound by as much.
//!
//! Not checked: reads before which nothing was written that must be visible, keys that were
//! deleted, and increments. That what was read is no invention is `cache_phantom`.

use super::result::Judge;
use super::view::{STAMP_RESOLUTION_US, View};
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
                _ => None,
            };
            if let (Some(Outcome::Value { version, .. }), Some(bound_ms)) = (read.outcome, bound_ms)
            {
                judge_age(view, judge, key, &writes, read, *version, bound_ms);
            }
        }
    }
}

/// The acknowledged writes of one key, by the time of their answer: the largest version so far.
struct Writes(Vec<(u64, u64, usize)>);

impl Writes {
    fn new(view: &View, key: &str) -> Self {
        let operations = view.keys.get(key).into_iter().flatten();
        let stored = operations.filter_map(|&index| {
            let operation = &view.operations[index];
            match (operation.action, operation.outcome, operation.returned_us) {
                (
                    Action::Set { .. } | Action::CompareAndSet { .. },
                    Some(Outcome::Stored { version }),
                    Some(returned_us),
                ) => Some((returned_us, *version, index)),
                _ => None,
            }
        });
        let mut stored: Vec<_> = stored.collect();
        stored.sort_unstable();
        let mut largest = (0, 0);
        for (_, version, index) in &mut stored {
            largest = largest.max((*version, *index));
            (*version, *index) = largest;
        }
        Self(stored)
    }

    /// The largest version acknowledged before a time, and its write.
    fn before_us(&self, at_us: u64) -> Option<(u64, usize)> {
        let count = self
            .0
            .partition_point(|&(returned_us, ..)| returned_us < at_us);
        self.0[..count]
            .last()
            .map(|&(_, version, index)| (version, index))
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
    let asked_us = read.invoked_us;
    let age_us = view.longest_us(asked_us.saturating_sub(bound_us), asked_us, bound_us);
    let since_us = asked_us.saturating_sub(age_us.saturating_add(STAMP_RESOLUTION_US));
    let Some((newest, write)) = writes.before_us(since_us) else {
        judge.pass_over(|| "nothing was written that a read must have shown".into());
        return;
    };
    judge.count_checked();
    if version < newest {
        judge.violation(
            format!(
                "key {key}: a read at most {bound_ms} ms old showed version {version}, \
                but version {newest} is older than that"
            ),
            [&view.operations[write], read].map(words::operation),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::FaultStatus;

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
        let read = |run: &mut Run| {
            run.call("cache-2", get_from("k", "node-2", Some(500)), value("a", 5));
            run.end()
        };
        let why = "version 6 is older than that";
        let mut off = written_twice();
        off.fault("clock_offset", "node-2", FaultStatus::Installed);
        fails(check, &read(&mut off), why);
        let drift = |ppm, status| read(written_twice().drift(Some(ppm), status));
        passes(check, &drift(-700_000, FaultStatus::Installed));
        fails(check, &drift(-300, FaultStatus::Installed), why);
        let skipped = FaultStatus::Skipped {
            why: "no leader".into(),
        };
        fails(check, &drift(-700_000, skipped), why);
    }
}

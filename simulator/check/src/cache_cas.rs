//! C7: compare-and-set is atomic. Between the version that a successful one expected and
//! the version that it wrote, no other write took effect.
//!
//! Source: Herlihy, "Wait-free synchronization" (1991), §3.4 (compare-and-swap). It is
//! part of linearizability (C1) and stands alone because the mistake it catches, comparing
//! first and writing blindly later, is so common that it deserves its name in a report.
//! Not checked: refusals, which C1 judges.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::unordered::is_ordered;
use squall_history::{Action, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (key, operations) in &view.keys {
        let is_swap = |&&index: &&usize| {
            matches!(view.operations[index].action, Action::CompareAndSet { .. })
        };
        if !operations.iter().any(|index| is_swap(&index)) {
            continue;
        }
        let seen = versions(view, operations);
        // Of versions that tell no order: who replaced each.
        let mut replaced: BTreeMap<u64, usize> = BTreeMap::new();
        for &index in operations.iter().filter(is_swap) {
            let operation = &view.operations[index];
            let (
                Action::CompareAndSet {
                    version: expected, ..
                },
                Some(Outcome::Stored { version: new }),
            ) = (operation.action, operation.outcome)
            else {
                continue;
            };
            judge.count_checked();
            let other = if !is_ordered(*new) || !is_ordered(*expected) {
                // Values are unique, so no version comes back; nothing at all may.
                let first = *replaced.entry(*expected).or_insert(index);
                (*expected > 0 && first != index).then_some((expected, first))
            } else if expected < new {
                // Absent (version 0) may mean deleted, with older versions before.
                let from = if *expected == 0 { *new } else { expected + 1 };
                seen.range(from..*new).next_back().map(|(v, &i)| (v, i))
            } else {
                seen.get_key_value(expected).map(|(v, &i)| (v, i))
            };
            if let Some((other, witness)) = other {
                judge.violation(
                    format!(
                        "key {key}: a compare-and-set of version {expected} succeeded \
                        as version {new}, past version {other}"
                    ),
                    [witness, index].map(|i| words::operation(&view.operations[i])),
                );
            }
        }
    }
}

/// Every version that the history shows, with an operation that shows it.
fn versions(view: &View, operations: &[usize]) -> BTreeMap<u64, usize> {
    let shown = operations.iter().filter_map(|&index| {
        let version = match view.operations[index].outcome? {
            Outcome::Stored { version }
            | Outcome::Value { version, .. }
            | Outcome::Counted { version, .. } => *version,
            _ => return None,
        };
        (version > 0).then_some((version, index))
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Outcome::Mismatch;
    use squall_history::unordered::name_of;

    #[test]
    fn two_succeed_on_the_same_version() {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), stored(5));
        run.call("cache-1", set_if("k", 5, "b"), stored(6));
        run.call("cache-2", set_if("k", 5, "c"), stored(7));
        fails(
            check,
            &run.end(),
            "version 5 succeeded as version 7, past version 6",
        );
    }

    #[test]
    fn two_replace_the_same_value_of_a_system_without_versions() {
        let name = |value: &str| name_of(value.as_bytes());
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), stored(name("a")));
        run.call("cache-1", set_if("k", name("a"), "b"), stored(name("b")));
        passes(check, &run.end());
        run.call("cache-2", set_if("k", name("a"), "c"), stored(name("c")));
        fails(check, &run.end(), "a compare-and-set of version");
    }

    #[test]
    fn success_past_a_write_that_was_only_read() {
        let mut run = Run::new();
        run.call("cache-1", set("k", "x"), unknown());
        run.call("cache-1", get("k"), value("x", 6));
        run.call("cache-2", set_if("k", 5, "c"), stored(7));
        fails(check, &run.end(), "past version 6");
    }

    #[test]
    fn one_wins_one_loses_and_absent_after_a_delete() {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), stored(5));
        run.call("cache-1", set_if("k", 5, "b"), stored(6));
        run.call("cache-2", set_if("k", 5, "c"), Mismatch);
        run.call("cache-1", delete("k"), stored(0));
        run.call("cache-2", set_if("k", 0, "d"), stored(8));
        passes(check, &run.end());
    }
}

//! R1: an acknowledged write survives. The last read of the audit shows each key at the
//! largest version that was ever acknowledged, or a newer one.
//!
//! Source: Raft §5.4.3 and §8 (a committed entry is in the log of every later leader),
//! and Jepsen's set checker, which reads everything back at the end. A key that was
//! written but not read by the audit is `Unknown`. A delete that may have come after the
//! write excuses its absence.
//!
//! Not checked: writes that a later one has overwritten; whether they ever were visible is
//! C1's to judge. Messages and lock grants have their own checks (`queue_conservation`,
//! `lost_grants`).

use super::result::Judge;
use super::view::{View, end, may_have_effect};
use super::words;
use squall_history::unordered::is_ordered;
use squall_history::{Action, Operation, Outcome, Phase};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (key, indexes) in &view.keys {
        let operations = || indexes.iter().map(|&index| &view.operations[index]);
        let written = operations().filter_map(|o| Some((version(o)?, o)));
        let Some((newest, write)) = written.max_by_key(|&(version, _)| version) else {
            continue;
        };
        judge.count_checked();
        let audited = operations().rev().find_map(|o| match o.outcome {
            Some(Outcome::Value { value, version }) if view.in_phase(o, Phase::Audit) => {
                Some((o, value.as_deref().map(|value| (value, *version))))
            }
            _ => None,
        });
        let read = audited.and_then(|(_, read)| read);
        if !is_ordered(newest) || read.is_some_and(|(_, version)| !is_ordered(version)) {
            judge_named(view, judge, key, indexes, audited);
            continue;
        }
        let lost = match audited {
            None => {
                judge.unknown(format!("key {key} was written but not read in the audit"));
                continue;
            }
            Some((read, _)) if end(write) > read.invoke_pos => {
                judge.unknown(format!(
                    "key {key} was still being written when the audit read it"
                ));
                continue;
            }
            Some((read, Some((_, version)))) => (version < newest).then_some(read),
            Some((read, None)) => {
                let deleted = operations().any(|o| may_have_deleted(o, write));
                (!deleted).then_some(read)
            }
        };
        if let Some(read) = lost {
            judge.violation(
                format!("key {key}: the acknowledged write of version {newest} is lost"),
                [write, read].map(words::operation),
            );
        }
    }
}

/// Judges a key whose versions name values and tell no order: a write is lost if the audit read
/// a value whose write had returned before that one was sent, or nothing.
fn judge_named(
    view: &View,
    judge: &mut Judge,
    key: &str,
    indexes: &[usize],
    audited: Option<(&Operation, Option<(&str, u64)>)>,
) {
    let operations = || indexes.iter().map(|&index| &view.operations[index]);
    let Some((read, value)) = audited else {
        judge.unknown(format!("key {key} was written but not read in the audit"));
        return;
    };
    let written = || operations().filter(|o| version(o).is_some());
    if written().any(|write| end(write) > read.invoke_pos) {
        judge.unknown(format!(
            "key {key} was still being written when the audit read it"
        ));
        return;
    }
    let seen = value.map(|(value, _)| operations().find(|o| wrote(o) == Some(value)));
    let is_lost = |write: &&Operation| match seen {
        None => !operations().any(|o| may_have_deleted(o, write)),
        // Nobody wrote it, which is C1's to judge.
        Some(None) => false,
        Some(Some(seen)) => end(seen) < write.invoke_pos,
    };
    let lost: Vec<&Operation> = written().filter(is_lost).collect();
    if let Some(last) = lost.last() {
        judge.violation(
            format!("key {key}: {} acknowledged writes are lost", lost.len()),
            [*last, read].map(words::operation),
        );
    }
}

/// The value that an operation wrote, or may have written.
fn wrote<'a>(operation: &Operation<'a>) -> Option<&'a str> {
    match operation.action {
        Action::Set { value, .. } | Action::CompareAndSet { value, .. }
            if may_have_effect(operation) =>
        {
            Some(value)
        }
        _ => None,
    }
}

/// The version of an acknowledged write.
fn version(operation: &Operation) -> Option<u64> {
    match operation.outcome {
        Some(Outcome::Stored { version } | Outcome::Counted { version, .. }) => {
            Some(*version).filter(|&version| version > 0)
        }
        _ => None,
    }
}

fn may_have_deleted(operation: &Operation, write: &Operation) -> bool {
    matches!(operation.action, Action::Delete { .. })
        && may_have_effect(operation)
        && end(operation) > write.invoke_pos
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::unordered::name_of;

    fn written() -> Run {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), stored(5));
        run.call("cache-1", set("k", "b"), stored(6));
        run
    }

    #[test]
    fn lost_or_rolled_back() {
        let mut run = written();
        run.audit().call("audit", get("k"), absent());
        fails(
            check,
            &run.end(),
            "key k: the acknowledged write of version 6 is lost",
        );
        let mut run = written();
        run.audit().call("audit", get("k"), value("a", 5));
        fails(check, &run.end(), "version 6 is lost");
    }

    #[test]
    fn a_key_that_is_not_audited_proves_nothing() {
        let mut run = written();
        run.call("cache-1", get("k"), value("b", 6));
        cannot_tell(check, &run.end(), "not read in the audit");
        let mut run = written();
        run.audit().call("audit", get("k"), unknown());
        cannot_tell(check, &run.end(), "not read in the audit");
    }

    #[test]
    fn overwritten_by_an_unknown_write_or_perhaps_deleted() {
        let mut run = written();
        run.call("cache-1", set("k", "c"), unknown());
        run.audit().call("audit", get("k"), value("c", 9));
        passes(check, &run.end());
        let mut run = written();
        run.call("cache-1", delete("k"), unknown());
        run.audit().call("audit", get("k"), absent());
        passes(check, &run.end());
    }

    #[test]
    fn without_an_order_of_versions_what_came_after_the_value_read_is_lost() {
        let name = |value: &str| name_of(value.as_bytes());
        let written = || {
            let mut run = Run::new();
            for value in ["a", "b", "c"] {
                run.call("cache-1", set("k", value), stored(name(value)));
            }
            run
        };
        let mut run = written();
        run.audit().call("audit", get("k"), value("c", name("c")));
        passes(check, &run.end());
        let mut run = written();
        run.audit().call("audit", get("k"), value("a", name("a")));
        fails(check, &run.end(), "key k: 2 acknowledged writes are lost");
        let mut run = written();
        run.audit().call("audit", get("k"), absent());
        fails(check, &run.end(), "key k: 3 acknowledged writes are lost");
        // Reads may have numbers where writes have none, and the other way round.
        for is_read_named in [true, false] {
            let version = |of: &str, is_named: bool| match (is_named, of) {
                (true, _) => name(of),
                (false, "a") => 7,
                (false, _) => 8,
            };
            let audited = |seen: &str| {
                let mut run = Run::new();
                for of in ["a", "b"] {
                    run.call("cache-1", set("k", of), stored(version(of, !is_read_named)));
                }
                let seen = value(seen, version(seen, is_read_named));
                run.audit().call("audit", get("k"), seen);
                run.end()
            };
            passes(check, &audited("b"));
            fails(check, &audited("a"), "1 acknowledged writes are lost");
        }
        // It may have taken effect last.
        let mut run = Run::new();
        run.call("cache-2", set("k", "x"), unknown());
        run.call("cache-1", set("k", "a"), stored(name("a")));
        run.audit().call("audit", get("k"), value("x", name("x")));
        passes(check, &run.end());
    }

    #[test]
    fn an_unknown_write_need_not_survive() {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), unknown());
        run.audit().call("audit", get("k"), absent());
        not_judged(check, &run.end(), "no written keys");
    }
}

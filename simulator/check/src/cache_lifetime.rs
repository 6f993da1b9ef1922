//! C5: a lifetime is exact by log time. A key with a lifetime is there until it ends, and
//! gone afterwards; setting the key again starts a new one, or none.
//!
//! In plain words: what was stored for a minute is there for a minute, not for less because
//! of an earlier, shorter promise, and not for much more.
//!
//! The remaining lifetime of a key (`TTL`) is no more than its last set gave.
//!
//! Source: `EXPIRE`, `TTL` and `SET … EX` of Redis. A lifetime that began when the set was sent,
//! the earliest moment, cannot end earlier than that plus its length. It ends late by the time without a leader and a moment, so the
//! upper bound counts from the last change of leader or fault, with [`GRACE_US`] on top. A clock
//! that runs slow lengthens it, and one that runs faster than the cluster bears shortens it.
//!
//! Not checked: absence where keys may have been evicted.

use std::collections::BTreeMap;

use serde_json::Value;

use super::result::Judge;
use super::view::{STAMP_RESOLUTION_US, View, may_have_effect};
use super::words;
use squall_history::{Action, Operation, Outcome};

/// For the leader to notice, and to commit the end.
const GRACE_US: u64 = 2_000_000;

pub(super) fn check(view: &View, judge: &mut Judge) {
    let may_evict = may_evict(view);
    for (key, indexes) in &view.volatile_keys {
        let operations: Vec<&Operation> = indexes.iter().map(|&i| &view.operations[i]).collect();
        let writes = Writes::new(&operations);
        for read in &operations {
            if let (Action::Ttl { .. }, Some(Outcome::Answered { value })) =
                (read.action, read.outcome)
            {
                judge_remaining(judge, key, &writes, read, value);
            }
            let (Action::Get { .. }, Some(Outcome::Value { value, version })) =
                (read.action, read.outcome)
            else {
                continue;
            };
            match value {
                Some(_) => judge_presence(view, judge, key, &writes, read, *version),
                None if !may_evict => judge_absence(view, judge, key, &writes, read),
                None => judge.pass_over(|| "keys may have been evicted".into()),
            }
        }
    }
}

/// Whether more keys were written than the cache holds.
fn may_evict(view: &View) -> bool {
    let capacity = view.operations.iter().find_map(|o| match o.action {
        Action::CacheSize { capacity } => Some(*capacity),
        _ => None,
    });
    let keys = view.keys.len() + view.volatile_keys.len();
    capacity.is_some_and(|capacity| keys as u64 > capacity)
}

/// The sets of one key.
struct Writes<'v, 'a> {
    by_version: BTreeMap<u64, &'v Operation<'a>>,
    /// Those without an answer.
    unanswered: Vec<&'v Operation<'a>>,
}

impl<'v, 'a> Writes<'v, 'a> {
    fn new(operations: &[&'v Operation<'a>]) -> Self {
        let mut writes = Self {
            by_version: BTreeMap::new(),
            unanswered: Vec::new(),
        };
        for operation in operations {
            match (operation.action, operation.outcome) {
                (Action::SetVolatile { .. }, Some(Outcome::Stored { version })) => {
                    writes.by_version.insert(*version, operation);
                }
                (Action::SetVolatile { .. }, _) if may_have_effect(operation) => {
                    writes.unanswered.push(operation);
                }
                _ => {}
            }
        }
        writes
    }

    /// The newest write that surely came before `read`.
    fn last_before(&self, read: &Operation) -> Option<(u64, &'v Operation<'a>)> {
        let mut newest = self.by_version.iter().rev();
        let (&version, write) = newest.find(|(_, o)| o.return_pos < Some(read.invoke_pos))?;
        Some((version, write))
    }

    /// Those of which one may be the last when `read` is answered, if `version` surely came
    /// before it.
    fn since<'w>(
        &'w self,
        version: u64,
        read: &Operation,
    ) -> impl Iterator<Item = &'v Operation<'a>> + use<'w, 'v, 'a> {
        let later = self.by_version.range(version..).map(|(_, write)| *write);
        let in_doubt = self.unanswered.iter().copied();
        let return_pos = read.return_pos;
        later
            .chain(in_doubt)
            .filter(move |write| Some(write.invoke_pos) < return_pos)
    }
}

/// What is left of a lifetime is no more than a write that may be the last one gave, and none
/// ends that has none.
fn judge_remaining(judge: &mut Judge, key: &str, writes: &Writes, read: &Operation, left: &Value) {
    let left_us = match left.as_u64() {
        Some(ms) => Some(ms.saturating_mul(1_000)),
        None if left == "forever" => None,
        None => return,
    };
    judge.count_checked();
    let (version, last) = writes.last_before(read).unzip();
    let mut candidates = writes.since(version.unwrap_or(0), read);
    let fits = |write: &Operation| match (left_us, lifetime_us(write)) {
        (Some(left_us), Some(lifetime_us)) => left_us <= lifetime_us,
        (left_us, lifetime_us) => left_us == lifetime_us,
    };
    if !candidates.any(fits) {
        let what = format!("key {key}: no write that may be the last gave a lifetime of {left}");
        judge.violation(what, last.into_iter().chain([read]).map(words::operation));
    }
}

fn lifetime_us(write: &Operation) -> Option<u64> {
    match write.action {
        Action::SetVolatile { ttl_ms, .. } => ttl_ms.map(|ms| ms.saturating_mul(1_000)),
        _ => None,
    }
}

/// The key is absent only if the lifetime of some write that may be the last one can be over.
fn judge_absence(view: &View, judge: &mut Judge, key: &str, writes: &Writes, read: &Operation) {
    judge.count_checked();
    let Some((version, last)) = writes.last_before(read) else {
        return;
    };
    let returned_us = read.returned_us.expect("an answered read has returned");
    let mut candidates = writes.since(version, read);
    let can_be_over = candidates.any(|write| {
        lifetime_us(write).is_some_and(|lifetime_us| {
            view.earliest_us(write.invoked_us, lifetime_us) <= returned_us + STAMP_RESOLUTION_US
        })
    });
    if !can_be_over {
        judge.violation(
            format!("key {key}: version {version} is gone before its lifetime is over"),
            [last, read].map(words::operation),
        );
    }
}

/// A version is there only while it is the newest, and its lifetime is not over.
fn judge_presence(
    view: &View,
    judge: &mut Judge,
    key: &str,
    writes: &Writes,
    read: &Operation,
    version: u64,
) {
    judge.count_checked();
    if let Some((newest, last)) = writes.last_before(read)
        && newest > version
    {
        judge.violation(
            format!("key {key}: version {version} was read after version {newest} was stored"),
            [last, read].map(words::operation),
        );
    }
    let Some(write) = writes.by_version.get(&version) else {
        return;
    };
    let (Some(lifetime_us), Some(stored_us)) = (lifetime_us(write), write.returned_us) else {
        return;
    };
    let from_us = stored_us.max(view.calm_since_us(read.invoked_us));
    let lifetime_us = view.longest_us(from_us, read.invoked_us, lifetime_us);
    let over_us = from_us.saturating_add(lifetime_us).saturating_add(GRACE_US);
    if read.invoked_us > over_us {
        judge.violation(
            format!(
                "key {key}: version {version} is there {} us after its lifetime",
                read.invoked_us - over_us + GRACE_US
            ),
            [*write, read].map(words::operation),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::FaultStatus;

    fn stored_for_a_second() -> Run {
        let mut run = Run::new();
        run.at(10)
            .call("cache-1", set_volatile("k", "a", Some(1000)), stored(5));
        run
    }

    #[test]
    fn gone_too_early() {
        let mut run = stored_for_a_second();
        run.at(900).call("cache-1", get("k"), absent());
        fails(
            check,
            &run.end(),
            "version 5 is gone before its lifetime is over",
        );
        let mut run = stored_for_a_second();
        run.call("cache-1", set_volatile("k", "b", None), stored(6));
        run.at(1100).call("cache-1", get("k"), absent());
        fails(
            check,
            &run.end(),
            "version 6 is gone before its lifetime is over",
        );
    }

    #[test]
    fn there_too_long_or_back_again() {
        let mut run = stored_for_a_second();
        run.at(4000).call("cache-1", get("k"), value("a", 5));
        fails(check, &run.end(), "version 5 is there");
        let mut run = stored_for_a_second();
        run.call("cache-1", set_volatile("k", "b", None), stored(6));
        run.call("cache-1", get("k"), value("a", 5));
        fails(
            check,
            &run.end(),
            "version 5 was read after version 6 was stored",
        );
    }

    #[test]
    fn a_remaining_lifetime_is_no_more_than_the_last_set_gave() {
        let asked = |run: &mut Run, left: serde_json::Value| {
            let ttl = squall_history::Action::Ttl { key: "k".into() };
            run.call(
                "cache-1",
                ttl,
                squall_history::Outcome::Answered { value: left },
            );
            run.end()
        };
        passes(check, &asked(&mut stored_for_a_second(), 990.into()));
        let absent = asked(&mut stored_for_a_second(), "absent".into());
        not_judged(check, &absent, "no reads of keys that may vanish");
        let broken = "no write that may be the last gave a lifetime of ";
        for left in [1001.into(), "forever".into()] {
            let expected = format!("{broken}{left}");
            fails(check, &asked(&mut stored_for_a_second(), left), &expected);
        }
        let mut run = stored_for_a_second();
        run.call("cache-1", set_volatile("k", "b", None), stored(6));
        fails(check, &asked(&mut run, 500.into()), broken);
        let mut run = stored_for_a_second();
        run.call("cache-2", set_volatile("k", "b", None), unknown());
        passes(check, &asked(&mut run, "forever".into()));
    }

    /// A set without an answer may have cut the lifetime short, and an eviction may explain
    /// any absence.
    #[test]
    fn gone_for_a_reason() {
        let mut run = stored_for_a_second();
        run.call("cache-2", set_volatile("k", "b", Some(100)), unknown());
        run.at(500).call("cache-1", get("k"), absent());
        passes(check, &run.end());
        let mut run = stored_for_a_second();
        let size = squall_history::Action::CacheSize { capacity: 0 };
        run.call(
            "cache-2",
            size,
            squall_history::Outcome::Size { entries: 0 },
        );
        run.call("cache-1", get("k"), absent());
        not_judged(check, &run.end(), "may have been evicted");
    }

    /// A lifetime ends as early or late as a clock that drifts makes it, and no more.
    #[test]
    fn clocks_that_go_wrong() {
        let read = |run: &mut Run, at_ms, outcome| {
            run.at(at_ms).call("cache-1", get("k"), outcome);
            run.end()
        };
        let early = "gone before its lifetime is over";
        let late = "version 5 is there";
        for kind in ["clock_offset", "clock_jump"] {
            let fault = || {
                let mut run = stored_for_a_second();
                run.fault(kind, "node-1", FaultStatus::Installed);
                run
            };
            fails(check, &read(&mut fault(), 900, absent()), early);
            fails(check, &read(&mut fault(), 4000, value("a", 5)), late);
        }
        let drift = |ppm, at_ms, outcome| {
            let mut run = stored_for_a_second();
            run.drift(Some(ppm), FaultStatus::Installed);
            read(&mut run, at_ms, outcome)
        };
        fails(check, &drift(1_000, 900, absent()), early);
        passes(check, &drift(150_000, 900, absent()));
        fails(check, &drift(-1_000, 4000, value("a", 5)), late);
        passes(check, &drift(-600_000, 4000, value("a", 5)));
    }
}

//! C1 of several keys read at once: what they held at one index of the log, and no earlier
//! one than all that had been acknowledged when they were asked for.
//!
//! In plain words: keys that are read together belong together.
//!
//! Source: strict serializability of a read-only transaction (Herlihy & Wing,
//! "Linearizability", 1990, with the whole cache as the object). Versions are log indexes,
//! so no search is needed: the index of the read is at least the newest version that it
//! saw, and then no key of it may have been written between the version that was seen of
//! it and that index. Nor may a key be seen older than a write of it that was acknowledged
//! before the read was sent.
//!
//! Not checked: keys that vanish by themselves or are deleted, since that leaves no
//! version; and that a value is the one written at its version, which single reads show.

use indexmap::{IndexMap, IndexSet};

use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::{Action, Outcome};

/// A write: its version, and its operation.
type Write = (u64, usize);

pub(super) fn check(view: &View, judge: &mut Judge) {
    let (writes, vanishing) = writes(view);
    for read in &view.operations {
        let (Action::GetMany { keys }, Some(Outcome::Values { values })) =
            (read.action, read.outcome)
        else {
            continue;
        };
        judge.count_checked();
        let index = values.iter().map(|found| found.version).max().unwrap_or(0);
        for (key, found) in keys.iter().zip(values) {
            if vanishing.contains(key.as_str()) {
                continue;
            }
            let of_key = writes.get(key.as_str()).map_or(&[][..], Vec::as_slice);
            let after = of_key.partition_point(|(version, _)| *version <= found.version);
            let missed = of_key[after..].iter().find(|(version, operation)| {
                let write = &view.operations[*operation];
                *version <= index || write.return_pos < Some(read.invoke_pos)
            });
            if let Some((version, operation)) = missed {
                judge.violation(
                    format!(
                        "key {key} was read at version {}, without version {version}, by a read \
                         that saw index {index}",
                        found.version
                    ),
                    [&view.operations[*operation], read].map(words::operation),
                );
            }
        }
    }
}

/// Acknowledged writes of each key by version, and the keys that may vanish.
fn writes<'a>(view: &View<'a>) -> (IndexMap<&'a str, Vec<Write>>, IndexSet<&'a str>) {
    let mut writes: IndexMap<&str, Vec<Write>> = IndexMap::new();
    let mut vanishing = IndexSet::new();
    for (place, operation) in view.operations.iter().enumerate() {
        match (operation.action, operation.outcome) {
            (Action::Delete { key } | Action::SetVolatile { key, .. }, _) => {
                vanishing.insert(key.as_str());
            }
            (
                Action::Set { key, .. }
                | Action::CompareAndSet { key, .. }
                | Action::Increment { key, .. },
                Some(Outcome::Stored { version } | Outcome::Counted { version, .. }),
            ) => {
                let of_key = writes.entry(key.as_str()).or_default();
                of_key.push((*version, place));
            }
            _ => {}
        }
    }
    for of_key in writes.values_mut() {
        of_key.sort_unstable();
    }
    (writes, vanishing)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{Action, Found, Outcome};

    fn get_many(keys: &[&str]) -> Action {
        Action::GetMany {
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        }
    }

    fn values(found: &[(Option<&str>, u64)]) -> Outcome {
        let values = found.iter().map(|(value, version)| Found {
            value: value.map(str::to_owned),
            version: *version,
        });
        Outcome::Values {
            values: values.collect(),
        }
    }

    #[test]
    fn one_key_before_and_one_after() {
        let mut run = Run::new();
        run.call("cache-1", set("a", "a1"), stored(5));
        // All at the same time as the read, so each value by itself may be what it saw.
        let read = run.invoke("cache-3", get_many(&["a", "b"]));
        run.call("cache-1", set("a", "a2"), stored(7));
        run.call("cache-2", set("b", "b1"), stored(9));
        run.returns(read, values(&[(Some("a1"), 5), (Some("b1"), 9)]));
        fails(
            check,
            &run.end(),
            "key a was read at version 5, without version 7",
        );
    }

    #[test]
    fn older_than_what_was_acknowledged() {
        let mut run = Run::new();
        run.call("cache-1", set("a", "a1"), stored(5));
        run.call(
            "cache-2",
            get_many(&["a", "b"]),
            values(&[(None, 0), (None, 0)]),
        );
        fails(
            check,
            &run.end(),
            "key a was read at version 0, without version 5",
        );
    }

    #[test]
    fn before_both_or_after_both_and_what_nobody_can_tell() {
        let mut run = Run::new();
        run.call("cache-1", set("a", "a1"), stored(5));
        let early = run.invoke("cache-3", get_many(&["a", "b"]));
        let late = run.invoke("cache-4", get_many(&["a", "b"]));
        run.call("cache-1", set("a", "a2"), stored(7));
        run.call("cache-2", set("b", "b1"), stored(9));
        run.returns(early, values(&[(Some("a1"), 5), (None, 0)]));
        run.returns(late, values(&[(Some("a2"), 7), (Some("b1"), 9)]));
        // A lost answer leaves no version, and what was deleted may be missing.
        run.call("cache-1", set("c", "c1"), unknown());
        run.call("cache-1", set("d", "d1"), stored(12));
        run.call("cache-1", delete("d"), stored(0));
        let read = values(&[(None, 0), (None, 0), (Some("b1"), 9)]);
        run.call("cache-2", get_many(&["c", "d", "b"]), read);
        passes(check, &run.end());
    }
}

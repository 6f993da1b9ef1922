//! C2: whatever the mode, a read shows what somebody wrote.
//!
//! In plain words: an old answer is an old truth, never an invention.
//!
//! Source: the consistency levels of Azure Cosmos DB, the weakest of which still returns a
//! prefix of the writes. A value that was read with a version is that of the write that returned
//! this version, or of one without an answer, sent before the read returned.
//!
//! Not checked: reads that found nothing, keys that may vanish by themselves, and keys whose
//! history of writes has increments, which name no value. How old a read may be is `cache_staleness`.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::{View, may_have_effect};
use super::words;
use squall_history::{Action, Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let lasting = |(key, _): &(&&str, _)| !view.volatile_keys.contains_key(**key);
    for (key, reads) in view.node_reads.iter().filter(lasting) {
        let writes = Writes::new(view, key);
        for &index in reads {
            let read = &view.operations[index];
            if let Some(Outcome::Value {
                value: Some(value),
                version,
            }) = read.outcome
            {
                judge_read(view, judge, key, &writes, read, value, *version);
            }
        }
    }
}

/// The writes of one key.
struct Writes<'a> {
    by_version: BTreeMap<u64, usize>,
    /// Values of writes without an answer, which may be anywhere.
    unanswered: BTreeMap<&'a str, usize>,
}

impl<'a> Writes<'a> {
    fn new(view: &View<'a>, key: &str) -> Self {
        let mut writes = Self {
            by_version: BTreeMap::new(),
            unanswered: BTreeMap::new(),
        };
        let operations = view.keys.get(key);
        for &index in operations.into_iter().flatten() {
            let operation = &view.operations[index];
            let Some(value) = written(operation) else {
                continue;
            };
            match operation.outcome {
                Some(Outcome::Stored { version }) => {
                    writes.by_version.insert(*version, index);
                }
                _ if may_have_effect(operation) => {
                    writes.unanswered.insert(value, index);
                }
                _ => {}
            }
        }
        writes
    }
}

fn written<'a>(operation: &Operation<'a>) -> Option<&'a str> {
    match operation.action {
        Action::Set { value, .. } | Action::CompareAndSet { value, .. } => Some(value),
        _ => None,
    }
}

fn judge_read(
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
    judge.count_checked();
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

    #[test]
    fn what_nobody_wrote() {
        let mut run = written_twice();
        run.call("cache-2", get_from("k", "node-2", None), value("c", 6));
        fails(check, &run.end(), "nobody had written c as version 6");
    }

    #[test]
    fn what_somebody_wrote_or_may_have() {
        let mut run = written_twice();
        run.call("cache-2", get_from("k", "node-2", None), value("a", 5));
        run.call("cache-1", set("k", "d"), unknown());
        run.call("cache-2", get_from("k", "node-3", None), value("d", 9));
        passes(check, &run.end());
        let mut run = written_twice();
        run.call("cache-2", get_from("k", "node-2", None), absent());
        not_judged(check, &run.end(), "no values that may be old");
    }
}

//! Stale reads: how often a register was read older than it was known to be.

use std::collections::BTreeMap;

use squall::history::{Action, History, Operation, Outcome, operations};

/// Writes of one register.
#[derive(Default)]
struct Writes<'a> {
    /// Of each value, where the answer to its write is, if it was acknowledged.
    answered: BTreeMap<&'a str, usize>,
    /// Of acknowledged writes, where the answer and the question are in the history.
    spans: Vec<(usize, usize)>,
    has_delete: bool,
}

/// Reads that found a value though a newer one had been acknowledged before they were sent:
/// their own value's write had been answered before the newer one was sent, so the order of the
/// two is certain. The first of them with the newer write, and how many.
///
/// A read after a lost write counts as well, until the next write: who reads cannot tell them
/// apart. The harness's reading back at the end counts like any other.
pub fn stale_reads(history: &History) -> (u64, Vec<String>) {
    let operations = operations(history);
    let mut keys: BTreeMap<&str, Writes<'_>> = BTreeMap::new();
    for operation in &operations {
        let (key, value) = match operation.action {
            Action::Set { key, value, .. } | Action::CompareAndSet { key, value, .. } => {
                (key, Some(value))
            }
            Action::Delete { key } => (key, None),
            _ => continue,
        };
        let writes = keys.entry(key).or_default();
        writes.has_delete |= value.is_none();
        if let (Some(value), Some(Outcome::Stored { .. }), Some(at)) =
            (value, operation.outcome, operation.return_pos)
        {
            writes.answered.insert(value, at);
            writes.spans.push((at, operation.invoke_pos));
        }
    }
    for writes in keys.values_mut() {
        // From here on, the second of a pair is the latest question of all answers so far.
        writes.spans.sort_unstable();
        let mut latest = 0;
        for (_, asked) in &mut writes.spans {
            latest = latest.max(*asked);
            *asked = latest;
        }
    }
    let mut count = 0;
    let mut first = Vec::new();
    for read in &operations {
        let Some(newer) = newer_than(read, &keys) else {
            continue;
        };
        count += 1;
        if first.is_empty() {
            let write = operations.iter().find(|write| write.invoke_pos == newer);
            let both = write.into_iter().chain([read]);
            first = both.map(squall::check::words::operation).collect();
        }
    }
    (count, first)
}

/// Where a write was asked that a read should have seen.
fn newer_than(read: &Operation<'_>, keys: &BTreeMap<&str, Writes<'_>>) -> Option<usize> {
    let (Action::Get { key, .. }, Some(Outcome::Value { value, .. })) = (read.action, read.outcome)
    else {
        return None;
    };
    let writes = keys.get(key.as_str())?;
    let before = writes
        .spans
        .partition_point(|(answered, _)| *answered < read.invoke_pos);
    let (_, latest) = writes.spans.get(before.checked_sub(1)?)?;
    let is_older = match value {
        Some(value) => writes.answered.get(value.as_str())? < latest,
        // Nothing is older than any value, unless somebody may have deleted it.
        None => !writes.has_delete,
    };
    is_older.then_some(*latest)
}

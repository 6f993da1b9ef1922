//! Linearizability of one cache key whose versions name values and tell no order.
//!
//! Such are the keys of a system that gives no versions ([`squall_history::unordered`]). No
//! value is written twice, so each read names the write that it saw, and zones decide in nearly
//! linear time (`linearizability::zones`). What they leave open (deletes, and compare-and-sets
//! that were refused) is searched, after the zones have found nothing wrong with the rest: a
//! part of a right history is right.

use indexmap::IndexMap;

use super::linearizability::models::Symbol;
use super::linearizability::models::register::{Register, RegisterCall};
use super::linearizability::{Bounds, Call, Verdict, search, zones};
use super::log_order::{Answer, call_of, explained, in_operations};
use super::view::may_have_effect;
use squall_history::unordered::{is_ordered, name_of};
use squall_history::{Action, Operation, Outcome};

/// The register holds nothing.
const NOTHING: Symbol = 0;

/// Whether a version of the key is a name.
pub(super) fn is_named(operations: &[Operation], key_operations: &[usize]) -> bool {
    let mut versions = key_operations
        .iter()
        .filter_map(|&index| version(&operations[index]));
    versions.any(|version| !is_ordered(version))
}

/// The version that an operation was answered or expected.
fn version(operation: &Operation) -> Option<u64> {
    match (operation.outcome, operation.action) {
        (Some(Outcome::Stored { version } | Outcome::Value { version, .. }), _) => Some(*version),
        (_, Action::CompareAndSet { version, .. }) => Some(*version),
        _ => None,
    }
}

/// Judges one key by its operations (positions in the list); `None` if it took too much.
pub(super) fn judge(
    operations: &[Operation],
    key_operations: &[usize],
    bounds: Bounds,
) -> Option<Answer> {
    let mut symbols = Symbols::default();
    let mut indexes = Vec::new();
    let mut calls: Vec<Call<RegisterCall>> = Vec::new();
    for &index in key_operations {
        let operation = &operations[index];
        match symbols.call(operation) {
            Asked::Register(call) => {
                indexes.push(index);
                calls.push(call_of(call, operation));
            }
            Asked::Nothing => {}
            Asked::Other => return None,
        }
    }
    let is_decided = |call: &Call<RegisterCall>| {
        !matches!(
            call.operation,
            RegisterCall::Mismatch { .. } | RegisterCall::Write(NOTHING)
        )
    };
    let (decided, places): (Vec<_>, Vec<usize>) = (calls.iter().zip(&indexes))
        .filter(|(call, _)| is_decided(call))
        .map(|(call, &index)| (call.clone(), index))
        .unzip();
    let is_all = decided.len() == calls.len();
    // A delete explains reads of nothing, so without it the rest may look wrong.
    let has_delete = calls
        .iter()
        .any(|call| call.operation == RegisterCall::Write(NOTHING));
    if !has_delete {
        match zones::decide(NOTHING, &decided) {
            Some(Err(conflict)) => {
                let shown = conflict.calls.iter().map(|&call| places[call]);
                return Some(Answer::Violation(conflict.what.to_owned(), shown.collect()));
            }
            Some(Ok(())) if is_all => return Some(Answer::Linearizable),
            Some(Ok(())) | None => {}
        }
    }
    let register = Register { initial: NOTHING };
    match in_operations(&indexes, search(&register, &calls, bounds)) {
        Verdict::Linearizable => Some(Answer::Linearizable),
        Verdict::Unknown(_) => None,
        Verdict::Violation(stuck) => Some(explained(&stuck)),
    }
}

/// An operation as a register knows it.
enum Asked {
    Register(RegisterCall),
    /// It tells nothing.
    Nothing,
    /// A register knows no such thing.
    Other,
}

/// The names of values, each with its symbol.
#[derive(Default)]
struct Symbols(IndexMap<u64, Symbol>);

impl Symbols {
    fn of_name(&mut self, name: u64) -> Symbol {
        if name == 0 {
            return NOTHING;
        }
        let next = self.0.len() as Symbol + 1;
        *self.0.entry(name).or_insert(next)
    }

    fn of(&mut self, value: &str) -> Symbol {
        self.of_name(name_of(value.as_bytes()))
    }

    fn call(&mut self, operation: &Operation) -> Asked {
        let call = match (operation.action, operation.outcome) {
            (Action::Get { .. }, Some(Outcome::Value { value, .. })) => {
                RegisterCall::Read(value.as_deref().map_or(NOTHING, |value| self.of(value)))
            }
            (Action::CompareAndSet { version, .. }, Some(Outcome::Mismatch)) => {
                let old = self.of_name(*version);
                RegisterCall::Mismatch { old }
            }
            _ if !may_have_effect(operation) => return Asked::Nothing,
            (Action::Set { value, .. }, _) => RegisterCall::Write(self.of(value)),
            (Action::CompareAndSet { version, value, .. }, _) => RegisterCall::Swap {
                old: self.of_name(*version),
                new: self.of(value),
            },
            (Action::Delete { .. }, _) => RegisterCall::Write(NOTHING),
            (Action::Increment { .. }, _) => return Asked::Other,
            _ => return Asked::Nothing,
        };
        Asked::Register(call)
    }
}

#[cfg(test)]
mod tests {
    use crate::cache_linearizable::check;
    use crate::testing::*;
    use squall_history::Outcome::Mismatch;
    use squall_history::unordered::name_of;

    fn name(value: &str) -> u64 {
        name_of(value.as_bytes())
    }

    fn written(run: &mut Run, client: &str, value: &str) {
        run.call(client, set("k", value), stored(name(value)));
    }

    fn read(run: &mut Run, client: &str, seen: &str) {
        run.call(client, get("k"), value(seen, name(seen)));
    }

    #[test]
    fn a_value_that_comes_back_is_a_violation() {
        let mut run = Run::new();
        written(&mut run, "cache-1", "a");
        written(&mut run, "cache-2", "b");
        read(&mut run, "cache-1", "b");
        let good = run.end();
        passes(check, &good);
        read(&mut run, "cache-2", "a");
        fails(check, &run.end(), "each must come before the other");
    }

    #[test]
    fn a_value_that_nobody_wrote_is_a_violation_and_one_of_an_unknown_write_is_none() {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), unknown());
        read(&mut run, "cache-2", "a");
        passes(check, &run.end());
        let mut run = Run::new();
        read(&mut run, "cache-2", "a");
        fails(check, &run.end(), "nobody wrote");
    }

    #[test]
    fn compare_and_sets_are_judged_by_the_values_they_expect() {
        let mut run = Run::new();
        written(&mut run, "cache-1", "a");
        run.call("cache-1", set_if("k", name("a"), "b"), stored(name("b")));
        run.call("cache-2", set_if("k", name("a"), "c"), Mismatch);
        passes(check, &run.end());
        run.call("cache-2", set_if("k", name("b"), "d"), Mismatch);
        fails(check, &run.end(), "no order explains");
    }

    #[test]
    fn what_is_absent_after_a_write_was_deleted_or_is_wrong() {
        let mut run = Run::new();
        written(&mut run, "cache-1", "a");
        run.call("cache-1", delete("k"), stored(0));
        run.call("cache-2", get("k"), absent());
        passes(check, &run.end());
        let mut run = Run::new();
        written(&mut run, "cache-1", "a");
        run.call("cache-2", get("k"), absent());
        fails(check, &run.end(), "");
    }
}

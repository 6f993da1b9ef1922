//! Linearizability of one cache key whose versions name values and tell no order.
//!
//! Such are the keys of a system that gives no versions ([`squall_history::unordered`]). No
//! value is written twice, so each read names the write that it saw, and zones decide in nearly
//! linear time (`linearizability::zones`). What they leave open (deletes, and compare-and-sets
//! that were refused) is searched, after the zones have found nothing wrong with the rest: a
//! part of a right history is right.
//!
//! A compare-and-set may expect a number where its system names what it writes, or the other way
//! round: the key's reads and acknowledged writes tell which value it is. If they do not, it is
//! taken for a plain write, and without a violation nothing is known.

use std::collections::BTreeMap;

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
    let mut symbols = Symbols::new(operations, key_operations);
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
            Some(Ok(())) if is_all => return Some(symbols.without_violation()),
            Some(Ok(())) | None => {}
        }
    }
    let register = Register { initial: NOTHING };
    match in_operations(&indexes, search(&register, &calls, bounds)) {
        Verdict::Linearizable => Some(symbols.without_violation()),
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

/// The values of a key, each with its symbol.
struct Symbols<'a> {
    symbols: IndexMap<&'a str, Symbol>,
    /// Which value a version is; `None` if it is several, or none.
    versions: BTreeMap<u64, Option<&'a str>>,
    /// A compare-and-set expected a version that tells no value.
    is_unclear: bool,
}

impl<'a> Symbols<'a> {
    fn new(operations: &[Operation<'a>], key_operations: &[usize]) -> Self {
        let mut symbols = Self {
            symbols: IndexMap::new(),
            versions: BTreeMap::new(),
            is_unclear: false,
        };
        for operation in key_operations.iter().map(|&index| &operations[index]) {
            if let Some(Outcome::Value {
                value: Some(value),
                version,
            }) = operation.outcome
            {
                symbols.tell(*version, value);
            }
            if let Action::Set { value, .. } | Action::CompareAndSet { value, .. } =
                operation.action
            {
                symbols.tell(name_of(value.as_bytes()), value);
                if let Some(Outcome::Stored { version }) = operation.outcome {
                    symbols.tell(*version, value);
                }
            }
        }
        symbols
    }

    fn tell(&mut self, version: u64, value: &'a str) {
        let named = self.versions.entry(version).or_insert(Some(value));
        if *named != Some(value) {
            *named = None;
        }
    }

    /// The value that a compare-and-set expects.
    fn of_version(&mut self, version: u64) -> Option<Symbol> {
        if version == 0 {
            return Some(NOTHING);
        }
        let value = self.versions.get(&version).copied().flatten();
        self.is_unclear |= value.is_none();
        value.map(|value| self.of(value))
    }

    fn of(&mut self, value: &'a str) -> Symbol {
        let next = self.symbols.len() as Symbol + 1;
        *self.symbols.entry(value).or_insert(next)
    }

    /// The answer if no violation was found.
    fn without_violation(&self) -> Answer {
        match self.is_unclear {
            true => Answer::NotApplicable,
            false => Answer::Linearizable,
        }
    }

    fn call(&mut self, operation: &Operation<'a>) -> Asked {
        let call = match (operation.action, operation.outcome) {
            (Action::Get { .. }, Some(Outcome::Value { value, .. })) => {
                RegisterCall::Read(value.as_deref().map_or(NOTHING, |value| self.of(value)))
            }
            (Action::CompareAndSet { version, .. }, Some(Outcome::Mismatch)) => {
                match self.of_version(*version) {
                    Some(old) => RegisterCall::Mismatch { old },
                    None => return Asked::Nothing,
                }
            }
            _ if !may_have_effect(operation) => return Asked::Nothing,
            (Action::Set { value, .. }, _) => RegisterCall::Write(self.of(value)),
            (Action::CompareAndSet { version, value, .. }, _) => {
                let (old, new) = (self.of_version(*version), self.of(value));
                match old {
                    Some(old) => RegisterCall::Swap { old, new },
                    None => RegisterCall::Write(new),
                }
            }
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

    /// A system may give reads a version and writes none.
    #[test]
    fn a_version_that_is_a_number_stands_for_the_value_that_was_read_with_it() {
        let read_and_written = || {
            let mut run = Run::new();
            written(&mut run, "cache-1", "a");
            run.call("cache-2", get("k"), value("a", 17));
            run.call("cache-2", set_if("k", 17, "b"), stored(name("b")));
            run
        };
        let mut run = read_and_written();
        run.call("cache-1", get("k"), value("b", 18));
        run.call("cache-1", set_if("k", 17, "c"), Mismatch);
        passes(check, &run.end());
        run.call("cache-1", set_if("k", 18, "d"), Mismatch);
        fails(check, &run.end(), "no order explains");
        let mut run = read_and_written();
        run.call("cache-1", set_if("k", 17, "c"), stored(name("c")));
        fails(check, &run.end(), "");
        let mut run = read_and_written();
        run.call("cache-1", set_if("k", 99, "c"), stored(name("c")));
        cannot_tell(check, &run.end(), "tells no value");
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

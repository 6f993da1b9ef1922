//! C1: the cache is linearizable per key.
//!
//! Source: Herlihy & Wing, "Linearizability" (1990); per key because linearizability is
//! local. Most keys are decided by their versions (`cache_versions`), the others (deletes,
//! increments, compare-and-sets that only an unseen write could explain) by search. A
//! search that exceeds its bound is `Unknown`. Where versions only name values, zones decide
//! (`cache_named`). Read-your-writes and monotonic reads (C3)
//! follow from linearizability.
//!
//! Not checked: reads from one node or a client's own copies (`cache_staleness`,
//! `cache_session`, `cache_invalidation`), and keys that may vanish by themselves
//! (`cache_lifetime`). Reads on a leader's lease are judged like all others.

use super::cache_specification::{CacheKey, KeyCall};
use super::linearizability::{Bounds, Call, Verdict, search_until};
use super::log_order::{Answer, call_of, explained, in_operations};
use super::result::Judge;
use super::view::{View, may_have_effect};
use super::words;
use super::{cache_named, cache_versions};
use squall_history::{Action, Operation, Outcome};

/// Steps of the search that every key may take, and more for each call on it.
const STEPS: u64 = 200_000;
const STEPS_PER_CALL: u64 = 50;
/// What the search of one key may hold.
const BYTES: usize = 1 << 30;

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (key, operations) in &view.keys {
        for _ in operations {
            judge.count_checked();
        }
        let answer = if cache_named::is_named(&view.operations, operations) {
            cache_named::judge(&view.operations, operations, bounds(operations))
        } else {
            match cache_versions::judge(&view.operations, operations) {
                Answer::NotApplicable => by_search(view, operations),
                answer => Some(answer),
            }
        };
        match answer {
            Some(Answer::Violation(what, lines)) => judge.violation(
                format!("key {key}: {what}"),
                lines
                    .iter()
                    .map(|&index| words::operation(&view.operations[index])),
            ),
            Some(Answer::NotApplicable) => judge.unknown(format!(
                "key {key}: a compare-and-set expected a version that tells no value"
            )),
            Some(Answer::Linearizable) => {}
            None => judge.unknown(format!(
                "key {key}: no answer within the bound for {} operations",
                operations.len()
            )),
        }
    }
}

/// What the search of one key may take.
fn bounds(operations: &[usize]) -> Bounds {
    Bounds {
        steps: STEPS + STEPS_PER_CALL * operations.len() as u64,
        bytes: BYTES,
    }
}

/// Decides by search; `None` if it took too much.
fn by_search(view: &View, operations: &[usize]) -> Option<Answer> {
    match search(&view.operations, operations, bounds(operations), &|| false) {
        Verdict::Linearizable => Some(Answer::Linearizable),
        Verdict::Unknown(_) => None,
        Verdict::Violation(stuck) => Some(explained(&stuck)),
    }
}

/// Searches for an order of a key's operations (positions in the list), and answers in terms
/// of those.
pub(super) fn search(
    operations: &[Operation],
    key_operations: &[usize],
    bounds: Bounds,
    interrupted: &dyn Fn() -> bool,
) -> Verdict {
    let (indexes, calls) = calls(operations, key_operations);
    let key = CacheKey::new(calls.iter().map(|call| &call.operation));
    in_operations(&indexes, search_until(&key, &calls, bounds, interrupted))
}

/// The calls that the search orders, and the operations they belong to.
fn calls<'a>(
    operations: &[Operation<'a>],
    key_operations: &[usize],
) -> (Vec<usize>, Vec<Call<KeyCall<'a>>>) {
    let calls = key_operations.iter();
    let calls = calls.filter_map(|&index| Some((index, call(&operations[index])?)));
    calls.unzip()
}

/// The call as the specification knows it; `None` if it can be left out.
fn call<'a>(operation: &Operation<'a>) -> Option<Call<KeyCall<'a>>> {
    if !may_have_effect(operation) && operation.outcome != Some(&Outcome::Mismatch) {
        return None;
    }
    let version = match operation.outcome {
        Some(Outcome::Stored { version }) => Some(*version),
        _ => None,
    };
    let call = match (operation.action, operation.outcome) {
        (Action::Get { .. }, Some(Outcome::Value { value, version })) => KeyCall::Read {
            value: value.as_deref(),
            version: *version,
        },
        (Action::Set { value, .. }, _) => KeyCall::Write { value, version },
        (Action::CompareAndSet { version, .. }, Some(Outcome::Mismatch)) => {
            KeyCall::Mismatch { expected: *version }
        }
        (
            Action::CompareAndSet {
                version: expected,
                value,
                ..
            },
            _,
        ) => KeyCall::Swap {
            expected: *expected,
            value,
            version,
        },
        (Action::Delete { .. }, _) => KeyCall::Delete,
        (Action::Increment { by, .. }, outcome) => KeyCall::Add {
            by: *by,
            answer: match outcome {
                Some(Outcome::Counted { value, version }) => Some((*value, *version)),
                _ => None,
            },
        },
        // A read without an answer tells nothing.
        _ => return None,
    };
    Some(call_of(call, operation))
}

#[cfg(test)]
#[path = "cache_linearizable_tests.rs"]
mod tests;

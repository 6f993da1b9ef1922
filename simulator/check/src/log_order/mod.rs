//! Judges linearizability of our own services by the log indexes that clients received:
//! versions, fencing tokens, message ids and receipts.
//!
//! A log index that an answer carries says where in the order of all writes the operation
//! took effect, so nothing has to be searched: the order is given and only has to be
//! compared with real time, in nearly linear time. Keys of the cache are judged so by
//! [`cache_versions`](super::cache_versions), locks and queues here. Where the answers leave
//! the order open (an unanswered acquire that a later answer confirms, say), the general
//! search decides; tests let both decide the same histories.
//!
//! Not here: the search, and everything that is not about order (leases that end too early,
//! messages that are lost); those are checks of their own.

pub(super) mod lock;
pub(super) mod queue;
mod receipts;

use super::linearizability::{Call, Contradiction, GivenOrder, Stuck, Verdict};
use super::view::end;
use squall_history::Operation;

/// What can be said without a search. Operations are positions in the list of operations.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Linearizable,
    /// What is wrong, and the operations that show it.
    Violation(String, Vec<usize>),
    NotApplicable,
}

/// Most operations that are shown of an order that could not be continued.
const TAIL: usize = 8;

/// A search's violation in words.
pub(super) fn explained(stuck: &Stuck) -> Answer {
    let ordered = stuck.order.len();
    let what =
        format!("no order explains the last operation shown; {ordered} others can be ordered");
    let tail = &stuck.order[ordered.saturating_sub(TAIL)..];
    Answer::Violation(what, tail.iter().copied().chain([stuck.call]).collect())
}

/// A given order among operations, which also remembers who is who.
#[derive(Default)]
struct Order {
    given: GivenOrder,
    /// The operation of each call; `None` for a moment that no client saw.
    operations: Vec<Option<usize>>,
}

impl Order {
    fn call(&mut self, operations: &[Operation], index: usize) -> usize {
        let operation = &operations[index];
        let returned = Some(end(operation)).filter(|&end| end != usize::MAX);
        self.operations.push(Some(index));
        self.given.call(operation.invoke_pos, returned)
    }

    fn moment(&mut self) -> usize {
        self.operations.push(None);
        self.given.moment()
    }

    fn before(&mut self, first: usize, second: usize) {
        self.given.before(first, second);
    }

    fn answer(&self) -> Answer {
        let shown = |calls: Vec<usize>| -> Vec<usize> {
            let indexes = calls.into_iter().filter_map(|call| self.operations[call]);
            indexes.collect()
        };
        match self.given.check() {
            Ok(()) => Answer::Linearizable,
            Err(Contradiction::RealTime(calls)) => Answer::Violation(
                "by the log the first operation shown took effect before the last, \
                 which had returned before the first was sent"
                    .into(),
                shown(calls),
            ),
            Err(Contradiction::Cycle(calls)) => Answer::Violation(
                "by the log each operation shown took effect before the next, \
                 and the last before the first"
                    .into(),
                shown(calls),
            ),
        }
    }
}

/// A verdict on calls, in terms of the operations that they belong to.
pub(super) fn in_operations(indexes: &[usize], verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Violation(stuck) => Verdict::Violation(Stuck {
            order: stuck.order.into_iter().map(|call| indexes[call]).collect(),
            call: indexes[stuck.call],
        }),
        verdict => verdict,
    }
}

/// `operation` as a call of the search.
pub(super) fn call_of<O>(operation: O, of: &Operation) -> Call<O> {
    Call {
        operation,
        invoked: of.invoke_pos,
        returned: Some(end(of)).filter(|&end| end != usize::MAX),
    }
}

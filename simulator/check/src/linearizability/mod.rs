//! Linearizability: is there one order of the operations that respects real time and that
//! a sequential object could have answered?
//!
//! A self-contained tool: it knows nothing of histories, caches or this harness. The user
//! describes the object by a [`Specification`], or takes one of the `models`, and gives
//! the [`Call`]s on *one* object (linearizability is local: a history is linearizable if it
//! is so per object; Herlihy & Wing, "Linearizability", 1990, theorem 1). [`search()`]
//! decides for any specification. Where indexes of a log already say in which order the
//! calls took effect, [`GivenOrder`] decides in linear time; and where no value is written twice,
//! `zones` do.
//!
//! Deliberately left out: partitioning into objects (the caller's, who knows the keys), and
//! wall time. The bounds are steps and bytes, so a verdict is the same on every machine;
//! whoever wants a deadline passes [`search_until`] a question to ask.

#[cfg(test)]
pub(super) mod brute_force;
mod given_order;
pub(crate) mod models;
mod search;
pub(crate) mod zones;

pub use given_order::{Contradiction, GivenOrder};
pub use search::{search, search_until, search_within};

use std::fmt::Debug;
use std::hash::Hash;

/// A sequential object.
pub trait Specification {
    /// A call with what it was answered. Equal calls are interchangeable.
    type Operation: PartialEq;
    /// What the object remembers. Small: it is cloned and remembered at every step.
    type State: Clone + Debug + Eq + Hash;

    /// The object before anything was asked of it.
    fn initial(&self) -> Self::State;

    /// The state after `operation`, or `None` if the object in `state` could not have
    /// answered it so. An operation of unknown outcome fits any answer.
    fn apply(&self, state: &Self::State, operation: &Self::Operation) -> Option<Self::State>;

    /// Whether `operation` never changes the object, whatever its state. Saying `false`
    /// is always right, and slower.
    fn is_read(&self, operation: &Self::Operation) -> bool;

    /// Bytes that a state holds beyond its own size, for the bound on memory.
    fn state_bytes(&self, _state: &Self::State) -> usize {
        0
    }

    /// Bytes that the specification itself has come to hold, for the bound on memory.
    fn bytes(&self) -> usize {
        0
    }

    /// Steps that one [`apply`](Self::apply) counts for, where it takes more than a moment.
    fn cost(&self, _state: &Self::State, _operation: &Self::Operation) -> u64 {
        1
    }
}

/// One call on the object, in real time given by positions in the history, which no two
/// events share.
#[derive(Debug, Clone)]
pub struct Call<O> {
    /// What was asked, with what was answered.
    pub operation: O,
    /// Position of its invocation.
    pub invoked: usize,
    /// `None`: unknown outcome. It may take effect at any time after its invocation, or
    /// never.
    pub returned: Option<usize>,
}

/// How much a search may take before it says that it cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// About as many applications of the specification.
    pub steps: u64,
    /// About as many bytes.
    pub bytes: usize,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// An order was found that explains every answer.
    Linearizable,
    /// There is none; where the search got stuck.
    Violation(Stuck),
    /// The search reached a bound. It cannot tell.
    Unknown(Limit),
}

/// What ended a search early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Bounds::steps`].
    Steps,
    /// [`Bounds::bytes`].
    Bytes,
    /// The caller asked it to stop.
    Interrupted,
}

/// Where the best attempt at an order ended. Numbers are positions in the list of calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stuck {
    /// The longest order found.
    pub order: Vec<usize>,
    /// The call that had to come next but fitted nowhere.
    pub call: usize,
}

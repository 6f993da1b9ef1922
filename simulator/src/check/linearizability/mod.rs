//! Linearizability: is there one order of the operations that respects real time and that
//! a sequential object could have answered?
//!
//! A self-contained tool: it knows nothing of histories, caches or this harness. The user
//! describes the object by a [`Specification`], gives the [`Call`]s on *one* object
//! (linearizability is local: a history is linearizable if it is so per object; Herlihy &
//! Wing, "Linearizability", 1990, theorem 1), and [`search`] decides.
//!
//! Deliberately left out: partitioning (the caller's), and symmetries between calls of
//! unknown outcome, which can make the search give up where a cleverer one would not.

mod search;

pub use search::search;

use std::fmt::Debug;
use std::hash::Hash;

/// A sequential object.
pub trait Specification {
    /// A call with what it was answered.
    type Operation;
    /// What the object remembers. Small: it is cloned and remembered at every step.
    type State: Clone + Debug + Eq + Hash;

    fn initial(&self) -> Self::State;

    /// The state after `operation`, or `None` if the object in `state` could not have
    /// answered it so. An operation of unknown outcome fits any answer.
    fn apply(&self, state: &Self::State, operation: &Self::Operation) -> Option<Self::State>;

    /// Whether `operation` never changes the object, whatever its state. Saying `false`
    /// is always right, and slower.
    fn is_read(&self, operation: &Self::Operation) -> bool;
}

/// One call on the object, in real time given by positions in the history.
#[derive(Debug, Clone)]
pub struct Call<O> {
    pub operation: O,
    pub invoked: usize,
    /// `None`: unknown outcome. It may take effect at any time after its invocation, or
    /// never.
    pub returned: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Linearizable,
    Violation(Stuck),
    /// The search took more than its bound of steps: it cannot tell.
    GaveUp {
        steps: u64,
    },
}

/// Where the best attempt at an order ended. Numbers are positions in the list of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The calls ordered last, oldest first; at most [`TAIL`].
    pub tail: Vec<usize>,
    /// The call that had to come next but fitted nowhere.
    pub call: usize,
    /// How many calls the best attempt could order.
    pub ordered: usize,
}

/// Most calls that [`Stuck::tail`] names.
pub const TAIL: usize = 8;

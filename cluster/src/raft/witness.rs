//! Shows whoever looks into a simulated node what each entry does there, and which states it
//! writes to snapshots and takes from them.
//!
//! A witness belongs to a thread, which is what a simulation runs on. It only looks: it is given
//! references, and nothing a node does depends on it. Without one, an entry costs a look at a
//! flag.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::state::State;
use crate::state::command::{Changed, Reply, Request, Wake};

/// What a node is seen doing with its replicated state.
#[derive(Debug)]
pub enum Seen<'a> {
    /// It has applied an entry.
    Applied {
        /// Of the entry.
        term: u64,
        /// Of the entry.
        index: u64,
        /// What the entry carries.
        request: &'a Request,
        /// What whoever asked is told.
        reply: &'a Reply,
        /// Waiters of earlier entries that are answered.
        wakes: &'a [Wake],
        /// What clients that keep copies have to forget.
        changed: &'a Changed,
        /// After the entry.
        state: &'a State,
    },
    /// It has applied an entry that does nothing to the state.
    Passed {
        /// Of the entry.
        term: u64,
        /// Of the entry.
        index: u64,
    },
    /// It begins a snapshot of this state.
    SnapshotBegun {
        /// As of the last entry that was applied.
        state: &'a State,
    },
    /// It has taken its state from a snapshot.
    Restored {
        /// The last entry that the snapshot claims to cover.
        index: u64,
        /// As the snapshot has it.
        state: &'a State,
    },
}

type Witness = Rc<dyn Fn(&Seen)>;

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    static WITNESS: RefCell<Option<Witness>> = const { RefCell::new(None) };
}

/// Has `witness` see what nodes on this thread do from now on; `None`: nobody does.
pub fn set(witness: Option<Witness>) {
    IS_ON.set(witness.is_some());
    WITNESS.set(witness);
}

#[inline]
pub(super) fn show(seen: &Seen) {
    if IS_ON.get() {
        let witness = WITNESS.with_borrow(Clone::clone);
        if let Some(witness) = witness {
            witness(seen);
        }
    }
}

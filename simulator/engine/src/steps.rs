//! Reports each step of the event loop, so that two runs of a seed can be compared: which task
//! is polled, which it wakes, what it draws and writes, and what others note in between.
//!
//! Two runs of a seed make the same steps. Where they do not, the first step that differs is at
//! most a poll away from what is not deterministic, while the first event of the history that
//! differs may come seconds later. Reporting changes nothing in a run; without a listener each step
//! costs a look at a flag.

use std::cell::{Cell, RefCell};
use std::fmt;

use crate::time::{HostId, Nanos};

/// A step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A task begins.
    Spawned {
        /// A number that no other has.
        task: u64,
        /// Whose it is.
        host: HostId,
        /// The type of its future.
        kind: &'static str,
    },
    /// A task is polled.
    Polled {
        /// When, since the simulation began.
        at: Nanos,
        /// Which one.
        task: u64,
        /// Whose it is.
        host: HostId,
    },
    /// A task is woken, by the one that runs or by a timer.
    Woken {
        /// Which one.
        task: u64,
    },
    /// The running task draws a random number.
    Drew {
        /// What it got.
        value: u64,
    },
    /// The running task writes bytes to a connection.
    Wrote {
        /// How many.
        bytes: usize,
        /// Over them.
        hash: u64,
    },
    /// What others have to say of this moment.
    Noted {
        /// In a line.
        text: &'a str,
    },
}

/// What is noted when the clock of the run begins.
pub const RUN_STARTS: &str = "the run starts";

type Listener = Box<dyn FnMut(&Step)>;

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// Calls `listener` with every step of the simulations of this thread from now on; `None`:
/// ends that.
pub fn listen(listener: Option<Listener>) {
    IS_ON.set(listener.is_some());
    LISTENER.set(listener);
}

/// Whether there is a listener.
#[inline]
pub fn is_on() -> bool {
    IS_ON.get()
}

/// Tells of a step.
#[inline]
pub fn tell(step: &Step) {
    if is_on() {
        LISTENER.with_borrow_mut(|listener| {
            if let Some(listener) = listener {
                listener(step);
            }
        });
    }
}

impl fmt::Display for Step<'_> {
    /// A line: the first word says which step it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Spawned { task, host, kind } => write!(f, "task {task} {} {kind}", host.0),
            Step::Polled { at, task, host } => write!(f, "poll {task} {} {at}", host.0),
            Step::Woken { task } => write!(f, "wake {task}"),
            Step::Drew { value } => write!(f, "draw {value:016x}"),
            Step::Wrote { bytes, hash } => write!(f, "write {bytes} {hash:016x}"),
            Step::Noted { text } => write!(f, "note {text}"),
        }
    }
}

//! The clock of record: microseconds since the run began, of one monotonic clock.
//!
//! Clients and nemesis run in this process. Nodes run in others, but on the same machine and
//! so under the same monotonic clock, which they stamp what they say with.

use std::cell::Cell;
use std::rc::Rc;

use squall_world::machine_clock_us;

/// The clock of a run on this machine.
#[derive(Clone, Default)]
pub struct Clock {
    /// `None` until the run begins: everything before happens at 0.
    start_us: Rc<Cell<Option<u64>>>,
}

impl Clock {
    /// The run begins now.
    pub fn start(&self) {
        self.start_us.set(Some(machine_clock_us()));
    }

    /// Microseconds of the run.
    pub fn now_us(&self) -> u64 {
        self.run_us(machine_clock_us())
    }

    /// As [`Self::run_us`], and negative before the run begins.
    pub fn signed_us(&self, machine_us: u64) -> i64 {
        let start_us = self.start_us.get().unwrap_or_else(machine_clock_us);
        machine_us.cast_signed() - start_us.cast_signed()
    }

    /// Time of the run at which the machine's clock shows `machine_us`.
    pub fn run_us(&self, machine_us: u64) -> u64 {
        let start_us = self.start_us.get();
        start_us.map_or(0, |start_us| machine_us.saturating_sub(start_us))
    }
}

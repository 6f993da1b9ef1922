//! The faults in force on a simulated disk, which it asks before each operation.
//!
//! Errors and delays end when the fault is lifted. Damage to what is stored is in
//! [`super::disk_damage`].

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::sync::Notify;

use squall_engine::executor::Nanos;
use squall_fault::DiskFault;

/// Bytes at the start of the log that are its header.
pub(super) const HEADER_BYTES: u64 = 24;
/// A log shorter than this has too little behind a damaged place to show the damage.
pub(super) const LEAST_LOG_BYTES: u64 = 2_048;

/// The faults in force on one disk, by number of the fault.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) active: RefCell<BTreeMap<usize, Active>>,
    /// Rings when an operation meets a fault.
    pub(super) meeting: Notify,
}

pub(super) struct Active {
    pub(super) fault: DiskFault,
    /// Operations that met it.
    pub(super) met: Cell<u64>,
}

impl Faults {
    fn ring(&self, active: &Active) {
        active.met.set(active.met.get() + 1);
        self.meeting.notify_waiters();
    }

    /// Notes a meeting with each fault that `is_one` picks; whether there is any.
    fn meet(&self, is_one: impl Fn(&DiskFault) -> bool) -> bool {
        let active = self.active.borrow();
        let mut any = false;
        for found in active.values().filter(|active| is_one(&active.fault)) {
            self.ring(found);
            any = true;
        }
        any
    }

    /// By how much a sync takes longer.
    pub(super) fn sync_delay(&self) -> Nanos {
        let mut delay = 0;
        for active in self.active.borrow().values() {
            if let DiskFault::SlowSync(by_us) = active.fault {
                self.ring(active);
                delay += by_us * 1_000;
            }
        }
        delay
    }

    pub(super) fn at_sync(&self) -> io::Result<()> {
        match self.meet(|fault| matches!(fault, DiskFault::FailingSync)) {
            true => Err(io::Error::other("input/output error (sync)")),
            false => Ok(()),
        }
    }

    pub(super) fn at_read(&self) -> io::Result<()> {
        match self.meet(|fault| matches!(fault, DiskFault::ReadError)) {
            true => Err(io::Error::other("input/output error (read)")),
            false => Ok(()),
        }
    }

    pub(super) fn at_write(&self, extends: impl FnOnce() -> bool) -> io::Result<()> {
        if self.meet(|fault| matches!(fault, DiskFault::WriteError)) {
            return Err(io::Error::other("input/output error (write)"));
        }
        let is_full = |fault: &DiskFault| matches!(fault, DiskFault::Full);
        let is_met = self.active.borrow().values().any(|a| is_full(&a.fault)) && extends();
        match is_met && self.meet(is_full) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    /// Where a write goes instead, once. It lands in front of `witness`, where a write began
    /// that is durable: so whatever it destroys, the log can tell that it had been synced.
    pub(super) fn misdirect(
        &self,
        offset: u64,
        bytes: u64,
        witness: u64,
        rng: &RefCell<ChaCha8Rng>,
    ) -> Option<u64> {
        let is_armed = self
            .active
            .borrow()
            .values()
            .any(|active| active.fault == DiskFault::MisdirectedWrite && active.met.get() == 0);
        if !is_armed || offset < LEAST_LOG_BYTES {
            return None;
        }
        let room = witness.min(offset / 2).checked_sub(bytes + HEADER_BYTES)?;
        self.meet(|fault| *fault == DiskFault::MisdirectedWrite);
        Some(HEADER_BYTES + rng.borrow_mut().random_range(0..=room))
    }
}

//! What goes wrong with a simulated disk, laid over what it holds.
//!
//! A disk asks [`Faults`] before each operation. Errors and delays end when the fault is
//! lifted; damage to what is stored stays, because a disk does not mend itself. Damage is
//! chosen so that the log can tell it from a torn tail ([`squall_cluster::storage`] says
//! where no log can), and is never done to what nobody ever synced.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::FileExt;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::sync::Notify;
use turmoil_fs::shim::std::fs::{self, OpenOptions};

use super::disk::{LOG_NAME, LOG_PATH, SimDisk};
use super::time::Nanos;
use squall_fault::DiskFault;

/// Bytes at the start of the log that are its header.
const HEADER_BYTES: u64 = 24;
/// A log shorter than this has too little behind a damaged place to show the damage.
const LEAST_LOG_BYTES: u64 = 2_048;
/// Most bytes that rot at once.
const ROT_BYTES: u64 = 8;

/// The faults in force on one disk, by number of the fault.
#[derive(Default)]
pub(super) struct Faults {
    active: RefCell<BTreeMap<usize, Active>>,
    /// Rings when an operation meets a fault.
    meeting: Notify,
}

struct Active {
    fault: DiskFault,
    /// Operations that met it.
    met: Cell<u64>,
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

impl SimDisk {
    /// Puts a fault in force.
    pub fn install(&self, id: usize, fault: DiskFault) {
        let met = Cell::new(0);
        let active = Active { fault, met };
        self.shared.faults.active.borrow_mut().insert(id, active);
    }

    /// Lifts a fault; how many operations met it.
    pub fn lift(&self, id: usize) -> u64 {
        let lifted = self.shared.faults.active.borrow_mut().remove(&id);
        lifted.map_or(0, |active| active.met.get())
    }

    /// How many operations have met the fault.
    pub fn met(&self, id: usize) -> u64 {
        let active = self.shared.faults.active.borrow();
        active.get(&id).map_or(0, |active| active.met.get())
    }

    /// Resolves when, from now on, an operation meets any fault of this disk.
    pub async fn meeting(&self) {
        self.shared.faults.meeting.notified().await;
    }

    /// Whether something was written that no sync has followed.
    pub fn is_writing(&self) -> bool {
        self.shared.unsynced.borrow().is_some()
    }

    /// The machine loses power in the middle of its last write: a part of it stays. Says
    /// how many bytes of how many.
    ///
    /// # Errors
    /// Nothing was being written.
    pub fn tear(&self) -> Result<String, String> {
        let torn = self.shared.unsynced.borrow_mut().take();
        self.lose_power();
        let torn = torn.ok_or("nothing was being written")?;
        let size = torn.data.len();
        let kept = self.shared.rng.borrow_mut().random_range(1..size.max(2)) as u64;
        let written = self.with(|| {
            let file = OpenOptions::new().write(true).open(LOG_PATH)?;
            if torn.appends {
                file.set_len(torn.offset)?;
            }
            file.write_at(&torn.data[..kept as usize], torn.offset)?;
            file.sync_data()
        });
        written.map_err(|e| format!("{LOG_PATH}: {e}"))?;
        Ok(format!("{kept} of {size} bytes of a write to the log stay"))
    }

    /// Some synced bytes of the log, or of a snapshot, change. Says which. The process must
    /// not run.
    ///
    /// # Errors
    /// There is too little on the disk to damage in a way that shows.
    pub fn rot(&self) -> Result<String, String> {
        let mut rng = self.shared.rng.borrow_mut();
        let failed = |e: io::Error| e.to_string();
        self.with(|| {
            let mut names: Vec<String> = fs::read_dir("/")
                .map_err(failed)?
                .filter_map(Result::ok)
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .filter(|name| name == LOG_NAME || name.starts_with("snapshot-"))
                .filter(|name| !name.ends_with(".tmp"))
                .collect();
            names.sort_unstable();
            // Of two snapshots the older is only waiting to be removed: nobody reads it again.
            let newest = names.iter().rfind(|name| *name != LOG_NAME).cloned();
            names.retain(|name| name == LOG_NAME || Some(name) == newest.as_ref());
            let pick = rng.random_range(0..names.len().max(1) as u64) as usize;
            let name = names.get(pick).ok_or("the disk is empty")?;
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(format!("/{name}"))
                .map_err(failed)?;
            let bytes = file.metadata().map_err(failed)?.len();
            // A snapshot has one checksum over all of it.
            let least = if name == LOG_NAME { LEAST_LOG_BYTES } else { 1 };
            if bytes < least {
                return Err(format!("{name} has only {bytes} bytes"));
            }
            let at = rng.random_range(0..bytes.div_ceil(4) * 3).min(bytes - 1);
            let count = rng.random_range(1..=ROT_BYTES).min(bytes - at);
            let mut rotten = vec![0; count as usize];
            file.read_at(&mut rotten, at).map_err(failed)?;
            for byte in &mut rotten {
                *byte ^= rng.random_range(1..=255_u8);
            }
            file.write_at(&rotten, at).map_err(failed)?;
            file.sync_data().map_err(failed)?;
            Ok(format!("{count} bytes at {at} of {name}"))
        })
    }
}

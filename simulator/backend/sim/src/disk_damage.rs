//! Puts faults in force on a simulated disk, and damages what it has stored.
//!
//! Damage stays when the fault is lifted, because a disk does not mend itself. It is chosen so
//! that the log can tell it from a torn tail ([`squall_cluster::storage`] says where no log
//! can), and is never done to what nobody ever synced.

use std::cell::Cell;
use std::io;
use std::os::unix::fs::FileExt;

use rand::RngExt;
use turmoil_fs::shim::std::fs::{self, OpenOptions};

use super::disk::{LOG_NAME, LOG_PATH, SimDisk};
use super::disk_fault::{Active, HEADER_BYTES, LEAST_LOG_BYTES};
use squall_fault::DiskFault;

/// Most bytes that rot at once.
const ROT_BYTES: u64 = 8;

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

    /// What was synced at the end of the log is gone, `most` bytes of it at most and half of them
    /// at least. The log before and after. The process must not run.
    ///
    /// # Errors
    /// There is no log.
    pub fn lose_tail(&self, most: u64) -> io::Result<[Vec<u8>; 2]> {
        let cut = (self.shared.rng.borrow_mut()).random_range(most.div_ceil(2)..=most) as usize;
        self.with(|| {
            let before = fs::read(LOG_PATH)?;
            let least = before.len().min(HEADER_BYTES as usize);
            let left = before.len().saturating_sub(cut).max(least);
            let file = OpenOptions::new().write(true).open(LOG_PATH)?;
            file.set_len(left as u64)?;
            file.sync_data()?;
            let after = before[..left].to_vec();
            Ok([before, after])
        })
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
            // turmoil-fs drops what is written to a file between its renaming and the next sync of
            // the directory. A kernel may sync that at any time.
            fs::sync_dir("/").map_err(failed)?;
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

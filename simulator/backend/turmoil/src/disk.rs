//! The disk of a node on classic `turmoil`: in memory, with syncs that take their time.
//!
//! A write that waits for the disk is batched with those that come meanwhile, so a disk
//! that costs nothing would make another cluster. Tokio's clock rounds the cost up to a
//! millisecond.

use std::io;
use std::time::Duration;

use squall_world::disk::{CrashMode, Disk, DiskFile, MemoryDisk};

use super::host;
use squall_plan::plan::DiskPlan;

/// A disk that outlives processes. Clones are the same disk.
#[derive(Clone)]
pub struct TurmoilDisk {
    memory: MemoryDisk,
    sync_min_us: u64,
    sync_max_us: u64,
}

impl TurmoilDisk {
    pub(super) fn new(plan: &DiskPlan) -> Self {
        Self {
            memory: MemoryDisk::new(),
            sync_min_us: plan.sync_min_us,
            sync_max_us: plan.sync_max_us,
        }
    }

    /// The process that used the disk was killed; the machine lives on.
    pub(super) fn process_ended(&self) {
        self.memory.crash(CrashMode::Kill);
    }

    async fn sync_cost(&self) {
        let span = self.sync_max_us - self.sync_min_us + 1;
        let cost_us = self.sync_min_us + host::random_u64() % span;
        host::sleep(Duration::from_micros(cost_us)).await;
    }
}

impl Disk for TurmoilDisk {
    type File = TurmoilFile;

    async fn open(&self, name: &str, create: bool) -> io::Result<TurmoilFile> {
        let memory = self.memory.open(name, create).await?;
        let disk = self.clone();
        Ok(TurmoilFile { disk, memory })
    }

    async fn list(&self) -> io::Result<Vec<String>> {
        self.memory.list().await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.memory.rename(from, to).await
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        self.memory.remove(name).await
    }

    async fn sync_dir(&self) -> io::Result<()> {
        self.sync_cost().await;
        self.memory.sync_dir().await
    }
}

/// An open file of a [`TurmoilDisk`].
pub struct TurmoilFile {
    disk: TurmoilDisk,
    memory: <MemoryDisk as Disk>::File,
}

impl DiskFile for TurmoilFile {
    async fn len(&self) -> io::Result<u64> {
        self.memory.len().await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.memory.read_at(offset, len).await
    }

    async fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.memory.write_at(offset, data).await
    }

    async fn set_len(&self, len: u64) -> io::Result<()> {
        self.memory.set_len(len).await
    }

    async fn sync(&self) -> io::Result<()> {
        self.disk.sync_cost().await;
        self.memory.sync().await
    }
}

//! The seam to durable storage: one flat directory of files a node.
//!
//! Everything the cluster persists goes through [`Disk`]. The contract is POSIX's, and no
//! more: written bytes survive a power loss only after [`DiskFile::sync`], a created,
//! renamed or removed name only after [`Disk::sync_dir`]. A failed sync leaves the fate of
//! the unsynced bytes unknown; callers must not retry it and go on (fsyncgate).

#![allow(async_fn_in_trait)] // single-threaded by design: no future here needs `Send`

use std::io;

use crate::point::Point;

pub mod contract;
mod memory;
mod real;

pub use memory::{CrashMode, MemoryDisk};
pub use real::RealDisk;

/// A directory that belongs to one node. Names are flat, without separators.
pub trait Disk: Clone + 'static {
    /// An open file.
    type File: DiskFile;

    /// Opens a file for reading and writing; creates it if `create` and it is missing.
    async fn open(&self, name: &str, create: bool) -> io::Result<Self::File>;
    /// Names of all files, sorted.
    async fn list(&self) -> io::Result<Vec<String>>;
    /// Atomically replaces `to` with `from`.
    async fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file; its absence is durable after the next sync of the directory.
    async fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes creations, renames and removals durable.
    async fn sync_dir(&self) -> io::Result<()>;
    /// Bytes that may still be written; `None` where nobody knows.
    async fn free_bytes(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }
    /// What [`crate::World::pass`] is, for those who know only their disk.
    async fn pass(&self, _: Point) {}
}

/// One open file.
#[allow(clippy::len_without_is_empty)] // `DiskFile::len` is asynchronous and can fail
pub trait DiskFile: 'static {
    /// Bytes of the file.
    async fn len(&self) -> io::Result<u64>;
    /// Reads exactly `len` bytes; `UnexpectedEof` if the file ends before.
    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    /// Writes all of `data`; may extend the file.
    async fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Cuts or zero-extends the file.
    async fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes data and length durable (fdatasync).
    async fn sync(&self) -> io::Result<()>;
}

//! Durable storage of one node: a write-ahead log and snapshots over the [`Disk`] seam.
//!
//! The promise of this module is one sentence: what was synced is there after any crash, or
//! opening fails and says why. It never repairs by guessing, and it never hands out a byte
//! whose checksum did not match.
//!
//! Order matters to the layer above: save a snapshot first, and write [`Record::Purged`] for
//! the entries it covers only afterwards; otherwise a crash in between loses them.
//!
//! Deliberately not here: the meaning of the bytes (votes, log ids, entries and snapshots
//! are opaque), caches, and sharing between tasks. One owner
//! holds the [`Wal`], one the [`SnapshotStore`].

mod error;
mod extent;
mod frame;
mod fuse;
mod identity;
mod record;
mod recovery;
mod snapshot;
mod wal;

#[cfg(test)]
mod tests;

pub use error::OpenError;
pub use identity::Identity;
pub use record::Record;
pub use recovery::Recovered;
pub use snapshot::{Snapshot, SnapshotFile, SnapshotReader, SnapshotStore};
pub use squall_world::disk::{CrashMode, Disk, DiskFile, MemoryDisk, RealDisk, contract};
pub use wal::Wal;

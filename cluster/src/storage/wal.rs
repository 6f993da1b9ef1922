//! The write-ahead log: everything a node must remember between snapshots.
//!
//! One file, `wal`, of batches (`frame.rs` has the bytes, `recovery.rs` the reasoning about
//! crashes). A batch is one write; one sync makes all batches before it durable. The file
//! only grows until [`Wal::rewrite`] replaces it with a shorter one, written beside it as
//! `wal.new`, synced, and renamed over it; a crash leaves the old file or the new one.
//!
//! The log reads its file only when it is opened. It does not decide when to sync on behalf
//! of a caller who wants to acknowledge (that is [`Wal::sync`]), nor when to compact.

use std::io;

use super::error::OpenError;
use super::frame::{self, Tail};
use super::fuse::Fuse;
use super::record::Record;
use super::recovery::{self, Recovered, Replay};
use super::{Disk, DiskFile};
use crate::world::point::Point;

pub(super) const LOG: &str = "wal";
pub(super) const NEW_LOG: &str = "wal.new";

/// Payload of a batch of a rewritten log, in bytes, unless a single record is larger.
pub(super) const REWRITE_BATCH_BYTES: usize = 1 << 20;

/// Payload of a batch that [`Wal::write_all`] makes, in bytes, unless a single record is
/// larger.
const LARGEST_BATCH_BYTES: usize = 64 << 20;

/// An open log. After any error, and after a call that was dropped before it was done, every
/// further call fails; open the log again to learn what is durable.
pub struct Wal<D: Disk> {
    disk: D,
    file: D::File,
    tail: Tail,
    /// The last batch is empty, and the ones before it are synced.
    sealed: bool,
    fuse: Fuse,
}

impl<D: Disk> Wal<D> {
    /// Opens the log of `disk`, or creates it if it is missing or empty, and replays it.
    ///
    /// What is returned is durable: a process killed between writing and syncing leaves
    /// bytes that can be read but would not survive a power loss, so they are written and
    /// synced again before anyone relies on them.
    ///
    /// # Errors
    /// See [`OpenError`]. A torn tail is not an error: it is cut off and counted.
    pub async fn open(disk: D) -> Result<(Wal<D>, Recovered), OpenError> {
        let names = disk.list().await?;
        if names.iter().any(|name| name == NEW_LOG) {
            disk.remove(NEW_LOG).await?;
        }
        let bytes = if names.iter().any(|name| name == LOG) {
            read_all(&disk, LOG).await?
        } else {
            Vec::new()
        };
        if bytes.is_empty() {
            let (file, tail) = replace_log(&disk, 0, std::iter::empty()).await?;
            return Ok((Wal::new(disk, file, tail), Recovered::default()));
        }
        let mut replay = recovery::replay(LOG, &bytes)?;
        let file = disk.open(LOG, false).await?;
        settle(&disk, &file, &bytes, &replay).await?;
        replay.tail.synced = replay.tail.sequence;
        Ok((Wal::new(disk, file, replay.tail), replay.recovered))
    }

    fn new(disk: D, file: D::File, tail: Tail) -> Wal<D> {
        Wal {
            disk,
            file,
            tail,
            sealed: false,
            fuse: Fuse::new("write-ahead log"),
        }
    }

    /// Writes `records` as one batch: after a crash all of them are there, or none. They are
    /// durable only after [`Wal::sync`]; of several unsynced batches a crash keeps the first
    /// ones, how many is not known. No records, no write.
    ///
    /// # Errors
    /// `InvalidInput`, with nothing written and the log still usable, for a record that does
    /// not fit (a gap in the indexes, a batch over 1 GiB). Any other error is final.
    pub async fn write(&mut self, records: &[Record]) -> io::Result<()> {
        self.fuse.check()?;
        if records.is_empty() {
            return Ok(());
        }
        let (batch, tail) = self.tail.frame(records)?;
        self.fuse.arm()?;
        self.file.write_at(self.tail.end, &batch).await?;
        self.tail = tail;
        self.sealed = false;
        self.fuse.mend();
        Ok(())
    }

    /// Writes `records` in order, as one batch or, if they are too many bytes for that, as
    /// several: a crash keeps the first ones.
    ///
    /// # Errors
    /// As for [`Wal::write`].
    pub async fn write_all(&mut self, records: &[Record]) -> io::Result<()> {
        let mut rest = records;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(fitting(rest, LARGEST_BATCH_BYTES));
            self.write(batch).await?;
            rest = later;
        }
        Ok(())
    }

    /// Makes all that was written durable.
    ///
    /// # Errors
    /// Any error is final: a sync is never tried again.
    pub async fn sync(&mut self) -> io::Result<()> {
        self.fuse.arm()?;
        self.file.sync().await?;
        self.tail.synced = self.tail.sequence;
        self.fuse.mend();
        Ok(())
    }

    /// Writes an empty batch behind what was synced, unless there is one. It is the witness
    /// that the last batch had been synced: without it, damage to that batch would pass for
    /// a torn tail (`recovery.rs`). It needs no sync, since nothing is lost with it.
    ///
    /// # Errors
    /// As for [`Wal::write`].
    pub async fn seal(&mut self) -> io::Result<()> {
        self.fuse.check()?;
        if self.sealed || self.tail.synced < self.tail.sequence {
            return Ok(());
        }
        let (batch, tail) = self.tail.frame(&[])?;
        self.fuse.arm()?;
        self.file.write_at(self.tail.end, &batch).await?;
        self.tail = tail;
        self.sealed = true;
        self.fuse.mend();
        Ok(())
    }

    /// Replaces the log by one that holds exactly `records`, durably, which must be the
    /// whole state: this is compaction. A crash leaves the old log or the new one.
    ///
    /// # Errors
    /// Any error is final, including `InvalidInput` for records that do not fit together.
    pub async fn rewrite(&mut self, records: impl Iterator<Item = Record>) -> io::Result<()> {
        self.fuse.arm()?;
        let (file, tail) = replace_log(&self.disk, self.tail.sequence, records).await?;
        self.file = file;
        self.tail = tail;
        self.sealed = true;
        self.fuse.mend();
        Ok(())
    }

    /// Size of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.tail.end
    }
}

/// How many of the records have at most `most_bytes` together; one at least.
pub(super) fn fitting(records: &[Record], most_bytes: usize) -> usize {
    let mut bytes = 0;
    let fit = records.iter().take_while(|record| {
        bytes += record.encoded_bytes();
        bytes <= most_bytes
    });
    fit.count().max(1)
}

/// All bytes of a file.
pub(super) async fn read_all<D: Disk>(disk: &D, name: &str) -> io::Result<Vec<u8>> {
    let file = disk.open(name, false).await?;
    let bytes = usize::try_from(file.len().await?).map_err(io::Error::other)?;
    file.read_at(0, bytes).await
}

/// Cuts the torn tail off and makes the rest durable.
///
/// Batches that may not be durable are written once more in place, with the same bytes,
/// because after a sync that failed before the restart the system may hold them in memory,
/// believe them clean, and never write them. The length is set for the same reason even if
/// nothing seems to be torn. The directory is synced because the last crash may have come
/// right after a rename.
async fn settle<D: Disk>(
    disk: &D,
    file: &D::File,
    bytes: &[u8],
    replay: &Replay,
) -> io::Result<()> {
    file.set_len(replay.tail.end).await?;
    let unsynced = replay.unsynced();
    if !unsynced.is_empty() {
        file.write_at(unsynced.start as u64, &bytes[unsynced])
            .await?;
    }
    disk.pass(Point::StartBeforeSync).await;
    file.sync().await?;
    disk.sync_dir().await
}

/// Puts a log of exactly `records` in the place of the current one, if any.
///
/// Sequence numbers go on from `first_sequence`, so that no batch of an older file can pass
/// for one of this file. The empty batch at the end protects the one before it from having
/// damage mistaken for a torn tail.
async fn replace_log<D: Disk>(
    disk: &D,
    first_sequence: u64,
    records: impl Iterator<Item = Record>,
) -> io::Result<(D::File, Tail)> {
    // New and empty: opening removed what a crash left, and an error closes the log for good.
    let file = disk.open(NEW_LOG, true).await?;
    let header = frame::encode_file_header(first_sequence);
    file.write_at(0, &header).await?;

    let mut tail = Tail::after_header(first_sequence);
    let mut batch = Vec::new();
    let mut batch_bytes = 0;
    for record in records {
        let record_bytes = record.encoded_bytes();
        if !batch.is_empty() && batch_bytes + record_bytes > REWRITE_BATCH_BYTES {
            tail = append(&file, &tail, &batch).await?;
            batch.clear();
            batch_bytes = 0;
        }
        batch_bytes += record_bytes;
        batch.push(record);
    }
    if !batch.is_empty() {
        tail = append(&file, &tail, &batch).await?;
    }
    tail = append(&file, &tail, &[]).await?;

    file.sync().await?;
    drop(file);
    disk.pass(Point::LogBeforeRename).await;
    disk.rename(NEW_LOG, LOG).await?;
    disk.pass(Point::LogRenamed).await;
    disk.sync_dir().await?;
    Ok((disk.open(LOG, false).await?, tail))
}

/// Appends to a file that is synced before it gets its name: whoever finds one of its batches
/// may rely on those before it.
async fn append<F: DiskFile>(file: &F, tail: &Tail, records: &[Record]) -> io::Result<Tail> {
    let (batch, mut next) = tail.frame(records)?;
    file.write_at(tail.end, &batch).await?;
    next.synced = next.sequence;
    Ok(next)
}

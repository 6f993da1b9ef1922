//! Snapshot files: the state of a node at one log index, whole or not at all.
//!
//! ```text
//! magic 8 · version 4 · index 8 · meta length 8 · data length 8 · body crc 4 · crc 4 · meta · data
//! ```
//!
//! A snapshot is written beside as `snapshot-<index>.tmp`, synced, renamed and only then
//! counted as saved; older ones are removed afterwards. A damaged newest snapshot is refused
//! and never replaced by an older one: the log entries between the two have been purged, so
//! the older state could only be presented as current by losing acknowledged writes.
//!
//! The whole snapshot is held in memory, as are the services whose state it is.

use std::io;

use bytes::{Buf, BufMut};

use super::error::OpenError;
use super::frame;
use super::fuse::Fuse;
use super::wal::read_all;
use super::{Disk, DiskFile};

const MAGIC: &[u8; 8] = b"SQUALLSN";
const VERSION: u32 = 1;
pub(super) const HEADER_BYTES: usize = 44;

const PREFIX: &str = "snapshot-";
const UNFINISHED: &str = ".tmp";
/// Wide enough for every `u64`, so that names sort like indexes.
const INDEX_DIGITS: usize = 20;

/// A snapshot as it was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Index of the last log entry it includes.
    pub index: u64,
    pub meta: Vec<u8>,
    pub data: Vec<u8>,
}

/// The snapshots of one node. After an error in [`SnapshotStore::save`], or a call of it that
/// was dropped before it was done, saving fails until the store is opened again.
pub struct SnapshotStore<D: Disk> {
    disk: D,
    /// Indexes of the complete snapshots, rising.
    saved: Vec<u64>,
    fuse: Fuse,
}

impl<D: Disk> SnapshotStore<D> {
    /// Finds the snapshots on `disk` and removes unfinished ones. Reads none.
    pub async fn open(disk: D) -> Result<SnapshotStore<D>, OpenError> {
        let mut saved = Vec::new();
        for name in disk.list().await? {
            if let Some(index) = parse_name(&name) {
                saved.push(index);
            } else if name.strip_suffix(UNFINISHED).and_then(parse_name).is_some() {
                disk.remove(&name).await?;
            }
        }
        saved.sort_unstable();
        // The last crash may have come right after a rename, which is then visible but not
        // yet durable.
        disk.sync_dir().await?;
        Ok(SnapshotStore {
            disk,
            saved,
            fuse: Fuse::new("snapshot store"),
        })
    }

    /// Saves a snapshot durably, then removes older ones. Saving the newest index again
    /// replaces it; an index below the newest writes nothing and succeeds, because what is
    /// saved already includes it (one snapshot may be built while a newer one is installed).
    ///
    /// # Errors
    /// Any error is final.
    pub async fn save(&mut self, index: u64, meta: &[u8], data: &[u8]) -> io::Result<()> {
        self.fuse.check()?;
        if let Some(newest) = self.saved.last()
            && index < *newest
        {
            return Ok(());
        }
        self.fuse.arm()?;
        self.write(index, meta, data).await?;
        for saved in std::mem::replace(&mut self.saved, vec![index]) {
            if saved != index {
                self.disk.remove(&name_of(saved)).await?;
            }
        }
        self.fuse.mend();
        Ok(())
    }

    /// Reads the newest snapshot; `None` if there is none.
    ///
    /// # Errors
    /// See [`OpenError`]; a damaged newest snapshot is an error even if an older one is intact.
    pub async fn load_latest(&self) -> Result<Option<Snapshot>, OpenError> {
        let Some(index) = self.saved.last() else {
            return Ok(None);
        };
        let name = name_of(*index);
        let bytes = read_all(&self.disk, &name).await?;
        decode(&name, *index, bytes).map(Some)
    }

    async fn write(&self, index: u64, meta: &[u8], data: &[u8]) -> io::Result<()> {
        let name = name_of(index);
        let unfinished = format!("{name}{UNFINISHED}");
        let header = encode_header(index, meta, data);
        // New and empty: opening removed what a crash left, and an error ends all saving.
        let file = self.disk.open(&unfinished, true).await?;
        let head = [header.as_slice(), meta].concat();
        file.write_at(0, &head).await?;
        file.write_at(head.len() as u64, data).await?;
        file.sync().await?;
        drop(file);
        self.disk.rename(&unfinished, &name).await?;
        self.disk.sync_dir().await
    }
}

fn name_of(index: u64) -> String {
    format!("{PREFIX}{index:0INDEX_DIGITS$}")
}

fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?;
    let is_index = digits.len() == INDEX_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_index.then(|| digits.parse().ok()).flatten()
}

fn encode_header(index: u64, meta: &[u8], data: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.put_slice(MAGIC);
    header.put_u32_le(VERSION);
    header.put_u64_le(index);
    header.put_u64_le(meta.len() as u64);
    header.put_u64_le(data.len() as u64);
    header.put_u32_le(body_crc(&[meta, data]));
    frame::seal(header)
}

fn body_crc(parts: &[&[u8]]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    for part in parts {
        crc.update(part);
    }
    crc.finalize()
}

fn decode(file: &str, index: u64, mut bytes: Vec<u8>) -> Result<Snapshot, OpenError> {
    let damaged = |offset, detail: String| Err(OpenError::damaged(file, offset, detail));
    let mut fields = frame::check_file_header(file, &bytes, MAGIC, VERSION, HEADER_BYTES)?;
    let stored_index = fields.get_u64_le();
    let meta_bytes = fields.get_u64_le();
    let data_bytes = fields.get_u64_le();
    let crc = fields.get_u32_le();
    if stored_index != index {
        return damaged(0, format!("it holds the snapshot of index {stored_index}"));
    }
    let body = &bytes[HEADER_BYTES..];
    if meta_bytes.checked_add(data_bytes) != Some(body.len() as u64) {
        return damaged(
            bytes.len(),
            format!(
                "it should hold {meta_bytes} + {data_bytes} bytes, and holds {}",
                body.len()
            ),
        );
    }
    if body_crc(&[body]) != crc {
        return damaged(HEADER_BYTES, "the checksum does not match".to_owned());
    }
    let meta_end = HEADER_BYTES + meta_bytes as usize;
    let meta = bytes[HEADER_BYTES..meta_end].to_vec();
    bytes.drain(..meta_end);
    Ok(Snapshot {
        index,
        meta,
        data: bytes,
    })
}

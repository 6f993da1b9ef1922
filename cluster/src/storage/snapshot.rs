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
//! Whoever opens a node reads its snapshot whole; whoever passes it on reads it in pieces, by a
//! [`SnapshotFile`], which stays readable when a newer snapshot takes its place.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use bytes::{Buf, BufMut};

use super::error::OpenError;
use super::frame;
use super::fuse::Fuse;
use super::wal::read_all;
use super::{Disk, DiskFile};
use crate::planted::{self, Bug};
use crate::world::point::Point;

const MAGIC: &[u8; 8] = b"SQUALLSN";
const VERSION: u32 = 1;
pub(super) const HEADER_BYTES: usize = 44;

/// Bytes of data that are written at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Bytes of data after which they are synced: a disk that has very much to write keeps the syncs
/// of logs waiting, of this node and of others on it (as `rdb-save-incremental-fsync` of Redis).
const SYNC_BYTES: usize = 4 << 20;

const PREFIX: &str = "snapshot-";
const UNFINISHED: &str = ".tmp";
/// Wide enough for every `u64`, so that names sort like indexes.
const INDEX_DIGITS: usize = 20;

/// A snapshot as it was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Index of the last log entry it includes.
    pub index: u64,
    /// Opaque.
    pub meta: Vec<u8>,
    /// Opaque.
    pub data: Vec<u8>,
}

impl Snapshot {
    /// The snapshot that a file holds, whatever its name.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn from_file(bytes: Vec<u8>) -> Result<Snapshot, OpenError> {
        let name = "backup";
        let mut fields = frame::check_file_header(name, &bytes, MAGIC, VERSION, HEADER_BYTES)?;
        decode(name, fields.get_u64_le(), bytes)
    }
}

/// A complete snapshot on the disk, whose data can be read in pieces. Neither the data nor
/// its checksum has been looked at.
pub struct SnapshotFile<F: DiskFile> {
    file: F,
    /// Index of the last log entry it includes.
    pub index: u64,
    /// Opaque.
    pub meta: Vec<u8>,
    data_offset: u64,
    data_bytes: u64,
}

impl<F: DiskFile> SnapshotFile<F> {
    /// Bytes of the data.
    pub fn len(&self) -> u64 {
        self.data_bytes
    }

    /// Whether the data has no bytes.
    pub fn is_empty(&self) -> bool {
        self.data_bytes == 0
    }

    /// Bytes of the whole file, header and metadata included.
    pub fn file_len(&self) -> u64 {
        self.data_offset + self.data_bytes
    }

    /// `len` bytes of the whole file from `offset` on; `UnexpectedEof` if there are fewer.
    pub async fn read_file_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.file.read_at(offset, len).await
    }

    /// `len` bytes of the data from `offset` on; `UnexpectedEof` if there are fewer.
    pub async fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.file.read_at(self.data_offset + offset, len).await
    }
}

/// Finds the newest snapshot, also while the next one is being saved.
pub struct SnapshotReader<D: Disk> {
    disk: D,
    newest: Rc<Cell<Option<u64>>>,
}

impl<D: Disk> SnapshotReader<D> {
    /// The newest snapshot; `None` if there is none.
    ///
    /// # Errors
    /// See [`OpenError`]; of damage, only that to the header is noticed here.
    pub async fn newest(&self) -> Result<Option<SnapshotFile<D::File>>, OpenError> {
        loop {
            let Some(index) = self.newest.get() else {
                return Ok(None);
            };
            match self.disk.open(&name_of(index), false).await {
                // A newer one has taken its place.
                Err(e)
                    if e.kind() == io::ErrorKind::NotFound && self.newest.get() != Some(index) => {}
                opened => return open_file(&name_of(index), index, opened?).await.map(Some),
            }
        }
    }
}

async fn open_file<F: DiskFile>(
    name: &str,
    index: u64,
    file: F,
) -> Result<SnapshotFile<F>, OpenError> {
    let file_bytes = file.len().await?;
    let start = file
        .read_at(0, HEADER_BYTES.min(file_bytes as usize))
        .await?;
    let header = Header::decode(name, index, &start, file_bytes)?;
    let meta = file.read_at(HEADER_BYTES as u64, header.meta_bytes).await?;
    Ok(SnapshotFile {
        file,
        index,
        meta,
        data_offset: (HEADER_BYTES + header.meta_bytes) as u64,
        data_bytes: header.data_bytes,
    })
}

/// The snapshots of one node. After an error in [`SnapshotStore::save`], or a call of it that
/// was dropped before it was done, saving fails until the store is opened again.
pub struct SnapshotStore<D: Disk> {
    disk: D,
    /// Indexes of the complete snapshots, rising.
    saved: Vec<u64>,
    newest: Rc<Cell<Option<u64>>>,
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
            newest: Rc::new(Cell::new(saved.last().copied())),
            saved,
            fuse: Fuse::new("snapshot store"),
        })
    }

    /// Finds what is saved from now on as well.
    pub fn reader(&self) -> SnapshotReader<D> {
        SnapshotReader {
            disk: self.disk.clone(),
            newest: self.newest.clone(),
        }
    }

    /// Saves a snapshot durably, then removes older ones. Saving the newest index again
    /// replaces it; an index below the newest writes nothing and succeeds, because what is
    /// saved already includes it (one snapshot may be built while a newer one is installed).
    ///
    /// # Errors
    /// Any error is final.
    pub async fn save(&mut self, index: u64, meta: &[u8], data: &[u8]) -> io::Result<()> {
        self.save_paced(index, meta, data, async |_| ()).await
    }

    /// The same, where so many bytes of data at a time wait for `pass`.
    ///
    /// # Errors
    /// Any error is final.
    pub async fn save_paced(
        &mut self,
        index: u64,
        meta: &[u8],
        data: &[u8],
        pass: impl AsyncFn(u64),
    ) -> io::Result<()> {
        self.fuse.check()?;
        if let Some(newest) = self.saved.last()
            && index < *newest
        {
            return Ok(());
        }
        self.fuse.arm()?;
        self.write(index, meta, data, pass).await?;
        self.newest.set(Some(index));
        self.disk.pass(Point::SnapshotBeforeRemoval).await;
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

    async fn write(
        &self,
        index: u64,
        meta: &[u8],
        data: &[u8],
        pass: impl AsyncFn(u64),
    ) -> io::Result<()> {
        let name = name_of(index);
        let unfinished = format!("{name}{UNFINISHED}");
        // New and empty: opening removed what a crash left, and an error ends all saving.
        let file = self.disk.open(&unfinished, true).await?;
        // In pieces, so that a large snapshot does not keep the node from other work. The
        // header comes last because it has the checksum of them all.
        let mut crc = crc32fast::Hasher::new();
        crc.update(meta);
        let mut end = (HEADER_BYTES + meta.len()) as u64;
        let mut unsynced = 0;
        for piece in data.chunks(PIECE_BYTES) {
            if unsynced >= SYNC_BYTES {
                file.sync().await?;
                unsynced = 0;
            }
            pass(piece.len() as u64).await;
            crc.update(piece);
            file.write_at(end, piece).await?;
            end += piece.len() as u64;
            unsynced += piece.len();
        }
        let header = encode_header(index, meta.len(), data.len(), crc.finalize());
        file.write_at(0, &[header.as_slice(), meta].concat())
            .await?;
        if planted::active(Bug::SnapshotUnsynced) {
            return self.disk.rename(&unfinished, &name).await;
        }
        self.disk.pass(Point::SnapshotBeforeSync).await;
        file.sync().await?;
        drop(file);
        self.disk.pass(Point::SnapshotBeforeRename).await;
        self.disk.rename(&unfinished, &name).await?;
        self.disk.pass(Point::SnapshotRenamed).await;
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

fn encode_header(index: u64, meta_bytes: usize, data_bytes: usize, body_crc: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.put_slice(MAGIC);
    header.put_u32_le(VERSION);
    header.put_u64_le(index);
    header.put_u64_le(meta_bytes as u64);
    header.put_u64_le(data_bytes as u64);
    header.put_u32_le(body_crc);
    frame::seal(header)
}

/// What the header of a snapshot says, as far as it agrees with the size of its file.
struct Header {
    meta_bytes: usize,
    data_bytes: u64,
    body_crc: u32,
}

impl Header {
    fn decode(file: &str, index: u64, start: &[u8], file_bytes: u64) -> Result<Header, OpenError> {
        let mut fields = frame::check_file_header(file, start, MAGIC, VERSION, HEADER_BYTES)?;
        let stored_index = fields.get_u64_le();
        let meta_bytes = fields.get_u64_le();
        let data_bytes = fields.get_u64_le();
        let body_crc = fields.get_u32_le();
        if stored_index != index {
            let detail = format!("it holds the snapshot of index {stored_index}");
            return Err(OpenError::damaged(file, 0, detail));
        }
        let body_bytes = file_bytes - HEADER_BYTES as u64;
        if meta_bytes.checked_add(data_bytes) != Some(body_bytes) {
            let detail =
                format!("it should hold {meta_bytes} + {data_bytes} bytes, and holds {body_bytes}");
            return Err(OpenError::damaged(file, file_bytes as usize, detail));
        }
        Ok(Header {
            meta_bytes: meta_bytes as usize,
            data_bytes,
            body_crc,
        })
    }
}

fn decode(file: &str, index: u64, mut bytes: Vec<u8>) -> Result<Snapshot, OpenError> {
    let header = Header::decode(file, index, &bytes, bytes.len() as u64)?;
    if crc32fast::hash(&bytes[HEADER_BYTES..]) != header.body_crc {
        let detail = "the checksum does not match";
        return Err(OpenError::damaged(file, HEADER_BYTES, detail));
    }
    let meta_end = HEADER_BYTES + header.meta_bytes;
    let meta = bytes[HEADER_BYTES..meta_end].to_vec();
    bytes.drain(..meta_end);
    Ok(Snapshot {
        index,
        meta,
        data: bytes,
    })
}

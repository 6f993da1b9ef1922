//! Files of a node's directory.
//!
//! Their checksums would keep almost every changed input from what comes behind them, so the first
//! byte of an input says whether checksums and places are put right first. A node that can be made
//! to read such a file is not thought to be an enemy; what it may not do is panic, or take memory
//! that the file does not have.

use squall_cluster::raft::log_store::LogStore;
use squall_cluster::raft::snapshot::Payload;
use squall_cluster::raft::state_machine::StateMachine;
use squall_cluster::state::Limits;
use squall_cluster::storage::{MemoryDisk, Snapshot, Wal};

use crate::node::within;
use crate::world::FuzzWorld;

/// Bytes of the headers of a log, of a batch in it, and of a snapshot; see `storage/frame.rs`.
const LOG_HEADER: usize = 24;
const BATCH_HEADER: usize = 40;
const SNAPSHOT_HEADER: usize = 44;

/// A log. What is recovered once is recovered again, and has no gaps.
pub fn wal(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    let mut file = bytes.to_vec();
    if kind % 2 == 1 {
        mend_log(&mut file);
    }
    within(async {
        let disk = MemoryDisk::new();
        disk.put("wal", &file);
        let Ok((wal, recovered)) = Wal::open(disk.clone()).await else {
            return;
        };
        drop(wal);
        let entries = &recovered.entries;
        if let (Some((first, _)), Some((last, _))) =
            (entries.first_key_value(), entries.last_key_value())
        {
            assert_eq!(last - first + 1, entries.len() as u64, "gaps");
        }
        let again = Wal::open(disk.clone()).await;
        let (_, mut again) = again.expect("it was opened a moment ago");
        again.torn_bytes = recovered.torn_bytes;
        assert_eq!(again, recovered);
        if let Ok(log) = LogStore::<FuzzWorld>::open(disk, 1, None, |_| {}).await {
            log.close();
        }
    });
}

/// A snapshot in its file, or what is in one.
pub fn snapshot(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    match kind % 3 {
        0 => drop(Snapshot::from_file(bytes.to_vec())),
        1 => {
            let mut file = bytes.to_vec();
            let Some(index) = mend_snapshot(&mut file) else {
                return;
            };
            within(async {
                let disk = MemoryDisk::new();
                disk.put(&format!("snapshot-{index:020}"), &file);
                let _ = StateMachine::<FuzzWorld>::open(disk, Limits::default()).await;
            });
        }
        _ => {
            let Ok(payload) = Payload::decode(bytes) else {
                return;
            };
            let (written, start) = payload.encode(0);
            let again = Payload::decode(&written[start..]).expect("it was just encoded");
            assert_eq!(again.state.digest(), payload.state.digest());
        }
    }
}

fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// The checksum of a header, which is its last field.
fn seal(header: &mut [u8]) {
    let at = header.len() - 4;
    let crc = crc32fast::hash(&header[..at]);
    put_u32(header, at, crc);
}

/// Checksums, lengths and places of all batches, as far as there are whole ones.
fn mend_log(file: &mut [u8]) {
    if file.len() < LOG_HEADER {
        return;
    }
    seal(&mut file[..LOG_HEADER]);
    let mut at = LOG_HEADER;
    while file.len() - at >= BATCH_HEADER {
        let batch = &mut file[at..];
        let announced = u32::from_le_bytes([batch[4], batch[5], batch[6], batch[7]]);
        let length = (announced as usize).min(batch.len() - BATCH_HEADER);
        put_u32(batch, 4, length as u32);
        batch[24..32].copy_from_slice(&(at as u64).to_le_bytes());
        let crc = crc32fast::hash(&batch[BATCH_HEADER..BATCH_HEADER + length]);
        put_u32(batch, 32, crc);
        seal(&mut batch[..BATCH_HEADER]);
        at += BATCH_HEADER + length;
    }
}

/// Checksums and lengths; the index that it is of, if it has a header.
fn mend_snapshot(file: &mut [u8]) -> Option<u64> {
    let body = file.len().checked_sub(SNAPSHOT_HEADER)?;
    let index = u64::from_le_bytes(file[12..20].try_into().ok()?);
    let meta = u64::from_le_bytes(file[20..28].try_into().ok()?).min(body as u64);
    file[20..28].copy_from_slice(&meta.to_le_bytes());
    file[28..36].copy_from_slice(&(body as u64 - meta).to_le_bytes());
    let crc = crc32fast::hash(&file[SNAPSHOT_HEADER..]);
    put_u32(file, 36, crc);
    seal(&mut file[..SNAPSHOT_HEADER]);
    Some(index)
}

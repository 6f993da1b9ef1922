//! The file `node`: whose directory this is.
//!
//! ```text
//! magic 8 · version 4 · node 8 · cluster 8 · peers 4 · crc 4 · peers, 8 each · crc of them 4
//! ```
//!
//! It says which node the log and the snapshots belong to, so that directories that were mixed
//! up are noticed, which cluster that is of, and which other nodes were met with the cluster's
//! data, so that one that comes back without it is noticed. It is small, replaced as a whole,
//! and written seldom: when a directory is first used, and when something of this is learned.

use bytes::{Buf, BufMut};

use super::error::OpenError;
use super::frame;
use super::wal::read_all;
use squall_world::disk::{Disk, DiskFile};

const NAME: &str = "node";
const UNFINISHED: &str = "node.tmp";
const MAGIC: &[u8; 8] = b"SQUALLID";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 36;
const CRC_BYTES: usize = 4;

/// Whose data a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id, from 1.
    pub node: u64,
    /// 0 until the node belongs to a cluster.
    pub cluster: u64,
    /// Nodes that were met as members of the cluster, in order.
    pub met: Vec<u64>,
}

impl Identity {
    /// Reads the identity; `None` in a directory that has none yet.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn load<D: Disk>(disk: &D) -> Result<Option<Identity>, OpenError> {
        let names = disk.list().await?;
        if !names.iter().any(|name| name == NAME) {
            return Ok(None);
        }
        let bytes = read_all(disk, NAME).await?;
        Self::decode(&bytes).map(Some)
    }

    /// Replaces the identity durably; a crash leaves the old one or this.
    ///
    /// # Errors
    /// Those of the disk.
    pub async fn save<D: Disk>(&self, disk: &D) -> std::io::Result<()> {
        let bytes = self.encode();
        let file = disk.open(UNFINISHED, true).await?;
        file.set_len(0).await?;
        file.write_at(0, &bytes).await?;
        file.sync().await?;
        drop(file);
        disk.rename(UNFINISHED, NAME).await?;
        disk.sync_dir().await
    }

    fn encode(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.put_slice(MAGIC);
        header.put_u32_le(VERSION);
        header.put_u64_le(self.node);
        header.put_u64_le(self.cluster);
        header.put_u32_le(u32::try_from(self.met.len()).expect("a cluster has few nodes"));
        let mut bytes = frame::seal(header);
        let mut met = Vec::with_capacity(self.met.len() * 8 + CRC_BYTES);
        self.met.iter().for_each(|id| met.put_u64_le(*id));
        bytes.append(&mut frame::seal(met));
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Identity, OpenError> {
        let mut fields = frame::check_file_header(NAME, bytes, MAGIC, VERSION, HEADER_BYTES)?;
        let (node, cluster) = (fields.get_u64_le(), fields.get_u64_le());
        let met_bytes = fields.get_u32_le() as usize * 8;
        let rest = &bytes[HEADER_BYTES..];
        if rest.len() != met_bytes + CRC_BYTES || !frame::is_sealed(rest) {
            let detail = "the checksum of its list of nodes does not match";
            return Err(OpenError::damaged(NAME, HEADER_BYTES, detail));
        }
        let mut met = &rest[..met_bytes];
        Ok(Identity {
            node,
            cluster,
            met: (0..met_bytes / 8).map(|_| met.get_u64_le()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::storage::{CrashMode, MemoryDisk};

    fn identity(met: &[u64]) -> Identity {
        Identity {
            node: 3,
            cluster: u64::MAX - 1,
            met: met.to_vec(),
        }
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().expect("a disk in memory never waits")
    }

    #[test]
    fn an_identity_survives_a_crash_once_it_is_saved() {
        let disk = MemoryDisk::new();
        assert_eq!(now(Identity::load(&disk)).expect("it is empty"), None);
        for met in [&[][..], &[1], &[1, 2]] {
            now(identity(met).save(&disk)).expect("the disk works");
            disk.crash(CrashMode::DropUnsynced);
            let loaded = now(Identity::load(&disk)).expect("it is whole");
            assert_eq!(loaded, Some(identity(met)));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let whole = identity(&[1, 2]).encode();
        for at in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(Identity::decode(&flipped).is_err(), "bit {at}");
        }
        for length in 0..whole.len() {
            assert!(
                Identity::decode(&whole[..length]).is_err(),
                "cut at {length}"
            );
        }
    }
}

//! Snapshots between the state, the disk and the peers.
//!
//! A snapshot's payload is the state and the chained hash that led to it. It can be gigabytes,
//! so nobody holds more of it than must be: it is encoded from a copy of the state that shares
//! its values, while the node goes on; it is read from the disk in pieces when it is sent; and
//! what arrives is put together ([`Arriving`]) and decoded before Raft hears of it, because
//! Raft takes a snapshot that cannot be installed for a broken disk.

use std::io;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{LogId, RaftWorld, SnapshotMeta, Vote};
use crate::encode;
use crate::state::State;
use crate::storage::{Disk, SnapshotFile};

/// A snapshot of at most so many bytes travels in one message …
pub const SMALL_BYTES: u64 = 1 << 20;
/// … and of a larger one so many at a time: each costs an event loop, on either side, a fraction
/// of a millisecond.
pub const PIECE_BYTES: u64 = 256 << 10;
/// Bytes that are set aside at a time for a snapshot that arrives.
const ARRIVING_BYTES: usize = 64 << 20;
/// What a payload takes beyond the state.
const PREFIX_BYTES: usize = 20;

/// Some bytes of a snapshot. Pieces of the same snapshot, whoever sends them, have the same
/// `meta` and `total`.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct SnapshotPiece<W: RaftWorld> {
    /// Of the leader.
    pub vote: Vote<W>,
    /// What the snapshot covers.
    pub meta: SnapshotMeta<W>,
    /// Bytes of the whole snapshot.
    pub total: u64,
    /// Where in it `data` begins.
    pub offset: u64,
    /// None, to ask how much is there already.
    pub data: Bytes,
}

/// The state and the chained hash that led to it.
pub struct Payload {
    /// Hash of all that was applied, chained entry by entry.
    pub chain: u64,
    /// After the last entry that the snapshot covers.
    pub state: State,
}

#[derive(Serialize, Deserialize)]
struct Encoded<'a> {
    chain: u64,
    #[serde(borrow)]
    state: &'a [u8],
}

impl Payload {
    /// The payload as bytes, `start..` of what is returned.
    pub fn encode(&self, usual_bytes: usize) -> (Vec<u8>, usize) {
        let mut bytes = self.state.encode_behind(PREFIX_BYTES, usual_bytes);
        let state_bytes = bytes.len() - PREFIX_BYTES;
        // As `Encoded` would be: the chained hash, then the length of what follows.
        let prefix = encode::plain(&(self.chain, state_bytes), PREFIX_BYTES);
        let start = PREFIX_BYTES - prefix.len();
        bytes[start..PREFIX_BYTES].copy_from_slice(&prefix);
        (bytes, start)
    }

    /// # Errors
    /// `InvalidData` for anything that [`Self::encode`] did not make.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        let invalid = |e: String| io::Error::new(io::ErrorKind::InvalidData, e);
        let encoded: Encoded =
            postcard::from_bytes(bytes).map_err(|e| invalid(format!("a snapshot: {e}")))?;
        Ok(Self {
            chain: encoded.chain,
            state: State::decode(encoded.state).map_err(|e| invalid(e.to_string()))?,
        })
    }
}

/// A snapshot with this metadata and payload as if its last entry had come `by` entries later:
/// its index, metadata and data.
///
/// # Errors
/// `InvalidData` if the metadata is none, or is of another state.
pub fn moved_on<W: RaftWorld>(
    meta: &[u8],
    mut payload: Payload,
    by: u64,
) -> io::Result<(u64, Vec<u8>, Vec<u8>)> {
    let invalid = |e: &str| io::Error::new(io::ErrorKind::InvalidData, e);
    let meta_bytes = meta.len();
    let decoded: Result<SnapshotMeta<W>, _> = postcard::from_bytes(meta);
    let mut meta = decoded.map_err(|e| invalid(&e.to_string()))?;
    let last = meta.last_log_id;
    let last = last.ok_or_else(|| invalid("it does not say what its last entry was"))?;
    let index = last.index + by;
    let term = **last.committed_leader_id();
    meta.last_log_id = Some(LogId::<W>::new_term_index(term, index));
    payload.state.skip_indexes(by);
    let (bytes, start) = payload.encode(0);
    Ok((
        index,
        encode::plain(&meta, meta_bytes),
        bytes[start..].to_vec(),
    ))
}

/// A snapshot as openraft hands it around.
pub enum SnapshotData<W: RaftWorld> {
    /// On this node's disk.
    Stored(SnapshotFile<<W::Disk as Disk>::File>),
    /// From the leader: its bytes, and what they say.
    Arrived {
        /// Encoded.
        bytes: Vec<u8>,
        /// Decoded from them.
        payload: Box<Payload>,
    },
}

impl<W: RaftWorld> SnapshotData<W> {
    /// The bytes of it and what they say.
    ///
    /// # Errors
    /// Those of the disk, and `InvalidData` if the bytes are damaged.
    pub async fn load(self) -> io::Result<(Vec<u8>, Payload)> {
        match self {
            Self::Arrived { bytes, payload } => Ok((bytes, *payload)),
            Self::Stored(file) => {
                let bytes = file.read_at(0, file.len() as usize).await?;
                let payload = Payload::decode(&bytes)?;
                Ok((bytes, payload))
            }
        }
    }
}

/// A snapshot that arrives in pieces. When its sender fails, another may go on with it:
/// the state at a log index is the same wherever it was encoded.
pub struct Arriving<W: RaftWorld> {
    last_log_id: Option<LogId<W>>,
    total: u64,
    bytes: Vec<u8>,
}

impl<W: RaftWorld> Arriving<W> {
    /// Nothing is there yet.
    pub fn new(meta: &SnapshotMeta<W>, total: u64) -> Self {
        Self {
            last_log_id: meta.last_log_id,
            total,
            bytes: Vec::new(),
        }
    }

    /// Whether the piece belongs to this snapshot.
    pub fn is_of(&self, piece: &SnapshotPiece<W>) -> bool {
        (self.last_log_id, self.total) == (piece.meta.last_log_id, piece.total)
    }

    /// Adds what is new in the piece; bytes that are there already, or too early, are not.
    pub fn add(&mut self, piece: &SnapshotPiece<W>) {
        let have = self.bytes.len() as u64;
        let known = have.checked_sub(piece.offset);
        let Some(new) = known.and_then(|known| piece.data.get(known as usize..)) else {
            return;
        };
        let new = &new[..new.len().min((self.total - have) as usize)];
        if self.bytes.capacity() - self.bytes.len() < new.len() {
            let ahead = ARRIVING_BYTES.max(new.len());
            self.bytes
                .reserve_exact(ahead.min((self.total - have) as usize));
        }
        self.bytes.extend_from_slice(new);
    }

    /// Bytes that are there.
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether nothing is there yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether all bytes are there.
    pub fn is_complete(&self) -> bool {
        self.len() == self.total
    }

    /// As far as they are there.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Limits;
    use crate::world::RealWorld;

    fn piece(total: u64, offset: u64, data: &'static [u8]) -> SnapshotPiece<RealWorld> {
        SnapshotPiece {
            vote: Vote::<RealWorld>::new_committed(1, 1),
            meta: SnapshotMeta::<RealWorld>::default(),
            total,
            offset,
            data: Bytes::from_static(data),
        }
    }

    #[test]
    fn pieces_that_repeat_overlap_or_come_too_early_make_the_same_snapshot() {
        let meta = SnapshotMeta::<RealWorld>::default();
        let mut arriving = Arriving::<RealWorld>::new(&meta, 10);
        for (offset, data, have) in [
            (0, &b"0123"[..], 4),
            (0, b"0123", 4),
            (8, b"89", 4),
            (2, b"2345", 6),
            (6, b"", 6),
            (6, b"6789 and more than there is", 10),
        ] {
            arriving.add(&piece(10, offset, data));
            assert_eq!(arriving.len(), have, "after {data:?} at {offset}");
            assert_eq!(arriving.is_complete(), have == 10);
        }
        assert!(!arriving.is_of(&piece(11, 0, b"")));
        assert_eq!(arriving.into_bytes(), b"0123456789");
    }

    #[test]
    fn a_payload_round_trips_and_its_damage_is_noticed() {
        for chain in [0, 127, 1 << 20, u64::MAX] {
            let state = State::new(Limits::default());
            let payload = Payload { chain, state };
            let (bytes, start) = payload.encode(0);
            let back = Payload::decode(&bytes[start..]).expect("it was just encoded");
            assert_eq!((back.chain, &back.state), (chain, &payload.state));
            let mut damaged = bytes[start..].to_vec();
            *damaged.last_mut().expect("it is not empty") ^= 1;
            assert!(Payload::decode(&damaged).is_err());
        }
    }
}

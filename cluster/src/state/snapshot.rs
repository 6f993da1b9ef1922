//! The state as bytes, and back: snapshots and digests.
//!
//! Layout, format 1: one byte of format version, eight bytes of xxh3 over the body (little endian),
//! the body. Format 5 is written from level 1 on, and has behind that: the level of the rules, what
//! was asked under the last sequence of each session, the largest receipt of a queue that was
//! deleted, and the values of lists, each list with the order of its key, whose own value is empty.
//! Formats 2 to 4 are read and no longer written: they know nothing of what was asked, format 2 has
//! nothing behind the level (1), format 3 the receipt (level 2), format 4 receipt and lists.
//! The body is the postcard encoding of the primary data in canonical order;
//! indexes are not written but rebuilt, so equal states have equal bytes whichever way they
//! came about, and the checksum of the body is the digest of the state.
//!
//! Decoding trusts nothing: lengths are bounded by the bytes present, and relations that
//! `apply` relies on are checked. It does not compress, split or store anything.

use super::State;
use super::limits::LEVEL;
use crate::encode;
#[cfg(feature = "planted")]
use crate::planted::{self, Bug};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

const FORMAT: u8 = 1;
/// With the level of the rules at the end.
const FORMAT_WITH_LEVEL: u8 = 2;
/// With what came with level 2 behind that.
const FORMAT_WITH_RECEIPTS: u8 = 3;
/// With what came with level 3 behind that.
const FORMAT_WITH_LISTS: u8 = 4;
/// With all of it, and with what was asked behind the level.
const FORMAT_WITH_ASKED: u8 = 5;
const HEADER_BYTES: usize = 9;
/// No counter of a real state gets here; a decoded one beyond it would overflow soon.
pub(super) const LARGEST_COUNTER: u64 = 1 << 62;

/// Why bytes are not a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Its length in bytes.
    #[error("a snapshot has at least {HEADER_BYTES} bytes, this one has {0}")]
    TooShort(usize),
    /// Its first byte.
    #[error(
        "snapshot format {0} is unknown, expected {FORMAT} to {FORMAT_WITH_ASKED}: was it written by a newer release?"
    )]
    UnknownFormat(u8),
    /// The level that it says.
    #[error(
        "the cluster keeps to the rules of level {0}, this release knows {LEVEL}: upgrade the node"
    )]
    UnknownLevel(u32),
    /// The last bytes are not those of the rest.
    #[error("the snapshot is damaged: its checksum does not match")]
    Checksum,
    /// Whole, and yet no state.
    #[error("the snapshot is malformed: {0}")]
    Malformed(#[from] postcard::Error),
    /// How many.
    #[error("the snapshot has {0} bytes after its end")]
    TrailingBytes(usize),
    /// What contradicts what.
    #[error("the snapshot contradicts itself: {0}")]
    Inconsistent(&'static str),
}

impl State {
    /// The whole state as a snapshot.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_behind(0, 0)
    }

    /// The same with `free` bytes in front of it, for whoever puts something there, in a
    /// buffer for `usual_bytes`.
    pub fn encode_behind(&self, free: usize, usual_bytes: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(usual_bytes.max(free + HEADER_BYTES));
        let format = match self.level {
            0 => FORMAT,
            _ => FORMAT_WITH_ASKED,
        };
        bytes.resize(free + HEADER_BYTES, format);
        #[cfg(feature = "planted")]
        let mistaken = self.with_omissions();
        #[cfg(feature = "planted")]
        let this = mistaken.as_ref().unwrap_or(self);
        #[cfg(not(feature = "planted"))]
        let this = self;
        let written = encode::append(bytes, this).and_then(|bytes| match self.level {
            0 => Ok(bytes),
            _ => encode::append(bytes, &this.tail()),
        });
        bytes = written.expect("writing plain data to memory cannot fail");
        let digest = xxh3_64(&bytes[free + HEADER_BYTES..]);
        bytes[free + 1..free + HEADER_BYTES].copy_from_slice(&digest.to_le_bytes());
        bytes
    }

    /// The state that [`State::encode`] wrote.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for anything else. Memory used stays in proportion to `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(DecodeError::TooShort(bytes.len()));
        };
        let [format, digest @ ..] = *header;
        if !(FORMAT..=FORMAT_WITH_ASKED).contains(&format) {
            return Err(DecodeError::UnknownFormat(format));
        }
        if xxh3_64(body) != u64::from_le_bytes(digest) {
            return Err(DecodeError::Checksum);
        }
        let (mut state, mut rest) = postcard::take_from_bytes::<Self>(body)?;
        if format != FORMAT {
            (state.level, rest) = postcard::take_from_bytes(rest)?;
            let is_written = match format {
                FORMAT_WITH_LEVEL => state.level == 1,
                FORMAT_WITH_RECEIPTS => state.level == 2,
                FORMAT_WITH_LISTS => state.level > 2,
                _ => state.level > 0,
            };
            ensure(is_written, "a level that is not written so")?;
            if state.level > LEVEL {
                return Err(DecodeError::UnknownLevel(state.level));
            }
        }
        if format >= FORMAT_WITH_ASKED {
            let asked;
            (asked, rest) = postcard::take_from_bytes(rest)?;
            state.sessions.set_asked(asked)?;
        }
        if format >= FORMAT_WITH_RECEIPTS {
            let receipt;
            (receipt, rest) = postcard::take_from_bytes(rest)?;
            state.queues.set_receipt_floor(receipt)?;
        }
        if format >= FORMAT_WITH_LISTS {
            let lists;
            (lists, rest) = postcard::take_from_bytes(rest)?;
            state.cache.set_lists(lists)?;
        }
        if !rest.is_empty() {
            return Err(DecodeError::TrailingBytes(rest.len()));
        }
        state.reindex()?;
        Ok(state)
    }

    /// A digest of the whole replicated state. Replicas at the same applied index have the
    /// same digest, whether they got there by the log or by a snapshot.
    pub fn digest(&self) -> u64 {
        match self.level {
            0 => encode::hash(self, 0),
            _ => encode::hash(&(self, self.tail()), 0),
        }
    }

    /// What a snapshot has behind the body from level 1 on.
    fn tail(&self) -> impl Serialize {
        let receipt = self.queues.receipt_floor();
        (
            self.level,
            self.sessions.asked(),
            receipt,
            self.cache.lists(),
        )
    }

    /// What is written by a snapshot that leaves something out.
    #[cfg(feature = "planted")]
    fn with_omissions(&self) -> Option<Self> {
        let mut state = self.clone();
        if planted::active(Bug::SessionsNotInSnapshot) {
            state.sessions.forget_replies();
        } else if planted::active(Bug::CounterNotInSnapshot) {
            state.locks.forget_tokens();
        } else if planted::active(Bug::DedupNotInSnapshot) {
            state.queues.forget_producers();
        } else if planted::active(Bug::HiddenNotInSnapshot) {
            state.queues.forget_hidden();
        } else {
            return None;
        }
        Some(state)
    }

    fn reindex(&mut self) -> Result<(), DecodeError> {
        ensure(
            self.unserved_ms <= self.clock_ms,
            "more time without a leader than time",
        )?;
        self.sessions.reindex(self.applied_index)?;
        self.locks.reindex(self.applied_index, &self.sessions)?;
        self.queues.reindex()?;
        self.cache.reindex(self.applied_index, &self.limits)
    }
}

/// `Err` naming the contradiction, unless `holds`.
pub(super) fn ensure(holds: bool, contradiction: &'static str) -> Result<(), DecodeError> {
    if holds {
        Ok(())
    } else {
        Err(DecodeError::Inconsistent(contradiction))
    }
}

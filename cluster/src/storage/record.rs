//! The records of the write-ahead log and their bytes.
//!
//! A record is a tag byte, then its fields: integers little-endian, byte strings preceded by
//! their length as `u32`. Checksums are not here; a batch of records has them (`frame.rs`).

use bytes::{Buf, BufMut, Bytes};

const ENTRY: u8 = 1;
const TRUNCATE_AFTER: u8 = 2;
const VOTE: u8 = 3;
const COMMITTED: u8 = 4;
const PURGED: u8 = 5;

const TAG_BYTES: usize = 1;
const INDEX_BYTES: usize = 8;
const LENGTH_BYTES: usize = 4;

/// One change to the stored state of a node. Replaying all of them in order gives the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An entry; the first of a log has index 1. It follows the newest one, or stands in the
    /// place of one that is held, and then those above it are gone. An entry that was purged
    /// already is ignored.
    Entry {
        /// From 1.
        index: u64,
        /// Opaque.
        data: Bytes,
    },
    /// Entries above `index` are gone; 0 keeps none.
    TruncateAfter {
        /// The last one that stays.
        index: u64,
    },
    /// Replaces the vote.
    Vote(Bytes),
    /// Replaces the committed position.
    Committed(Bytes),
    /// Entries up to `index` are gone; `data` says what the last of them was. Ignored if more
    /// was purged before.
    Purged {
        /// The last one that goes.
        index: u64,
        /// Opaque.
        data: Bytes,
    },
}

impl Record {
    /// Bytes that [`Record::encode`] appends.
    pub(super) fn encoded_bytes(&self) -> usize {
        TAG_BYTES
            + match self {
                Record::Entry { data, .. } | Record::Purged { data, .. } => {
                    INDEX_BYTES + LENGTH_BYTES + data.len()
                }
                Record::TruncateAfter { .. } => INDEX_BYTES,
                Record::Vote(data) | Record::Committed(data) => LENGTH_BYTES + data.len(),
            }
    }

    /// Appends the record to `out`. The caller has checked that it fits into a batch.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Record::Entry { index, data } => {
                out.put_u8(ENTRY);
                out.put_u64_le(*index);
                put_data(out, data);
            }
            Record::TruncateAfter { index } => {
                out.put_u8(TRUNCATE_AFTER);
                out.put_u64_le(*index);
            }
            Record::Vote(data) => {
                out.put_u8(VOTE);
                put_data(out, data);
            }
            Record::Committed(data) => {
                out.put_u8(COMMITTED);
                put_data(out, data);
            }
            Record::Purged { index, data } => {
                out.put_u8(PURGED);
                out.put_u64_le(*index);
                put_data(out, data);
            }
        }
    }

    /// Takes one record off the front of `input`, sharing its memory. Says what is wrong
    /// with bytes that are no record.
    pub(super) fn decode(input: &mut Bytes) -> Result<Record, String> {
        let tag = input.try_get_u8().map_err(|_| "a record has no tag")?;
        Ok(match tag {
            ENTRY => Record::Entry {
                index: take_index(input)?,
                data: take_data(input)?,
            },
            TRUNCATE_AFTER => Record::TruncateAfter {
                index: take_index(input)?,
            },
            VOTE => Record::Vote(take_data(input)?),
            COMMITTED => Record::Committed(take_data(input)?),
            PURGED => Record::Purged {
                index: take_index(input)?,
                data: take_data(input)?,
            },
            unknown => return Err(format!("a record has the unknown tag {unknown}")),
        })
    }
}

fn put_data(out: &mut Vec<u8>, data: &Bytes) {
    let length = u32::try_from(data.len()).expect("a record is smaller than a batch may be");
    out.put_u32_le(length);
    out.put_slice(data);
}

fn take_index(input: &mut Bytes) -> Result<u64, String> {
    let index = input.try_get_u64_le();
    index.map_err(|_| "a record ends inside its index".to_owned())
}

fn take_data(input: &mut Bytes) -> Result<Bytes, String> {
    let length = input.try_get_u32_le();
    let length = length.map_err(|_| "a record ends inside its length")? as usize;
    if length > input.remaining() {
        return Err(format!(
            "a record claims {length} bytes where {} are left",
            input.remaining()
        ));
    }
    Ok(input.split_to(length))
}

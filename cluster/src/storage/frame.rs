//! The frames of the log file: one file header, then batches.
//!
//! ```text
//! file header, 24 bytes:  magic 8 · version 4 · first sequence 8 · crc 4
//! batch header, 40 bytes: magic 4 · payload length 4 · sequence 8 · synced 8 · offset 8
//!                         · payload crc 4 · crc 4
//! batch payload:          records, back to back
//! ```
//!
//! All integers are little-endian; both `crc` fields are CRC-32 (IEEE) of the header bytes
//! before them. The header has a checksum apart from the payload's so that the extent of a
//! torn batch can be trusted while its payload cannot. A batch names its own place in the
//! file: a write that went astray is recognised, and bytes inside a client's value are not
//! mistaken for a batch unless they guess their own offset and sequence number. It also names
//! the batches that had been synced before it was written; `recovery.rs` has the use of that.

use std::io;

use bytes::{Buf, BufMut};

use super::error::OpenError;
use super::extent::Extent;
use super::record::Record;

pub(super) const FILE_HEADER_BYTES: usize = 24;
pub(super) const BATCH_HEADER_BYTES: usize = 40;
/// Largest payload of a batch, in bytes.
pub(super) const MAX_PAYLOAD_BYTES: usize = 1 << 30;

const FILE_MAGIC: &[u8; 8] = b"SQUALLWL";
const BATCH_MAGIC: &[u8; 4] = b"\xb5WLb";
const VERSION: u32 = 1;
const CRC_BYTES: usize = 4;

/// The end of a log: where the next batch goes, and what it must be.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    /// Bytes in the file.
    pub(super) end: u64,
    /// Sequence number of the next batch.
    pub(super) sequence: u64,
    /// Sequence number of the first batch that may not be durable.
    pub(super) synced: u64,
    pub(super) extent: Extent,
}

impl Tail {
    /// The tail of a file that holds nothing but its header.
    pub(super) fn after_header(first_sequence: u64) -> Tail {
        Tail {
            end: FILE_HEADER_BYTES as u64,
            sequence: first_sequence,
            synced: first_sequence,
            extent: Extent::default(),
        }
    }

    /// The bytes of the next batch, and the tail once they are written.
    ///
    /// # Errors
    /// `InvalidInput` if a record does not fit after the ones before it, or the batch is
    /// larger than [`MAX_PAYLOAD_BYTES`].
    pub(super) fn frame(&self, records: &[Record]) -> io::Result<(Vec<u8>, Tail)> {
        let payload_bytes: usize = records.iter().map(Record::encoded_bytes).sum();
        if payload_bytes > MAX_PAYLOAD_BYTES {
            return Err(invalid(format!(
                "a batch of {payload_bytes} bytes is larger than {MAX_PAYLOAD_BYTES}"
            )));
        }
        let mut extent = self.extent.clone();
        let mut batch = Vec::with_capacity(BATCH_HEADER_BYTES + payload_bytes);
        batch.resize(BATCH_HEADER_BYTES, 0);
        for record in records {
            extent.advance(record).map_err(invalid)?;
            record.encode(&mut batch);
        }
        let header = BatchHeader {
            payload_bytes,
            sequence: self.sequence,
            synced: self.synced,
            offset: self.end,
            payload_crc: crc32fast::hash(&batch[BATCH_HEADER_BYTES..]),
        };
        batch[..BATCH_HEADER_BYTES].copy_from_slice(&header.encode());
        let tail = Tail {
            end: self.end + batch.len() as u64,
            sequence: self.sequence + 1,
            synced: self.synced,
            extent,
        };
        Ok((batch, tail))
    }
}

/// What a batch says about itself. Its own checksum has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub(super) payload_bytes: usize,
    pub(super) sequence: u64,
    /// Batches below this sequence number were durable when this one was written.
    pub(super) synced: u64,
    pub(super) offset: u64,
    pub(super) payload_crc: u32,
}

impl BatchHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload_bytes).expect("a payload is at most 1 GiB");
        let mut out = Vec::with_capacity(BATCH_HEADER_BYTES);
        out.put_slice(BATCH_MAGIC);
        out.put_u32_le(length);
        out.put_u64_le(self.sequence);
        out.put_u64_le(self.synced);
        out.put_u64_le(self.offset);
        out.put_u32_le(self.payload_crc);
        seal(out)
    }

    /// The header at the front of `bytes`; `None` if there is no intact one.
    pub(super) fn decode(bytes: &[u8]) -> Option<BatchHeader> {
        let mut fields = bytes
            .get(..BATCH_HEADER_BYTES)?
            .strip_prefix(BATCH_MAGIC.as_slice())?;
        if !is_sealed(&bytes[..BATCH_HEADER_BYTES]) {
            return None;
        }
        Some(BatchHeader {
            payload_bytes: fields.get_u32_le() as usize,
            sequence: fields.get_u64_le(),
            synced: fields.get_u64_le(),
            offset: fields.get_u64_le(),
            payload_crc: fields.get_u32_le(),
        })
    }
}

pub(super) fn encode_file_header(first_sequence: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(FILE_HEADER_BYTES);
    out.put_slice(FILE_MAGIC);
    out.put_u32_le(VERSION);
    out.put_u64_le(first_sequence);
    seal(out)
}

/// The sequence number of the first batch, from the header of the file called `file`.
pub(super) fn decode_file_header(file: &str, bytes: &[u8]) -> Result<u64, OpenError> {
    let mut fields = check_file_header(file, bytes, FILE_MAGIC, VERSION, FILE_HEADER_BYTES)?;
    Ok(fields.get_u64_le())
}

/// Appends the checksum of all bytes so far.
pub(super) fn seal(mut header: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&header);
    header.put_u32_le(crc);
    header
}

/// Checks the start of any of our files: magic, version, and the checksum that closes its
/// header of `header_bytes`. Returns the fields in between.
///
/// The version is judged before the checksum, because a later format may have another header.
pub(super) fn check_file_header<'a>(
    file: &str,
    bytes: &'a [u8],
    magic: &[u8; 8],
    supported: u32,
    header_bytes: usize,
) -> Result<&'a [u8], OpenError> {
    let common = bytes.len().min(magic.len());
    if bytes[..common] != magic[..common] {
        return Err(OpenError::NotOurs {
            file: file.to_owned(),
        });
    }
    let cut_short = || OpenError::damaged(file, bytes.len(), "the file ends inside its header");
    let mut fields = bytes.get(magic.len()..).ok_or_else(cut_short)?;
    let found = fields.try_get_u32_le().map_err(|_| cut_short())?;
    if found != supported {
        return Err(OpenError::Version {
            file: file.to_owned(),
            found,
            supported,
        });
    }
    let header = bytes.get(..header_bytes).ok_or_else(cut_short)?;
    if !is_sealed(header) {
        let detail = "the checksum of the file header does not match";
        return Err(OpenError::damaged(file, 0, detail));
    }
    Ok(&fields[..header_bytes - magic.len() - size_of_val(&supported) - CRC_BYTES])
}

pub(super) fn is_sealed(header: &[u8]) -> bool {
    let (fields, mut crc) = header.split_at(header.len() - CRC_BYTES);
    crc.get_u32_le() == crc32fast::hash(fields)
}

fn invalid(detail: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, detail)
}

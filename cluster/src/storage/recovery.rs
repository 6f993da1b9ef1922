//! Replaying a log: what the bytes of a file say the state was.
//!
//! A pure function of the bytes. A crash can spoil only batches that were not synced, and
//! every batch says which ones before it had been. That decides each case:
//!
//! - An invalid batch, and no later header saying that it had been synced: a *torn tail*.
//!   The write was never acknowledged, and cutting it off, with unsynced batches behind it,
//!   loses nothing. Zeros behind it count as nothing.
//! - An invalid batch, and an intact header of a later batch saying that it had been synced:
//!   *damage*. Starting without it would forget an acknowledged write.
//!
//! The limit of this reasoning: rot in the very last batch looks exactly like a torn tail,
//! and is treated as one, although that batch may have been synced and acknowledged. One log
//! cannot tell the two apart (Alagappan et al., "Protocol-Aware Recovery for
//! Consensus-Based Storage", FAST 2018). So whenever a log comes to rest, an empty batch is
//! written behind the last one (`Wal::seal`), which has nothing to lose and testifies that
//! the one before it was synced; `Wal::rewrite` ends its file so as well. What remains: the
//! last batch that was synced while the log was busy, if the power fails before the next one
//! is written *and* that batch rots; and a write that goes astray and hits the very batch
//! that it would have testified for. Likewise one stretch of damage that reaches from some
//! batch over the headers of all later ones looks like a torn tail, and a file cut between
//! two batches by a foreign hand like a shorter log.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;

use super::error::OpenError;
use super::frame::{self, BATCH_HEADER_BYTES, BatchHeader, Tail};
use super::record::Record;

/// The state that a log holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// `None` if none was written.
    pub vote: Option<Bytes>,
    /// `None` if none was written.
    pub committed: Option<Bytes>,
    /// Index and data of the last [`Record::Purged`].
    pub purged: Option<(u64, Bytes)>,
    /// By index, without gaps; the first follows the purged one.
    pub entries: BTreeMap<u64, Bytes>,
    /// Bytes of an unfinished write that were cut off the end of the file; 0 after a clean stop.
    pub torn_bytes: u64,
}

/// The outcome of [`replay`].
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) recovered: Recovered,
    /// Its `end` is the number of bytes that hold valid batches.
    pub(super) tail: Tail,
    /// Starts of the batches from number `tail.synced` on, which may not be durable.
    unsynced: VecDeque<usize>,
}

impl Replay {
    /// Where in the file the batches lie that may not be durable.
    pub(super) fn unsynced(&self) -> Range<usize> {
        let end = self.end();
        self.unsynced.front().copied().unwrap_or(end)..end
    }

    fn end(&self) -> usize {
        usize::try_from(self.tail.end).expect("the end lies inside a slice")
    }

    /// Takes in what a valid batch says about the ones before it, and moves behind it.
    fn pass(&mut self, header: &BatchHeader, batch: &Range<usize>) {
        self.unsynced.push_back(batch.start);
        while self.tail.synced < header.synced {
            self.unsynced.pop_front();
            self.tail.synced += 1;
        }
        self.tail.sequence += 1;
        self.tail.end = batch.end as u64;
    }
}

/// Replays the bytes of the file called `file`. Allocates no more than their length.
pub(super) fn replay(file: &str, bytes: &[u8]) -> Result<Replay, OpenError> {
    let first_sequence = frame::decode_file_header(file, bytes)?;
    let mut replay = Replay {
        recovered: Recovered::default(),
        tail: Tail::after_header(first_sequence),
        unsynced: VecDeque::new(),
    };
    while let Some((header, batch)) = next_batch(file, bytes, &replay)? {
        let payload = Bytes::copy_from_slice(&bytes[batch.start + BATCH_HEADER_BYTES..batch.end]);
        apply(&mut replay, payload)
            .map_err(|detail| OpenError::damaged(file, batch.start, detail))?;
        replay.pass(&header, &batch);
    }
    replay.recovered.torn_bytes = (bytes.len() - replay.end()) as u64;
    Ok(replay)
}

/// The next batch and where it lies; `None` if the log ends here, whether cleanly or torn.
fn next_batch(
    file: &str,
    bytes: &[u8],
    replay: &Replay,
) -> Result<Option<(BatchHeader, Range<usize>)>, OpenError> {
    let start = replay.end();
    let due = replay.tail.sequence;
    let damaged = |detail: String| Err(OpenError::damaged(file, start, detail));
    let header = BatchHeader::decode(&bytes[start..]);
    // Where a later batch can be at the earliest.
    let mut rest = start + 1;
    if let Some(header) = header {
        let sequence = header.sequence;
        if header.offset != start as u64 {
            let offset = header.offset;
            return damaged(format!("batch {sequence} belongs at byte {offset}"));
        }
        if sequence != due || header.synced > due {
            return damaged(format!("batch {sequence} where {due} is due"));
        }
        let payload = start + BATCH_HEADER_BYTES;
        rest = payload.saturating_add(header.payload_bytes);
        let is_whole = bytes
            .get(payload..rest)
            .is_some_and(|payload| crc32fast::hash(payload) == header.payload_crc);
        if is_whole {
            return Ok(Some((header, start..rest)));
        }
    }
    match find_witness(bytes, rest, due) {
        Some(later) => damaged(format!(
            "batch {due} is invalid, yet was synced before the batch at byte {later} was written"
        )),
        None => Ok(None),
    }
}

/// Looks from `start` on for a batch in its own place that says that batch `due` was synced.
fn find_witness(bytes: &[u8], start: usize, due: u64) -> Option<usize> {
    (start..bytes.len()).find(|at| {
        BatchHeader::decode(&bytes[*at..]).is_some_and(|header| {
            header.offset == *at as u64 && header.sequence > due && header.synced > due
        })
    })
}

fn apply(replay: &mut Replay, mut payload: Bytes) -> Result<(), String> {
    let extent = &mut replay.tail.extent;
    while !payload.is_empty() {
        let record = Record::decode(&mut payload)?;
        extent.advance(&record)?;
        let is_purged = matches!(&record, Record::Entry { index, .. } if !extent.holds(*index));
        if !is_purged {
            change(&mut replay.recovered, record);
        }
    }
    Ok(())
}

fn change(state: &mut Recovered, record: Record) {
    match record {
        Record::Entry { index, data } => {
            drop_above(&mut state.entries, index);
            state.entries.insert(index, data);
        }
        Record::TruncateAfter { index } => drop_above(&mut state.entries, index),
        Record::Vote(data) => state.vote = Some(data),
        Record::Committed(data) => state.committed = Some(data),
        Record::Purged { index, data } => {
            let entries = &mut state.entries;
            while entries
                .first_key_value()
                .is_some_and(|(first, _)| *first <= index)
            {
                entries.pop_first();
            }
            let is_newest = |(purged, _): &(u64, Bytes)| *purged <= index;
            if state.purged.as_ref().is_none_or(is_newest) {
                state.purged = Some((index, data));
            }
        }
    }
}

fn drop_above(entries: &mut BTreeMap<u64, Bytes>, index: u64) {
    while entries
        .last_key_value()
        .is_some_and(|(last, _)| *last > index)
    {
        entries.pop_last();
    }
}

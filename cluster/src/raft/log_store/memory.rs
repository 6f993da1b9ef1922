//! The entries of the log in memory.

use std::collections::VecDeque;
use std::io;
use std::ops::{Bound, Range, RangeBounds};

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::storage::IOFlushed;
use openraft::vote::RaftLeaderId;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use crate::encode;
use crate::raft::state_machine::term_of;
use crate::raft::{LogEntry, LogId, NodeId, RaftWorld, TypeConfig, Vote};
use crate::storage::{OpenError, Record, Recovered};
use crate::world::Instant;

/// Most encoded records are smaller.
const RECORD_BYTES: usize = 256;

/// The log as it is in memory, and what the writer has yet to do.
pub(super) struct Log<W: RaftWorld> {
    /// Index of `entries[0]`, or of the next entry when empty; one past `purged`, if any.
    pub first: u64,
    pub entries: VecDeque<Stored<W>>,
    pub purged: Option<LogId<W>>,
    pub vote: Option<Vote<W>>,
    pub committed: Option<LogId<W>>,
    /// Encoded size of the entries in memory, bytes.
    pub live_bytes: u64,
    pub pending: Vec<Record>,
    /// The newest commit index, written along with the next batch but never for itself.
    pub pending_committed: Option<Bytes>,
    pub on_flush: Vec<OnFlush<W>>,
    pub failed: Option<String>,
}

pub(super) struct Stored<W: RaftWorld> {
    entry: LogEntry<W>,
    /// Encoded size.
    pub bytes: u64,
    pub moments: Moments,
}

/// When an entry of this log got how far.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    /// In memory; of recovered entries, when they were read.
    pub appended: Instant,
    /// Durable here.
    pub flushed: Option<Instant>,
    /// Known to be; a leader knows it when a majority has answered.
    pub committed: Option<Instant>,
}

/// Who waits for a sync.
pub(super) enum OnFlush<W: RaftWorld> {
    Entries {
        indexes: Range<u64>,
        callback: IOFlushed<TypeConfig<W>>,
    },
    Waiter(oneshot::Sender<io::Result<()>>),
}

impl<W: RaftWorld> OnFlush<W> {
    pub fn complete(self, result: io::Result<()>) {
        match self {
            OnFlush::Entries { callback, .. } => callback.io_completed(result),
            // The waiter may have gone with its task.
            OnFlush::Waiter(waiter) => drop(waiter.send(result)),
        }
    }
}

/// In the place of a purge point: the log began after the entry, which never was in it.
const NOTHING_PURGED: Bytes = Bytes::new();

/// openraft counts entries from 0, the write-ahead log from 1.
pub(super) fn position(index: u64) -> u64 {
    index + 1
}

pub(super) fn encoded<T: Serialize>(value: &T) -> Bytes {
    encode::plain(value, RECORD_BYTES).into()
}

fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, OpenError> {
    postcard::from_bytes(bytes).map_err(|e| OpenError::Damaged {
        file: "wal".into(),
        offset: 0,
        detail: format!("{what} does not decode: {e}"),
    })
}

impl<W: RaftWorld> Log<W> {
    pub fn recover(recovered: Recovered) -> Result<Self, OpenError> {
        let purged: Option<LogId<W>> = recovered
            .purged
            .as_ref()
            .filter(|(_, data)| *data != NOTHING_PURGED)
            .map(|(_, data)| decode(data, "purge point"))
            .transpose()?;
        let mut log = Log {
            // The position of the last entry that is gone is the index of the next.
            first: recovered.purged.map_or(0, |(position, _)| position),
            entries: VecDeque::new(),
            purged,
            vote: recovered
                .vote
                .as_deref()
                .map(|bytes| decode(bytes, "vote"))
                .transpose()?,
            committed: recovered
                .committed
                .as_deref()
                .map(|bytes| decode(bytes, "commit index"))
                .transpose()?,
            live_bytes: 0,
            pending: Vec::new(),
            pending_committed: None,
            on_flush: Vec::new(),
            failed: None,
        };
        for (index, data) in recovered.entries {
            let entry: LogEntry<W> = decode(&data, "entry")?;
            let due = log.first + log.entries.len() as u64;
            if index != position(entry.log_id.index) || entry.log_id.index != due {
                return Err(OpenError::Damaged {
                    file: "wal".into(),
                    offset: 0,
                    detail: format!(
                        "in place {index} is the entry of index {}, where {due} is due",
                        entry.log_id.index
                    ),
                });
            }
            log.push(entry, data.len() as u64, W::now());
        }
        // The commit index was written without waiting for its entries.
        let last = log.last_log_id();
        if log.committed > last {
            log.committed = last;
        }
        Ok(log)
    }

    /// Refuses a log that has lost what it must have held. A node votes in a term before it
    /// has entries of that term or a snapshot with such, so a log without the vote was cut
    /// off or replaced, and may have forgotten its vote. And what was purged is in
    /// the snapshot.
    pub fn check_against(&self, applied: Option<LogId<W>>) -> Result<(), OpenError> {
        let damaged = |detail: String| OpenError::Damaged {
            file: "wal".into(),
            offset: 0,
            detail,
        };
        let known = applied.max(self.last_log_id());
        let term = known.as_ref().map_or(0, term_of::<W>);
        let voted = self.vote.as_ref().map_or(0, |vote| vote.leader_id().term());
        if voted < term {
            return Err(damaged(format!(
                "this node has entries of term {term}, and its last vote is of term {voted}: \
                 the log is missing or has lost its end. Remove the node from its cluster, and \
                 add it again with an empty directory"
            )));
        }
        let purged = self.purged.map(|id| id.index);
        let saved = applied.map(|id| id.index);
        if purged > saved {
            return Err(damaged(format!(
                "entries up to {} are in a snapshot only, and that is missing",
                purged.unwrap_or(0)
            )));
        }
        Ok(())
    }

    pub fn check(&self) -> io::Result<()> {
        match &self.failed {
            Some(why) => Err(io::Error::other(why.clone())),
            None => Ok(()),
        }
    }

    pub fn last_log_id(&self) -> Option<LogId<W>> {
        self.entries.back().map(|s| s.entry.log_id).or(self.purged)
    }

    /// Lets a log that never held anything begin at `index`. openraft's contract allows that
    /// although its nodes begin at 0; the write-ahead log would take it for a gap.
    pub fn begin_at(&mut self, index: u64) {
        if self.entries.is_empty() && self.purged.is_none() && index > self.first {
            self.pending.push(Record::Purged {
                index,
                data: NOTHING_PURGED,
            });
            self.first = index;
        }
    }

    pub fn push(&mut self, entry: LogEntry<W>, bytes: u64, now: Instant) {
        self.live_bytes += bytes;
        self.entries.push_back(Stored {
            entry,
            bytes,
            moments: Moments {
                appended: now,
                flushed: None,
                committed: None,
            },
        });
    }

    /// Entries of the indexes that are still there; what was cut off or purged is not.
    fn stored(&mut self, indexes: Range<u64>) -> impl Iterator<Item = &mut Stored<W>> {
        let place =
            |index: u64| (index.saturating_sub(self.first) as usize).min(self.entries.len());
        let (from, to) = (place(indexes.start), place(indexes.end));
        self.entries.range_mut(from..to.max(from))
    }

    pub fn mark_flushed(&mut self, on_flush: &[OnFlush<W>], now: Instant) {
        for waiting in on_flush {
            if let OnFlush::Entries { indexes, .. } = waiting {
                for stored in self.stored(indexes.clone()) {
                    stored.moments.flushed = Some(now);
                }
            }
        }
    }

    pub fn mark_committed(&mut self, committed: Option<LogId<W>>, now: Instant) {
        let from = self.committed.map_or(0, |id| id.index + 1);
        let to = committed.map_or(0, |id| id.index + 1);
        for stored in self.stored(from..to) {
            stored.moments.committed = Some(now);
        }
    }

    /// Everything a fresh log file must hold. Encoded only as it is taken, so that rewriting
    /// a large log does not keep the node from other work.
    pub fn records(&self) -> impl Iterator<Item = Record> + use<W> {
        let vote = self.vote.as_ref().map(|vote| Record::Vote(encoded(vote)));
        let purged = (self.first > 0).then(|| Record::Purged {
            index: self.first,
            data: self.purged.as_ref().map_or(NOTHING_PURGED, encoded),
        });
        // They share their payloads with the log.
        let entries: Vec<LogEntry<W>> = self.entries.iter().map(|it| it.entry.clone()).collect();
        let entries = entries.into_iter().map(|entry| Record::Entry {
            index: position(entry.log_id.index),
            data: encoded(&entry),
        });
        let committed = self.committed.as_ref().map(encoded);
        let committed = committed.map(Record::Committed);
        (vote.into_iter().chain(purged))
            .chain(entries)
            .chain(committed)
    }

    /// The id of the entry at `index`; `None` if it is not there.
    pub fn log_id(&self, index: u64) -> Option<LogId<W>> {
        let place = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.entries.get(place).map(|stored| stored.entry.log_id)
    }

    pub fn range(&self, range: impl RangeBounds<u64>) -> Vec<LogEntry<W>> {
        let start = match range.start_bound() {
            Bound::Included(i) => *i,
            Bound::Excluded(i) => i + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(i) => i + 1,
            Bound::Excluded(i) => *i,
            Bound::Unbounded => u64::MAX,
        };
        let from = start.saturating_sub(self.first) as usize;
        let to = (end.saturating_sub(self.first) as usize).min(self.entries.len());
        if from >= to {
            return Vec::new();
        }
        self.entries
            .range(from..to)
            .map(|stored| stored.entry.clone())
            .collect()
    }

    /// The first entries of the range that together have at most `most_bytes` encoded, but
    /// one at least.
    pub fn range_within(&self, range: Range<u64>, most_bytes: u64) -> Vec<LogEntry<W>> {
        let from = range.start.saturating_sub(self.first) as usize;
        let mut bytes = 0;
        let stored = self.entries.iter().skip(from).take_while(|stored| {
            let is_first = bytes == 0;
            bytes += stored.bytes;
            stored.entry.log_id.index < range.end && (is_first || bytes <= most_bytes)
        });
        stored.map(|stored| stored.entry.clone()).collect()
    }

    /// A hash of the first members and their addresses, never 0.
    pub fn founded_cluster(&self) -> Option<u64> {
        let first = &self.entries.front()?.entry;
        match &first.payload {
            EntryPayload::Membership(membership) if first.log_id.index == 0 => {
                let members: Vec<(NodeId, &str)> = membership
                    .nodes()
                    .map(|(id, node)| (*id, node.addr.as_str()))
                    .collect();
                Some(encode::hash(&members, 0).max(1))
            }
            _ => None,
        }
    }

    /// Index up to which the log must be purged to keep at most `most_bytes` encoded.
    pub fn purge_point(&self, most_bytes: u64) -> Option<u64> {
        let mut excess = self.live_bytes.checked_sub(most_bytes)?;
        let gone = self.entries.iter().take_while(|stored| {
            let goes = excess > 0;
            excess = excess.saturating_sub(stored.bytes);
            goes
        });
        gone.last().map(|stored| stored.entry.log_id.index)
    }
}

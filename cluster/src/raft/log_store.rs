//! openraft's log over the write-ahead log.
//!
//! Entries live in memory until they are purged; the write-ahead log makes them durable. One
//! writer task takes whatever has queued up, writes it as one batch and syncs it (group
//! commit), and only then tells openraft that it is flushed. Votes and truncations wait for
//! their sync as well. Any I/O error ends the node: after a failed sync nobody knows what is
//! on the disk (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::rc::Rc;

use bytes::Bytes;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::vote::RaftLeaderId;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Notify, oneshot};

use super::{LogEntry, LogId, NodeId, RaftWorld, TypeConfig, Vote, encode, node_name};
use crate::event::{NodeEvent, Timed};
use crate::planted::{self, Bug};
use crate::storage::{OpenError, Record, Recovered, Wal};
use crate::world::Instant;

/// The log file is rewritten when it is this many times larger than what is still needed.
const REWRITE_FACTOR: u64 = 4;
/// Most encoded records are smaller.
const RECORD_BYTES: usize = 256;
/// Below this size it is not worth it.
const REWRITE_MIN_BYTES: u64 = 1 << 20;

/// The log of one node. Clones share the same log.
pub struct LogStore<W: RaftWorld> {
    shared: Rc<Shared<W>>,
}

impl<W: RaftWorld> Clone for LogStore<W> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

struct Shared<W: RaftWorld> {
    node: NodeId,
    log: RefCell<Log<W>>,
    work: Notify,
    closed: Cell<bool>,
    /// Told about every durable vote: the term this node leads, or 0.
    on_leading: Box<dyn Fn(u64)>,
    syncs: Cell<Timed>,
}

struct Log<W: RaftWorld> {
    /// Index of `entries[0]`, or of the next entry when empty; one past `purged`, if any.
    first: u64,
    entries: VecDeque<Stored<W>>,
    purged: Option<LogId<W>>,
    vote: Option<Vote<W>>,
    committed: Option<LogId<W>>,
    /// Encoded size of the entries in memory, bytes.
    live_bytes: u64,
    pending: Vec<Record>,
    /// The newest commit index, written along with the next batch but never for itself.
    pending_committed: Option<Bytes>,
    on_flush: Vec<OnFlush<W>>,
    failed: Option<String>,
}

struct Stored<W: RaftWorld> {
    entry: LogEntry<W>,
    /// Encoded size.
    bytes: u64,
    moments: Moments,
}

/// When an entry of this log got how far.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    /// In memory; of recovered entries, when they were read.
    pub appended: Instant,
    /// Durable here.
    pub flushed: Option<Instant>,
    pub committed: Option<Instant>,
}

enum OnFlush<W: RaftWorld> {
    Entries {
        indexes: Range<u64>,
        callback: IOFlushed<TypeConfig<W>>,
    },
    Waiter(oneshot::Sender<io::Result<()>>),
}

impl<W: RaftWorld> OnFlush<W> {
    fn complete(self, result: io::Result<()>) {
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
fn position(index: u64) -> u64 {
    index + 1
}

fn encoded<T: Serialize>(value: &T) -> Bytes {
    encode::plain(value, RECORD_BYTES).into()
}

fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, OpenError> {
    postcard::from_bytes(bytes).map_err(|e| OpenError::Damaged {
        file: "wal".into(),
        offset: 0,
        detail: format!("{what} does not decode: {e}"),
    })
}

impl<W: RaftWorld> LogStore<W> {
    /// Recovers the log from `disk` and starts its writer task.
    /// `on_leading` is told the term that this node leads, or 0, at every durable vote.
    pub async fn open(
        disk: W::Disk,
        node: NodeId,
        on_leading: impl Fn(u64) + 'static,
    ) -> Result<Self, OpenError> {
        let (wal, recovered) = Wal::open(disk).await?;
        if recovered.torn_bytes > 0 {
            tracing::info!(bytes = recovered.torn_bytes, "cut off a torn log tail");
        }
        let log = Log::recover(recovered)?;
        let store = Self {
            shared: Rc::new(Shared {
                node,
                log: RefCell::new(log),
                work: Notify::new(),
                closed: Cell::new(false),
                on_leading: Box::new(on_leading),
                syncs: Cell::default(),
            }),
        };
        W::spawn(write_batches(store.shared.clone(), wal));
        Ok(store)
    }

    /// Index of the last entry, 0 when there is none.
    pub fn last_index(&self) -> u64 {
        let log = self.shared.log.borrow();
        (log.first + log.entries.len() as u64).saturating_sub(1)
    }

    /// How far the entry at `index` got and when; `None` once it is purged.
    pub fn moments(&self, index: u64) -> Option<Moments> {
        let log = self.shared.log.borrow();
        let place = usize::try_from(index.checked_sub(log.first)?).ok()?;
        log.entries.get(place).map(|stored| stored.moments)
    }

    /// Syncs since the log was opened.
    pub fn syncs(&self) -> Timed {
        self.shared.syncs.get()
    }

    /// Ends the writer task once it is idle.
    pub fn close(&self) {
        self.shared.closed.set(true);
        self.shared.work.notify_one();
    }

    async fn durable(&self, record: Record) -> io::Result<()> {
        let (done, flushed) = oneshot::channel();
        {
            let mut log = self.shared.log.borrow_mut();
            log.check()?;
            log.pending.push(record);
            log.on_flush.push(OnFlush::Waiter(done));
        }
        self.shared.work.notify_one();
        flushed
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the log is closed")))
    }
}

/// The writer task: one batch, one sync, then the news.
async fn write_batches<W: RaftWorld>(shared: Rc<Shared<W>>, mut wal: Wal<W::Disk>) {
    #[cfg(feature = "planted")]
    if planted::active(Bug::SyncOnTimer) {
        return write_and_sync_later(&shared, &mut wal).await;
    }
    loop {
        let (batch, on_flush) = {
            let mut log = shared.log.borrow_mut();
            let mut batch = std::mem::take(&mut log.pending);
            if !batch.is_empty() {
                batch.extend(log.pending_committed.take().map(Record::Committed));
            }
            (batch, std::mem::take(&mut log.on_flush))
        };
        if batch.is_empty() {
            if let Err(e) = wal.seal().await {
                fail(&shared, &e);
                return;
            }
            if shared.closed.get() {
                return;
            }
            shared.work.notified().await;
            continue;
        }
        if let Err(e) = write_one(&shared, &mut wal, &batch, on_flush).await {
            fail(&shared, &e);
            return;
        }
    }
}

/// The mistake of MQ-02: everything is reported as flushed once it is written, and a timer
/// syncs.
#[cfg(feature = "planted")]
async fn write_and_sync_later<W: RaftWorld>(shared: &Rc<Shared<W>>, wal: &mut Wal<W::Disk>) {
    const SYNC_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
    let mut next_sync = W::now() + SYNC_EVERY;
    while !shared.closed.get() {
        let (batch, on_flush) = {
            let mut log = shared.log.borrow_mut();
            let batch = std::mem::take(&mut log.pending);
            (batch, std::mem::take(&mut log.on_flush))
        };
        let mut result = wal.write(&batch).await;
        complete_all(shared, on_flush, &result);
        if W::now() >= next_sync {
            next_sync = W::now() + SYNC_EVERY;
            result = result.and(wal.sync().await);
        }
        if let Err(e) = result {
            return fail(shared, &e);
        }
        if shared.log.borrow().pending.is_empty() {
            let work = shared.work.notified();
            let _ = crate::world::timeout_at::<W, _>(next_sync, work).await;
        }
    }
}

async fn write_one<W: RaftWorld>(
    shared: &Rc<Shared<W>>,
    wal: &mut Wal<W::Disk>,
    batch: &[Record],
    on_flush: Vec<OnFlush<W>>,
) -> io::Result<()> {
    let mut on_flush = on_flush;
    let mut result = wal.write(batch).await;
    if planted::active(Bug::FlushUnsynced) {
        for waiting in on_flush.drain(..) {
            waiting.complete(Ok(()));
        }
        // The page cache is written back whenever the system finds the time.
        if W::random_u64().is_multiple_of(1_000) {
            result = wal.sync().await;
        }
    } else if result.is_ok() {
        result = timed_sync(shared, wal).await;
    }
    complete_all(shared, on_flush, &result);
    result?;
    let live_bytes = shared.log.borrow().live_bytes;
    if wal.bytes() > REWRITE_MIN_BYTES && wal.bytes() > live_bytes * REWRITE_FACTOR {
        rewrite(shared, wal).await?;
    }
    Ok(())
}

async fn timed_sync<W: RaftWorld>(
    shared: &Rc<Shared<W>>,
    wal: &mut Wal<W::Disk>,
) -> io::Result<()> {
    let begun = W::now();
    let result = wal.sync().await;
    let mut syncs = shared.syncs.get();
    syncs.add((W::now() - begun).as_micros() as u64);
    shared.syncs.set(syncs);
    result
}

/// Writes the log anew without what is no longer needed. What was pending is in memory
/// already and so becomes part of it.
async fn rewrite<W: RaftWorld>(shared: &Rc<Shared<W>>, wal: &mut Wal<W::Disk>) -> io::Result<()> {
    let (records, on_flush) = {
        let mut log = shared.log.borrow_mut();
        log.pending.clear();
        log.pending_committed = None;
        (log.records(), std::mem::take(&mut log.on_flush))
    };
    let result = wal.rewrite(records.into_iter()).await;
    complete_all(shared, on_flush, &result);
    result
}

fn complete_all<W: RaftWorld>(
    shared: &Rc<Shared<W>>,
    on_flush: Vec<OnFlush<W>>,
    result: &io::Result<()>,
) {
    if result.is_ok() {
        shared.log.borrow_mut().mark_flushed(&on_flush, W::now());
    }
    for waiting in on_flush {
        waiting.complete(match result {
            Ok(()) => Ok(()),
            Err(e) => Err(io::Error::new(e.kind(), e.to_string())),
        });
    }
}

fn fail<W: RaftWorld>(shared: &Rc<Shared<W>>, error: &io::Error) {
    let why = format!("log I/O failed: {error}");
    W::emit(NodeEvent::Damaged { why: why.clone() });
    let on_flush = {
        let mut log = shared.log.borrow_mut();
        log.failed = Some(why.clone());
        std::mem::take(&mut log.on_flush)
    };
    for waiting in on_flush {
        waiting.complete(Err(io::Error::other(why.clone())));
    }
}

impl<W: RaftWorld> Log<W> {
    fn recover(recovered: Recovered) -> Result<Self, OpenError> {
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
            debug_assert_eq!(index, position(entry.log_id.index));
            log.push(entry, data.len() as u64, W::now());
        }
        // The commit index was written without waiting for its entries.
        let last = log.last_log_id();
        if log.committed > last {
            log.committed = last;
        }
        Ok(log)
    }

    fn check(&self) -> io::Result<()> {
        match &self.failed {
            Some(why) => Err(io::Error::other(why.clone())),
            None => Ok(()),
        }
    }

    fn last_log_id(&self) -> Option<LogId<W>> {
        self.entries.back().map(|s| s.entry.log_id).or(self.purged)
    }

    /// Lets a log that never held anything begin at `index`. openraft's contract allows that
    /// although its nodes begin at 0; the write-ahead log would take it for a gap.
    fn begin_at(&mut self, index: u64) {
        if self.entries.is_empty() && self.purged.is_none() && index > self.first {
            self.pending.push(Record::Purged {
                index,
                data: NOTHING_PURGED,
            });
            self.first = index;
        }
    }

    fn push(&mut self, entry: LogEntry<W>, bytes: u64, now: Instant) {
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

    fn mark_flushed(&mut self, on_flush: &[OnFlush<W>], now: Instant) {
        for waiting in on_flush {
            if let OnFlush::Entries { indexes, .. } = waiting {
                for stored in self.stored(indexes.clone()) {
                    stored.moments.flushed = Some(now);
                }
            }
        }
    }

    fn mark_committed(&mut self, committed: Option<LogId<W>>, now: Instant) {
        let from = self.committed.map_or(0, |id| id.index + 1);
        let to = committed.map_or(0, |id| id.index + 1);
        for stored in self.stored(from..to) {
            stored.moments.committed = Some(now);
        }
    }

    /// Everything a fresh log file must hold.
    fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        records.extend(self.vote.as_ref().map(|v| Record::Vote(encoded(v))));
        if self.first > 0 {
            records.push(Record::Purged {
                index: self.first,
                data: self.purged.as_ref().map_or(NOTHING_PURGED, encoded),
            });
        }
        records.extend(self.entries.iter().map(|stored| Record::Entry {
            index: position(stored.entry.log_id.index),
            data: encoded(&stored.entry),
        }));
        records.extend(
            self.committed
                .as_ref()
                .map(|id| Record::Committed(encoded(id))),
        );
        records
    }

    fn range(&self, range: impl RangeBounds<u64>) -> Vec<LogEntry<W>> {
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
}

impl<W: RaftWorld> RaftLogReader<TypeConfig<W>> for LogStore<W> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<LogEntry<W>>> {
        Ok(self.shared.log.borrow().range(range))
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote<W>>> {
        Ok(self.shared.log.borrow().vote)
    }
}

impl<W: RaftWorld> RaftLogStorage<TypeConfig<W>> for LogStore<W> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig<W>>> {
        let log = self.shared.log.borrow();
        Ok(LogState {
            last_purged_log_id: log.purged,
            last_log_id: log.last_log_id(),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<W>) -> io::Result<()> {
        self.shared.log.borrow_mut().vote = Some(*vote);
        self.durable(Record::Vote(encoded(vote))).await?;
        let leads = vote.is_committed() && *vote.leader_id().node_id() == self.shared.node;
        (self.shared.on_leading)(if leads { vote.leader_id().term() } else { 0 });
        emit_vote::<W>(self.shared.node, vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId<W>>) -> io::Result<()> {
        let mut log = self.shared.log.borrow_mut();
        log.mark_committed(committed, W::now());
        log.committed = committed;
        log.pending_committed = committed.as_ref().map(encoded);
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId<W>>> {
        Ok(self.shared.log.borrow().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig<W>>) -> io::Result<()>
    where
        I: IntoIterator<Item = LogEntry<W>>,
    {
        {
            let mut log = self.shared.log.borrow_mut();
            log.check()?;
            let now = W::now();
            let mut indexes = None;
            for entry in entries {
                let index = entry.log_id.index;
                indexes = indexes.map_or(Some(index..index + 1), |range: Range<u64>| {
                    Some(range.start..index + 1)
                });
                let data = encoded(&entry);
                log.begin_at(entry.log_id.index);
                assert_eq!(
                    entry.log_id.index,
                    log.first + log.entries.len() as u64,
                    "openraft appends without gaps"
                );
                let bytes = data.len() as u64;
                log.pending.push(Record::Entry {
                    index: position(entry.log_id.index),
                    data,
                });
                log.push(entry, bytes, now);
            }
            let indexes = indexes.unwrap_or_default();
            log.on_flush.push(OnFlush::Entries { indexes, callback });
        }
        self.shared.work.notify_one();
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId<W>>) -> io::Result<()> {
        let keep = last.map_or(0, |id| id.index + 1);
        {
            let mut log = self.shared.log.borrow_mut();
            let len = keep.saturating_sub(log.first) as usize;
            while log.entries.len() > len {
                let cut = log.entries.pop_back().expect("longer than the target");
                log.live_bytes -= cut.bytes;
            }
        }
        let index = last.map_or(0, |id| position(id.index));
        self.durable(Record::TruncateAfter { index }).await
    }

    async fn purge(&mut self, upto: LogId<W>) -> io::Result<()> {
        {
            let mut log = self.shared.log.borrow_mut();
            log.check()?;
            while log.first <= upto.index && !log.entries.is_empty() {
                let gone = log.entries.pop_front().expect("checked to be there");
                log.live_bytes -= gone.bytes;
                log.first += 1;
            }
            log.first = log.first.max(upto.index + 1);
            log.purged = Some(upto);
            log.pending.push(Record::Purged {
                index: position(upto.index),
                data: encoded(&upto),
            });
        }
        self.shared.work.notify_one();
        Ok(())
    }
}

/// A durable vote says who this node follows, or that it leads.
fn emit_vote<W: RaftWorld>(node: NodeId, vote: &Vote<W>) {
    let leader = vote.leader_id();
    let (term, candidate) = (leader.term(), *leader.node_id());
    W::emit(match (vote.is_committed(), candidate == node) {
        (true, true) => NodeEvent::Leader { term },
        (true, false) => NodeEvent::Follower {
            term,
            leader: Some(node_name(candidate)),
        },
        (false, _) => NodeEvent::Voted {
            term,
            candidate: node_name(candidate),
        },
    });
}

//! openraft's log over the write-ahead log.
//!
//! Entries live in memory until they are purged; the write-ahead log makes them durable. One
//! writer task takes whatever has queued up, writes it as one batch and syncs it (group
//! commit), and only then tells openraft that it is flushed. Votes and truncations wait for
//! their sync as well. Any I/O error ends the node: after a failed sync nobody knows what is
//! on the disk (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).

mod force;
mod memory;
mod writer;

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::io;
use std::ops::{Range, RangeBounds};
use std::rc::Rc;

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::vote::RaftLeaderId;
use tokio::sync::{Notify, oneshot};

use super::{LogEntry, LogId, NodeId, RaftWorld, TypeConfig, Vote, node_name};
use crate::event::{NodeEvent, Timed};
use crate::planted::{self, Bug};
use crate::storage::{OpenError, Record, Wal};
use crate::world::point::Point;
use memory::{Log, OnFlush, encoded, position};

pub use force::force_membership;
pub use memory::Moments;

/// Most encoded bytes of entries in one call to a follower, unless a single one has more.
const APPEND_BYTES: u64 = 1 << 20;

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
    /// Rings when the log has failed.
    failing: Notify,
    closed: Cell<bool>,
    /// Called at every durable vote with the term this node leads, or 0.
    on_leading: Box<dyn Fn(u64)>,
    syncs: Cell<Timed>,
}

impl<W: RaftWorld> LogStore<W> {
    /// Recovers the log from `disk` and starts its writer task. `applied` is the last entry in
    /// the snapshot beside it, which the log must know of.
    ///
    /// `on_leading` is called with the term that this node leads, or 0, at every durable vote.
    pub async fn open(
        disk: W::Disk,
        node: NodeId,
        applied: Option<LogId<W>>,
        on_leading: impl Fn(u64) + 'static,
    ) -> Result<Self, OpenError> {
        let (wal, recovered) = Wal::open(disk).await?;
        if recovered.torn_bytes > 0 {
            tracing::info!(bytes = recovered.torn_bytes, "cut off a torn log tail");
        }
        let log = Log::recover(recovered)?;
        log.check_against(applied)?;
        let store = Self {
            shared: Rc::new(Shared {
                node,
                log: RefCell::new(log),
                work: Notify::new(),
                failing: Notify::new(),
                closed: Cell::new(false),
                on_leading: Box::new(on_leading),
                syncs: Cell::default(),
            }),
        };
        W::spawn(writer::write_batches(store.shared.clone(), wal));
        Ok(store)
    }

    /// Index of the last entry, 0 when there is none.
    pub fn last_index(&self) -> u64 {
        let log = self.shared.log.borrow();
        (log.first + log.entries.len() as u64).saturating_sub(1)
    }

    /// Whether a vote is there.
    pub fn has_vote(&self) -> bool {
        self.shared.log.borrow().vote.is_some()
    }

    /// The cluster that the log's first entry founds, as a number; `None` if that entry is
    /// not there any more, or not yet.
    pub fn founded_cluster(&self) -> Option<u64> {
        self.shared.log.borrow().founded_cluster()
    }

    /// How many entries are in memory.
    pub fn live_entries(&self) -> u64 {
        self.shared.log.borrow().entries.len() as u64
    }

    /// Encoded bytes of the entries that are in memory.
    pub fn live_bytes(&self) -> u64 {
        self.shared.log.borrow().live_bytes
    }

    /// Index up to which the log must be purged to hold at most `most_bytes`; `None` if it
    /// holds no more already.
    pub fn purge_point(&self, most_bytes: u64) -> Option<u64> {
        self.shared.log.borrow().purge_point(most_bytes)
    }

    /// The id of the entry at `index`; `None` if it is not there any more, or not yet.
    pub fn log_id(&self, index: u64) -> Option<LogId<W>> {
        self.shared.log.borrow().log_id(index)
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

    /// Why nothing can be written any more; resolves when that is so. Raft hears of it only with
    /// a write that it waits for, which may be long in coming.
    pub async fn failed(&self) -> String {
        loop {
            let failing = self.shared.failing.notified();
            let failed = self.shared.log.borrow().failed.clone();
            match failed {
                Some(why) => return why,
                None => failing.await,
            }
        }
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

impl<W: RaftWorld> RaftLogReader<TypeConfig<W>> for LogStore<W> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<LogEntry<W>>> {
        Ok(self.shared.log.borrow().range(range))
    }

    /// What one call to a follower carries: large entries go in several calls.
    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> io::Result<Vec<LogEntry<W>>> {
        let log = self.shared.log.borrow();
        Ok(log.range_within(start..end, APPEND_BYTES))
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
        if planted::active(Bug::VoteNotAwaited) {
            let record = Record::Vote(encoded(vote));
            self.shared.log.borrow_mut().pending.push(record);
            self.shared.work.notify_one();
        } else {
            W::pass(Point::VoteBeforeWrite).await;
            self.durable(Record::Vote(encoded(vote))).await?;
            W::pass(Point::VoteSynced).await;
        }
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
                let due = log.first + log.entries.len() as u64;
                if index != due {
                    let why = format!("entry {index} was to be appended where {due} is due");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
                let bytes = data.len() as u64;
                log.pending.push(Record::Entry {
                    index: position(entry.log_id.index),
                    data,
                });
                log.push(entry, bytes, now);
            }
            let indexes = indexes.unwrap_or_default();
            let flush = OnFlush::Entries { indexes, callback };
            let node = self.shared.node;
            if planted::active(Bug::FollowerFlushUnsynced)
                && (log.vote).is_some_and(|vote| *vote.leader_id().node_id() != node)
            {
                flush.complete(Ok(()));
            } else {
                log.on_flush.push(flush);
            }
        }
        self.shared.work.notify_one();
        W::pass(Point::LogAppended).await;
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
        W::pass(Point::LogBeforeTruncate).await;
        let index = last.map_or(0, |id| position(id.index));
        self.durable(Record::TruncateAfter { index }).await
    }

    async fn purge(&mut self, upto: LogId<W>) -> io::Result<()> {
        W::pass(Point::LogBeforePurge).await;
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

//! Sums up the time that this node spends, and reports it about once a second of work.
//!
//! Sums and not single spans, so that watching costs a few additions a command and a history
//! stays small. Reported with work and not by a timer, so that watching changes nothing of when
//! anything else happens.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::Node;
use crate::event::{NodeEvent, Served, Work};
use crate::raft::RaftWorld;
use crate::raft::log_store::Moments;
use crate::state::command::{Command, Listing, Query};
use crate::world::Instant;

/// Between two tellings, at least.
const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Meter {
    /// All but what the log and the network count themselves.
    sums: RefCell<Work>,
    reported_at: Cell<Instant>,
}

/// The stages of a write; see [`Served`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stages {
    pub(super) held: Duration,
    pub(super) queued: Duration,
    pub(super) committed: Duration,
    pub(super) flushed: Duration,
    pub(super) applied: Duration,
    pub(super) waited: Duration,
}

impl Stages {
    /// Of an entry that was handed to Raft at `proposed` and is answered `now`. An entry
    /// that is purged already went through in no time anybody could measure.
    pub(super) fn of(proposed: Instant, moments: Option<Moments>, now: Instant) -> Self {
        let Some(moments) = moments else {
            return Self {
                applied: now - proposed,
                ..Self::default()
            };
        };
        let committed = moments.committed.unwrap_or(now);
        Self {
            queued: moments.appended - proposed,
            committed: committed - moments.appended,
            // A majority of others may be faster than this node's own disk.
            flushed: moments.flushed.unwrap_or(committed).min(committed) - moments.appended,
            applied: now - committed,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.held += more.held;
        self.queued += more.queued;
        self.committed += more.committed;
        self.flushed += more.flushed;
        self.applied += more.applied;
        self.waited += more.waited;
    }
}

fn us(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            sums: RefCell::default(),
            reported_at: Cell::new(now),
        }
    }

    pub(super) fn note_write(&self, command: &Command, took: Duration, stages: Stages) {
        let mut sums = self.sums.borrow_mut();
        let Some(served) = of_command(&mut sums, command) else {
            return;
        };
        served.writes.add(us(took));
        served.held_us += us(stages.held);
        served.queued_us += us(stages.queued);
        served.committed_us += us(stages.committed);
        served.flushed_us += us(stages.flushed);
        served.applied_us += us(stages.applied);
        served.waited_us += us(stages.waited);
    }

    pub(super) fn note_read(&self, query: &Query, took: Duration) {
        let mut sums = self.sums.borrow_mut();
        of_query(&mut sums, query).reads.add(us(took));
    }

    pub(super) fn note_handled(&self, took: Duration) {
        self.sums.borrow_mut().handled.add(us(took));
    }
}

fn of_query<'w>(work: &'w mut Work, query: &Query) -> &'w mut Served {
    match query {
        Query::Session { .. }
        | Query::Lock { .. }
        | Query::List {
            of: Listing::Locks { .. } | Listing::Sessions,
            ..
        } => &mut work.lock,
        Query::Queue { .. }
        | Query::List {
            of: Listing::Queues,
            ..
        } => &mut work.queue,
        Query::Get { .. }
        | Query::Ttl { .. }
        | Query::CacheSize
        | Query::ExpireTime { .. }
        | Query::Keys { .. }
        | Query::Scan { .. }
        | Query::RandomKey { .. }
        | Query::ScanOf { .. }
        | Query::ListLength { .. }
        | Query::ListRange { .. }
        | Query::ListIndex { .. }
        | Query::ListFind { .. } => &mut work.cache,
    }
}

/// `None` for what no client asked for.
fn of_command<'w>(work: &'w mut Work, command: &Command) -> Option<&'w mut Served> {
    match command {
        Command::Session(_) | Command::Lock(_) => Some(&mut work.lock),
        Command::Queue(_) => Some(&mut work.queue),
        Command::Cache(_) | Command::String(_) | Command::List(_) | Command::Transaction { .. } => {
            Some(&mut work.cache)
        }
        Command::NewLeader | Command::Expire { .. } | Command::Raise { .. } => None,
    }
}

impl<W: RaftWorld> Node<W> {
    /// Tells where the time went, if that was long ago.
    pub(super) fn tell_work(&self) {
        let now = W::now();
        if now - self.inner.work.reported_at.get() >= EVERY {
            self.inner.work.reported_at.set(now);
            self.emit_work();
        }
    }

    pub(super) fn emit_work(&self) {
        let mut work = self.inner.work.sums.borrow().clone();
        work.appends = self.inner.network.appends();
        work.syncs = self.inner.log.syncs();
        W::emit(NodeEvent::Work(Box::new(work)));
    }
}

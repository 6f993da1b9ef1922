//! The writer task: makes durable what has queued up, and says so.

use std::io;
use std::rc::Rc;

use super::Shared;
use super::memory::OnFlush;
use crate::event::NodeEvent;
use crate::planted::{self, Bug};
use crate::raft::RaftWorld;
use crate::storage::{Record, Wal};
use crate::world::point::Point;

/// The log file is rewritten when it is this many times larger than what is still needed.
const REWRITE_FACTOR: u64 = 4;
/// Below this size it is not worth it.
const REWRITE_MIN_BYTES: u64 = 1 << 20;

/// The writer task: one batch, one sync, then the news.
pub(super) async fn write_batches<W: RaftWorld>(shared: Rc<Shared<W>>, mut wal: Wal<W::Disk>) {
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
    W::pass(Point::LogBeforeWrite).await;
    let mut result = wal.write_all(batch).await;
    if planted::active(Bug::FlushUnsynced) {
        for waiting in on_flush.drain(..) {
            waiting.complete(Ok(()));
        }
        // The page cache is written back whenever the system finds the time.
        if W::random_u64().is_multiple_of(1_000) {
            result = wal.sync().await;
        }
    } else if result.is_ok() {
        W::pass(Point::LogBeforeSync).await;
        result = timed_sync(shared, wal).await;
        W::pass(Point::LogSynced).await;
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
    let result = wal.rewrite(records).await;
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
    shared.failing.notify_waiters();
    for waiting in on_flush {
        waiting.complete(Err(io::Error::other(why.clone())));
    }
}

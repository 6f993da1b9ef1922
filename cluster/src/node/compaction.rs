//! Decides when a node takes a snapshot, and how much of the log stays in memory.
//!
//! By entries, as configured, while the state is small. A large state costs more to write than
//! the log saves, so it must first have been outweighed: a snapshot is then due when the log
//! since the last one has half its bytes. And a log of large entries is cut off by bytes,
//! however few they are.
//!
//! With a limit on memory ([`super::memory`]), less of the log is kept, and when the limit is
//! reached a snapshot is taken so that the log can be cut off.
//!
//! A disk that is nearly full is noticed before it is: the node then lets the state grow no
//! more, because a log that cannot be written ends it.

use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;

use super::Node;
use crate::raft::RaftWorld;
use crate::raft::state_machine::SinceSnapshot;
use crate::storage::Disk;
use crate::world;

/// Snapshots up to this size are taken by the count of entries alone.
const SMALL_SNAPSHOT_BYTES: u64 = 4 << 20;
/// A log of this many bytes is due for a snapshot, however few entries it has.
const LARGE_LOG_BYTES: u64 = 64 << 20;
/// Bytes of the log that are kept behind a snapshot for followers that lag.
const KEPT_LOG_BYTES: u64 = 64 << 20;

/// Bytes that are purged at a time, or more.
const PURGED_BYTES: u64 = 8 << 20;
/// Below this much free space, and that of a snapshot, the state may not grow.
const LEAST_FREE_BYTES: u64 = 128 << 20;
/// Rest between two looks at the log while memory is used up.
const SHORT_LOOK: Duration = Duration::from_millis(200);
/// Rest between two looks at the free space.
const SPACE_LOOK: Duration = Duration::from_secs(1);

/// Takes snapshots when they are due.
pub(super) async fn run<W: RaftWorld>(node: Node<W>) {
    while !node.inner.stopping.get() {
        let applied = node.inner.machine.applied_some();
        if node.memory_above_limit().is_some() {
            // What was saved meanwhile is cut off, although nothing more may come.
            let _ = world::timeout::<W, _>(SHORT_LOOK, applied).await;
        } else {
            applied.await;
        }
        let every = node.inner.settings.snapshot_every();
        let since = node.inner.machine.since_snapshot();
        let is_short = node.memory_above_limit().is_some() && since.bytes >= node.kept_log_bytes();
        if is_short || is_due(since, every) {
            // Ignored while one is being built. Raft ends the node if it cannot go on.
            let _ = node.inner.raft.trigger().snapshot().await;
        }
        if let Some(upto) = node.purge_point() {
            let _ = node.inner.raft.trigger().purge_log(upto).await;
        }
    }
}

/// Notes when the disk has too little space. A disk that does not know its space has enough;
/// while one does not tell, it is as it was.
pub(super) async fn watch_space<W: RaftWorld>(node: Node<W>, disk: W::Disk) {
    loop {
        let free = disk.free_bytes().await;
        if node.inner.stopping.get() {
            return;
        }
        match free {
            Ok(Some(free)) => node.note_free_bytes(free),
            Ok(None) => return,
            Err(_) => {}
        }
        W::sleep(SPACE_LOOK).await;
    }
}

impl<W: RaftWorld> Node<W> {
    fn note_free_bytes(&self, free: u64) {
        // The next snapshot is written beside the last.
        let snapshot = self.inner.machine.since_snapshot().snapshot_bytes;
        let lacks = free < LEAST_FREE_BYTES + snapshot;
        let before = self.inner.lacks_space.replace(lacks.then_some(free));
        if lacks && before.is_none() {
            tracing::warn!("the disk is nearly full: {} MiB are free", free >> 20);
        }
    }

    /// Bytes of the log that are kept behind a snapshot: an eighth of the memory that there may
    /// be, where that is less. When memory is used up, a log of so many bytes is reason enough
    /// for a snapshot.
    fn kept_log_bytes(&self) -> u64 {
        match self.inner.settings.max_memory() {
            0 => KEPT_LOG_BYTES,
            limit => KEPT_LOG_BYTES.min(limit / 8),
        }
    }

    /// Index up to which the log should be purged and can be, if that is not done.
    fn purge_point(&self) -> Option<u64> {
        let kept = self.kept_log_bytes();
        if self.inner.log.live_bytes() < kept + PURGED_BYTES.min(kept) {
            return None;
        }
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let saved = metrics.snapshot.as_ref()?.index;
        let purged = metrics.purged.as_ref().map(|id| id.index);
        if Some(saved) <= purged {
            return None;
        }
        let upto = self.inner.log.purge_point(kept)?;
        Some(upto.min(saved))
    }
}

fn is_due(since: SinceSnapshot, every: u64) -> bool {
    let is_outweighed = since.bytes >= since.snapshot_bytes / 2;
    let is_small = since.snapshot_bytes <= SMALL_SNAPSHOT_BYTES;
    let by_count = since.entries >= every && (is_small || is_outweighed);
    by_count || is_outweighed && since.bytes >= LARGE_LOG_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn due(entries: u64, bytes: u64, snapshot_bytes: u64) -> bool {
        let since = SinceSnapshot {
            entries,
            bytes,
            snapshot_bytes,
        };
        is_due(since, 5_000)
    }

    #[test]
    fn a_small_state_is_saved_by_the_count_of_entries() {
        assert!(!due(4_999, 4_999, 0));
        assert!(due(5_000, 5_000, 0));
        assert!(due(5_000, 5_000, MIB));
    }

    #[test]
    fn a_large_state_is_saved_once_the_log_outweighs_half_of_it() {
        assert!(!due(500_000, 499 * MIB, 1_000 * MIB));
        assert!(due(500_000, 500 * MIB, 1_000 * MIB));
    }

    #[test]
    fn a_few_large_entries_are_reason_enough() {
        assert!(!due(8, 63 * MIB, 0));
        assert!(due(8, 64 * MIB, 0));
        assert!(!due(8, 64 * MIB, 500 * MIB));
    }
}

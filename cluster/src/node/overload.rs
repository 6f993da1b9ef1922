//! Refuses writes while more are on their way than the cluster can take.
//!
//! Writes that are proposed and not answered are counted, with their bytes. While they are very
//! many, little more is taken from each connection, so that a client which sends without end
//! waits for itself and not for a queue. While they are many nevertheless and the oldest has
//! waited for long, or they hold very much memory, the next one is refused, and had no effect: a
//! client that waits for an answer for ten seconds learns only that the outcome is unknown, and
//! what was refused takes nobody's time when the rush is over. A refusal comes after a pause:
//! to read and refuse takes the time that it takes to get done with others.

use std::cell::Cell;
use std::time::Duration;

use super::{Node, NodeError};
use crate::raft::RaftWorld;
use crate::world::Instant;

/// So many may always be on their way: pipelines of a few clients.
const MANY: usize = 1_024;
/// With so many, a connection has few on their way: less than a second's work where disks are
/// fast, and more than pipelines need to be fast.
const VERY_MANY: usize = 4_096;
/// Nothing waits for so long where a cluster keeps up.
const LONG: Duration = Duration::from_secs(1);
/// A refusal comes so much later.
const PAUSE: Duration = Duration::from_millis(500);
/// Bytes of commands that are on their way.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// Writes that are on their way.
#[derive(Default)]
pub(super) struct Backlog {
    count: Cell<usize>,
    bytes: Cell<usize>,
    /// What was proposed before this is answered, or nearly.
    done_up_to: Cell<Option<Instant>>,
}

/// A write on its way, until this is dropped.
pub(super) struct Waits<'a> {
    backlog: &'a Backlog,
    begun: Instant,
    bytes: usize,
}

impl Backlog {
    pub(super) fn begin(&self, now: Instant, bytes: usize) -> Waits<'_> {
        if self.count.get() == 0 {
            self.done_up_to.set(Some(now));
        }
        self.count.set(self.count.get() + 1);
        self.bytes.set(self.bytes.get() + bytes);
        Waits {
            backlog: self,
            begun: now,
            bytes,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count.get()
    }

    /// For how long the oldest has waited, if one more is too many.
    fn excess(&self, now: impl FnOnce() -> Instant) -> Option<Duration> {
        let is_much = self.bytes.get() >= MOST_BYTES;
        if self.count.get() < MANY && !is_much {
            return None;
        }
        let now = now();
        let begun = self.done_up_to.get().unwrap_or(now);
        let waited = now - begun.min(now);
        (is_much || waited >= LONG).then_some(waited)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let backlog = self.backlog;
        backlog.count.set(backlog.count.get() - 1);
        backlog.bytes.set(backlog.bytes.get() - self.bytes);
        backlog
            .done_up_to
            .set(backlog.done_up_to.get().max(Some(self.begun)));
    }
}

impl<W: RaftWorld> Node<W> {
    /// Whether little more is to be taken from each connection.
    pub(super) fn is_crowded(&self) -> bool {
        self.inner.backlog.count() >= VERY_MANY || self.inner.backlog.excess(W::now).is_some()
    }

    /// # Errors
    /// Definite: there is more than can be done.
    pub(super) async fn must_keep_up(&self) -> Result<(), NodeError> {
        let backlog = &self.inner.backlog;
        let Some(waited) = backlog.excess(W::now) else {
            return Ok(());
        };
        let why = format!(
            "overloaded: {} writes with {} MiB are on their way, the oldest for {} ms. Send less \
             at a time",
            backlog.count(),
            backlog.bytes.get() >> 20,
            waited.as_millis()
        );
        self.inner.counters.note_overload();
        W::sleep(PAUSE).await;
        Err(NodeError::NotNow(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant(ms * 1_000_000)
    }

    #[test]
    fn many_that_wait_for_long_keep_out_others_until_the_oldest_are_done() {
        let backlog = Backlog::default();
        // Long ago, so that it says nothing of now.
        drop(backlog.begin(at(1), 10));
        let mut waiting: Vec<_> = (0..MANY)
            .map(|nth| backlog.begin(at(5_000 + nth as u64), 10))
            .collect();
        assert_eq!(backlog.excess(|| at(5_999)), None);
        let waited = backlog.excess(|| at(6_000));
        assert_eq!(waited, Some(LONG), "the first has waited for a second");
        drop(waiting.remove(0));
        assert_eq!(backlog.excess(|| at(6_000)), None, "fewer than many");
        waiting.push(backlog.begin(at(6_000), 10));
        assert_eq!(
            backlog.excess(|| at(5_900)),
            None,
            "none has waited for long"
        );
        drop(waiting);
        assert_eq!((backlog.count(), backlog.bytes.get()), (0, 0));
        assert_eq!(backlog.excess(|| at(60_000)), None);
    }

    #[test]
    fn few_large_ones_keep_out_others() {
        let backlog = Backlog::default();
        let large = backlog.begin(at(1), MOST_BYTES);
        assert!(backlog.excess(|| at(1)).is_some());
        drop(large);
        assert_eq!(backlog.excess(|| at(1)), None);
    }
}

//! Whether this node can follow its leader at all, and how often it says what it refuses.
//!
//! A node that has applied other entries than its leader refuses the leader's: nothing could take
//! back what it has applied. It cannot come to that as long as disks keep what they have synced,
//! so it is not mended by itself; the log says once what happened and the way out, and
//! `INFO`, `RAFT.STATUS`, the metrics and health checks say so for as long as it lasts.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use openraft::raft::AppendEntriesRequest;

use super::{Node, NodeError};
use crate::raft::wire::PeerRequest;
use crate::raft::{NodeId, RaftWorld, TypeConfig, node_name, reason};
use crate::world::Instant;

/// What peers send is refused in the log at most once in this time.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Lets one of many through, and counts the others.
#[derive(Default)]
struct Seldom {
    last: Cell<Option<Instant>>,
    held_back: Cell<u64>,
}

impl Seldom {
    /// How many were held back since the last one, if this one may pass.
    fn pass(&self, now: Instant) -> Option<u64> {
        let is_early = |last: Instant| now - last < WARN_EVERY;
        if self.last.get().is_some_and(is_early) {
            self.held_back.set(self.held_back.get() + 1);
            return None;
        }
        self.last.set(Some(now));
        Some(self.held_back.take())
    }
}

/// What a node remembers of what it refused.
#[derive(Default)]
pub(super) struct Following {
    /// Why it cannot follow its leader.
    obstacle: RefCell<Option<String>>,
    refusals: Seldom,
}

impl Following {
    /// A leader was followed: it has what was applied here, and that was seen.
    pub(super) fn clear(&self) {
        if self.obstacle.take().is_some() {
            tracing::warn!("this node follows a leader again");
        }
    }
}

impl<W: RaftWorld> Node<W> {
    /// Says in the log what was refused, and how often something was meanwhile, at a bounded rate.
    pub(super) fn warn_refused(&self, what: &str, why: &str) {
        let passed = self.inner.following.refusals.pass(W::now());
        match passed {
            None => {}
            Some(0) => tracing::warn!("refused {what}: {why}"),
            Some(others) => {
                tracing::warn!("refused {what}: {why} ({others} more were since the last)");
            }
        }
    }

    /// Refuses entries of a leader that contradict what was applied here. One that was deposed,
    /// and does not know it, may well have others; Raft tells it.
    pub(super) fn check_applied(
        &self,
        request: &PeerRequest<W>,
        sender: Option<NodeId>,
    ) -> Result<(), String> {
        let (PeerRequest::Append(rpc) | PeerRequest::AppendPromising(rpc)) = request else {
            return Ok(());
        };
        if self.vote() > rpc.vote {
            return Ok(());
        }
        let known = |index| self.inner.log.log_id(index);
        let checked = reason::check_applied(request, self.inner.machine.last_applied(), known);
        checked.inspect_err(|why| self.note_obstacle(sender, why))
    }

    /// Whether entries, once they are taken in, prove that their leader has all that was applied
    /// here. What stands before it, as a leader asks that looks for where the logs part, proves
    /// nothing.
    pub(super) fn proves_applied(&self, rpc: &AppendEntriesRequest<TypeConfig<W>>) -> bool {
        let last = rpc.entries.last().map(|entry| entry.log_id);
        let last = last.or(rpc.prev_log_id);
        let applied = self.inner.machine.last_applied();
        applied.is_none_or(|applied| last.is_some_and(|last| last.index >= applied.index))
    }

    fn note_obstacle(&self, leader: Option<NodeId>, why: &str) {
        let (id, me) = (self.id(), node_name(self.id()));
        let leader = leader.map_or("its leader".into(), node_name);
        let obstacle = format!("{me} cannot follow {leader}: {why}");
        let before = self
            .inner
            .following
            .obstacle
            .replace(Some(obstacle.clone()));
        if before.is_none() {
            tracing::error!(
                "{obstacle}. What it has applied is not what the cluster has, as when a directory \
                 was put back from a copy, or others have lost what they had synced. It serves \
                 nothing until it is started anew: RAFT.REMOVE {id} at the leader, stop it, empty \
                 its directory, start it with --join, RAFT.ADD {id} {}",
                self.inner.options.address
            );
        }
    }

    /// Why this node cannot follow its leader, if so.
    pub(super) fn obstacle(&self) -> Option<String> {
        let obstacle = self.inner.following.obstacle.borrow().clone();
        obstacle.filter(|_| !self.is_leading())
    }

    /// # Errors
    /// It cannot, so that what it has may not be what the cluster has.
    pub(super) fn must_follow(&self) -> Result<(), NodeError> {
        self.obstacle()
            .map_or(Ok(()), |why| Err(NodeError::NotNow(why)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_ten_seconds_passes_and_counts_the_others() {
        let seldom = Seldom::default();
        let at = |ms: u64| Instant(ms * 1_000_000);
        assert_eq!(seldom.pass(at(1_000)), Some(0));
        assert_eq!(seldom.pass(at(1_100)), None);
        assert_eq!(seldom.pass(at(10_999)), None);
        assert_eq!(seldom.pass(at(11_000)), Some(2));
        assert_eq!(seldom.pass(at(30_000)), Some(0));
    }
}

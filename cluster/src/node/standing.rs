//! Tells where a node stands: role, term and vote, its log, what it has applied, and how much
//! it holds. For whoever looks into a simulated node; it changes nothing and waits for nothing.

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::vote::RaftLeaderId;

use super::Node;
use crate::raft::{RaftWorld, node_name};
use crate::state::State;

/// A node at a moment. Indexes are 0 where there is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// `leader`, `follower`, `candidate`, `learner` or `shutdown`.
    pub role: &'static str,
    /// Raft's.
    pub term: u64,
    /// The node that it has voted for in its term, or follows there.
    pub vote: String,
    /// Whether a quorum is known to have given the same vote.
    pub is_vote_committed: bool,
    /// The leader, as far as it knows.
    pub leader: Option<String>,
    /// Index of the first entry that its log still has.
    pub first_log: u64,
    /// Index of the newest entry of its log.
    pub last_log: u64,
    /// Index of the last entry that it knows to be committed.
    pub commit: u64,
    /// Index of the last entry that its state has applied.
    pub applied: u64,
    /// Index of the last entry in its newest snapshot.
    pub snapshot: u64,
    /// Whether it leads and serves writes.
    pub serves: bool,
    /// Keys of the cache.
    pub keys: u64,
    /// Log time, milliseconds since the Unix epoch.
    pub clock_ms: u64,
}

impl<W: RaftWorld> Node<W> {
    /// A copy of all that it holds, as of the last entry that it has applied.
    pub fn held(&self) -> State {
        self.inner.machine.state().clone()
    }

    /// Of this moment.
    pub fn standing(&self) -> Standing {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let state = self.inner.machine.state();
        let index = |index: Option<u64>| index.unwrap_or(0);
        Standing {
            role: match metrics.state {
                ServerState::Learner => "learner",
                ServerState::Follower => "follower",
                ServerState::Candidate => "candidate",
                ServerState::Leader => "leader",
                ServerState::Shutdown => "shutdown",
            },
            term: metrics.current_term,
            vote: node_name(*metrics.vote.leader_id().node_id()),
            is_vote_committed: metrics.vote.is_committed(),
            leader: metrics.current_leader.map(node_name),
            first_log: index(metrics.purged.as_ref().map(|id| id.index)) + 1,
            last_log: self.inner.log.last_index(),
            commit: index(metrics.local_committed.as_ref().map(|id| id.index)),
            applied: self.applied_index(),
            snapshot: index(metrics.snapshot.as_ref().map(|id| id.index)),
            serves: self.is_leading(),
            keys: state.cache_stats().entries,
            clock_ms: state.clock_ms(),
        }
    }
}

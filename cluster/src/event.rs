//! What a node says about itself: the evidence by which any observer can time an election.
//!
//! A real node prints these as JSON lines on standard output, a simulated one hands them to
//! the recorder. Terms and indexes are Raft's. Events state facts that have happened (a vote
//! is reported when it is durable), never intentions, but for [`NodeEvent::Election`].

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum NodeEvent {
    /// The process is up and its storage recovered.
    Started { last_log: u64, applied: u64 },
    /// The process ended by itself or was ended.
    Stopped { why: String },
    /// Starts an election; pre-vote rounds included (`term` is the one asked for).
    Election { term: u64, pre_vote: bool },
    /// Voted for `candidate` in `term`, durably.
    Voted { term: u64, candidate: String },
    /// Became leader.
    Leader { term: u64 },
    /// Committed its first entry as leader of `term`.
    FirstCommit { term: u64, index: u64 },
    /// Follows a leader, or no longer leads.
    Follower { term: u64, leader: Option<String> },
    /// Where the node stands after applying `index`.
    Applied {
        term: u64,
        index: u64,
        /// Hash of all entries and replies so far.
        digest: String,
        /// Hash of the whole state, given now and then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
    },
    /// Term of the committed entry at `index`: evidence for log matching.
    Committed { term: u64, index: u64 },
    /// A snapshot up to `index` is durable.
    Snapshot { term: u64, index: u64 },
    /// A snapshot from the leader has arrived and is about to be installed.
    SnapshotArrived { index: u64 },
    /// A snapshot from the leader replaced the state.
    SnapshotInstalled { term: u64, index: u64 },
    /// This configuration is in force on the node.
    Membership {
        index: u64,
        voters: Vec<String>,
        learners: Vec<String>,
        /// Two configurations at once: decisions need a majority of each.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        joint: bool,
    },
    /// Keys looked up by gets since the process began, and how many were found.
    CacheReads { gets: u64, hits: u64, misses: u64 },
    /// The storage refused, or something else the node cannot mend.
    Damaged { why: String },
    /// Whoever runs the cluster has put a machine with an empty disk in the node's place,
    /// after the node had been removed from the cluster. What it had voted and stored is gone.
    Replaced,
}

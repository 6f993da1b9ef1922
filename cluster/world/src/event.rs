//! Defines the events that a node reports about itself, by which an observer times elections.
//!
//! A real node prints these as JSON lines on standard output, a simulated one hands them to
//! the recorder. Terms and indexes are Raft's. Events state facts that have happened (a vote
//! is reported when it is durable), never intentions, but for [`NodeEvent::Election`].

use serde::{Deserialize, Serialize};

/// An event of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum NodeEvent {
    /// The process is up and its storage recovered.
    Started {
        /// Index of the last entry in its log.
        last_log: u64,
        /// Index of the last entry that it has applied.
        applied: u64,
    },
    /// The process ended by itself or was ended.
    Stopped {
        /// The reason, in one line.
        why: String,
    },
    /// Starts an election; pre-vote rounds included (`term` is the one asked for).
    Election {
        /// The term that it stands for.
        term: u64,
        /// Whether it only asks if it could win.
        pre_vote: bool,
    },
    /// Voted for `candidate` in `term`, durably.
    Voted {
        /// The term of the vote.
        term: u64,
        /// The name of the node that gets it.
        candidate: String,
    },
    /// Became leader.
    Leader {
        /// The term that it leads.
        term: u64,
    },
    /// Committed its first entry as leader of `term`.
    FirstCommit {
        /// The leader's term.
        term: u64,
        /// The entry's index.
        index: u64,
    },
    /// Follows a leader, or no longer leads.
    Follower {
        /// The term in which it follows.
        term: u64,
        /// The leader's name, if it is known.
        leader: Option<String>,
    },
    /// Where the node stands after applying `index`.
    Applied {
        /// The entry's term.
        term: u64,
        /// The entry's index.
        index: u64,
        /// Hash of all entries and replies so far.
        digest: String,
        /// Hash of the whole state, given now and then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
    },
    /// Term of the committed entry at `index`: evidence for log matching.
    Committed {
        /// The leader's term.
        term: u64,
        /// The last committed index.
        index: u64,
    },
    /// A snapshot up to `index` is durable.
    Snapshot {
        /// Term of the last entry in the snapshot.
        term: u64,
        /// Its index.
        index: u64,
    },
    /// A snapshot from the leader has arrived and is about to be installed.
    SnapshotArrived {
        /// Index of the last entry in the snapshot.
        index: u64,
    },
    /// A snapshot from the leader replaced the state.
    SnapshotInstalled {
        /// Term of the last entry in the snapshot.
        term: u64,
        /// Its index.
        index: u64,
    },
    /// This configuration is in force on the node.
    Membership {
        /// Index of the configuration's entry.
        index: u64,
        /// Names of the nodes with a vote.
        voters: Vec<String>,
        /// Names of the nodes without one.
        learners: Vec<String>,
        /// Two configurations at once: decisions need a majority of each.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        joint: bool,
    },
    /// Keys looked up by gets since the process began, and how many were found.
    CacheReads {
        /// Reads of keys.
        gets: u64,
        /// Those that found one.
        hits: u64,
        /// Those that found none.
        misses: u64,
    },
    /// What the node's time has gone into since its process began. Reported with the first work
    /// a second or more after the last report, so an idle node is silent.
    Work(Box<Work>),
    /// The storage refused, or something else the node cannot mend.
    Damaged {
        /// What is wrong with the stored state.
        why: String,
    },
    /// Whoever runs the cluster has put a machine with an empty disk in the node's place,
    /// after the node had been removed from the cluster. What it had voted and stored is gone.
    Replaced,
}

/// Where a node's time went, summed up since its process began; whatever is left out is zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    /// Commands that this node, as leader or reader, answered with a reply: sessions and locks.
    #[serde(skip_serializing_if = "is_nothing")]
    pub lock: Served,
    /// Operations of queues.
    #[serde(skip_serializing_if = "is_nothing")]
    pub queue: Served,
    /// Operations of caches.
    #[serde(skip_serializing_if = "is_nothing")]
    pub cache: Served,
    /// Calls to followers that carried entries, from sending to the answer.
    #[serde(skip_serializing_if = "is_nothing")]
    pub appends: Timed,
    /// Such calls from a leader, from their arrival to the answer.
    #[serde(skip_serializing_if = "is_nothing")]
    pub handled: Timed,
    /// Syncs of the log.
    #[serde(skip_serializing_if = "is_nothing")]
    pub syncs: Timed,
}

/// Commands of one service that were answered with a reply, and the stages of their way.
/// Microseconds, summed over commands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Served {
    /// From arrival to the answer: that of `held` to `waited` together.
    pub writes: Timed,
    /// Arrival → handed to Raft.
    #[serde(skip_serializing_if = "is_nothing")]
    pub held_us: u64,
    /// Handed to Raft → in the leader's log, in memory.
    #[serde(skip_serializing_if = "is_nothing")]
    pub queued_us: u64,
    /// In the leader's log → committed.
    #[serde(skip_serializing_if = "is_nothing")]
    pub committed_us: u64,
    /// Of that, until it was durable on the leader's own disk.
    #[serde(skip_serializing_if = "is_nothing")]
    pub flushed_us: u64,
    /// Committed → applied and answered.
    #[serde(skip_serializing_if = "is_nothing")]
    pub applied_us: u64,
    /// Waited for a lock or a message, as the client had asked.
    #[serde(skip_serializing_if = "is_nothing")]
    pub waited_us: u64,
    /// From arrival to the answer, nearly all of it to make sure that the node is recent
    /// enough to give one.
    #[serde(skip_serializing_if = "is_nothing")]
    pub reads: Timed,
}

/// How often, and how long in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// How many there were.
    pub count: u64,
    /// Their time together, microseconds.
    pub us: u64,
}

impl Timed {
    /// Once more, for so long.
    pub fn add(&mut self, us: u64) {
        self.count += 1;
        self.us += us;
    }
}

fn is_nothing<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

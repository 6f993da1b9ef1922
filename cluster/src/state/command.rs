//! Defines the commands of the replicated state, and their replies.
//!
//! A [`Request`] is what one log entry carries; a [`Query`] reads without a log entry.
//! Both are plain data: the RESP layer builds them, the state machines interpret them,
//! and nothing here knows how they travel.
//!
//! All times are milliseconds of *log time*: the stamps that leaders write into entries.

mod list;
mod query;
mod reply;
mod strings;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Limits;
pub use list::{End, ListCommand};
pub use query::{Kind, Listing, Query};
pub(super) use reply::bytes_of;
pub use reply::{
    Applied, Changed, Delivery, Found, Lifetime, LockInfo, Popped, QueueInfo, Refusal, Reply, Row,
    Versioned, Wake,
};
pub use strings::{ExpireCondition, Expiry, Extension, StringCommand};

/// Position and time of a log entry, as the leader stamped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Log index of the entry; unique, never reused.
    pub index: u64,
    /// The leader's clock when it proposed the entry, milliseconds since the Unix epoch.
    /// The state's own clock is the maximum of all stamps applied so far.
    pub time_ms: u64,
}

/// Identifies a client session: the log index at which it was opened.
pub type SessionId = u64;
/// A fencing token: the log index at which a lock was granted.
pub type Token = u64;
/// Identifies a message; rises in publish order within a queue.
pub type MessageId = u64;
/// The right to settle one delivery of one message.
pub type Receipt = u64;

/// One replicated request: a command and, for exactly-once semantics, who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The proposing leader's clock, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Present when the client wants exactly-once execution (Raft dissertation §6.3).
    pub once: Option<Once>,
    /// What is to be done.
    pub command: Command,
}

/// The position of a request within its session. A sequence that repeats the last one
/// gets the recorded reply again; an older one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    /// Whose sequence it is.
    pub session: SessionId,
    /// Chosen by the client; each new request has a larger one.
    pub sequence: u64,
}

/// Everything that changes the replicated state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// First entry of every leader: time that passed without a leader counts for nobody.
    /// Every deadline moves on by the jump of the clock, and every session gets its
    /// full TTL again. Extends, never shortens.
    NewLeader,
    /// Ends sessions whose deadline has passed. Guarded: a session is ended only if its
    /// deadline is still the one seen by the proposer and the clock has reached it, so a
    /// proposal overtaken by a keep-alive does nothing. An empty list merely moves the clock.
    Expire {
        /// Each with the deadline that the proposer saw, milliseconds of log time.
        sessions: Vec<(SessionId, u64)>,
    },
    /// Opens, renews and ends sessions.
    Session(SessionCommand),
    /// Takes and gives back locks.
    Lock(LockCommand),
    /// Publishes, hands out and settles messages.
    Queue(QueueCommand),
    /// Changes keys of the cache.
    Cache(CacheCommand),
    /// Commands for strings beyond [`CacheCommand`].
    String(StringCommand),
    /// Several commands in one entry, with nothing between them: all of them are executed, or
    /// none if the version of a watched key (0: absent) is another one now.
    Transaction {
        /// Each with the version that its client saw.
        watched: Vec<(Bytes, u64)>,
        /// In the order of execution.
        steps: Vec<Step>,
    },
    /// From here on the rules of this level hold, and these limits; proposed by a leader once
    /// every member knows the rules. Never lowers the level.
    Raise {
        /// At most [`LEVEL`](super::LEVEL).
        level: u32,
        /// In force from this entry on.
        limits: Limits,
    },
    /// Commands for lists.
    List(ListCommand),
}

/// One command of a [`Command::Transaction`]. What hands out the index of its entry (a lock's
/// token, a session's number) is none: two of them would get the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// On a queue.
    Queue(QueueCommand),
    /// On keys.
    Cache(CacheCommand),
    /// On strings.
    String(StringCommand),
    /// Sees what the steps before it did.
    Read(Query),
    /// On lists.
    List(ListCommand),
}

/// What is done with sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionCommand {
    /// Opens a session that lives for `ttl_ms` after its last keep-alive.
    Open {
        /// Within [`SHORTEST_SESSION_MS`](super::SHORTEST_SESSION_MS) and
        /// [`LONGEST_MS`](super::LONGEST_MS).
        ttl_ms: u64,
    },
    /// Gives the session its full TTL again.
    KeepAlive {
        /// Must be open.
        session: SessionId,
    },
    /// Ends the session and frees all it holds.
    Close {
        /// Must be open.
        session: SessionId,
    },
}

/// Who else may hold a lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockMode {
    /// Nobody.
    Exclusive,
    /// Others that share it.
    Shared,
}

/// What is done with locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockCommand {
    /// Takes the lock, or queues for it, first come first served.
    /// `wait_ms` = 0 is try-lock. Asking again while holding returns the same token;
    /// asking again while queued keeps the place.
    Acquire {
        /// Created if it is new.
        name: String,
        /// Whoever is to hold it.
        session: SessionId,
        /// How it is to be held.
        mode: LockMode,
        /// Log time in line, at most.
        wait_ms: u64,
        /// Wait-die: refuse with [`Refusal::WouldDeadlock`] instead of waiting for an
        /// older session (a session with a smaller id).
        wait_die: bool,
    },
    /// Gives up the hold that `token` names.
    Release {
        /// Name of the lock.
        name: String,
        /// Must hold it.
        session: SessionId,
        /// Of the hold, from the grant.
        token: Token,
    },
    /// Leaves the waiting line.
    Cancel {
        /// Name of the lock.
        name: String,
        /// Which waits.
        session: SessionId,
    },
    /// A fenced resource's check: accepts `token` unless a larger one was accepted before.
    Check {
        /// Name of the lock.
        name: String,
        /// The one that came with the write.
        token: Token,
    },
}

/// What is done with queues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueCommand {
    /// Creates the queue or changes its settings.
    Configure {
        /// Created if it is new.
        queue: String,
        /// All of them; none keeps its old value.
        settings: QueueSettings,
    },
    /// Publishes all messages or none (depth limit).
    Publish {
        /// Created with the default settings if it is new.
        queue: String,
        /// In the order of their ids.
        messages: Vec<NewMessage>,
    },
    /// Hands out up to `count` ready messages, hidden from others for `visibility_ms`
    /// (`None`: the queue's setting).
    Receive {
        /// Name of the queue.
        queue: String,
        /// At most [`LARGEST_BATCH`](super::LARGEST_BATCH).
        count: u32,
        /// Log time.
        visibility_ms: Option<u64>,
    },
    /// Ends the messages whose receipts are valid; the others are passed over.
    Ack {
        /// Name of the queue.
        queue: String,
        /// From their deliveries.
        receipts: Vec<Receipt>,
    },
    /// Returns a message at once or after a delay; counts as a delivery.
    Nack {
        /// Name of the queue.
        queue: String,
        /// From its delivery.
        receipt: Receipt,
        /// Log time until it can be delivered again; 0: at once.
        delay_ms: u64,
    },
    /// Hides the message for `visibility_ms` from now on.
    Extend {
        /// Name of the queue.
        queue: String,
        /// From its delivery.
        receipt: Receipt,
        /// Log time.
        visibility_ms: u64,
    },
    /// Drops every message; replies with how many.
    Purge {
        /// Name of the queue.
        queue: String,
    },
    /// Drops the queue with its messages, settings and producers; replies with how many
    /// messages there were. Of level 2.
    Delete {
        /// Name of the queue.
        queue: String,
        /// Refuses with [`Refusal::NotEmpty`] if there are messages.
        if_empty: bool,
    },
    /// Moves up to `count` deliverable messages to another queue that there is, as far as that
    /// has room; replies with how many. They count as acknowledged in the one and as published
    /// in the other. Of level 2.
    Redrive {
        /// The queue they leave.
        from: String,
        /// The queue they join.
        to: String,
        /// At most so many.
        count: u32,
    },
}

/// How a queue behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSettings {
    /// Most messages the queue holds (ready, delayed and in flight); 0 = no limit.
    pub max_depth: u64,
    /// Deliveries after which a message is dead-lettered; 0 = never.
    pub max_deliveries: u32,
    /// Where dead letters go; `None` with a limit: `<queue>.dead`.
    pub dead_letter: Option<String>,
    /// How long a delivery is hidden, if the receive does not say; log time.
    pub visibility_ms: u64,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            max_depth: 0,
            max_deliveries: 0,
            dead_letter: None,
            visibility_ms: 30_000,
        }
    }
}

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
    /// Any bytes.
    pub payload: Bytes,
    /// Not delivered before this much log time has passed.
    pub delay_ms: u64,
    /// Larger is delivered first.
    pub priority: u8,
    /// Messages of a group are delivered in publish order, one in flight at a time.
    pub group: Option<String>,
    /// Producer id and its rising sequence: a repeat is answered with the first id.
    pub dedup: Option<(String, u64)>,
}

/// What is done with keys that hold strings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheCommand {
    /// Sets a key; its version is the index of this entry.
    Set {
        /// Any bytes.
        key: Bytes,
        /// Any bytes.
        value: Bytes,
        /// Lifetime; `None` lives until deleted or evicted.
        ttl_ms: Option<u64>,
        /// Keep the lifetime the key already has (`ttl_ms` is then `None`).
        keep_ttl: bool,
        /// Judged before anything is changed.
        condition: SetCondition,
    },
    /// Deletes keys; replies with how many were there.
    Delete {
        /// May be absent.
        keys: Vec<Bytes>,
    },
    /// Adds to the integer stored at the key, 0 when absent; keeps the lifetime.
    Increment {
        /// Created if it is absent.
        key: Bytes,
        /// May be negative; an overflow is refused.
        by: i64,
    },
    /// Sets the lifetime of an existing key; `None` removes it.
    Expire {
        /// May be absent, which changes nothing.
        key: Bytes,
        /// Log time from this entry on.
        ttl_ms: Option<u64>,
    },
    /// Marks keys as read, for eviction; proposed by leaders now and then.
    Touch {
        /// Absent ones are passed over.
        keys: Vec<Bytes>,
    },
    /// Drops every key.
    Flush,
}

/// When a key is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetCondition {
    /// Whether it is there or not.
    Always,
    /// Only if there is no such key.
    IfAbsent,
    /// Only if there is one.
    IfPresent,
    /// Compare-and-set: only if the key's version is this one; 0 = absent.
    IfVersion(u64),
}

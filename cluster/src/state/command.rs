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
    pub command: Command,
}

/// The position of a request within its session. A sequence that repeats the last one
/// gets the recorded reply again; an older one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    pub session: SessionId,
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
        sessions: Vec<(SessionId, u64)>,
    },
    Session(SessionCommand),
    Lock(LockCommand),
    Queue(QueueCommand),
    Cache(CacheCommand),
    /// Commands for strings beyond [`CacheCommand`].
    String(StringCommand),
    /// Several commands in one entry, with nothing between them: all of them are executed, or
    /// none if the version of a watched key (0: absent) is another one now.
    Transaction {
        watched: Vec<(Bytes, u64)>,
        steps: Vec<Step>,
    },
    /// From here on the rules of this level hold, and these limits; proposed by a leader once
    /// every member knows the rules. Never lowers the level.
    Raise {
        level: u32,
        limits: Limits,
    },
    /// Commands for lists.
    List(ListCommand),
}

/// One command of a [`Command::Transaction`]. What hands out the index of its entry (a lock's
/// token, a session's number) is none: two of them would get the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    Queue(QueueCommand),
    Cache(CacheCommand),
    String(StringCommand),
    /// Sees what the steps before it did.
    Read(Query),
    List(ListCommand),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionCommand {
    /// Opens a session that lives for `ttl_ms` after its last keep-alive.
    Open {
        ttl_ms: u64,
    },
    KeepAlive {
        session: SessionId,
    },
    /// Ends the session and frees all it holds.
    Close {
        session: SessionId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockMode {
    Exclusive,
    Shared,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockCommand {
    /// Takes the lock, or queues for it, first come first served.
    /// `wait_ms` = 0 is try-lock. Asking again while holding returns the same token;
    /// asking again while queued keeps the place.
    Acquire {
        name: String,
        session: SessionId,
        mode: LockMode,
        wait_ms: u64,
        /// Wait-die: refuse with [`Refusal::WouldDeadlock`] instead of waiting for an
        /// older session (a session with a smaller id).
        wait_die: bool,
    },
    /// Gives up the hold that `token` names.
    Release {
        name: String,
        session: SessionId,
        token: Token,
    },
    /// Leaves the waiting line.
    Cancel { name: String, session: SessionId },
    /// A fenced resource's check: accepts `token` unless a larger one was accepted before.
    Check { name: String, token: Token },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueCommand {
    /// Creates the queue or changes its settings.
    Configure {
        queue: String,
        settings: QueueSettings,
    },
    /// Publishes all messages or none (depth limit).
    Publish {
        queue: String,
        messages: Vec<NewMessage>,
    },
    /// Hands out up to `count` ready messages, hidden from others for `visibility_ms`
    /// (`None`: the queue's setting).
    Receive {
        queue: String,
        count: u32,
        visibility_ms: Option<u64>,
    },
    Ack {
        queue: String,
        receipts: Vec<Receipt>,
    },
    /// Returns a message at once or after a delay; counts as a delivery.
    Nack {
        queue: String,
        receipt: Receipt,
        delay_ms: u64,
    },
    /// Hides the message for `visibility_ms` from now on.
    Extend {
        queue: String,
        receipt: Receipt,
        visibility_ms: u64,
    },
    /// Drops every message; replies with how many.
    Purge { queue: String },
    /// Drops the queue with its messages, settings and producers; replies with how many
    /// messages there were. Of level 2.
    Delete { queue: String, if_empty: bool },
    /// Moves up to `count` deliverable messages to another queue that there is, as far as that
    /// has room; replies with how many. They count as acknowledged in the one and as published
    /// in the other. Of level 2.
    Redrive {
        from: String,
        to: String,
        count: u32,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSettings {
    /// Most messages the queue holds (ready, delayed and in flight); 0 = no limit.
    pub max_depth: u64,
    /// Deliveries after which a message is dead-lettered; 0 = never.
    pub max_deliveries: u32,
    /// Where dead letters go; `None` with a limit: `<queue>.dead`.
    pub dead_letter: Option<String>,
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheCommand {
    Set {
        key: Bytes,
        value: Bytes,
        /// Lifetime; `None` lives until deleted or evicted.
        ttl_ms: Option<u64>,
        /// Keep the lifetime the key already has (`ttl_ms` is then `None`).
        keep_ttl: bool,
        condition: SetCondition,
    },
    Delete {
        keys: Vec<Bytes>,
    },
    /// Adds to the integer stored at the key, 0 when absent; keeps the lifetime.
    Increment {
        key: Bytes,
        by: i64,
    },
    /// Sets the lifetime of an existing key; `None` removes it.
    Expire {
        key: Bytes,
        ttl_ms: Option<u64>,
    },
    /// Marks keys as read, for eviction; proposed by leaders now and then.
    Touch {
        keys: Vec<Bytes>,
    },
    /// Drops every key.
    Flush,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetCondition {
    Always,
    IfAbsent,
    IfPresent,
    /// Compare-and-set: only if the key's version is this one; 0 = absent.
    IfVersion(u64),
}

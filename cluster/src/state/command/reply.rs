//! Defines what requests and queries are answered with, and what applying an entry produces.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{MessageId, Receipt, SessionId, Token};

/// What a request or query is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done, nothing to say (`NewLeader`, `Expire`, `Touch`, `Flush`, `Cancel`, `Configure`).
    Done,
    /// No effect.
    Refused(Refusal),
    /// A session is open.
    SessionOpened {
        /// Its number.
        session: SessionId,
        /// As it was asked for.
        ttl_ms: u64,
    },
    /// Keep-alive accepted.
    SessionAlive {
        /// What it has from now on.
        ttl_ms: u64,
    },
    /// The session is gone, with all that it held.
    SessionClosed,
    /// The lock is held.
    Granted {
        /// Of the hold.
        token: Token,
    },
    /// Not yet: the reply comes later as a [`Wake`] with this waiter id (the index at
    /// which the waiter joined the line).
    Waiting {
        /// Unique; never that of another wait.
        waiter: u64,
    },
    /// The wait, or the try, ended without the lock.
    NotGranted,
    /// The hold is over.
    Released,
    /// `Check`: whether the resource accepts the token.
    TokenAccepted(bool),
    /// All messages are in the queue.
    Published {
        /// One for each message, in order.
        ids: Vec<MessageId>,
    },
    /// Handed out by `Receive`, in order; empty if none was ready.
    Messages(Vec<Delivery>),
    /// How many receipts were still valid (`Ack`, `Nack`, `Extend`).
    Settled(u32),
    /// How many messages there were (`Purge`, `Delete` of a queue).
    Purged(u64),
    /// `Set`: the new version, or `None` when the condition did not hold.
    Stored {
        /// Log index of the write.
        version: Option<u64>,
    },
    /// How many of the keys were there.
    Deleted(u64),
    /// A number that a key holds now; after an `Insert`, the length of the list.
    Integer {
        /// The sum, or the length; -1 where nothing was inserted.
        value: i64,
        /// Log index of the write.
        version: u64,
    },
    /// `Expire`: whether the key existed.
    LifetimeSet(bool),
    /// `Get`: one for each key, in order; `None` for absent ones.
    Values(Vec<Option<Versioned>>),
    /// `Ttl`: absent key; present with or without a lifetime.
    Lifetime(Lifetime),
    /// How many: keys (`CacheSize`), bytes of a string, values of a list, messages moved
    /// (`Redrive`).
    Size(u64),
    /// `Lock`: empty for a name that was never locked.
    LockInfo(LockInfo),
    /// `Queue`: `None` if there is none.
    QueueInfo(Option<QueueInfo>),
    /// `Session`.
    SessionInfo {
        /// Milliseconds left; `None` if it is not open.
        ttl_ms: Option<u64>,
    },
    /// A value, if there is or was one.
    Text(Option<Bytes>),
    /// Whether something was done.
    Flag(bool),
    /// `Keys`, or the one of `RandomKey`, or none.
    Keys(Vec<Bytes>),
    /// Keys found, and where to go on; 0: nowhere.
    Scanned {
        /// For the next `Query::Scan`.
        cursor: u64,
        /// Those that match; there may be none on the way.
        keys: Vec<Bytes>,
    },
    /// A reply for each step; `None`: a watched key had changed.
    Transaction(Option<Vec<Reply>>),
    /// Rows found, and behind which name to go on; `None`: there is no more.
    Listed {
        /// For the next `Query::List`.
        after: Option<Bytes>,
        /// In order of the names.
        rows: Vec<Row>,
    },
    /// As [`Reply::Values`], where one of the keys is a list.
    Found(Vec<Option<Found>>),
    /// What was taken, if there was anything.
    Popped(Option<Popped>),
    /// Values of a list.
    Elements(Vec<Bytes>),
    /// Positions in a list.
    Positions(Vec<u64>),
}

impl Reply {
    /// What the places of its values take, which unlike the values it does not share with the
    /// state; only of replies that are many times as large as the question.
    pub fn place_bytes(&self) -> usize {
        match self {
            Self::Elements(all) | Self::Keys(all) | Self::Scanned { keys: all, .. } => {
                all.len() * PLACE_BYTES
            }
            Self::Positions(positions) => size_of_val(&positions[..]),
            Self::LockInfo(info) => (info.holders.len() + info.waiters.len()) * PLACE_BYTES,
            // The names are copies.
            Self::Listed { rows, .. } => {
                let row = |row: &Row| PLACE_BYTES + row.name.len() + size_of_val(&row.figures[..]);
                rows.iter().map(row).sum()
            }
            _ => 0,
        }
    }
}

/// What a value takes in a reply beside its bytes, by our account. Replicas agree on it, whatever
/// their machines.
const PLACE_BYTES: usize = 32;

/// What values take in a reply.
pub(in crate::state) fn bytes_of<'a>(values: impl IntoIterator<Item = &'a Bytes>) -> usize {
    let values = values.into_iter();
    values.map(|value| value.len() + PLACE_BYTES).sum()
}

/// A line of a [`Reply::Listed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Of the queue or lock; of a session its number.
    pub name: Bytes,
    /// As `Listing` says, in its order.
    pub figures: Vec<u64>,
}

/// Why a request had no effect. Definite: retrying the same request changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The session was never opened, was closed, or has expired.
    NoSession,
    /// A sequence older than the last one of the session.
    StaleSequence {
        /// The last sequence that the session had executed.
        last: u64,
    },
    /// The session or token does not hold the lock.
    NotHeld,
    /// Wait-die: an older session holds the lock or waits for it.
    WouldDeadlock,
    /// Held in the other mode by the same session: upgrading is not offered.
    WrongMode,
    /// No queue of that name.
    NoQueue,
    /// The messages would exceed the queue's limit.
    QueueFull {
        /// Messages that it holds.
        depth: u64,
        /// Messages that it may hold.
        limit: u64,
    },
    /// The value, or what was to be added, is no integer.
    NotAnInteger,
    /// The sum exceeds 64 bits.
    Overflow,
    /// A value larger than the cache may hold.
    TooLarge,
    /// A duration or count outside its range.
    OutOfRange,
    /// The value, or what was to be added, is no decimal number.
    NotAFloat,
    /// The result of an addition is no finite number.
    NotFinite,
    /// What was to be changed is not there.
    NoSuchKey,
    /// The replies of a transaction's steps together are larger than a reply may be.
    ReplyTooLarge,
    /// A queue that was to be deleted only if it was empty.
    NotEmpty {
        /// How many it holds.
        messages: u64,
    },
    /// The key is a list where a string is wanted, or the other way round.
    WrongType,
    /// No such position in a list.
    NoSuchIndex,
    /// A pattern that takes too long to match, or reads of one transaction that look at too much.
    /// Only reads outside the log are refused so.
    TooMuchWork,
    /// The sequence of the session was used for another command.
    SequenceReused,
}

/// What is left of a key's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifetime {
    /// There is no such key.
    Absent,
    /// It has no lifetime.
    Forever,
    /// It has one.
    Remaining {
        /// Milliseconds, or milliseconds since the Unix epoch, as was asked.
        ms: u64,
    },
}

/// What a key holds, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned {
    /// Any bytes.
    pub value: Bytes,
    /// Log index of the write; never reused, so compare-and-set has no ABA problem.
    pub version: u64,
}

/// A key that is there: its value, or what can be said of a list without showing it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// A string.
    Text(Versioned),
    /// A list.
    List {
        /// Log index of the last change.
        version: u64,
        /// It is so small that Redis would keep it in one piece.
        is_small: bool,
    },
}

impl Found {
    /// Log index of the last write.
    pub fn version(&self) -> u64 {
        match self {
            Self::Text(versioned) => versioned.version,
            Self::List { version, .. } => *version,
        }
    }

    /// The value, where it is no list.
    pub fn text(&self) -> Option<&Versioned> {
        match self {
            Self::Text(versioned) => Some(versioned),
            Self::List { .. } => None,
        }
    }
}

/// Values that were taken out of a list, in the order of taking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Popped {
    /// Of the list.
    pub key: Bytes,
    /// At least one.
    pub values: Vec<Bytes>,
}

impl Popped {
    /// What the key and the values take in a reply.
    pub fn bytes(&self) -> usize {
        Self::bytes_of(&self.key, &self.values)
    }

    /// What these would take in a reply.
    pub(in crate::state) fn bytes_of<'a>(
        key: &Bytes,
        values: impl IntoIterator<Item = &'a Bytes>,
    ) -> usize {
        bytes_of([key]) + bytes_of(values)
    }
}

/// A message that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Of the message, unique in its queue.
    pub id: MessageId,
    /// Of this delivery; a later one makes it invalid.
    pub receipt: Receipt,
    /// 1 for the first delivery.
    pub deliveries: u32,
    /// As it was published.
    pub payload: Bytes,
}

/// How a lock stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockInfo {
    /// Session, token and whether shared, in grant order.
    pub holders: Vec<(SessionId, Token, bool)>,
    /// Sessions in waiting order.
    pub waiters: Vec<SessionId>,
    /// The last token granted under this name.
    pub last_token: Token,
}

/// How many messages a queue has, and has had since it was created.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueInfo {
    /// To be had now.
    pub ready: u64,
    /// Handed out and not settled.
    pub in_flight: u64,
    /// Not to be had before their time.
    pub delayed: u64,
    /// Messages that it has taken.
    pub published: u64,
    /// Messages that were acknowledged, or moved elsewhere by a `Redrive`.
    pub acked: u64,
    /// Messages that went to where dead letters go.
    pub dead_lettered: u64,
    /// Messages that a `Purge` dropped.
    pub purged: u64,
}

/// The late answer to a request that replied [`Reply::Waiting`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// As in [`Reply::Waiting`].
    pub waiter: u64,
    /// What the wait ended with.
    pub reply: Reply,
}

/// What applying one entry produced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// To whoever asked.
    pub reply: Reply,
    /// Waiters of earlier entries that this entry answered, in order.
    pub wakes: Vec<Wake>,
    /// Queues that gained a deliverable message (for long polls).
    pub ready_queues: Vec<String>,
    /// Cache keys whose value is another one now, or gone (for clients that keep copies).
    pub changed: Changed,
}

/// What an entry did to the values of the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// In order of happening, with repeats: eviction, expiry and writes alike.
    pub keys: Vec<Bytes>,
    /// Every key went at once.
    pub all: bool,
}

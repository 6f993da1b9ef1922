//! Defines what requests and queries are answered with, and what applying an entry produces.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{MessageId, Receipt, SessionId, Token};

/// What a request or query is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done, nothing to say (`NewLeader`, `Expire`, `Touch`, `Flush`, `Cancel`, `Configure`).
    Done,
    Refused(Refusal),
    SessionOpened {
        session: SessionId,
        ttl_ms: u64,
    },
    /// Keep-alive accepted.
    SessionAlive {
        ttl_ms: u64,
    },
    SessionClosed,
    Granted {
        token: Token,
    },
    /// Not yet: the reply comes later as a [`Wake`] with this waiter id (the index at
    /// which the waiter joined the line).
    Waiting {
        waiter: u64,
    },
    /// The wait, or the try, ended without the lock.
    NotGranted,
    Released,
    /// `Check`: whether the resource accepts the token.
    TokenAccepted(bool),
    Published {
        ids: Vec<MessageId>,
    },
    Messages(Vec<Delivery>),
    /// How many receipts were still valid (`Ack`, `Nack`, `Extend`).
    Settled(u32),
    Purged(u64),
    /// `Set`: the new version, or `None` when the condition did not hold.
    Stored {
        version: Option<u64>,
    },
    Deleted(u64),
    Integer {
        value: i64,
        version: u64,
    },
    /// `Expire`: whether the key existed.
    LifetimeSet(bool),
    Values(Vec<Option<Versioned>>),
    /// `Ttl`: absent key; present with or without a lifetime.
    Lifetime(Lifetime),
    Size(u64),
    LockInfo(LockInfo),
    QueueInfo(Option<QueueInfo>),
    SessionInfo {
        ttl_ms: Option<u64>,
    },
    /// A value, if there is or was one.
    Text(Option<Bytes>),
    /// Whether something was done.
    Flag(bool),
    Keys(Vec<Bytes>),
    /// Keys found, and where to go on; 0: nowhere.
    Scanned {
        cursor: u64,
        keys: Vec<Bytes>,
    },
    /// A reply for each step; `None`: a watched key had changed.
    Transaction(Option<Vec<Reply>>),
    /// Rows found, and behind which name to go on; `None`: there is no more.
    Listed {
        after: Option<Bytes>,
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
            Self::Elements(all) | Self::Keys(all) => all.len() * PLACE_BYTES,
            Self::Positions(positions) => size_of_val(&positions[..]),
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
    pub name: Bytes,
    pub figures: Vec<u64>,
}

/// Why a request had no effect. Definite: retrying the same request changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    NoSession,
    /// A sequence older than the last one of the session.
    StaleSequence {
        last: u64,
    },
    /// The session or token does not hold the lock.
    NotHeld,
    WouldDeadlock,
    /// Held in the other mode by the same session: upgrading is not offered.
    WrongMode,
    NoQueue,
    QueueFull {
        depth: u64,
        limit: u64,
    },
    NotAnInteger,
    Overflow,
    /// A value larger than the cache may hold.
    TooLarge,
    /// A duration or count outside its range.
    OutOfRange,
    NotAFloat,
    /// The result of an addition is no finite number.
    NotFinite,
    NoSuchKey,
    /// The replies of a transaction's steps together are larger than a reply may be.
    ReplyTooLarge,
    /// A queue that was to be deleted only if it was empty.
    NotEmpty {
        messages: u64,
    },
    /// The key is a list where a string is wanted, or the other way round.
    WrongType,
    /// No such position in a list.
    NoSuchIndex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifetime {
    Absent,
    Forever,
    Remaining { ms: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned {
    pub value: Bytes,
    /// Log index of the write; never reused, so compare-and-set has no ABA problem.
    pub version: u64,
}

/// A key that is there: its value, or what can be said of a list without showing it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    Text(Versioned),
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
    pub key: Bytes,
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: MessageId,
    pub receipt: Receipt,
    /// 1 for the first delivery.
    pub deliveries: u32,
    pub payload: Bytes,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockInfo {
    /// Session, token and whether shared, in grant order.
    pub holders: Vec<(SessionId, Token, bool)>,
    /// Sessions in waiting order.
    pub waiters: Vec<SessionId>,
    /// The last token granted under this name.
    pub last_token: Token,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueInfo {
    pub ready: u64,
    pub in_flight: u64,
    pub delayed: u64,
    pub published: u64,
    pub acked: u64,
    pub dead_lettered: u64,
    pub purged: u64,
}

/// The late answer to a request that replied [`Reply::Waiting`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    pub waiter: u64,
    pub reply: Reply,
}

/// What applying one entry produced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
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

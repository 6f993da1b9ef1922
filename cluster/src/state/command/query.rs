//! Defines the reads of the replicated state.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::SessionId;

/// Reads that need no log entry. Served from the state of one node; the read mode decides
/// how that node makes sure it is recent enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// All keys at one applied index.
    Get {
        /// Absent ones are answered with nothing.
        keys: Vec<Bytes>,
    },
    /// Remaining lifetime.
    Ttl {
        /// May be absent.
        key: Bytes,
    },
    /// How many keys there are.
    CacheSize,
    /// Who holds a lock, and who waits for it.
    Lock {
        /// Name of the lock.
        name: String,
    },
    /// How many messages a queue has, and has had.
    Queue {
        /// Name of the queue.
        queue: String,
    },
    /// Whether a session is open, and what is left of its TTL.
    Session {
        /// Its number.
        session: SessionId,
    },
    /// When the key's lifetime ends: a [`Lifetime`](super::Lifetime), milliseconds since the Unix
    /// epoch.
    ExpireTime {
        /// May be absent.
        key: Bytes,
    },
    /// Every key that matches the pattern.
    Keys {
        /// A glob, as in Redis's `KEYS`.
        pattern: Bytes,
    },
    /// Looks at `count` keys from `cursor` on, and gives those that match.
    Scan {
        /// From the answer before; 0 at first.
        cursor: u64,
        /// How many are looked at.
        count: u64,
        /// A glob; `None`: all match.
        pattern: Option<Bytes>,
    },
    /// Some key; which one depends on `salt`.
    RandomKey {
        /// Any number; the same one gives the same key of the same state.
        salt: u64,
    },
    /// Looks at `count` names in order, from behind `after` on, and gives those that match. Of
    /// level 2.
    List {
        /// Whose names.
        of: Listing,
        /// `None`: from the first name on.
        after: Option<Bytes>,
        /// How many are looked at.
        count: u64,
        /// A glob; `None`: all match.
        pattern: Option<Bytes>,
    },
    /// As [`Query::Scan`], of keys of one kind. This and what follows is of level 3.
    ScanOf {
        /// From the answer before; 0 at first.
        cursor: u64,
        /// How many are looked at.
        count: u64,
        /// A glob; `None`: all match.
        pattern: Option<Bytes>,
        /// What the keys hold.
        kind: Kind,
    },
    /// How many values a list has.
    ListLength {
        /// May be absent: 0.
        key: Bytes,
    },
    /// The values from `first` to `last`, both included; negative ones count from the end.
    ListRange {
        /// May be absent: nothing.
        key: Bytes,
        /// From 0.
        first: i64,
        /// From 0.
        last: i64,
    },
    /// The value at a position.
    ListIndex {
        /// May be absent: nothing.
        key: Bytes,
        /// From 0; a negative one counts from the end.
        index: i64,
    },
    /// Where in a list the value is.
    ListFind {
        /// May be absent: nowhere.
        key: Bytes,
        /// Compared byte by byte.
        value: Bytes,
        /// Which of several is returned first: 1 is the first from the left, -1 from the right.
        rank: i64,
        /// How many are returned; 0: all.
        count: u64,
        /// How many values are looked at; 0: all.
        most: u64,
    },
}

impl Query {
    /// The keys whose values it reads, or of which it says something by their values.
    pub fn keys_read(&self) -> &[Bytes] {
        match self {
            Self::Get { keys } => keys,
            Self::ListLength { key }
            | Self::ListRange { key, .. }
            | Self::ListIndex { key, .. }
            | Self::ListFind { key, .. } => std::slice::from_ref(key),
            _ => &[],
        }
    }
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A string.
    Text,
    /// A list of strings.
    List,
}

/// What [`Query::List`] lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listing {
    /// With the messages that are ready, in flight and delayed.
    Queues,
    /// With how many hold the lock and how many wait for it; all names that were ever locked,
    /// or those that somebody holds.
    Locks {
        /// Only those that somebody holds.
        held: bool,
    },
    /// With the time to live and what is left of it, milliseconds.
    Sessions,
}

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
        keys: Vec<Bytes>,
    },
    /// Remaining lifetime.
    Ttl {
        key: Bytes,
    },
    CacheSize,
    Lock {
        name: String,
    },
    Queue {
        queue: String,
    },
    Session {
        session: SessionId,
    },
    /// When the key's lifetime ends: a [`Lifetime`](super::Lifetime), milliseconds since the Unix
    /// epoch.
    ExpireTime {
        key: Bytes,
    },
    /// Every key that matches the pattern.
    Keys {
        pattern: Bytes,
    },
    /// Looks at `count` keys from `cursor` on, and gives those that match.
    Scan {
        cursor: u64,
        count: u64,
        pattern: Option<Bytes>,
    },
    /// Some key; which one depends on `salt`.
    RandomKey {
        salt: u64,
    },
    /// Looks at `count` names in order, from behind `after` on, and gives those that match. Of
    /// level 2.
    List {
        of: Listing,
        after: Option<Bytes>,
        count: u64,
        pattern: Option<Bytes>,
    },
    /// As [`Query::Scan`], of keys of one kind. This and what follows is of level 3.
    ScanOf {
        cursor: u64,
        count: u64,
        pattern: Option<Bytes>,
        kind: Kind,
    },
    ListLength {
        key: Bytes,
    },
    /// The values from `first` to `last`, both included; negative ones count from the end.
    ListRange {
        key: Bytes,
        first: i64,
        last: i64,
    },
    ListIndex {
        key: Bytes,
        index: i64,
    },
    /// Where in a list the value is.
    ListFind {
        key: Bytes,
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
    Text,
    List,
}

/// What [`Query::List`] lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listing {
    /// With the messages that are ready, in flight and delayed.
    Queues,
    /// With how many hold the lock and how many wait for it; all names that were ever locked,
    /// or those that somebody holds.
    Locks { held: bool },
    /// With the time to live and what is left of it, milliseconds.
    Sessions,
}

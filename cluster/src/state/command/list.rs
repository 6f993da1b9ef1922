//! Defines the commands for lists, and what is said of keys that may be lists. All of level 3.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Query, Reply, Versioned};

/// What changes lists. A list that becomes empty is gone, and one that is not there is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListCommand {
    /// Adds one value after the other at an end; replies with the length, 0 if nothing was done.
    Push {
        key: Bytes,
        values: Vec<Bytes>,
        end: End,
        /// Only to a list that there is.
        if_present: bool,
    },
    /// Takes up to `count` values from the first of the lists that there is.
    Pop {
        keys: Vec<Bytes>,
        end: End,
        count: u64,
    },
    /// Takes a value from one list and adds it to another, or to the same.
    Move {
        from: Bytes,
        to: Bytes,
        take: End,
        put: End,
    },
    /// Adds a value beside the first one that equals `pivot`; replies with the length, -1 if
    /// there is no such value, 0 if there is no list.
    Insert {
        key: Bytes,
        before: bool,
        pivot: Bytes,
        value: Bytes,
    },
    /// Replaces a value.
    Set {
        key: Bytes,
        /// A negative one counts from the end.
        index: i64,
        value: Bytes,
    },
    /// Takes out values that equal this one, from the left, or from the right if `count` is
    /// negative: so many, or all if it is 0. Replies with how many there were.
    Remove {
        key: Bytes,
        count: i64,
        value: Bytes,
    },
    /// Keeps what is from `first` to `last`, both included.
    Trim { key: Bytes, first: i64, last: i64 },
}

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    Left,
    Right,
}

/// Values that were taken out of a list, in the order of taking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Popped {
    pub key: Bytes,
    pub values: Vec<Bytes>,
}

/// What a value takes in a reply beside its bytes, by our account. Replicas agree on it, whatever
/// their machines.
const PLACE_BYTES: usize = 32;

/// What values take in a reply.
pub(in crate::state) fn bytes_of<'a>(values: impl IntoIterator<Item = &'a Bytes>) -> usize {
    let values = values.into_iter();
    values.map(|value| value.len() + PLACE_BYTES).sum()
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

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Text,
    List,
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

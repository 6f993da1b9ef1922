//! Defines the commands for lists. All of level 3.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

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

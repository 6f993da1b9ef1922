//! Defines the commands for lists. All of level 3.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What changes lists. A list that becomes empty is gone, and one that is not there is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListCommand {
    /// Adds one value after the other at an end; replies with the length, 0 if nothing was done.
    Push {
        /// Created if it is absent.
        key: Bytes,
        /// In the order of adding: of several at the left, the last ends up first.
        values: Vec<Bytes>,
        /// Where they are added.
        end: End,
        /// Only to a list that there is.
        if_present: bool,
    },
    /// Takes up to `count` values from the first of the lists that there is.
    Pop {
        /// In the order of looking.
        keys: Vec<Bytes>,
        /// Where they are taken.
        end: End,
        /// At most so many.
        count: u64,
    },
    /// Takes a value from one list and adds it to another, or to the same.
    Move {
        /// May be absent: nothing happens.
        from: Bytes,
        /// Created if it is absent.
        to: Bytes,
        /// The end of `from`.
        take: End,
        /// The end of `to`.
        put: End,
    },
    /// Adds a value beside the first one that equals `pivot`; replies with the length, -1 if
    /// there is no such value, 0 if there is no list.
    Insert {
        /// May be absent.
        key: Bytes,
        /// Whether left of the other value, or right of it.
        before: bool,
        /// Looked for from the left.
        pivot: Bytes,
        /// What is added.
        value: Bytes,
    },
    /// Replaces a value.
    Set {
        /// Must be there.
        key: Bytes,
        /// A negative one counts from the end.
        index: i64,
        /// What takes its place.
        value: Bytes,
    },
    /// Takes out values that equal this one, from the left, or from the right if `count` is
    /// negative: so many, or all if it is 0. Replies with how many there were.
    Remove {
        /// May be absent: 0.
        key: Bytes,
        /// Sign and size as above.
        count: i64,
        /// Compared byte by byte.
        value: Bytes,
    },
    /// Keeps what is from `first` to `last`, both included.
    Trim {
        /// May be absent.
        key: Bytes,
        /// From 0; a negative one counts from the end.
        first: i64,
        /// From 0; a negative one counts from the end.
        last: i64,
    },
}

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The head; position 0.
    Left,
    /// The tail; the last position.
    Right,
}

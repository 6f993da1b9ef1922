//! Defines commands for strings beyond [`CacheCommand`].
//!
//! [`CacheCommand`]: super::CacheCommand

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::SetCondition;

/// What Redis's commands for strings do beyond [`CacheCommand`](super::CacheCommand).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StringCommand {
    /// Sets a key; replies with the value before, whether or not the condition held, if
    /// `give_old`.
    Set {
        key: Bytes,
        value: Bytes,
        expiry: Expiry,
        condition: SetCondition,
        give_old: bool,
    },
    /// Sets all keys, or with `if_absent` all or none.
    SetMany {
        pairs: Vec<(Bytes, Bytes)>,
        if_absent: bool,
    },
    /// Adds to the end of the value; replies with its length.
    Append { key: Bytes, value: Bytes },
    /// Writes over the value from `offset` on, zeros before it; replies with its length.
    SetRange {
        key: Bytes,
        offset: u64,
        value: Bytes,
    },
    /// Adds a decimal number, as text.
    AddFloat { key: Bytes, by: Bytes },
    /// Replies with the value and deletes the key.
    GetDelete { key: Bytes },
    /// Replies with the value and changes the key's lifetime.
    GetExpire { key: Bytes, expiry: Expiry },
    /// Changes the lifetime of an existing key if the condition holds.
    Expire {
        key: Bytes,
        expiry: Expiry,
        condition: ExpireCondition,
    },
    /// Moves value and lifetime to another key.
    Rename {
        from: Bytes,
        to: Bytes,
        if_absent: bool,
    },
    /// Copies value and lifetime to another key.
    Copy {
        from: Bytes,
        to: Bytes,
        replace: bool,
    },
    /// Deletes the key if it has this value: how a lock of one key is released.
    DeleteIf { key: Bytes, value: Bytes },
    /// Changes the lifetime of the key if it has this value: how such a lock is extended.
    ExpireIf {
        key: Bytes,
        value: Bytes,
        ttl_ms: u64,
        how: Extension,
    },
}

/// How [`StringCommand::ExpireIf`] changes a lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extension {
    Set,
    /// Only of a key that has a lifetime.
    Replace,
    /// To what is left, of a key that has a lifetime.
    Add,
}

/// How long a key lives from an entry on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiry {
    /// As long as before.
    Keep,
    Never,
    After {
        ms: u64,
    },
    /// Until log time reaches this many milliseconds since the Unix epoch.
    At {
        unix_ms: u64,
    },
}

/// When a lifetime may be changed; no lifetime counts as an infinite one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExpireCondition {
    Always,
    IfNone,
    IfSome,
    IfLater,
    IfEarlier,
    /// Earlier than one that there is.
    IfSomeEarlier,
}

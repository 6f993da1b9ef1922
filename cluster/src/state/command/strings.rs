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
        /// Set whether or not it was there, if the condition allows.
        key: Bytes,
        /// Any bytes.
        value: Bytes,
        /// From this entry on.
        expiry: Expiry,
        /// Judged before anything is changed.
        condition: SetCondition,
        /// Whether the reply is the value before.
        give_old: bool,
    },
    /// Sets all keys, or with `if_absent` all or none.
    SetMany {
        /// In order; of a key that is there twice the last one counts.
        pairs: Vec<(Bytes, Bytes)>,
        /// Sets nothing if any of the keys is there.
        if_absent: bool,
    },
    /// Adds to the end of the value; replies with its length.
    Append {
        /// Created if it is absent.
        key: Bytes,
        /// What is added.
        value: Bytes,
    },
    /// Writes over the value from `offset` on, zeros before it; replies with its length.
    SetRange {
        /// Created if it is absent.
        key: Bytes,
        /// In bytes, from 0.
        offset: u64,
        /// What is written there.
        value: Bytes,
    },
    /// Adds a decimal number, as text.
    AddFloat {
        /// Counts as 0 if it is absent.
        key: Bytes,
        /// The number, as the client wrote it.
        by: Bytes,
    },
    /// Replies with the value and deletes the key.
    GetDelete {
        /// May be absent.
        key: Bytes,
    },
    /// Replies with the value and changes the key's lifetime.
    GetExpire {
        /// May be absent, which changes nothing.
        key: Bytes,
        /// [`Expiry::Keep`] for a mere read.
        expiry: Expiry,
    },
    /// Changes the lifetime of an existing key if the condition holds.
    Expire {
        /// Must be there for anything to happen.
        key: Bytes,
        /// From this entry on.
        expiry: Expiry,
        /// Compares with the lifetime that the key has.
        condition: ExpireCondition,
    },
    /// Moves value and lifetime to another key.
    Rename {
        /// Gone afterwards.
        from: Bytes,
        /// Overwritten unless `if_absent`.
        to: Bytes,
        /// Does nothing if `to` is there.
        if_absent: bool,
    },
    /// Copies value and lifetime to another key.
    Copy {
        /// Stays as it is.
        from: Bytes,
        /// What becomes its equal.
        to: Bytes,
        /// Whether `to` is overwritten if it is there.
        replace: bool,
    },
    /// Deletes the key if it has this value: how a lock of one key is released.
    DeleteIf {
        /// Deleted, or left alone.
        key: Bytes,
        /// Compared byte by byte.
        value: Bytes,
    },
    /// Changes the lifetime of the key if it has this value: how such a lock is extended.
    ExpireIf {
        /// Must be there.
        key: Bytes,
        /// Compared byte by byte.
        value: Bytes,
        /// What the lifetime is set to, or what is added to it.
        ttl_ms: u64,
        /// Which of the two, and of which keys.
        how: Extension,
    },
}

/// How [`StringCommand::ExpireIf`] changes a lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extension {
    /// To the new one, whatever there was.
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
    /// Until it is deleted or evicted.
    Never,
    /// For so long after the entry's stamp.
    After {
        /// Milliseconds of log time.
        ms: u64,
    },
    /// Until log time reaches this many milliseconds since the Unix epoch.
    At {
        /// May be past; the key is then gone at once.
        unix_ms: u64,
    },
}

/// When a lifetime may be changed; no lifetime counts as an infinite one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExpireCondition {
    /// Whatever the key has.
    Always,
    /// Of a key without a lifetime.
    IfNone,
    /// Of a key with a lifetime.
    IfSome,
    /// Later than the one it has.
    IfLater,
    /// Earlier than the one it has.
    IfEarlier,
    /// Earlier than one that there is.
    IfSomeEarlier,
}

//! Hash slots, which Redis Cluster clients expect in redirections.
//!
//! Squall is one Raft group: every slot has the same owner, so a slot only has to be
//! the one that a client computes itself, or its slot table would learn nothing from a
//! `MOVED`. Nothing here distributes data.
//!
//! Source: Redis Cluster specification, "Key distribution model" and "Hash tags".

use bytes::Bytes;

use super::call::Call;
use crate::state::command::{
    CacheCommand, Command, ListCommand, LockCommand, Query, QueueCommand, Step, StringCommand,
};

/// Number of slots.
pub const SLOTS: u16 = redis_protocol::types::REDIS_CLUSTER_SLOTS;

/// CRC16-XMODEM of the key, or of its first non-empty `{hash tag}`, modulo [`SLOTS`].
pub fn slot(key: &[u8]) -> u16 {
    redis_protocol::redis_keyslot(key)
}

impl Call {
    /// The slot of the first key, of the lock or of the queue; 0 for calls without one.
    pub fn slot(&self) -> u16 {
        match self {
            Self::Write { command, .. } => slot_of(command_key(command)),
            Self::Read { query, .. } => slot_of(query_key(query)),
            Self::Connection(_) | Self::Admin(_) | Self::Track { .. } => 0,
        }
    }
}

fn slot_of(key: Option<&[u8]>) -> u16 {
    key.map_or(0, slot)
}

fn command_key(command: &Command) -> Option<&[u8]> {
    match command {
        Command::Queue(command) => Some(queue_key(command)),
        Command::Cache(command) => cache_key(command),
        Command::String(command) => string_key(command),
        Command::List(command) => list_key(command),
        Command::Transaction { steps, .. } => steps.first().and_then(step_key),
        Command::Lock(
            LockCommand::Acquire { name, .. }
            | LockCommand::Release { name, .. }
            | LockCommand::Cancel { name, .. }
            | LockCommand::Check { name, .. },
        ) => Some(name.as_bytes()),
        Command::Session(_)
        | Command::NewLeader
        | Command::Expire { .. }
        | Command::Raise { .. } => None,
    }
}

fn step_key(step: &Step) -> Option<&[u8]> {
    match step {
        Step::Queue(command) => Some(queue_key(command)),
        Step::Cache(command) => cache_key(command),
        Step::String(command) => string_key(command),
        Step::List(command) => list_key(command),
        Step::Read(query) => query_key(query),
    }
}

fn queue_key(command: &QueueCommand) -> &[u8] {
    match command {
        QueueCommand::Configure { queue, .. }
        | QueueCommand::Publish { queue, .. }
        | QueueCommand::Receive { queue, .. }
        | QueueCommand::Ack { queue, .. }
        | QueueCommand::Nack { queue, .. }
        | QueueCommand::Extend { queue, .. }
        | QueueCommand::Purge { queue }
        | QueueCommand::Delete { queue, .. }
        | QueueCommand::Redrive { from: queue, .. } => queue.as_bytes(),
    }
}

fn cache_key(command: &CacheCommand) -> Option<&[u8]> {
    match command {
        CacheCommand::Set { key, .. }
        | CacheCommand::Increment { key, .. }
        | CacheCommand::Expire { key, .. } => Some(key),
        CacheCommand::Delete { keys } | CacheCommand::Touch { keys } => first(keys),
        CacheCommand::Flush => None,
    }
}

fn string_key(command: &StringCommand) -> Option<&[u8]> {
    match command {
        StringCommand::Set { key, .. }
        | StringCommand::Append { key, .. }
        | StringCommand::SetRange { key, .. }
        | StringCommand::AddFloat { key, .. }
        | StringCommand::GetDelete { key }
        | StringCommand::GetExpire { key, .. }
        | StringCommand::Expire { key, .. }
        | StringCommand::Rename { from: key, .. }
        | StringCommand::Copy { from: key, .. }
        | StringCommand::DeleteIf { key, .. }
        | StringCommand::ExpireIf { key, .. } => Some(key),
        StringCommand::SetMany { pairs, .. } => pairs.first().map(|(key, _)| key.as_ref()),
    }
}

fn list_key(command: &ListCommand) -> Option<&[u8]> {
    match command {
        ListCommand::Push { key, .. }
        | ListCommand::Move { from: key, .. }
        | ListCommand::Insert { key, .. }
        | ListCommand::Set { key, .. }
        | ListCommand::Remove { key, .. }
        | ListCommand::Trim { key, .. } => Some(key),
        ListCommand::Pop { keys, .. } => first(keys),
    }
}

fn first(keys: &[Bytes]) -> Option<&[u8]> {
    keys.first().map(AsRef::as_ref)
}

fn query_key(query: &Query) -> Option<&[u8]> {
    match query {
        Query::Get { keys } => first(keys),
        Query::Ttl { key }
        | Query::ExpireTime { key }
        | Query::ListLength { key }
        | Query::ListRange { key, .. }
        | Query::ListIndex { key, .. }
        | Query::ListFind { key, .. } => Some(key),
        Query::Lock { name } => Some(name.as_bytes()),
        Query::Queue { queue } => Some(queue.as_bytes()),
        Query::CacheSize
        | Query::Session { .. }
        | Query::Keys { .. }
        | Query::Scan { .. }
        | Query::ScanOf { .. }
        | Query::RandomKey { .. }
        | Query::List { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // CRC16-XMODEM's check value, from the cluster specification.
        assert_eq!(slot(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b""), 0);
    }

    #[test]
    fn a_hash_tag_alone_decides() {
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        // An empty or unclosed tag is no tag.
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"));
        assert_ne!(slot(b"foo{bar"), slot(b"bar"));
    }
}

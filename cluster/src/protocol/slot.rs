//! Hash slots, which Redis Cluster clients expect in redirections.
//!
//! Squall is one Raft group: every slot has the same owner, so a slot only has to be
//! the one that a client computes itself, or its slot table would learn nothing from a
//! `MOVED`. Nothing here distributes data.
//!
//! Source: Redis Cluster specification, "Key distribution model" and "Hash tags".

use super::call::Call;
use crate::state::command::{CacheCommand, Command, LockCommand, Query, QueueCommand};

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
        Command::Lock(
            LockCommand::Acquire { name, .. }
            | LockCommand::Release { name, .. }
            | LockCommand::Cancel { name, .. }
            | LockCommand::Check { name, .. },
        ) => Some(name.as_bytes()),
        Command::Queue(
            QueueCommand::Configure { queue, .. }
            | QueueCommand::Publish { queue, .. }
            | QueueCommand::Receive { queue, .. }
            | QueueCommand::Ack { queue, .. }
            | QueueCommand::Nack { queue, .. }
            | QueueCommand::Extend { queue, .. }
            | QueueCommand::Purge { queue },
        ) => Some(queue.as_bytes()),
        Command::Cache(
            CacheCommand::Set { key, .. }
            | CacheCommand::Increment { key, .. }
            | CacheCommand::Expire { key, .. },
        ) => Some(key),
        Command::Cache(CacheCommand::Delete { keys } | CacheCommand::Touch { keys }) => {
            keys.first().map(|key| key.as_ref())
        }
        Command::Cache(CacheCommand::Flush)
        | Command::Session(_)
        | Command::NewLeader
        | Command::Expire { .. }
        | Command::Raise { .. } => None,
    }
}

fn query_key(query: &Query) -> Option<&[u8]> {
    match query {
        Query::Get { keys } => keys.first().map(|key| key.as_ref()),
        Query::Ttl { key } => Some(key),
        Query::Lock { name } => Some(name.as_bytes()),
        Query::Queue { queue } => Some(queue.as_bytes()),
        Query::CacheSize | Query::Session { .. } => None,
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

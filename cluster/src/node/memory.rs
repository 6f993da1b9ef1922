//! Estimates how much memory the node uses, and refuses growth above the limit.
//!
//! Counted is what grows with what clients send: the state (keys, values, payloads, names, and
//! an estimate of what a thing of each kind takes beside them), the log in memory, and the
//! buffers of client connections. Not counted are the program itself, the messages between
//! nodes, which are bounded each, and a snapshot that is being written or received, which takes
//! about as much as the state for a while. The allowances are measured: 100,000 small keys, keys
//! with lifetimes, messages, queues, and 20,000 sessions and locks made a process grow by what the
//! account says to within a tenth (glibc, 64 bits). What the allocator does not give back is the
//! system's to say. So the account is a little below what the process has, and falls when things
//! are deleted, which the process' size seldom does.
//!
//! The leader decides, before it proposes: a replica that refused what others apply would be
//! another state.

use std::fmt;

use super::Node;
use crate::raft::RaftWorld;

/// What an entry of the log takes beside its encoded bytes.
const ENTRY_BYTES: u64 = 320;
/// What a connection takes beside its buffers.
const CLIENT_BYTES: u64 = 2 * 1024;

/// Bytes in use, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) state: u64,
    pub(super) log: u64,
    pub(super) clients: u64,
    /// The most that may be in use; 0: as much as there is.
    pub(super) limit: u64,
}

impl Memory {
    pub(super) fn used(&self) -> u64 {
        self.state + self.log + self.clients
    }

    fn is_above_limit(&self) -> bool {
        self.limit > 0 && self.used() > self.limit
    }
}

/// For an error: how much, by what, and the way out.
impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [used, limit, state, log, clients] =
            [self.used(), self.limit, self.state, self.log, self.clients].map(shown_bytes);
        write!(
            f,
            "{used} of {limit} are used: {state} by the state, {log} by the log, {clients} by \
             connections. Reads, deletions and acknowledgements are served; delete something, or \
             raise the limit (--max-memory, CONFIG SET maxmemory)"
        )
    }
}

impl<W: RaftWorld> Node<W> {
    pub(super) fn memory(&self) -> Memory {
        let inner = &self.inner;
        Memory {
            state: inner.machine.state().bytes(),
            log: inner.log.live_bytes() + inner.log.live_entries() * ENTRY_BYTES,
            clients: inner.clients.buffered() + inner.clients.count() as u64 * CLIENT_BYTES,
            limit: inner.settings.max_memory(),
        }
    }

    /// What is in use, if that is more than may be.
    pub(super) fn memory_above_limit(&self) -> Option<Memory> {
        if self.inner.settings.max_memory() == 0 {
            return None;
        }
        Some(self.memory()).filter(Memory::is_above_limit)
    }
}

/// Bytes for people.
pub(super) fn shown_bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// What happens above the limit, in Redis' words: without one, only the number of keys is
/// bounded, and the next one makes others go.
pub(super) fn policy(max_memory: u64) -> &'static str {
    if max_memory == 0 {
        "allkeys-lru"
    } else {
        "noeviction"
    }
}

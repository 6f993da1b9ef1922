//! The ranges of what clients may ask, and the bounds of what the state may hold.
//!
//! Ranges are constants, so every replica refuses the same requests. Bounds that an
//! operator chooses are [`Limits`]: they travel in the snapshot, because a replica that
//! evicted at another size would hold another state.

use serde::{Deserialize, Serialize};

/// Level of the rules that this release knows. What a replica does with an entry may change
/// only with the level, which rises by an entry of its own, so that nodes of two releases do
/// the same:
///
/// 1. A check refuses tokens that were never granted; a receive ends after
///    [`LARGEST_RECEIVE_BYTES`]; the default dead-letter queue of a long name has a name that
///    can be used. A sequence of a session belongs to the command that had it first. Known are
///    commands for strings, and transactions.
/// 2. Known are the deletion and the re-driving of queues, and listings in transactions.
/// 3. Known are lists as values of keys.
pub const LEVEL: u32 = 3;
/// The level to which a leader raises its cluster unasked; it raises it above when a command
/// needs that. So a cluster can go back to the release before as long as nobody has used what
/// that does not know.
pub const USUAL_LEVEL: u32 = 1;

/// Longest session, wait, visibility and delay: 24 hours, in milliseconds.
pub const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;
/// Shortest session, in milliseconds.
pub const SHORTEST_SESSION_MS: u64 = 100;
/// Most messages published, received or acknowledged by one request.
pub const LARGEST_BATCH: usize = 1000;
/// One receive hands out no further message once it holds this many bytes of payload, so that
/// its reply stays within reason. The first message is handed out whatever its size.
pub const LARGEST_RECEIVE_BYTES: usize = 16 * 1024 * 1024;
/// Most values of a list, and most bytes of them together.
pub const LONGEST_LIST: usize = 1 << 20;
/// 256 MiB.
pub const LARGEST_LIST_BYTES: u64 = 256 * 1024 * 1024;
/// Longest name of a lock or queue, in bytes.
pub const LONGEST_NAME_BYTES: usize = 512;
/// Sequences remembered for each producer of a queue.
pub const DEDUP_WINDOW: usize = 1024;
/// Most sessions that one proposed `Expire` ends, which bounds the size of the log entry.
pub const LARGEST_EXPIRE: usize = 1000;

/// What the replicated state may hold. The same on every replica of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Most keys in the cache; the next one evicts. 0 refuses every new key.
    pub cache_entries: u64,
    /// Largest value in the cache, in bytes.
    pub cache_value_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cache_entries: 100_000,
            cache_value_bytes: 8 * 1024 * 1024,
        }
    }
}

//! Every size the protocol bounds, in one place.
//!
//! Framing limits protect a node from a peer that announces more than it may send;
//! breaking one closes the connection. Limits on names, keys and values are ordinary
//! errors: the connection goes on.

/// Largest single argument of a command, and largest bulk string of a reply, in bytes.
pub const MAX_BULK_BYTES: usize = 16 * 1024 * 1024;
/// Most arguments of one command, its name included.
pub const MAX_ARGUMENTS: usize = 4096;
/// Largest sum of all arguments of one command, in bytes. Without it, the two limits
/// above would still allow a peer to make a node buffer 64 GiB.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;
/// Longest inline command, in bytes, as in Redis.
pub const MAX_INLINE_BYTES: usize = 64 * 1024;
/// Most elements of one array in a reply.
pub const MAX_REPLY_ELEMENTS: usize = 1024 * 1024;
/// How deep arrays of a reply may nest; the deepest reply of a node, `CLUSTER SHARDS`,
/// needs four.
pub const MAX_REPLY_DEPTH: usize = 8;

/// Longest lock, queue, group or producer name, in bytes of UTF-8; the shortest is 1.
pub const MAX_NAME_BYTES: usize = 512;
/// Longest cache key, in bytes; an empty key is a key, as in Redis.
pub const MAX_KEY_BYTES: usize = 64 * 1024;
/// Largest cache value or message payload, in bytes.
pub const MAX_VALUE_BYTES: usize = 8 * 1024 * 1024;

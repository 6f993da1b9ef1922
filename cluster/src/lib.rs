//! A Raft cluster that offers distributed locks, message queues and a cache over the Redis
//! protocol.
//!
//! It is a real server (`squall-node`) and, at the same time, the system under test of
//! Squall: everything it takes from its surroundings goes through [`world::World`] and
//! [`storage::Disk`], so that a simulation runs this very code. It knows nothing of
//! simulation, containers or scenarios.
//!
//! - [`state`]: pure state machines; `apply(stamp, command) -> reply`.
//! - [`raft`]: openraft, bound to the rest; only it and [`node`] name openraft's types.
//! - [`storage`]: write-ahead log and snapshots over a disk.
//! - [`protocol`]: RESP, as bytes and typed commands.
//! - [`node`]: the composition root; [`client`]: the other end of the wire.

#![warn(missing_docs)]

pub mod client;
mod encode;
pub mod node;
pub mod planted;
pub mod protocol;
pub mod raft;
pub mod state;
pub mod storage;

pub use squall_world as world;
pub use squall_world::event;

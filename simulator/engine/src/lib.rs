//! Deterministic virtual time: an event loop for many hosts on one thread.
//!
//! [`executor`] runs the hosts' tasks and timers, `clock` gives each host a time of its own,
//! [`processor`] says what their work costs, and [`steps`] tells of all that happens. Nothing here knows of Raft, sockets or files.

#![warn(missing_docs)]

mod clock;
pub mod executor;
pub mod processor;
pub mod solo;
pub mod steps;
mod time;
mod timers;

//! Nodes in this process, over real sockets and disks. One program, since each that starts a
//! node compiles all of Raft.

mod client;
mod edge;
mod nodes;
mod pipelines;
#[path = "../ports/mod.rs"]
mod ports;

//! Nodes in this process, over real sockets. One program, and one world for all of them,
//! since each world compiles all of Raft: the real one, with a disk in memory.

#[cfg(feature = "tls")]
#[path = "../certificates/mod.rs"]
mod certificates;
mod client;
mod damage;
mod edge;
mod following;
mod lists;
#[path = "../memory_world/mod.rs"]
mod memory_world;
mod near_cache;
mod nodes;
mod older_member;
mod operators;
#[cfg(feature = "tls")]
mod outsiders;
mod overload;
mod peer_port;
mod pipelines;
#[path = "../ports/mod.rs"]
mod ports;
mod recovery;
mod redis_cluster;
mod runtime_suite;
mod storage_suite;
mod streams;
#[cfg(feature = "tls")]
mod tls;
mod work;

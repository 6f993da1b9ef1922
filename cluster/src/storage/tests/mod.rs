//! Tests of the storage of a node: crashes, damage, framing, snapshots, and the disks.
//!
//! The oracle is [`Model`], a deliberately naive reading of what records mean, which shares
//! no code with recovery.

mod crash;
mod damage;
mod disks;
mod framing;
mod log;
mod model;
mod snapshots;

//! Virtual time, and the hosts that live in it.

/// Virtual nanoseconds since the simulation began.
pub type Nanos = u64;

/// A machine: index into the executor's hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub usize);

//! Reports what nodes use of their machines while a run goes on.
//!
//! Only a backend with real machines knows; it puts a gauge there when it begins to look.

/// What the nodes used from one moment of the run to another, microseconds.
pub type Gauge = Box<dyn Fn(u64, u64) -> Usage>;

/// Of the node that used most of each. `None`: it cannot be known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory of the node that uses most, bytes; `None` where it is not known.
    pub memory_bytes: Option<u64>,
    /// Mean, in parts per million of one processor.
    pub cpu_ppm: Option<u64>,
}

//! What goes wrong with a disk, a clock, the membership or the clients.
//!
//! The details of the faults that need more than a list of targets. Plain data with a text
//! form; what each does to a cluster is the backend's business.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{duration_text, offset_text};

/// What a disk does wrong while the fault is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum DiskFault {
    /// Every sync takes this much longer.
    SlowSync {
        by_us: u64,
    },
    /// A sync fails; what was written before it may or may not be durable.
    FailingSync,
    /// Reads fail. A node reads its disk when it starts, so the process is restarted.
    ReadError,
    WriteError,
    /// Writes that need space fail.
    Full,
    /// Synced bytes change; the process is restarted, as a node reads its disk then.
    BitRot,
    /// A write lands elsewhere in its file, over older data; the process is restarted then.
    MisdirectedWrite,
    /// Power is lost in the middle of a write: a part of it stays.
    TornTail,
}

impl DiskFault {
    pub fn kind(&self) -> &'static str {
        match self {
            DiskFault::SlowSync { .. } => "slow_sync",
            DiskFault::FailingSync => "failing_sync",
            DiskFault::ReadError => "read_error",
            DiskFault::WriteError => "write_error",
            DiskFault::Full => "disk_full",
            DiskFault::BitRot => "bit_rot",
            DiskFault::MisdirectedWrite => "misdirected_write",
            DiskFault::TornTail => "torn_tail",
        }
    }

    /// Whether the node forgets something it had promised to keep, so that it must be
    /// replaced.
    pub fn loses_data(&self) -> bool {
        matches!(self, DiskFault::BitRot | DiskFault::MisdirectedWrite)
    }
}

/// How a node's clock goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum ClockFault {
    /// The wall clock is off by this much until the fault heals.
    Offset { by_us: i64 },
    /// Both clocks run fast (or slow, when negative) until the fault heals.
    Drift { by_ppm: i32 },
    /// The wall clock is set by this much, for good.
    Jump { by_us: i64 },
}

impl ClockFault {
    pub fn kind(&self) -> &'static str {
        match self {
            ClockFault::Offset { .. } => "clock_offset",
            ClockFault::Drift { .. } => "clock_drift",
            ClockFault::Jump { .. } => "clock_jump",
        }
    }
}

impl fmt::Display for ClockFault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ClockFault::Offset { by_us } | ClockFault::Jump { by_us } => {
                f.write_str(&offset_text(*by_us))
            }
            ClockFault::Drift { by_ppm } => write!(f, "{by_ppm:+}ppm"),
        }
    }
}

/// How the membership changes. Healing undoes it: what was removed is added again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberChange {
    Add,
    Remove,
    /// Removed, given an empty disk, added again. Over when that is done.
    Replace,
}

impl MemberChange {
    pub fn kind(&self) -> &'static str {
        match self {
            MemberChange::Add => "add_member",
            MemberChange::Remove => "remove_member",
            MemberChange::Replace => "replace_member",
        }
    }
}

/// What clients do to the cluster, or suffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum ClientFault {
    /// So many clients vanish with whatever they had asked for, and new ones come.
    Crash { clients: u64 },
    /// So many clients lose patience: short timeouts, no pauses.
    RetryStorm { clients: u64 },
}

impl ClientFault {
    pub fn kind(&self) -> &'static str {
        match self {
            ClientFault::Crash { .. } => "client_crash",
            ClientFault::RetryStorm { .. } => "retry_storm",
        }
    }

    pub fn clients(&self) -> u64 {
        match self {
            ClientFault::Crash { clients } | ClientFault::RetryStorm { clients } => *clients,
        }
    }
}

/// A moment that matters, which a fault can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// A node stands for election.
    Election,
    /// A snapshot from the leader arrives at a node.
    Snapshot,
    /// A configuration comes into force, the joint one of a change included.
    Membership,
    /// A client has just been told that its write is done.
    Acknowledgement,
}

pub const MOMENTS: [Moment; 4] = [
    Moment::Election,
    Moment::Snapshot,
    Moment::Membership,
    Moment::Acknowledgement,
];

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Moment::Election => "election",
            Moment::Snapshot => "snapshot",
            Moment::Membership => "membership",
            Moment::Acknowledgement => "acknowledgement",
        })
    }
}

impl fmt::Display for DiskFault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            DiskFault::SlowSync { by_us } => write!(f, "+{}", duration_text(*by_us)),
            _ => Ok(()),
        }
    }
}

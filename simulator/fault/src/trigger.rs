//! Triggers: events of the cluster that a fault can wait for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An event that a fault can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A node stands for election.
    Election,
    /// A snapshot from the leader arrives at a node.
    Snapshot,
    /// A configuration comes into force, the joint one of a change included.
    Membership,
    /// A write of a client has just been acknowledged.
    Acknowledgement,
}

/// All triggers, in the order of the documentation.
pub const TRIGGERS: [Trigger; 4] = [
    Trigger::Election,
    Trigger::Snapshot,
    Trigger::Membership,
    Trigger::Acknowledgement,
];

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Trigger::Election => "election",
            Trigger::Snapshot => "snapshot",
            Trigger::Membership => "membership",
            Trigger::Acknowledgement => "acknowledgement",
        })
    }
}

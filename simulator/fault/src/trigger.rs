//! Triggers: events of the cluster that a fault can wait for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use squall_world::point::Point;

/// An event that a fault can wait for. Written `election`, or by the name of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Trigger {
    /// A node stands for election.
    Election,
    /// A snapshot from the leader arrives at a node.
    Snapshot,
    /// A configuration comes into force, the joint one of a change included.
    Membership,
    /// A write of a client has just been acknowledged.
    Acknowledgement,
    /// The fault's target passes a point, and takes no further step before it is struck.
    Point(Point),
}

/// All triggers that happen to the cluster, in the order of the documentation. Points, of which
/// there are many, are in a table of their own ([`Point::ALL`]).
pub const TRIGGERS: [Trigger; 4] = [
    Trigger::Election,
    Trigger::Snapshot,
    Trigger::Membership,
    Trigger::Acknowledgement,
];

impl Trigger {
    /// The point, if it is one.
    pub fn point(self) -> Option<Point> {
        match self {
            Trigger::Point(point) => Some(point),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Trigger::Election => "election",
            Trigger::Snapshot => "snapshot",
            Trigger::Membership => "membership",
            Trigger::Acknowledgement => "acknowledgement",
            Trigger::Point(point) => point.name(),
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Trigger {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(known) = TRIGGERS.iter().find(|trigger| trigger.name() == text) {
            return Ok(*known);
        }
        text.parse().map(Trigger::Point).map_err(|_: String| {
            let triggers = TRIGGERS.map(Trigger::name);
            let points = Point::ALL.iter().map(|point| point.name());
            let names: Vec<&str> = triggers.into_iter().chain(points).collect();
            format!(
                "unknown trigger `{text}`, expected one of {}",
                names.join(", ")
            )
        })
    }
}

impl TryFrom<String> for Trigger {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Trigger> for String {
    fn from(trigger: Trigger) -> String {
        trigger.name().to_owned()
    }
}

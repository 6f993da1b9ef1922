//! Targets: a node by name or by the role it has when the fault fires.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The node that a fault acts on. In a list every target stands for nodes of its own: `follower`
/// twice is two different followers. Written `node-3`, `leader`, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// Counted from 0; `node-1` is 0.
    Node(usize),
    /// The node that leads.
    Leader,
    /// One running node that does not lead.
    Follower,
    /// As many nodes as can be missing without harm: `(n - 1) / 2`, the leader perhaps
    /// among them.
    Minority,
    /// As many nodes as are needed to decide: `n / 2 + 1`.
    Majority,
    /// Every node; on one side of a partition, every node not named elsewhere.
    All,
    /// One running node.
    Any,
}

const ROLES: [(&str, Target); 6] = [
    ("leader", Target::Leader),
    ("follower", Target::Follower),
    ("minority", Target::Minority),
    ("majority", Target::Majority),
    ("all", Target::All),
    ("any", Target::Any),
];

/// The name of a node counted from 0: `node-1` for 0.
pub fn node_name(node: usize) -> String {
    format!("node-{}", node + 1)
}

impl Target {
    /// How many nodes of a cluster it stands for, named elsewhere or not.
    pub fn count(self, nodes: usize) -> usize {
        match self {
            Target::Node(_) | Target::Leader | Target::Follower | Target::Any => 1,
            Target::Minority => nodes.saturating_sub(1) / 2,
            Target::Majority => nodes / 2 + 1,
            Target::All => nodes,
        }
    }

    /// Whether it always stands for exactly one node.
    pub fn is_single(self) -> bool {
        !matches!(self, Target::Minority | Target::Majority | Target::All)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if let Target::Node(node) = self {
            return f.write_str(&node_name(*node));
        }
        let role = ROLES.iter().find(|(_, role)| role == self);
        f.write_str(role.expect("every target but a node is a role").0)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, role)) = ROLES.iter().find(|(name, _)| *name == text) {
            return Ok(*role);
        }
        // Only the canonical spelling, so that a node has one name: no `node-01`, `node-+1`.
        let number = text.strip_prefix("node-").and_then(|n| n.parse().ok());
        match number {
            Some(number @ 1..) if node_name(number - 1) == text => Ok(Target::Node(number - 1)),
            _ => {
                let roles: Vec<&str> = ROLES.iter().map(|(name, _)| *name).collect();
                let roles = roles.join(", ");
                Err(format!(
                    "unknown target `{text}`, expected a node such as node-1, or one of {roles}"
                ))
            }
        }
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

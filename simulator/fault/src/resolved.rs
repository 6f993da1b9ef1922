//! A fault whose roles have become nodes: what a backend is given to do.
//!
//! Plain data and three questions about it: which links it cuts, whom it names, and whom a
//! budget has to count as away.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::target::node_name;
use super::{ClientFault, ClockFault, DiskFault, LinkChange, MemberChange};

/// An action on nodes, counted from 0. As [`FaultAction`] otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ResolvedAction {
    Kill {
        nodes: Vec<usize>,
    },
    Stop {
        nodes: Vec<usize>,
    },
    PowerLoss {
        nodes: Vec<usize>,
    },
    Pause {
        nodes: Vec<usize>,
    },
    Isolate {
        nodes: Vec<usize>,
    },
    Partition {
        sides: Vec<Vec<usize>>,
        one_way: bool,
    },
    Bridge {
        sides: Vec<Vec<usize>>,
        bridge: usize,
    },
    Link {
        /// Directed, distinct, ascending.
        links: Vec<(usize, usize)>,
        change: LinkChange,
    },
    Transfer {
        to: usize,
    },
    Wipe {
        nodes: Vec<usize>,
    },
    CrashLoop {
        nodes: Vec<usize>,
        up_us: u64,
        down_us: u64,
    },
    /// In this order.
    RollingRestart {
        nodes: Vec<usize>,
        up_us: u64,
        down_us: u64,
    },
    Disk {
        nodes: Vec<usize>,
        fault: DiskFault,
    },
    Clock {
        nodes: Vec<usize>,
        fault: ClockFault,
    },
    Member {
        node: usize,
        change: MemberChange,
    },
    /// Which clients is for the backend to pick.
    Client {
        fault: ClientFault,
    },
}

impl ResolvedAction {
    /// The directed links that carry nothing while the fault is in force, in a cluster of
    /// `nodes` nodes; ascending. Empty for faults that cut no link.
    pub fn cut_links(&self, nodes: usize) -> Vec<(usize, usize)> {
        let mut cut = BTreeSet::new();
        match self {
            ResolvedAction::Isolate { nodes: isolated } => {
                let all: Vec<usize> = (0..nodes).collect();
                cut.extend(links_between(isolated, &all));
                cut.extend(links_between(&all, isolated));
            }
            ResolvedAction::Partition {
                sides,
                one_way: true,
            } => cut.extend(links_between(&sides[0], &sides[1])),
            ResolvedAction::Partition { sides, .. } | ResolvedAction::Bridge { sides, .. } => {
                for (i, from) in sides.iter().enumerate() {
                    for (_, to) in sides.iter().enumerate().filter(|(j, _)| *j != i) {
                        cut.extend(links_between(from, to));
                    }
                }
            }
            _ => {}
        }
        cut.into_iter().collect()
    }

    /// Names for the history: nodes, or `node-1->node-2` for each link of a link fault.
    pub fn targets(&self) -> Vec<String> {
        let names = |nodes: &[usize]| nodes.iter().copied().map(node_name).collect();
        match self {
            ResolvedAction::Kill { nodes }
            | ResolvedAction::Stop { nodes }
            | ResolvedAction::PowerLoss { nodes }
            | ResolvedAction::Pause { nodes }
            | ResolvedAction::Wipe { nodes }
            | ResolvedAction::CrashLoop { nodes, .. }
            | ResolvedAction::RollingRestart { nodes, .. }
            | ResolvedAction::Disk { nodes, .. }
            | ResolvedAction::Clock { nodes, .. }
            | ResolvedAction::Isolate { nodes } => names(nodes),
            ResolvedAction::Member { node, .. } => names(&[*node]),
            ResolvedAction::Client { .. } => Vec::new(),
            ResolvedAction::Partition { sides, .. } => names(&sides.concat()),
            ResolvedAction::Bridge { sides, bridge } => {
                names(&[sides.concat(), vec![*bridge]].concat())
            }
            ResolvedAction::Link { links, .. } => links
                .iter()
                .map(|(from, to)| format!("{}->{}", node_name(*from), node_name(*to)))
                .collect(),
            ResolvedAction::Transfer { to } => names(&[*to]),
        }
    }

    /// The nodes that cannot be counted on while the fault is in force: what a budget
    /// counts. A cut counts for its smaller side. Bad links and clocks, and a restart of
    /// one node after the other, which is counted step by step, impair nobody.
    pub fn impaired(&self) -> BTreeSet<usize> {
        match self {
            ResolvedAction::Kill { nodes }
            | ResolvedAction::Stop { nodes }
            | ResolvedAction::PowerLoss { nodes }
            | ResolvedAction::Pause { nodes }
            | ResolvedAction::Wipe { nodes }
            | ResolvedAction::CrashLoop { nodes, .. }
            | ResolvedAction::Isolate { nodes } => nodes.iter().copied().collect(),
            ResolvedAction::Disk {
                fault: DiskFault::SlowSync { .. },
                ..
            } => BTreeSet::new(),
            ResolvedAction::Disk { nodes, .. } => nodes.iter().copied().collect(),
            ResolvedAction::Member {
                change: MemberChange::Remove | MemberChange::Replace,
                node,
            } => BTreeSet::from([*node]),
            ResolvedAction::Partition { sides, .. } | ResolvedAction::Bridge { sides, .. } => {
                let largest = (0..sides.len()).rev().max_by_key(|side| sides[*side].len());
                let rest = (0..sides.len()).filter(|side| Some(*side) != largest);
                rest.flat_map(|side| sides[side].iter().copied()).collect()
            }
            ResolvedAction::RollingRestart { .. }
            | ResolvedAction::Link { .. }
            | ResolvedAction::Transfer { .. }
            | ResolvedAction::Clock { .. }
            | ResolvedAction::Member { .. }
            | ResolvedAction::Client { .. } => BTreeSet::new(),
        }
    }
}

/// Every link from one of `from` to one of `to`, ascending; none from a node to itself.
pub(super) fn links_between(from: &[usize], to: &[usize]) -> Vec<(usize, usize)> {
    let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b)));
    let links: BTreeSet<_> = pairs.filter(|(a, b)| a != b).collect();
    links.into_iter().collect()
}

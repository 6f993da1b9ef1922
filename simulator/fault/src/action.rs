//! A fault without its time, generic over its targets: targets of a scenario with their
//! places, [`Target`]s of a plan, or nodes once it has fired.
//!
//! Partitions and links concern messages between nodes only; clients reach every node that
//! runs, as they would through another network.

use std::collections::BTreeSet;
use std::fmt;
use std::slice::from_ref;

use serde::{Deserialize, Serialize};

use crate::detail::*;
use crate::kind::{Cost, FaultKind};
use crate::target::{Target, node_name};

/// What is done, and to which targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action<T> {
    /// Something happens to each target.
    Nodes {
        /// What is done.
        does: NodeFault,
        /// The nodes.
        targets: Vec<T>,
    },
    /// No message passes between the sides. Nodes on no side reach everyone.
    Partition {
        /// Groups of nodes; between two groups nothing passes.
        sides: Vec<Vec<T>>,
        /// Only messages from the first side to the second are lost.
        #[serde(default)]
        one_way: bool,
        /// The node that both sides still reach.
        #[serde(default = "none", skip_serializing_if = "Option::is_none")]
        bridge: Option<T>,
    },
    /// Messages from each of `from` to each of `to` get worse, in that direction.
    Link {
        /// Where the links begin.
        from: Vec<T>,
        /// Where they end.
        to: Vec<T>,
        /// How much worse they get.
        change: LinkChange,
    },
    /// The leader transfers its leadership to the target.
    Transfer(T),
    /// The membership changes.
    Member(MemberChange<T>),
    /// Clients fail, or misbehave.
    Client(ClientFault),
}

/// `#[serde(default)]` would ask for `T: Default`.
fn none<T>() -> Option<T> {
    None
}

impl<T> Action<T> {
    /// The kind under whose name histories, plans and reports have it.
    pub fn kind(&self) -> FaultKind {
        match self {
            Action::Nodes { does, .. } => does.kind(),
            Action::Partition { bridge, .. } => match bridge {
                Some(_) => FaultKind::Bridge,
                None => FaultKind::Partition,
            },
            Action::Link { .. } => FaultKind::Link,
            Action::Transfer(_) => FaultKind::Transfer,
            Action::Member(MemberChange::Add(_)) => FaultKind::AddMember,
            Action::Member(MemberChange::Remove(_)) => FaultKind::RemoveMember,
            Action::Member(MemberChange::Replace(_)) => FaultKind::ReplaceMember,
            Action::Client(ClientFault::Crash(_)) => FaultKind::ClientCrash,
            Action::Client(ClientFault::RetryStorm(_)) => FaultKind::RetryStorm,
        }
    }

    /// Whether it is over as soon as it has happened.
    pub fn is_instant(&self) -> bool {
        self.kind().is_instant()
    }

    /// How long it takes on so many nodes, microseconds; `None` if it lasts until it heals.
    pub fn takes_us(&self, nodes: usize) -> Option<u64> {
        match self {
            Action::Nodes {
                does: NodeFault::RollingRestart(cycle),
                ..
            } => Some(nodes as u64 * (cycle.up_us + cycle.down_us)),
            _ => None,
        }
    }

    /// Its targets in groups: sides, ends of links, or one group of all.
    pub fn groups(&self) -> Vec<&[T]> {
        match self {
            Action::Nodes { targets, .. } => vec![targets],
            Action::Partition { sides, bridge, .. } => {
                let sides = sides.iter().map(Vec::as_slice);
                sides.chain(bridge.as_ref().map(from_ref)).collect()
            }
            Action::Link { from, to, .. } => vec![from, to],
            Action::Transfer(to) => vec![from_ref(to)],
            Action::Member(change) => vec![from_ref(change.target())],
            Action::Client(_) => Vec::new(),
        }
    }

    /// The same action on other targets, in as many groups as [`Self::groups`] has.
    ///
    /// # Panics
    /// If a group is missing, or has not one target where the action has just one.
    pub fn with_groups<U>(&self, groups: Vec<Vec<U>>) -> Action<U> {
        let mut groups = groups.into_iter();
        let mut next = || groups.next().expect("there are as many groups as before");
        fn single<U>(mut targets: Vec<U>) -> U {
            assert_eq!(targets.len(), 1, "a single target stays one");
            targets.remove(0)
        }
        match self {
            Action::Nodes { does, .. } => Action::Nodes {
                does: *does,
                targets: next(),
            },
            Action::Partition {
                sides,
                one_way,
                bridge,
            } => Action::Partition {
                sides: sides.iter().map(|_| next()).collect(),
                one_way: *one_way,
                bridge: bridge.as_ref().map(|_| single(next())),
            },
            Action::Link { change, .. } => Action::Link {
                from: next(),
                to: next(),
                change: *change,
            },
            Action::Transfer(_) => Action::Transfer(single(next())),
            Action::Member(change) => Action::Member(change.with(single(next()))),
            Action::Client(fault) => Action::Client(*fault),
        }
    }

    /// The same action with each target replaced.
    pub fn map<U>(&self, mut target: impl FnMut(&T) -> U) -> Action<U> {
        let groups = self.groups().into_iter();
        let groups = groups.map(|group| group.iter().map(&mut target).collect());
        self.with_groups(groups.collect())
    }
}

impl Action<Target> {
    /// An action of the kind, as chaos draws it: targets in groups as [`Self::groups`] has
    /// them, and sizes as the kind's row has them.
    ///
    /// # Panics
    /// If the kind has other groups or sizes.
    pub fn drawn(kind: FaultKind, groups: Vec<Vec<Target>>, sizes: &[i64]) -> Self {
        let partition = |one_way, bridge| Action::Partition {
            sides: vec![Vec::new(); 2],
            one_way,
            bridge,
        };
        let clients = || sizes[0].unsigned_abs();
        let shape: Action<()> = match kind {
            FaultKind::Partition => partition(false, None),
            FaultKind::OneWay => partition(true, None),
            FaultKind::Bridge => partition(false, Some(())),
            FaultKind::Link
            | FaultKind::Latency
            | FaultKind::Jitter
            | FaultKind::Loss
            | FaultKind::Bandwidth => Action::Link {
                from: Vec::new(),
                to: Vec::new(),
                change: LinkChange::drawn(kind, sizes),
            },
            FaultKind::Transfer => Action::Transfer(()),
            FaultKind::AddMember => Action::Member(MemberChange::Add(())),
            FaultKind::RemoveMember => Action::Member(MemberChange::Remove(())),
            FaultKind::ReplaceMember => Action::Member(MemberChange::Replace(())),
            FaultKind::ClientCrash => Action::Client(ClientFault::Crash(clients())),
            FaultKind::RetryStorm => Action::Client(ClientFault::RetryStorm(clients())),
            of_nodes => Action::Nodes {
                does: NodeFault::drawn(of_nodes, sizes),
                targets: Vec::new(),
            },
        };
        shape.with_groups(groups)
    }
}

impl Action<usize> {
    /// The directed links that get worse; ascending. Empty for all but faults of links.
    pub fn links(&self) -> Vec<(usize, usize)> {
        match self {
            Action::Link { from, to, .. } => links_between(from, to).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The directed links that carry nothing while the fault is in force, in a cluster of
    /// `nodes` nodes; ascending. Empty for faults that cut no link.
    pub fn cut_links(&self, nodes: usize) -> Vec<(usize, usize)> {
        let cut = match self {
            Action::Nodes {
                does: NodeFault::Isolate,
                targets,
            } => {
                let all: Vec<usize> = (0..nodes).collect();
                &links_between(targets, &all) | &links_between(&all, targets)
            }
            Action::Partition { sides, one_way, .. } => {
                let count = sides.len();
                let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
                let pairs =
                    pairs.filter(|(from, to)| if *one_way { from < to } else { from != to });
                let links = pairs.flat_map(|(from, to)| links_between(&sides[from], &sides[to]));
                links.collect()
            }
            _ => BTreeSet::new(),
        };
        cut.into_iter().collect()
    }

    /// The members that it cuts off from a majority of the members: those that exchange
    /// messages, both ways, with too few others. `is_member` has an element for each node.
    pub fn cut_off(&self, is_member: &[bool]) -> Vec<usize> {
        let cut: BTreeSet<_> = self.cut_links(is_member.len()).into_iter().collect();
        let members = || (0..is_member.len()).filter(|node| is_member[*node]);
        let reaches = |a: usize, b: usize| !cut.contains(&(a, b)) && !cut.contains(&(b, a));
        let is_cut_off = |node: &usize| {
            let reached = members().filter(|other| reaches(*node, *other)).count();
            2 * reached <= members().count()
        };
        match cut.is_empty() {
            true => Vec::new(),
            false => members().filter(is_cut_off).collect(),
        }
    }

    /// Its nodes, in the order of its groups.
    pub fn nodes(&self) -> Vec<usize> {
        self.groups().concat()
    }

    /// Names for the history: nodes, or `node-1->node-2` for each link of a link fault.
    pub fn names(&self) -> Vec<String> {
        let ends = |(from, to)| format!("{}->{}", node_name(from), node_name(to));
        match self {
            Action::Link { .. } => self.links().into_iter().map(ends).collect(),
            _ => self.nodes().into_iter().map(node_name).collect(),
        }
    }

    /// How much faster it makes its nodes' clocks run, in parts per million, if it touches
    /// their rate.
    pub fn drift_ppm(&self) -> Option<i32> {
        match self {
            Action::Nodes {
                does: NodeFault::Clock(ClockFault::Drift(by_ppm)),
                ..
            } => Some(*by_ppm),
            _ => None,
        }
    }

    /// The nodes that cannot be counted on while the fault is in force: what a budget
    /// counts.
    pub fn unavailable(&self) -> BTreeSet<usize> {
        let mut sides = self.groups();
        match self.kind().info().cost {
            Cost::None | Cost::InTurn => return BTreeSet::new(),
            Cost::Targets => {}
            Cost::SmallerSides => {
                if let Action::Partition { sides: all, .. } = self {
                    sides.truncate(all.len());
                }
                let largest = (0..sides.len()).rev().max_by_key(|side| sides[*side].len());
                sides.remove(largest.expect("a partition has sides"));
            }
        }
        sides.concat().into_iter().collect()
    }
}

/// Every link from one of `from` to one of `to`; none from a node to itself.
fn links_between(from: &[usize], to: &[usize]) -> BTreeSet<(usize, usize)> {
    let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b)));
    pairs.filter(|(a, b)| a != b).collect()
}

impl<T: fmt::Display> fmt::Display for Action<T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let kind = self.kind();
        let groups: Vec<String> = self.groups().into_iter().map(list).collect();
        match self {
            Action::Nodes { does, .. } => write!(f, "{kind} {}{does}", groups[0]),
            Action::Partition {
                sides,
                one_way,
                bridge,
            } => {
                let arrow = if *one_way { " -x-> " } else { " | " };
                write!(f, "{kind} {}", groups[..sides.len()].join(arrow))?;
                match bridge {
                    Some(bridge) => write!(f, " over {bridge}"),
                    None => Ok(()),
                }
            }
            Action::Link { change, .. } => write!(f, "{kind} {}: {change}", groups.join(" -> ")),
            Action::Transfer(to) => write!(f, "{kind} to {to}"),
            Action::Member(change) => write!(f, "{kind} {}", change.target()),
            Action::Client(fault) => write!(f, "{kind} of {}", fault.clients()),
        }
    }
}

fn list<T: fmt::Display>(targets: &[T]) -> String {
    let names: Vec<String> = targets.iter().map(T::to_string).collect();
    format!("[{}]", names.join(", "))
}

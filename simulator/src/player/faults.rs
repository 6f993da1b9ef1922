//! Lists when each fault was in force, on which nodes, and which links it cut or slowed.
//!
//! A history names the nodes of a partition but not its sides: those come from the plan, as far
//! as it says how many nodes each side has. What was held up on a link shows it too, where
//! messages were recorded.

use std::collections::BTreeSet;

use super::Recording;
use super::parties::Parties;
use crate::backends::trace::{Hold, Message};
use crate::fault::kind::{Group, Silence};
use crate::fault::{Action, FaultKind, Target};
use crate::history::{EventKind, FaultEvent, FaultStatus};
use crate::report::html::player::PlayedFault;
use crate::trace::{end_us, faults as spans, words};

pub(super) fn faults(seen: &Recording, parties: &Parties) -> Vec<PlayedFault> {
    let history = seen.trace.history;
    let end = end_us(history);
    let mut played: Vec<PlayedFault> = Vec::new();
    for span in spans(history) {
        let from = span.from_us as i64;
        let to = span.until_us.map_or(end, |until_us| until_us as i64);
        let fault = of_event(seen, parties, span.event, (from, to));
        played.push(PlayedFault {
            words: span.words(),
            status: "installed",
            ..fault
        });
    }
    for event in &history.events {
        let EventKind::Fault(fault) = &event.kind else {
            continue;
        };
        let status = match fault.status {
            FaultStatus::Skipped { .. } => "skipped",
            FaultStatus::Uncertain { .. } => "uncertain",
            FaultStatus::Installed | FaultStatus::Healed => continue,
        };
        let at = event.at_us as i64;
        played.push(PlayedFault {
            words: words::fault(fault),
            status,
            ..of_event(seen, parties, fault, (at, at))
        });
    }
    played.sort_by_key(|fault| fault.from);
    add_held(&mut played, seen, parties);
    played
}

fn of_event(
    seen: &Recording,
    parties: &Parties,
    event: &FaultEvent,
    (from, to): (i64, i64),
) -> PlayedFault {
    let info = event.kind.info();
    let places = |names: &[String]| -> Vec<usize> {
        names.iter().filter_map(|name| parties.node(name)).collect()
    };
    let nodes = places(&event.targets);
    let links = event.targets.iter().filter_map(|target| {
        let (from, to) = target.split_once("->")?;
        Some((parties.node(from)?, parties.node(to)?))
    });
    let cut_off = match info.silence {
        Silence::CutOff if info.group == Group::Network => nodes.clone(),
        _ => places(&event.cut_off),
    };
    PlayedFault {
        id: event.fault,
        words: String::new(),
        kind: info.name,
        group: group(info.group),
        status: "",
        from,
        to,
        cut: cut_links(seen, parties, event, &nodes),
        slow: links.collect(),
        nodes,
        cut_off,
    }
}

fn group(group: Group) -> &'static str {
    match group {
        Group::Process => "process",
        Group::Network => "network",
        Group::Disk => "disk",
        Group::Clock => "clock",
        Group::Membership => "membership",
        Group::Client => "client",
    }
}

/// The links that it cuts, as far as event and plan say.
fn cut_links(
    seen: &Recording,
    parties: &Parties,
    event: &FaultEvent,
    nodes: &[usize],
) -> Vec<(usize, usize)> {
    let count = parties.nodes.len();
    if event.kind == FaultKind::Isolate {
        let others = |node: usize| (0..count).filter(move |other| *other != node);
        let links = nodes.iter().flat_map(|node| {
            let both = others(*node).flat_map(|other| [(*node, other), (other, *node)]);
            both.collect::<Vec<_>>()
        });
        let links: BTreeSet<_> = links.collect();
        return links.into_iter().collect();
    }
    let mut planned = seen.plan.iter().flat_map(|plan| &plan.faults);
    let planned = planned.find(|fault| fault.id == event.fault);
    let Some(action @ Action::Partition { .. }) = planned.map(|fault| &fault.action) else {
        return Vec::new();
    };
    sides(action, nodes).map_or(Vec::new(), |groups| {
        action.with_groups(groups).cut_links(count)
    })
}

/// The nodes of each group of an action, of which all nodes are known in the order of the
/// groups; `None` if that does not say where one ends and the next begins.
fn sides(action: &Action<Target>, nodes: &[usize]) -> Option<Vec<Vec<usize>>> {
    let groups = action.groups();
    let size = |group: &&[Target]| -> Option<usize> {
        let is_one = |target: &Target| {
            matches!(
                target,
                Target::Node(_) | Target::Leader | Target::Follower | Target::Any
            )
        };
        group.iter().all(is_one).then_some(group.len())
    };
    let sizes: Vec<Option<usize>> = groups.iter().map(size).collect();
    let known: usize = sizes.iter().flatten().sum();
    let unknown = sizes.iter().filter(|size| size.is_none()).count();
    let rest = nodes.len().checked_sub(known)?;
    if unknown > 1 || (unknown == 0 && rest > 0) {
        return None;
    }
    let mut left = nodes;
    let mut sides = Vec::new();
    for size in sizes {
        let (side, others) = left.split_at(size.unwrap_or(rest));
        sides.push(side.to_vec());
        left = others;
    }
    Some(sides)
}

/// Adds the links on which messages were held up.
fn add_held(played: &mut [PlayedFault], seen: &Recording, parties: &Parties) {
    for message in &seen.trace.traced.messages {
        for hold in &message.held {
            let (id, is_cut) = match hold {
                Hold::Cut { fault } => (*fault, true),
                Hold::Degraded { fault } => (*fault, false),
                Hold::Loss | Hold::NoPower | Hold::Behind => continue,
            };
            let ends = [message.from, message.to].map(|party| parties.node(&party.to_string()));
            let [Some(from), Some(to)] = ends else {
                continue;
            };
            let fault = played.iter_mut().find(|fault| {
                fault.id == id && fault.status == "installed" && overlaps(message, fault)
            });
            let Some(fault) = fault else { continue };
            let links = if is_cut {
                &mut fault.cut
            } else {
                &mut fault.slow
            };
            if !links.contains(&(from, to)) {
                links.push((from, to));
            }
        }
    }
}

fn overlaps(message: &Message, fault: &PlayedFault) -> bool {
    let ended_us = message.ended_us().unwrap_or(i64::MAX);
    message.sent_us <= fault.to && ended_us >= fault.from
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(sides: &[&[Target]], bridge: Option<Target>) -> Action<Target> {
        Action::Partition {
            sides: sides.iter().map(|side| side.to_vec()).collect(),
            one_way: false,
            bridge,
        }
    }

    #[test]
    fn sides_are_known_where_at_most_one_of_them_is_open() {
        use Target::{All, Follower, Leader, Minority, Node};
        let two = partition(&[&[Leader, Follower], &[All]], None);
        let expected = vec![vec![3, 0], vec![1, 2, 4]];
        assert_eq!(sides(&two, &[3, 0, 1, 2, 4]), Some(expected));
        let bridged = partition(&[&[All], &[Node(1), Node(2)]], Some(Node(4)));
        let expected = vec![vec![0, 3], vec![1, 2], vec![4]];
        assert_eq!(sides(&bridged, &[0, 3, 1, 2, 4]), Some(expected));
        let open = partition(&[&[Minority], &[All]], None);
        assert_eq!(sides(&open, &[0, 1, 2, 3, 4]), None);
        let fewer = partition(&[&[Node(0)], &[Node(1)]], None);
        assert_eq!(sides(&fewer, &[0, 1, 2]), None);
        assert_eq!(sides(&fewer, &[0]), None);
    }
}

//! Checks of one fault: one action, inside the chaos phase, on targets that can exist.

use std::collections::BTreeMap;

use toml::Spanned;

use super::check::{Checked, Place, check_count, problem, written_place};
use super::fault::{Fault, Link, Targets};
use super::unit::duration_text;
use super::{Scenario, fault};
use crate::fault::Target;

pub(super) fn check(fault: &Spanned<Fault>, scenario: &Scenario) -> Checked {
    let nodes = *scenario.cluster.nodes.get_ref() as usize;
    let place = fault.span();
    let fault = fault.get_ref();
    check_one_action(fault, place)?;
    check_times(fault, scenario.phases.chaos.get_ref().us())?;
    for (_, targets) in fault.lists() {
        if let Some(targets) = targets {
            check_group(&[group(targets)], nodes, Ends::Apart)?;
        }
    }
    if let Some(sides) = &fault.partition {
        check_partition(fault, sides, nodes)?;
    }
    if let Some(link) = &fault.link {
        check_link(link, nodes)?;
    }
    if let Some(to) = &fault.transfer {
        check_transfer(to, nodes)?;
    }
    Ok(())
}

/// Every action with the place of its value.
fn actions(fault: &Fault) -> Vec<(&'static str, Place)> {
    let mut actions: Vec<(&'static str, Place)> = Vec::new();
    for (key, targets) in fault.lists() {
        actions.extend(targets.as_ref().map(|targets| (key, targets.span())));
    }
    actions.extend(fault.partition.as_ref().map(|v| ("partition", v.span())));
    actions.extend(fault.link.as_ref().map(|v| ("link", v.span())));
    actions.extend(fault.transfer.as_ref().map(|v| ("transfer", v.span())));
    actions.sort_by_key(|(_, place)| place.start);
    actions
}

fn check_one_action(fault: &Fault, place: Place) -> Checked {
    match actions(fault).as_slice() {
        [] => problem(
            place,
            "a fault needs an action: kill, stop, pause, power_loss, isolate, partition, link or transfer",
        ),
        [_] => {
            let details = [
                ("one_way", fault.one_way.as_ref().map(Spanned::span)),
                ("bridge", fault.bridge.as_ref().map(Spanned::span)),
            ];
            for (key, place) in details {
                if let (Some(place), None) = (place, &fault.partition) {
                    return problem(place, format!("`{key}` belongs to `partition`"));
                }
            }
            Ok(())
        }
        [(first, _), (second, place), ..] => problem(
            place.clone(),
            format!("a fault has one action, this one has `{first}` and `{second}`"),
        ),
    }
}

fn check_times(fault: &Fault, chaos_us: u64) -> Checked {
    let at_us = fault.at.get_ref().us();
    let chaos = duration_text(chaos_us);
    if at_us >= chaos_us {
        let message = format!(
            "at {} is not within the chaos phase of {chaos}",
            duration_text(at_us)
        );
        return problem(fault.at.span(), message);
    }
    let lasts_us = fault.lasts.as_ref().map(|lasts| lasts.get_ref().us());
    if let Some(lasts) = &fault.lasts {
        if fault.transfer.is_some() {
            return problem(
                lasts.span(),
                "a transfer is over at once, `for` means nothing to it",
            );
        }
        if lasts_us == Some(0) {
            return problem(lasts.span(), "for must be more than 0s");
        }
    }
    let mut last_us = at_us;
    if let Some(repeat) = &fault.repeat {
        check_repeat(fault, repeat, lasts_us)?;
        let (every, times) = (&repeat.get_ref().every, &repeat.get_ref().times);
        last_us += every.get_ref().us() * (times.get_ref() - 1);
    }
    let end_us = last_us + lasts_us.unwrap_or(0);
    if end_us > chaos_us || last_us >= chaos_us {
        let span = |value: Option<Place>| value.unwrap_or(0..0);
        let lasts = span(fault.lasts.as_ref().map(Spanned::span));
        let repeat = span(fault.repeat.as_ref().map(Spanned::span));
        let end = duration_text(end_us);
        let message =
            format!("the fault lasts until {end}, beyond the end of the chaos phase of {chaos}");
        return problem(written_place(&[repeat, lasts]), message);
    }
    Ok(())
}

fn check_repeat(fault: &Fault, repeat: &Spanned<fault::Repeat>, lasts_us: Option<u64>) -> Checked {
    let fault::Repeat { every, times } = repeat.get_ref();
    // The bound keeps start times far from overflow.
    check_count("times", times, 1, 100_000)?;
    let every_us = every.get_ref().us();
    if every_us == 0 {
        return problem(every.span(), "every must be more than 0s");
    }
    match lasts_us {
        None if fault.transfer.is_none() => problem(
            repeat.span(),
            "a fault that repeats needs `for`, or the next would begin before it heals",
        ),
        Some(lasts_us) if lasts_us >= every_us => {
            let (lasts, every_text) = (duration_text(lasts_us), duration_text(every_us));
            let message = format!("every {every_text} leaves no pause after for {lasts}");
            problem(every.span(), message)
        }
        _ => Ok(()),
    }
}

fn check_partition(fault: &Fault, sides: &Spanned<Vec<Spanned<Targets>>>, nodes: usize) -> Checked {
    let count = sides.get_ref().len();
    let one_way = fault
        .one_way
        .as_ref()
        .is_some_and(|one_way| *one_way.get_ref());
    if count < 2 {
        return problem(sides.span(), "a partition needs at least two sides");
    }
    if count > 2 && (one_way || fault.bridge.is_some()) {
        let key = if one_way { "one_way" } else { "bridge" };
        return problem(
            sides.span(),
            format!("a partition with `{key}` has exactly two sides"),
        );
    }
    let mut groups: Vec<Group> = sides.get_ref().iter().map(group).collect();
    if let Some(bridge) = &fault.bridge {
        if one_way {
            return problem(
                bridge.span(),
                "a partition is `one_way` or has a `bridge`, not both",
            );
        }
        if !bridge.get_ref().is_single() {
            return problem(
                bridge.span(),
                format!("`{}` is not one node", bridge.get_ref()),
            );
        }
        groups.push((std::slice::from_ref(bridge), bridge.span()));
    }
    check_group(&groups, nodes, Ends::Apart)
}

fn check_link(link: &Spanned<Link>, nodes: usize) -> Checked {
    let place = link.span();
    let link = link.get_ref();
    let unchanged = link.latency.is_none() && link.jitter.is_none();
    if unchanged && link.loss.is_none() && link.bandwidth.is_none() {
        return problem(
            place,
            "a link needs a change: latency, jitter, loss or bandwidth",
        );
    }
    let (from, to) = (&link.from, &link.to);
    let groups = [
        (from.get_ref().0.as_slice(), from.span()),
        (to.get_ref().0.as_slice(), to.span()),
    ];
    check_group(&groups, nodes, Ends::MayMeet)?;
    let single = |targets: &[Spanned<Target>]| match targets {
        [target] => Some(*target.get_ref()),
        _ => None,
    };
    match (single(groups[0].0), single(groups[1].0)) {
        (Some(a), Some(b)) if a == b && matches!(a, Target::Node(_) | Target::Leader) => {
            problem(to.span(), format!("`{a}` is both ends of the link"))
        }
        (Some(Target::All), Some(_)) | (Some(_), Some(Target::All)) if nodes == 1 => {
            problem(place, "a cluster of one node has no links")
        }
        _ => Ok(()),
    }
}

fn check_transfer(to: &Spanned<Target>, nodes: usize) -> Checked {
    let target = *to.get_ref();
    if target == Target::Leader {
        return problem(to.span(), "the leader leads already, name another target");
    }
    if !target.is_single() {
        return problem(to.span(), format!("`{target}` is not one node"));
    }
    check_group(&[(std::slice::from_ref(to), to.span())], nodes, Ends::Apart)
}

/// Targets written together, and where.
type Group<'a> = (&'a [Spanned<Target>], Place);

fn group(targets: &Spanned<Targets>) -> Group<'_> {
    (targets.get_ref(), targets.span())
}

/// Whether groups exclude each other (sides), or may share nodes (ends of links).
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    Apart,
    MayMeet,
}

/// Whether all groups together can be given distinct nodes in a cluster of `nodes`.
fn check_group(groups: &[Group], nodes: usize, ends: Ends) -> Checked {
    let mut seen: BTreeMap<Target, usize> = BTreeMap::new();
    let mut asked = 0;
    let mut followers = 0;
    for (index, (targets, group_place)) in groups.iter().enumerate() {
        if targets.is_empty() {
            return problem(group_place.clone(), "the list of targets is empty");
        }
        for spanned in *targets {
            let target = *spanned.get_ref();
            let place = written_place(&[spanned.span(), group_place.clone()]);
            check_target(target, &place, targets.len(), nodes)?;
            let again = seen.insert(target, index);
            check_again(target, &place, again, index, ends)?;
            let shared = again.is_some() && is_distinct(target) && ends == Ends::MayMeet;
            if target == Target::All || shared {
                continue;
            }
            asked += target.count(nodes);
            followers += usize::from(target == Target::Follower);
            if followers >= nodes {
                let all = "followers asked for than there are: the cluster has";
                return problem(place, format!("more {all} {}", nodes - 1));
            }
            if asked > nodes {
                let message = format!("{asked} nodes asked for, but the cluster has {nodes}");
                return problem(place, message);
            }
        }
    }
    if ends == Ends::Apart && seen.contains_key(&Target::All) && asked == nodes {
        let place = groups[seen[&Target::All]].1.clone();
        return problem(place, "no node is left for `all`");
    }
    Ok(())
}

fn check_target(target: Target, place: &Place, list_len: usize, nodes: usize) -> Checked {
    let place = place.clone();
    match target {
        Target::Node(node) if node >= nodes => problem(
            place,
            format!("unknown node `{target}`, the cluster has node-1 to node-{nodes}"),
        ),
        Target::All if list_len > 1 => problem(place, "`all` must be alone in its list"),
        Target::Minority if target.count(nodes) == 0 => {
            problem(place, format!("a cluster of {nodes} has no minority"))
        }
        _ => Ok(()),
    }
}

/// Targets that mean the same nodes each time they are written.
fn is_distinct(target: Target) -> bool {
    !matches!(target, Target::Follower | Target::Any)
}

fn check_again(
    target: Target,
    place: &Place,
    again: Option<usize>,
    index: usize,
    ends: Ends,
) -> Checked {
    let Some(before) = again.filter(|_| is_distinct(target)) else {
        return Ok(());
    };
    let place = place.clone();
    if before == index {
        return problem(place, format!("`{target}` is named twice"));
    }
    match (ends, target) {
        (Ends::Apart, _) => problem(
            place,
            format!("sides overlap: `{target}` is on two of them"),
        ),
        (_, Target::Minority | Target::Majority) => problem(
            place,
            format!("`{target}` can be at one end of the link only"),
        ),
        _ => Ok(()),
    }
}

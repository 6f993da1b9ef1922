//! Checks of one fault: inside the chaos phase, on targets that can exist.

use crate::plan::can_wait_for_point;
use squall_fault::{Action, ClockFault, DiskFault, MemberChange, NodeFault, Target, node_name};
use toml::Spanned;

use super::Scenario;
use super::bounds::{Checked, Place, check_count, problem, written_place};
use super::check_target::{Ends, check_group};
use super::fault::{Fault, Repeat};
use super::unit::duration_text;

/// Nothing meets a fault that is over sooner. Microseconds.
const SHORTEST_US: u64 = 1_000;

type Written = Action<Spanned<Target>>;

pub(super) fn check(fault: &Spanned<Fault>, scenario: &Scenario) -> Checked {
    let nodes = *scenario.cluster.nodes.get_ref() as usize;
    let spares = *scenario.cluster.spares.get_ref() as usize;
    let fault = fault.get_ref();
    check_times(fault, scenario.chaos_length().us(), nodes)?;
    let (action, place) = (fault.action.get_ref(), fault.action.span());
    check_shape(action, &place, nodes)?;
    check_point(fault, nodes)?;
    match action {
        Action::Member(MemberChange::Add(spare)) => check_spare(spare, nodes, spares),
        Action::Link { .. } => check_group(&action.groups(), &place, nodes, Ends::MayMeet),
        _ => check_group(&action.groups(), &place, nodes, Ends::Apart),
    }
}

/// What the targets of an action must be like, besides being there, and that it does something.
fn check_shape(action: &Written, place: &Place, nodes: usize) -> Checked {
    match action {
        Action::Nodes {
            does:
                NodeFault::Disk(DiskFault::SlowSync(0) | DiskFault::LostTail(0))
                | NodeFault::Clock(ClockFault::Offset(0) | ClockFault::Drift(0) | ClockFault::Jump(0)),
            ..
        } => {
            let message = format!("`{}` by nothing changes nothing", action.kind());
            problem(place.clone(), message)
        }
        Action::Nodes { .. } | Action::Client(_) => Ok(()),
        Action::Partition {
            sides,
            one_way,
            bridge,
        } => {
            let place = place.clone();
            if sides.len() < 2 {
                return problem(place, "a partition needs at least two sides");
            }
            if sides.len() > 2 && (*one_way || bridge.is_some()) {
                let key = if *one_way { "one_way" } else { "bridge" };
                let message = format!("a partition with `{key}` has exactly two sides");
                return problem(place, message);
            }
            let Some(bridge) = bridge else {
                return Ok(());
            };
            if *one_way {
                let message = "a partition is `one_way` or has a `bridge`, not both";
                return problem(bridge.span(), message);
            }
            check_single(bridge)
        }
        Action::Link { from, to, change } => {
            if change == &Default::default() {
                let message = "a link needs a change: latency, jitter, loss or bandwidth";
                return problem(place.clone(), message);
            }
            match (&from[..], &to[..]) {
                ([a], [b]) if a == b && matches!(a.get_ref(), Target::Node(_) | Target::Leader) => {
                    problem(b.span(), format!("`{a}` is both ends of the link"))
                }
                ([a], [b]) if nodes == 1 && (is_all(a) || is_all(b)) => {
                    problem(place.clone(), "a cluster of one node has no links")
                }
                _ => Ok(()),
            }
        }
        Action::Transfer(to) if *to.get_ref() == Target::Leader => {
            let message = "the leader leads already, name another target";
            problem(to.span(), message)
        }
        Action::Transfer(target) => check_single(target),
        Action::Member(change) => check_single(change.target()),
    }
}

/// A fault at a point strikes the one node that passes it.
fn check_point(fault: &Fault, nodes: usize) -> Checked {
    let Some(point) = fault
        .when
        .as_ref()
        .filter(|when| when.get_ref().point().is_some())
    else {
        return match &fault.nth {
            Some(nth) => problem(nth.span(), "`nth` needs `when` with the name of a point"),
            None => Ok(()),
        };
    };
    if let Some(nth) = &fault.nth {
        check_count("nth", nth, 1, 1_000_000)?;
    }
    let action = fault.action.get_ref();
    match action.groups()[..] {
        _ if !can_wait_for_point(&action.map(|target| *target.get_ref())) => {
            let message = format!(
                "`{}` strikes no single node at once, so it cannot wait for a point",
                action.kind()
            );
            problem(point.span(), message)
        }
        [[node]] => super::point::check_node(node, nodes),
        _ => {
            let message = "who passes a point is one node: name one target";
            problem(fault.action.span(), message)
        }
    }
}

fn is_all(target: &Spanned<Target>) -> bool {
    *target.get_ref() == Target::All
}

fn check_single(target: &Spanned<Target>) -> Checked {
    if target.get_ref().is_single() {
        Ok(())
    } else {
        problem(target.span(), format!("`{target}` is not one node"))
    }
}

fn check_spare(target: &Spanned<Target>, nodes: usize, spares: usize) -> Checked {
    let known = nodes..nodes + spares;
    let message = match target.get_ref() {
        Target::Node(node) if known.contains(node) => return Ok(()),
        _ if spares == 0 => "there is no machine to add: set `spares` in [cluster]".to_owned(),
        _ => format!(
            "`{target}` is no spare: those are {} to {}",
            node_name(nodes),
            node_name(nodes + spares - 1)
        ),
    };
    problem(target.span(), message)
}

/// How long the action takes by itself, microseconds.
fn takes_us(fault: &Fault, nodes: usize) -> Option<u64> {
    let action = fault.action.get_ref();
    let targets = action.groups().concat().into_iter();
    action.takes_us(targets.map(|target| target.get_ref().count(nodes)).sum())
}

fn check_times(fault: &Fault, chaos_us: u64, nodes: usize) -> Checked {
    let at_us = fault.at.get_ref().us();
    let chaos = duration_text(chaos_us);
    if at_us >= chaos_us {
        let message = format!(
            "at {} is not within the chaos phase of {chaos}",
            duration_text(at_us)
        );
        return problem(fault.at.span(), message);
    }
    let written_us = fault.lasts.as_ref().map(|lasts| lasts.get_ref().us());
    let own_us = takes_us(fault, nodes);
    let lasts_us = own_us.or(written_us);
    if let Some(lasts) = &fault.lasts {
        let kind = fault.action.get_ref().kind();
        let why = if kind.is_instant() {
            Some("is over at once")
        } else {
            own_us.map(|_| "takes as long as its targets do")
        };
        if let Some(why) = why {
            let message = format!("`{kind}` {why}, `for` means nothing to it");
            return problem(lasts.span(), message);
        }
        if lasts_us.is_some_and(|us| us < SHORTEST_US) {
            let shortest = duration_text(SHORTEST_US);
            return problem(lasts.span(), format!("for must be at least {shortest}"));
        }
    }
    let mut last_us = at_us;
    if let Some(repeat) = &fault.repeat {
        check_repeat(fault, repeat, lasts_us)?;
        let (every, times) = (&repeat.get_ref().every, &repeat.get_ref().times);
        last_us += every.get_ref().us() * (times.get_ref() - 1);
    }
    let end_us = if fault.within_budget {
        last_us
    } else {
        last_us + lasts_us.unwrap_or(0)
    };
    if end_us > chaos_us || last_us >= chaos_us {
        let span = |value: Option<Place>| value.unwrap_or(0..0);
        let lasts = span(fault.lasts.as_ref().map(Spanned::span));
        let repeat = span(fault.repeat.as_ref().map(Spanned::span));
        let end = duration_text(end_us);
        let message =
            format!("the fault lasts until {end}, beyond the end of the chaos phase of {chaos}");
        let place = written_place(&[repeat, lasts, fault.action.span()]);
        return problem(place, message);
    }
    Ok(())
}

fn check_repeat(fault: &Fault, repeat: &Spanned<Repeat>, lasts_us: Option<u64>) -> Checked {
    let Repeat { every, times } = repeat.get_ref();
    // The bound keeps start times far from overflow.
    check_count("times", times, 1, 100_000)?;
    let every_us = every.get_ref().us();
    if every_us == 0 {
        return problem(every.span(), "every must be more than 0s");
    }
    match lasts_us {
        None if !fault.action.get_ref().is_instant() => problem(
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

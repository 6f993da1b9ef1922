//! Checks of one fault: one action, inside the chaos phase, on targets that can exist.

use toml::Spanned;

use super::check::{Checked, Place, check_count, check_least, problem, written_place};
use super::check_target::{Ends, Group, check_group, group};
use super::fault::{Fault, Link, Member, Misdeed, Targets};
use super::unit::{Duration, duration_text};
use super::{Scenario, fault};
use squall_fault::{Target, node_name};

pub(super) fn check(fault: &Spanned<Fault>, scenario: &Scenario) -> Checked {
    let nodes = *scenario.cluster.nodes.get_ref() as usize;
    let place = fault.span();
    let fault = fault.get_ref();
    check_one_action(fault, place)?;
    check_details(fault)?;
    check_times(fault, scenario.chaos_length().us(), nodes)?;
    for (_, targets) in fault.lists() {
        if let Some(targets) = targets {
            check_group(&[group(targets)], nodes, Ends::Apart)?;
        }
    }
    if let Some(member) = &fault.member {
        check_member(member, nodes, *scenario.cluster.spares.get_ref() as usize)?;
    }
    if let Some(client) = &fault.client {
        check_client(client)?;
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
    actions.extend(fault.member.as_ref().map(|v| ("member", v.span())));
    actions.extend(fault.client.as_ref().map(|v| ("client", v.span())));
    actions.sort_by_key(|(_, place)| place.start);
    actions
}

fn check_one_action(fault: &Fault, place: Place) -> Checked {
    match actions(fault).as_slice() {
        [] => problem(
            place,
            "a fault needs an action: kill, stop, pause, power_loss, isolate, wipe, crash_loop, \
             rolling_restart, disk, clock, partition, link, transfer, member or client",
        ),
        [(action, _)] => {
            for (key, place, actions) in fault.details() {
                if let Some(place) = place
                    && !actions.contains(action)
                {
                    let actions: Vec<String> = actions.iter().map(|a| format!("`{a}`")).collect();
                    let actions = actions.join(" or ");
                    return problem(place, format!("`{key}` belongs to {actions}"));
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

/// What an action needs beside its targets.
fn check_details(fault: &Fault) -> Checked {
    if let Some(disk) = &fault.disk {
        let written = [
            fault.slow_sync.as_ref().map(Spanned::span),
            fault.damage.as_ref().map(Spanned::span),
        ];
        exactly_one("a disk", "slow_sync or damage", disk.span(), &written)?;
    }
    if let Some(clock) = &fault.clock {
        let written = [
            fault.offset.as_ref().map(Spanned::span),
            fault.drift.as_ref().map(Spanned::span),
            fault.jump.as_ref().map(Spanned::span),
        ];
        exactly_one("a clock", "offset, drift or jump", clock.span(), &written)?;
    }
    for (key, time) in [("up", &fault.up), ("down", &fault.down)] {
        if let Some(time) = time {
            check_least(key, time, Duration(1_000))?;
        }
    }
    Ok(())
}

fn exactly_one(what: &str, choices: &str, place: Place, written: &[Option<Place>]) -> Checked {
    let written: Vec<&Place> = written.iter().flatten().collect();
    match written.as_slice() {
        [] => problem(
            place,
            format!("{what} needs to be told what goes wrong: {choices}"),
        ),
        [_] => Ok(()),
        [.., last] => problem(
            (*last).clone(),
            format!("{what} has one thing wrong at a time: {choices}"),
        ),
    }
}

fn check_member(member: &Spanned<Member>, nodes: usize, spares: usize) -> Checked {
    let changes = member.get_ref().changes();
    let places: Vec<_> = changes
        .iter()
        .map(|(_, t)| t.as_ref().map(Spanned::span))
        .collect();
    exactly_one(
        "a membership",
        "add, remove or replace",
        member.span(),
        &places,
    )?;
    for (key, target) in changes {
        let Some(target) = target else {
            continue;
        };
        let named = *target.get_ref();
        if !named.is_single() {
            return problem(target.span(), format!("`{named}` is not one node"));
        }
        let is_spare =
            matches!(named, Target::Node(node) if (nodes..nodes + spares).contains(&node));
        if key == "add" && !is_spare {
            let message = match spares {
                0 => "there is no machine to add: set `spares` in [cluster]".to_owned(),
                _ => format!(
                    "`{named}` is no spare: those are {} to {}",
                    node_name(nodes),
                    node_name(nodes + spares - 1)
                ),
            };
            return problem(target.span(), message);
        }
        if key != "add" {
            let alone = (std::slice::from_ref(target), target.span());
            check_group(&[alone], nodes, Ends::Apart)?;
        }
    }
    Ok(())
}

fn check_client(client: &Spanned<Misdeed>) -> Checked {
    let Misdeed { crash, retry_storm } = client.get_ref();
    let places = [crash, retry_storm].map(|count| count.as_ref().map(Spanned::span));
    exactly_one("a client", "crash or retry_storm", client.span(), &places)?;
    for (key, count) in [("crash", crash), ("retry_storm", retry_storm)] {
        if let Some(count) = count {
            check_count(key, count, 1, 10_000)?;
        }
    }
    Ok(())
}

/// How long a rolling restart of all its targets takes.
fn takes_us(fault: &Fault, nodes: usize) -> Option<u64> {
    let targets = fault.rolling_restart.as_ref()?.get_ref().iter();
    let count: usize = targets.map(|target| target.get_ref().count(nodes)).sum();
    Some(count as u64 * (fault.up_us() + fault.down_us()))
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
    let lasts_us = written_us.or(takes_us(fault, nodes));
    if let Some(lasts) = &fault.lasts {
        let idle = match fault {
            Fault {
                transfer: Some(_), ..
            } => Some("a transfer is over at once"),
            Fault { jump: Some(_), .. } => Some("a jump is over at once"),
            Fault {
                rolling_restart: Some(_),
                ..
            } => Some("a rolling restart takes its time"),
            _ if fault.is_instant() => Some("a crash of clients is over at once"),
            _ => None,
        };
        if let Some(why) = idle {
            let message = format!("{why}, `for` means nothing to it");
            return problem(lasts.span(), message);
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
    let end_us = match fault.within_budget {
        true => last_us,
        false => last_us + lasts_us.unwrap_or(0),
    };
    if end_us > chaos_us || last_us >= chaos_us {
        let span = |value: Option<Place>| value.unwrap_or(0..0);
        let lasts = span(fault.lasts.as_ref().map(Spanned::span));
        let repeat = span(fault.repeat.as_ref().map(Spanned::span));
        let end = duration_text(end_us);
        let message =
            format!("the fault lasts until {end}, beyond the end of the chaos phase of {chaos}");
        let rolls = span(fault.rolling_restart.as_ref().map(Spanned::span));
        return problem(written_place(&[repeat, lasts, rolls]), message);
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
        None if !fault.is_instant() => problem(
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

//! Checks across values: what types cannot say.
//!
//! Every check answers with a place and one sentence. The first problem found is the one
//! reported; the order is that of the tables in a file.

use std::collections::BTreeSet;

use toml::Spanned;

use super::bounds::{
    Checked, check_bounds, check_count, check_least, check_whole_ms, problem, time, written_place,
};
use super::fault::Fault;
use super::unit::{Duration, Share};
use super::workload::Workload;
use super::{
    Scenario, alert, check_fault, check_load, check_region, check_workload, hardware, limits,
    objectives, point,
};
use squall_check::CHECKS;
use squall_fault::FaultKind;
use squall_fault::kind::{Aim, Drawn};
use squall_history::Service;

pub(super) fn check(scenario: &Scenario) -> Checked {
    check_name(&scenario.name)?;
    check_must_judge(&scenario.must_judge)?;
    check_cluster(scenario)?;
    check_bounds(
        "latency",
        &scenario.network.latency,
        scenario.network.latency(),
        time,
    )?;
    check_region::check(scenario)?;
    check_bounds("sync", &scenario.disk.sync, scenario.disk.sync(), time)?;
    let offset = |offset: super::unit::Offset| format!("{}us", offset.0);
    check_bounds(
        "offset",
        &scenario.clock.offset,
        scenario.clock.offset(),
        offset,
    )?;
    let drift = |drift: super::unit::Drift| format!("{}ppm", drift.0);
    check_bounds(
        "drift",
        &scenario.clock.drift,
        scenario.clock.drift(),
        drift,
    )?;
    if let Some(hardware) = &scenario.hardware {
        hardware::check(hardware)?;
    }
    check_phases(scenario)?;
    check_probe(scenario)?;
    if scenario.workloads.is_empty() {
        return problem(
            0..0,
            "there is no [[workload]]: a run without load proves nothing",
        );
    }
    if let Some(system) = &scenario.system
        && system.get_ref().name.is_some() == system.get_ref().file.is_some()
    {
        return problem(system.span(), "[system] has `name` or `file`, one of both");
    }
    if !scenario.workloads.iter().any(|w| w.get_ref().is_enabled()) {
        return problem(
            0..0,
            "no [[workload]] is enabled: a run without load proves nothing",
        );
    }
    for workload in &scenario.workloads {
        check_workload::check(workload.get_ref())?;
    }
    check_capacity(scenario)?;
    check_load::check(scenario)?;
    for fault in &scenario.faults {
        check_fault::check(fault, scenario)?;
    }
    check_chaos(scenario)?;
    for point in &scenario.points {
        point::check(point, *scenario.cluster.nodes.get_ref() as usize)?;
    }
    let services = scenario.workloads.iter().map(|w| w.get_ref().service());
    let services: Vec<_> = services.collect();
    objectives::check(&scenario.objectives, &services)?;
    alert::check(&scenario.alerts, &services)
}

/// Every name is that of a property or of a check.
fn check_must_judge(must_judge: &[Spanned<String>]) -> Checked {
    let is_known = |id: &str| CHECKS.iter().any(|check| check.is_called(id));
    match must_judge.iter().find(|id| !is_known(id.get_ref())) {
        None => Ok(()),
        Some(id) => {
            let properties = CHECKS.iter().flat_map(|check| check.property.split(' '));
            let properties: BTreeSet<&str> = properties.collect();
            let properties: Vec<&str> = properties.into_iter().collect();
            let message = format!(
                "no property or check is called `{}`; properties are {}",
                id.get_ref(),
                properties.join(", ")
            );
            problem(id.span(), message)
        }
    }
}

fn check_chaos(scenario: &Scenario) -> Checked {
    let Some(chaos) = &scenario.chaos else {
        return Ok(());
    };
    let chaos = chaos.get_ref();
    check_bounds("gap", &chaos.gap, chaos.gap(), time)?;
    check_bounds("for", &chaos.lasts, chaos.lasts(), time)?;
    for (key, bounds, min) in [
        ("gap", &chaos.gap, chaos.gap().0),
        ("for", &chaos.lasts, chaos.lasts().0),
    ] {
        check_least(key, &Spanned::new(bounds.span(), min), Duration(10_000))?;
    }
    let Some(kinds) = &chaos.kinds else {
        return Ok(());
    };
    // With faults written out that keep to the budget, `[chaos]` may be there for it alone.
    let keeps_to_budget = |fault: &Spanned<Fault>| fault.get_ref().within_budget;
    if kinds.get_ref().is_empty() && !scenario.faults.iter().any(keeps_to_budget) {
        return problem(kinds.span(), "the list of kinds is empty");
    }
    for kind in kinds.get_ref() {
        let info = kind.get_ref().info();
        if info.aim == Aim::Spare && *scenario.cluster.spares.get_ref() == 0 {
            let message = format!("`{kind}` needs a machine to add: set `spares` in [cluster]");
            return problem(kind.span(), message);
        }
        if info.drawn == Drawn::Never {
            let alike = FaultKind::ALL.iter().map(|kind| kind.info());
            let alike = alike.filter(|other| other.recorded_as == *kind.get_ref());
            let drawn = alike.filter(|other| other.drawn != Drawn::Never);
            let drawn: Vec<&str> = drawn.map(|other| other.name).collect();
            let message = format!("`{kind}` is not drawn, but {} are", drawn.join(", "));
            return problem(kind.span(), message);
        }
    }
    Ok(())
}

fn check_name(name: &Spanned<String>) -> Checked {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let text = name.get_ref();
    if text.is_empty() || !text.chars().all(fits) {
        let message = format!("name `{text}`: expected lower-case letters, digits and hyphens");
        return problem(name.span(), message);
    }
    Ok(())
}

fn check_cluster(scenario: &Scenario) -> Checked {
    let cluster = &scenario.cluster;
    check_count("nodes", &cluster.nodes, 1, 64)?;
    check_count("spares", &cluster.spares, 0, 16)?;
    check_count(
        "snapshot_every",
        &cluster.snapshot_every,
        limits::FEWEST_BETWEEN_SNAPSHOTS,
        1_000_000_000,
    )?;
    check_count("cache_entries", &cluster.cache_entries, 1, 1_000_000_000)?;
    let (min, max) = cluster.election_timeout();
    let (heartbeat, election) = (&cluster.heartbeat, &cluster.election_timeout);
    check_least("heartbeat", heartbeat, Duration(1_000))?;
    check_whole_ms("heartbeat", heartbeat)?;
    for bound in [min, max] {
        check_whole_ms("election_timeout", &Spanned::new(election.span(), bound))?;
    }
    if min >= max {
        let (min, max) = (time(min), time(max));
        let message =
            format!("election_timeout: min {min} is not below max {max}, so votes would split");
        return problem(election.span(), message);
    }
    if heartbeat.get_ref().us() * 2 > min.us() {
        let (beat, min) = (time(*heartbeat.get_ref()), time(min));
        let message = format!("heartbeat {beat} is more than half of election_timeout min {min}");
        return problem(written_place(&[heartbeat.span(), election.span()]), message);
    }
    Ok(())
}

/// Refuses a cache smaller than what is asked of it, unless all who ask can bear to lose keys.
fn check_capacity(scenario: &Scenario) -> Checked {
    let workloads = scenario.workloads.iter().map(|workload| workload.get_ref());
    let caches: Vec<_> = workloads
        .filter(|w| w.service() == Service::Cache && w.is_enabled())
        .collect();
    let is_some =
        |share: &Option<Spanned<Share>>| share.as_ref().is_some_and(|s| s.get_ref().0 > 0);
    let used = |workload: &&Workload| {
        // Counters and keys with a lifetime are keys of their own.
        let own = u64::from(is_some(&workload.increments)) + u64::from(is_some(&workload.expiring));
        let inserts = workload
            .inserts
            .as_ref()
            .map_or(0, |inserts| *inserts.get_ref());
        workload.keys() * (1 + own) + inserts
    };
    let probed = match scenario.probe.enabled && !caches.is_empty() {
        true => limits::PROBED_KEYS,
        false => 0,
    };
    let keys = caches.iter().map(used).sum::<u64>() + probed;
    let entries = &scenario.cluster.cache_entries;
    let evicted = |workload: &&Workload| workload.evicted.as_ref().is_some_and(|e| *e.get_ref());
    let all_bear_it = caches.iter().all(evicted) && !scenario.probe.enabled;
    if keys <= *entries.get_ref() || all_bear_it {
        return Ok(());
    }
    let message = format!(
        "cache_entries {}: {keys} keys are in use, and those that make room would count as lost; \
         raise it, or say `evicted = true` in every cache workload and `enabled = false` in \
         [probe]",
        entries.get_ref()
    );
    problem(entries.span(), message)
}

fn check_phases(scenario: &Scenario) -> Checked {
    let phases = &scenario.phases;
    check_least("warmup", &phases.warmup, Duration(1_000_000))?;
    for (key, phase) in [
        ("chaos", &phases.chaos),
        ("converge", &phases.converge),
        ("serve", &phases.serve),
        ("audit", &phases.audit),
    ] {
        check_least(key, phase, Duration(1_000))?;
    }
    Ok(())
}

fn check_probe(scenario: &Scenario) -> Checked {
    let probe = &scenario.probe;
    check_least("every", &probe.every, Duration(1_000))?;
    check_least("timeout", &probe.timeout, Duration(1_000))?;
    let (every, idle) = (probe.every.get_ref(), probe.idle.get_ref());
    if every > idle {
        let message = format!("every {} is above idle {}", time(*every), time(*idle));
        return problem(
            written_place(&[probe.every.span(), probe.idle.span()]),
            message,
        );
    }
    Ok(())
}

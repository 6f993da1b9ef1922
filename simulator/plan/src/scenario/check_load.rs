//! Checks of `[[load]]` and `[stress]`.

use toml::Spanned;

use super::Scenario;
use super::bounds::{Checked, check_bounds, check_count, check_least, problem, time};
use super::load::{Levels, LoadStep, Stress};
use super::unit::{Duration, Rate};
use super::workload::Workload;
use squall_history::Service;

/// More users than this are no scenario but a mistake.
const MOST_USERS: u64 = 100_000;
/// A stress test has no more steps than this.
const MOST_STEPS: u64 = 1_000;

pub(super) fn check(scenario: &Scenario) -> Checked {
    check_compress(scenario)?;
    let by_users = match (&scenario.stress, scenario.load.first()) {
        (None, None) => return Ok(()),
        (Some(stress), Some(_)) => {
            let message = "a scenario has [[load]] or [stress], not both";
            return problem(stress.span(), message);
        }
        (Some(stress), None) => check_stress(stress.get_ref(), stress.span().start)?,
        (None, Some(_)) => check_steps(scenario)?,
    };
    if scenario.phases.chaos.span().end > 0 {
        let message = "the chaos phase is as long as the load: leave `chaos` out, or shorten \
                       the load with `compress`";
        return problem(scenario.phases.chaos.span(), message);
    }
    for workload in &scenario.workloads {
        check_workload(workload.get_ref(), by_users)?;
    }
    Ok(())
}

fn check_compress(scenario: &Scenario) -> Checked {
    let compress = &scenario.phases.compress;
    check_count("compress", compress, 1, 1_000)?;
    if *compress.get_ref() > 1 && scenario.load.is_empty() && scenario.stress.is_none() {
        return problem(
            compress.span(),
            "`compress` shortens a [[load]], and there is none",
        );
    }
    Ok(())
}

/// Whether the load is one of users.
fn check_steps(scenario: &Scenario) -> Result<bool, super::source::Problem> {
    let mut by_users = None;
    for (index, step) in scenario.load.iter().enumerate() {
        let place = step.span();
        let step = step.get_ref();
        let of_users = match (&step.users, &step.rate) {
            (Some(users), None) => {
                check_count("users", users, 1, MOST_USERS)?;
                true
            }
            (None, Some(_)) => false,
            _ => {
                let message = "a step of the load has `users` or `rate`";
                return problem(place, message).map(|()| false);
            }
        };
        if by_users
            .replace(of_users)
            .is_some_and(|before| before != of_users)
        {
            let message = "all steps of the load have `users`, or all have `rate`";
            return problem(place, message).map(|()| false);
        }
        if let (0, Some(ramp)) = (index, &step.ramp) {
            let message = "the first step has nothing to rise from: the warm-up is at its level";
            return problem(ramp.span(), message).map(|()| false);
        }
        if step.ramp() == Duration(0) && step.hold() == Duration(0) {
            let message = "a step of the load lasts: write `hold`, `ramp` or both";
            return problem(place, message).map(|()| false);
        }
        check_step(step, scenario)?;
    }
    Ok(by_users.unwrap_or(false))
}

fn check_step(step: &LoadStep, scenario: &Scenario) -> Checked {
    if let Some(think) = &step.think {
        if step.rate.is_some() {
            return problem(think.span(), "`think` is of users: a rate does not pause");
        }
        let bounds = think.get_ref().or((Duration(0), Duration(0)));
        check_bounds("think", think, bounds, time)?;
    }
    if let Some(burst) = &step.burst {
        if step.users.is_some() {
            return problem(burst.span(), "`burst` is of a rate");
        }
        let counts = burst.get_ref();
        if counts.min == 0 || counts.min > counts.max || counts.max > 100_000 {
            let message = "burst: expected 1 <= min <= max <= 100000";
            return problem(burst.span(), message);
        }
    }
    let named = scenario.named_workloads();
    for (name, weight) in &step.weights {
        if !named.iter().any(|(known, _)| known == name.get_ref()) {
            let known: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
            let known = known.join(", ");
            let message = format!("no workload `{}`; known: {known}", name.get_ref());
            return problem(name.span(), message);
        }
        check_count("weight", weight, 0, 1_000_000)?;
    }
    if step.shares(&named).sum::<u64>() == 0 {
        let place = step.weights.values().next().map_or(0..0, Spanned::span);
        return problem(place, "weights: nobody has any load");
    }
    Ok(())
}

/// Whether the load is one of users.
fn check_stress(stress: &Stress, start: usize) -> Result<bool, super::source::Problem> {
    let by_users = match (&stress.users, &stress.rate) {
        (Some(users), None) => {
            check_levels(users, |users: u64| users, MOST_USERS)?;
            true
        }
        (None, Some(rate)) => {
            check_levels(rate, |rate: Rate| rate.0, u64::MAX)?;
            false
        }
        _ => return problem(start..start, "stress has `users` or `rate`").map(|()| false),
    };
    for (key, time) in [("hold", &stress.hold), ("recover", &stress.recover)] {
        if let Some(time) = time {
            check_least(key, time, Duration(1_000_000))?;
        }
    }
    if stress.settle() >= stress.hold() {
        let place = stress.settle.as_ref().map_or(start..start, Spanned::span);
        return problem(place, "settle must be shorter than hold").map(|()| false);
    }
    let limits = stress.limits.get_ref();
    if limits.is_empty() {
        let message = "limits: nothing can break; write `error_rate`, `p99`, `unserved`, \
                       `memory` or `cpu`";
        return problem(stress.limits.span(), message).map(|()| false);
    }
    if limits.unserved.is_some() && by_users {
        let message = "limits: `unserved` is of a rate";
        return problem(stress.limits.span(), message).map(|()| false);
    }
    Ok(by_users)
}

fn check_levels<T: Copy>(
    levels: &Spanned<Levels<T>>,
    number: impl Fn(T) -> u64,
    most: u64,
) -> Checked {
    let Levels { from, by, to } = *levels.get_ref();
    let [from, by, to] = [from, by, to].map(number);
    if from == 0 || by == 0 || from > to || to > most {
        return problem(levels.span(), "expected 0 < from <= to, and by above 0");
    }
    if (to - from) / by >= MOST_STEPS {
        let message = format!("these are more than {MOST_STEPS} steps");
        return problem(levels.span(), message);
    }
    Ok(())
}

/// What would do nothing beside a load, or contradict it.
fn check_workload(workload: &Workload, by_users: bool) -> Checked {
    if let Some(rate) = &workload.rate {
        return problem(rate.span(), "`rate` is set by the load");
    }
    for (key, count) in [
        ("operations", &workload.operations),
        ("rounds", &workload.rounds),
    ] {
        if let Some(count) = count {
            let message = format!("`{key}` end a workload, but the load says how long it runs");
            return problem(count.span(), message);
        }
    }
    let (key, count) = match workload.service() {
        Service::Queue => ("producers", &workload.producers),
        _ => ("clients", &workload.clients),
    };
    if let (true, Some(count)) = (by_users, count) {
        let message = format!("the users of the load take the place of `{key}`");
        return problem(count.span(), message);
    }
    if let (false, Some(think)) = (by_users, &workload.think) {
        return problem(think.span(), "`think` is of users, but the load is a rate");
    }
    Ok(())
}

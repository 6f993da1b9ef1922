//! R4: after the last fault is over, every service that is asked acknowledges at a rate.
//!
//! Source: the minimum rate that etcd's robustness tests demand. At least
//! [`LEAST_RATE_PERCENT`] of the rate in the warm-up is asked for; one answered operation is no
//! service.
//!
//! Not checked: rates where the load has steps, whose levels differ, or where so few operations
//! were asked that they make no rate. There one acknowledged operation is enough.

use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::{EventKind, LoadEvent, Operation, PROBE, Phase, Service};

/// A service that acknowledges less of its rate in the warm-up is not served.
const LEAST_RATE_PERCENT: u64 = 10;
/// Fewer operations in the warm-up, or due after the heal at that rate, make no rate.
const LEAST_OF_A_RATE: u64 = 20;

/// Clients that asked for less time than this did so because they got no answers.
const SHORTEST_SERVE_US: u64 = 1_000_000;

pub(super) fn check(view: &View, judge: &mut Judge) {
    for service in view.services() {
        judge_service(view, judge, service);
    }
}

fn judge_service(view: &View, judge: &mut Judge, service: Service) {
    let of_phase = |phase| {
        let operations = view.operations.iter().filter(|o| o.action.is_remote());
        let operations = operations.filter(|o| o.action.service() == service);
        let operations = operations.filter(move |o| view.in_phase(o, phase));
        operations
            .filter(|o| o.outcome.is_some())
            .collect::<Vec<_>>()
    };
    let acknowledged = |operations: &[&Operation]| {
        let outcomes = operations.iter().filter_map(|o| o.outcome);
        outcomes.filter(|outcome| outcome.is_acknowledged()).count() as u64
    };
    let asked = of_phase(Phase::Serve);
    if asked.is_empty() {
        return;
    }
    judge.count_checked();
    let (name, served) = (service.name(), acknowledged(&asked));
    if served == 0 {
        let lines = asked.iter().map(|o| words::operation(o));
        judge.violation(
            format!("no {name} operation was served after the heal"),
            lines,
        );
        return;
    }
    // Probes ask at a pace of their own, which faults change.
    let of_workload = |phase| {
        let mut operations = of_phase(phase);
        operations.retain(|o| !o.client.starts_with(PROBE));
        operations
    };
    let before = acknowledged(&of_workload(Phase::Warmup));
    let asked = of_workload(Phase::Serve);
    let served = acknowledged(&asked);
    let waits = view.operations.iter().any(|o| {
        o.outcome.is_none() && o.action.service() == service && view.in_phase(o, Phase::Serve)
    });
    if !waits && served == asked.len() as u64 && stopped_early(view, &asked) {
        return;
    }
    let is_step = |kind: &EventKind| match kind {
        EventKind::Load { event } => matches!(event, LoadEvent::Step { .. }),
        _ => false,
    };
    let mut events = view.history.events.iter();
    let has_steps = events.any(|event| is_step(&event.kind));
    let lengths = length_us(view, Phase::Warmup).zip(served_us(view, &asked));
    let Some((warmup_us, serve_us)) = lengths.filter(|_| !has_steps && before >= LEAST_OF_A_RATE)
    else {
        return;
    };
    // As products, so that nothing is rounded.
    let due = u128::from(before) * u128::from(serve_us);
    if due < u128::from(LEAST_OF_A_RATE) * u128::from(warmup_us) {
        return;
    }
    let rate = u128::from(served) * u128::from(warmup_us) * 100;
    let least = due * u128::from(LEAST_RATE_PERCENT);
    if rate < least {
        let rate = |count: u64, us: u64| count.saturating_mul(1_000_000) / us.max(1);
        let (now, then) = (rate(served, serve_us), rate(before, warmup_us));
        let what = format!(
            "{name} operations were served at {now} a second after the heal, \
             and at {then} a second in the warm-up"
        );
        judge.violation(what, asked.iter().map(|o| words::operation(o)));
    }
}

fn length_us(view: &View, phase: Phase) -> Option<u64> {
    let index = view.phases.iter().position(|p| p.phase == phase)?;
    let end = view.phases.get(index + 1)?;
    Some(end.at_us - view.phases[index].at_us)
}

/// Whether the clients were done before the serve phase was half over: a workload with so many
/// operations asks no more once it has done them.
fn stopped_early(view: &View, asked: &[&Operation]) -> bool {
    let serve = view.phase(Phase::Serve).zip(length_us(view, Phase::Serve));
    let last_us = asked.iter().filter_map(|o| o.returned_us).max();
    serve.is_some_and(|(start, length_us)| {
        last_us.is_none_or(|last_us| last_us < start.at_us + length_us / 2)
    })
}

/// How long clients asked in the serve phase. It lasts until the last of them is done, who may
/// wait long for a last lock or message while the others ask nothing more.
fn served_us(view: &View, asked: &[&Operation]) -> Option<u64> {
    let start_us = view.phase(Phase::Serve)?.at_us;
    let length_us = length_us(view, Phase::Serve)?;
    let last_us = asked.iter().map(|o| o.invoked_us).max()?;
    Some((last_us - start_us).max(length_us.min(SHORTEST_SERVE_US)))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Phase;

    #[test]
    fn converged_but_not_serving() {
        let mut run = Run::new();
        run.phase(Phase::Heal)
            .phase(Phase::Converge)
            .phase(Phase::Serve);
        run.call("cache-1", get("k"), failed("no leader"));
        run.phase(Phase::Audit);
        fails(
            check,
            &run.end(),
            "no cache operation was served after the heal",
        );
    }

    #[test]
    fn one_answered_operation_is_no_rate() {
        let rate = |served: u64| {
            let mut run = Run::bare();
            run.phase(Phase::Warmup);
            for at_ms in 0..100 {
                run.at(at_ms * 10).call("cache-1", get("k"), absent());
            }
            run.at(1000).phase(Phase::Chaos).phase(Phase::Heal);
            run.phase(Phase::Converge).phase(Phase::Serve);
            for number in 0..served {
                run.at(1000 + number * 100)
                    .call("cache-1", get("k"), absent());
            }
            run.at(2000).phase(Phase::Audit);
            run.end()
        };
        fails(check, &rate(9), "served at 9 a second after the heal");
        passes(check, &rate(10));
    }

    /// So many operations as it was meant to do, and no more; but not one that hangs.
    #[test]
    fn workload_that_is_done_early_is_served_unless_one_waits() {
        let done = |hangs: bool| {
            let mut run = Run::bare();
            run.phase(Phase::Warmup);
            for number in 0..100 {
                run.at(number * 10).call("cache-1", get("k"), absent());
            }
            run.at(1000).phase(Phase::Chaos).phase(Phase::Heal);
            run.phase(Phase::Converge).phase(Phase::Serve);
            run.call("cache-1", get("k"), absent());
            if hangs {
                run.invoke("cache-1", get("k"));
            }
            run.at(2000).phase(Phase::Audit);
            run.end()
        };
        passes(check, &done(false));
        fails(check, &done(true), "served at 1 a second after the heal");
    }

    /// One client waits for a last lock long after all others were asked to stop.
    #[test]
    fn the_rate_counts_while_clients_ask() {
        let mut run = Run::bare();
        run.phase(Phase::Warmup);
        for at_ms in 0..100 {
            run.at(at_ms * 10)
                .call("lock-1", inspect("a"), line(&[], &[]));
        }
        run.at(1000).phase(Phase::Chaos).phase(Phase::Heal);
        run.phase(Phase::Converge).phase(Phase::Serve);
        for at_ms in 0..100 {
            run.at(1000 + at_ms * 10)
                .call("lock-1", inspect("a"), line(&[], &[]));
        }
        let wait = run.invoke("lock-2", acquire_waiting("a", 2, 20_000));
        run.at(21_000)
            .returns(wait, granted(10))
            .phase(Phase::Audit);
        passes(check, &run.end());
    }
}

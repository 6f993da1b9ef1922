//! R4: after the last fault is over, the cluster converges before the deadline, serves every
//! service and every client, and lets the audit finish: locks come free, queues drain, and
//! replicas reach the same index with all their members.
//!
//! Source: the liveness mode of TigerBeetle's VOPR (`src/vopr.zig`), in which every request
//! must complete, and the minimum rate that etcd's robustness tests demand. The harness times
//! the deadlines, which count from the planned end of the last fault, and records what was missed as a typed
//! event; each such event after the heal is a violation. Served is a client if one of its
//! operations in the serve phase was answered by the service, if only by a refusal that the
//! service's rules demand (a queue is full), and a service if it acknowledges at least
//! [`LEAST_RATE_PERCENT`] of its rate in the warm-up.
//!
//! Not checked: a client that asks once and gives up within a second, perhaps on a dead
//! connection; how long recovery took, which is measured, not judged; rates where the load
//! has steps, whose levels differ; and operations that never returned, unless the harness says
//! that their clients still wait.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::View;
use super::words::{self, seconds};
use squall_history::{EventKind, HarnessEvent, Operation, Outcome, PROBE, Phase, Service};

/// A service that acknowledges less of its rate in the warm-up is not served.
const LEAST_RATE_PERCENT: u64 = 10;
/// Fewer operations in the warm-up, or due after the heal at that rate, make no rate.
const LEAST_OF_A_RATE: u64 = 20;

/// Clients that asked for less time than this did so because they got no answers.
const SHORTEST_SERVE_US: u64 = 1_000_000;

pub(super) fn check(view: &View, judge: &mut Judge) {
    let converge = view.phases.iter().position(|p| p.phase == Phase::Converge);
    let Some(index) = converge else {
        judge.unknown("the history never reaches the converge phase".into());
        return;
    };
    judge.count_checked();
    judge_missed(view, judge);
    match view.phases.get(index + 1).map(|next| next.phase) {
        Some(Phase::Serve) => {}
        None => judge.unknown("the history is cut in the converge phase".into()),
        Some(_) if judge.has_violation() => {}
        Some(_) => {
            let start = view.phases[index];
            let line = format!("{} phase converge", seconds(start.at_us));
            judge.violation("did not converge".into(), [line]);
        }
    }
    for service in view.services() {
        judge_rate(view, judge, service);
    }
    judge_clients(view, judge);
}

/// Whatever the harness could not see through since the heal began.
fn judge_missed(view: &View, judge: &mut Judge) {
    let healing = view.phase(Phase::Heal).map_or(0, |heal| heal.pos);
    for event in &view.history.events[healing..] {
        let EventKind::Harness { event: missed } = &event.kind else {
            continue;
        };
        let what = match missed {
            HarnessEvent::Convergence { waited_us, state } => {
                let waited = seconds(*waited_us);
                format!("did not converge within {waited} of the last heal: {state}")
            }
            HarnessEvent::ClientsDone => "clients still wait for answers after the heal".into(),
            HarnessEvent::Audit { why } => format!("the audit did not finish: {why}"),
            HarnessEvent::Level { state } => format!("replicas did not level: {state}"),
            HarnessEvent::Membership { why } => format!("the members were not restored: {why}"),
            HarnessEvent::Undo { fault, why } => format!("fault {fault} was not undone: {why}"),
        };
        let line = format!("{} harness: {what}", seconds(event.at_us));
        let waiting = view
            .operations
            .iter()
            .filter(|_| *missed == HarnessEvent::ClientsDone);
        let waiting = waiting.filter(|o| o.invoked_us <= event.at_us);
        let waiting = waiting.filter(|o| o.returned_us.is_none_or(|at_us| at_us > event.at_us));
        let lines = [line].into_iter().chain(waiting.map(words::operation));
        judge.violation(what, lines.collect::<Vec<_>>());
    }
}

/// A service that is asked after the heal acknowledges at a rate.
fn judge_rate(view: &View, judge: &mut Judge, service: Service) {
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
    let has_steps = |kind: &EventKind| matches!(kind, EventKind::Load { .. });
    let has_steps = view
        .history
        .events
        .iter()
        .any(|event| has_steps(&event.kind));
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

/// Every client that asks after the heal is answered by the service it asks.
fn judge_clients(view: &View, judge: &mut Judge) {
    let mut clients: BTreeMap<(&str, Service), Vec<&Operation>> = BTreeMap::new();
    for operation in &view.operations {
        // One that never returned is of a client that vanished, as some are meant to.
        // Probes give up so early that a slow answer is none to them.
        let is_asked = operation.action.is_remote()
            && operation.outcome.is_some()
            && !operation.client.starts_with(PROBE);
        if is_asked && view.in_phase(operation, Phase::Serve) {
            let key = (operation.client, operation.action.service());
            clients.entry(key).or_default().push(operation);
        }
    }
    for ((client, service), operations) in clients {
        let is_answered = |o: &&Operation| o.outcome.is_some_and(Outcome::is_answer);
        let is_served = operations.iter().any(is_answered);
        if !is_served && gave_up_its_only_one(&operations) {
            judge.pass_over(|| format!("{client} asked once, and did not wait for an answer"));
            continue;
        }
        judge.count_checked();
        if !is_served {
            let name = service.name();
            judge.violation(
                format!("{client} was not served by the {name} service after the heal"),
                operations.into_iter().map(words::operation),
            );
        }
    }
}

/// One that asks once may do so on a connection whose other end has died in the meantime, and
/// not wait for an answer. Only one that asks again, or waits, can be served or not.
fn gave_up_its_only_one(operations: &[&Operation]) -> bool {
    let [only] = operations else { return false };
    let returned_us = only.returned_us.unwrap_or(u64::MAX);
    returned_us - only.invoked_us < SHORTEST_SERVE_US
        && matches!(only.outcome, Some(Outcome::Unknown { .. }))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{HarnessEvent, Phase};

    /// Up to the serve phase.
    fn healed() -> Run {
        let mut run = Run::new();
        run.phase(Phase::Heal)
            .phase(Phase::Converge)
            .phase(Phase::Serve);
        run
    }

    #[test]
    fn the_deadline_is_missed() {
        let mut run = Run::new();
        run.phase(Phase::Heal).phase(Phase::Converge).at(9000);
        let missed = HarnessEvent::Convergence {
            waited_us: 9_000_000,
            state: "node-3 is 40 entries behind".into(),
        };
        run.missed(missed).phase(Phase::End);
        fails(
            check,
            &run.cut(),
            "did not converge within 9.000000 s of the last heal: node-3 is 40 entries behind",
        );
    }

    #[test]
    fn a_slow_convergence_is_still_one() {
        let mut run = Run::new();
        run.phase(Phase::Heal).phase(Phase::Converge).at(9000);
        run.phase(Phase::Serve).phase(Phase::Audit);
        passes(check, &run.end());
    }

    #[test]
    fn converged_but_not_serving() {
        let mut run = healed();
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

    #[test]
    fn every_client_is_served() {
        let mut run = healed();
        run.call("cache-1", get("k"), absent());
        run.call("cache-2", get("k"), unknown());
        run.call("cache-2", get("k"), unknown());
        run.phase(Phase::Audit);
        fails(check, &run.end(), "cache-2 was not served by the cache");
    }

    /// As of a client that reads its near copies, and meets a dead connection the one time that
    /// it has to ask; but not of one that waits in vain.
    #[test]
    fn one_lost_connection_is_not_yet_unserved() {
        let asked_once = |waits_ms: u64| {
            let mut run = healed();
            run.call("cache-1", get("k"), absent());
            let only = run.invoke("cache-2", get("k"));
            run.at(waits_ms).returns(only, unknown());
            run.phase(Phase::Audit);
            run.end()
        };
        passes(check, &asked_once(10));
        fails(
            check,
            &asked_once(1_100),
            "cache-2 was not served by the cache",
        );
    }

    /// A refusal by the service's rules is an answer.
    #[test]
    fn a_client_that_is_refused_or_vanished_is_not_unserved() {
        let mut run = healed();
        run.call(
            "queue-1",
            publish("q", "m1"),
            failed("QueueFull { depth: 9 }"),
        );
        run.call("queue-2", receive("q"), nothing());
        run.call("lock-1", acquire("a", 1), granted(10));
        run.invoke("lock-2", acquire_waiting("a", 2, 500));
        run.phase(Phase::Audit);
        passes(check, &run.end());
    }

    #[test]
    fn what_the_harness_could_not_see_through() {
        let state = || "node-2 applied 7".to_owned();
        let why = || "queue q could not be drained in time".to_owned();
        let cases = [
            (HarnessEvent::ClientsDone, "clients still wait for answers"),
            (
                HarnessEvent::Audit { why: why() },
                "the audit did not finish: queue q",
            ),
            (
                HarnessEvent::Level { state: state() },
                "replicas did not level: node-2",
            ),
            (
                HarnessEvent::Membership { why: why() },
                "members were not restored",
            ),
            (
                HarnessEvent::Undo {
                    fault: 3,
                    why: why(),
                },
                "fault 3 was not undone",
            ),
        ];
        for (missed, what) in cases {
            let mut run = Run::new();
            run.audit().missed(missed.clone());
            fails(check, &run.end(), what);
        }
    }

    /// The harness tries again when the faults are over.
    #[test]
    fn what_failed_while_faults_were_in_force_is_no_failure_of_recovery() {
        let mut run = Run::new();
        let why = "node-3 could not be added in time".into();
        run.missed(HarnessEvent::Membership { why });
        passes(check, &run.end());
    }

    #[test]
    fn one_failure_is_none_of_the_service() {
        let mut run = healed();
        run.call("cache-1", get("k"), failed("no leader"));
        run.call("cache-1", get("k"), absent());
        run.phase(Phase::Audit);
        passes(check, &run.end());
    }

    #[test]
    fn a_history_that_stops_while_converging() {
        let mut run = Run::new();
        run.phase(Phase::Heal).phase(Phase::Converge);
        cannot_tell(check, &run.cut(), "cut");
    }
}

//! R4: after the last fault is over, every client that asks is answered by the service it asks.
//!
//! Source: the liveness mode of TigerBeetle's VOPR (`src/vopr.zig`). One answered operation of
//! the serve phase is enough, if only by a refusal that the service's rules demand (a queue is
//! full): how fast it is, `services_served` judges of all clients together.
//!
//! Not checked: operations whose client hung up on purpose; a client that asks once and gives up within [`PATIENCE_US`], perhaps on a dead
//! connection, and clients that vanished before they were answered.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::{Operation, Outcome, PROBE, Phase, Service};

/// Who gives up its only attempt before this has not asked in earnest.
const PATIENCE_US: u64 = 1_000_000;

pub(super) fn check(view: &View, judge: &mut Judge) {
    let mut clients: BTreeMap<(&str, Service), Vec<&Operation>> = BTreeMap::new();
    for operation in &view.operations {
        // One that never returned is of a client that vanished, as some are meant to.
        // Probes give up so early that a slow answer is none to them.
        let is_asked = operation.action.is_remote()
            && operation
                .outcome
                .is_some_and(|outcome| !outcome.is_unheard())
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
    returned_us - only.invoked_us < PATIENCE_US
        && matches!(only.outcome, Some(Outcome::Unknown { .. }))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Phase;

    /// Up to the serve phase.
    fn healed() -> Run {
        let mut run = Run::new();
        run.phase(Phase::Heal)
            .phase(Phase::Converge)
            .phase(Phase::Serve);
        run
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

    /// A worker that hangs up while it waits was not denied anything.
    #[test]
    fn a_client_that_hangs_up_is_not_unserved() {
        let mut run = healed();
        run.call("cache-1", get("k"), absent());
        let waiting = run.invoke("cache-worker-1", list_wait("l", 5_000));
        run.at(4_000)
            .returns(waiting, squall_history::Outcome::not_awaited());
        run.phase(Phase::Audit);
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
}

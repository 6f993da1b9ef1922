//! Mistakes that checkers make, each with a history on which the mistake shows.
//!
//! A check with one of them would report a violation where there is none, or pass what it has
//! not seen. The histories are judged by all checks together, as a run is.

use super::testing::*;
use super::{CheckResult, Verdict, check_all};
use squall_history::Outcome::{NotHeld, Published, Released};
use squall_history::{FaultStatus, History, NodeEvent, Phase};

fn verdict(results: &[CheckResult], name: &str) -> Verdict {
    let found = results.iter().find(|result| result.name == name);
    found.expect("a check of that name").verdict
}

#[track_caller]
fn nothing_fails(history: &History) {
    let results = check_all(history);
    let failed = results
        .iter()
        .find(|result| result.verdict == Verdict::Fail);
    assert_eq!(failed, None);
}

/// Taken for failed, the write that came through would be a value from nowhere, and the
/// message one that nobody published.
#[test]
fn an_unknown_outcome_is_no_failure() {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), unknown());
    run.call("cache-1", get("k"), value("a", 5));
    run.call("queue-1", publish("q", "m1"), unknown());
    run.call("queue-2", receive("q"), received(1, 1, 1));
    run.call("lock-1", acquire("a", 1), granted(10));
    run.call("lock-1", release("a", 1, 10), unknown());
    run.call("lock-2", acquire("a", 2), granted(20));
    run.call("cache-2", increment("n", 1), unknown());
    run.audit().call("audit", get("k"), value("a", 5));
    run.call("audit", get("n"), value("1", 30));
    nothing_fails(&run.end());
}

/// Taken for acknowledged, the write would be lost, the message too, and the count short.
#[test]
fn an_unknown_outcome_is_no_acknowledgement() {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), unknown());
    run.call("queue-1", publish("q", "m1"), Published { id: 1 });
    run.call("queue-2", receive("q"), received(1, 1, 1));
    run.call("queue-2", ack("q", "m1", 1), unknown()).at(900);
    run.call("queue-2", receive("q"), received(1, 2, 2));
    run.call("queue-2", ack("q", "m1", 2), settled());
    run.call("queue-1", publish("q", "m2"), unknown());
    run.call("cache-2", increment("n", 1), unknown());
    run.audit().call("audit", get("k"), absent());
    run.call("audit", get("n"), absent());
    run.call("audit", receive("q"), nothing());
    nothing_fails(&run.end());
}

/// The message may still be in the queue, or may not: only an empty receive can tell.
#[test]
fn a_queue_that_was_not_drained_proves_nothing() {
    let mut run = Run::new();
    run.call("queue-1", publish("q", "m1"), Published { id: 1 });
    run.audit();
    let results = check_all(&run.end());
    assert_eq!(verdict(&results, "queue_conservation"), Verdict::Unknown);
}

/// By the clients' clocks both hold it from 1 to 3 s. The first one's session had expired,
/// as it learns in the end; the log was never wrong.
#[test]
fn two_who_believe_to_hold_a_lock_are_no_violation() {
    let mut run = Run::new();
    run.call("lock-1", open(1000), opened(1));
    run.call("lock-1", acquire("a", 1), granted(10)).at(1500);
    run.call("lock-2", acquire("a", 2), granted(20)).at(3000);
    run.call("lock-1", release("a", 1, 10), NotHeld);
    run.call("lock-2", release("a", 2, 20), Released);
    nothing_fails(&run.end());
}

#[test]
fn a_history_cut_at_the_end_of_the_faults_proves_nothing() {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), stored(5));
    run.phase(Phase::Heal).phase(Phase::End);
    for result in &check_all(&run.cut())[1..] {
        assert_eq!(result.verdict, Verdict::Unknown, "{result:?}");
    }
}

#[test]
fn an_injector_that_does_nothing_proves_nothing() {
    let started = NodeEvent::Started {
        last_log: 0,
        applied: 0,
    };
    let mut run = Run::new();
    run.node("node-1", started).at(5);
    run.fault("kill", "node-1", FaultStatus::Installed).at(9);
    run.fault("kill", "node-1", FaultStatus::Healed);
    let results = check_all(&run.end());
    assert_eq!(verdict(&results, "faults"), Verdict::Unknown);
}

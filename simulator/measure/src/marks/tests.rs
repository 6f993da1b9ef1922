//! Each mark is met by a history made for it, and none by a history without trouble.

use std::collections::BTreeMap;

use crate::measure;
use crate::testing::{Script, get, unknown, value};
use squall_history::{Action, Delivered, History, NodeEvent, Outcome, Phase};

/// The marks that a history meets.
fn met(history: &History) -> BTreeMap<String, u64> {
    let marks = measure(history).marks.into_iter();
    marks.filter(|(_, times)| *times > 0).collect()
}

/// Three nodes, `node-1` leading from the beginning.
fn formed() -> Script {
    let mut script = Script::new();
    script.phase(0, Phase::Warmup);
    for node in ["node-1", "node-2", "node-3"] {
        started(&mut script, 0, node);
    }
    script.leader(10, node(1), 1, 20).phase(1_000, Phase::Chaos);
    script
}

fn node(number: usize) -> &'static str {
    ["node-1", "node-2", "node-3"][number - 1]
}

fn started(script: &mut Script, at_us: u64, node: &str) {
    let event = NodeEvent::Started {
        last_log: 0,
        applied: 0,
    };
    script.node(at_us, node, event);
}

fn stopped(script: &mut Script, at_us: u64, node: &str) {
    let why = "killed".into();
    script.node(at_us, node, NodeEvent::Stopped { why });
}

fn candidate(script: &mut Script, at_us: u64, node: &str, term: u64) {
    let event = NodeEvent::Election {
        term,
        pre_vote: false,
    };
    script.node(at_us, node, event);
}

fn publish(value: &str) -> Action {
    Action::Publish {
        queue: "q".into(),
        value: value.into(),
        bytes: 1,
    }
}

fn receive() -> Action {
    Action::Receive {
        queue: "q".into(),
        max: 1,
        visibility_ms: 1,
        wait_ms: 0,
    }
}

fn delivery(deliveries: u32) -> Outcome {
    let message = Delivered {
        id: 1,
        receipt: deliveries.into(),
        deliveries,
        value: "m".into(),
    };
    Outcome::Received {
        messages: vec![message],
    }
}

#[test]
fn a_quiet_run_meets_no_mark() {
    let mut script = formed();
    script
        .gets(1_100, 9_000, 100, 50)
        .phase(9_500, Phase::Audit);
    assert_eq!(met(&script.end(10_000)), BTreeMap::new());
}

#[test]
fn elections_that_nobody_wins_are_split_votes() {
    let mut script = formed();
    stopped(&mut script, 2_000, node(1));
    for (at_us, number) in [(2_300, 2), (2_310, 3)] {
        candidate(&mut script, at_us, node(number), 2);
        candidate(&mut script, at_us + 300, node(number), 3);
    }
    script.leader(2_700, node(2), 3, 2_800);
    let met = met(&script.end(9_000));
    assert_eq!((met["split_vote"], met["rivals_for_a_term"]), (1, 1));
    assert_eq!(met["leader_lost_without_fault"], 1);
}

#[test]
fn leaders_that_overlap_return_or_never_commit() {
    let mut script = formed();
    // node-1 is cut off and does not notice; node-2 is lost before it commits.
    script.fault(0, "isolate", &["node-1"], 2_000, Some(5_000));
    script.node(2_400, node(2), NodeEvent::Leader { term: 2 });
    stopped(&mut script, 2_500, node(2));
    script.fault(1, "kill", &["node-2"], 2_500, Some(4_000));
    started(&mut script, 4_000, node(2));
    script.leader(4_500, node(2), 3, 4_600);
    let met = met(&script.end(9_000));
    assert_eq!(met["two_leaders_at_once"], 1);
    assert_eq!(met["leader_lost_before_first_commit"], 1);
    assert_eq!(met["leader_reelected"], 1);
    assert_eq!(met["overlapping_faults"], 1);
    assert_eq!(met["restart_without_leader"], 1);
    assert_eq!(met["fault_without_leader"], 1);
    assert!(!met.contains_key("leader_lost_without_fault"));
    assert!(!met.contains_key("quorum_down"));
}

#[test]
fn an_instant_fault_hides_no_later_loss_and_overlaps_no_later_fault() {
    let lost_at = |at_us: u64| {
        let mut script = formed();
        script.fault(0, "client_crash", &["cache-1"], 2_000, None);
        script.fault(1, "latency", &["node-1->node-2"], 3_000, Some(3_500));
        stopped(&mut script, at_us, node(1));
        script.leader(at_us + 500, node(2), 2, at_us + 600);
        met(&script.end(at_us + 1_000_000))
    };
    let late = lost_at(20_000_000);
    assert_eq!(late["leader_lost_without_fault"], 1);
    assert!(!late.contains_key("overlapping_faults"));
    let soon = lost_at(4_000);
    assert!(!soon.contains_key("leader_lost_without_fault"));
}

#[test]
fn a_transfer_answers_for_the_leader_that_it_replaced() {
    let mut script = formed();
    script.leader(5_000_000, node(2), 2, 5_100_000);
    script.fault(0, "transfer", &["node-2"], 4_950_000, None);
    assert!(!met(&script.end(9_000_000)).contains_key("leader_lost_without_fault"));
}

#[test]
fn processes_that_are_too_few_are_counted_once() {
    let mut script = formed();
    for number in [1, 2, 3] {
        stopped(&mut script, 2_000 + number as u64, node(number));
        started(&mut script, 3_000 + number as u64, node(number));
    }
    let met = met(&script.end(9_000));
    assert_eq!((met["quorum_down"], met["cluster_down"]), (1, 1));
}

#[test]
fn a_leader_may_be_elected_while_a_snapshot_is_in_flight() {
    let snapshot = NodeEvent::SnapshotInstalled { term: 1, index: 50 };
    let mut script = formed();
    script.fault(0, "kill", &["node-3"], 2_000, Some(3_000));
    script.node(2_500, node(1), NodeEvent::Snapshot { term: 1, index: 50 });
    started(&mut script, 3_000, node(3));
    script.leader(3_500, node(2), 2, 3_600);
    script.node(4_000, node(3), snapshot.clone());
    // A second transfer, long after the election.
    started(&mut script, 5_000, node(3));
    script.node(6_000, node(3), snapshot);
    let met = met(&script.end(9_000));
    assert_eq!(met["snapshot_installed"], 2);
    assert_eq!(met["snapshot_under_fault"], 1);
    assert_eq!(met["leader_elected_during_snapshot_transfer"], 1);
}

/// `node-1` leads until 2 ms, `node-2` from 2.5 ms on.
fn failover() -> Script {
    let mut script = formed();
    stopped(&mut script, 2_000, node(1));
    script.leader(2_500, node(2), 2, 2_600);
    script
}

#[test]
fn operations_locks_and_messages_may_span_a_failover() {
    let mut script = failover();
    let acquire = Action::Acquire {
        name: "l".into(),
        session: 7,
        shared: false,
        wait_ms: 0,
    };
    let release = Action::Release {
        name: "l".into(),
        session: 7,
        token: 1,
    };
    script.op(1_500, acquire, Some((1_600, Outcome::Granted { token: 1 })));
    script.op(2_700, release, Some((2_800, Outcome::Released)));
    script.op(1_900, get("k"), Some((2_900, value(None, 0))));
    script.op(1_500, receive(), Some((1_600, delivery(1))));
    script.op(4_000, receive(), Some((4_100, delivery(2))));
    let met = met(&script.end(9_000));
    assert_eq!(met["lock_held_across_failover"], 1);
    assert_eq!(met["operation_across_failover"], 1);
    assert_eq!(met["message_redelivered"], 1);
    assert_eq!(met["message_redelivered_across_failover"], 1);
}

#[test]
fn a_session_that_is_gone_without_a_failover_does_not_count() {
    let expired_at = |at_us: u64| {
        let mut script = failover();
        let opened = Outcome::Session { session: 7 };
        script.op(
            1_200,
            Action::OpenSession { ttl_ms: 1 },
            Some((1_300, opened)),
        );
        let keep = Action::KeepAlive { session: 7 };
        script.op(at_us, keep, Some((at_us + 10, Outcome::NotHeld)));
        met(&script.end(9_000)).contains_key("session_expired_during_failover")
    };
    assert!(expired_at(3_000));
    assert!(!expired_at(1_800));
}

#[test]
fn writes_without_an_answer_may_have_taken_effect_or_not() {
    let mut script = formed();
    script.op(2_000, publish("m"), Some((3_000, unknown())));
    script.op(2_000, publish("lost"), None);
    script.op(4_000, receive(), Some((4_100, delivery(1))));
    script.phase(8_000, Phase::Audit);
    let met = met(&script.end(9_000));
    assert_eq!(met["unknown_write_took_effect"], 1);
    assert_eq!(met["unknown_publish_left_no_trace"], 1);
}

#[test]
fn answers_that_say_no_are_counted() {
    let mut script = formed();
    for outcome in [
        Outcome::NotGranted,
        Outcome::Settled { valid: false },
        Outcome::Mismatch,
    ] {
        script.op(2_000, get("k"), Some((2_100, outcome)));
    }
    let met = met(&script.end(9_000));
    let names = [
        "lock_wait_timed_out",
        "late_ack_refused",
        "compare_and_set_lost",
    ];
    assert_eq!(names.map(|name| met[name]), [1, 1, 1]);
}

#[test]
fn every_service_is_down_only_when_all_that_were_asked_are() {
    let down = |with_queue: bool| {
        let mut script = Script::new();
        let second = 1_000_000;
        script.phase(0, Phase::Warmup).phase(second, Phase::Chaos);
        script.gets(0, 2 * second, 20_000, 4_000);
        script.op(2 * second, get("k"), Some((3 * second, unknown())));
        script.gets(3 * second, 5 * second, 20_000, 4_000);
        if with_queue {
            for at_us in (0..5 * second).step_by(20_000) {
                let published = Outcome::Published { id: at_us };
                script.op(
                    at_us,
                    publish(&at_us.to_string()),
                    Some((at_us + 4_000, published)),
                );
            }
        }
        met(&script.end(6 * second)).contains_key("every_service_down")
    };
    assert!(down(false));
    assert!(!down(true));
}

#[test]
fn names_are_unique_and_explained() {
    let mut names: Vec<_> = super::all().map(|mark| mark.name).collect();
    assert!(super::all().all(|mark| !mark.about.is_empty()));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 12);
}

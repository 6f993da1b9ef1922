//! Elections of hand-built histories: who is charged with a lost leader, and how much.

use super::*;
use crate::causes::causes;
use crate::faults::spans;
use crate::testing::Script;
use squall_history::History;

const SECOND: u64 = 1_000_000;

/// Detection, election and new leader of each fault; `None` where it cost no leader.
type Seen = Option<(Option<u64>, Option<u64>, Option<String>)>;

fn seen(history: &History) -> Vec<Seen> {
    let (timeline, spans) = (Timeline::of(history), spans(history));
    elections(&timeline, &spans, &causes(&timeline, &spans))
        .into_iter()
        .map(|e| e.map(|e| (e.detected_us, e.elected_us, e.new_leader.map(|l| l.node))))
        .collect()
}

fn change(detected_us: u64, elected_us: u64, leader: &str) -> Seen {
    Some((Some(detected_us), Some(elected_us), Some(leader.into())))
}

fn stopped() -> NodeEvent {
    NodeEvent::Stopped {
        why: "killed".into(),
    }
}

fn started() -> NodeEvent {
    NodeEvent::Started {
        last_log: 20,
        applied: 20,
    }
}

/// node-1 leads term 1 from the start.
fn script() -> Script {
    let mut script = Script::new();
    script.leader(0, "node-1", 1, 10);
    script
}

#[test]
fn a_killed_leader_is_detected_and_replaced() {
    let mut script = script();
    script.fault(0, "kill", &["node-1", "node-4"], SECOND, Some(11 * SECOND));
    script.node(SECOND, "node-1", stopped());
    script.election(SECOND + 400_000, "node-4", 1);
    script.election(SECOND + 450_000, "node-2", 1);
    script.leader(SECOND + 800_000, "node-2", 2, SECOND + 900_000);
    assert_eq!(
        seen(&script.end(20 * SECOND)),
        [change(450_000, 900_000, "node-2")]
    );
}

#[test]
fn an_instant_fault_answers_for_no_leader_lost_much_later() {
    let mut script = script();
    script.fault(0, "client_crash", &["cache-1"], SECOND, None);
    script.node(9 * SECOND, "node-1", stopped());
    script.election(9 * SECOND + 400_000, "node-2", 1);
    script.leader(9 * SECOND + 800_000, "node-2", 2, 9 * SECOND + 900_000);
    assert_eq!(seen(&script.end(20 * SECOND)), [None]);
}

#[test]
fn a_killed_follower_costs_no_leader() {
    let mut script = script();
    script.fault(0, "kill", &["node-2"], SECOND, Some(2 * SECOND));
    script.election(2 * SECOND, "node-2", 1);
    assert_eq!(seen(&script.end(20 * SECOND)), [None]);
}

#[test]
fn a_fault_in_leaderless_time_is_charged_with_nothing() {
    let mut script = script();
    script.fault(0, "kill", &["node-1"], SECOND, None);
    script.node(SECOND, "node-1", stopped());
    script.fault(1, "kill", &["node-3"], SECOND + 400_000, None);
    script.election(SECOND + 500_000, "node-2", 1);
    script.leader(SECOND + 800_000, "node-2", 2, SECOND + 900_000);
    assert_eq!(
        seen(&script.end(20 * SECOND)),
        [change(500_000, 900_000, "node-2"), None]
    );
}

#[test]
fn an_election_cut_short_counts_for_both_faults() {
    let mut script = script();
    script.fault(0, "kill", &["node-1"], SECOND, None);
    script.election(SECOND + 300_000, "node-2", 1);
    script.node(SECOND + 500_000, "node-2", NodeEvent::Leader { term: 2 });
    script.fault(1, "kill", &["node-2"], SECOND + 600_000, None);
    script.node(SECOND + 600_000, "node-2", stopped());
    script.election(SECOND + 900_000, "node-3", 2);
    script.leader(2 * SECOND, "node-3", 3, 2 * SECOND + 100_000);
    let expected = [
        change(300_000, 1_100_000, "node-3"),
        change(300_000, 500_000, "node-3"),
    ];
    assert_eq!(seen(&script.end(20 * SECOND)), expected);
}

#[test]
fn the_earliest_silencing_fault_is_the_cause_and_a_mere_slow_link_is_not() {
    let mut script = script();
    script.fault(0, "link", &["node-1->node-2"], SECOND, None);
    script.fault(1, "pause", &["node-1"], 2 * SECOND, None);
    script.fault(2, "kill", &["node-1"], 2 * SECOND + 100_000, None);
    script.node(2 * SECOND + 100_000, "node-1", stopped());
    script.election(2 * SECOND + 300_000, "node-2", 1);
    script.leader(2 * SECOND + 400_000, "node-2", 2, 2 * SECOND + 500_000);
    let expected = [None, change(300_000, 500_000, "node-2"), None];
    assert_eq!(seen(&script.end(20 * SECOND)), expected);
}

#[test]
fn a_short_pause_answers_for_the_election_right_after_it_only() {
    for (late_us, expected) in [
        (100_000, change(550_000, 600_000, "node-2")),
        (3 * SECOND, None),
    ] {
        let mut script = script();
        script.fault(0, "pause", &["node-1"], SECOND, Some(SECOND + 500_000));
        let at_us = SECOND + 500_000 + late_us;
        script.election(at_us - 50_000, "node-2", 1);
        script.leader(at_us - 20_000, "node-2", 2, at_us);
        assert_eq!(seen(&script.end(20 * SECOND)), [expected]);
    }
}

#[test]
fn with_all_nodes_down_detection_is_the_first_election_of_a_restarted_node() {
    let mut script = script();
    script.fault(
        0,
        "power_loss",
        &["node-1", "node-2", "node-3"],
        SECOND,
        Some(6 * SECOND),
    );
    for node in ["node-1", "node-2", "node-3"] {
        script.node(SECOND, node, stopped());
    }
    script.node(5 * SECOND + 500_000, "node-1", started());
    script.election(5 * SECOND + 900_000, "node-1", 1);
    script.leader(6 * SECOND, "node-1", 2, 6 * SECOND + 200_000);
    assert_eq!(
        seen(&script.end(20 * SECOND)),
        [change(4_900_000, 5_200_000, "node-1")]
    );
}

#[test]
fn a_cut_off_node_that_campaigns_all_along_detects_nothing() {
    let mut script = script();
    script.fault(0, "isolate", &["node-5"], SECOND, None);
    for at_us in [1_500_000, 2_000_000, 2_500_000, 3_050_000] {
        script.election(at_us, "node-5", 1);
    }
    script.election(2_900_000, "node-4", 1);
    script.fault(1, "kill", &["node-1"], 3 * SECOND, None);
    script.election(3_060_000, "node-4", 1);
    script.election(3_400_000, "node-2", 1);
    script.leader(3_600_000, "node-2", 2, 3_700_000);
    assert_eq!(
        seen(&script.end(20 * SECOND)),
        [None, change(400_000, 700_000, "node-2")]
    );
}

#[test]
fn a_handover_before_a_stop_is_asked_for_is_not_its_own_and_one_after_it_is() {
    let mut before = script();
    before.leader(SECOND - 20_000, "node-2", 2, SECOND - 10_000);
    before.fault(0, "stop", &["node-1"], SECOND, None);
    assert_eq!(seen(&before.end(20 * SECOND)), [None]);

    let mut after = script();
    after.fault(0, "stop", &["node-1"], SECOND, None);
    after.election(SECOND + 5_000, "node-2", 1);
    after.leader(SECOND + 10_000, "node-2", 2, SECOND + 15_000);
    assert_eq!(
        seen(&after.end(20 * SECOND)),
        [change(5_000, 15_000, "node-2")]
    );
}

#[test]
fn a_leader_never_replaced_is_detected_but_not_elected() {
    let mut script = script();
    script.fault(0, "kill", &["node-1", "node-2"], SECOND, None);
    script.node(SECOND, "node-1", stopped());
    script.election(SECOND + 400_000, "node-3", 1);
    assert_eq!(
        seen(&script.end(20 * SECOND)),
        [Some((Some(400_000), None, None))]
    );
}

#[test]
fn a_lost_quorum_is_charged_to_the_last_fault_that_made_it() {
    let mut script = script();
    script
        .node(0, "node-2", started())
        .node(0, "node-3", started());
    script.fault(0, "kill", &["node-2"], SECOND, None);
    script.fault(1, "kill", &["node-3"], 2 * SECOND, Some(4 * SECOND));
    script.node(
        2 * SECOND + 600_000,
        "node-1",
        NodeEvent::Follower {
            term: 1,
            leader: None,
        },
    );
    script.election(2 * SECOND + 700_000, "node-1", 1);
    script.leader(4 * SECOND + 100_000, "node-1", 2, 4 * SECOND + 200_000);
    let expected = [None, change(700_000, 2_200_000, "node-1")];
    assert_eq!(seen(&script.end(20 * SECOND)), expected);
}

#[test]
fn each_turn_of_a_rolling_restart_has_its_own_election() {
    let mut script = script();
    let mut turn = |at_us: u64, old: &str, new: &str, term: u64| {
        script.fault(0, "rolling_restart", &[old], at_us, Some(at_us + SECOND));
        script.election(at_us + 20_000, new, term);
        script.leader(at_us + 40_000, new, term, at_us + 70_000);
        script.node(at_us + 100_000, old, stopped());
        script.node(at_us + SECOND, old, started());
    };
    turn(SECOND, "node-1", "node-2", 2);
    turn(3 * SECOND, "node-2", "node-3", 3);
    script.fault(0, "rolling_restart", &["node-4"], 5 * SECOND, None);
    let expected = [
        change(20_000, 70_000, "node-2"),
        change(20_000, 70_000, "node-3"),
        None,
    ];
    assert_eq!(seen(&script.end(20 * SECOND)), expected);
}

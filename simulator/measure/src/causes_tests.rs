//! Which fault took a leader away, of hand-built histories.

use super::*;
use crate::faults::spans;
use crate::testing::Script;

const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;

/// node-1 leads term 1 from the start, and node-2 term 2 from the time given.
fn led_anew(at_us: u64) -> Script {
    let mut script = Script::new();
    script.leader(0, "node-1", 1, 10);
    script.leader(at_us, "node-2", 2, at_us + 10 * MS);
    script
}

/// What the first leader was lost to: which fault, and when it took effect.
fn first(script: &mut Script) -> Option<(usize, u64)> {
    let history = script.end(60 * SECOND);
    let causes = causes(&Timeline::of(&history), &spans(&history));
    causes[0].map(|cause| (cause.span, cause.at_us))
}

fn stopped() -> NodeEvent {
    NodeEvent::Stopped {
        why: "failed sync".into(),
    }
}

#[test]
fn a_transfer_answers_for_the_change_to_its_node_and_no_other() {
    let transfer = |to: &str, at_us: u64, next_us: u64| {
        let mut script = led_anew(next_us);
        script.fault(0, "transfer", &[to], at_us, None);
        first(&mut script)
    };
    let own = transfer("node-2", SECOND, SECOND + 40 * MS);
    assert_eq!(own, Some((0, SECOND)));
    assert_eq!(transfer("node-3", SECOND, SECOND + 40 * MS), None);
    assert_eq!(transfer("node-2", SECOND, 17 * SECOND), None, "too late");
}

#[test]
fn a_clock_that_jumps_and_clients_that_vanish_take_no_leader_away() {
    for (kind, target) in [
        ("clock_jump", "node-1"),
        ("clock_offset", "node-1"),
        ("client_crash", "cache-1"),
        ("add_member", "node-4"),
    ] {
        let mut script = led_anew(SECOND + 500 * MS);
        script.fault(0, kind, &[target], SECOND, None);
        assert_eq!(first(&mut script), None, "{kind}");
    }
}

#[test]
fn a_fault_of_another_node_takes_no_leader_away() {
    let mut script = led_anew(SECOND + 500 * MS);
    script.fault(0, "kill", &["node-3"], SECOND, None);
    script.node(0, "node-3", NodeEvent::Leader { term: 0 });
    script.node(0, "node-4", NodeEvent::Leader { term: 0 });
    assert_eq!(first(&mut script), None);
}

#[test]
fn what_ends_a_process_takes_effect_when_it_ended() {
    let mut script = led_anew(SECOND + 500 * MS);
    script.node(SECOND, "node-1", stopped());
    script.fault(0, "failing_sync", &["node-1"], SECOND + 8 * MS, None);
    assert_eq!(first(&mut script), Some((0, SECOND)));
}

#[test]
fn a_removed_leader_was_taken_away() {
    let mut script = led_anew(SECOND + 500 * MS);
    script.fault(0, "remove_member", &["node-1"], SECOND, None);
    assert_eq!(first(&mut script), Some((0, SECOND)));
}

#[test]
fn a_partition_takes_leaders_only_from_the_side_it_cuts_off() {
    let all = ["node-1", "node-2", "node-3", "node-4", "node-5"];
    let partition = |cut_off: &[&str]| {
        let mut script = led_anew(3 * SECOND);
        script.partition(&all, cut_off, SECOND, Some(9 * SECOND));
        script.fault(1, "kill", &["node-1"], 2 * SECOND, None);
        script.node(2 * SECOND, "node-1", stopped());
        first(&mut script)
    };
    assert_eq!(partition(&["node-1", "node-5"]), Some((0, SECOND)));
    assert_eq!(partition(&["node-4", "node-5"]), Some((1, 2 * SECOND)));

    let mut script = led_anew(3 * SECOND);
    script.partition(&all, &[], SECOND, Some(9 * SECOND));
    assert_eq!(first(&mut script), Some((0, SECOND)), "a bridge, say");
}

#[test]
fn the_last_of_a_majority_is_what_counts() {
    let mut script = led_anew(5 * SECOND);
    script.node(
        0,
        "node-1",
        NodeEvent::Membership {
            index: 1,
            voters: ["node-1", "node-2", "node-3"].map(String::from).into(),
            learners: Vec::new(),
            joint: false,
        },
    );
    script.fault(0, "kill", &["node-2"], SECOND, None);
    script.fault(1, "isolate", &["node-3"], 2 * SECOND, Some(6 * SECOND));
    script.fault(2, "link", &["node-1->node-2"], 3 * SECOND, None);
    assert_eq!(first(&mut script), Some((1, 2 * SECOND)));
}

#[test]
fn a_stop_answers_for_the_leadership_that_the_node_wins_before_it_stops() {
    let mut script = led_anew(SECOND + 30 * MS);
    script.fault(0, "stop", &["node-1", "node-2"], SECOND, None);
    script.node(SECOND + 50 * MS, "node-1", stopped());
    script.leader(SECOND + 80 * MS, "node-3", 3, SECOND + 90 * MS);
    script.node(SECOND + 99 * MS, "node-2", stopped());
    let history = script.end(60 * SECOND);
    let causes = causes(&Timeline::of(&history), &spans(&history));
    let spans: Vec<_> = causes.iter().map(|cause| cause.map(|c| c.span)).collect();
    assert_eq!(spans, [Some(0), Some(0), None]);
}

//! What happens at named points of the nodes' code, and in which order at one instant: seen in
//! histories.

use std::collections::{BTreeMap, BTreeSet};

use squall::fault::Point;
use squall::history::{EventKind, FaultStatus, History, NodeEvent, PointCounts};
use squall::report::RunVerdict;
use squall::run::{self, Judged};
use squall::scenario::Scenario;

const CLIENTS: &str = r#"
name = "points"

[cluster]
nodes = 3

[phases]
warmup = "1s"
chaos = "6s"
serve = "1s"

[[workload]]
service = "cache"
clients = 3
think = "20ms"
"#;

fn play(text: &str, seed: u64) -> Judged {
    let scenario = Scenario::parse(text, "points.toml").expect("a scenario");
    run::run(&scenario, seed, "").expect("the simulation works")
}

/// As [`play`], and nothing is wrong.
fn judge(text: &str, seed: u64) -> Judged {
    let judged = play(text, seed);
    assert_eq!(
        judged.report.verdict,
        RunVerdict::Pass,
        "{}",
        judged.report.reason
    );
    judged
}

fn counts(history: &History) -> BTreeMap<Point, PointCounts> {
    let mut counts = history.events.iter().filter_map(|event| match &event.kind {
        EventKind::Points { points } => Some(points.clone()),
        _ => None,
    });
    counts.next().expect("a run with points says how often")
}

/// What befell a fault, in order.
fn of_fault(history: &History, id: usize) -> Vec<&FaultStatus> {
    let events = history.events.iter();
    let statuses = events.filter_map(|event| match &event.kind {
        EventKind::Fault(fault) if fault.fault == id => Some(&fault.status),
        _ => None,
    });
    statuses.collect()
}

#[test]
fn a_node_is_killed_while_it_stands_at_a_point_and_counts_as_killed() {
    let fault = "
[[fault]]
at = \"1s\"
kill = [\"leader\"]
for = \"1s\"
when = \"log.before_sync\"
nth = 3
";
    let judged = judge(&format!("{CLIENTS}{fault}"), 1);
    let history = &judged.history;
    let note = history.events.iter().find_map(|event| match &event.kind {
        EventKind::Note { text } => text.split_once("fires as ").map(|(_, what)| (event, what)),
        _ => None,
    });
    let (noted, what) = note.expect("it fired");
    let (node, at) = what.split_once(" is at ").expect("a node at a point");
    assert_eq!(at, "log.before_sync, pass 3");
    let killed = history.events.iter().find(|event| match &event.kind {
        EventKind::Node { node: who, event } => {
            who == node && matches!(event, NodeEvent::Stopped { why } if why == "killed")
        }
        _ => false,
    });
    assert_eq!(
        killed.map(|event| event.at_us),
        Some(noted.at_us),
        "at once"
    );
    let installed = [&FaultStatus::Installed, &FaultStatus::Healed];
    assert_eq!(of_fault(history, 0), installed);
    assert_eq!(counts(history)[&Point::LogBeforeSync].struck, 1);
    assert_eq!(judged.report.marks["at log.before_sync fault"], 1);
    let elected = judged.report.faults[0].elected_ms;
    assert!(elected.is_some(), "an election is charged to it");
}

#[test]
fn a_fault_whose_point_is_never_passed_is_skipped() {
    let fault = "
[[fault]]
at = \"1s\"
kill = [\"any\"]
for = \"1s\"
when = \"list.taken\"

[[fault]]
at = \"4s\"
pause = [\"any\"]
for = \"10ms\"
when = \"apply.done\"
";
    let judged = play(&format!("{CLIENTS}{fault}"), 1);
    let skipped = of_fault(&judged.history, 0);
    let [FaultStatus::Skipped { why }] = &skipped[..] else {
        panic!("it is {skipped:?}");
    };
    assert_eq!(why, "any did not come to list.taken in time");
    let paused = of_fault(&judged.history, 1);
    assert_eq!(paused, [&FaultStatus::Installed, &FaultStatus::Healed]);
}

/// A run that passes every point there is.
const EVERYTHING: &str = r#"
name = "points"

[cluster]
nodes = 3
snapshot_every = 20

[phases]
warmup = "1s"
chaos = "12s"
serve = "1s"

[[point]]
name = "log.synced"
yield = 1

[[workload]]
service = "cache"
clients = 3
keys = 2
reads = "20%"
payload = "60KiB"
think = "20ms"

[[workload]]
service = "cache"
clients = 2
keys = 2
mode = "stale"
expiring = "50%"
ttl = "200ms"
think = "20ms"

[[workload]]
service = "cache"
clients = 2
keys = 1
lists = { push = "100%" }
workers = 3
wait = "1s"
think = "50ms"

[[workload]]
service = "lock"
clients = 3
keys = 1
hold = "20ms"

[[fault]]
at = "1s"
isolate = ["leader"]
for = "2s"

[[fault]]
at = "4s"
stop = ["leader"]
for = "1s"

[[fault]]
at = "6s"
isolate = ["leader"]
for = "2s"

[[fault]]
at = "9s"
kill = ["leader"]
for = "1s"
"#;

#[test]
fn no_point_is_out_of_reach() {
    let judged = judge(EVERYTHING, 1);
    let passed: BTreeSet<Point> = counts(&judged.history).into_keys().collect();
    let missed = Point::ALL.iter().filter(|point| !passed.contains(point));
    let missed: Vec<&str> = missed.map(|point| point.name()).collect();
    assert!(missed.is_empty(), "nobody passed {missed:?}");
}

#[test]
fn what_happens_at_points_and_in_drawn_order_repeats() {
    let points = "
[[point]]
name = \"apply.before\"
wait = { min = \"1ms\", max = \"5ms\" }
node = \"leader\"
every = { min = 1, max = 9 }

[[point]]
name = \"log.before_sync\"
yield = 3
times = 5
";
    let drawn = "[schedule]\norder = \"random\"\n";
    let history = |text: String| {
        let events = judge(&text, 1).history.events;
        let lines = events
            .iter()
            .map(|event| serde_json::to_string(event).expect("an event is plain data"));
        lines.collect::<Vec<_>>()
    };
    let plain = history(CLIENTS.to_owned());
    let (delayed, disordered) = (format!("{CLIENTS}{points}"), format!("{CLIENTS}{drawn}"));
    for text in [&delayed, &disordered] {
        let first = history(text.clone());
        assert!(first != plain, "it makes a difference");
        assert!(first == history(text.clone()), "the same one again");
    }
    let counts = counts(&judge(&delayed, 1).history);
    let (applied, synced) = (&counts[&Point::ApplyBefore], &counts[&Point::LogBeforeSync]);
    assert!((1..applied.met).contains(&applied.waited), "{applied:?}");
    assert_eq!((synced.yielded, synced.waited), (5, 0));
}

/// The process that is asked to stop is ended by a fault that starts the machine again at once
/// (`chaos`, seed 82): the stop took effect, and nothing of that can be seen any more.
#[test]
fn a_stop_that_another_fault_overtakes_is_told_as_skipped() {
    let faults = "
[[fault]]
at = \"1s\"
stop = [\"leader\"]
for = \"2s\"

[[fault]]
at = \"1020ms\"
disk = [\"node-1\"]
damage = \"bit_rot\"
for = \"1s\"
";
    let judged = play(&format!("{CLIENTS}{faults}"), 1);
    let stop = of_fault(&judged.history, 0);
    let [FaultStatus::Skipped { why }] = &stop[..] else {
        panic!("the stop is {stop:?}");
    };
    assert_eq!(
        why,
        "another fault ended node-1 first, and started it again"
    );
    let rot = of_fault(&judged.history, 1);
    assert_eq!(
        rot[0],
        &FaultStatus::Installed,
        "it is there, and was quicker"
    );
}

/// A purge is written, and nobody waits for that. On a node that is cut off nothing else is, so it
/// went on with a log that had failed, and died when all had healed (`chaos-points`, seeds 157 and
/// 312).
#[test]
fn a_node_ends_at_once_when_a_purge_fails() {
    let text = CLIENTS.replace("nodes = 3", "nodes = 3\nsnapshot_every = 20");
    let faults = "
[[fault]]
at = \"1s\"
isolate = [\"node-2\"]
for = \"4s\"
when = \"snapshot.begun\"

[[fault]]
at = \"1s\"
disk = [\"node-2\"]
damage = \"write_error\"
for = \"4s\"
when = \"log.before_purge\"
";
    let judged = judge(&format!("{text}{faults}"), 1);
    let history = &judged.history;
    let installed_us = |id: usize| {
        let mut events = history.events.iter();
        let installed = events.find(|event| match &event.kind {
            EventKind::Fault(fault) => fault.fault == id && fault.status == FaultStatus::Installed,
            _ => false,
        });
        installed.expect("it took effect").at_us
    };
    let stopped = history.events.iter().find(|event| match &event.kind {
        EventKind::Node { node, event } => {
            node == "node-2" && matches!(event, NodeEvent::Stopped { .. })
        }
        _ => false,
    });
    let stopped_us = stopped.expect("a node whose log fails ends").at_us;
    assert!(installed_us(0) < installed_us(1), "it is cut off already");
    let lasted_us = stopped_us - installed_us(1);
    assert!(lasted_us < 200_000, "it went on for {lasted_us} us");
}

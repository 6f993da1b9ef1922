//! Links of containers are as bad as was asked for, in the direction that was asked for, and
//! the others as good as before.

use squall::history::{EventKind, FaultStatus};
use squall::scenario::Scenario;

use crate::setting::{Run, alone, links_can_be_broken, run};

const SCENARIO: &str = r#"
name = "links"
summary = "One link gets slower, loses packets, is narrow, and is cut, one after the other."

[cluster]
nodes = 3

[phases]
warmup = "1s"
chaos = "16s"
serve = "1s"

[probe]
enabled = false

[[workload]]
service = "cache"
clients = 1
think = { min = "100ms", max = "200ms" }

[[fault]]
at = "500ms"
link = { from = "node-1", to = "node-2", latency = "40ms", jitter = "20ms" }
for = "3s"

[[fault]]
at = "4s"
link = { from = "node-1", to = "node-2", loss = "10%" }
for = "3500ms"

[[fault]]
at = "8s"
link = { from = "node-1", to = "node-2", bandwidth = "125KB/s" }
for = "3500ms"

[[fault]]
at = "12s"
partition = [["node-1"], ["node-2"]]
one_way = true
for = "3s"
"#;

#[test]
fn links_are_as_bad_as_was_asked_and_in_one_direction_only() {
    let Some(_turn) = links_can_be_broken().and_then(|()| alone()) else {
        return;
    };
    let scenario = Scenario::parse(SCENARIO, "links.toml").expect("it is sound");
    let run = run(&scenario, None);
    for fault in 0..4 {
        assert!(
            has_status(&run, fault, &FaultStatus::Installed),
            "{fault}: {:?}",
            run.notes()
        );
        assert!(has_status(&run, fault, &FaultStatus::Healed), "{fault}");
    }

    let slow = note(&run, 0);
    for (way, ms) in one_way_ms(slow) {
        match way.as_str() {
            // 50 ms give or take ten, seen in the quickest of several packets.
            "node-1->node-2" => assert!((39.0..=60.0).contains(&ms), "{way}: {ms} in {slow}"),
            _ => assert!(ms < 15.0, "{way}: {ms} in {slow}"),
        }
    }
    assert_eq!(one_way_ms(slow).len(), 6, "all links were measured: {slow}");

    let lossy = note(&run, 1);
    let (lost, of) = lost_of(lossy);
    let share = lost / of;
    assert!((0.02..=0.25).contains(&share), "{lossy}");

    let narrow = note(&run, 2);
    let rate = carried(narrow);
    assert!((10_000.0..=156_250.0).contains(&rate), "{narrow}");

    let cut = note(&run, 3);
    assert!(cut.contains("node-1->node-2 silent"), "{cut}");
    assert!(cut.contains("5 other links carry"), "{cut}");
}

fn has_status(run: &Run, fault: usize, wanted: &FaultStatus) -> bool {
    run.history.events.iter().any(|event| match &event.kind {
        EventKind::Fault(event) => event.fault == fault && event.status == *wanted,
        _ => false,
    })
}

/// What was measured when the fault was installed.
fn note(run: &Run, fault: usize) -> &str {
    let prefix = format!("fault {fault}: ");
    let notes = run.notes();
    let note = notes.into_iter().find(|note| note.starts_with(&prefix));
    note.unwrap_or_else(|| panic!("fault {fault} was not measured: {:?}", run.notes()))
}

/// `… one way node-1->node-2 41.20 ms, …; …`
fn one_way_ms(note: &str) -> Vec<(String, f64)> {
    let (_, rest) = note.split_once("one way ").expect("latencies are measured");
    let list = rest.split(';').next().expect("there is a first");
    let parts = list.split(", ").map(|part| {
        let mut words = part.split(' ');
        let way = words.next().expect("a name").to_owned();
        let ms = words.next().and_then(|ms| ms.parse().ok());
        (way, ms.expect("a figure"))
    });
    parts.collect()
}

/// `… node-1->node-2 lost 21 of 200`
fn lost_of(note: &str) -> (f64, f64) {
    let (_, rest) = note
        .split_once("node-1->node-2 lost ")
        .expect("loss is measured");
    let mut words = rest.split([' ', ',', ';']);
    let mut figure = || words.find_map(|word| word.parse().ok()).expect("a figure");
    (figure(), figure())
}

/// `… node-1->node-2 carried 124000 B/s`
fn carried(note: &str) -> f64 {
    let (_, rest) = note
        .split_once("node-1->node-2 carried ")
        .expect("bandwidth is measured");
    let word = rest.split(' ').next().expect("a figure");
    word.parse().expect("a figure")
}

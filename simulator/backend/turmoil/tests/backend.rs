//! The cluster on the classic engine: what it can do, and that a seed is one history.

use std::collections::BTreeSet;

use squall_backend::backend::Backend;
use squall_check as check;
use squall_history::{EventKind, FaultStatus, History, NodeEvent, Phase};
use squall_plan::plan::Plan;
use squall_plan::scenario::Scenario;
use squall_turmoil::{TurmoilBackend, run};

const SHORT: &str = r#"
    name = "short"
    [phases]
    warmup = "2s"
    chaos = "12s"
    [[workload]]
    service = "lock"
    clients = 2
    think = { min = "50ms", max = "100ms" }
    [[workload]]
    service = "cache"
    clients = 2
    think = { min = "50ms", max = "100ms" }
    reads = "50%"
"#;

const KILL: &str = r#"
    [[fault]]
    at = "1s"
    kill = ["leader"]
    for = "3s"
"#;

fn plan(faults: &str, seed: u64) -> Plan {
    let text = format!("{SHORT}\n{faults}");
    let scenario = Scenario::parse(&text, "short").expect("it is valid");
    Plan::resolve(&scenario, seed).expect("it makes a plan")
}

/// Plays faults and asserts that the cluster served again and that no check fails.
fn sound(faults: &str) -> History {
    let history = run(&plan(faults, 1)).expect("it works").history;
    let audited = history.events.iter().any(|event| {
        matches!(
            event.kind,
            EventKind::Phase {
                phase: Phase::Audit
            }
        )
    });
    assert!(audited, "it did not come to the audit");
    let failed: Vec<_> = (check::check_all(&history).into_iter())
        .filter(|check| check.verdict == check::Verdict::Fail)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    history
}

fn leaders(history: &History) -> BTreeSet<String> {
    let leaders = history.events.iter().filter_map(|event| match &event.kind {
        EventKind::Node {
            node,
            event: NodeEvent::Leader { .. },
        } => Some(node.clone()),
        _ => None,
    });
    leaders.collect()
}

fn statuses(history: &History) -> Vec<FaultStatus> {
    let statuses = history.events.iter().filter_map(|event| match &event.kind {
        EventKind::Fault(fault) => Some(fault.status.clone()),
        _ => None,
    });
    statuses.collect()
}

#[test]
fn history_of_a_seed_repeated_on_another_thread_is_identical() {
    let events = || run(&plan(KILL, 3)).expect("it works").history.events;
    #[allow(clippy::disallowed_methods)] // nothing that the first run left may matter
    let again = std::thread::spawn(move || run(&plan(KILL, 3)).expect("it works").history.events);
    assert_eq!(events(), again.join().expect("it did not panic"));
    assert_ne!(
        events(),
        run(&plan(KILL, 4)).expect("it works").history.events
    );
}

#[test]
fn leader_killed_another_is_elected() {
    let history = sound(KILL);
    assert!(leaders(&history).len() >= 2, "{:?}", leaders(&history));
    let expected = [FaultStatus::Installed, FaultStatus::Healed];
    assert_eq!(statuses(&history), expected);
}

#[test]
fn leader_partitioned_with_a_minority_another_is_elected() {
    let history = sound(
        r#"
        [[fault]]
        at = "1s"
        partition = [["leader", "follower"], ["all"]]
        for = "5s"
        "#,
    );
    assert!(leaders(&history).len() >= 2, "{:?}", leaders(&history));
}

#[test]
fn faults_of_links_and_processes_are_installed_and_healed() {
    let history = sound(
        r#"
        [[fault]]
        at = "1s"
        link = { from = "all", to = "all", latency = "20ms" }
        for = "2s"
        [[fault]]
        at = "4s"
        stop = ["follower"]
        for = "1s"
        [[fault]]
        at = "6s"
        wipe = ["follower"]
        for = "2s"
        "#,
    );
    let installed = statuses(&history);
    let count = |status| installed.iter().filter(|other| **other == status).count();
    assert_eq!(count(FaultStatus::Installed), 3, "{installed:?}");
    assert_eq!(count(FaultStatus::Healed), 3, "{installed:?}");
}

#[test]
fn faults_that_turmoil_does_not_model_are_refused_by_name() {
    for (fault, kind) in [
        ("pause = [\"leader\"]", "pause"),
        ("power_loss = [\"any\"]", "power_loss"),
        ("clock = [\"any\"]\noffset = \"1s\"", "clock"),
        (
            "link = { from = \"all\", to = \"all\", bandwidth = \"1MB/s\" }",
            "link",
        ),
    ] {
        let text = format!("[[fault]]\nat = \"1s\"\n{fault}\nfor = \"1s\"\n");
        let why = TurmoilBackend.refusal(&plan(&text, 1));
        let why = why.unwrap_or_else(|| panic!("{kind} is not refused"));
        assert!(why.contains(kind) && why.contains("turmoil"), "{why}");
    }
    assert_eq!(TurmoilBackend.refusal(&plan(KILL, 1)), None);
}

#[test]
fn the_backend_keeps_the_contract() {
    squall_turmoil::keep_contract(&plan("", 1)).expect("the cluster forms");
}

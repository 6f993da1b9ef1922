use super::*;
use squall_check as check;
use squall_plan::scenario::Scenario;

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

fn plan(faults: &str, seed: u64) -> Plan {
    let text = format!("{SHORT}\n{faults}");
    let scenario = Scenario::parse(&text, "short").expect("it is valid");
    Plan::resolve(&scenario, seed).expect("it makes a plan")
}

const KILL: &str = r#"
    [[fault]]
    at = "1s"
    kill = ["leader"]
    for = "3s"
"#;

#[test]
fn history_of_a_seed_repeated_is_identical() {
    let plan = plan(KILL, 3);
    let events = || run(&plan).expect("it works").history.events;
    assert_eq!(events(), events());
}

#[test]
fn leader_killed_another_is_elected_and_all_checks_hold() {
    let history = run(&plan(KILL, 1)).expect("it works").history;
    let leaders = history.events.iter().filter_map(|event| match &event.kind {
        EventKind::Node {
            node,
            event: squall_history::NodeEvent::Leader { .. },
        } => Some(node),
        _ => None,
    });
    let leaders: std::collections::BTreeSet<&String> = leaders.collect();
    assert!(leaders.len() >= 2, "{leaders:?}");
    let failed: Vec<_> = (check::check_all(&history).into_iter())
        .filter(|check| check.verdict == check::Verdict::Fail)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

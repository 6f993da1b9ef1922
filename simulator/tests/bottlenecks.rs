//! Runs made to have a bottleneck, each found by its rule and by no other; and one with none.

use squall::report::{Report, Rule};
use squall::run;
use squall::scenario::Scenario;

/// A quiet run of ten seconds, all services, with some lines of a scenario more.
fn report(more: &str) -> Report {
    let text = format!(
        r#"name = "bottleneck"
{more}
[phases]
warmup = "1s"
chaos = "8s"
serve = "1s"

[probe]
enabled = false

[[workload]]
service = "queue"
producers = 2
consumers = 2
think = "20ms"

[[workload]]
service = "cache"
clients = 4
reads = "20%"
think = "20ms"
"#
    );
    let scenario = Scenario::parse(&text, "bottleneck.toml").expect("it is valid");
    let judged = run::run(&scenario, 1, "").expect("the simulation works");
    let report = judged.report;
    assert!(
        report.stages_us.contains_key("cache"),
        "nodes reported their work"
    );
    report
}

fn rules(report: &Report) -> Vec<Rule> {
    let mut rules: Vec<Rule> = report.bottlenecks.iter().map(|found| found.rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

const NEAR: &str = "[network]\nlatency = \"500us\"\n";

#[test]
fn a_fast_cluster_has_none() {
    let report = report(&format!("{NEAR}[disk]\nsync = \"500us\"\n"));
    assert_eq!(report.bottlenecks, []);
}

#[test]
fn slow_disks_are_found() {
    let report = report(&format!("{NEAR}[disk]\nsync = \"20ms\"\n"));
    let found = rules(&report);
    assert!(found.contains(&Rule::DiskSync), "{:#?}", report.bottlenecks);
    assert!(!found.contains(&Rule::Network), "{:#?}", report.bottlenecks);
    assert!(
        !found.contains(&Rule::Processing),
        "{:#?}",
        report.bottlenecks
    );
    let bottleneck = &report.bottlenecks[0];
    assert_eq!(bottleneck.rule, Rule::DiskSync);
    assert!(
        bottleneck.evidence[1].contains("syncs of 20.0 ms each"),
        "{:?}",
        bottleneck.evidence
    );
}

#[test]
fn a_slow_network_is_found() {
    let slow = "[cluster]\nheartbeat = \"500ms\"\nelection_timeout = { min = \"2s\", max = \"4s\" }\n\
                [network]\nlatency = \"40ms\"\n[disk]\nsync = \"500us\"\n";
    let report = report(slow);
    let found = rules(&report);
    assert!(found.contains(&Rule::Network), "{:#?}", report.bottlenecks);
    assert!(
        !found.contains(&Rule::DiskSync),
        "{:#?}",
        report.bottlenecks
    );
    assert!(
        !found.contains(&Rule::Processing),
        "{:#?}",
        report.bottlenecks
    );
}

#[test]
fn a_contended_lock_is_found_by_its_name() {
    let contended = format!(
        "{NEAR}[disk]\nsync = \"500us\"\n[[workload]]\nservice = \"lock\"\nclients = 8\nkeys = 1\n\
         shared = \"0%\"\nhold = \"50ms\"\nwait = \"900ms\"\nthink = \"10ms\"\n"
    );
    let report = report(&contended);
    assert_eq!(
        rules(&report),
        [Rule::LockContention],
        "{:#?}",
        report.bottlenecks
    );
    let bottleneck = &report.bottlenecks[0];
    assert_eq!(bottleneck.subject, "lock");
    assert!(
        bottleneck.evidence[1].starts_with("lock "),
        "{:?}",
        bottleneck.evidence
    );
}

#[test]
fn too_few_consumers_are_found() {
    let behind = format!(
        "{NEAR}[disk]\nsync = \"500us\"\n[[workload]]\nservice = \"queue\"\nproducers = 4\n\
         consumers = 1\nrate = \"200/s\"\nwork = \"20ms\"\n"
    );
    let report = report(&behind);
    let found = rules(&report);
    assert!(found.contains(&Rule::Backlog), "{:#?}", report.bottlenecks);
}

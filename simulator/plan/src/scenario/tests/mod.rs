//! Every mistake has its message and its place; every shipped scenario is valid.

mod alerts;
mod faults;
mod mistakes;
mod objectives;
mod swarm;

use std::collections::BTreeSet;

use super::unit::{Bandwidth, Drift, Duration, Offset, Rate, Share, Size};
use super::{Scenario, ScenarioError};
use crate::plan::Plan;
use squall_fault::{FaultKind, Point};
use squall_history::Service;
use squall_objective::objective::Metric;

const WORKLOAD: &str = "[[workload]]\nservice = \"lock\"\n";

/// What is wrong with `name = "t"` on line 1, `body` from line 2, and a workload after it.
fn error(body: &str) -> String {
    error_with(body, &[])
}

fn error_with(body: &str, settings: &[(&str, &str)]) -> String {
    let parsed = parse_with(body, settings);
    parsed.expect_err(body).to_string()
}

fn parse_with(body: &str, settings: &[(&str, &str)]) -> Result<Scenario, ScenarioError> {
    let text = format!("name = \"t\"\n{body}\n{WORKLOAD}");
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let settings: Vec<_> = settings.iter().map(own).collect();
    Scenario::parse_with(&text, "t.toml", &settings)
}

fn check_errors(cases: &[(&str, &str)]) {
    let kinds: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
    let points: Vec<&str> = Point::ALL.iter().map(|point| point.name()).collect();
    let error = |body: &str| {
        let error = error(body).replace(&kinds.join(", "), "KINDS");
        error.replace(&points.join(", "), "POINTS")
    };
    let found: Vec<(&str, String)> = cases.iter().map(|(body, _)| (*body, error(body))).collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(b, e)| (*b, e.as_str())).collect();
    assert_eq!(found, cases, "{found:#?}");
}

#[test]
fn overrides_replace_values() {
    let body = "[[fault]]\nat = \"1s\"\nkill = [\"leader\"]\nfor = \"5s\"";
    let settings = [
        ("cluster.nodes", "3"),
        ("cluster.election_timeout.min", "250ms"),
        ("phases.chaos", "10s"),
        ("workload.0.rate", "500/s"),
        ("fault.0.kill", "[\"follower\", \"leader\"]"),
        ("network.latency", "{ min = \"2ms\", max = \"3ms\" }"),
        ("probe.enabled", "false"),
        ("name", "\"quoted\""),
    ];
    let scenario = parse_with(body, &settings).unwrap();
    let plan = Plan::resolve(&scenario, 1).unwrap();
    assert_eq!(plan.scenario, "quoted");
    assert_eq!(plan.cluster.nodes, 3);
    assert_eq!(
        (plan.cluster.election_min_ms, plan.cluster.election_max_ms),
        (250, 600)
    );
    assert_eq!(plan.phases.chaos_us, 10_000_000);
    assert_eq!(
        plan.workloads[0].pacing,
        crate::plan::Pacing::Open { interval_us: 2_000 }
    );
    assert_eq!(plan.faults[0].action.to_string(), "kill [follower, leader]");
    assert_eq!(
        (plan.network.latency_min_us, plan.network.latency_max_us),
        (2_000, 3_000)
    );
    assert_eq!(plan.probe, None);
    assert_eq!(scenario.settings().len(), settings.len());
}

#[test]
fn bad_overrides_are_named() {
    let cases = [
        (
            "cluster.nodes",
            "many",
            "--set cluster.nodes=many: invalid type: string \"many\", expected a whole number",
        ),
        (
            "cluster.nods",
            "3",
            "--set cluster.nods=3: unknown field `nods`, expected one of `nodes`, `spares`, `heartbeat`, `election_timeout`, `snapshot_every`, `cache_entries`; did you mean `nodes`?",
        ),
        (
            "cluster.nodes",
            "99",
            "--set cluster.nodes=99: nodes must be at most 64, not 99",
        ),
        (
            "cluster.nodes.max",
            "3",
            "--set cluster.nodes.max=3: invalid type: map, expected a whole number",
        ),
        (
            "cluster..nodes",
            "3",
            "--set cluster..nodes=3: expected a dotted path such as `cluster.nodes`",
        ),
        (
            "workload.1.rate",
            "5/s",
            "--set workload.1.rate=5/s: `workload` has no element 1, they count from 0",
        ),
        (
            "workload.first.rate",
            "5/s",
            "--set workload.first.rate=5/s: `workload` is a list, expected a number instead of `first`",
        ),
        (
            "phases.chaos",
            "-5s",
            "--set phases.chaos=-5s: negative duration `-5s`",
        ),
        (
            "network.latency",
            "{ min = \"9ms\", max = \"3ms\" }",
            "--set network.latency={ min = \"9ms\", max = \"3ms\" }: latency: min 9ms is above max 3ms",
        ),
        (
            "network.latency",
            "{ least = \"9ms\" }",
            "--set network.latency={ least = \"9ms\" }: unknown field `least`, expected `min` or `max`",
        ),
    ];
    let found: Vec<_> = cases
        .iter()
        .map(|(key, value, _)| (*key, *value, error_with("", &[(key, value)])))
        .collect();
    let found: Vec<_> = found.iter().map(|(k, v, e)| (*k, *v, e.as_str())).collect();
    assert_eq!(found, cases, "{found:#?}");
    let body = "[[fault]]\nat = \"5s\"\nkill = [\"leader\"]";
    assert_eq!(
        error_with(body, &[("phases.chaos", "5s")]),
        "t.toml:3:6: at 5s is not within the chaos phase of 5s (with --set phases.chaos=5s)"
    );
}

#[test]
fn quantities() {
    let us = |text: &str| text.parse::<Duration>().map(Duration::us);
    assert_eq!(us("200us"), Ok(200));
    assert_eq!(us("1.5s"), Ok(1_500_000));
    assert_eq!(us("2m"), Ok(120_000_000));
    assert_eq!(us("1h"), Ok(3_600_000_000));
    assert_eq!(
        us("0.5us"),
        Err("duration `0.5us` is finer than 1us".to_owned())
    );
    assert_eq!(
        us("1001h"),
        Err("duration `1001h` is above 1000h".to_owned())
    );
    for text in [
        "",
        "s",
        ".5s",
        "5.s",
        "1.2.3s",
        "--5s",
        "1234567890123456789s",
        "é",
    ] {
        us(text).expect_err(text);
    }
    assert_eq!("1KB".parse(), Ok(Size(1_000)));
    assert_eq!("1KiB".parse(), Ok(Size(1_024)));
    assert_eq!("10MB/s".parse(), Ok(Bandwidth(10_000_000)));
    assert_eq!(
        "0B/s".parse::<Bandwidth>(),
        Err("bandwidth `0B/s` is below 1B/s".to_owned())
    );
    assert_eq!("80%".parse(), Ok(Share(800_000)));
    assert_eq!("0.0001%".parse(), Ok(Share(1)));
    assert_eq!("-0.01%".parse(), Ok(Drift(-100)));
    assert_eq!("-50ms".parse(), Ok(Offset(-50_000)));
    let interval = |text: &str| text.parse::<Rate>().unwrap().interval_us();
    assert_eq!(interval("200/s"), 5_000);
    assert_eq!(interval("50/m"), 1_200_000);
    assert_eq!(interval("0.5/s"), 2_000_000);
}

#[test]
fn shipped_scenarios_are_valid_and_listed() {
    let directory = format!("{}/../../scenarios", env!("CARGO_MANIFEST_DIR"));
    let catalogue = std::fs::read_to_string(format!("{directory}/README.md")).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        count += 1;
        let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let name = scenario.name.get_ref();
        assert_eq!(path.file_stem().unwrap().to_str(), Some(name.as_str()));
        assert!(
            catalogue.contains(&format!("| `{name}` |")),
            "{name} is not listed"
        );
        for variant in scenario.variants() {
            let chosen = scenario
                .choose(variant)
                .unwrap_or_else(|error| panic!("{error}"));
            Plan::resolve(&chosen, 1).unwrap();
        }
        let seeds = if scenario.is_open { 200 } else { 1 };
        let mut asked: BTreeSet<Service> = BTreeSet::new();
        for seed in 1..=seeds {
            let plan = Plan::resolve(&scenario, seed);
            let plan = plan.unwrap_or_else(|e| panic!("{name}, seed {seed}: {e}"));
            asked.extend(plan.workloads.iter().map(|w| w.kind.service()));
        }
        let plan = Plan::resolve(&scenario, 1).unwrap();
        let lost = plan.objectives.iter().find(|o| o.figure == Metric::Lost);
        assert_eq!(lost.map(|objective| objective.limit), Some(0), "{name}");
        // Those of performance ask one service at a time.
        let (failures, _) = catalogue.split_once("## Performance").unwrap();
        if !failures.contains(&format!("| `{name}` |")) {
            continue;
        }
        assert_eq!(asked, BTreeSet::from(Service::SHIPPED), "{name}");
    }
    assert_eq!(count, 49);
    let missing = Scenario::load("nowhere.toml").unwrap_err().to_string();
    assert!(
        missing.starts_with("nowhere.toml: cannot be read: "),
        "{missing}"
    );
}

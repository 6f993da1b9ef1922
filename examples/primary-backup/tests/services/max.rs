//! A service with operations of its own, from outside Squall: asked, probed, audited, judged by
//! a model of its own, measured, reported and shrunk; and what another system cannot be asked.

use std::sync::Arc;

use primary_backup::PrimaryBackup;
use squall::history::{Action, EventKind, History, PROBE};
use squall::report::Verdict;
use squall::run::{RunError, run_system};
use squall::scenario::Scenario;
use squall::system::System;
use squall::testing::{RunReport, Simulation, seconds};

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/max.toml");

fn failover(early_ack: bool) -> Simulation {
    Simulation::load(SCENARIO).system(PrimaryBackup { early_ack })
}

/// How often clients whose names begin so asked for `operation`.
fn asked(history: &History, client: &str, operation: &str) -> usize {
    let is_meant = |kind: &EventKind| match kind {
        EventKind::Invoke {
            client: name,
            action: action @ Action::Call(_),
            ..
        } => name.starts_with(client) && action.operation() == operation,
        _ => false,
    };
    let events = history.events.iter();
    events.filter(|event| is_meant(&event.kind)).count()
}

#[test]
fn an_own_service_is_asked_probed_audited_judged_and_reported() {
    let scenario = Scenario::load(SCENARIO).expect("the scenario is valid");
    let system: Arc<dyn System> = Arc::new(PrimaryBackup::default());
    let run = run_system(&scenario, 1, "again", Some(&system)).expect("it runs");

    let history = &run.history;
    assert!(asked(history, "max-", "raise") > 1_000);
    assert!(asked(history, "max-", "top") > 300);
    assert!(asked(history, &format!("{PROBE}max"), "raise") > 100);
    assert_eq!(
        asked(history, "audit", "top"),
        4 + 4,
        "registers, and those of probes"
    );

    let mut checks = run.report.checks.iter();
    let own = checks.find(|check| check.name == "max_linearizable");
    let own = own.expect("its own check judged it");
    assert_eq!(own.verdict, Verdict::Pass);
    assert!(own.checked > 1_000);

    let json = serde_json::to_value(&run.report).expect("reports are plain data");
    let downtime = &json["downtime_ms"]["max"];
    assert!(downtime["count"].as_u64() >= Some(5), "{downtime}");
    let latency = &json["latency_us"]["max"]["raise"];
    assert!(latency.is_object(), "{}", json["latency_us"]);
    let objectives = json["objectives"].as_array().expect("there are objectives");
    let names: Vec<&str> = objectives
        .iter()
        .filter_map(|o| o["name"].as_str())
        .collect();
    assert!(names.contains(&"latency.max.raise.p50"), "{names:?}");
    assert!(names.contains(&"rate.max.top"), "{names:?}");

    let mut stored = Vec::new();
    let header = squall::run::header(&run.plan);
    history
        .write(&header, &mut stored)
        .expect("a Vec takes all");
    let (_, read) = History::read(stored.as_slice()).expect("it was just written");
    assert_eq!(&read, history);
}

#[test]
fn a_raise_that_was_acknowledged_survives_the_primary() {
    failover(false).seeds(1..=6).check(|report| {
        report.must_pass();
        assert_eq!(report.holds("max_linearizable"), Some(true));
        assert!(report.downtime().max() < seconds(2));
    });
}

#[test]
fn an_early_acknowledgement_breaks_the_own_model_and_shrinks() {
    let mistaken = failover(true);
    let runs = mistaken.clone().seeds(1..=20).run();
    let fails = |causes: &[String]| {
        causes
            .iter()
            .any(|cause| cause.contains("max_linearizable"))
    };
    let results = runs.results().iter();
    let causes = |causes: &Vec<_>| causes.iter().map(|c| format!("{c}")).collect::<Vec<_>>();
    let mut failed = results.filter(|result| fails(&causes(&result.causes)));
    let found = failed
        .next()
        .expect("the mistake shows within twenty seeds");
    let smallest = mistaken.shrink(found.seed, seconds(240), RunReport::must_pass);
    let smallest = smallest.expect("it fails");
    assert!(
        smallest.why.contains("max_linearizable"),
        "{}",
        smallest.why
    );
    assert!(smallest.faults <= 2, "{}", smallest.scenario);
}

/// What the run of a scenario with this workload is refused for.
fn refusal(workload: &str) -> String {
    let text = format!("name = \"refused\"\n[[workload]]\n{workload}\n");
    let scenario = Scenario::parse(&text, "t.toml").expect("it is valid by itself");
    let system: Arc<dyn System> = Arc::new(PrimaryBackup::default());
    match run_system(&scenario, 1, "again", Some(&system)) {
        Err(RunError::Scenario(error)) => error.to_string(),
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("it ran"),
    }
}

#[test]
fn what_another_system_cannot_be_asked_is_refused_with_its_place() {
    for (key, workload) in [
        ("retries", "service = \"lock\"\nretries = \"5%\""),
        ("crash", "service = \"lock\"\ncrash = \"5%\""),
        ("cancel", "service = \"lock\"\ncancel = \"5%\""),
        (
            "exactly_once",
            "service = \"queue\"\nexactly_once = \"session\"",
        ),
        ("increments", "service = \"cache\"\nincrements = \"5%\""),
        ("rounds", "service = \"cache\"\nrounds = 2"),
        ("mode", "service = \"cache\"\nmode = \"local\""),
        ("near", "service = \"cache\"\nnear = 2"),
    ] {
        let error = refusal(workload);
        assert!(error.contains("t.toml:4:"), "{error}");
        let expected = format!("`{key}` needs Squall's own cluster");
        assert!(error.contains(&expected), "{error}");
    }
    let error = refusal("service = \"cache\"\nmode = \"lease\"\n[[workload]]\nservice = \"tree\"");
    assert!(error.contains("t.toml:6:11: no service `tree`"), "{error}");
    assert!(error.contains("lock, queue, cache, max"), "{error}");
}

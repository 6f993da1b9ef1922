//! Shrinking as its users meet it.

mod command;

#[cfg(feature = "planted")]
use std::path::Path;

use command::{SMALL, ScenarioFile, SmallRun, run, squall, squall_run};

#[test]
fn a_run_that_passes_cannot_be_shrunk() {
    let run = SmallRun::new();
    let refused = run.squall("shrink");
    assert_eq!(refused.code, 64, "{}", refused.stdout);
    assert!(
        refused.stderr.contains("the run passes"),
        "{}",
        refused.stderr
    );
}

/// An objective that no cluster could keep: all that is needed is one failover.
#[test]
fn what_is_left_of_a_missed_objective_is_the_fault_and_the_objective() {
    let scenario = ScenarioFile::new(SMALL);
    let dir = scenario.beside("run");
    let more = [
        "--set",
        "objectives.election.max=1ms",
        "--set",
        "fault.0.repeat={every=\"1200ms\",times=2}",
    ];
    assert_eq!(squall_run(&scenario.path, &dir, &more).code, 2);
    let shrunk = run(squall().arg("shrink").arg(&dir).args(["--for", "20s"]));
    assert_eq!(shrunk.code, 0, "{}{}", shrunk.stdout, shrunk.stderr);
    let text = std::fs::read_to_string(dir.join("shrunk/scenario.toml")).expect("it is left");
    assert_eq!(text.matches("[[fault]]").count(), 1, "{text}");
    assert_eq!(text.matches("[[workload]]").count(), 1, "{text}");
    assert!(
        text.starts_with("# Fails with objective election_max.\n"),
        "{text}"
    );
    let replayed = run(squall().arg("replay").arg(dir.join("shrunk")));
    assert_eq!(replayed.code, 2, "{}", replayed.stdout);
}

/// At most three faults and a tenth of the operations, and it fails in the same way again.
#[cfg(feature = "planted")]
fn must_shrink(id: &str, property: &str) {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/planted");
    let path = scenarios.join(format!("{}.toml", id.to_lowercase()));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("run");
    // Twice as long as it needs to be, and with a fault too many.
    let text = std::fs::read_to_string(path).expect("the scenario is there");
    let more = "\n[[workload]]\nservice = \"queue\"\nthink = \"50ms\"\n\
                \n[[fault]]\nat = \"200ms\"\nlink = { from = \"all\", to = \"all\", latency = \"2ms\" }\nfor = \"200ms\"\n";
    let scenario = ScenarioFile::new(&(text + more));
    let ran = squall_run(&scenario.path, &out, &["--seed", "3", "--planted", id]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    let shrunk = run(squall().arg("shrink").arg(&out).args(["--for", "100s"]));
    assert_eq!(shrunk.code, 0, "{}{}", shrunk.stdout, shrunk.stderr);
    let report = |dir: &Path| {
        let text = std::fs::read_to_string(dir.join("report.json")).expect("it is written");
        serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON")
    };
    let (before, after) = (report(&out), report(&out.join("shrunk")));
    let operations = |report: &serde_json::Value| report["operations"]["invoked"].as_u64();
    assert!(
        operations(&after).expect("a number") * 10 <= operations(&before).expect("a number"),
        "{}",
        shrunk.stdout
    );
    assert!(after["faults"].as_array().expect("a list").len() <= 3);
    let failed = |report: &serde_json::Value| {
        let checks = report["checks"].as_array().expect("a list").iter();
        let mut failed = checks.filter(|check| check["verdict"] == "fail");
        failed.any(|check| check["property"] == property)
    };
    assert!(failed(&before) && failed(&after), "{}", shrunk.stdout);
    let replayed = run(squall().arg("replay").arg(out.join("shrunk")));
    assert_eq!(replayed.code, 1, "{}", replayed.stdout);
    assert!(
        replayed.stdout.starts_with("identical: "),
        "{}",
        replayed.stdout
    );
}

#[cfg(feature = "planted")]
#[test]
fn a_lost_write_is_shrunk() {
    must_shrink("MR-01", "Q1");
}

#[cfg(feature = "planted")]
#[test]
fn a_lock_held_twice_is_shrunk() {
    must_shrink("ML-09", "L1");
}

#[cfg(feature = "planted")]
#[test]
fn a_stale_read_is_shrunk() {
    must_shrink("MC-01", "C1");
}

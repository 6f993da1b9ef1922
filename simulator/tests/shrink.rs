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
    let scenario = ScenarioFile::new(&(text + more));
    let report = |dir: &Path| {
        let text = std::fs::read_to_string(dir.join("report.json")).expect("it is written");
        serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON")
    };
    let seeds = 1..=9;
    let found = seeds.into_iter().find(|seed: &u64| {
        let seed = seed.to_string();
        let ran = squall_run(&scenario.path, &out, &["--seed", &seed, "--planted", id]);
        ran.code == 1
    });
    found.expect("the bug shows within a few seeds");
    let shrunk = run(squall().arg("shrink").arg(&out).args(["--for", "100s"]));
    assert_eq!(shrunk.code, 0, "{}{}", shrunk.stdout, shrunk.stderr);
    let (before, after) = (report(&out), report(&out.join("shrunk")));
    let operations = |report: &serde_json::Value| report["operations"]["invoked"].as_u64();
    assert!(
        operations(&after).expect("a number") * 10 <= operations(&before).expect("a number"),
        "{}",
        shrunk.stdout
    );
    assert!(after["faults"].as_array().expect("a list").len() <= 3);
    // The property that the run's verdict named is still broken.
    let failed = |report: &serde_json::Value| -> Vec<serde_json::Value> {
        let checks = report["checks"].as_array().expect("a list").iter();
        let failed = checks.filter(|check| check["verdict"] == "fail");
        failed.map(|check| check["name"].clone()).collect()
    };
    let first = failed(&before).first().cloned().expect("it failed");
    assert!(
        failed(&after).contains(&first),
        "{first}\n{}",
        shrunk.stdout
    );
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
    must_shrink("MR-01", SLOW_LINKS);
}

#[cfg(feature = "planted")]
#[test]
fn a_lock_held_twice_is_shrunk() {
    must_shrink("ML-09", &[A_QUEUE, SLOW_LINKS].concat());
}

#[cfg(feature = "planted")]
#[test]
fn a_stale_read_is_shrunk() {
    must_shrink("MC-01", &[A_QUEUE, SLOW_LINKS].concat());
}

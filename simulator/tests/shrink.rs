//! Shrinking as its users meet it.

mod command;

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
    let shrunk = run(squall().arg("shrink").arg(&dir).args(["--runs", "150"]));
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

#[test]
fn a_run_on_containers_is_not_shrunk() {
    let run = SmallRun::new();
    let manifest = run.read("run.json");
    run.write("run.json", &manifest.replace("\"sim\"", "\"docker\""));
    let [shrunk, replayed] = ["shrink", "replay"].map(|command| run.squall(command));
    assert_eq!(shrunk.code, 64, "{}", shrunk.stdout);
    assert!(
        shrunk
            .stderr
            .contains("was made on the docker backend, where")
    );
    assert_eq!(shrunk.stderr, replayed.stderr);
    assert!(!run.dir.join("shrunk").exists(), "nothing was made");
}

/// With the file of baselines gone, and elsewhere: what the run was compared with is in its
/// directory.
#[test]
fn a_regression_is_shrunk_with_its_baseline() {
    let kept = SmallRun::new();
    let save = squall()
        .args(["baseline", "save"])
        .arg(&kept.dir)
        .arg("--file")
        .arg(kept.scenario.beside("kept.json"))
        .output();
    assert!(save.expect("the program starts").status.success());
    let text = SMALL.to_owned() + "baseline = { file = \"kept.json\" }\n";
    std::fs::write(&kept.scenario.path, text).expect("the file is ours");
    let dir = kept.scenario.beside("slow");
    let slow = squall_run(&kept.scenario.path, &dir, &["--set", "disk.sync=40ms"]);
    assert_eq!(slow.code, 2, "{}", slow.stdout);
    std::fs::remove_file(kept.scenario.beside("kept.json")).expect("the file is ours");

    let shrunk = run(squall().arg("shrink").arg(&dir).args(["--runs", "60"]));
    assert_eq!(shrunk.code, 0, "{}{}", shrunk.stdout, shrunk.stderr);
    let expected = "# Fails with regression ";
    assert!(shrunk.stdout.starts_with(expected), "{}", shrunk.stdout);
    assert!(!shrunk.stderr.contains("warning"), "{}", shrunk.stderr);
    let out = dir.join("shrunk");
    let replayed = run(squall().arg("replay").arg(&out));
    assert_eq!(replayed.code, 2, "{}", replayed.stdout);
    let again = kept.scenario.beside("again");
    let moved = kept.scenario.beside("moved");
    std::fs::rename(&out, &moved).expect("the directory is ours");
    let seed = replayed_seed(&moved);
    let rerun = squall_run(&moved.join("scenario.toml"), &again, &["--seed", &seed]);
    assert_eq!(rerun.code, 2, "{}{}", rerun.stdout, rerun.stderr);
}

/// A run that came to no verdict stored nothing to be compared with.
#[test]
fn a_baseline_that_is_gone_is_no_failure_to_shrink() {
    let run = SmallRun::new();
    let text = SMALL.to_owned() + "baseline = { file = \"kept.json\" }\n";
    run.write("scenario.toml", &text);
    run.write("crash.txt", "panicked\n");
    let refused = run.squall("shrink");
    assert_eq!(refused.code, 64, "{}", refused.stdout);
    let file = run.scenario.beside("kept.json");
    let expected = format!("error: {}: no file of baselines", file.display());
    assert!(refused.stderr.starts_with(&expected), "{}", refused.stderr);
}

#[test]
fn another_failure_than_the_stored_one_is_named() {
    let scenario = ScenarioFile::new(SMALL);
    let dir = scenario.beside("run");
    let more = ["--set", "objectives.election.max=1ms"];
    assert_eq!(squall_run(&scenario.path, &dir, &more).code, 2);
    let report = dir.join("report.json");
    let text = std::fs::read_to_string(&report).expect("it is left");
    let other = text.replace("\"election_max\"", "\"downtime_max\"");
    std::fs::write(&report, other).expect("the file is ours");
    let shrunk = run(squall().arg("shrink").arg(&dir).args(["--runs", "1"]));
    assert_eq!(shrunk.code, 0, "{}{}", shrunk.stdout, shrunk.stderr);
    let mut lines = shrunk.stderr.lines();
    let warned = lines.next().unwrap_or_default();
    assert!(
        warned.starts_with("warning: the run directory says: "),
        "{warned}"
    );
    assert_eq!(lines.next(), Some("shrinking objective election_max"));
}

fn replayed_seed(dir: &std::path::Path) -> String {
    let text = std::fs::read_to_string(dir.join("run.json")).expect("it is left");
    let manifest: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    manifest["seed"].to_string()
}

#[cfg(feature = "planted")]
mod planted {
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    /// What has nothing to do with any of the mistakes.
    const SLOW_LINKS: &str = r#"
[[fault]]
at = "200ms"
link = { from = "all", to = "all", latency = "2ms" }
for = "200ms"
"#;
    const A_QUEUE: &str = r#"
[[workload]]
service = "queue"
think = "50ms"
"#;

    #[test]
    fn a_lost_write_is_shrunk() {
        must_shrink("MR-01", SLOW_LINKS);
    }

    #[test]
    fn a_lock_held_twice_is_shrunk() {
        must_shrink("ML-09", &[A_QUEUE, SLOW_LINKS].concat());
    }

    #[test]
    fn a_stale_read_is_shrunk() {
        must_shrink("MC-01", &[A_QUEUE, SLOW_LINKS].concat());
    }

    /// At most three faults and a tenth of the operations, and it fails in the same way again.
    fn must_shrink(id: &str, more: &str) {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/planted");
        let path = scenarios.join(format!("{}.toml", id.to_lowercase()));
        let text = std::fs::read_to_string(path).expect("the scenario is there");
        let scenario = ScenarioFile::new(&(text + more));
        let out = scenario.beside("run");
        let found = (1..=9).find(|seed: &u64| {
            let seed = seed.to_string();
            let ran = squall_run(&scenario.path, &out, &["--seed", &seed, "--planted", id]);
            ran.code == 1
        });
        found.expect("the bug shows within a few seeds");
        let shrunk = run(squall().arg("shrink").arg(&out).args(["--runs", "400"]));
        assert_eq!(shrunk.code, 0, "{}{}", shrunk.stdout, shrunk.stderr);
        let (before, after) = (report(&out), report(&out.join("shrunk")));
        let operations = |report: &Value| report["operations"]["invoked"].as_u64();
        let [first, left] = [&before, &after].map(|r| operations(r).expect("a number"));
        assert!(left * 10 <= first, "{}", shrunk.stdout);
        assert!(after["faults"].as_array().expect("a list").len() <= 3);
        // The property that the run's verdict named is still broken.
        let named = failed(&before).first().cloned().expect("it failed");
        assert!(
            failed(&after).contains(&named),
            "{named}\n{}",
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

    fn report(dir: &Path) -> Value {
        let text = std::fs::read_to_string(dir.join("report.json")).expect("it is written");
        serde_json::from_str(&text).expect("it is JSON")
    }

    fn failed(report: &Value) -> Vec<Value> {
        let checks = report["checks"].as_array().expect("a list").iter();
        let failed = checks.filter(|check| check["verdict"] == "fail");
        failed.map(|check| check["name"].clone()).collect()
    }
}

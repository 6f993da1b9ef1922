//! Exit code, output and files of a run's process.

use crate::command::{SMALL, ScenarioFile, SmallRun, run, squall, squall_run};

#[test]
fn a_pass_is_0_and_leaves_everything_behind() {
    let scenario = ScenarioFile::new(SMALL);
    let dir = scenario.beside("run");
    let run = squall_run(&scenario.path, &dir, &[]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let last: Vec<&str> = run.stdout.lines().rev().take(3).collect();
    let again = format!("reproduce: squall run {} --seed 1", scenario.path.display());
    assert_eq!(last[0], again);
    assert_eq!(last[1], format!("artifacts: {}", dir.display()));
    assert!(last[2].starts_with("PASS  "), "{}", last[2]);
    for file in [
        "scenario.toml",
        "run.json",
        "plan.txt",
        "history.jsonl",
        "nodes/node-1.jsonl",
        "nodes/node-3.jsonl",
        "report.json",
        "report.md",
    ] {
        let length = dir.join(file).metadata().map(|file| file.len());
        assert!(length.is_ok_and(|length| length > 0), "{file}");
    }
}

#[test]
fn a_violation_is_1() {
    let run = SmallRun::new();
    run.write(
        "history.jsonl",
        &with_a_value_nobody_wrote(&run.read("history.jsonl")),
    );
    let checked = run.squall("check");
    assert_eq!(checked.code, 1, "{}", checked.stdout);
    let verdict = "\nVIOLATION  C1 cache_linearizable: ";
    assert!(checked.stdout.contains(verdict), "{}", checked.stdout);
    assert!(checked.stdout.contains("get cache-"), "{}", checked.stdout);
}

/// The last value that was read becomes another one.
pub(crate) fn with_a_value_nobody_wrote(history: &str) -> String {
    let start = r#""outcome":"value","value":""#;
    let at = history.rfind(start).expect("values were read") + start.len();
    let end = at + history[at..].find('"').expect("the value ends");
    format!("{}nobody.1{}", &history[..at], &history[end..])
}

#[test]
fn a_missed_objective_is_2() {
    let scenario = ScenarioFile::new(SMALL);
    let more = ["--set", "objectives.election.p99=1ms"];
    let run = squall_run(&scenario.path, &scenario.beside("run"), &more);
    assert_eq!(run.code, 2, "{}", run.stdout);
    let expected = "\nOBJECTIVE MISSED  election_p99 is ";
    assert!(run.stdout.contains(expected), "{}", run.stdout);
    let again = "--set 'objectives.election.p99=1ms'\n";
    assert!(run.stdout.ends_with(again), "{}", run.stdout);
}

#[test]
fn too_little_load_is_3() {
    let scenario = ScenarioFile::new(SMALL);
    let settings = ["phases.chaos=1ms", "phases.serve=1ms", "fault=[]"];
    let more = settings.map(|setting| ["--set", setting]).concat();
    let run = squall_run(&scenario.path, &scenario.beside("run"), &more);
    assert_eq!(run.code, 3, "{}", run.stdout);
    let expected = "\nINCONCLUSIVE  too little load: lock acknowledged ";
    assert!(run.stdout.contains(expected), "{}", run.stdout);
}

#[test]
fn json_is_the_report_and_nothing_else() {
    let scenario = ScenarioFile::new(SMALL);
    let dir = scenario.beside("run");
    let run = squall_run(&scenario.path, &dir, &["--format", "json"]);
    let stored = std::fs::read_to_string(dir.join("report.json")).expect("the run wrote it");
    assert_eq!((run.code, run.stdout), (0, stored));
}

#[test]
fn the_plan_that_is_shown_is_the_plan_that_is_run() {
    let small = SmallRun::new();
    let plan = |seed: &str| {
        let shown = run(squall()
            .arg("plan")
            .arg(&small.scenario.path)
            .args(["--seed", seed]));
        assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
        shown.stdout
    };
    assert_eq!(plan("1"), small.read("plan.txt"));
    assert!(plan("2").starts_with("small, seed 2\n"), "{}", plan("2"));
    let json = run(squall()
        .arg("plan")
        .arg(&small.scenario.path)
        .args(["--format", "json"]));
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!(
        (&json["seed"], &json["scenario"]),
        (&1.into(), &"small".into())
    );
}

//! `squall explore` as its users meet it.

use std::fs;
use std::path::Path;

use crate::command::{Finished, SMALL, ScenarioFile, run, squall};

fn explore(scenario: &ScenarioFile, out: &Path, more: &[&str]) -> Finished {
    run(squall()
        .arg("explore")
        .arg(&scenario.path)
        .arg("--out")
        .arg(out)
        .args(more))
}

/// Every line of the log.
fn runs(out: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(out.join("explored.jsonl")).expect("there is a log");
    let lines = text.lines();
    let lines = lines.map(|line| serde_json::from_str(line).expect("a line is JSON"));
    lines.collect()
}

#[test]
fn a_search_is_the_same_however_many_processes_make_it() {
    let scenario = ScenarioFile::new(SMALL);
    let [one, two] = ["1", "2"].map(|jobs| {
        let out = scenario.beside(&format!("jobs-{jobs}"));
        let done = explore(&scenario, &out, &["--runs", "32", "--jobs", jobs]);
        // In one of them the only fault waits for a moment that does not come: inconclusive.
        assert_eq!(done.code, 3, "{}{}", done.stdout, done.stderr);
        assert!(done.stdout.contains("32 runs in "), "{}", done.stdout);
        assert!(
            done.stdout.contains("31 pass, 1 inconclusive"),
            "{}",
            done.stdout
        );
        out
    });
    let read = |out: &Path| fs::read(out.join("explored.jsonl")).expect("there is a log");
    assert!(read(&one) == read(&two));
    let runs = runs(&one);
    assert_eq!(runs.len(), 32);
    assert!(runs.iter().any(|run| run.get("parent").is_some()));
    // Who met something new is in the corpus, and every parent is one of these.
    for run in &runs {
        let kept = one.join(format!("corpus/{}.toml", run["run"]));
        assert_eq!(kept.exists(), run.get("new").is_some(), "{run}");
        if let Some(parent) = run.get("parent") {
            assert!(one.join(format!("corpus/{parent}.toml")).exists(), "{run}");
        }
    }
    // A member says how it is run, and runs.
    let member = one.join("corpus/1.toml");
    let text = fs::read_to_string(&member).expect("the first run is always new");
    let command = text.lines().next().expect("it has a head");
    let words: Vec<&str> = command.split(' ').collect();
    let ["#", "squall", arguments @ ..] = words.as_slice() else {
        panic!("{command}");
    };
    let again = run(squall().args(arguments).arg("--out").arg(one.join("again")));
    assert_eq!(again.code, 0, "{}{}", again.stdout, again.stderr);
    let refused = explore(&scenario, &one, &["--runs", "16"]);
    assert_eq!(refused.code, 64, "{}", refused.stdout);
    assert!(
        refused.stderr.contains("is not empty"),
        "{}",
        refused.stderr
    );
}

#[cfg(feature = "planted")]
#[test]
fn a_failure_ends_the_search_on_request_and_is_left_to_be_replayed() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("found");
    let more = ["--runs", "160", "--first", "--planted", "ML-18"];
    let shared = [
        "--set",
        "workload.0.shared=60%",
        "--set",
        "workload.0.retries=40%",
    ];
    let found = explore(&scenario, &out, &[more.as_slice(), &shared].concat());
    assert_eq!(found.code, 1, "{}{}", found.stdout, found.stderr);
    assert!(found.stdout.contains("VIOLATION in "), "{}", found.stdout);
    let runs = runs(&out);
    assert!(runs.len() < 160, "{}", runs.len());
    let failed = runs.iter().find(|run| run["ending"] == "violation");
    let failed = failed.expect("one of the last round failed");
    let dir = out.join(format!("failures/{}", failed["run"]));
    let replayed = run(squall().arg("replay").arg(&dir));
    assert_eq!(replayed.code, 1, "{}{}", replayed.stdout, replayed.stderr);
}

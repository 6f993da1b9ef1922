//! Stored runs: judged again, played again, and refused when they are damaged.

use crate::command::{Finished, SmallRun, without_wall_clock};
use crate::verdicts::with_a_value_nobody_wrote;

#[test]
fn checking_again_gives_the_same_report() {
    let run = SmallRun::new();
    let checked = crate::command::run(
        crate::command::squall()
            .arg("check")
            .arg(&run.dir)
            .args(["--format", "json"]),
    );
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let [mut first, mut again] =
        [&run.read("report.json"), &checked.stdout].map(|report| without_wall_clock(report));
    // The one command that may differ.
    assert!(first["reproduce"].take() != again["reproduce"].take());
    assert_eq!(first, again);
}

#[test]
fn a_replay_proves_the_history_identical() {
    let run = SmallRun::new();
    let replayed = run.squall("replay");
    assert_eq!((replayed.code, replayed.stderr.as_str()), (0, ""));
    let report: serde_json::Value =
        serde_json::from_str(&run.read("report.json")).expect("a report is JSON");
    let sha256 = report["sim"]["history_sha256"].as_str().expect("a digest");
    let events = run.read("history.jsonl").lines().count() - 1;
    let told = format!("identical: {events} events, sha256 {sha256}\nverdict: PASS\n");
    assert_eq!(replayed.stdout, told);
}

#[test]
fn a_replay_shows_where_a_history_differs() {
    let run = SmallRun::new();
    run.write(
        "history.jsonl",
        &with_a_value_nobody_wrote(&run.read("history.jsonl")),
    );
    let replayed = run.squall("replay");
    assert_eq!(replayed.code, 1, "{}", replayed.stderr);
    let told = "the replay differs from the run\nfirst diverging event, line ";
    assert!(replayed.stdout.starts_with(told), "{}", replayed.stdout);
    assert!(replayed.stdout.contains("nobody.1"), "{}", replayed.stdout);
    assert!(!run.scenario.beside("run.replay").exists(), "cleaned up");
}

#[test]
fn a_damaged_history_is_named_with_its_line() {
    let run = SmallRun::new();
    let whole = run.read("history.jsonl");
    let lines = whole.lines().count();
    let place = format!("error: {}", run.dir.join("history.jsonl").display());

    run.write("history.jsonl", &whole[..whole.len() - 10]);
    let refused = run.squall("check");
    refuses(&refused, &format!("{place}: line {lines}: "));
    assert!(refused.stderr.contains("truncated"), "{}", refused.stderr);

    run.write(
        "history.jsonl",
        &whole.replacen("\"type\":\"phase\"", "\"type\":\"pha", 1),
    );
    refuses(&run.squall("check"), &format!("{place}: line "));

    run.write("history.jsonl", "");
    refuses(&run.squall("check"), &format!("{place}: "));
}

#[test]
fn a_history_of_another_run_is_refused() {
    let run = SmallRun::new();
    let other = run
        .read("history.jsonl")
        .replacen("\"seed\":1,", "\"seed\":2,", 1);
    run.write("history.jsonl", &other);
    let place = format!("error: {}: the history is not of this", run.dir.display());
    refuses(&run.squall("check"), &place);
}

#[test]
fn a_damaged_run_directory_is_refused() {
    let run = SmallRun::new();
    run.write("run.json", "{");
    let manifest = run.dir.join("run.json");
    for command in ["check", "replay"] {
        refuses(
            &run.squall(command),
            &format!("error: {}: ", manifest.display()),
        );
    }
    std::fs::remove_file(&manifest).expect("the file is ours");
    let told = format!("error: {}: no run directory", run.dir.display());
    for command in ["check", "replay"] {
        refuses(&run.squall(command), &told);
    }
}

/// One line, with exit code 64.
fn refuses(refused: &Finished, told: &str) {
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (64, ""),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.starts_with(told), "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
}

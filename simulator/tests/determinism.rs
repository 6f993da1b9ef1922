//! One seed, one history: to the byte, whatever process runs it.

mod command;

use std::collections::BTreeSet;

use command::{SMALL, ScenarioFile, squall_run, without_wall_clock};
use squall::history::jsonl::Header;
use squall::run;
use squall::scenario::Scenario;

#[test]
fn two_processes_give_the_same_history_and_the_same_report() {
    let scenario = ScenarioFile::new(SMALL);
    let runs = ["first", "second"].map(|name| {
        let dir = scenario.beside(name);
        let run = squall_run(&scenario.path, &dir, &["--seed", "7"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        let read = |name: &str| std::fs::read(dir.join(name)).expect("the run left it behind");
        let report = String::from_utf8(read("report.json")).expect("a report is text");
        (read("history.jsonl"), without_wall_clock(&report))
    });
    let [(history, report), (history_again, report_again)] = runs;
    // Not `assert_eq`, which would print both.
    assert!(history == history_again, "the histories differ");
    assert_eq!(report, report_again);
}

#[test]
fn fifty_seeds_give_fifty_histories_and_none_leaves_a_trace() {
    let settings = [
        ("phases.chaos", "200ms"),
        ("phases.serve", "50ms"),
        ("fault", "[]"),
        ("workload.0.clients", "1"),
        ("workload.1.clients", "1"),
    ];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let scenario = Scenario::parse_with(SMALL, "small.toml", &settings).expect("it is valid");
    // The true header names the seed, and would make any two histories differ.
    let header = Header::new("small", 0, Vec::new());
    let digest = |seed| {
        let judged = run::run(&scenario, seed, "").expect("the simulation works");
        judged.history.sha256(&header)
    };
    let first = digest(1);
    let others: BTreeSet<String> = (2..=50).map(digest).collect();
    assert_eq!(others.len(), 49, "two seeds gave the same history");
    assert!(!others.contains(&first), "two seeds gave the same history");
    assert_eq!(
        digest(1),
        first,
        "49 other runs left a trace in this process"
    );
}

#[test]
fn verify_finds_nothing_in_a_healthy_build() {
    let scenario = ScenarioFile::new(SMALL);
    let run = squall_run(&scenario.path, &scenario.beside("run"), &["--verify"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr.contains("identical to the byte"),
        "{}",
        run.stderr
    );
    let left: Vec<_> = std::fs::read_dir(scenario.dir.path())
        .expect("the directory is ours")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(
        left.len(),
        2,
        "the repeated runs were not cleaned up: {left:?}"
    );
}

#[cfg(feature = "planted")]
#[test]
fn verify_names_the_first_event_that_depends_on_the_machine() {
    let scenario = ScenarioFile::new(SMALL);
    let more = ["--planted", "DET-01", "--verify"];
    let run = squall_run(&scenario.path, &scenario.beside("run"), &more);
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    let expected = "not deterministic: two runs of seed 1 differ\nfirst diverging event, line ";
    assert!(run.stderr.starts_with(expected), "{}", run.stderr);
    for part in ["    both   ", "  > first  ", "  > again  "] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
}

#[cfg(not(feature = "planted"))]
#[test]
fn a_normal_build_holds_no_planted_bugs() {
    let scenario = ScenarioFile::new(SMALL);
    let more = ["--planted", "DET-01"];
    let run = squall_run(&scenario.path, &scenario.beside("run"), &more);
    let expected = "error: this build holds no planted bugs; build with `--features planted`\n";
    assert_eq!((run.code, run.stderr.as_str()), (64, expected));
}

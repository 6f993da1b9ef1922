//! One seed, one history: to the byte, whatever process runs it.

mod command;

use std::collections::BTreeSet;

#[cfg(feature = "planted")]
use command::squall_with;
use command::{SMALL, ScenarioFile, squall_run, without_wall_clock};
use squall::history::jsonl::Header;
use squall::run;
use squall::scenario::Scenario;

/// Many shared holds are granted by one entry, on processors whose time counts.
#[cfg(feature = "planted")]
const SHARED_LOCKS: &str = r#"
name = "shared-locks"
summary = "Readers and writers share locks."

[cluster]
nodes = 3

[phases]
warmup = "1s"
chaos = "1s"
serve = "500ms"

[hardware]
cores = 2

[hardware.node]
wakeup = "20us"
task = "2us"
receive = "10us"
send = "20us"
sync = "30us"

[hardware.client]
wakeup = "20us"
task = "2us"
receive = "10us"
send = "20us"
sync = "0s"

[probe]
enabled = false

[[workload]]
service = "lock"
clients = 6
keys = 1
shared = "70%"
hold = "60ms"
wait = "500ms"
think = { min = "5ms", max = "30ms" }
"#;

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

/// What a profile says decides here who is served first, and so what differs reaches clients.
#[cfg(feature = "planted")]
#[test]
fn verify_names_task_and_node_of_a_hash_order() {
    let scenario = ScenarioFile::new(SHARED_LOCKS);
    let run = squall_run(
        &scenario.path,
        &scenario.beside("run"),
        &["--planted", "DET-02", "--verify"],
    );
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    let located = run.stderr.split("first step that differs: ").nth(1);
    let located = located.unwrap_or_else(|| panic!("it is not located: {}", run.stderr));
    let (first, rest) = located.split_once('\n').expect("more lines follow");
    // The state machine of a node that applies the entry, not the clients that it answers.
    assert!(
        first.contains(" of node-1 (openraft::core::sm::"),
        "{first}"
    );
    assert_eq!(rest.matches("    both   ").count(), 3, "{rest}");
    let owners = rest.matches("wakes task ").count();
    assert_eq!(owners, 2, "{rest}");
    let replay = squall_with(&["replay", &scenario.beside("run").display().to_string()]);
    assert_eq!(replay.code, 1, "{}", replay.stdout);
    assert!(
        replay.stdout.contains("first step that differs: number "),
        "{}",
        replay.stdout
    );
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

//! Sweeps as their users meet them: killed, resumed, split, merged, limited.

mod command;

use std::path::Path;
use std::process::Stdio;

use command::{Finished, SMALL, ScenarioFile, run, squall};
use serde_json::Value;

/// A sweep of [`SMALL`] without much to do, so that a seed takes a moment.
fn sweep(scenario: &Path, out: &Path, more: &[&str]) -> std::process::Command {
    let mut command = squall();
    command
        .arg("sweep")
        .arg(scenario)
        .arg("--out")
        .arg(out)
        .args([
            "--set",
            "phases.chaos=1600ms",
            "--set",
            "phases.serve=100ms",
        ])
        .args(more);
    command
}

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("the sweep wrote it");
    serde_json::from_str(&text).expect("it is JSON")
}

/// The summary without what only the wall clock decides.
fn summary(out: &Path) -> Value {
    let mut summary = json(&out.join("summary.json"));
    let wall = summary.as_object_mut().expect("an object").remove("wall");
    assert!(wall.is_some());
    summary
}

fn must_pass(finished: &Finished) {
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
}

/// Kills a sweep, with `kill -9`, after it has done a few of its seeds.
fn start_and_kill(scenario: &Path, out: &Path, seeds: &str, after: usize) {
    let mut command = sweep(scenario, out, &["--seeds", seeds, "--jobs", "2"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let lines = out.join("results.jsonl");
    while std::fs::read_to_string(&lines).map_or(0, |text| text.lines().count()) < after {
        let ended = child.try_wait().expect("it can be asked");
        assert!(ended.is_none(), "it ended before it had done enough");
        std::thread::yield_now();
    }
    child.kill().expect("it still runs");
    child.wait().expect("it ends");
}

#[test]
fn a_killed_sweep_goes_on_and_ends_with_the_same_summary() {
    let scenario = ScenarioFile::new(SMALL);
    let [whole, killed] = ["whole", "killed"].map(|name| scenario.beside(name));
    must_pass(&run(&mut sweep(
        &scenario.path,
        &whole,
        &["--seeds", "1..24"],
    )));
    for after in [3, 9, 10] {
        start_and_kill(&scenario.path, &killed, "1..24", after);
    }
    // As if it had been killed in the middle of a line, too.
    let lines = killed.join("results.jsonl");
    let text = std::fs::read_to_string(&lines).expect("some seeds were done");
    let done = text.lines().count();
    std::fs::write(&lines, &text[..text.len() - 20]).expect("the file is ours");

    let resumed = run(&mut sweep(&scenario.path, &killed, &["--seeds", "1..24"]));
    must_pass(&resumed);
    let expected = format!("going on: {} of 24 runs were done before\n", done - 1);
    assert_eq!(resumed.stderr, expected);
    assert_eq!(summary(&killed), summary(&whole));
    for name in ["summary.csv", "seeds.csv", "summary.md"] {
        let read = |dir: &Path| std::fs::read_to_string(dir.join(name)).expect("it was written");
        assert_eq!(read(&killed), read(&whole), "{name}");
    }
}

#[test]
fn four_shards_merged_are_the_whole_sweep() {
    let scenario = ScenarioFile::new(SMALL);
    let whole = scenario.beside("whole");
    // Some seeds miss this, others do not.
    let more = [
        "--seeds",
        "1..14",
        "--set",
        "objectives.election.max=60ms",
        "--keep",
        "2",
    ];
    let at_once = run(&mut sweep(&scenario.path, &whole, &more));
    assert_eq!(at_once.code, 2, "{}", at_once.stdout);
    let shards = ["1/4", "2/4", "3/4", "4/4"].map(|shard| {
        let out = scenario.beside(&shard.replace('/', "-of-"));
        let more = [&more[..], &["--shard", shard]].concat();
        let part = run(&mut sweep(&scenario.path, &out, &more));
        assert!([0, 2].contains(&part.code), "{}", part.stderr);
        out
    });
    let merge = |out: &Path, shards: &[std::path::PathBuf]| {
        let mut merge = squall();
        run(merge
            .arg("merge")
            .args(shards)
            .arg("--out")
            .arg(out)
            .args(["--keep", "2"]))
    };
    let merged = scenario.beside("merged");
    let expected = merge(&merged, &shards);
    assert_eq!(
        (expected.code, expected.stderr.as_str()),
        (2, ""),
        "{}",
        expected.stdout
    );
    let (merged_summary, whole_summary) = (summary(&merged), summary(&whole));
    for (field, value) in whole_summary.as_object().expect("an object") {
        assert_eq!(&merged_summary[field], value, "{field}");
    }
    assert_eq!(merged_summary, whole_summary);
    let dirs = |sweep: &Path| {
        let failures = std::fs::read_dir(sweep.join("failures")).expect("some seeds failed");
        let mut names: Vec<_> = failures.map(|e| e.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(dirs(&merged), dirs(&whole));
    assert_eq!(dirs(&merged).len(), 2);

    let partly = merge(&scenario.beside("partly"), &shards[..3]);
    assert!(
        partly.stderr.contains("of 4 shards, 4 is not there"),
        "{}",
        partly.stderr
    );
    let twice = [shards[0].clone(), shards[0].clone()];
    let refused = merge(&scenario.beside("twice"), &twice);
    assert_eq!(refused.code, 64, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("are both shard 1/4"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_failing_seed_leaves_a_run_directory_that_replays() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("sweep");
    let more = ["--seeds", "3..4", "--set", "objectives.election.max=1ms"];
    let swept = run(&mut sweep(&scenario.path, &out, &more));
    assert_eq!(swept.code, 2, "{}", swept.stdout);
    assert!(
        swept.stderr.starts_with("OBJECTIVE MISSED  small seed "),
        "{}",
        swept.stderr
    );
    assert_eq!(swept.stderr.lines().count(), 1, "one line a cause");
    let group = &summary(&out)["failures"][0];
    assert_eq!(group["count"], 2);
    assert_eq!(group["run_dirs"][0], "failures/small-3");
    let replayed = run(squall().arg("replay").arg(out.join("failures/small-3")));
    assert_eq!(replayed.code, 2, "{}", replayed.stderr);
    assert!(
        replayed.stdout.starts_with("identical: "),
        "{}",
        replayed.stdout
    );
}

#[test]
fn every_seed_may_be_run_twice() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("sweep");
    let swept = run(&mut sweep(
        &scenario.path,
        &out,
        &["--seeds", "1..3", "--verify"],
    ));
    must_pass(&swept);
    assert!(
        swept.stdout.contains("3 runs, each run twice: 3 pass"),
        "{}",
        swept.stdout
    );
}

#[test]
fn a_seed_that_takes_too_long_or_too_much_is_a_result() {
    let scenario = ScenarioFile::new(SMALL);
    let slow = run(&mut sweep(
        &scenario.path,
        &scenario.beside("slow"),
        &["--seeds", "1..2", "--timeout", "2ms"],
    ));
    assert_eq!(slow.code, 70, "{}", slow.stdout);
    assert!(
        slow.stdout.contains("2 runs: 2 timed out"),
        "{}",
        slow.stdout
    );
    let large = scenario.beside("large");
    let more = ["--seeds", "1..2", "--memory", "20MiB"];
    let swept = run(&mut sweep(&scenario.path, &large, &more));
    assert_eq!(swept.code, 70, "{}", swept.stdout);
    assert!(
        swept.stdout.contains("2 runs: 2 out of memory"),
        "{}",
        swept.stdout
    );
    // There is no history, but enough to play it again.
    let again = run(squall().arg("replay").arg(large.join("failures/small-1")));
    assert!(
        again.stdout.starts_with("the run came to no verdict: "),
        "{}",
        again.stdout
    );
}

#[test]
fn a_budget_of_time_ends_a_sweep_that_passes() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("sweep");
    let swept = run(&mut sweep(
        &scenario.path,
        &out,
        &["--for", "1s", "--jobs", "1"],
    ));
    must_pass(&swept);
    let head = &summary(&out)["sweep"];
    assert_eq!(
        (&head["planned"], &head["seeds"]),
        (&1_000_000.into(), &"1..1000000".into())
    );
    assert!((1..1_000).contains(&head["done"].as_u64().expect("a number")));
}

#[test]
fn an_interrupted_sweep_ends_with_a_summary_of_what_is_done() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("sweep");
    let child = sweep(&scenario.path, &out, &["--seeds", "1..5000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    while std::fs::read_to_string(out.join("results.jsonl")).map_or(0, |t| t.lines().count()) < 3 {
        std::thread::yield_now();
    }
    let killed = run(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]));
    assert_eq!(killed.code, 0);
    let ended = command::finished(child.wait_with_output().expect("it ends"));
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(
        ended.stdout.contains(" of 5,000 runs: "),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stderr
            .contains("interrupted; the same command goes on"),
        "{}",
        ended.stderr
    );
    assert!(!out.join(".working").exists());
}

/// As `squall sweep … 2>&1 >results | head -1` does to it.
#[test]
fn a_sweep_to_which_nobody_listens_goes_on() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("sweep");
    // The second time there is something to tell.
    for _ in 0..2 {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = sweep(&scenario.path, &out, &["--seeds", "1..2"]);
        let status = command
            .stdout(Stdio::null())
            .stderr(writer)
            .status()
            .expect("the program starts");
        assert_eq!(status.code(), Some(0));
    }
}

#[test]
fn a_missing_baseline_is_found_out_before_the_first_seed() {
    let text = SMALL.to_owned() + "baseline = { file = \"kept.json\" }\n";
    let scenario = ScenarioFile::new(&text);
    let out = scenario.beside("sweep");
    let refused = run(&mut sweep(&scenario.path, &out, &["--seeds", "1..2"]));
    assert_eq!(refused.code, 64, "{}", refused.stdout);
    let expected = format!(
        "error: {}: no file of",
        scenario.beside("kept.json").display()
    );
    assert!(refused.stderr.starts_with(&expected), "{}", refused.stderr);
    assert!(!out.exists(), "nothing was made");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("sweep");
    must_pass(&run(&mut sweep(&scenario.path, &out, &["--seeds", "1"])));
    let other = run(&mut sweep(&scenario.path, &out, &["--seeds", "1..2"]));
    assert_eq!(other.code, 64, "{}", other.stdout);
    assert!(
        other
            .stderr
            .contains("holds another sweep: the seeds differ"),
        "{}",
        other.stderr
    );
    let twice = run(squall().arg("sweep").args([&scenario.path, &scenario.path]));
    assert!(
        twice
            .stderr
            .contains("another scenario of this sweep is called small")
    );
    let backwards = run(&mut sweep(&scenario.path, &out, &["--seeds", "9..1"]));
    assert_eq!(backwards.code, 64);
    let no_sweep = run(squall()
        .arg("merge")
        .arg(scenario.dir.path())
        .args(["--out", "x"]));
    assert!(no_sweep.stderr.contains("no sweep"), "{}", no_sweep.stderr);
}

//! Stored runs: judged again, played again, and refused when they are damaged.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::command::{
    self, Finished, SMALL, ScenarioFile, SmallRun, squall, squall_run, without_wall_clock,
};
use crate::verdicts::with_a_value_nobody_wrote;

#[test]
fn checking_again_gives_the_same_report() {
    let run = SmallRun::new();
    let checked = command::run(
        squall()
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
    let expected = format!("identical: {events} events, sha256 {sha256}\nverdict: PASS\n");
    assert_eq!(replayed.stdout, expected);
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
    let expected = "the replay differs from the run\nfirst diverging event, line ";
    assert!(replayed.stdout.starts_with(expected), "{}", replayed.stdout);
    assert!(replayed.stdout.contains("nobody.1"), "{}", replayed.stdout);
    assert_eq!(beside(&run), ["run", "small.toml"], "cleaned up");
}

/// `.` has no name that another could be made from.
#[test]
fn a_replay_from_within_leaves_the_run_as_it_is() {
    let run = SmallRun::new();
    let aside = run.scenario.beside("run.replay");
    std::fs::create_dir(&aside).expect("the directory is ours");
    std::fs::write(aside.join("chapter-1"), "words").expect("the file is ours");
    let [mut files, mut again] = [(); 2].map(|()| Vec::new());
    for found in [&mut files, &mut again] {
        let mut replay = squall();
        let replayed = command::run(replay.current_dir(&run.dir).args(["replay", "."]));
        assert_eq!(replayed.code, 0, "{}", replayed.stderr);
        let expected = "identical: ";
        assert!(replayed.stdout.starts_with(expected), "{}", replayed.stdout);
        *found = names(&run.dir);
    }
    assert!(files.contains(&"history.jsonl".to_owned()), "{files:?}");
    assert_eq!(files, again);
    assert_eq!(names(&aside), ["chapter-1"]);

    run.write(
        "history.jsonl",
        &with_a_value_nobody_wrote(&run.read("history.jsonl")),
    );
    let mut replay = squall();
    let replayed = command::run(replay.current_dir(&run.dir).args(["replay", "."]));
    assert_eq!(replayed.code, 1, "it is not compared with itself");
    assert_eq!(beside(&run), ["run", "run.replay", "small.toml"]);
}

#[test]
fn a_run_into_the_current_directory_is_verified_against_others() {
    let scenario = ScenarioFile::new(SMALL);
    let here = scenario.beside("here");
    std::fs::create_dir(&here).expect("the directory is ours");
    let mut squall = squall();
    let verified = command::run(
        (squall.current_dir(&here).arg("run"))
            .arg(&scenario.path)
            .args(["--out", ".", "--verify"]),
    );
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    assert!(here.join("history.jsonl").is_file(), "it is still there");
    assert_eq!(names(scenario.dir.path()), ["here", "small.toml"]);
}

/// As after Ctrl-C: the process is gone before anything of the run was written.
#[test]
fn an_interrupted_run_may_be_made_again() {
    let run = SmallRun::new();
    run.write("report.html", "of the first run");
    run.write("notes.txt", "ours");
    let of_the_first = [
        "run.json",
        "report.json",
        "report.md",
        "report.html",
        "history.jsonl",
    ];
    let mut child = endless(&run.scenario.path, &run.dir);
    wait_until(&mut child, || {
        !of_the_first.iter().any(|name| run.dir.join(name).exists())
    });
    child.kill().expect("it still runs");
    child.wait().expect("it ends");

    let expected = format!(
        "error: {}: the run has not ended, or was",
        run.dir.display()
    );
    for command in ["check", "replay", "report"] {
        refuses(&run.squall(command), &expected);
    }
    let page = squall().args(["report", "--html"]).arg(&run.dir).output();
    refuses(
        &command::finished(page.expect("the program starts")),
        &expected,
    );
    let again = squall_run(&run.scenario.path, &run.dir, &[]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(run.squall("check").code, 0);
    assert_eq!(run.read("notes.txt"), "ours");
    let left = names(&run.dir);
    assert!(left.iter().all(|name| !name.starts_with('.')), "{left:?}");
}

#[test]
fn a_new_directory_of_an_interrupted_run_may_be_used_again() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("run");
    let mut child = endless(&scenario.path, &out);
    wait_until(&mut child, || out.join("nodes").is_dir());
    let expected = format!("error: {}: another run is at work there", out.display());
    refuses(&squall_run(&scenario.path, &out, &[]), &expected);
    child.kill().expect("it still runs");
    child.wait().expect("it ends");
    let again = squall_run(&scenario.path, &out, &[]);
    assert_eq!(again.code, 0, "{}", again.stderr);
}

/// A run that would take hours.
fn endless(scenario: &Path, out: &Path) -> Child {
    let mut command = squall();
    (command.arg("run").arg(scenario).arg("--out").arg(out))
        .args(["--set", "phases.chaos=1000h"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

/// Waits for what the process does, as long as it lives.
fn wait_until(child: &mut Child, is_so: impl Fn() -> bool) {
    while !is_so() {
        let ended = child.try_wait().expect("it can be asked");
        assert!(ended.is_none(), "it ended before its time");
        std::thread::yield_now();
    }
}

#[test]
fn a_run_without_a_verdict_says_why_and_what_to_do() {
    let run = SmallRun::new();
    for gone in ["history.jsonl", "report.json", "report.md"] {
        std::fs::remove_file(run.dir.join(gone)).expect("the file is ours");
    }
    run.write("crash.txt", "panicked at raft.rs:7: log not found\n");
    let dir = run.dir.display();
    let expected = format!(
        "error: {dir}: came to no verdict: panicked at raft.rs:7: log not found; \
         `squall replay {dir}` runs it again\n"
    );
    for more in [
        &["check"][..],
        &["check", "--model", "lock"],
        &["report"],
        &["report", "--markdown"],
        &["report", "--html"],
    ] {
        let (command, options) = more.split_first().expect("one is named");
        let refused = command::run(squall().arg(command).arg(&run.dir).args(options));
        refuses(&refused, &expected);
    }
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

/// Before an hour of simulation, and not as a run that differs.
#[test]
fn a_replay_of_a_damaged_history_names_its_line() {
    let run = SmallRun::new();
    let whole = run.read("history.jsonl");
    let lines = whole.lines().count();
    run.write("history.jsonl", &whole[..whole.len() - 10]);
    let place = format!(
        "error: {}: line {lines}: ",
        run.dir.join("history.jsonl").display()
    );
    refuses(&run.squall("replay"), &place);
}

#[test]
fn the_run_of_another_seed_or_scenario_is_left_alone() {
    let run = SmallRun::new();
    let before = run.read("report.json");
    let held = format!(
        "error: {}: holds the run of small with seed 1; ",
        run.dir.display()
    );
    refuses(
        &squall_run(&run.scenario.path, &run.dir, &["--seed", "2"]),
        &held,
    );
    let other = ScenarioFile::new(&SMALL.replace("name = \"small\"", "name = \"other\""));
    refuses(&squall_run(&other.path, &run.dir, &[]), &held);
    assert_eq!(run.read("report.json"), before);
    // The same once more, or with other settings, is what one does all day.
    let again = squall_run(&run.scenario.path, &run.dir, &["--set", "phases.chaos=2s"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
}

/// What is printed can be pasted into a shell, from wherever the scenario comes.
#[test]
fn the_command_that_reproduces_a_run_is_quoted() {
    let scenario = ScenarioFile::new(SMALL);
    let dir = scenario.beside("it's \"here\" & there");
    std::fs::create_dir(&dir).expect("the directory is ours");
    let path = dir.join("small.toml");
    std::fs::copy(&scenario.path, &path).expect("the file is ours");
    let run = squall_run(
        &path,
        &scenario.beside("run"),
        &["--set", "phases.chaos=2s"],
    );
    let line = run
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("reproduce: squall "));
    let line = line.unwrap_or_else(|| panic!("{}", run.stdout));
    let mut shell = std::process::Command::new("sh");
    let script = format!("\"$0\" {line} --out \"$1\"");
    shell
        .args(["-c", &script])
        .arg(env!("CARGO_BIN_EXE_squall"))
        .arg(scenario.beside("again"));
    let again = command::run(&mut shell);
    assert_eq!(again.code, 0, "{line}\n{}", again.stderr);
    let history = |name: &str| std::fs::read(scenario.beside(name).join("history.jsonl"));
    assert_eq!(
        history("run").expect("it is there"),
        history("again").expect("it is there")
    );
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
    let expected = format!("error: {}: no run directory", run.dir.display());
    for command in ["check", "replay"] {
        refuses(&run.squall(command), &expected);
    }
}

/// What a directory holds, in order.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("it is there");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let names = entries.map(|entry| name(entry).into_string().expect("our names are UTF-8"));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// What stands beside the run directory, and the run directory.
fn beside(run: &SmallRun) -> Vec<String> {
    names(run.scenario.dir.path())
}

/// One line, with exit code 64.
fn refuses(refused: &Finished, expected: &str) {
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (64, ""),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.starts_with(expected), "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
}

//! Other systems on processes: a short run of each example that ships, judged again from its
//! directory with the same verdict, and its figures held against judges that share no code with
//! Squall (`tests/judges`).
//!
//! Skipped, with the reason printed, where a system's programs are missing. Objectives are off, and
//! so is how soon clients are served again (R4): the machine may be busy.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use squall_systems::SystemFile;

use crate::node;
use crate::processes::{left_of, networks};
use crate::setting::alone;

/// One kill in three seconds, on three nodes where the system can have three.
const ONE_KILL: &[&str] = &[
    "cluster.nodes=3",
    "phases.warmup=1s",
    "phases.chaos=4s",
    "phases.serve=500ms",
    "fault.0.at=500ms",
    "fault.0.for=1500ms",
    "fault.0.repeat.times=1",
];

/// Objectives are for machines that do nothing else.
const PATIENT: &[&str] = &[
    "objectives.election.p99=60s",
    "objectives.downtime.max=60s",
    "objectives.recovery.max=60s",
];

/// Whether the programs of a system are here; says why not.
fn installed(system: &str) -> Option<()> {
    let system = SystemFile::load(system).unwrap_or_else(|why| panic!("{why}"));
    // Squall's own nodes are built with this test.
    if system.name() == "squall" {
        return Some(());
    }
    match system.require() {
        Ok(()) => Some(()),
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    }
}

fn squall() -> PathBuf {
    node::binary().with_file_name("squall")
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}\n{err}")
}

/// Plays a scenario as users do, and has its directory judged again.
fn play(dir: &Path, scenario: &str, system: Option<&str>, settings: &[&[&str]]) -> Value {
    let mut command = Command::new(squall());
    command
        .current_dir(squall_tests::repository())
        .args(["run", scenario, "--quiet", "--backend", "process", "--out"])
        .arg(dir)
        .env(node::VARIABLE, node::binary())
        .args(system.iter().flat_map(|name| ["--system", *name]))
        .args(settings.concat().iter().flat_map(|set| ["--set", *set]));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = command.spawn().expect("it is built");
    let pid = running.id();
    let ran = running.wait_with_output().expect("it ends");
    assert_eq!(left_of(pid), Vec::<String>::new());
    let written = std::fs::read(dir.join("report.json"));
    let written = written.unwrap_or_else(|why| panic!("{why}\n{}", text(&ran)));
    let report: Value = serde_json::from_slice(&written).expect("it is JSON");

    let mut check = Command::new(squall());
    check.arg("check").arg(dir).args(["--format", "json"]);
    let checked = check.output().expect("it is built");
    let again: Value = serde_json::from_slice(&checked.stdout)
        .unwrap_or_else(|why| panic!("{why}\n{}", text(&checked)));
    for part in ["verdict", "checks", "data_loss"] {
        assert_eq!(report[part], again[part], "{part}, judged again");
    }
    assert_eq!(ran.status.code(), checked.status.code(), "{}", text(&ran));
    report
}

/// A check's verdict.
fn verdict<'r>(report: &'r Value, check: &str) -> &'r str {
    let checks = report["checks"].as_array().expect("a list");
    let found = checks.iter().find(|one| one["name"] == check);
    let found = found.unwrap_or_else(|| panic!("no check {check}"));
    found["verdict"].as_str().expect("a word")
}

/// The fault was seen to work, something was acknowledged, and what is promised holds.
fn is_sound(report: &Value) {
    let checks = report["checks"].as_array().expect("a list");
    let is_broken = |check: &&Value| check["verdict"] == "fail" && check["property"] != "R4";
    let broken: Vec<&Value> = checks.iter().filter(is_broken).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    let fault = &report["faults"][0];
    assert_eq!(fault["status"], "healed", "{fault:#}");
    assert_ne!(report["data_loss"]["acked"], 0);
}

/// A short `leader-kill` of a system that ships.
fn short_form(system: &str) -> Option<Value> {
    let turn = networks().and_then(|()| installed(system));
    let _turn = turn.and_then(|()| alone())?;
    let dir = tempfile::tempdir().expect("a directory");
    let settings = [ONE_KILL, PATIENT];
    let report = play(
        &dir.path().join("run"),
        "scenarios/leader-kill.toml",
        Some(system),
        &settings,
    );
    is_sound(&report);
    Some(report)
}

#[test]
fn squall_loses_its_leader_and_nothing_else() {
    if let Some(report) = short_form("squall") {
        assert_eq!(report["data_loss"]["lost"], 0);
        assert_eq!(verdict(&report, "cache_linearizable"), "pass");
    }
}

#[test]
fn redis_that_syncs_comes_back_with_everything() {
    if let Some(report) = short_form("redis") {
        assert_eq!(report["data_loss"]["lost"], 0);
        assert_eq!(verdict(&report, "cache_linearizable"), "pass");
    }
}

#[test]
fn redis_cluster_breaks_no_promise() {
    short_form("redis-cluster");
}

#[test]
fn the_mistake_of_the_service_in_python_is_found() {
    let repository = squall_tests::repository();
    let path = repository.join("examples/python-register/system.toml");
    let turn = networks().and_then(|()| installed(&path.display().to_string()));
    let Some(_turn) = turn.and_then(|()| alone()) else {
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let scenario = "examples/python-register/failover.toml";
    // It answers before anybody else has the write, which is lost if its node is killed then.
    let is_found = (1..=6).any(|attempt: u32| {
        let run = dir.path().join(attempt.to_string());
        let report = play(&run, scenario, None, &[ONE_KILL]);
        assert_eq!(report["faults"][0]["status"], "healed");
        verdict(&report, "cache_linearizable") == "fail"
    });
    assert!(is_found, "six kills lost nothing");
}

/// A judge's answer.
fn judge(program: &str, arguments: &[&str]) -> Value {
    let program = squall_tests::repository()
        .join("tests/judges")
        .join(program);
    let mut command = Command::new("python3");
    command.arg(program).args(arguments);
    command.env(node::VARIABLE, node::binary());
    let output = command.output().expect("there is Python");
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}\n{}", text(&output)))
}

/// The only time of a list.
fn only(trial: &Value, name: &str) -> Option<f64> {
    match trial[name].as_array().expect("a list").as_slice() {
        [one] => one.as_f64(),
        _ => None,
    }
}

/// Whether a time of ours is within so much of a judge's.
fn agrees(trial: &Value, ours: &str, theirs: &str, share: f64) -> bool {
    let both = only(trial, ours).zip(only(trial, theirs));
    both.is_some_and(|(ours, theirs)| (ours - theirs).abs() <= share * theirs)
}

/// etcd's own log says how long an election took, and a client of another language how long it
/// was without etcd. A machine that is busy at a bad moment makes either late, so that one of
/// three trials has to agree; promises are kept in all of them.
#[test]
fn etcd_is_measured_as_its_log_and_a_prober_have_it() {
    let turn = networks().and_then(|()| installed("etcd"));
    let Some(_turn) = turn.and_then(|()| alone()) else {
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let squall = squall().display().to_string();
    let settings: Vec<&str> = [ONE_KILL, PATIENT, &["phases.chaos=6s", "fault.0.for=4s"]]
        .concat()
        .iter()
        .flat_map(|set| ["--set", *set])
        .collect();
    let mut trials = Vec::new();
    for number in 1..=3 {
        let run = dir.path().join(number.to_string());
        let place = run.display().to_string();
        let fixed = [&*squall, &*place, "1"];
        let trial = judge("etcd_trials.py", &[&fixed[..], &settings[..]].concat());
        assert_eq!(trial["lost"], 0, "{trial:#}");
        assert_eq!(trial["register"], "pass", "{trial:#}");
        let agreed =
            agrees(&trial, "election", "log", 0.3) && agrees(&trial, "downtime", "prober", 0.1);
        trials.push(trial);
        if agreed {
            return;
        }
    }
    panic!("{trials:#?}");
}

/// Sentinels make a second master while the first goes on: what it acknowledged is lost, which a
/// program that reads the history counts alike, and both give the same lock away.
#[test]
fn redis_with_sentinels_loses_what_a_judge_counts_and_gives_a_lock_to_two() {
    let turn = networks().and_then(|()| installed("redis-sentinel"));
    let Some(_turn) = turn.and_then(|()| alone()) else {
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let run = dir.path().join("run");
    let settings = [
        "cluster.nodes=3",
        "phases.warmup=1s",
        "phases.chaos=9s",
        "phases.serve=500ms",
        "fault.0.at=500ms",
        "fault.0.for=7s",
        "fault.0.partition=[[\"leader\"],[\"all\"]]",
        "fault.1.at=4s",
        "fault.1.repeat.every=500ms",
    ];
    let scenario = "examples/redis-lock/lock-split.toml";
    let report = play(&run, scenario, None, &[&settings]);
    is_sound(&report);
    let counted = judge("redis_loss.py", &[&run.display().to_string()]);
    let loss = &report["data_loss"];
    assert_eq!(loss["acked"], counted["acked"], "{counted:#}");
    assert_eq!(loss["lost"], counted["lost"], "{counted:#}");
    // Where Sentinels were too slow, there was one master all the time.
    let elected_ms = report["faults"][0]["elected_ms"].as_f64();
    if elected_ms.is_some_and(|ms| ms < 3_000.0) {
        assert_ne!(loss["lost"], 0);
        assert_eq!(verdict(&report, "lock_exclusion"), "not_promised");
        let page = std::fs::read_to_string(run.join("report.md")).expect("it was written");
        let (_, found) = page
            .split_once("## Broken, and not promised")
            .expect("it is shown");
        let (_, found) = found
            .split_once("exclusion")
            .unwrap_or_else(|| panic!("{found}"));
        for operation in [
            "acquire lock-",
            "-> granted",
            "release lock-",
            "-> released",
        ] {
            assert!(found.contains(operation), "{found}");
        }
    }
}

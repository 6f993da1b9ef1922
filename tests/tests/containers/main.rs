//! Runs on real containers and processes: what they show, what they leave behind, and what they
//! refuse.
//!
//! Skipped, with the reason printed, where no Docker engine runs, no networks can be made or
//! links cannot be broken.
//! The nodes are a static build with the planted bugs compiled in ([`node`]). Real machines
//! are slow at times, so nothing here asserts a time that the machine could stretch, but for
//! what links were asked to add.

#![allow(clippy::disallowed_methods)] // real processes and containers, waited for in real time

#[path = "../../../simulator/tests/html/browser.rs"]
#[allow(dead_code)] // its own test uses the rest
mod browser;
mod calibration;
mod dashboard;
mod harness;
mod links;
mod node;
mod owner;
mod planted;
mod processes;
mod setting;
mod systems;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use setting::{Run, alone, engine, left_of, links_can_be_broken, run, scenario};
use squall::report::{RunVerdict, Verdict};
use squall::run::{RunError, plan_for};
use squall::scenario::Scenario;
use squall_docker::DockerBackend;

/// Short phases, for scenarios whose faults leave room for it.
const SHORT: [(&str, &str); 3] = [
    ("phases.warmup", "3s"),
    ("phases.serve", "1s"),
    ("phases.converge", "60s"),
];

#[test]
fn a_killed_leader_is_replaced_and_nothing_is_lost() {
    let Some(_turn) = engine().and_then(|()| alone()) else {
        return;
    };
    let short = [
        ("phases.chaos", "11s"),
        ("fault.0.repeat.times", "1"),
        ("fault.0.for", "3s"),
        // Objectives are for machines that do nothing else.
        ("objectives.election.p99", "30s"),
        ("objectives.downtime.max", "30s"),
        ("objectives.recovery.max", "30s"),
    ];
    let scenario = scenario("leader-kill.toml", &[&SHORT[..], &short[..]].concat());
    let run = run(&scenario, None);
    assert_eq!(run.report.verdict, RunVerdict::Pass, "{}", run.text());
    assert_eq!(run.report.backend, "docker");
    let report = &run.report;
    assert_eq!(report.data_loss.lost, 0);
    assert!(report.data_loss.acked > 0);
    assert_eq!(report.election_ms.count, 1, "the election was measured");
    samples_are_whole(&run);
    assert_eq!(left_of(std::process::id()), Vec::<String>::new());
}

/// Each node was looked at about ten times a second, and its figures make sense.
fn samples_are_whole(run: &Run) {
    let samples: Vec<_> = (run.resources.iter())
        .filter(|sample| sample.node == "node-1")
        .collect();
    let span_us = samples.last().expect("some").at_us - samples[0].at_us;
    let expected = span_us / 100_000;
    let count = samples.len() as u64;
    assert!(count > expected / 2, "{count} of {expected} samples");
    let used: Vec<u64> = samples.iter().filter_map(|sample| sample.cpu_us).collect();
    assert!(used.last() > used.first(), "processor time: {used:?}");
    let written = samples
        .iter()
        .filter_map(|sample| sample.disk_written_bytes);
    assert!(written.max() > Some(0), "nothing was written");
    let sent = samples.iter().filter_map(|sample| sample.net_sent_bytes);
    assert!(sent.max() > Some(0), "nothing was sent");
}

#[test]
fn two_runs_at_once_do_not_collide() {
    let Some(_turn) = engine().and_then(|()| alone()) else {
        return;
    };
    let settings = [
        ("phases.warmup", "2s"),
        ("phases.chaos", "3s"),
        ("phases.serve", "1s"),
        ("cluster.nodes", "3"),
    ];
    let runs = std::thread::scope(|scope| {
        let start = || scope.spawn(|| run(&scenario("quiet.toml", &settings), None).report);
        let runs = [start(), start()];
        runs.map(|run| run.join().expect("a run ends"))
    });
    for report in runs {
        assert_eq!(report.data_loss.lost, 0);
        let broken = report
            .checks
            .iter()
            .find(|check| check.verdict == Verdict::Fail);
        assert!(broken.is_none(), "{broken:?}");
    }
    assert_eq!(left_of(std::process::id()), Vec::<String>::new());
}

/// The run that the next test kills: a process of its own, which must not clean up.
#[test]
#[ignore = "is started, and killed, by another test"]
fn a_run_to_be_killed() {
    let scenario = Scenario::parse(LONG_PARTITION, "long-partition.toml");
    run(&scenario.expect("it is sound"), None);
}

const LONG_PARTITION: &str = r#"
name = "long-partition"

[cluster]
nodes = 3

[phases]
warmup = "1s"
chaos = "120s"

[[workload]]
service = "cache"
clients = 1
think = { min = "100ms", max = "200ms" }

[[fault]]
at = "500ms"
isolate = ["leader"]
for = "100s"
"#;

#[test]
fn what_a_killed_run_leaves_behind_the_next_command_removes() {
    let Some(_turn) = links_can_be_broken().and_then(|()| alone()) else {
        return;
    };
    // Whatever the machine's own network had before, it has after.
    let own_rules = owner::rules_of_this_machine();
    let program = std::env::current_exe().expect("a test has a program");
    let mut child = Command::new(program)
        .args(["a_run_to_be_killed", "--exact", "--ignored"])
        .env(node::VARIABLE, node::binary())
        .stdout(Stdio::null())
        .spawn()
        .expect("it is this very program");
    let in_partition = || owner::has_rules_of_partition(child.id());
    let deadline = Instant::now() + Duration::from_secs(120);
    while !in_partition() {
        assert!(Instant::now() < deadline, "no partition was ever seen");
        std::thread::sleep(Duration::from_millis(200));
    }
    child.kill().expect("it runs");
    child.wait().expect("it is a child");
    assert_ne!(
        left_of(child.id()),
        Vec::<String>::new(),
        "SIGKILL cleans nothing"
    );
    assert!(squall_docker::clean().expect("an engine") > 0);
    assert_eq!(left_of(child.id()), Vec::<String>::new());
    assert_eq!(owner::rules_of_this_machine(), own_rules);
}

/// Needs no engine: what cannot be done is known when the plan is made.
#[test]
fn faults_that_containers_cannot_do_are_refused_by_name() {
    for (file, kind) in [
        ("power-loss.toml", "power_loss"),
        ("disk-damage.toml", "slow_sync"),
        ("clock-skew.toml", "clock"),
    ] {
        let path = squall_tests::repository().join("scenarios").join(file);
        let scenario = Scenario::load(path).expect("it is in the catalogue");
        match plan_for(&DockerBackend::default(), &scenario, 1) {
            Err(RunError::Refused(why)) => {
                assert!(
                    why.contains(kind) && why.contains("docker"),
                    "{file}: {why}"
                );
            }
            other => panic!(
                "{file} is not refused: {:?}",
                other.map(|plan| plan.scenario)
            ),
        }
    }
}

//! The library in tests of others: what a test says when it passes, and when it fails.

use std::path::Path;
use std::process::{Command, Output};

use squall::testing::{Fault, Limit, RunReport, Simulation, Workload, millis, seconds};

/// A failover in a small cluster, put together in code.
fn leader_dies() -> Simulation {
    Simulation::named("leader-dies")
        .nodes(3)
        .workload(Workload::cache().clients(2).think("20ms"))
        .workload(Workload::lock().clients(1).think("20ms"))
        .fault(Fault::kill(["leader"]).at("300ms").lasting("800ms"))
        .lasting("1500ms")
        .set("probe.enabled", false)
}

#[test]
fn a_dead_leader_is_replaced_within_two_seconds() {
    leader_dies().seeds(1..=6).check(|report| {
        report.must_pass();
        assert_eq!(report.election().count(), 1);
        assert!(report.downtime().max() < seconds(2));
        assert_eq!(report.lost(), 0);
        assert_eq!(report.holds("cache_linearizable"), Some(true));
        assert_eq!(report.mark("cluster_down"), 0);
    });
}

/// The remaining lifetime of keys, which no plain workload asks for.
#[test]
fn an_operation_by_share_is_sent_and_judged() {
    let share = toml::Table::from_iter([("ttl".to_owned(), toml::Value::from("20%"))]);
    let cache = Workload::cache().clients(3).think("10ms");
    let cache = cache.set("expiring", "50%").set("also", share);
    Simulation::named("lifetimes")
        .nodes(3)
        .workload(cache)
        .fault(Fault::kill(["leader"]).at("300ms").lasting("800ms"))
        .lasting("2s")
        .seeds(1..=2)
        .check(|report| {
            report.must_pass();
            assert_eq!(report.holds("cache_lifetime"), Some(true));
            let asked = &report.report().latency_us["cache"]["ttl"];
            assert!(serde_json::to_value(asked).is_ok_and(|asked| asked.is_object()));
        });
}

#[test]
fn many_seeds_are_looked_at_together() {
    let runs = leader_dies().seeds(1..=6).run();
    runs.must_pass();
    let election = runs.election();
    assert_eq!(election.count(), 6);
    assert!(
        election.min() > millis(10) && election.p99() < seconds(3),
        "{election}"
    );
    let worst = election.worst_seed().expect("there were elections");
    let again = leader_dies().seeds(worst..=worst).run();
    assert_eq!(
        again.election().max(),
        election.max(),
        "a seed repeats its run"
    );
    assert_eq!(runs.met("cluster_down"), 0);
    assert_eq!(runs.lost(), 0);
}

#[test]
fn threads_do_not_change_what_a_seed_shows() {
    let digest = |report: &RunReport| report.report().sim.history_sha256.clone();
    let collected = std::sync::Mutex::new(Vec::new());
    for _ in 0..2 {
        leader_dies().seeds(3..=5).check(|report| {
            let mut collected = collected.lock().expect("nobody panics");
            collected.push((report.seed(), digest(report)));
        });
    }
    let mut all = collected.into_inner().expect("nobody panics");
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 3);
}

/// Not a test of its own: [`a_failing_test_tells_everything`] runs it.
#[test]
#[ignore = "fails on purpose"]
fn fails_on_purpose() {
    leader_dies().seeds(1..=4).check(|report| {
        assert!(report.seed() != 3 || report.election().max() < millis(1));
    });
}

fn run_failing(runs: &Path, environment: &[(&str, &str)]) -> (bool, String) {
    run_ignored("fails_on_purpose", runs, environment)
}

fn run_ignored(test: &str, runs: &Path, environment: &[(&str, &str)]) -> (bool, String) {
    let this = std::env::current_exe().expect("a test is a program");
    let mut command = Command::new(this);
    command
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("SQUALL_RUNS", runs)
        .envs(environment.iter().copied());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.success(), text(&stdout) + &text(&stderr))
}

#[test]
fn a_failing_test_tells_everything() {
    let runs = tempfile::tempdir().expect("a temporary directory");
    let (passes, output) = run_failing(runs.path(), &[]);
    assert!(!passes);
    let dir = runs.path().join("fails_on_purpose-3");
    for expected in [
        "leader-dies fails with seed 3: assertion failed: report.seed() != 3",
        &format!("run directory: {}", dir.display()),
        "reproduce: SQUALL_SEED=3 cargo test fails_on_purpose",
        &format!("moment by moment: squall trace {}\n", dir.display()),
    ] {
        assert!(output.contains(expected), "{expected}\n{output}");
    }
    // What it leaves behind, the command takes.
    let squall = |command: &str| {
        let mut squall = Command::new(env!("CARGO_BIN_EXE_squall"));
        squall.arg(command).arg(&dir).output().expect("it starts")
    };
    let replayed = squall("replay");
    let text = String::from_utf8_lossy(&replayed.stdout).into_owned();
    // This program is another than the one that made the run, but the history is the same.
    assert!(text.starts_with("identical: "), "{text}");

    assert!(
        run_failing(runs.path(), &[("SQUALL_SEED", "2")]).0,
        "only that seed runs"
    );
    assert!(
        run_failing(runs.path(), &[("SQUALL_SEEDS", "2")]).0,
        "only two seeds run"
    );
    assert!(!run_failing(runs.path(), &[("SQUALL_SEED", "3"), ("SQUALL_JOBS", "1")]).0);
}

#[test]
#[ignore = "fails on purpose"]
fn misses_its_objective() {
    let impatient = leader_dies().set("objectives.downtime", "{ max = \"1ms\" }");
    impatient.seeds(1..=1).run().must_pass();
}

#[test]
fn a_run_that_fails_is_explained_and_can_be_traced() {
    let runs = tempfile::tempdir().expect("a temporary directory");
    let (passes, output) = run_ignored("misses_its_objective", runs.path(), &[]);
    assert!(!passes);
    let dir = runs.path().join("misses_its_objective-1");
    for expected in [
        "  No check is broken; the verdict is",
        &format!("why: squall explain {}\n", dir.display()),
        &format!("to be played: squall report {} --html\n", dir.display()),
        &format!("moment by moment: squall trace {}\n", dir.display()),
    ] {
        assert!(output.contains(expected), "{expected}\n{output}");
    }
}

/// Also of seeds that fail, and of what the test alone asserts.
#[test]
fn a_test_leaves_its_cases_for_a_ci_server() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let [junit, summary] = ["junit", "summary.md"].map(|name| files.path().join(name));
    std::fs::create_dir(&junit).expect("the directory is ours");
    let set = [("SQUALL_JUNIT", &junit), ("SQUALL_SUMMARY", &summary)];
    let set = set.map(|(name, path)| (name, path.to_str().expect("a plain path")));
    assert!(!run_failing(files.path(), &set).0);
    let xml = std::fs::read_to_string(junit.join("fails_on_purpose-leader-dies.xml"));
    let xml = xml.expect("it is there");
    for expected in [
        "name=\"fails_on_purpose\" classname=\"leader-dies.run\"",
        "<failure message=\"assertion failed: report.seed() != 3",
        "type=\"assertion\"",
        "name=\"C1 cache_linearizable\"",
    ] {
        assert!(xml.contains(expected), "{expected}\n{xml}");
    }
    let markdown = std::fs::read_to_string(&summary).expect("it is there");
    assert!(
        markdown.starts_with("# fails\\_on\\_purpose: FAIL\n"),
        "{markdown}"
    );
    let again = "SQUALL_SEED=3 cargo test fails_on_purpose";
    assert!(markdown.contains(again), "{markdown}");

    let (junit, summary) = (
        files.path().join("passes.xml"),
        files.path().join("passes.md"),
    );
    let simulation = leader_dies().seeds(1..=2).junit(&junit).summary(&summary);
    simulation.run().must_pass();
    let xml = std::fs::read_to_string(junit).expect("it is there");
    assert!(
        xml.contains("failures=\"0\"") && xml.contains("errors=\"0\""),
        "{xml}"
    );
    let markdown = std::fs::read_to_string(summary).expect("it is there");
    assert!(
        markdown.contains("leader-dies: 2 seeds run, 0 failed."),
        "{markdown}"
    );
}

#[test]
fn what_a_test_finds_can_be_shrunk_in_the_test() {
    let slow = |report: &RunReport| {
        assert!(report.election().max() < millis(1), "elections are slow");
    };
    let simulation = leader_dies().fault(Fault::pause(["follower"]).at("1200ms"));
    let smallest = simulation
        .shrink(1, Limit::Runs(150), slow)
        .expect("it fails");
    assert_eq!(smallest.faults, 1, "{}", smallest.scenario);
    assert!(
        smallest.scenario.contains("kill = [\"leader\"]"),
        "{}",
        smallest.scenario
    );
    assert_eq!(smallest.why, "elections are slow");
    let again = Simulation::parse(smallest.scenario).seeds(smallest.seed..=smallest.seed);
    let report = again.run();
    assert!(report.election().max() > millis(1));
    assert!(leader_dies().shrink(1, Limit::Runs(9), |_| {}).is_none());
}

#[test]
#[should_panic(expected = "--set cluster.nodes=0: nodes must be at least 1, not 0")]
fn a_wrong_scenario_is_refused_with_its_place() {
    leader_dies().set("cluster.nodes", 0).seeds(1..=1).run();
}

fn planted_scenario(id: &str) -> Simulation {
    let file = format!("../scenarios/planted/{id}.toml");
    Simulation::load(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
}

/// What `docs/traces.md` begins with: a test that is green, and red with a bug.
#[test]
fn renewed_sessions_live() {
    planted_scenario("ml-02").seeds(1..=1).run().must_pass();
}

#[test]
fn acknowledged_messages_arrive() {
    planted_scenario("mq-08").seeds(1..=1).run().must_pass();
}

#[cfg(feature = "planted")]
#[test]
fn a_red_test_names_the_step_that_a_planted_bug_leaves_out() {
    let runs = tempfile::tempdir().expect("a temporary directory");
    let tests = [
        (
            "renewed_sessions_live",
            "ML-02",
            "the deadline that the entry names is not its deadline any more. node-1, node-2 and \
             node-3 ended it",
        ),
        (
            "acknowledged_messages_arrive",
            "MQ-08",
            "it answered the repeat as if that attempt had been committed",
        ),
    ];
    for (test, id, step) in tests {
        let this = std::env::current_exe().expect("a test is a program");
        let red = Command::new(this)
            .args(["--exact", test, "--nocapture"])
            .envs([
                ("SQUALL_RUNS", runs.path()),
                ("SQUALL_PLANTED", Path::new(id)),
            ])
            .output()
            .expect("it starts");
        let output = String::from_utf8_lossy(&red.stderr).into_owned();
        assert!(!red.status.success(), "{output}");
        assert!(output.contains(step), "{output}");
        let again = format!("reproduce: SQUALL_PLANTED={id} SQUALL_SEED=1 cargo test {test}");
        assert!(output.contains(&again), "{output}");
        // The commands know of the bug by themselves.
        let explained = Command::new(env!("CARGO_BIN_EXE_squall"))
            .arg("explain")
            .arg(runs.path().join(format!("{test}-1")))
            .output()
            .expect("it starts");
        let explained = String::from_utf8_lossy(&explained.stdout).into_owned();
        assert!(explained.contains(step), "{explained}");
    }
}

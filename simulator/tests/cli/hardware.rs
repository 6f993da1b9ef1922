//! `--profile`: other hardware, the same promises.

use std::path::PathBuf;

use crate::command::{SMALL, ScenarioFile, squall_run, squall_with};

/// Two slow cores for everybody.
const PROFILE: &str = r#"[hardware]
cores = 2

[hardware.disk]
sync = { min = "100us", p50 = "250us", p99 = "2ms", max = "5ms" }

[hardware.network]
latency = { min = "20us", p50 = "50us", max = "1ms" }

[hardware.node]
wakeup = "20us"
task = "2us"
receive = "10us"
send = "20us"
sync = "30us"
kib = "4us"

[hardware.client]
wakeup = "20us"
task = "2us"
receive = "10us"
send = "20us"
sync = "0s"
"#;

struct Files {
    scenario: ScenarioFile,
    profile: PathBuf,
}

impl Files {
    fn new(profile: &str) -> Self {
        let scenario = ScenarioFile::new(SMALL);
        let path = scenario.beside("hardware.toml");
        std::fs::write(&path, profile).expect("the file is ours");
        Self {
            scenario,
            profile: path,
        }
    }

    fn profile(&self) -> &str {
        self.profile.to_str().expect("a plain path")
    }

    fn scenario(&self) -> &str {
        self.scenario.path.to_str().expect("a plain path")
    }
}

#[test]
fn a_run_with_a_profile_is_deterministic_and_can_be_replayed_without_it() {
    let files = Files::new(PROFILE);
    let dir = files.scenario.beside("run");
    let more = ["--profile", files.profile(), "--verify"];
    let run = squall_run(&files.scenario.path, &dir, &more);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr.contains("identical to the byte"),
        "{}",
        run.stderr
    );
    let again = format!("--profile {}", files.profile());
    assert!(run.stdout.contains(&again), "{}", run.stdout);
    let modelled = "its profile models processors, network latency, disk syncs\n";
    assert!(run.stdout.contains(modelled), "{}", run.stdout);
    assert!(!run.stdout.contains("no hardware"), "{}", run.stdout);
    std::fs::remove_file(&files.profile).expect("the file is ours");
    let replay = squall_with(&["replay", dir.to_str().expect("a plain path")]);
    assert_eq!(replay.code, 0, "{}{}", replay.stdout, replay.stderr);
    assert!(
        replay.stdout.starts_with("identical: "),
        "{}",
        replay.stdout
    );
    let check = squall_with(&["check", dir.to_str().expect("a plain path")]);
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
}

#[test]
fn a_report_says_what_the_profile_leaves_out() {
    let files = Files::new(
        "[hardware.network]\nlatency = { min = \"20us\", p50 = \"50us\", max = \"1ms\" }\n",
    );
    let dir = files.scenario.beside("run");
    let run = squall_run(&files.scenario.path, &dir, &["--profile", files.profile()]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let modelled = "its profile models network latency, and processing takes no time\n";
    assert!(run.stdout.contains(modelled), "{}", run.stdout);
}

#[test]
fn the_plan_shows_what_is_measured() {
    let files = Files::new(PROFILE);
    let plan = squall_with(&["plan", files.scenario(), "--profile", files.profile()]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    for line in [
        "network   latency min 20us, p50 50us, max 1ms (measured) one way\n",
        "disk      sync min 100us, p50 250us, p99 2ms, max 5ms (measured)\n",
        "cores     2 cores for nodes and clients\n",
        "node      wakeup 20us, task 2us, receive 10us, send 20us, sync 30us, kib 4us\n",
        "client    wakeup 20us, task 2us, receive 10us, send 20us, sync 0s, kib 0s\n",
    ] {
        assert!(plan.stdout.contains(line), "{line}{}", plan.stdout);
    }
}

/// A profile holds in every variant, unless one sets hardware itself.
#[test]
fn a_profile_holds_in_every_variant() {
    let variants = "
[[variant]]
name = \"as-it-is\"
[[variant]]
name = \"four-cores\"
set = { hardware.cores = 4 }
";
    let files = Files::new(PROFILE);
    let text = format!("{SMALL}{variants}");
    std::fs::write(&files.scenario.path, text).expect("the file is ours");
    let dir = files.scenario.beside("runs");
    let run = squall_run(&files.scenario.path, &dir, &["--profile", files.profile()]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    std::fs::remove_file(&files.profile).expect("the file is ours");
    for (variant, cores) in [("as-it-is", "2 cores"), ("four-cores", "4 cores")] {
        let dir = dir.join(variant);
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect("it was written");
        assert_eq!(read("hardware.toml"), PROFILE, "{variant}");
        let plan = read("plan.txt");
        let expected = format!("cores     {cores} for nodes and clients\n");
        assert!(plan.contains(&expected), "{variant}: {plan}");
        let dir = dir.to_str().expect("a plain path");
        let replay = squall_with(&["replay", dir]);
        assert_eq!(replay.code, 0, "{}{}", replay.stdout, replay.stderr);
        let check = squall_with(&["check", dir]);
        assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
    }
}

#[test]
fn a_sweep_goes_on_only_with_the_same_profile() {
    let files = Files::new(PROFILE);
    let out = files.scenario.beside("sweep");
    let out = out.to_str().expect("a plain path");
    let sweep = |seeds: &str| {
        squall_with(&[
            "sweep",
            files.scenario(),
            "--seeds",
            seeds,
            "--profile",
            files.profile(),
            "--out",
            out,
        ])
    };
    let done = sweep("1..2");
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let changed = PROFILE.replace("cores = 2", "cores = 3");
    std::fs::write(&files.profile, changed).expect("the file is ours");
    let refused = sweep("1..2");
    assert_eq!(refused.code, 64);
    assert!(
        refused.stderr.contains("the profiles differ"),
        "{}",
        refused.stderr
    );
}

#[test]
fn mistakes_of_a_profile_have_their_place_in_it() {
    for (wrong, instead, expected) in [
        (
            "cores = 2",
            "cores = 0",
            "hardware.toml:2:9: cores must be at least 1, not 0",
        ),
        (
            "p50 = \"250us\"",
            "p50 = \"90us\"",
            "hardware.toml:5:8: sync: min 100us is above p50 90us",
        ),
        (
            "task = \"2us\"",
            "task = \"2\"",
            "hardware.toml:12:8: duration `2` has no unit, expected one of ns, us, ms, s",
        ),
        ("task = \"2us\"\n", "", "missing field `task`"),
        (
            "receive = \"10us\"",
            "receive = \"2s\"",
            "hardware.toml:13:11: receive must be at most 1s, not 2s",
        ),
        (
            "[hardware]",
            "[cluster]\nnodes = 3\n[hardware]",
            "hardware.toml:1:2: unknown field `cluster`",
        ),
    ] {
        let files = Files::new(&PROFILE.replacen(wrong, instead, 1));
        let plan = squall_with(&["plan", files.scenario(), "--profile", files.profile()]);
        assert_eq!(plan.code, 64, "{wrong}: {}", plan.stdout);
        assert!(
            plan.stderr.contains(expected),
            "{expected}: {}",
            plan.stderr
        );
    }
    let files = Files::new("[hardware]\ncores = 2\n");
    let plan = squall_with(&["plan", files.scenario(), "--profile", files.profile()]);
    assert!(
        plan.stderr
            .contains("hardware.toml:2:9: `cores` mean nothing"),
        "{}",
        plan.stderr
    );
    let plan = squall_with(&["plan", files.scenario(), "--profile", "nowhere.toml"]);
    assert_eq!(plan.code, 64);
    assert!(
        plan.stderr.contains("nowhere.toml: cannot be read"),
        "{}",
        plan.stderr
    );
}

//! A run that cannot be made is refused before anything runs, in one line that says where and
//! why, with exit code 64 if the request is wrong and 70 if the machine is.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{SMALL, ScenarioFile, finished, run, skip, squall, squall_run, squall_with};

/// Long enough that a test which returns has not run it.
const ENDLESS: [&str; 2] = ["--set", "phases.chaos=1000h"];

/// [`SMALL`] with `from` replaced; the error without the path in front.
fn error_of(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from} is in the scenario");
    let scenario = ScenarioFile::new(&SMALL.replace(from, to));
    let run = squall_run(&scenario.path, &scenario.beside("run"), &[]);
    assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{}", run.stderr);
    assert!(!scenario.beside("run").exists(), "nothing was made");
    let place = format!("error: {}:", scenario.path.display());
    let rest = run.stderr.strip_prefix(&place);
    rest.unwrap_or_else(|| panic!("{}", run.stderr)).to_owned()
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    assert_eq!(
        error_of("nodes = 3", "nodes = 3\nheartbeet = \"50ms\""),
        "6:1: unknown field `heartbeet`, expected one of `nodes`, `spares`, `heartbeat`, \
         `election_timeout`, `snapshot_every`, `cache_entries`; did you mean `heartbeat`?\n"
    );
}

#[test]
fn an_impossible_target_is_named_with_its_place() {
    assert_eq!(
        error_of(r#"kill = ["leader"]"#, r#"kill = ["node-4"]"#),
        "28:9: unknown node `node-4`, the cluster has node-1 to node-3\n"
    );
}

#[test]
fn a_negative_duration_is_named_with_its_place() {
    assert_eq!(
        error_of(r#"chaos = "3s""#, r#"chaos = "-3s""#),
        "9:9: negative duration `-3s`\n"
    );
}

#[test]
fn a_fault_after_the_chaos_phase_is_named_with_its_place() {
    assert_eq!(
        error_of(r#"at = "500ms""#, r#"at = "3s""#),
        "27:6: at 3s is not within the chaos phase of 3s\n"
    );
}

#[test]
fn a_scenario_that_is_no_toml_is_named_with_its_place() {
    let error = error_of("nodes = 3", "nodes =");
    assert!(error.starts_with("5:"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_missing_scenario_is_an_error_of_usage() {
    let expected = "error: nowhere.toml: cannot be read: No such file or directory (os error 2)\n";
    for command in ["run", "plan"] {
        let run = squall_with(&[command, "nowhere.toml"]);
        assert_eq!((run.code, run.stderr.as_str()), (64, expected));
    }
}

#[test]
fn a_bad_override_is_named_as_it_was_given() {
    let scenario = ScenarioFile::new(SMALL);
    let error = |setting: &str| {
        let run = run(squall()
            .arg("plan")
            .arg(&scenario.path)
            .args(["--set", setting]));
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{}", run.stderr);
        run.stderr
    };
    assert_eq!(
        error("phases.chaos=soon"),
        "error: --set phases.chaos=soon: `soon` is not a duration such as \"100ms\"\n"
    );
    assert_eq!(
        error("cluster.knodes=7"),
        "error: --set cluster.knodes=7: unknown field `knodes`, expected one of `nodes`, \
         `spares`, `heartbeat`, `election_timeout`, `snapshot_every`, `cache_entries`; did you mean `nodes`?\n"
    );
    assert_eq!(
        error("workload.7.rate=7/s"),
        "error: --set workload.7.rate=7/s: `workload` has no element 7, they count from 0\n"
    );
    assert_eq!(
        error("phases.chaos=100ms"),
        format!(
            "error: {}:27:6: at 500ms is not within the chaos phase of 100ms \
             (with --set phases.chaos=100ms)\n",
            scenario.path.display()
        )
    );
    let first = error("nonsense").lines().next().map(str::to_owned);
    let expected =
        "error: invalid value 'nonsense' for '--set <KEY=VALUE>': `nonsense` is no KEY=VALUE";
    assert_eq!(first.as_deref(), Some(expected));
}

#[test]
fn bad_usage_is_refused() {
    for arguments in [
        &["run"][..],
        &["run", "small.toml", "--seed", "-1"],
        &["run", "small.toml", "--backend", "moon"],
        &["sweep", "small.toml", "--jobs", "0"],
        &["shrink", "run", "--jobs", "0"],
        &["frobnicate"],
        &[],
    ] {
        let run = squall_with(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{arguments:?}");
        let shown = run.stderr.contains("--help") || run.stderr.contains("Usage: squall");
        assert!(shown, "{}", run.stderr);
    }
}

#[test]
fn an_unknown_bug_is_refused_with_the_known_ones() {
    let scenario = ScenarioFile::new(SMALL);
    let run = squall_run(
        &scenario.path,
        &scenario.beside("run"),
        &["--planted", "XX-01"],
    );
    assert_eq!(run.code, 64);
    let expected = "error: no planted bug XX-01; known: ML-01, ML-02,";
    assert!(run.stderr.starts_with(expected), "{}", run.stderr);
}

#[test]
fn a_directory_that_is_no_run_is_left_alone() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("thesis");
    std::fs::create_dir(&out).expect("the directory is ours");
    std::fs::write(out.join("chapter-1"), "words").expect("the file is ours");
    let run = squall_run(&scenario.path, &out, &ENDLESS);
    let expected = format!(
        "error: {}: exists, and is no run directory; name another with --out\n",
        out.display()
    );
    assert_eq!((run.code, run.stderr), (64, expected));
    assert_eq!(std::fs::read_dir(&out).expect("it is there").count(), 1);
}

#[test]
fn a_directory_that_cannot_be_made_is_found_out_before_the_run() {
    let scenario = ScenarioFile::new(SMALL);
    let below_a_file = scenario.path.join("run");
    for out in [below_a_file.as_path(), Path::new("/proc/squall/run")] {
        let run = squall_run(&scenario.path, out, &ENDLESS);
        assert_eq!((run.code, run.stdout.as_str()), (70, ""), "{}", run.stderr);
        let place = format!("error: {}", out.display());
        assert!(run.stderr.starts_with(&place), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }
}

/// A limit on the size of files stands for a disk that fills up: both fail a write.
#[test]
fn a_directory_without_room_is_found_out_before_the_run() {
    let scenario = ScenarioFile::new(SMALL);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_squall"))
        .arg("run")
        .arg(&scenario.path)
        .arg("--out")
        .arg(scenario.beside("run"))
        .args(ENDLESS);
    let run = run(&mut shell);
    assert_eq!((run.code, run.stdout.as_str()), (70, ""), "{}", run.stderr);
    assert!(run.stderr.contains("File too large"), "{}", run.stderr);
}

#[test]
fn a_full_disk_is_found_out_before_the_run() {
    on_a_file_system("size=64k", "No space left on device");
}

#[test]
fn a_read_only_file_system_is_found_out_before_the_run() {
    on_a_file_system("ro", "Read-only file system");
}

/// Runs into a file system of its own, mounted for that process alone.
fn on_a_file_system(options: &str, expected: &str) {
    let scenario = ScenarioFile::new(SMALL);
    let mount = scenario.beside("mount");
    std::fs::create_dir(&mount).expect("the directory is ours");
    let script = "mount -t tmpfs -o \"$0\" tmpfs \"$1\" || exit 99; shift; exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, options])
        .arg(&mount)
        .arg(env!("CARGO_BIN_EXE_squall"))
        .arg("run")
        .arg(&scenario.path)
        .arg("--out")
        .arg(mount.join("run"))
        .args(ENDLESS)
        .stdin(Stdio::null())
        .output();
    let run = match output {
        Err(e) => return skip(&format!("no unshare here: {e}")),
        Ok(output) => finished(output),
    };
    if run.code == 99 || run.stderr.starts_with("unshare:") {
        return skip(&format!("nothing can be mounted here: {}", run.stderr));
    }
    assert_eq!((run.code, run.stdout.as_str()), (70, ""), "{}", run.stderr);
    assert!(run.stderr.contains(expected), "{}", run.stderr);
}

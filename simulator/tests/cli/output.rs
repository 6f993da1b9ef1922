//! Output: colours only on a terminal, and no panic when nobody reads.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{SMALL, ScenarioFile, SmallRun, skip, squall, squall_run, squall_with};

const ESCAPE: char = '\u{1b}';

#[test]
fn a_pipe_gets_no_colours() {
    let scenario = ScenarioFile::new(SMALL);
    let run = squall_run(&scenario.path, &scenario.beside("run"), &[]);
    assert!(run.stdout.contains("PASS") && !run.stdout.contains(ESCAPE));
}

/// `script` gives a process a terminal.
#[test]
fn a_terminal_gets_colours_unless_no_color_is_set() {
    let run = SmallRun::new();
    let on_terminal = |no_color: Option<&str>| {
        let program = env!("CARGO_BIN_EXE_squall");
        let line = format!("'{program}' check '{}'", run.dir.display());
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-c", &line, "/dev/null"]);
        script.env_remove("NO_COLOR").stdin(Stdio::null());
        if let Some(value) = no_color {
            script.env("NO_COLOR", value);
        }
        let output = script.output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("PASS"), "{text}");
        Some(text)
    };
    let Some(colored) = on_terminal(None) else {
        return skip("no `script` here to make a terminal");
    };
    assert!(colored.contains(ESCAPE), "{colored}");
    let plain = on_terminal(Some("1")).expect("it worked before");
    assert!(!plain.contains(ESCAPE), "{plain}");
    let empty = on_terminal(Some("")).expect("it worked before");
    assert!(empty.contains(ESCAPE), "an empty NO_COLOR is none");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("run");
    let text = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let (path, out) = (text(&scenario.path), text(&out));
    for arguments in [
        &["run", &path, "--out", &out, "--quiet"][..],
        &["check", &out],
        &["replay", &out],
        &["plan", &path],
        &["list", &text(scenario.dir.path())],
        &["--help"],
    ] {
        let mut child = squall()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // As `head -0` would.
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("the program ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), &*stderr),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

/// Nothing can be written to this device; it stands for a disk that is full.
#[test]
fn a_result_that_cannot_be_written_is_a_failure_of_the_harness() {
    let run = SmallRun::new();
    let scenario = run.scenario.path.to_str().expect("a plain path");
    let dir = run.dir.to_str().expect("a plain path");
    for arguments in [
        &["check", dir][..],
        &["plan", scenario],
        &["schema", "report"],
        &["--help"],
        &["--version"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let child = squall()
            .args(arguments)
            .stdout(full.expect("Linux has it"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = child.wait_with_output().expect("the program ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let expected = "error: standard output: No space left on device (os error 28)\n";
        assert_eq!(
            (output.status.code(), &*stderr),
            (Some(70), expected),
            "{arguments:?}"
        );
    }
}

#[test]
fn list_shows_every_scenario_with_its_summary() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let listed = squall_with(&["list".as_ref(), scenarios.as_os_str()]);
    assert_eq!((listed.code, listed.stderr.as_str()), (0, ""));
    let entries = std::fs::read_dir(&scenarios).expect("the repository has scenarios");
    let files = entries.map(|entry| entry.expect("an entry").file_name());
    let mut files: Vec<String> = files
        .map(|name| name.into_string().expect("a plain name"))
        .filter(|name| name.ends_with(".toml"))
        .collect();
    files.sort();
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), files.len(), "{}", listed.stdout);
    for (line, file) in lines.iter().zip(&files) {
        let (path, summary) = line.split_once("  ").expect("two columns");
        assert!(path.trim_end().ends_with(file), "{line}");
        assert!(summary.trim().ends_with('.'), "{line}");
    }
}

#[test]
fn list_of_nothing_is_an_error_of_usage() {
    let listed = squall_with(&["list", "nowhere"]);
    let expected = "error: nowhere: No such file or directory (os error 2)\n";
    assert_eq!((listed.code, listed.stderr.as_str()), (64, expected));
}

/// The build script tells it to tests as to the program.
#[test]
fn a_report_names_the_commit_that_the_program_was_built_upon() {
    let commit = option_env!("SQUALL_COMMIT").filter(|commit| !commit.is_empty());
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../.git");
    if repository.exists() {
        assert!(commit.is_some(), "the sources are in a repository");
    }
    let report = SmallRun::new().read("report.json");
    let report: serde_json::Value = serde_json::from_str(&report).expect("a report");
    assert_eq!(report["sim"]["commit"].as_str(), commit);
}

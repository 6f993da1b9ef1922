//! Runs the `squall` command as a process of its own, as a person or a script would.

#![allow(dead_code)] // every test program uses its own part of this

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// What a finished process left behind.
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The command, without the surroundings' wishes about colours and width.
pub fn squall() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    (command.env_remove("NO_COLOR").env_remove("COLUMNS")).stdin(Stdio::null());
    command
}

pub fn run(command: &mut Command) -> Finished {
    let output = command.output().expect("the program starts");
    finished(output)
}

pub fn finished(output: Output) -> Finished {
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    Finished {
        code: output.status.code().expect("not ended by a signal"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// A process that is ended with the test.
pub struct Ended(pub Child);

impl Ended {
    /// Where its dashboard is: what it says first on its standard error, which is piped.
    pub fn dashboard(&mut self) -> String {
        let stderr = self.0.stderr.take().expect("it is piped");
        let line = BufReader::new(stderr).lines().next().expect("a line");
        let line = line.expect("it is text");
        let url = line.strip_prefix("dashboard: ");
        url.unwrap_or_else(|| panic!("{line}")).to_owned()
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says that a test proves nothing on this machine, and why.
///
/// # Panics
/// With `CI=true`, where everything must be proved.
#[track_caller]
pub fn skip(why: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
    println!("skipped: {why}");
}

/// Runs `squall` with these arguments.
pub fn squall_with<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Finished {
    run(squall().args(arguments))
}

/// `squall run SCENARIO --out OUT` and more arguments.
pub fn squall_run(scenario: &Path, out: &Path, more: &[&str]) -> Finished {
    run(squall()
        .arg("run")
        .arg(scenario)
        .arg("--out")
        .arg(out)
        .args(more))
}

/// A failover in a small cluster: the shortest run in which everything happens.
pub const SMALL: &str = r#"name = "small"
summary = "Three nodes; the leader dies, and comes back a second later."

[cluster]
nodes = 3

[phases]
warmup = "1s"
chaos = "3s"
serve = "500ms"

[probe]
enabled = false

[[workload]]
service = "lock"
clients = 2
ttl = "2s"
think = { min = "20ms", max = "40ms" }

[[workload]]
service = "cache"
clients = 2
think = { min = "20ms", max = "40ms" }

[[fault]]
at = "500ms"
kill = ["leader"]
for = "1s"

[objectives]
lost = 0
"#;

/// A scenario file with this text, in a directory of its own.
pub struct ScenarioFile {
    pub dir: tempfile::TempDir,
    pub path: PathBuf,
}

impl ScenarioFile {
    pub fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("small.toml");
        std::fs::write(&path, text).expect("the file is ours");
        Self { dir, path }
    }

    /// A path beside the scenario.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// [`SMALL`], run once with seed 1.
pub struct SmallRun {
    pub scenario: ScenarioFile,
    pub dir: PathBuf,
}

impl SmallRun {
    pub fn new() -> Self {
        let scenario = ScenarioFile::new(SMALL);
        let dir = scenario.beside("run");
        let run = squall_run(&scenario.path, &dir, &[]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        Self { scenario, dir }
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name)).expect("the run left it behind")
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.join(name), text).expect("the file is ours");
    }

    /// Runs a command on the run directory.
    pub fn squall(&self, command: &str) -> Finished {
        run(squall().arg(command).arg(&self.dir))
    }
}

/// The report without what the clock on the wall, and only that, decides.
pub fn without_wall_clock(report: &str) -> serde_json::Value {
    let mut report: serde_json::Value = serde_json::from_str(report).expect("a report is JSON");
    let sim = report["sim"].as_object_mut().expect("it has a `sim`");
    for key in ["wall_seconds", "speed", "started", "version"] {
        assert!(sim.remove(key).is_some(), "`sim` has no {key}");
    }
    report
}

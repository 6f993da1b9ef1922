//! Finds planted bugs by general chaos, shrinks each, replays what is left, and writes the
//! table of `docs/track-record.md`.
//!
//! ```text
//! cargo build --release --features planted
//! cargo run --release --features planted --example shrink_record -- --seeds 5
//! ```
//!
//! It drives the program `squall` beside it, as a user would. `--seeds N` is how long a bug
//! may hide from `scenarios/chaos.toml`; those not found by then have no row.

use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};

use squall::report::Verdict;
use squall::run_dir::RunDir;
use squall::scenario::Scenario;
use squall::track_record::{bugs, hunt};
use squall_cluster::planted::Bug;

use document::write_between;

#[path = "common/document.rs"]
mod document;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a shrunk failure may have left, and how long it may take to get there.
const MOST_FAULTS: usize = 3;
const LEAST_REDUCTION: u64 = 10;
const LONGEST: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let seeds = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => 20,
        [name, count] if name == "--seeds" => count.parse().expect("--seeds needs a number"),
        _ => panic!("usage: shrink_record [--seeds N]"),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let chaos = root.join("scenarios/chaos.toml");
    let scenario = Scenario::load(&chaos).unwrap_or_else(|e| panic!("{e}"));
    let runs = tempfile::tempdir().expect("there is room for run directories");
    let mut rows = Vec::new();
    let mut good = 0;
    for bug in bugs() {
        let Ok(catch) = hunt(&scenario, bug, 1..=seeds) else {
            println!("{}: not found in {seeds} seeds", bug.id());
            continue;
        };
        let shrunk = shrink(&chaos, bug, catch.seed, &runs.path().join(bug.id()));
        good += usize::from(shrunk.is_good());
        let row = shrunk.row(bug, catch.seed);
        print!("{row}");
        rows.push(row);
    }
    println!(
        "{good} of {} have at most {MOST_FAULTS} faults and a tenth of the operations, in under \
         {} s, and fail again",
        rows.len(),
        LONGEST.as_secs()
    );
    write(&root.join("docs/track-record.md"), &rows);
    match good == rows.len() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

struct Outcome {
    before: Facts,
    after: Facts,
    took: Duration,
    /// `squall replay` gave the same history, and the same failure.
    is_replayed: bool,
}

struct Facts {
    faults: usize,
    operations: u64,
    failed: Vec<String>,
}

impl Outcome {
    fn is_good(&self) -> bool {
        self.after.faults <= MOST_FAULTS
            && self.after.operations * LEAST_REDUCTION <= self.before.operations
            && self.took < LONGEST
            && self.is_replayed
    }

    fn row(&self, bug: Bug, seed: u64) -> String {
        let (before, after) = (&self.before, &self.after);
        format!(
            "| {} | {seed} | {} | {} → {} | {} → {} | {:.0} s | {} |\n",
            bug.id(),
            after.failed.join(", "),
            before.faults,
            after.faults,
            before.operations,
            after.operations,
            self.took.as_secs_f64(),
            match self.is_replayed {
                true => "fails again",
                false => "differs",
            },
        )
    }
}

/// Runs the seed, shrinks it, replays the result.
#[allow(clippy::disallowed_methods)] // how long it takes is asked of the real clock
fn shrink(chaos: &Path, bug: Bug, seed: u64, dir: &Path) -> Outcome {
    let (seed, shrunk) = (seed.to_string(), dir.join("shrunk"));
    let run = squall("run", |command| {
        command
            .arg(chaos)
            .args(["--planted", bug.id(), "--seed", &seed]);
        command.arg("--out").arg(dir)
    });
    assert_eq!(
        run.status.code(),
        Some(1),
        "{}: it fails as before",
        bug.id()
    );
    let watch = Instant::now();
    let done = squall("shrink", |command| command.arg(dir));
    let took = watch.elapsed();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {said}", bug.id());
    let replayed = squall("replay", |command| command.arg(&shrunk));
    let is_identical = String::from_utf8_lossy(&replayed.stdout).contains("identical: ");
    Outcome {
        before: facts(dir),
        after: facts(&shrunk),
        took,
        is_replayed: is_identical && replayed.status.code() == Some(1),
    }
}

fn squall(name: &str, arguments: impl Fn(&mut Command) -> &mut Command) -> Output {
    let here = std::env::current_exe().expect("this program has a path");
    let beside = here.ancestors().nth(2).expect("it is an example");
    let mut command = Command::new(beside.join("squall"));
    let output = arguments(command.arg(name)).output();
    output.expect("squall has been built beside its examples")
}

fn facts(dir: &Path) -> Facts {
    let report = RunDir::open(dir).and_then(|(dir, _)| dir.report());
    let report = report.unwrap_or_else(|e| panic!("{e}"));
    let failed = report.checks.iter();
    let failed = failed.filter(|check| check.verdict == Verdict::Fail);
    Facts {
        faults: report.faults.len(),
        operations: report.operations.invoked,
        failed: failed.map(|check| check.property.clone()).collect(),
    }
}

fn write(path: &Path, rows: &[String]) {
    let head = "| id | seed | broken then | faults | operations | shrunk in | replayed |\n\
        |---|---|---|---|---|---|---|\n";
    let table = format!("{head}{}", rows.concat());
    write_between(path, "shrunk", &table).unwrap_or_else(|e| panic!("{e}"));
}

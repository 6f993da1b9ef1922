//! Hunts every planted bug and writes the table of `docs/track-record.md`.
//!
//! ```text
//! cargo run --release --features planted --example track_record
//! cargo run --release --features planted --example track_record -- --clean 500
//! ```
//!
//! `--seeds N` is how long a bug may hide (default 200). `--clean N` runs N seeds of each
//! scenario without its bug as well, and names those that do not pass. `--only ID`, as often as
//! wanted, looks at some bugs and writes nothing. How soon scenarios find a bug that know nothing
//! of it is what `search_record` measures.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

use squall::report::RunVerdict;
use squall::scenario::Scenario;
use squall::track_record::{bugs, hunt, judge, scenario_of};
use squall_cluster::planted::Bug;

use document::write_between;

#[path = "common/document.rs"]
mod document;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Options {
    seeds: u64,
    clean: u64,
    only: Vec<String>,
}

fn main() -> ExitCode {
    let options = options();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let scenarios = root.join("scenarios");
    let wanted =
        |bug: &Bug| options.only.is_empty() || options.only.iter().any(|id| id == bug.id());
    if let Some(unknown) = options
        .only
        .iter()
        .find(|id| bugs().all(|bug| bug.id() != **id))
    {
        println!("{unknown}: no such bug that checks catch");
        return ExitCode::FAILURE;
    }
    let waiting = Mutex::new(bugs().enumerate().filter(|(_, bug)| wanted(bug)));
    let next = || waiting.lock().expect("no thread panics here").next();
    let found = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((nth, bug)) = next() {
                    let record = look_at(bug, &scenarios, &options);
                    let mut found = found.lock().expect("no thread panics here");
                    found.insert(nth, record);
                }
            });
        }
    });
    let found = found.into_inner().expect("no thread panics here");
    if options.only.is_empty() {
        let rows: Vec<_> = found.values().map(|record| record.row.clone()).collect();
        write(&root.join("docs/track-record.md"), &rows);
    }
    match found.values().all(|record| record.well) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// What was found out about a bug.
struct Record {
    row: String,
    /// Its own scenario catches it, and passes without it.
    well: bool,
}

fn look_at(bug: Bug, scenarios: &Path, options: &Options) -> Record {
    let path = scenario_of(scenarios, bug);
    if !path.exists() {
        println!("{}: has no scenario", bug.id());
        return Record {
            row: row(bug, "no scenario", "not measured"),
            well: false,
        };
    }
    let scenario = load(&path);
    let (check, seed, caught) = match hunt(&scenario, bug, 1..=options.seeds) {
        Ok(catch) => (catch.check, catch.seed.to_string(), true),
        Err(said) => {
            println!("{}: not caught; the last seed: {:?}", bug.id(), said.last());
            (
                "not caught".into(),
                format!("over {}", options.seeds),
                false,
            )
        }
    };
    println!("{}: {check}, seed {seed}", bug.id());
    Record {
        row: row(bug, &check, &seed),
        well: is_clean(&scenario, bug, options.clean) && caught,
    }
}

/// Whether all seeds pass without the bug.
fn is_clean(scenario: &Scenario, bug: Bug, seeds: u64) -> bool {
    let mut passed = 0;
    for seed in 1..=seeds {
        match judge(scenario, seed, None) {
            Ok(report) if report.verdict == RunVerdict::Pass => passed += 1,
            Ok(report) => println!(
                "{} without the bug, seed {seed}: {}",
                bug.id(),
                report.reason
            ),
            Err(why) => println!("{} without the bug, seed {seed}: {why}", bug.id()),
        }
    }
    if seeds > 0 {
        println!(
            "{} without the bug: {passed} of {seeds} seeds pass",
            bug.id()
        );
    }
    passed == seeds
}

fn row(bug: Bug, check: &str, seed: &str) -> String {
    let (id, name) = (bug.id(), bug.id().to_lowercase());
    format!(
        "| {id} | {} | {} | {check} | {seed} | `squall run scenarios/planted/{name}.toml \
        --planted {id} --seed {seed}` |\n",
        bug.mistake(),
        bug.breaks().join(" "),
    )
}

fn write(path: &Path, rows: &[String]) {
    let head = "| id | mistake | breaks | caught by | first seed, targeted | command |\n\
        |---|---|---|---|---|---|\n";
    let table = format!("{head}{}", rows.concat());
    write_between(path, "planted bugs", &table).unwrap_or_else(|e| panic!("{e}"));
}

fn load(path: &Path) -> Scenario {
    Scenario::load(path).unwrap_or_else(|e| panic!("{e}"))
}

fn options() -> Options {
    let mut options = Options {
        seeds: 200,
        clean: 0,
        only: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .unwrap_or_else(|| panic!("{name} needs a value"));
        let number = || {
            value
                .parse()
                .unwrap_or_else(|_| panic!("{name} needs a number"))
        };
        match name.as_str() {
            "--seeds" => options.seeds = number(),
            "--clean" => options.clean = number(),
            "--only" => options.only.push(value),
            _ => panic!("unknown option {name}"),
        }
    }
    options
}

//! Hunts every planted bug and writes the table of `docs/track-record.md`.
//!
//! ```text
//! cargo run --release --features planted --example track_record
//! cargo run --release --features planted --example track_record -- --clean 500
//! cargo run --release --features planted --example track_record -- --chaos scenarios/chaos.toml
//! ```
//!
//! `--seeds N` is how long a bug may hide (default 200). `--clean N` runs N seeds of each
//! scenario without its bug as well, and names those that do not pass. `--chaos FILE` fills
//! the column of general chaos. `--only ID` looks at one bug and writes nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

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
    chaos: Option<PathBuf>,
    only: Option<String>,
}

fn main() -> ExitCode {
    let options = options();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let scenarios = root.join("scenarios");
    let chaos = options.chaos.as_ref().map(|path| load(path));
    let mut rows = Vec::new();
    let mut all_well = true;
    for bug in bugs().filter(|bug| options.only.as_deref().is_none_or(|id| id == bug.id())) {
        let path = scenario_of(&scenarios, bug);
        if !path.exists() {
            println!("{}: has no scenario", bug.id());
            all_well = false;
            continue;
        }
        let scenario = load(&path);
        let targeted = hunt(&scenario, bug, 1..=options.seeds);
        let (check, seed) = match &targeted {
            Ok(catch) => (catch.check.clone(), catch.seed.to_string()),
            Err(said) => {
                all_well = false;
                println!("{}: not caught; the last seed: {:?}", bug.id(), said.last());
                ("not caught".into(), format!("over {}", options.seeds))
            }
        };
        let by_chaos = match &chaos {
            None => "not measured".to_owned(),
            Some(chaos) => match hunt(chaos, bug, 1..=options.seeds) {
                Ok(catch) => catch.seed.to_string(),
                Err(_) => format!("over {}", options.seeds),
            },
        };
        println!("{}: {check}, seed {seed}; chaos: {by_chaos}", bug.id());
        rows.push(row(bug, &check, &seed, &by_chaos));
        all_well &= is_clean(&scenario, bug, options.clean);
    }
    if options.only.is_none() {
        write(&root.join("docs/track-record.md"), &rows);
    }
    match all_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
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

fn row(bug: Bug, check: &str, seed: &str, chaos: &str) -> String {
    let (id, name) = (bug.id(), bug.id().to_lowercase());
    format!(
        "| {id} | {} | {} | {check} | {seed} | {chaos} | `squall run scenarios/planted/{name}.toml \
        --planted {id} --seed {seed}` |\n",
        bug.mistake(),
        bug.breaks().join(" "),
    )
}

fn write(path: &Path, rows: &[String]) {
    let head = "| id | mistake | breaks | caught by | first seed, targeted | first seed, chaos | \
        command |\n|---|---|---|---|---|---|---|\n";
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
        chaos: None,
        only: None,
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
            "--chaos" => options.chaos = Some(value.into()),
            "--only" => options.only = Some(value),
            _ => panic!("unknown option {name}"),
        }
    }
    options
}

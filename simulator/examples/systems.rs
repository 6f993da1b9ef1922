//! Plays the same failures on several systems, as processes of this machine, and writes what
//! each of them cost clients as a page.
//!
//! ```text
//! cargo build --release --bin squall-node
//! sudo cargo run --release --example systems -- runs/systems --trials 20 > docs/systems.md
//! sudo cargo run --release --example systems -- runs/systems --trials 5 \
//!     --systems etcd,redis-sentinel --scenarios leader-kill
//! ```
//!
//! A trial is a run with a seed of its own, in real time, half a minute to a minute. Its report
//! is kept in the directory, and not made again: the same command goes on where it stopped, and
//! pieces of the whole can be made one after the other. Progress goes to standard error.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use squall::backends::{self, Options};
use squall::check::Verdict;
use squall::report::Report;
use squall::run::{Context, run_on};
use squall::scenario::Scenario;
use squall_systems::{Protocol, SystemFile};

/// What is broken, in this order.
const SCENARIOS: [&str; 6] = [
    "leader-kill",
    "leader-pause",
    "minority-partition",
    "one-way-partition",
    "failure-recovery",
    "rolling-restart",
];
/// Who is compared unless the command names others.
const SYSTEMS: [&str; 6] = [
    "squall",
    "etcd",
    "nats-jetstream",
    "redis-sentinel",
    "redis-cluster",
    "redis",
];

const USAGE: &str = "usage: systems DIR [--trials N] [--systems NAME,…] [--scenarios NAME,…]";

/// What is to be compared.
struct Wanted {
    dir: PathBuf,
    trials: u64,
    /// Names or files.
    systems: Vec<String>,
    scenarios: Vec<&'static str>,
}

impl Wanted {
    /// From the command line, without the program's name.
    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let dir = arguments.next().filter(|dir| !dir.starts_with("--"));
        let mut wanted = Self {
            dir: dir.ok_or(USAGE)?.into(),
            trials: 20,
            systems: SYSTEMS.map(str::to_owned).to_vec(),
            scenarios: SCENARIOS.to_vec(),
        };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or(USAGE)?;
            let names = || value.split(',');
            match option.as_str() {
                "--trials" => {
                    wanted.trials = value
                        .parse()
                        .map_err(|e| format!("--trials {value}: {e}"))?;
                }
                "--systems" => wanted.systems = names().map(str::to_owned).collect(),
                "--scenarios" => {
                    let known = |name| {
                        let found = SCENARIOS.into_iter().find(|known| *known == name);
                        found.ok_or_else(|| {
                            format!("--scenarios {name}: expected {}", SCENARIOS.join(", "))
                        })
                    };
                    wanted.scenarios = names().map(known).collect::<Result<_, _>>()?;
                }
                _ => return Err(format!("{option}: {USAGE}")),
            }
        }
        Ok(wanted)
    }
}

fn main() -> ExitCode {
    let wanted = match Wanted::of(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(64);
        }
    };
    match compare(&wanted) {
        Ok(page) => {
            print!("{page}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(70)
        }
    }
}

fn compare(wanted: &Wanted) -> Result<String, String> {
    let mut systems = Vec::new();
    for name in &wanted.systems {
        let system = SystemFile::load(name).map_err(|e| e.to_string())?;
        // Squall's own node need not be in PATH; the backend finds it, or says how to make one.
        match system.require() {
            Err(why) if system.protocol() != Protocol::Squall => {
                eprintln!("{name} is left out: {why}");
            }
            _ => systems.push(system),
        }
    }
    let rows = systems.len() * wanted.scenarios.len();
    let all = rows as u64 * wanted.trials;
    let mut done = 0;
    let mut rows = Vec::new();
    for system in &systems {
        for &scenario in &wanted.scenarios {
            let mut row = Row::default();
            for trial in 1..=wanted.trials {
                let place = wanted.dir.join(system.name());
                let kept = place.join(format!("{scenario}-{trial}.json"));
                done += 1;
                let said = format!("{done} of {all}: {} {scenario} {trial}", system.name());
                match report(system, scenario, trial, &kept) {
                    Ok((report, is_new)) => {
                        let origin = if is_new { "" } else { ", kept" };
                        eprintln!("{said}: {:?}{origin}", report.verdict);
                        row.take(&report);
                    }
                    Err(why) => {
                        eprintln!("{said}: {why}");
                        row.failed.get_or_insert(why);
                    }
                }
            }
            rows.push((system.name().to_owned(), scenario, row));
        }
    }
    Ok(page(wanted, &systems, &rows))
}

/// The report of a trial, from its file or from a run, and whether it is from a run.
fn report(
    system: &SystemFile,
    name: &str,
    seed: u64,
    kept: &Path,
) -> Result<(Report, bool), String> {
    let at = |why: &dyn std::fmt::Display| format!("{}: {why}", kept.display());
    match std::fs::read_to_string(kept) {
        Ok(text) => return Ok((serde_json::from_str(&text).map_err(|e| at(&e))?, false)),
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(at(&why)),
        Err(_) => {}
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let file = file.join(format!("{name}.toml"));
    let load = |settings: &[_]| Scenario::load_with(&file, settings).map_err(|e| e.to_string());
    // As many nodes as each has in its own documentation's first example of a cluster.
    let mut settings = vec![("cluster.nodes".to_owned(), "3".to_owned())];
    let fit = system.fit(&load(&settings)?);
    settings.extend(fit.settings);
    let scenario = load(&settings)?;
    let options = Options {
        system_file: Some(system.clone()),
        ..Options::default()
    };
    let backend = backends::named("process").ok_or("there is no backend for processes")?;
    let backend = backend.open(options)?;
    let judged = run_on(&*backend, &scenario, seed, "", Context::default());
    let judged = judged.map_err(|e| e.to_string())?;
    let dir = kept.parent().unwrap_or(Path::new("."));
    // Whole or not at all, whenever it is stopped.
    let unfinished = kept.with_extension("unfinished");
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&unfinished, judged.report.to_json()))
        .and_then(|()| std::fs::rename(&unfinished, kept))
        .map_err(|e| at(&e))?;
    Ok((judged.report, true))
}

/// What the trials of a scenario on a system showed.
#[derive(Default)]
struct Row {
    trials: u64,
    /// From each fault that cost a leader to the next one's first commit, milliseconds.
    takeover_ms: Vec<f64>,
    /// By trial, for how long the client that was worst off got no answer, milliseconds.
    downtime_ms: Vec<f64>,
    /// By trial, percent.
    available: Vec<f64>,
    acked: u64,
    /// By trial.
    lost: Vec<u64>,
    duplicated: Vec<u64>,
    /// Trials in which a lock was held by two, or a register read or written out of order.
    held_by_two: u64,
    not_linearizable: u64,
    /// Trials whose faults were not all seen to work.
    doubtful: u64,
    /// The first anomaly of each check that found one.
    anomalies: BTreeMap<String, String>,
    failed: Option<String>,
}

impl Row {
    fn take(&mut self, report: &Report) {
        self.trials += 1;
        let elected = report.faults.iter().filter_map(|fault| fault.elected_ms);
        self.takeover_ms
            .extend(elected.map(|time| time.get() as f64 / 1_000.0));
        let longest = report.clients_down.iter().map(|down| down.max_ms.get());
        self.downtime_ms
            .push(longest.max().unwrap_or(0) as f64 / 1_000.0);
        let available = report.availability.map(|share| share.to_string());
        self.available
            .extend(available.and_then(|text| text.parse::<f64>().ok()));
        self.acked += report.data_loss.acked;
        self.lost.push(report.data_loss.lost);
        self.duplicated.push(report.data_loss.duplicated);
        let is_broken = |name: &str| {
            let mut checks = report.checks.iter().filter(|check| check.name == name);
            checks.any(|check| matches!(check.verdict, Verdict::Fail | Verdict::NotPromised))
        };
        self.held_by_two += u64::from(is_broken("lock_exclusion"));
        self.not_linearizable += u64::from(is_broken("cache_linearizable"));
        let unseen = report.faults.iter().any(|fault| {
            use squall::history::FaultStatus::{Skipped, Uncertain};
            matches!(fault.status, Skipped { .. } | Uncertain { .. })
        });
        self.doubtful += u64::from(unseen);
        for check in &report.checks {
            if matches!(check.verdict, Verdict::Fail | Verdict::NotPromised) {
                let anomaly = || check.detail.clone();
                (self.anomalies.entry(check.name.clone())).or_insert_with(anomaly);
            }
        }
    }
}

/// `median (least to most)`.
fn spread(values: &[f64], unit: &str) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
        return "–".into();
    };
    let median = sorted[(sorted.len() - 1) / 2];
    match least == most {
        true => format!("{median:.0}{unit}"),
        false => format!("{median:.0}{unit} ({least:.0} to {most:.0})"),
    }
}

fn counts(values: &[u64]) -> String {
    let values: Vec<f64> = values.iter().map(|value| *value as f64).collect();
    spread(&values, "")
}

fn page(wanted: &Wanted, systems: &[SystemFile], rows: &[(String, &str, Row)]) -> String {
    let trials = wanted.trials;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# The same failures on several systems\n\n\
         Made by `sudo cargo run --release --example systems -- runs/systems --trials {trials}`: {trials} \
         trials of each scenario, a seed each, every node a process in a network namespace of \
         its own on one machine. Each system is configured as its file in `simulator/systems/files` \
         says and comments. Figures are the median of all trials with the least and the most; \
         takeover is of each fault that cost a leader, from its effect until another one is seen \
         to serve; downtime is that of the client that was worst off in a trial.\n"
    );
    for system in systems {
        if let Some(version) = version(system) {
            let _ = writeln!(text, "- `{}`: {version}", system.name());
        }
    }
    for &scenario in &wanted.scenarios {
        let _ = writeln!(
            text,
            "\n## {scenario}\n\n| system | trials | takeover, ms | downtime, ms | available, % | \
             acknowledged | lost, by trial | duplicated, by trial | a lock held by two, trials | \
             not linearizable, trials |\n|---|---|---|---|---|---|---|---|---|---|"
        );
        let of_scenario = rows.iter().filter(move |(_, of, _)| *of == scenario);
        for (name, _, row) in of_scenario.clone() {
            let available: Vec<String> = match row.available.is_empty() {
                true => vec!["–".into()],
                false => vec![spread(&row.available, "")],
            };
            let _ = writeln!(
                text,
                "| `{name}` | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                row.trials,
                spread(&row.takeover_ms, ""),
                spread(&row.downtime_ms, ""),
                available[0],
                row.acked,
                counts(&row.lost),
                counts(&row.duplicated),
                row.held_by_two,
                row.not_linearizable
            );
        }
        for (name, _, row) in of_scenario {
            if row.doubtful > 0 {
                let _ = writeln!(
                    text,
                    "\n`{name}`: in {} trials a fault was not seen to work.",
                    row.doubtful
                );
            }
            if let Some(why) = &row.failed {
                let _ = writeln!(text, "\n`{name}`: a trial could not be made: {why}");
            }
            for (check, anomaly) in &row.anomalies {
                let _ = writeln!(text, "\n`{name}`, {check}: {anomaly}");
            }
        }
    }
    text
}

/// What the programs of a system say they are.
fn version(system: &SystemFile) -> Option<String> {
    let programs = system.programs().into_iter().map(|program| {
        let output = Command::new(program).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().next().map(str::to_owned)
    });
    let versions: Option<Vec<String>> = programs.collect();
    versions
        .filter(|found| !found.is_empty())
        .map(|found| found.join("; "))
}

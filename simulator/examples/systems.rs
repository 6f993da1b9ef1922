//! Plays the same failures on several systems, as processes of this machine, and writes what
//! each of them cost clients as a page.
//!
//! ```text
//! sudo cargo run --release --example systems -- runs/systems 20 > docs/systems.md
//! sudo cargo run --release --example systems -- runs/systems 5 etcd redis-sentinel
//! ```
//!
//! A trial is a run with a seed of its own, in real time, half a minute to a minute. Its report
//! is kept in the directory, and not made again: the same command goes on where it stopped.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use squall::backends::{self, Options};
use squall::check::Verdict;
use squall::report::Report;
use squall::run::{Context, run_on};
use squall::scenario::Scenario;
use squall_systems::SystemFile;

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

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(dir), Some(Ok(trials))) = (arguments.next(), arguments.next().map(|n| n.parse()))
    else {
        eprintln!("usage: systems DIR TRIALS [SYSTEM…]");
        return ExitCode::from(64);
    };
    let mut names: Vec<String> = arguments.collect();
    if names.is_empty() {
        names = SYSTEMS.map(str::to_owned).to_vec();
    }
    match compare(Path::new(&dir), trials, &names) {
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

fn compare(dir: &Path, trials: u64, names: &[String]) -> Result<String, String> {
    let mut rows = Vec::new();
    for name in names {
        let system = SystemFile::load(name).map_err(|e| e.to_string())?;
        if let Err(why) = system.require() {
            eprintln!("{name} is left out: {why}");
            continue;
        }
        for scenario in SCENARIOS {
            let mut row = Row::default();
            for trial in 1..=trials {
                let kept = dir.join(name).join(format!("{scenario}-{trial}.json"));
                match report(&system, scenario, trial, &kept) {
                    Ok(report) => row.take(&report),
                    Err(why) => {
                        eprintln!("{name} {scenario} {trial}: {why}");
                        row.failed.get_or_insert(why);
                    }
                }
            }
            rows.push((name.clone(), scenario, row));
        }
    }
    Ok(page(trials, names, &rows))
}

/// The report of a trial, from its file or from a run.
fn report(system: &SystemFile, name: &str, seed: u64, kept: &Path) -> Result<Report, String> {
    if let Ok(text) = std::fs::read_to_string(kept) {
        return serde_json::from_str(&text).map_err(|e| format!("{}: {e}", kept.display()));
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
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(kept, judged.report.to_json()))
        .map_err(|e| format!("{}: {e}", kept.display()))?;
    eprintln!(
        "{} {name} {seed}: {:?}",
        system.name(),
        judged.report.verdict
    );
    Ok(judged.report)
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

fn page(trials: u64, names: &[String], rows: &[(String, &str, Row)]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# The same failures on several systems\n\n\
         Made by `sudo cargo run --release --example systems -- runs/systems {trials}`: {trials} \
         trials of each scenario, a seed each, every node a process in a network namespace of \
         its own on one machine. Each system is configured as its file in `simulator/systems/files` \
         says and comments. Figures are the median of all trials with the least and the most; \
         takeover is of each fault that cost a leader, from its effect until another one is seen \
         to serve; downtime is that of the client that was worst off in a trial.\n"
    );
    for name in names {
        if let Some(version) = version(name) {
            let _ = writeln!(text, "- `{name}`: {version}");
        }
    }
    for scenario in SCENARIOS {
        let _ = writeln!(
            text,
            "\n## {scenario}\n\n| system | trials | takeover, ms | downtime, ms | available, % | \
             acknowledged | lost, by trial | duplicated, by trial | a lock held by two, trials | \
             not linearizable, trials |\n|---|---|---|---|---|---|---|---|---|---|"
        );
        let of_scenario = rows.iter().filter(|(_, of, _)| *of == scenario);
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
fn version(name: &str) -> Option<String> {
    let system = SystemFile::load(name).ok()?;
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

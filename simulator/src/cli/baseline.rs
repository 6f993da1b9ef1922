//! `squall baseline`: figures of good runs, kept in the user's repository.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand};

use super::args::Format;
use super::exit::{Exit, Failure};
use super::{print, tell};
use crate::baseline::{Baseline, Change, Figures, File, FileError, Reference, Tolerance};
use crate::report::RunVerdict;
use crate::run::Context;
use crate::run_dir::{RunDir, run_name};
use crate::scenario::Scenario;
use crate::scenario::unit::Share;
use crate::sweep::{Ending, store};

/// Where baselines are unless another file is named.
const DEFAULT_FILE: &str = "baselines.json";

pub(super) const BASELINE_HELP: &str = "\
Examples:
  squall sweep scenarios/leader-kill.toml --seeds 1..20 --out sweeps/leader-kill
  squall baseline save sweeps/leader-kill
  squall run scenarios/leader-kill.toml --seed 21 --baseline baselines.json
  squall baseline compare runs/leader-kill-21 --tolerance 10%

A figure is a regression if it is worse than every run of the baseline by more than the
tolerance: 20 % of latencies and stages, 10 % of throughput, 50 % of election, downtime and
recovery times, one percentage point of shares. A baseline of several seeds is therefore a
better yardstick than one of a single run. A variant of a scenario has a baseline of its own,
NAME-VARIANT. Exit code 2 on a regression.";

#[derive(Debug, ClapArgs)]
pub struct BaselineArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep the figures of a run, or of all seeds of a sweep.
    Save(SaveArgs),
    /// Show what is kept.
    Show(ShowArgs),
    /// Compare a run with what is kept.
    Compare(CompareArgs),
}

#[derive(Debug, ClapArgs)]
struct SaveArgs {
    /// Directory of a run or of a sweep.
    dir: PathBuf,
    /// Name in the file [default: that of the scenario, with -VARIANT if it has variants].
    #[arg(long)]
    name: Option<String>,
    #[arg(long, default_value = DEFAULT_FILE)]
    file: PathBuf,
}

#[derive(Debug, ClapArgs)]
struct ShowArgs {
    /// Only this one.
    #[arg(long)]
    name: Option<String>,
    #[arg(long, default_value = DEFAULT_FILE)]
    file: PathBuf,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, ClapArgs)]
struct CompareArgs {
    /// Directory of a run.
    run_dir: PathBuf,
    /// Name in the file [default: that of the scenario, with -VARIANT if it has variants].
    #[arg(long)]
    name: Option<String>,
    #[arg(long, default_value = DEFAULT_FILE)]
    file: PathBuf,
    /// For every kind of figure, instead of the defaults.
    #[arg(long, value_name = "SHARE")]
    tolerance: Option<Share>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn baseline(args: &BaselineArgs) -> Result<u8, Failure> {
    match &args.command {
        Command::Save(args) => save(args),
        Command::Show(args) => show(args),
        Command::Compare(args) => compare(args),
    }
}

/// What a run of the scenario is judged by: the baseline that it names itself, or that of its
/// name in `file`. `path` is where the scenario is, from which its own paths count.
pub(super) fn context(
    scenario: &Scenario,
    path: &Path,
    file: Option<&Path>,
) -> Result<Context, Failure> {
    let written = scenario.objectives.baseline.as_ref();
    let own = written.map(|written| path.with_file_name(&written.file));
    let Some(file) = file.map(Path::to_owned).or(own) else {
        return Ok(Context::default());
    };
    let name = written.and_then(|written| written.name.as_ref());
    let run_name = scenario.run_name();
    let name = name.unwrap_or(&run_name);
    let reference = Reference {
        name: name.clone(),
        tolerance: written.map_or_else(Tolerance::default, |written| written.tolerance.0),
        baseline: File::load(&file)?.get(&file, name)?.clone(),
    };
    must_be_of(&reference, &run_name)?;
    Ok(Context {
        reference: Some(reference),
        ..Context::default()
    })
}

/// Figures of another scenario, or of another variant, are no yardstick.
fn must_be_of(reference: &Reference, run_name: &str) -> Result<(), Failure> {
    let of = &reference.baseline.scenario;
    match of == run_name {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "baseline {} is of {of}, not of {run_name}: save one of that with `squall baseline \
             save`, or set both side by side with `squall compare`",
            reference.name
        ))),
    }
}

fn save(args: &SaveArgs) -> Result<u8, Failure> {
    let found = match store::is_sweep(&args.dir) {
        true => of_sweep(&args.dir)?,
        false => vec![of_run(&args.dir)?],
    };
    if args.name.is_some() && found.len() > 1 {
        return Err(Failure::usage(
            "a sweep of several scenarios gives several baselines; leave --name away",
        ));
    }
    let mut file = File::load_or_new(&args.file)?;
    for baseline in found {
        let name = args.name.clone().unwrap_or(baseline.scenario.clone());
        tell(&format!(
            "{name}: {} figures of {} runs, in {}",
            baseline.figures.len(),
            baseline.runs,
            args.file.display()
        ));
        file.baselines.insert(name, baseline);
    }
    file.save(&args.file)?;
    Ok(Exit::Pass as u8)
}

/// Runs that broke a promise, or came to no verdict, are no yardstick for anything.
fn of_run(dir: &Path) -> Result<Baseline, Failure> {
    let (dir, manifest) = RunDir::open(dir)?;
    let report = dir.report()?;
    match report.verdict {
        RunVerdict::Pass | RunVerdict::ObjectiveMissed => {
            let (runs, name) = (
                [report.figures],
                run_name(&report.scenario, &manifest.settings),
            );
            Ok(Baseline::of(&name, &report.backend, &runs))
        }
        RunVerdict::Violation | RunVerdict::Inconclusive => Err(Failure::usage(format!(
            "{}: {} is no yardstick: {}",
            dir.path().display(),
            report.verdict,
            report.reason
        ))),
    }
}

fn of_sweep(dir: &Path) -> Result<Vec<Baseline>, Failure> {
    let (spec, results) = store::read(dir)?;
    let mut found = Vec::new();
    for scenario in &spec.scenarios {
        let of_it = results.values().filter(|r| r.scenario == scenario.name);
        let good = of_it.filter(|r| matches!(r.ending, Ending::Pass | Ending::ObjectiveMissed));
        let runs = good.filter_map(|result| result.run.as_ref());
        let runs: Vec<Figures> = runs.map(|run| run.figures.clone()).collect();
        if runs.is_empty() {
            return Err(Failure::usage(format!(
                "{}: no run of {} passed, so none is a yardstick",
                dir.display(),
                scenario.name
            )));
        }
        let name = run_name(&scenario.name, &spec.settings);
        found.push(Baseline::of(&name, &spec.backend, &runs));
    }
    Ok(found)
}

fn show(args: &ShowArgs) -> Result<u8, Failure> {
    let mut file = File::load(&args.file)?;
    if let Some(name) = &args.name {
        let one = file.get(&args.file, name)?.clone();
        file.baselines = [(name.clone(), one)].into();
    }
    match args.format {
        Format::Json => print(&file.to_json()),
        Format::Text => {
            for (name, baseline) in &file.baselines {
                print(&shown(name, baseline));
            }
        }
    }
    Ok(Exit::Pass as u8)
}

fn shown(name: &str, baseline: &Baseline) -> String {
    let Baseline {
        scenario,
        backend,
        runs,
        version,
        figures,
    } = baseline;
    let mut out = format!("{name}: {scenario} on {backend}, {runs} runs, version {version}\n");
    for (figure, kept) in figures {
        let (median, worst) = (kept.unit.text(kept.median), kept.unit.text(kept.worst));
        out += &format!("  {figure:<36} {median:>14}  worst {worst}\n");
    }
    out
}

fn compare(args: &CompareArgs) -> Result<u8, Failure> {
    let (dir, manifest) = RunDir::open(&args.run_dir)?;
    let report = dir.report()?;
    let run_name = run_name(&report.scenario, &manifest.settings);
    let name = args.name.as_ref().unwrap_or(&run_name);
    let tolerance = args.tolerance.map(|share| Tolerance::uniform(share.0));
    let reference = Reference {
        name: name.clone(),
        tolerance: tolerance.unwrap_or_default(),
        baseline: File::load(&args.file)?.get(&args.file, name)?.clone(),
    };
    must_be_of(&reference, &run_name)?;
    if reference.baseline.backend != report.backend {
        tell(&format!(
            "warning: the baseline is of the backend {}, the run of {}",
            reference.baseline.backend, report.backend
        ));
    }
    let comparison = reference.compare(&report.figures);
    match args.format {
        Format::Json => {
            let json = serde_json::to_string_pretty(&comparison).expect("plain data");
            print(&(json + "\n"));
        }
        Format::Text => {
            let with = |standing| {
                comparison
                    .rows
                    .iter()
                    .filter(move |r| r.standing == standing)
            };
            for row in with(Change::Regression) {
                print(&format!("regression  {row}\n"));
            }
            for row in with(Change::Better) {
                print(&format!("better      {row}\n"));
            }
            print(&format!(
                "{} figures compared with {} runs: {} regressions, {} better, {} new, {} gone\n",
                comparison.rows.len(),
                comparison.runs,
                with(Change::Regression).count(),
                with(Change::Better).count(),
                with(Change::New).count(),
                with(Change::Gone).count(),
            ));
        }
    }
    Ok(match comparison.regressions().next() {
        Some(_) => Exit::ObjectiveMissed as u8,
        None => Exit::Pass as u8,
    })
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { .. } => Failure::harness(error),
            _ => Failure::usage(error),
        }
    }
}

//! Plays one scenario with one seed, and writes and shows what happened.

use std::path::{Path, PathBuf};

use super::args::{Format, RunArgs};
use super::exit::{Exit, Failure, unharmed};
use super::interrupt::Interrupt;
use super::player::{self, is_broken};
use super::watch::{Dashboard, Watching};
use super::{page, print, progress, style, tell, verify};
use crate::backends::{Backend, LogFilter, LogLine, Logs, Options};
use crate::environment::Environment;
use crate::plan::Plan;
use crate::report::{self, Report};
use crate::run::{self, Judged, resources};
use crate::run_dir::{Manifest, RunDir, log_name};
use crate::scenario::Scenario;

/// Whether another run of the seed differed, if that was looked at.
pub(super) fn differs(args: &RunArgs, is_repeatable: bool) -> Option<bool> {
    args.verify.then_some(!is_repeatable)
}

/// Runs, writes and shows a scenario that has no variants, or of which one was chosen. Also
/// returns whether it could be repeated, which is `true` if nobody asked.
pub(super) fn run_one(
    args: &RunArgs,
    scenario: &Scenario,
    shows: bool,
    dashboard: Option<&Dashboard>,
) -> Result<(Judged, bool), Failure> {
    let context =
        super::baseline::context(scenario, &args.scenario.scenario, args.baseline.as_deref())?;
    let out = out_dir(args, scenario);
    let system = args.system.as_deref();
    RunDir::must_not_hold_another(&out, scenario.name.get_ref(), args.seed, system)?;
    let dir = RunDir::create(&out)?;
    let mut manifest = manifest(args, scenario);
    let options = options(args)?;
    let system = options.system_file.as_ref();
    let system = system.map(|system| system.text().to_owned());
    let judged = {
        let backend = backend(args, options)?;
        let plan = Plan::resolve(scenario, args.seed)?;
        let info = backend.info();
        let name = scenario.run_name();
        let watching = Watching::begin(&args.watch, &name, &plan, info, args.quiet, dashboard)?;
        let ended = || watching.as_ref().and_then(Watching::end);
        run::run_watched(
            &*backend,
            scenario,
            args.seed,
            &manifest.reproduce(),
            context,
            ended,
        )?
    };
    manifest.started = Some(judged.report.sim.started.clone());
    dir.keep_system(system.as_deref())?;
    dir.write(&manifest, scenario, &judged)?;
    if shows {
        show(args.format, &judged, dir.path());
    }
    if judged.report.verdict.exit_code() != Exit::Pass as u8 {
        show_last_lines(&judged.logs, dir.path());
    }
    let is_repeatable = !args.verify || verify::verify(args, dir.path())?;
    Ok((judged, is_repeatable))
}

/// Refuses what the chosen backend cannot do, before a directory is made.
pub(super) fn check_backend(args: &RunArgs, scenario: &Scenario) -> Result<(), Failure> {
    let backend = super::open(args.backend, options(args)?)?;
    let info = backend.info();
    if args.verify && !info.simulated {
        return Err(Failure::usage(format!(
            "--verify is for simulation: on {} nothing happens twice in the same way",
            info.title
        )));
    }
    args.watch.check(info)?;
    Ok(run::plan_for(&*backend, scenario, args.seed).map(drop)?)
}

/// The backend, ready to run. Where time is real, it looks for a wish to end early.
fn backend(args: &RunArgs, mut options: Options) -> Result<Box<dyn Backend>, Failure> {
    if !args.backend.info.simulated {
        let interrupt = Interrupt::listen()?;
        options.interrupted = Some(Box::new(move || interrupt.is_asked()));
    }
    super::open(args.backend, options)
}

fn options(args: &RunArgs) -> Result<Options, Failure> {
    Ok(Options {
        system_file: super::system::load(args.system.as_deref())?,
        log: Some(LogFilter::warnings()),
        node_binary: args.node_binary.clone(),
        planted: args.planted.clone(),
        ..Options::default()
    })
}

/// The run as a page.
pub(super) fn page(judged: &Judged) -> Result<String, Failure> {
    let samples = &judged.resources;
    let samples = (!samples.is_empty()).then(|| resources::to_csv(samples));
    let played = player::without_messages(judged);
    let (judged_report, history) = (&judged.report, &judged.history);
    let page = report::html::run_page(judged_report, history, samples.as_deref(), Some(&played));
    page.map_err(Failure::harness)
}

fn show(format: Format, judged: &Judged, dir: &Path) {
    match format {
        Format::Text => {
            let dir = dir.display().to_string();
            print(&report::text(&judged.report, style(), Some(&dir)));
        }
        Format::Json => print(&judged.report.to_json()),
    }
}

/// Whether a run that was judged gets a page with the messages around what broke.
pub(super) fn wants_page(args: &RunArgs, report: &Report, is_repeatable: bool) -> bool {
    let is_asked = !args.no_page && args.backend.records_messages;
    is_asked && is_repeatable && is_broken(report)
}

/// Leaves that page. It takes another run, so it comes last, when all that the run itself is to
/// leave is written: nothing that goes wrong here, not even a panic, takes any of that back.
pub(super) fn leave_page(dir: &Path) {
    match unharmed(|| page::write(dir, None, None)) {
        Ok(page) => tell(&format!("page with a player: {}", page.display())),
        Err(why) => tell(&format!("warning: no page: {why}")),
    }
}

/// Shows the last warnings and errors that each node logged, and where the others are.
fn show_last_lines(logs: &Logs, dir: &Path) {
    const SHOWN: usize = 5;
    for (node, lines) in logs.by_node() {
        let file = dir.join(log_name(node));
        let earlier = lines.len().saturating_sub(SHOWN);
        progress(&format!("{node} logged last ({}):", file.display()));
        lines[earlier..].iter().for_each(|line: &&LogLine| {
            progress(&format!("  {line}"));
        });
    }
}

pub(super) fn out_dir(args: &RunArgs, scenario: &Scenario) -> PathBuf {
    let named = || {
        // Runs of the same scenario on another system are others.
        let system = args.system.as_deref().map(Path::new);
        let system = system
            .and_then(Path::file_stem)
            .map(|stem| stem.to_string_lossy());
        let system = system.map_or(String::new(), |system| format!("-{system}"));
        format!("{}{system}-{}", scenario.run_name(), args.seed)
    };
    let out = args.out.clone();
    out.unwrap_or_else(|| Path::new("runs").join(named()))
}

fn manifest(args: &RunArgs, scenario: &Scenario) -> Manifest {
    Manifest {
        scenario: args.scenario.scenario.display().to_string(),
        seed: args.seed,
        backend: args.backend.info.name.into(),
        // With what the system cannot be asked left out.
        settings: match &args.system {
            Some(_) => scenario.settings().to_vec(),
            None => args.scenario.set.clone(),
        },
        planted: args.planted.clone(),
        system: args.system.clone(),
        profile: args.scenario.profile_path(),
        version: env!("CARGO_PKG_VERSION").into(),
        started: None,
        environment: Some(Environment::current()),
    }
}

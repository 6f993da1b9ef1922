//! The `squall` command: arguments, commands, exit codes.
//!
//! Results go to standard output, everything else to standard error. Exit codes are the same
//! for every command; see [`exit`].

// A reader that has gone is no error: `print` and `tell` say so, these macros panic.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod again;
mod args;
mod baseline;
mod calibrate;
mod check;
mod commands;
mod compare;
pub mod exit;
mod explain;
mod explore;
mod interrupt;
mod list;
mod live;
mod merge;
mod one_run;
mod page;
mod plant;
mod player;
mod progress_bar;
mod replay;
mod replayed;
mod report;
mod run;
mod schema;
mod shrink;
mod state;
mod steps;
mod stored;
mod sweep;
mod sweep_args;
mod sweep_board;
mod system;
mod trace;
mod trace_args;
mod trend;
mod variants;
mod verify;
mod watch;
mod worker;

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::Parser;

use crate::backends::{self, Backend, Options, Registered};
use crate::history::History;
use crate::plan::Plan;
use crate::report::{Report, Style};
use crate::run::{Context, Origin, Wall};
use crate::run_dir::{Manifest, RunDir};
use crate::system::System;
use commands::{Args, Command};
use exit::{Exit, Failure};
use squall_sim::SimBackend;

/// In front of what a command could not do.
const ERROR: &str = "error: ";

/// What this program simulates instead of Squall's own cluster: decided once, by its `main`.
static SYSTEM: OnceLock<Arc<dyn System>> = OnceLock::new();

/// As [`main`], for a program that simulates a system of its own: `run`, `sweep`, `replay`
/// and `shrink` then run that, in worker processes of the same program.
///
/// # Panics
/// If it is called twice.
pub fn main_for(system: impl System) -> u8 {
    let is_first = SYSTEM.set(Arc::new(system)).is_ok();
    assert!(is_first, "a program simulates one system");
    main()
}

/// Sets the backend up for whatever this program runs.
fn open(backend: &Registered, mut options: Options) -> Result<Box<dyn Backend>, Failure> {
    options.system = SYSTEM.get().cloned();
    backend.open(options).map_err(Failure::usage)
}

/// The backend of this name in a run directory.
fn stored_backend(name: &str) -> Result<&'static Registered, Failure> {
    backends::named(name).ok_or_else(|| {
        let known = backends::ALL.iter().map(|backend| backend.info.name);
        let known: Vec<&str> = known.collect();
        Failure::usage(format!(
            "unknown backend `{name}`: this program has {}; others are features of its build",
            known.join(", ")
        ))
    })
}

/// Judges a stored history of whatever this program simulates.
fn judge(
    dir: &RunDir,
    manifest: &Manifest,
    plan: &Plan,
    history: &History,
    context: &Context,
    reproduce: &str,
) -> Result<Report, Failure> {
    // The run itself was timed when it was made.
    let wall = Wall {
        started: manifest.started.clone(),
        elapsed: Duration::ZERO,
    };
    let system = SYSTEM.get().cloned();
    let mut origin = Origin {
        backend: stored_backend(&manifest.backend)?.info,
        ..Origin::of(&SimBackend {
            system,
            ..SimBackend::default()
        })
    };
    if let Some(system) = dir.system(manifest)? {
        origin.is_other_system = true;
        origin.services = system.services();
        origin.promises = system.promises();
    }
    Ok(crate::run::judge_on(
        origin, plan, history, context, reproduce, wall,
    ))
}

/// Runs the command of this process; its exit code.
pub fn main() -> u8 {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) => {
            // Help and version are asked for, and no error.
            let asked_for = !e.use_stderr();
            let printed = e.print().and_then(|()| io::stdout().flush());
            return match asked_for {
                true => {
                    note_output(printed);
                    ended(Exit::Pass as u8)
                }
                false => Exit::Usage as u8,
            };
        }
    };
    let result = match args.command {
        Command::Run(args) => run::run(&args),
        Command::Plan(args) => plan(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Trace(args) => trace::trace(&args),
        Command::State(args) => state::state(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Check(args) => check::check(&args),
        Command::Baseline(args) => baseline::baseline(&args),
        Command::Report(args) => report::report(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Trend(args) => trend::trend(&args),
        Command::Calibrate(args) => calibrate::calibrate(&args),
        Command::Schema(args) => schema::schema(&args),
        Command::List(args) => list::list(&args),
        Command::Sweep(args) => sweep::sweep(&args),
        Command::Explore(args) => explore::explore(&args),
        Command::Shrink(args) => shrink::shrink(&args),
        Command::Merge(args) => merge::merge(&args),
        Command::Worker(args) => worker::work(&args),
    };
    match result {
        Ok(code) => ended(code),
        Err(failure) => {
            tell(&format!("{ERROR}{}", failure.message));
            failure.exit as u8
        }
    }
}

fn plan(args: &args::PlanArgs) -> Result<u8, Failure> {
    let chosen = system::choose(&args.scenario, args.system.as_deref())?;
    let scenario = chosen.scenario;
    if scenario.variant().is_none() && !scenario.variants().is_empty() {
        let names = scenario.variants().join(", ");
        let message = format!("choose a variant with --set variant=NAME: {names}");
        return Err(Failure::usage(message));
    }
    chosen.notes.iter().for_each(|note| tell(note));
    let options = Options {
        system_file: system::load(chosen.name.as_deref())?,
        ..Options::default()
    };
    let backend = args.backend.open(options).map_err(Failure::usage)?;
    let plan = crate::run::plan_for(&*backend, &scenario, args.seed)?;
    match args.format {
        args::Format::Text => print(&crate::run::plan_text(args.backend.info, &plan)),
        args::Format::Json => {
            let json = serde_json::to_string_pretty(&plan).expect("a plan is plain data");
            print(&(json + "\n"))
        }
    }
    Ok(Exit::Pass as u8)
}

/// Why standard output took no more, if it did.
static LOST_OUTPUT: OnceLock<io::Error> = OnceLock::new();

/// Prints a result. A reader that has gone, `head` say, is no error; any other failure ends
/// the program with [`Exit::Harness`] when its work is done.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    note_output(written);
}

fn note_output(written: io::Result<()>) {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => drop(LOST_OUTPUT.set(e)),
        _ => {}
    }
}

/// The exit code of a program that meant to end with `code`: a result that nobody can read
/// is none.
fn ended(code: u8) -> u8 {
    match LOST_OUTPUT.get() {
        None => code,
        Some(e) => {
            tell(&format!("{ERROR}standard output: {e}"));
            Exit::Harness as u8
        }
    }
}

/// Colours on a terminal, unless `NO_COLOR` is set.
fn style() -> Style {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Style {
        color: io::stdout().is_terminal() && !no_color,
    }
}

/// Tells a person what is going on; silent where nobody looks.
fn progress(text: &str) {
    if io::stderr().is_terminal() {
        tell(text);
    }
}

/// Tells on standard error. That nobody listens is no error either.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

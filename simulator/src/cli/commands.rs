//! Defines the commands and what each of them takes.

use clap::{Parser, Subcommand};

use super::args::{CHECK_HELP, CheckArgs, ListArgs, PlanArgs, RUN_HELP, ReplayArgs, RunArgs};
use super::baseline::{BASELINE_HELP, BaselineArgs};
use super::calibrate::{CALIBRATE_HELP, CalibrateArgs};
use super::compare::{COMPARE_HELP, CompareArgs};
use super::exit::EXIT_CODES;
use super::explore::{EXPLORE_HELP, ExploreArgs};
use super::report::{REPORT_HELP, ReportArgs};
use super::schema::{SCHEMA_HELP, SchemaArgs};
use super::shrink::{SHRINK_HELP, ShrinkArgs};
use super::sweep_args::{MergeArgs, SWEEP_HELP, SweepArgs};
use super::trace_args::{EXPLAIN_HELP, ExplainArgs, STATE_HELP, StateArgs, TRACE_HELP, TraceArgs};
use super::trend::{TREND_HELP, TrendArgs};
use super::worker::WorkerArgs;

/// Breaks a replicated service on purpose, in deterministic simulation or in containers, and
/// measures what its clients saw: how long they were down, and what they lost.
#[derive(Debug, Parser)]
#[command(name = "squall", version, after_help = EXIT_CODES)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario and judge what happened.
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Show what would happen, without running it.
    Plan(PlanArgs),
    /// Run many seeds, each in a process of its own, and show what they show together.
    #[command(after_help = SWEEP_HELP)]
    Sweep(SweepArgs),
    /// Search for situations that no run has met: keep runs that find one, and vary them.
    #[command(after_help = EXPLORE_HELP)]
    Explore(ExploreArgs),
    /// Put the shards of a sweep together.
    Merge(MergeArgs),
    /// Run a run directory's plan again and prove that its history is identical.
    Replay(ReplayArgs),
    /// Show what happened in a run, moment by moment: messages, logs, faults, operations.
    #[command(after_help = TRACE_HELP)]
    Trace(TraceArgs),
    /// Tell in plain words why a run failed, with evidence.
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArgs),
    /// Show where nodes stood at a moment of a run: role, term, log, commit, applied.
    #[command(after_help = STATE_HELP)]
    State(StateArgs),
    /// Find a smaller scenario that fails in the same way.
    #[command(after_help = SHRINK_HELP)]
    Shrink(ShrinkArgs),
    /// Judge a stored run again, or the history of another tool, without running anything.
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Keep figures of good runs, and compare others with them.
    #[command(after_help = BASELINE_HELP)]
    Baseline(BaselineArgs),
    /// Show a stored run or sweep in another form.
    #[command(after_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Show what two runs, or sweeps, measured side by side.
    #[command(after_help = COMPARE_HELP)]
    Compare(CompareArgs),
    /// Show how figures moved over stored runs, sweeps and baselines, and where they are going.
    #[command(after_help = TREND_HELP)]
    Trend(TrendArgs),
    /// Measure a cluster on this machine, for simulations of the same hardware.
    #[command(after_help = CALIBRATE_HELP)]
    Calibrate(CalibrateArgs),
    /// Show the JSON schema of what `report --json` prints.
    #[command(after_help = SCHEMA_HELP)]
    Schema(SchemaArgs),
    /// List the scenarios of a directory.
    List(ListArgs),
    /// One seed in a process of its own, for `sweep` and `shrink`.
    #[command(hide = true)]
    Worker(WorkerArgs),
}

//! The arguments of `squall trace`, `explain` and `state`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use crate::fault::unit::Duration;
use crate::trace::around::Around;
use crate::trace::states::Watched;

pub(super) const TRACE_HELP: &str = "\
Examples:
  squall trace runs/failure-recovery-1 --around violation
  squall trace runs/failure-recovery-1 --around 812 --format diagram
  squall trace runs/failure-recovery-1 --from 5s --to 6s --node node-3 | grep vote
  squall trace runs/failure-recovery-1 --format perfetto --out trace.json

The run is made again and must turn out as it did; then the whole of it can be shown. Without
--around, --from and --to that is the whole run. Perfetto is at https://ui.perfetto.dev.
docs/traces.md describes every form.";

#[derive(Debug, ClapArgs)]
pub struct TraceArgs {
    /// Directory of the run.
    pub run_dir: PathBuf,
    /// What to look at: an operation by its number, a time such as 12.3s, or `violation`.
    #[arg(long, value_name = "OPERATION|TIME|violation", conflicts_with_all = ["from", "to"])]
    pub around: Option<Around>,
    /// How much before and after that.
    #[arg(long, value_name = "TIME", default_value = "250ms")]
    pub margin: Duration,
    /// From this time of the run on.
    #[arg(long, value_name = "TIME")]
    pub from: Option<Duration>,
    /// Up to this time of the run.
    #[arg(long, value_name = "TIME")]
    pub to: Option<Duration>,
    /// Only what concerns this node.
    #[arg(long, value_name = "NODE")]
    pub node: Option<String>,
    /// What nodes log: a level, or targets with their levels, of all nodes or of one
    /// [default: warn].
    #[arg(long = "log", value_name = "[NODE=]FILTER")]
    pub logs: Vec<String>,
    #[arg(long, value_enum, default_value_t = TraceFormat::Lines)]
    pub format: TraceFormat,
    /// Write it into this file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// Lines that one can grep, in order of time.
    Lines,
    /// A sequence diagram in text.
    Diagram,
    /// A sequence diagram for a browser.
    Svg,
    /// For Perfetto: the Trace Event Format.
    Perfetto,
    /// OpenTelemetry spans, as OTLP writes them in JSON.
    Otlp,
}

pub(super) const EXPLAIN_HELP: &str = "\
Examples:
  squall explain runs/leader-kill-7

The run is made again with every message recorded. Each sentence follows from rules, with what
shows it beneath; what cannot be shown is said to be unknown. `squall trace` shows more of a
moment. The exit code says whether the run could be explained, not how it went: 0, 1 if it goes
another way now, 64 or 70.";

#[derive(Debug, ClapArgs)]
pub struct ExplainArgs {
    /// Directory of the run.
    pub run_dir: PathBuf,
}

pub(super) const STATE_HELP: &str = "\
Examples:
  squall state runs/failure-recovery-1 --at 12.345s
  squall state runs/failure-recovery-1 --at 12.345s --node node-3
  squall state runs/failure-recovery-1 --at 12.345s --diff node-1 node-4
  squall state runs/failure-recovery-1 --watch commit,applied --from 9s --to 11s --every 100ms

The run is made again and looked into: what a node holds at a time, after all that has happened
until then, whether or not it has said so. Of one node, its sessions, locks, queues and keys are
shown as well; of two, every field that they do not have alike.";

#[derive(Debug, ClapArgs)]
pub struct StateArgs {
    /// Directory of the run.
    pub run_dir: PathBuf,
    /// The time of the run at which to look, such as 12.345s.
    #[arg(
        long,
        value_name = "TIME",
        required_unless_present = "watch",
        conflicts_with = "watch"
    )]
    pub at: Option<Duration>,
    /// Only this node, with its sessions, locks, queues and keys.
    #[arg(long, value_name = "NODE")]
    pub node: Option<String>,
    /// The fields that two nodes do not have alike.
    #[arg(
        long,
        num_args = 2,
        value_name = "NODE",
        requires = "at",
        conflicts_with_all = ["node", "watch"]
    )]
    pub diff: Vec<String>,
    /// Values over time instead, one row a moment: role, term, vote, leader, first, last, commit,
    /// applied, snapshot, keys.
    #[arg(long, value_name = "VALUES", value_delimiter = ',', value_parser = Watched::parse)]
    pub watch: Vec<Watched>,
    /// Watch from this time of the run on [default: 0s].
    #[arg(long, value_name = "TIME", requires = "watch")]
    pub from: Option<Duration>,
    /// Watch up to this time of the run [default: its end].
    #[arg(long, value_name = "TIME", requires = "watch")]
    pub to: Option<Duration>,
    /// Watch in steps of this.
    #[arg(long, value_name = "TIME", default_value = "100ms")]
    pub every: Duration,
}

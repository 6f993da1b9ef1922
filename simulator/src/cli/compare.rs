//! `squall compare`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::exit::{Exit, Failure};
use super::{print, tell};
use crate::compare::{self, Side, SideError};

pub(super) const COMPARE_HELP: &str = "\
Examples:
  squall compare runs/leader-kill-1 runs/leader-kill-on-containers
  squall compare sweeps/leader-kill-1-to-200 trials --format markdown

Each side is a run directory, a directory that holds several, or a sweep. Variants of a
scenario are compared each with its own kind, as NAME-VARIANT. Columns give the
number of values, their median, p90 and p99 on each side, the ratio of the medians, and which
share of A's values the median of B is not below: its percentile in A.";

#[derive(Debug, ClapArgs)]
pub struct CompareArgs {
    /// Run directory, directory of run directories, or sweep: what to compare with.
    pub a: PathBuf,
    /// The same: what is compared.
    pub b: PathBuf,
    #[arg(long, value_enum, default_value_t = CompareFormat::Text)]
    pub format: CompareFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    Text,
    Json,
    Markdown,
}

pub(super) fn compare(args: &CompareArgs) -> Result<u8, Failure> {
    let (a, b) = (Side::load(&args.a)?, Side::load(&args.b)?);
    let comparisons = compare::compare(&a, &b).map_err(Failure::usage)?;
    for warning in comparisons.iter().flat_map(|c| &c.warnings) {
        tell(&format!("warning: {warning}"));
    }
    let all = |render: fn(&compare::Comparison) -> String| {
        let rendered: Vec<String> = comparisons.iter().map(render).collect();
        rendered.join("\n")
    };
    match args.format {
        CompareFormat::Text => print(&all(compare::text)),
        CompareFormat::Markdown => print(&all(compare::markdown)),
        CompareFormat::Json => {
            let json = serde_json::to_string_pretty(&comparisons);
            print(&(json.expect("a comparison is plain data") + "\n"));
        }
    }
    Ok(Exit::Pass as u8)
}

impl From<SideError> for Failure {
    fn from(error: SideError) -> Self {
        match error {
            SideError::Run(error) => error.into(),
            SideError::Sweep(error) => error.into(),
            SideError::Io { .. } => Failure::harness(error),
            SideError::Neither(_) | SideError::Empty(_) => Failure::usage(error),
        }
    }
}

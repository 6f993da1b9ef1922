//! `squall compare`.

use std::fs;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::exit::{Exit, Failure};
use super::{print, style, tell};
use crate::compare::ab::{self, Certainty, Verdict};
use crate::compare::{self, Side, SideError, ab_render};
use crate::scenario::unit::Share;

pub(super) const COMPARE_HELP: &str = "\
Examples:
  squall compare runs/leader-kill-1 runs/leader-kill-on-containers
  squall compare sweeps/leader-kill-1-to-200 trials --format markdown

Each side is a run directory, a directory that holds several, or a sweep. Variants of a
scenario are compared each with its own kind, as NAME-VARIANT. Columns give the
number of values, their median, p90 and p99 on each side, the ratio of the medians, and which
share of A's values the median of B is not below: its percentile in A.

With --ab: which figures of two builds, profiles or systems differ, by how much, and with
which certainty, over seeds. Give it a sweep of each, of ten seeds at least:
  squall sweep scenarios/load.toml --seeds 1..10 --out before     (the build of today)
  squall sweep scenarios/load.toml --seeds 1..10 --out after      (the build of tomorrow)
  squall compare --ab before after --html ab.html
Its exit codes: 0 B is no worse, 1 runs of B broke a promise or came to no verdict and none of
A did, 2 B is worse in a figure or ends badly more often, 3 too few runs to tell, or a figure
that only one side shows. docs/trends.md has the methods.";

#[derive(Debug, ClapArgs)]
pub struct CompareArgs {
    /// Run directory, directory of run directories, or sweep: what to compare with.
    pub a: PathBuf,
    /// The same: what is compared.
    pub b: PathBuf,
    #[arg(long, value_enum, default_value_t = CompareFormat::Text)]
    pub format: CompareFormat,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Judge whether B is worse than A.
    #[arg(long)]
    pub ab: bool,
    /// How certain a difference must be, all figures together [default: 95%].
    #[arg(long, value_name = "SHARE", requires = "ab")]
    pub certainty: Option<Share>,
    /// Worse by so much of A's median, or by so many percentage points of a share, is not worse
    /// [default: 0%].
    #[arg(long, value_name = "SHARE", requires = "ab")]
    pub margin: Option<Share>,
    /// Write a web page to this file as well.
    #[arg(long, value_name = "FILE", requires = "ab")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    Text,
    Json,
    Markdown,
}

pub(super) fn compare(args: &CompareArgs) -> Result<u8, Failure> {
    let (a, b) = (Side::load(&args.a)?, Side::load(&args.b)?);
    if args.ab {
        return two_versions(args, &a, &b);
    }
    let comparisons = compare::compare(&a, &b).map_err(Failure::usage)?;
    for warning in comparisons.iter().flat_map(|c| &c.warnings) {
        tell(&format!("warning: {warning}"));
    }
    let all = |render: fn(&compare::Comparison) -> String| {
        let rendered: Vec<String> = comparisons.iter().map(render).collect();
        rendered.join("\n")
    };
    match args.format() {
        CompareFormat::Text => print(&all(compare::text)),
        CompareFormat::Markdown => print(&all(compare::markdown)),
        CompareFormat::Json => {
            let json = serde_json::to_string_pretty(&comparisons);
            print(&(json.expect("a comparison is plain data") + "\n"));
        }
    }
    Ok(Exit::Pass as u8)
}

fn two_versions(args: &CompareArgs, a: &Side, b: &Side) -> Result<u8, Failure> {
    let judged = ab::judge(a, b, asked(args)?).map_err(Failure::usage)?;
    for warning in judged.scenarios.iter().flat_map(|of_it| &of_it.warnings) {
        tell(&format!("warning: {warning}"));
    }
    if let Some(file) = &args.html {
        fs::write(file, ab_render::html(&judged)).map_err(|e| Failure::at(file, &e))?;
        tell(&format!("a page in {}", file.display()));
    }
    match args.format() {
        CompareFormat::Text => print(&ab_render::text(&judged, style())),
        CompareFormat::Markdown => print(&ab_render::markdown(&judged)),
        CompareFormat::Json => print(&judged.to_json()),
    }
    Ok(match judged.verdict {
        Verdict::NoWorse => Exit::Pass,
        Verdict::Broken => Exit::Violation,
        Verdict::Worse => Exit::ObjectiveMissed,
        Verdict::Inconclusive => Exit::Inconclusive,
    } as u8)
}

fn asked(args: &CompareArgs) -> Result<Certainty, Failure> {
    let mut asked = Certainty::default();
    if let Some(certainty) = args.certainty {
        asked.certainty_ppm = certain(certainty)?;
    }
    asked.margin_ppm = args.margin.map_or(0, |margin| margin.0);
    Ok(asked)
}

/// Half is a coin; certainty itself no run can give.
pub(super) fn certain(share: Share) -> Result<u32, Failure> {
    match (500_000..=999_900).contains(&share.0) {
        true => Ok(share.0),
        false => Err(Failure::usage("--certainty is 50% to 99.99%")),
    }
}

impl CompareArgs {
    fn format(&self) -> CompareFormat {
        match self.json {
            true => CompareFormat::Json,
            false => self.format,
        }
    }
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

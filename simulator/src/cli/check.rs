//! `squall check`.

use super::args::{CheckArgs, Format};
use super::exit::Failure;
use super::{print, style};
use crate::plan::Plan;
use crate::report;
use crate::run;
use crate::run_dir::RunDir;

/// Judges the stored history by today's checks.
pub(super) fn check(args: &CheckArgs) -> Result<u8, Failure> {
    let (dir, manifest) = RunDir::open(&args.run_dir)?;
    let scenario = dir.scenario(&manifest)?;
    let plan = Plan::resolve(&scenario, manifest.seed)?;
    let (header, history) = dir.history()?;
    if header != run::header(&plan) {
        return Err(Failure::usage(format!(
            "{}: the history is not of this scenario and seed",
            args.run_dir.display()
        )));
    }
    let reproduce = format!("squall replay {}", args.run_dir.display());
    let judged = super::judge(&plan, &history, &reproduce);
    match args.format {
        Format::Text => print(&report::text(&judged, style(), None)),
        Format::Json => print(&judged.to_json()),
    }
    Ok(judged.verdict.exit_code())
}

//! `squall explain`.

use super::exit::{Exit, Failure};
use super::print;
use super::replayed::StoredRun;
use super::trace_args::ExplainArgs;
use crate::backends::{Options, TraceFilter};
use crate::explain;

pub(super) fn explain(args: &ExplainArgs) -> Result<u8, Failure> {
    let stored = StoredRun::open(&args.run_dir)?;
    stored.dir.must_have_verdict()?;
    let options = Options {
        trace: Some(TraceFilter::default()),
        ..Options::default()
    };
    let judged = stored.run_alike(&args.run_dir, options)?;
    print(&explain::of_run(&judged).to_string());
    Ok(Exit::Pass as u8)
}

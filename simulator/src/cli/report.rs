//! `squall report`: a stored run or sweep, in another form.
//!
//! It judges nothing: what is shown is what was stored, so it says what the run said when it
//! was made. `squall check` is what judges anew. Only for the messages of a page's player is a
//! run made again.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;

use super::exit::{Exit, Failure};
use super::player::Messages;
use super::{page, print, style, tell};
use crate::report::{self, Report};
use crate::run_dir::RunDir;
use crate::sweep::{self, Summary, Wall, store};

pub(super) const REPORT_HELP: &str = "\
Examples:
  squall report runs/failure-recovery-1
  squall report runs/failure-recovery-1 --markdown > report.md
  squall report runs/failure-recovery-1 --html
  squall report runs/failure-recovery-1 --html --messages notable
  squall report sweeps/leader-kill --csv figures/

The exit code says whether the report could be made, not what it says: 0, 64 or 70.";

#[derive(Debug, ClapArgs)]
pub struct ReportArgs {
    /// Directory of a run or of a sweep; with --html also one that holds several runs.
    pub dir: PathBuf,
    /// As Markdown, for a pull request or a wiki.
    #[arg(long, group = "form")]
    pub markdown: bool,
    /// As JSON, for machines.
    #[arg(long, group = "form")]
    pub json: bool,
    /// Write every table and series as a CSV file into a directory, and print nothing.
    #[arg(long, value_name = "DIR", group = "form")]
    pub csv: Option<PathBuf>,
    /// As one self-contained web page, with graphs.
    #[arg(long, group = "form")]
    pub html: bool,
    /// Where the web page goes [default: report.html in the directory].
    #[arg(long, value_name = "FILE", requires = "html")]
    pub out: Option<PathBuf>,
    /// Messages that the page's player shows; for them the run is made again. Those around what
    /// matters as far as three megabytes go (`notable`), around an operation, a time or what
    /// broke, all, or none [default: notable if a check is broken, otherwise none].
    #[arg(
        long,
        value_name = "none|notable|all|violation|OPERATION|TIME",
        requires = "html"
    )]
    pub messages: Option<Messages>,
}

pub(super) fn report(args: &ReportArgs) -> Result<u8, Failure> {
    if args.html {
        let page = page::write(&args.dir, args.out.as_deref(), args.messages)?;
        print(&format!("{}\n", page.display()));
        return Ok(Exit::Pass as u8);
    }
    match store::is_sweep(&args.dir) {
        true => of_sweep(args)?,
        false => of_run(args)?,
    }
    Ok(Exit::Pass as u8)
}

fn of_run(args: &ReportArgs) -> Result<(), Failure> {
    let (dir, _) = RunDir::open(&args.dir)?;
    let report: Report = dir.report()?;
    if let Some(out) = &args.csv {
        let (_, history) = dir.history()?;
        let files = [report::csv::files(&report), report::csv::series(&history)];
        return write_all(out, &files.concat());
    }
    let path = args.dir.display().to_string();
    print(&match (args.markdown, args.json) {
        (true, _) => report::markdown(&report),
        (_, true) => report.to_json(),
        _ => report::text(&report, style(), Some(&path)),
    });
    Ok(())
}

fn of_sweep(args: &ReportArgs) -> Result<(), Failure> {
    let (spec, results) = store::read(&args.dir)?;
    let summary = match store::summary(&args.dir)? {
        Some(stored) => stored,
        // It is still at work, or was killed: of what is done.
        None => Summary::of(&spec, &results, 0, Wall::default()),
    };
    if let Some(out) = &args.csv {
        let files = [
            ("summary.csv", sweep::csv(&summary)),
            ("figures.csv", sweep::figures_csv(&summary)),
            ("seeds.csv", sweep::seeds_csv(&results)),
        ];
        return write_all(out, &files);
    }
    print(&match (args.markdown, args.json) {
        (true, _) => sweep::markdown(&summary),
        (_, true) => summary.to_json(),
        _ => sweep::text(&summary),
    });
    Ok(())
}

/// Writes the files into the directory, which is made if need be.
fn write_all(out: &Path, files: &[(&str, String)]) -> Result<(), Failure> {
    std::fs::create_dir_all(out).map_err(|e| Failure::at(out, &e))?;
    for (name, text) in files {
        let path = out.join(name);
        std::fs::write(&path, text).map_err(|e| Failure::at(&path, &e))?;
    }
    tell(&format!("{} files in {}", files.len(), out.display()));
    Ok(())
}

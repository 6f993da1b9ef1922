//! `squall trend`.

use std::fs;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::exit::{Exit, Failure};
use super::{print, style, tell};
use crate::report::Number;
use crate::scenario::unit::Share;
use crate::trend::{self, Asked, By, Standing, Trend, read};

pub(super) const TREND_HELP: &str = "\
Examples:
  squall trend runs sweeps
  squall trend sweeps --by commit --html trend.html
  squall trend nightly baselines.json --limit latency.lock.acquire.p95=20
  squall trend --by given monday tuesday wednesday --check

Takes run directories, sweeps, directories that hold such, and files of baselines, and shows
each figure over time: its spread, change points, its slope, and forecasts of when a limit is
reached. Limits are those of --limit, of the objectives, or of a baseline with the default
tolerance. A baseline says not when it was made, so it is a point of its own only with --by
given. Change points take eight points, slopes and forecasts five. What cannot be read is listed
with the reason.

The exit code says whether there was anything to look at, not what it says: 0 or 64; with
--check 2 if a figure got worse, 3 if there were too few points to tell. Methods and sources
are in docs/trends.md.";

#[derive(Debug, ClapArgs)]
pub struct TrendArgs {
    /// Runs, sweeps, directories that hold such, files of baselines.
    #[arg(required = true, value_name = "DIR")]
    pub paths: Vec<PathBuf>,
    /// What puts them in order.
    #[arg(long, value_enum, default_value_t = Order::Time)]
    pub by: Order,
    /// A limit of a figure, in its unit (ms, a second, percent, bytes); may be repeated.
    #[arg(long, value_name = "FIGURE=NUMBER", value_parser = limit)]
    pub limit: Vec<(String, Number)>,
    /// How certain changes must be, all figures together.
    #[arg(long, value_name = "SHARE", default_value = "95%")]
    pub certainty: Share,
    /// Directories and files that are read at most, the newest.
    #[arg(long, value_name = "NUMBER", default_value_t = read::MOST)]
    pub most: usize,
    /// As JSON, for machines.
    #[arg(long, group = "form")]
    pub json: bool,
    /// As Markdown.
    #[arg(long, group = "form")]
    pub markdown: bool,
    /// Write a web page with graphs to this file as well.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// End with 2 if a figure got worse, and with 3 if that is unknown.
    #[arg(long)]
    pub check: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// When each was made.
    Time,
    /// The commit of the program that made it.
    Commit,
    /// This command line.
    Given,
}

fn limit(text: &str) -> Result<(String, Number), String> {
    let (figure, number) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is no FIGURE=NUMBER"))?;
    let value: f64 = (number.trim().parse()).map_err(|_| format!("`{number}` is no number"))?;
    match (0.0..9e11).contains(&value) {
        true => Ok((
            figure.trim().into(),
            Number::of((value * 10_000.0).round() as u64),
        )),
        false => Err(format!("`{number}` is out of range")),
    }
}

pub(super) fn trend(args: &TrendArgs) -> Result<u8, Failure> {
    let asked = Asked {
        by: match args.by {
            Order::Time => By::Time,
            Order::Commit => By::Commit,
            Order::Given => By::Given,
        },
        certainty_ppm: super::compare::certain(args.certainty)?,
        limits: args.limit.clone(),
    };
    let found = trend::judge(&read::read(&args.paths, args.most, asked.by), &asked);
    if found.groups.is_empty() {
        let left = found.left_out.iter();
        let left: Vec<String> = left
            .map(|left| format!("{}: {}", left.path, left.why))
            .collect();
        return Err(Failure::usage(left.join("\n")));
    }
    for (figure, _) in &args.limit {
        let mut figures = found.groups.iter().flat_map(|group| &group.figures);
        if !figures.any(|known| known.figure == *figure) {
            tell(&format!(
                "warning: --limit {figure}: no run shows a figure of that name"
            ));
        }
    }
    if let Some(file) = &args.html {
        fs::write(file, trend::html(&found)).map_err(|e| Failure::at(file, &e))?;
        tell(&format!("a page in {}", file.display()));
    }
    print(&match (args.json, args.markdown) {
        (true, _) => found.to_json(),
        (_, true) => trend::markdown(&found),
        _ => trend::text(&found, style()),
    });
    Ok(match args.check {
        true => checked(&found),
        false => Exit::Pass,
    } as u8)
}

fn checked(trend: &Trend) -> Exit {
    let is_any = |standing| trend.standing(standing).next().is_some();
    if is_any(Standing::Worse) {
        Exit::ObjectiveMissed
    } else if is_any(Standing::Steady) || is_any(Standing::Better) {
        Exit::Pass
    } else {
        Exit::Inconclusive
    }
}

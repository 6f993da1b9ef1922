//! `squall trace`.

use std::path::Path;

use super::exit::{Exit, Failure};
use super::replay::filter;
use super::replayed::StoredRun;
use super::trace_args::{TraceArgs, TraceFormat};
use super::{print, tell};
use crate::backends::{LogFilter, Options, TraceFilter};
use crate::fault::unit::Duration;
use crate::trace::{Trace, Window, diagram, lines, otlp, perfetto, svg};

pub(super) fn trace(args: &TraceArgs) -> Result<u8, Failure> {
    let stored = StoredRun::open(&args.run_dir)?;
    if let Some(node) = &args.node {
        stored.must_have(node)?;
    }
    let log = filter(&args.logs, None, None)?;
    let mut log = log.unwrap_or_else(LogFilter::warnings);
    stored.must_have_all_of(Some(&log))?;
    let window = window(args, &stored)?;
    (log.from_us, log.to_us) = (from_us(window), to_us(window));
    let options = Options {
        log: Some(log),
        trace: Some(TraceFilter {
            from_us: from_us(window),
            to_us: to_us(window),
            ..TraceFilter::default()
        }),
        ..Options::default()
    };
    let judged = stored.run_alike(&args.run_dir, options)?;
    let title = format!("{} seed {}", judged.report.scenario, judged.report.seed);
    let trace = Trace::new(
        title,
        &judged.history,
        &judged.logs,
        &judged.traced,
        window,
        args.node.as_deref(),
    );
    let text = match args.format {
        TraceFormat::Lines => lines::lines(&trace).concat(),
        TraceFormat::Diagram => diagram::diagram(&trace).map_err(Failure::usage)?,
        TraceFormat::Svg => svg::svg(&trace).map_err(Failure::usage)?,
        TraceFormat::Perfetto => perfetto::document(&trace),
        TraceFormat::Otlp => otlp::document(&trace),
    };
    put(args.out.as_deref(), &text)?;
    tell_dropped(judged.traced.dropped, judged.logs.dropped);
    Ok(Exit::Pass as u8)
}

/// Which stretch is asked for; `None`: all of it.
fn window(args: &TraceArgs, stored: &StoredRun) -> Result<Option<Window>, Failure> {
    if let Some(around) = args.around {
        let (_, history) = stored.dir.history()?;
        let checks = stored.dir.report()?.checks;
        let window = around.window(&history, &checks, args.margin.us() as i64);
        return window.map(Some).map_err(Failure::usage);
    }
    let us = |time: Duration| time.us() as i64;
    let window = match (args.from, args.to) {
        (None, None) => return Ok(None),
        (from, to) => Window {
            from_us: from.map_or(0, us),
            to_us: to.map_or(i64::MAX / 2, us),
        },
    };
    if window.to_us < window.from_us {
        return Err(Failure::usage("--to lies before --from"));
    }
    Ok(Some(window))
}

/// The run begins at 0; before that the cluster is being formed.
fn from_us(window: Option<Window>) -> Option<i64> {
    Some(window.map_or(0, |window| window.from_us))
}

fn to_us(window: Option<Window>) -> Option<i64> {
    window.map(|window| window.to_us)
}

/// Where it was asked for, or on standard output.
fn put(out: Option<&Path>, text: &str) -> Result<(), Failure> {
    match out {
        None => print(text),
        Some(path) => {
            std::fs::write(path, text).map_err(|e| Failure::at(path, &e))?;
            tell(&format!("{}: {} bytes", path.display(), text.len()));
        }
    }
    Ok(())
}

fn tell_dropped(messages: u64, lines: u64) {
    for (count, what) in [(messages, "messages"), (lines, "lines of logs")] {
        if count > 0 {
            tell(&format!(
                "{count} more {what} than are kept; narrow --around, --from or --to"
            ));
        }
    }
}

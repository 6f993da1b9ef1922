//! `squall replay`.

use super::again::Scratch;
use super::args::ReplayArgs;
use super::exit::{Exit, Failure};
use super::replayed::StoredRun;
use super::{print, progress, steps, verify};
use crate::backends::{LogFilter, Logs, Options};
use crate::environment::Environment;
use crate::fault::unit::Duration;
use crate::run_dir::{Manifest, RunDir};

/// Runs the stored scenario again, into a directory beside the first, and compares.
pub(super) fn replay(args: &ReplayArgs) -> Result<u8, Failure> {
    if args.steps {
        return steps::print(&args.run_dir);
    }
    let filter = filter(&args.logs, args.from, args.to)?;
    let stored = StoredRun::open(&args.run_dir)?;
    stored.must_have_all_of(filter.as_ref())?;
    let (dir, manifest) = (&stored.dir, &stored.manifest);
    let crash = dir.crash();
    match &crash {
        // If it happens again, this process does not come back to tell.
        Some(why) => print(&format!("the run came to no verdict: {why}\n")),
        // What would stop the comparison is found out before an hour of simulation.
        None => {
            drop(Scratch::beside(dir.path())?);
            drop(dir.history()?);
        }
    }
    let options = Options {
        log: filter.clone(),
        ..Options::default()
    };
    let judged = stored.run(&args.run_dir, options)?;
    if filter.is_some() {
        show(&judged.logs);
        dir.write_logs(&judged.logs)?;
    }
    if crash.is_some() {
        print(&format!("this time it did: {}\n", judged.report.verdict));
        print(&differences(manifest));
        return Ok(Exit::Violation as u8);
    }
    let scratch = Scratch::beside(dir.path())?;
    let again = RunDir::create(scratch.path())?;
    again.write(manifest, &stored.scenario, &judged)?;
    let difference = verify::first_difference(dir.path(), again.path())?;
    drop(scratch);
    match difference {
        None => {
            print(&format!(
                "identical: {} events, sha256 {}\nverdict: {}\n",
                judged.history.events.len(),
                judged.report.sim.history_sha256,
                judged.report.verdict
            ));
            Ok(judged.report.verdict.exit_code())
        }
        Some(text) => {
            print(&format!("the replay differs from the run\n{text}\n"));
            print(&differences(manifest));
            // Between two runs of this program, whatever program made the first.
            if let Some(text) = steps::first_difference(dir.path())? {
                print(&format!("{text}\n"));
            }
            Ok(Exit::Violation as u8)
        }
    }
}

/// Which lines of logs are asked for; `None`: none.
pub(super) fn filter(
    texts: &[String],
    from: Option<Duration>,
    to: Option<Duration>,
) -> Result<Option<LogFilter>, Failure> {
    if texts.is_empty() {
        return Ok(None);
    }
    let mut filter = LogFilter::default();
    for text in texts {
        let added = filter.add(text);
        added.map_err(|error| Failure::usage(error.to_string()))?;
    }
    let us = |time: Option<Duration>| time.map(|time| time.us() as i64);
    (filter.from_us, filter.to_us) = (us(from), us(to));
    Ok(Some(filter))
}

fn show(logs: &Logs) {
    for line in &logs.lines {
        print(&format!("{line}\n"));
    }
    if logs.dropped > 0 {
        progress(&format!(
            "{} more lines were logged than are kept; narrow --log, --from or --to",
            logs.dropped
        ));
    }
}

/// What is different in what runs it, as far as it is known: whether to look for another
/// program, or for a source of nondeterminism.
fn differences(manifest: &Manifest) -> String {
    let current = Environment::current();
    let differences = match &manifest.environment {
        Some(environment) => environment.differences(&current),
        None if manifest.version != current.version => {
            vec![format!(
                "version: {}, now {}",
                manifest.version, current.version
            )]
        }
        None => return String::new(),
    };
    match differences.is_empty() {
        true => "made by this very program, so something is not deterministic\n".into(),
        false => format!("made by another program\n  {}\n", differences.join("\n  ")),
    }
}

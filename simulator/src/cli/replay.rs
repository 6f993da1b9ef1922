//! `squall replay`.

use super::args::ReplayArgs;
use super::exit::{Exit, Failure};
use super::{print, progress, verify};
use crate::environment::Environment;
use crate::run_dir::{Manifest, RunDir, RunDirError};

/// Runs the stored scenario again, into a directory beside the first, and compares.
pub(super) fn replay(args: &ReplayArgs) -> Result<u8, Failure> {
    let (dir, manifest) = RunDir::open(&args.run_dir)?;
    if !manifest.is_repeatable() {
        return Err(Failure::usage(format!(
            "{} was made on containers, where nothing happens twice in the same way; to do \
             the like again: {}",
            args.run_dir.display(),
            manifest.reproduce()
        )));
    }
    let scenario = dir.scenario(&manifest)?;
    super::run::plant(manifest.planted.as_deref())?;
    progress(&format!("replaying seed {} …", manifest.seed));
    let crash = dir.crash();
    if let Some(why) = &crash {
        // If it happens again, this process does not come back to tell.
        print(&format!("the run came to no verdict: {why}\n"));
    }
    let reproduce = format!("squall replay {}", args.run_dir.display());
    let judged = super::simulate(&scenario, manifest.seed, &reproduce, dir.context()?)?;
    if crash.is_some() {
        print(&format!("this time it did: {}\n", judged.report.verdict));
        print(&differences(&manifest));
        return Ok(Exit::Violation as u8);
    }
    let beside = args.run_dir.with_extension("replay");
    let again = RunDir::create(&beside)?;
    again.write(&manifest, &scenario, &judged)?;
    let difference = verify::first_difference(dir.path(), again.path())?;
    std::fs::remove_dir_all(&beside).map_err(|source| RunDirError::Io {
        path: beside.display().to_string(),
        source,
    })?;
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
            print(&differences(&manifest));
            Ok(Exit::Violation as u8)
        }
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

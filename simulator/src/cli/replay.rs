//! `squall replay`.

use super::args::ReplayArgs;
use super::exit::{Exit, Failure};
use super::{print, progress, verify};
use crate::run;
use crate::run_dir::{RunDir, RunDirError};

/// Runs the stored scenario again, into a directory beside the first, and compares.
pub(super) fn replay(args: &ReplayArgs) -> Result<u8, Failure> {
    let (dir, manifest) = RunDir::open(&args.run_dir)?;
    let scenario = dir.scenario(&manifest)?;
    super::run::plant(manifest.planted.as_deref())?;
    progress(&format!("replaying seed {} …", manifest.seed));
    let reproduce = format!("squall replay {}", args.run_dir.display());
    let judged = run::run(&scenario, manifest.seed, &reproduce)?;
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
            let version = env!("CARGO_PKG_VERSION");
            if manifest.version != version {
                print(&format!(
                    "the run was made by version {}, this is {version}\n",
                    manifest.version
                ));
            }
            Ok(Exit::Violation as u8)
        }
    }
}

//! `squall run`.

use std::path::{Path, PathBuf};

use squall_cluster::planted::{self, Bug};

use super::args::{Format, RunArgs};
use super::exit::{Exit, Failure};
use super::{print, progress, style, verify};
use crate::environment::Environment;
use crate::report;
use crate::run::Judged;
use crate::run_dir::{Manifest, RunDir};
use crate::scenario::Scenario;

pub(super) fn run(args: &RunArgs) -> Result<u8, Failure> {
    let scenario = args.scenario.load()?;
    plant(args.planted.as_deref())?;
    let out = out_dir(args, &scenario);
    let dir = RunDir::create(&out)?;
    progress(&format!(
        "running {} with seed {} in virtual time …",
        scenario.name.get_ref(),
        args.seed
    ));
    let manifest = manifest(args);
    let judged = super::simulate(&scenario, args.seed, &manifest.reproduce())?;
    dir.write(&manifest, &scenario, &judged)?;
    show(args.format, &judged, dir.path());
    if args.verify {
        let verified = verify::verify(args, dir.path())?;
        if !verified {
            return Ok(Exit::Violation as u8);
        }
    }
    Ok(judged.report.verdict.exit_code())
}

fn show(format: Format, judged: &Judged, dir: &Path) {
    match format {
        Format::Text => {
            let dir = dir.display().to_string();
            print(&report::text(&judged.report, style(), Some(&dir)));
        }
        Format::Json => print(&judged.report.to_json()),
    }
}

/// Activates the bug, if the build has any.
pub(super) fn plant(id: Option<&str>) -> Result<(), Failure> {
    let Some(id) = id else {
        return Ok(());
    };
    let bug = Bug::from_id(id).ok_or_else(|| {
        let known: Vec<&str> = Bug::ALL.iter().map(|bug| bug.id()).collect();
        Failure::usage(format!("no planted bug {id}; known: {}", known.join(", ")))
    })?;
    if !planted::COMPILED_IN {
        return Err(Failure::usage(
            "this build holds no planted bugs; build with `--features planted`",
        ));
    }
    #[cfg(feature = "planted")]
    planted::activate(Some(bug));
    #[cfg(not(feature = "planted"))]
    let _ = bug;
    Ok(())
}

fn out_dir(args: &RunArgs, scenario: &Scenario) -> PathBuf {
    args.out.clone().unwrap_or_else(|| {
        let name = format!("{}-{}", scenario.name.get_ref(), args.seed);
        Path::new("runs").join(name)
    })
}

fn manifest(args: &RunArgs) -> Manifest {
    Manifest {
        scenario: args.scenario.scenario.display().to_string(),
        seed: args.seed,
        backend: "sim".into(),
        settings: args.scenario.set.clone(),
        planted: args.planted.clone(),
        profile: args.scenario.profile_path(),
        version: env!("CARGO_PKG_VERSION").into(),
        environment: Some(Environment::current()),
    }
}

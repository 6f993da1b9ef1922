//! Hunting planted bugs: the same scenario with and without a bug, seed after seed.
//!
//! A bug is caught when a check of a property that the bug is said to break fails. Another
//! check's failure, or a node that panics, is no catch: it would be luck. Compiled only with
//! the feature `planted`; the tests and the example `track_record` share it.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use squall_cluster::planted::{self, Bug};

use crate::check::{CheckResult, Verdict};
use crate::report::Report;
use crate::run;
use crate::scenario::Scenario;

/// The bugs that a check must catch: all but those that `--verify` is there for, and the
/// one that breaks no promise but is slow, for which there are baselines.
pub fn bugs() -> impl Iterator<Item = Bug> {
    let is_for_checks = |bug: &Bug| !matches!(bug.breaks()[0], "determinism" | "performance");
    Bug::ALL.iter().copied().filter(is_for_checks)
}

/// The scenario whose fault exposes the bug, in the directory of scenarios.
pub fn scenario_of(scenarios: &Path, bug: Bug) -> PathBuf {
    let name = bug.id().to_lowercase();
    scenarios.join(format!("planted/{name}.toml"))
}

/// A caught bug.
#[derive(Debug, Clone)]
pub struct Catch {
    /// The first that showed it.
    pub seed: u64,
    /// `L1 lock_exclusion`: the check that caught it.
    pub check: String,
    /// What it said.
    pub detail: String,
}

/// Runs seed after seed with the bug until it is caught.
///
/// # Errors
/// Nothing caught it: what each seed said instead.
pub fn hunt(
    scenario: &Scenario,
    bug: Bug,
    seeds: RangeInclusive<u64>,
) -> Result<Catch, Vec<String>> {
    let mut said = Vec::new();
    for seed in seeds {
        match judge(scenario, seed, Some(bug)) {
            Ok(report) => match caught(&report, seed, bug) {
                Some(catch) => return Ok(catch),
                None => said.push(format!("seed {seed}: {} {}", report.verdict, report.reason)),
            },
            Err(why) => said.push(format!("seed {seed}: {why}")),
        }
    }
    Err(said)
}

/// Whether the report shows the bug by a property that it breaks.
fn caught(report: &Report, seed: u64, bug: Bug) -> Option<Catch> {
    let failed = |check: &&CheckResult| check.verdict == Verdict::Fail;
    let named = |property: &str| bug.breaks().contains(&property);
    let mut checks = report.checks.iter().filter(failed);
    let check = checks.find(|check| check.property.split(' ').any(named))?;
    Some(Catch {
        seed,
        check: format!("{} {}", check.property, check.name),
        detail: check.detail.clone(),
    })
}

/// Runs and judges one seed, on a thread of its own, because bugs are active by thread.
///
/// # Errors
/// The harness failed, in words.
pub fn judge(scenario: &Scenario, seed: u64, bug: Option<Bug>) -> Result<Report, String> {
    let run = || {
        planted::activate(bug);
        let judged = run::run(scenario, seed, "").map_err(|e| e.to_string())?;
        Ok(judged.report)
    };
    let joined = std::thread::scope(|scope| scope.spawn(run).join());
    joined.unwrap_or_else(|_| Err("the harness panicked".into()))
}

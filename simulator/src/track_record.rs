//! Hunting planted bugs: the same scenario with and without a bug, seed after seed.
//!
//! A bug is caught when a check of a property that the bug is said to break fails. Another
//! check's failure, or a node that panics, is no catch: it would be luck. Compiled only with
//! the feature `planted`; the tests and the examples of the track record share it.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use squall_cluster::planted::{self, Bug};
use squall_sim::SimBackend;

use crate::check::{CheckResult, Verdict};
use crate::explore::met::met;
use crate::explore::{Explorer, Origin, ROUND};
use crate::report::Report;
use crate::run::{self, Judged};
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
    play(scenario, seed, bug).map(|judged| judged.report)
}

/// The same with the run's history.
fn play(scenario: &Scenario, seed: u64, bug: Option<Bug>) -> Result<Judged, String> {
    let run = || {
        planted::activate(bug);
        run::run(scenario, seed, "").map_err(|e| e.to_string())
    };
    let joined = std::thread::scope(|scope| scope.spawn(run).join());
    joined.unwrap_or_else(|_| Err("the harness panicked".into()))
}

/// What a search among scenarios that know nothing of a bug came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Searched {
    /// Runs made, the last of which found the bug if any did.
    pub runs: u64,
    /// The run that found it.
    pub found: Option<Found>,
}

/// A run that showed a bug by a property that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The scenario's name.
    pub scenario: String,
    /// Of the run.
    pub seed: u64,
    /// Whether the scenario is a variation of an earlier run's.
    pub is_varied: bool,
    /// `L1 lock_exclusion`.
    pub check: String,
    /// In hexadecimal: another run of the same is to have the same history.
    pub history_sha256: String,
}

/// Seed 1 of each scenario in turn, then seed 2 of each, until a run shows the bug or `goes_on`,
/// which hears how many were made, says that it is enough.
pub fn search_seeds(
    bug: Bug,
    scenarios: &[Scenario],
    goes_on: &mut dyn FnMut(u64) -> bool,
) -> Searched {
    let mut runs = 0;
    for seed in 1.. {
        for scenario in scenarios {
            if !goes_on(runs) {
                return Searched { runs, found: None };
            }
            runs += 1;
            let judged = play(scenario, seed, Some(bug));
            let found = judged.ok().and_then(|judged| found(&judged, bug, false));
            if found.is_some() {
                return Searched { runs, found };
            }
        }
    }
    unreachable!("there is no last seed")
}

/// The same by `squall explore` of all scenarios, in the same order of runs.
///
/// # Errors
/// Seed after seed of a scenario makes no plan.
pub fn search_exploring(
    bug: Bug,
    scenarios: &[Scenario],
    seed: u64,
    goes_on: &mut dyn FnMut(u64) -> bool,
) -> Result<Searched, String> {
    let backend = SimBackend::default();
    let planner = |scenario: &Scenario, seed: u64| {
        run::plan_for(&backend, scenario, seed).map_err(|e| e.to_string())
    };
    let mut explorer = Explorer::new(scenarios.to_vec(), Box::new(planner), seed);
    let mut runs = 0;
    loop {
        for candidate in explorer.round(ROUND)? {
            if !goes_on(runs) {
                return Ok(Searched { runs, found: None });
            }
            runs += 1;
            let scenario = Scenario::parse(&candidate.text(), "candidate");
            let scenario = scenario.map_err(|e| e.to_string())?;
            let judged = play(&scenario, candidate.seed, Some(bug));
            let is_varied = candidate.origin != Origin::Drawn;
            let found = (judged.as_ref().ok()).and_then(|judged| found(judged, bug, is_varied));
            if found.is_some() {
                return Ok(Searched { runs, found });
            }
            let met = judged.map(|judged| met(&judged.history, &judged.report));
            explorer.learn(&candidate, met.unwrap_or_default());
        }
    }
}

fn found(judged: &Judged, bug: Bug, is_varied: bool) -> Option<Found> {
    let report = &judged.report;
    let catch = caught(report, report.seed, bug)?;
    Some(Found {
        scenario: report.scenario.clone(),
        seed: report.seed,
        is_varied,
        check: catch.check,
        history_sha256: report.sim.history_sha256.clone(),
    })
}

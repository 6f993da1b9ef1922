//! Sums up all seeds of a sweep: `summary.json`.
//!
//! A pure function of a spec and a set of results. Quantiles are taken over all single
//! values, by nearest rank, so the summary of merged shards is that of the whole sweep. All
//! that depends on the wall clock or on how the work was done is in [`Wall`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cause::Cause;
use super::failures::{failure_path, groups, kept};
use super::result::{Ending, FaultCounts, Measure, Results, SeedResult};
use super::spec::Spec;
use crate::baseline::{Baseline, Kept};
use crate::check::{CHECKS, Check};
use crate::measure::distribution::nearest_rank;
use crate::measure::marks;
use crate::report::{Operations, Seconds, Status};

/// Seeds named for each group of failures.
const NAMED_SEEDS: usize = 20;

/// `summary.json`: what all runs of a sweep show together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// What was swept.
    pub sweep: Head,
    /// How many runs ended how.
    pub endings: BTreeMap<Ending, u64>,
    /// Broken promises first, then by cause.
    pub failures: Vec<FailureGroup>,
    /// In the order in which they were given.
    pub scenarios: Vec<ScenarioSummary>,
    /// By kind, of all scenarios.
    pub faults: BTreeMap<String, FaultCounts>,
    /// Every check, also those that judged nothing in any run.
    #[serde(default)]
    pub checks: Vec<CheckCount>,
    /// Those that no seed met included.
    pub marks: Vec<MarkCount>,
    /// Of all runs that were judged.
    pub totals: Totals,
    /// What it took.
    pub wall: Wall,
}

/// What was swept, and how much of it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Head {
    /// As they were given: `1..100`.
    pub seeds: String,
    /// Overrides, in order: key and value.
    pub settings: Vec<(String, String)>,
    /// The planted bug that nodes had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<String>,
    /// `1/1` for a sweep that was not split, or is whole again.
    pub shard: String,
    /// Whether every seed ran twice and had to repeat its history.
    pub verified: bool,
    /// Runs: seeds times scenarios.
    pub planned: u64,
    /// Runs with a result.
    pub done: u64,
    /// Of the program.
    pub version: String,
}

/// Failures with one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailureGroup {
    /// How the runs ended.
    pub ending: Ending,
    /// What they have in common.
    pub cause: Cause,
    /// Runs that ended so.
    pub count: u64,
    /// Runs of each scenario.
    pub scenarios: BTreeMap<String, u64>,
    /// The first, in full.
    pub example: Example,
    /// The lowest, as `SCENARIO-SEED`.
    pub first: Vec<String>,
    /// Run directories that were kept, from the sweep's own.
    pub run_dirs: Vec<String>,
}

/// The first run of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// Its name.
    pub scenario: String,
    /// With which it fails.
    pub seed: u64,
    /// In one line.
    pub reason: String,
    /// The command that runs it again.
    pub reproduce: String,
}

/// What the runs of one scenario show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioSummary {
    /// Its name.
    pub scenario: String,
    /// With a result.
    pub runs: u64,
    /// How many ended how.
    pub endings: BTreeMap<Ending, u64>,
    /// Those that any run shows.
    pub measures: BTreeMap<Measure, Distribution>,
    /// By their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub objectives: BTreeMap<String, ObjectiveCount>,
    /// Latency, throughput and stages: median and worst of all runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, Kept>,
}

/// A measure over all runs of a scenario. Microseconds, or a count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// Values, of all runs together.
    pub count: u64,
    /// `null` without values.
    pub min: Option<u64>,
    /// The median.
    pub p50: Option<u64>,
    /// 90th percentile.
    pub p90: Option<u64>,
    /// 99th percentile.
    pub p99: Option<u64>,
    /// The longest, or the most.
    pub max: Option<u64>,
    /// The lowest seed that gave `max`.
    pub worst_seed: Option<u64>,
    /// Values that should be there and could not be seen, and the lowest such seed.
    pub unseen: u64,
    /// See `unseen`.
    pub unseen_seed: Option<u64>,
}

/// How often a check had something to judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckCount {
    /// Its number: `C1`.
    pub property: String,
    /// Its name: `cache_linearizable`.
    pub check: String,
    /// Runs in which it judged something, and how much in all.
    pub runs: u64,
    /// See `runs`.
    pub judged: u64,
    /// Runs in which it does not hold, and the lowest such, as `SCENARIO-SEED`.
    #[serde(default)]
    pub broken: u64,
    /// See `broken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_broken: Option<String>,
    /// Runs in which it cannot tell.
    #[serde(default)]
    pub unknown: u64,
}

/// How often an objective was met.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectiveCount {
    /// Runs in which it was met, missed, or unknown.
    pub met: u64,
    /// See `met`.
    pub missed: u64,
    /// See `met`.
    pub unknown: u64,
    /// The lowest seed that missed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_missed: Option<u64>,
}

/// How often a situation was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MarkCount {
    /// Its name; see `docs/measures.md`.
    pub mark: String,
    /// What the situation is, in a sentence.
    pub about: String,
    /// Runs that met it, and how often in all.
    pub runs: u64,
    /// See `runs`.
    pub times: u64,
    /// The first run that met it, as `SCENARIO-SEED`.
    pub first: Option<String>,
}

/// Sums over all runs that were judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// On the clocks of the runs.
    pub simulated_seconds: Seconds,
    /// Of the histories.
    pub events: u64,
    /// How many were asked, and how they ended.
    pub operations: Operations,
    /// Writes that were answered with success.
    pub acked_writes: u64,
    /// Those among them whose effect is gone.
    pub lost_writes: u64,
    /// Messages stored or delivered once more, and increments that count twice.
    pub duplicated: u64,
    /// Values that clients were given though nobody wrote them.
    pub phantom: u64,
}

/// How the work was done; the only object that may differ between two sweeps of the same
/// seeds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wall {
    /// Of the last sitting, if the sweep was resumed, and runs done in it.
    pub seconds: Seconds,
    /// See `seconds`.
    pub runs: u64,
    /// Processes at a time.
    pub jobs: u64,
    /// When the last sitting ended: date and time.
    pub finished: String,
}

impl Summary {
    /// Keeps at most `most_kept` run directories a group of failures.
    pub fn of(spec: &Spec, results: &Results, most_kept: usize, wall: Wall) -> Self {
        let all = || results.values();
        Self {
            sweep: head(spec, results),
            endings: endings(all()),
            failures: failures(spec, results, most_kept),
            scenarios: scenarios(spec, results),
            faults: faults(all()),
            checks: check_counts(results),
            marks: mark_counts(results),
            totals: totals(all()),
            wall,
        }
    }

    /// `summary.json`, with a line break at the end.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.expect("a summary holds nothing that JSON cannot") + "\n"
    }

    /// Runs that ended so.
    pub fn ended(&self, ending: Ending) -> u64 {
        self.endings.get(&ending).copied().unwrap_or(0)
    }

    /// The worst of the endings, as the exit codes of every command have it: a broken
    /// promise outweighs a failure of the harness, which outweighs a missed objective.
    pub fn exit_code(&self) -> u8 {
        exit_code(|ending| self.ended(ending) > 0)
    }
}

/// That of the worst ending there was.
pub fn exit_code(was: impl Fn(Ending) -> bool) -> u8 {
    use Ending::*;
    let any = |endings: &[Ending]| endings.iter().any(|ending| was(*ending));
    if any(&[Violation, NotDeterministic]) {
        1
    } else if any(&[Crashed, TimedOut, OutOfMemory]) {
        70
    } else if any(&[ObjectiveMissed]) {
        2
    } else if any(&[Inconclusive]) || !was(Pass) {
        3
    } else {
        0
    }
}

fn head(spec: &Spec, results: &Results) -> Head {
    Head {
        seeds: spec.seeds.to_string(),
        settings: spec.settings.clone(),
        planted: spec.planted.clone(),
        shard: spec.shard.to_string(),
        verified: spec.verify,
        planned: spec.planned(),
        done: results.len() as u64,
        version: spec.environment.version.clone(),
    }
}

fn endings<'a>(results: impl Iterator<Item = &'a SeedResult>) -> BTreeMap<Ending, u64> {
    let mut endings = BTreeMap::new();
    for result in results {
        *endings.entry(result.ending).or_default() += 1;
    }
    endings
}

fn failures(spec: &Spec, results: &Results, most_kept: usize) -> Vec<FailureGroup> {
    let kept = kept(results.values(), most_kept);
    let groups = groups(results.values());
    let group = |((ending, cause), failed): ((Ending, &Cause), Vec<&SeedResult>)| {
        let name = |result: &&SeedResult| super::failures::dir_name(&result.scenario, result.seed);
        let first = failed.first().expect("a group has a failure");
        let mut scenarios = BTreeMap::new();
        for result in &failed {
            *scenarios.entry(result.scenario.clone()).or_default() += 1;
        }
        let dirs = failed.iter().filter(|result| kept.contains(&name(result)));
        FailureGroup {
            ending,
            cause: cause.clone(),
            count: failed.len() as u64,
            scenarios,
            example: example(spec, first),
            first: failed.iter().take(NAMED_SEEDS).map(name).collect(),
            run_dirs: dirs.map(|r| failure_path(&r.scenario, r.seed)).collect(),
        }
    };
    groups.into_iter().map(group).collect()
}

fn example(spec: &Spec, result: &SeedResult) -> Example {
    let mut scenarios = spec.scenarios.iter();
    let scenario = scenarios.find(|scenario| scenario.name == result.scenario);
    let path = scenario.map_or(result.scenario.as_str(), |scenario| &scenario.path);
    let planted = spec.planted.as_deref();
    let profile = (spec.profile.as_ref()).map(|profile| profile.path.as_str());
    let command = crate::run_dir::run_command(
        path,
        result.seed,
        &spec.backend,
        profile,
        &spec.settings,
        planted,
    );
    Example {
        scenario: result.scenario.clone(),
        seed: result.seed,
        reason: result.reason.clone(),
        reproduce: match result.ending {
            // Which two runs show, and one does not.
            Ending::NotDeterministic => command + " --verify",
            _ => command,
        },
    }
}

fn scenarios(spec: &Spec, results: &Results) -> Vec<ScenarioSummary> {
    let summary = |scenario: &super::SweptScenario| {
        let of_it = || results.values().filter(|r| r.scenario == scenario.name);
        ScenarioSummary {
            scenario: scenario.name.clone(),
            runs: of_it().count() as u64,
            endings: endings(of_it()),
            measures: Measure::ALL
                .into_iter()
                .map(|measure| (measure, Distribution::of(measure, of_it())))
                .collect(),
            objectives: objectives(of_it()),
            figures: figures(of_it()),
        }
    };
    spec.scenarios.iter().map(summary).collect()
}

fn objectives<'a>(
    results: impl Iterator<Item = &'a SeedResult>,
) -> BTreeMap<String, ObjectiveCount> {
    let mut counts: BTreeMap<String, ObjectiveCount> = BTreeMap::new();
    for result in results {
        for (name, status) in result.run.iter().flat_map(|run| &run.objectives) {
            let count = counts.entry(name.clone()).or_default();
            match status {
                Status::Met => count.met += 1,
                Status::Missed => {
                    count.missed += 1;
                    count.first_missed.get_or_insert(result.seed);
                }
                Status::Unknown => count.unknown += 1,
                Status::Unsupported => {}
            }
        }
    }
    counts
}

fn figures<'a>(results: impl Iterator<Item = &'a SeedResult>) -> BTreeMap<String, Kept> {
    let runs = results.filter_map(|result| result.run.as_ref());
    let runs: Vec<_> = runs.map(|run| run.figures.clone()).collect();
    Baseline::of("", "", &runs).figures
}

impl Distribution {
    /// Over all values of the results, which come in order of their seeds.
    pub fn of<'a>(measure: Measure, results: impl Iterator<Item = &'a SeedResult>) -> Self {
        let mut values: Vec<u64> = Vec::new();
        let mut distribution = Self::default();
        for result in results {
            let run = result.run.as_ref();
            let Some(sampled) = run.and_then(|run| run.measures.get(&measure)) else {
                continue;
            };
            values.extend(&sampled.values);
            let worst = sampled.values.last().copied();
            if worst > distribution.max {
                distribution.max = worst;
                distribution.worst_seed = Some(result.seed);
            }
            if sampled.unseen > 0 {
                distribution.unseen += sampled.unseen;
                distribution.unseen_seed.get_or_insert(result.seed);
            }
        }
        values.sort_unstable();
        distribution.count = values.len() as u64;
        distribution.min = values.first().copied();
        distribution.p50 = nearest_rank(&values, 500);
        distribution.p90 = nearest_rank(&values, 900);
        distribution.p99 = nearest_rank(&values, 990);
        distribution
    }
}

fn faults<'a>(results: impl Iterator<Item = &'a SeedResult>) -> BTreeMap<String, FaultCounts> {
    let mut kinds: BTreeMap<String, FaultCounts> = BTreeMap::new();
    for (kind, counts) in results
        .filter_map(|r| r.run.as_ref())
        .flat_map(|run| &run.faults)
    {
        let total = kinds.entry(kind.clone()).or_default();
        total.injected += counts.injected;
        total.skipped += counts.skipped;
        total.uncertain += counts.uncertain;
    }
    kinds
}

fn check_counts(results: &Results) -> Vec<CheckCount> {
    let count = |check: &Check| {
        let runs = results.values().filter_map(|result| result.run.as_ref());
        let judged = runs.filter_map(|run| run.judged.get(check.name));
        let broken = results
            .values()
            .filter(|result| result.broken().any(|cause| cause.name == check.name));
        let first_broken = broken.clone().min_by_key(|result| result.seed);
        let is_unknown = |result: &&SeedResult| {
            let unknown = result.run.iter().flat_map(|run| &run.unknown);
            unknown.into_iter().any(|name| name == check.name)
        };
        CheckCount {
            property: check.property.into(),
            check: check.name.into(),
            runs: judged.clone().count() as u64,
            judged: judged.sum(),
            broken: broken.count() as u64,
            first_broken: first_broken
                .map(|result| super::failures::dir_name(&result.scenario, result.seed)),
            unknown: results.values().filter(is_unknown).count() as u64,
        }
    };
    CHECKS.iter().map(count).collect()
}

fn mark_counts(results: &Results) -> Vec<MarkCount> {
    let count = |(name, about): (String, String)| {
        let met = results.values().filter_map(|result| {
            let times = *result.run.as_ref()?.marks.get(&name)?;
            Some((result, times))
        });
        let first = met.clone().min_by_key(|(result, _)| result.seed);
        MarkCount {
            mark: name.clone(),
            about,
            runs: met.clone().count() as u64,
            times: met.map(|(_, times)| times).sum(),
            first: first.map(|(r, _)| super::failures::dir_name(&r.scenario, r.seed)),
        }
    };
    let named = marks::all().map(|mark| (mark.name.to_owned(), mark.about.to_owned()));
    let mut counted: Vec<MarkCount> = named.map(count).collect();
    let of_points: Vec<MarkCount> = marks::points::all().map(count).collect();
    // Of runs that have something happen at points, those that they missed are told as well.
    if of_points.iter().any(|mark| mark.runs > 0) {
        counted.extend(of_points);
    }
    counted
}

fn totals<'a>(results: impl Iterator<Item = &'a SeedResult>) -> Totals {
    let mut totals = Totals::default();
    for run in results.filter_map(|result| result.run.as_ref()) {
        totals.simulated_seconds = Seconds::of(totals.simulated_seconds.get() + run.simulated_us);
        totals.events += run.events;
        totals.operations.invoked += run.operations.invoked;
        totals.operations.acknowledged += run.operations.acknowledged;
        totals.operations.failed += run.operations.failed;
        totals.operations.unknown += run.operations.unknown;
        totals.acked_writes += run.acked_writes;
        let lost = run.measures.get(&Measure::Lost);
        totals.lost_writes += lost.map_or(0, |lost| lost.values.iter().sum());
        totals.duplicated += run.duplicated;
        totals.phantom += run.phantom;
    }
    totals
}

#[cfg(test)]
#[path = "summary_tests.rs"]
pub(crate) mod tests;

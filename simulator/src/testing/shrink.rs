//! Shrinking within a test's process, by the test's own idea of failing.

use std::cell::Cell;
use std::sync::Once;

use super::Simulation;
use super::measures::RunReport;
use super::runs::{Failed, one_seed};
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::shrink::{self, Failing, Limit, Oracle, Over, Shrunk, document};
use crate::stopwatch::Stopwatch;
use crate::sweep::Cause;

/// The smallest scenario found that fails in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smallest {
    /// A scenario file's text; see [`Simulation::parse`].
    pub scenario: String,
    /// With which it fails.
    pub seed: u64,
    /// How many it has left.
    pub faults: usize,
    /// How many its clients sent.
    pub operations: u64,
    /// Why it fails.
    pub why: String,
}

impl Simulation {
    /// Searches for a smaller scenario that `check` fails in the same way as it does the one
    /// with this seed: with the same words, names and numbers aside.
    ///
    /// `None` if it does not fail. The search ends at the latest at `limit`: a number of runs,
    /// which gives the same on every machine, or a time.
    ///
    /// # Panics
    /// The scenario is wrong.
    pub fn shrink(
        &self,
        seed: u64,
        limit: impl Into<Limit>,
        check: impl Fn(&RunReport) + Sync,
    ) -> Option<Smallest> {
        let drawn = self.scenario().draw(seed);
        let scenario = drawn.unwrap_or_else(|e| panic!("{e}"));
        let plan = Plan::resolve(&scenario, seed).unwrap_or_else(|e| panic!("{e}"));
        let mut search = Search {
            simulation: self,
            check: &check,
            cause: None,
            limit: limit.into(),
            runs: 0,
            watch: Stopwatch::start(),
        };
        search.cause = Some(search.failure(&scenario, seed)?.cause());
        let explicit = document::explicit(&scenario, &plan);
        let shrunk = shrink::shrink(explicit, seed, &mut search)?;
        Some(Smallest {
            scenario: shrunk.text(),
            seed: shrunk.failing.seed,
            faults: shrunk.faults(),
            operations: shrunk.failing.operations,
            why: shrunk.failing.reason,
        })
    }
}

impl Failed {
    fn cause(&self) -> Cause {
        // The first line; evidence is of the seed.
        Cause::new("", "", self.why.lines().next().unwrap_or_default())
    }
}

/// Lets panics of this thread go unprinted: hundreds of candidates fail as they should, and
/// only the last is news.
fn silence_panics() {
    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    QUIET.set(true);
}

struct Search<'a, F> {
    simulation: &'a Simulation,
    check: &'a F,
    cause: Option<Cause>,
    limit: Limit,
    runs: u64,
    watch: Stopwatch,
}

impl<F: Fn(&RunReport) + Sync> Search<'_, F> {
    fn failure(&self, scenario: &Scenario, seed: u64) -> Option<Failed> {
        let (simulation, check) = (self.simulation, self.check);
        let failed = std::thread::scope(|scope| {
            let run = || {
                silence_panics();
                one_seed(simulation, scenario, seed, check)
            };
            scope.spawn(run).join()
        });
        failed.expect("panics are caught within").err()
    }
}

impl<F: Fn(&RunReport) + Sync> Oracle for Search<'_, F> {
    fn first_failing(&mut self, scenario: &str, seeds: &[u64]) -> Result<Option<Failing>, Over> {
        let Ok(scenario) = Scenario::parse(scenario, "candidate") else {
            return Ok(None);
        };
        for seed in seeds {
            if self.limit.is_reached(self.runs, self.watch.elapsed()) {
                return Err(Over);
            }
            self.runs += 1;
            let failed = self.failure(&scenario, *seed);
            if let Some(failed) = failed.filter(|failed| Some(failed.cause()) == self.cause) {
                let report = failed.judged.as_ref().map(|judged| &judged.report);
                return Ok(Some(Failing {
                    seed: *seed,
                    operations: report.map_or(0, |report| report.operations.invoked),
                    simulated_us: report.map_or(0, |report| report.sim.seconds.get()),
                    reason: failed.why.lines().next().unwrap_or_default().to_owned(),
                }));
            }
        }
        Ok(None)
    }

    fn found(&mut self, _: &Shrunk) {}
}

//! Shrinking: the smallest scenario that still fails in the same way.
//!
//! A failure found by a sweep comes with faults that do not matter, clients that do not
//! matter, and minutes in which nothing happens. Shrinking takes them away: the scenario is
//! made explicit ([`document`]: drawn and repeated faults written out one by one), and then
//! parts are removed and numbers reduced (`passes`) as long as the run goes on breaking
//! the same property with the same kind of evidence ([`crate::sweep::Cause`]). Faults go by
//! delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing
//! input", 2002), the rest greedily, the greatest savings first.
//!
//! A smaller run is another run: every message arrives at another moment. So a candidate is
//! tried with a few seeds, and one that fails is enough, since all that is asked for is a
//! scenario and a seed that show the failure.
//!
//! The [`Oracle`] runs candidates: `squall shrink` runs worker
//! processes, a test may run them in its own.

mod ddmin;
pub mod document;
mod passes;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use toml::Table;

use crate::scenario::Scenario;

pub use write::write;

/// Seeds tried for a candidate beside the one that failed last: few while there is much to
/// gain and a run takes long, more when nothing gives any more, since a failure that hangs on
/// a race shows for some seeds only.
const MORE_SEEDS: [u64; 3] = [3, 9, 27];
/// The same for a candidate that would save most of the work at once: even if it fails for
/// few seeds only, it is the cheapest way there is, since every later run is cheap.
const SEEDS_FOR_MUCH: u64 = 9;

/// Runs candidates.
pub trait Oracle {
    /// The first of `seeds` with which the scenario fails in the way that is looked for.
    ///
    /// # Errors
    /// [`Over`] to end the search with the best so far.
    fn first_failing(&mut self, scenario: &str, seeds: &[u64]) -> Result<Option<Failing>, Over>;

    /// Receives every step forward.
    fn found(&mut self, best: &Shrunk);
}

/// A candidate that fails as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    pub seed: u64,
    /// Operations that its clients sent.
    pub operations: u64,
    /// Length of the run on its own clock.
    pub simulated_us: u64,
    /// Why it fails, in one line.
    pub reason: String,
}

/// How much a search may cost. Only runs are the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Runs of candidates.
    Runs(u64),
    /// Time on the wall.
    Time(Duration),
}

impl Limit {
    /// Whether so many runs, or so much time, are too much.
    pub fn is_reached(self, runs: u64, elapsed: Duration) -> bool {
        match self {
            Limit::Runs(most) => runs >= most,
            Limit::Time(most) => elapsed > most,
        }
    }
}

impl From<Duration> for Limit {
    fn from(time: Duration) -> Self {
        Limit::Time(time)
    }
}

/// The search is to end: someone asked for it, or its limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over;

/// The smallest failing scenario so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    pub document: Table,
    pub failing: Failing,
}

impl Shrunk {
    pub fn faults(&self) -> usize {
        document::tables(&self.document, "fault").len()
    }

    /// The scenario's text.
    pub fn text(&self) -> String {
        write(&self.document)
    }
}

/// Shrinks a scenario that fails with `seed`.
///
/// `None` if it does not fail, once made explicit, with this seed or any of those tried.
pub fn shrink(document: Table, seed: u64, oracle: &mut dyn Oracle) -> Option<Shrunk> {
    let text = write(&document);
    let failing = oracle
        .first_failing(&text, &seeds(seed, MORE_SEEDS[0]))
        .ok()??;
    let mut search = Search {
        best: Shrunk { document, failing },
        failed_to_fail: BTreeMap::new(),
        more_seeds: 0,
        oracle,
    };
    search.oracle.found(&search.best);
    // Over is no failure: the best so far is the answer.
    for more_seeds in MORE_SEEDS {
        search.more_seeds = more_seeds;
        if passes::first(&mut search).is_err() || passes::all(&mut search).is_err() {
            break;
        }
    }
    Some(search.best)
}

/// The seed that failed last, then small ones, which are round numbers, too.
fn seeds(last: u64, more: u64) -> Vec<u64> {
    let others = (1..=more + 1).filter(|seed| *seed != last);
    [last]
        .into_iter()
        .chain(others.take(more as usize))
        .collect()
}

/// Whether a candidate that fails may have more operations, or take longer, than the best
/// so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// It is smaller in a way that counts more.
    MayGrow,
    MayNotGrow,
}

/// A search in progress.
struct Search<'a> {
    best: Shrunk,
    /// Texts of candidates that are no use, with the number of seeds that said so.
    failed_to_fail: BTreeMap<String, u64>,
    more_seeds: u64,
    oracle: &'a mut dyn Oracle,
}

impl Search<'_> {
    /// Tries a candidate; if it fails as it should, it is the best from now on.
    fn try_out(&mut self, document: Table, work: Work) -> Result<bool, Over> {
        self.try_with(self.more_seeds, document, work)
    }

    /// The same with as many more seeds, or as many as are in order now if that is more.
    fn try_with(&mut self, more_seeds: u64, document: Table, work: Work) -> Result<bool, Over> {
        let more_seeds = more_seeds.max(self.more_seeds);
        if document == self.best.document {
            return Ok(false);
        }
        let text = write(&document);
        let is_known = |tried: &u64| *tried >= more_seeds;
        let is_useless = self.failed_to_fail.get(&text).is_some_and(is_known);
        if is_useless || Scenario::parse(&text, "candidate").is_err() {
            return Ok(false);
        }
        let seeds = seeds(self.best.failing.seed, more_seeds);
        let failing = self.oracle.first_failing(&text, &seeds)?;
        let best = &self.best.failing;
        let fits = |failing: &Failing| match work {
            Work::MayGrow => true,
            Work::MayNotGrow => {
                failing.operations <= best.operations && failing.simulated_us <= best.simulated_us
            }
        };
        match failing.filter(fits) {
            Some(failing) => {
                self.best = Shrunk { document, failing };
                self.oracle.found(&self.best);
                Ok(true)
            }
            None => {
                self.failed_to_fail.insert(text, more_seeds);
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Search that learns: runs that meet what no run has met are kept and varied.
//!
//! A sweep draws every seed afresh, so a situation that takes three rare things at once is met
//! as seldom in the millionth seed as in the first. Here a run that met something new joins a
//! corpus, and later runs are variations of its members: faults moved, repeated, dropped or
//! borrowed from another, values changed. What counts as met is in [`met`]. How the corpus and
//! the variations are used is that of coverage-guided fuzzers (AFL, libFuzzer), on plans instead
//! of bytes.
//!
//! The search goes by rounds of a fixed number of runs and takes in results in the order in
//! which it gave them out, so it is the same however many processes run side by side. Every
//! candidate is a scenario and a seed, which replay by themselves.

pub mod met;
mod vary;

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use toml::Table;

use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::shrink::{document, write};

/// Most runs of a round: enough to keep processors busy, few enough to learn soon.
pub const ROUND: u64 = 16;
/// Of how many members drawn at random the one is varied that met the rarest things.
const TOURNAMENT: usize = 4;
/// Attempts at a variation that is a scenario, before a seed is drawn afresh instead; and at a
/// seed that makes a plan.
const ATTEMPTS: usize = 20;
/// Changes made at a time.
const MOST_CHANGES: u64 = 4;
/// Of a hundred runs, at least so many are drawn afresh, and at least so many are variations.
const LEAST_SHARE: u64 = 20;

/// Where a candidate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A seed of the scenario as it was written.
    Drawn,
    /// A member of the corpus, changed in these ways.
    Varied {
        /// Its position in the corpus.
        parent: usize,
        /// The changes, in words.
        changes: Vec<&'static str>,
    },
}

/// A run to be made.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The seed to run it with.
    pub seed: u64,
    /// The scenario, with every fault written out.
    pub document: Table,
    /// Where it comes from.
    pub origin: Origin,
}

impl Candidate {
    /// The scenario's text.
    pub fn text(&self) -> String {
        write(&self.document)
    }
}

/// A run that met something new.
#[derive(Debug)]
struct Member {
    seed: u64,
    document: Table,
    /// Numbers of what it met.
    met: Vec<usize>,
}

/// The plan of a scenario and a seed; why there is none, in words.
pub type Planner<'a> = dyn Fn(&Scenario, u64) -> Result<Plan, String> + 'a;

/// How one of the two ways to a candidate has fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Yield {
    /// Runs made.
    pub runs: u64,
    /// Those that met something new.
    pub new: u64,
}

impl Yield {
    /// Of a thousand runs, as if one more of two had met something.
    fn per_thousand(self) -> u64 {
        (self.new + 1) * 1_000 / (self.runs + 2)
    }
}

/// A search in progress.
pub struct Explorer<'a> {
    scenarios: Vec<Scenario>,
    planner: Box<Planner<'a>>,
    rng: ChaCha8Rng,
    corpus: Vec<Member>,
    /// The number of each thing that was met.
    numbers: BTreeMap<String, usize>,
    /// How many runs met it.
    met: Vec<u64>,
    drawn: Yield,
    varied: Yield,
}

impl<'a> Explorer<'a> {
    /// A search that begins with seeds of these scenarios; `seed` decides all its choices.
    ///
    /// # Panics
    /// There is no scenario.
    pub fn new(scenarios: Vec<Scenario>, planner: Box<Planner<'a>>, seed: u64) -> Self {
        assert!(!scenarios.is_empty(), "a search begins with a scenario");
        Self {
            scenarios,
            planner,
            rng: ChaCha8Rng::seed_from_u64(seed),
            corpus: Vec::new(),
            numbers: BTreeMap::new(),
            met: Vec::new(),
            drawn: Yield::default(),
            varied: Yield::default(),
        }
    }

    /// The candidates of the next round, at most `most` and at most [`ROUND`].
    ///
    /// # Errors
    /// Seed after seed of a scenario makes no plan: why the last does not.
    pub fn round(&mut self, most: u64) -> Result<Vec<Candidate>, String> {
        (0..most.min(ROUND)).map(|_| self.candidate()).collect()
    }

    /// Takes in what a run met; what no run had met before. With it the run joins the corpus.
    pub fn learn(&mut self, candidate: &Candidate, met: Vec<String>) -> Vec<String> {
        let mut new = Vec::new();
        let mut known = BTreeSet::new();
        for thing in met {
            let next = self.met.len();
            let number = *self.numbers.entry(thing.clone()).or_insert(next);
            if number == next {
                self.met.push(0);
                new.push(thing);
            }
            if known.insert(number) {
                self.met[number] += 1;
            }
        }
        let fared = match candidate.origin {
            Origin::Drawn => &mut self.drawn,
            Origin::Varied { .. } => &mut self.varied,
        };
        fared.runs += 1;
        if !new.is_empty() {
            fared.new += 1;
            self.corpus.push(Member {
                seed: candidate.seed,
                document: candidate.document.clone(),
                met: known.into_iter().collect(),
            });
        }
        new
    }

    /// How many things have been met.
    pub fn met(&self) -> usize {
        self.met.len()
    }

    /// How many runs are kept for what they met.
    pub fn kept(&self) -> usize {
        self.corpus.len()
    }

    /// How seeds drawn afresh have fared, and variations.
    pub fn yields(&self) -> [(&'static str, Yield); 2] {
        [("drawn", self.drawn), ("varied", self.varied)]
    }

    fn candidate(&mut self) -> Result<Candidate, String> {
        if !self.corpus.is_empty() && self.below(100) >= self.share_drawn() {
            let varied = (0..ATTEMPTS).find_map(|_| self.variation());
            if let Some(candidate) = varied {
                return Ok(candidate);
            }
        }
        self.drawn()
    }

    /// Of a hundred runs, how many are drawn afresh: by what either way has brought.
    fn share_drawn(&self) -> u64 {
        let (drawn, varied) = (self.drawn.per_thousand(), self.varied.per_thousand());
        (drawn * 100 / (drawn + varied)).clamp(LEAST_SHARE, 100 - LEAST_SHARE)
    }

    fn drawn(&mut self) -> Result<Candidate, String> {
        let which = self.below(self.scenarios.len() as u64) as usize;
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            let seed = self.seed();
            match self.written_out(which, seed) {
                Ok(document) => {
                    return Ok(Candidate {
                        seed,
                        document,
                        origin: Origin::Drawn,
                    });
                }
                Err(refused) => why = refused,
            }
        }
        Err(why)
    }

    /// A seed of a scenario with every fault written out. Earlier runs are no yardstick for what
    /// will be varied, so a baseline goes.
    fn written_out(&self, which: usize, seed: u64) -> Result<Table, String> {
        let scenario = &self.scenarios[which];
        let scenario = scenario.draw(seed).map_err(|e| e.to_string())?;
        let plan = (self.planner)(&scenario, seed)?;
        Ok(document::without_baseline(&document::explicit(
            &scenario, &plan,
        )))
    }

    /// A member of the corpus with some changes; `None` if they make no scenario.
    fn variation(&mut self) -> Option<Candidate> {
        let parent = self.parent();
        let other = self.below(self.corpus.len() as u64) as usize;
        let (member, other) = (&self.corpus[parent], &self.corpus[other]);
        let mut document = member.document.clone();
        let mut changes = Vec::new();
        for _ in 0..self.rng.random_range(1..=MOST_CHANGES) {
            changes.extend(vary::change(&mut document, &other.document, &mut self.rng));
        }
        let (is_same, same_seed) = (document == member.document, member.seed);
        // Half of the time with the same clients, so that a change is a change of one thing.
        let seed = match self.rng.random_range(0..2_u64) {
            0 => same_seed,
            _ => self.seed(),
        };
        if is_same && seed == same_seed {
            return None;
        }
        let scenario = Scenario::parse(&write(&document), "variation").ok()?;
        (self.planner)(&scenario, seed).ok()?;
        Some(Candidate {
            seed,
            document,
            origin: Origin::Varied { parent, changes },
        })
    }

    /// The member, of a few, that met the rarest things.
    fn parent(&mut self) -> usize {
        let count = self.corpus.len() as u64;
        let drawn: Vec<usize> = (0..TOURNAMENT)
            .map(|_| self.below(count) as usize)
            .collect();
        let best = drawn.into_iter().max_by_key(|index| self.rarity(*index));
        best.expect("a tournament has entrants")
    }

    /// Millionths: what each thing is worth that it met, one run's worth being shared by all
    /// runs that met it.
    fn rarity(&self, member: usize) -> u64 {
        let things = self.corpus[member].met.iter();
        things.map(|thing| 1_000_000 / self.met[*thing]).sum()
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.rng.random_range(0..bound)
    }

    /// Short enough to be typed.
    fn seed(&mut self) -> u64 {
        self.rng.random_range(1..=u64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests;

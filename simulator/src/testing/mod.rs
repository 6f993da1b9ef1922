//! Simulations in `cargo test`: a scenario, a range of seeds, and what must hold.
//!
//! ```
//! use squall::testing::{Fault, Simulation, Workload, seconds};
//!
//! # fn main() {
//! Simulation::named("leader-dies")
//!     .nodes(3)
//!     .workload(Workload::cache().clients(2).think("20ms"))
//!     .fault(Fault::kill(["leader"]).at("500ms").lasting("1s"))
//!     .lasting("2s")
//!     .seeds(1..=3)
//!     .check(|report| {
//!         report.must_pass();
//!         assert!(report.downtime().max() < seconds(2));
//!     });
//! # }
//! ```
//!
//! A scenario file does as well, with values replaced for the test:
//!
//! ```
//! # use squall::testing::{Simulation, seconds};
//! # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/leader-kill.toml");
//! let runs = Simulation::load(file)
//!     .set("phases.chaos", "3500ms")
//!     .set("fault.0.at", "500ms")
//!     .set("fault.0.for", "1s")
//!     .set("fault.0.repeat.every", "1500ms")
//!     .set("fault.0.repeat.times", "2")
//!     .seeds(1..=2)
//!     .run();
//! runs.must_pass();
//! let election = runs.election();
//! assert!(election.p99() < seconds(3), "{election}");
//! ```
//!
//! A seed that fails panics with the cause, the seed, its run directory, and the command that
//! replays it. `SQUALL_SEED=7 cargo test NAME` runs just that seed; `SQUALL_SEEDS=1000` widens
//! the search to so many seeds from the first of the range on; `SQUALL_JOBS` says how many
//! run at a time, `SQUALL_RUNS` where run directories go. `SQUALL_JUNIT` names a directory for
//! JUnit XML, in which every test and scenario has a file of its own, `SQUALL_SUMMARY` a file
//! to which summaries in Markdown are appended.
//!
//! Seeds run in the test's own process, each on a thread of its own, since all that a
//! simulation keeps is kept by thread. It works under plain `cargo test` and under nextest,
//! in parallel, without flags. For thousands of seeds, and for protection from runs that hang
//! or eat all memory, `squall sweep` runs each in a process.

mod build;
mod measures;
mod mistakes;
mod runs;
mod shrink;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::backends::{self, Options, TraceFilter};
use crate::ci::CiFiles;
use crate::run::{self, Judged, RunError};
use crate::scenario::Scenario;
use crate::system::System;

pub use crate::shrink::Limit;
pub use build::{Fault, Workload};
pub use measures::{Durations, RunReport};
pub use runs::Runs;
pub use shrink::Smallest;

/// A scenario to run over seeds.
#[derive(Clone)]
pub struct Simulation {
    written: Written,
    settings: Vec<(String, String)>,
    system: Option<Arc<dyn System>>,
    seeds: RangeInclusive<u64>,
    files: CiFiles,
}

/// Where a scenario comes from.
#[derive(Clone)]
enum Written {
    File(PathBuf),
    Text(String),
    Built(Box<build::Draft>),
}

impl Simulation {
    /// A scenario file. A relative path counts from the directory of the package under
    /// test, which is where `cargo test` starts tests.
    pub fn load(path: impl Into<PathBuf>) -> Self {
        Self::of(Written::File(path.into()))
    }

    /// A scenario as text, in the format of scenario files.
    pub fn parse(text: impl Into<String>) -> Self {
        Self::of(Written::Text(text.into()))
    }

    /// A scenario to be put together here. Its name goes into reports: lower-case letters,
    /// digits and hyphens.
    pub fn named(name: &str) -> Self {
        Self::of(Written::Built(Box::new(build::Draft::named(name))))
    }

    fn of(written: Written) -> Self {
        Self {
            written,
            settings: Vec::new(),
            system: None,
            seeds: 1..=10,
            files: CiFiles::default(),
        }
    }

    /// The seeds to run; 1 to 10 if nothing is said.
    pub fn seeds(mut self, seeds: RangeInclusive<u64>) -> Self {
        self.seeds = seeds;
        self
    }

    /// Runs another system than Squall's own cluster; see [`crate::system`].
    pub fn system(mut self, system: impl System) -> Self {
        self.system = Some(Arc::new(system));
        self
    }

    /// Writes every check and objective over all seeds into this file, as JUnit XML.
    pub fn junit(mut self, file: impl Into<PathBuf>) -> Self {
        self.files.junit = Some(file.into());
        self
    }

    /// Appends a summary in Markdown to this file.
    pub fn summary(mut self, file: impl Into<PathBuf>) -> Self {
        self.files.summary = Some(file.into());
        self
    }

    /// Replaces a value, as `--set` does: `set("phases.chaos", "10s")`.
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.push((key.to_owned(), value.to_string()));
        self
    }

    /// How many nodes there are.
    pub fn nodes(self, nodes: u64) -> Self {
        self.set("cluster.nodes", nodes)
    }

    /// How long the phase of faults is: `"10s"`. A warm-up of one second comes before it in
    /// scenarios that are put together here.
    pub fn lasting(self, time: &str) -> Self {
        self.set("phases.chaos", time)
    }

    /// Adds clients.
    ///
    /// # Panics
    /// The scenario was loaded, and so has its clients.
    pub fn workload(mut self, workload: Workload) -> Self {
        self.draft().workloads.push(workload);
        self
    }

    /// Adds a fault.
    ///
    /// # Panics
    /// The scenario was loaded, and so has its faults.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.draft().faults.push(fault);
        self
    }

    fn draft(&mut self) -> &mut build::Draft {
        match &mut self.written {
            Written::Built(draft) => draft,
            _ => panic!("a scenario that was read cannot be added to; see Simulation::set"),
        }
    }

    /// Runs every seed and lets `check` look at it; a panic of `check` fails the seed.
    ///
    /// # Panics
    /// A seed fails: the lowest one, with its cause and the command that replays it. Or the
    /// scenario is wrong.
    pub fn check(self, check: impl Fn(&RunReport) + Sync) {
        runs::check(&self, &check);
    }

    /// Runs every seed, to look at all of them together.
    ///
    /// # Panics
    /// The scenario is wrong, or a node panics.
    pub fn run(self) -> Runs {
        runs::run(self)
    }

    /// Runs one seed.
    fn one_run(&self, scenario: &Scenario, seed: u64) -> Result<Judged, RunError> {
        let reproduce = format!("SQUALL_SEED={seed} cargo test");
        mistakes::made(|| run::run_system(scenario, seed, &reproduce, self.system.as_ref()))
    }

    /// The same with every message recorded.
    fn traced_run(&self, scenario: &Scenario, seed: u64) -> Result<Judged, RunError> {
        let options = Options {
            trace: Some(TraceFilter::default()),
            ..Options::default()
        };
        let backend = backends::DEFAULT.open(options).expect("it can be traced");
        mistakes::made(|| run::run_on(&*backend, scenario, seed, "", run::Context::default()))
    }

    /// The scenario.
    ///
    /// # Panics
    /// It is wrong; the message says where.
    fn scenario(&self) -> Scenario {
        let settings = &self.settings;
        let read = match &self.written {
            Written::File(path) => Scenario::load_with(path, settings),
            Written::Text(text) => Scenario::parse_with(text, "the scenario", settings),
            Written::Built(draft) => Scenario::parse_with(&draft.text(), "the scenario", settings),
        };
        read.unwrap_or_else(|e| panic!("{e}"))
    }
}

/// `n` seconds.
pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `n` milliseconds.
pub fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What the environment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wishes {
    seeds: RangeInclusive<u64>,
    jobs: usize,
}

impl Wishes {
    fn read(seeds: &RangeInclusive<u64>) -> Self {
        let names = ["SQUALL_SEED", "SQUALL_SEEDS", "SQUALL_JOBS"];
        let set = names.map(|name| Some((name, std::env::var(name).ok()?)));
        Self::of(seeds, &set.into_iter().flatten().collect())
    }

    fn of(seeds: &RangeInclusive<u64>, set: &BTreeMap<&str, String>) -> Self {
        let number = |name: &str| {
            let text = set.get(name).filter(|text| !text.is_empty())?;
            let number = text.parse::<u64>();
            Some(number.unwrap_or_else(|_| panic!("{name}={text}: expected a number")))
        };
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let seeds = match (number("SQUALL_SEED"), number("SQUALL_SEEDS")) {
            (Some(seed), _) => seed..=seed,
            (None, Some(count)) => {
                let first = *seeds.start();
                first..=first.saturating_add(count.max(1) - 1)
            }
            (None, None) => seeds.clone(),
        };
        let jobs = number("SQUALL_JOBS").map_or_else(processors, |jobs| jobs as usize);
        assert!(jobs > 0, "SQUALL_JOBS=0: at least one must work");
        Self { seeds, jobs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds(set: &[(&'static str, &str)]) -> RangeInclusive<u64> {
        let set = set.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Wishes::of(&(5..=9), &set.collect()).seeds
    }

    #[test]
    fn the_environment_narrows_and_widens_the_search() {
        assert_eq!(seeds(&[]), 5..=9);
        assert_eq!(seeds(&[("SQUALL_SEED", "7")]), 7..=7);
        assert_eq!(seeds(&[("SQUALL_SEEDS", "1000")]), 5..=1004);
        assert_eq!(seeds(&[("SQUALL_SEED", "7"), ("SQUALL_SEEDS", "9")]), 7..=7);
        assert_eq!(seeds(&[("SQUALL_SEED", "")]), 5..=9);
    }

    #[test]
    #[should_panic(expected = "SQUALL_SEED=x: expected a number")]
    fn an_invalid_seed_is_refused() {
        seeds(&[("SQUALL_SEED", "x")]);
    }
}

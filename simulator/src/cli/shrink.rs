//! `squall shrink`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args as ClapArgs;

use super::again::must_be_repeatable;
use super::args::jobs;
use super::exit::{Exit, Failure};
use super::interrupt::Interrupt;
use super::progress_bar::WorkBar;
use super::stored::{Stored, reference};
use super::sweep::processors;
use super::worker::{self, Errand};
use super::{plant, print};
use crate::baseline::{File, Reference};
use crate::environment::Environment;
use crate::plan::Plan;
use crate::report::count;
use crate::run_dir::{Manifest, RunDir, run_command};
use crate::scenario::unit::{Duration as Time, Size};
use crate::shrink::{self, Failing, Limit, Oracle, Over, Shrunk, document};
use crate::stopwatch::Stopwatch;
use crate::sweep::pool::{self, Go, Limits};
use crate::sweep::{Cause, Ending, SeedResult};

/// What the result is compared with, if it is with anything: beside its scenario, so that it
/// fails by itself wherever it is taken.
const BASELINES: &str = "baselines.json";

pub(super) const SHRINK_HELP: &str = "\
The result is a run directory like any other: its scenario.toml fails by itself, and
`squall replay` proves it. Ctrl-C ends the search with the best so far.";

#[derive(Debug, ClapArgs)]
pub struct ShrinkArgs {
    /// Directory of a run that fails.
    pub run_dir: PathBuf,
    /// Run directory for the result [default: RUN_DIR/shrunk].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Search for at most this long [default: 90s].
    #[arg(long = "for", value_name = "TIME", conflicts_with = "runs")]
    pub budget: Option<Time>,
    /// Search with at most so many runs, however long they take.
    #[arg(long, value_name = "N")]
    pub runs: Option<u64>,
    /// Processes at a time [default: as many as the machine has processors].
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Longest that one run may take, of wall time.
    #[arg(long, value_name = "TIME", default_value = "1m")]
    pub timeout: Time,
    /// Most memory that one run may have.
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    pub memory: Size,
}

/// If neither a time nor a number of runs is given.
const DEFAULT_BUDGET: Duration = Duration::from_secs(90);

impl ShrinkArgs {
    fn limit(&self) -> Limit {
        let time = |budget: Time| Limit::Time(Duration::from_micros(budget.us()));
        let runs = self.runs.map(Limit::Runs);
        runs.or(self.budget.map(time))
            .unwrap_or(Limit::Time(DEFAULT_BUDGET))
    }
}

pub(super) fn shrink(args: &ShrinkArgs) -> Result<u8, Failure> {
    let (dir, manifest) = RunDir::open(&args.run_dir)?;
    must_be_repeatable(&args.run_dir, &manifest)?;
    let scenario = dir.scenario(&manifest)?.draw(manifest.seed)?;
    let reference = reference(&dir, &manifest, &scenario)?;
    plant::plant(manifest.planted.as_deref())?;
    let plan = Plan::resolve(&scenario, manifest.seed)?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| args.run_dir.join("shrunk"));
    let mut search = Search {
        program: std::env::current_exe().map_err(Failure::harness)?,
        limit: args.limit(),
        args,
        manifest: &manifest,
        stored: Stored::of(&dir),
        out: &out,
        // Proves that the place can be used before minutes of search.
        dir: RunDir::create(&out)?,
        interrupt: Interrupt::listen()?,
        watch: Stopwatch::start(),
        progress_bar: WorkBar::of_search(),
        cause: None,
        runs: 0,
        first: (plan.faults.len(), 0),
        has_best: false,
        is_confirming: false,
        was_cut: false,
        failure: None,
    };
    let baselines = out.join(BASELINES);
    let (mut original, mut document) = (scenario.document(), document::explicit(&scenario, &plan));
    if let Some(Reference { name, baseline, .. }) = reference {
        let mut file = File::default();
        file.baselines.insert(name.clone(), baseline);
        file.save(&baselines)?;
        for document in [&mut original, &mut document] {
            *document = document::with_baseline(document, BASELINES, &name);
        }
    }
    search.establish(&shrink::write(&original))?;
    let shrunk = shrink::shrink(document, manifest.seed, &mut search);
    search.progress_bar.finish();
    if let Some(failure) = search.failure.take() {
        return Err(failure);
    }
    let Some(shrunk) = shrunk else {
        return Err(Failure::harness(match search.was_cut {
            true => "interrupted before the failure had shown again",
            false => "the failure does not show once the faults are written out one by one",
        }));
    };
    let confirmed = search.confirm(&shrunk)?;
    if !document::has_baseline(&shrunk.document) {
        let _ = std::fs::remove_file(&baselines);
    }
    print(&search.summary(&shrunk, &confirmed));
    Ok(Exit::Pass as u8)
}

/// One search by worker processes.
struct Search<'a> {
    program: PathBuf,
    args: &'a ShrinkArgs,
    limit: Limit,
    manifest: &'a Manifest,
    stored: Option<Stored>,
    out: &'a Path,
    dir: RunDir,
    interrupt: Interrupt,
    watch: Stopwatch,
    progress_bar: WorkBar,
    /// What is looked for.
    cause: Option<(Ending, Cause)>,
    runs: u64,
    /// Faults and operations at the beginning.
    first: (usize, u64),
    /// There is something to leave: before that, time does not end the search.
    has_best: bool,
    /// The last run has all the time it needs.
    is_confirming: bool,
    was_cut: bool,
    failure: Option<Failure>,
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        let is_late = self.has_best && self.limit.is_reached(self.runs, self.watch.elapsed());
        let is_asked = self.interrupt.is_asked() || is_late;
        self.failure.is_some() || (is_asked && !self.is_confirming)
    }

    /// Whether what runs is a candidate, which may be no scenario at all.
    fn is_trying(&self) -> bool {
        self.cause.is_some() && !self.is_confirming
    }

    fn candidate_path(&self) -> PathBuf {
        self.out.join("candidate.toml")
    }

    fn scenario_path(&self) -> PathBuf {
        self.out.join("scenario.toml")
    }

    /// Runs a scenario over seeds until it is known which is the first that is wanted.
    fn run(
        &mut self,
        text: &str,
        seeds: &[u64],
        keep: Option<&Path>,
        is_wanted: impl Fn(&SeedResult) -> bool,
    ) -> Result<Option<SeedResult>, Failure> {
        let path = self.candidate_path();
        std::fs::write(&path, text).map_err(|e| Failure::at(&path, &e))?;
        let known_as = self.scenario_path().display().to_string();
        let work = seeds.iter().enumerate().map(|(index, seed)| {
            let errand = Errand {
                scenario: &path,
                known_as: &known_as,
                settings: &[],
                seed: *seed,
                backend: &self.manifest.backend,
                planted: self.manifest.planted.as_deref(),
                // The scenario that is shrunk has its hardware in itself.
                profile: None,
                keep,
                memory_bytes: self.args.memory.0,
                met: false,
            };
            (index, worker::command(&self.program, &errand))
        });
        let limits = Limits {
            timeout: Duration::from_micros(self.args.timeout.us()),
            memory_bytes: self.args.memory.0,
        };
        let results = std::cell::RefCell::new(vec![None; seeds.len()]);
        let failure = std::cell::RefCell::new(None);
        let first_wanted = |results: &[Option<SeedResult>]| {
            // Seeds before it must be known not to be wanted.
            let known = results
                .iter()
                .take_while(|result| result.is_some())
                .flatten();
            known.into_iter().find(|result| is_wanted(result)).cloned()
        };
        pool::run(
            self.args.jobs.unwrap_or_else(processors),
            limits,
            work,
            || {
                let is_settled = first_wanted(&results.borrow()).is_some();
                match is_settled || failure.borrow().is_some() || self.is_over() {
                    true => Go::Stop,
                    false => Go::On,
                }
            },
            |index, end| match worker::result("", seeds[index], limits, end) {
                Ok(result) => results.borrow_mut()[index] = result,
                Err(e) if e.exit == Exit::Usage && self.is_trying() => {
                    // Cut so that it makes no plan any more, which is not the failure wanted.
                    let ending = Ending::Crashed;
                    let none = SeedResult::without_run("", seeds[index], ending, e.message);
                    results.borrow_mut()[index] = Some(none);
                }
                Err(e) => *failure.borrow_mut() = Some(e),
            },
        );
        let _ = std::fs::remove_file(&path);
        self.runs += results.borrow().iter().flatten().count() as u64;
        self.progress_bar.done(self.runs);
        match failure.into_inner() {
            Some(failure) => Err(failure),
            None => Ok(first_wanted(&results.into_inner())),
        }
    }

    /// Runs what the directory holds, to learn what it is that must go on failing.
    fn establish(&mut self, text: &str) -> Result<(), Failure> {
        let seeds = [self.manifest.seed];
        let result = self.run(text, &seeds, None, |_| true)?;
        let result = result
            .ok_or_else(|| Failure::harness("interrupted before the failure had shown again"))?;
        let Some(first) = result.cause() else {
            return Err(Failure::usage(format!(
                "{}: the run passes, so there is nothing to shrink",
                self.args.run_dir.display()
            )));
        };
        let stored = self.stored.as_ref();
        let known = stored.and_then(|stored| stored.cause_of(&result));
        if let (Some(stored), None) = (stored, known) {
            self.progress_bar.say(&format!(
                "warning: the run directory says: {}; run again it is another failure, and that \
                 is what is shrunk",
                stored.reason
            ));
        }
        let cause = known.unwrap_or(first);
        self.progress_bar.say(&format!("shrinking {cause}"));
        self.cause = Some((result.ending, cause.clone()));
        self.first.1 = operations(&result);
        Ok(())
    }

    /// Runs the result once more, from the file that it is left in.
    fn confirm(&mut self, shrunk: &Shrunk) -> Result<SeedResult, Failure> {
        self.is_confirming = true;
        let (text, out) = (self.text(shrunk), self.out.to_owned());
        let seeds = [shrunk.failing.seed];
        let result = self.run(&text, &seeds, Some(&out), |_| true)?;
        let result = result.ok_or_else(|| Failure::harness("the last run was ended"))?;
        match self.is_the_same(&result) {
            true => Ok(result),
            false => Err(Failure::harness(format!(
                "the shrunk scenario fails otherwise the second time: {}",
                result.reason
            ))),
        }
    }

    /// Leaves the best so far as a run directory, whatever ends the search.
    fn leave(&self, shrunk: &Shrunk) -> Result<(), Failure> {
        let manifest = Manifest {
            scenario: self.scenario_path().display().to_string(),
            seed: shrunk.failing.seed,
            settings: Vec::new(),
            profile: None,
            started: None,
            environment: Some(Environment::current()),
            ..self.manifest.clone()
        };
        let text = self.text(shrunk);
        Ok(self
            .dir
            .write_crash(&manifest, &text, None, &shrunk.failing.reason)?)
    }

    fn cause(&self) -> &Cause {
        &self.cause.as_ref().expect("it was established").1
    }

    /// Whether it fails in the way that is looked for.
    fn is_the_same(&self, result: &SeedResult) -> bool {
        is_failing_so(result, &self.cause)
    }

    /// The scenario with a head that says what it shows.
    fn text(&self, shrunk: &Shrunk) -> String {
        let cause = self.cause();
        let (faults, operations) = self.first;
        format!(
            "# Fails with {cause}.\n# Shrunk from {} seed {}: {} of {faults} faults are left{}.\n#\n#   {}\n{}",
            self.manifest.scenario,
            self.manifest.seed,
            shrunk.faults(),
            match operations {
                // Nobody counted them in a run that crashed.
                0 => String::new(),
                _ => {
                    let left = count(shrunk.failing.operations);
                    format!(", and {left} of {} operations", count(operations))
                }
            },
            self.command(shrunk),
            shrunk.text(),
        )
    }

    fn command(&self, shrunk: &Shrunk) -> String {
        let path = self.scenario_path().display().to_string();
        let planted = self.manifest.planted.as_deref();
        let backend = &self.manifest.backend;
        run_command(&path, shrunk.failing.seed, backend, None, &[], planted)
    }

    fn summary(&self, shrunk: &Shrunk, confirmed: &SeedResult) -> String {
        let (faults, before) = self.first;
        let end = match self.was_cut {
            true => "ended early",
            false => "done",
        };
        format!(
            "{}\n{end} after {} runs in {:.1} s: faults {faults} to {}, operations {} to {}\n\
             {}  {}\nartifacts: {}\nreproduce: {}\n",
            self.text(shrunk),
            self.runs,
            self.watch.elapsed().as_secs_f64(),
            shrunk.faults(),
            count(before),
            count(shrunk.failing.operations),
            confirmed.ending.label().to_uppercase(),
            confirmed.reason,
            self.out.display(),
            self.command(shrunk),
        )
    }
}

/// The same verdict, and the same cause among its causes: which of several broken properties
/// comes first may change from run to run.
fn is_failing_so(result: &SeedResult, wanted: &Option<(Ending, Cause)>) -> bool {
    let (ending, cause) = wanted.as_ref().expect("it was established");
    result.ending == *ending && result.causes.contains(cause)
}

fn operations(result: &SeedResult) -> u64 {
    // A crash leaves nothing to count, so its candidates differ by their text only.
    result.run.as_ref().map_or(0, |run| run.operations.invoked)
}

impl Oracle for Search<'_> {
    fn first_failing(&mut self, scenario: &str, seeds: &[u64]) -> Result<Option<Failing>, Over> {
        let cause = self.cause.clone();
        let is_wanted = |result: &SeedResult| is_failing_so(result, &cause);
        let result = match self.run(scenario, seeds, None, is_wanted) {
            Ok(result) => result,
            Err(failure) => {
                self.failure = Some(failure);
                return Err(Over);
            }
        };
        if result.is_none() && self.is_over() {
            self.was_cut = true;
            return Err(Over);
        }
        Ok(result.map(|result| Failing {
            seed: result.seed,
            operations: operations(&result),
            simulated_us: result.run.as_ref().map_or(0, |run| run.simulated_us),
            reason: result.reason,
        }))
    }

    fn found(&mut self, best: &Shrunk) {
        self.has_best = true;
        let message = format!(
            "{} faults, {} operations",
            best.faults(),
            count(best.failing.operations)
        );
        self.progress_bar.message(&message);
        if let Err(e) = self.leave(best) {
            self.failure.get_or_insert(e);
        }
    }
}

//! `squall explore`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args as ClapArgs, value_parser};
use serde::Serialize;

use super::args::{backend, jobs, setting};
use super::exit::{Exit, Failure};
use super::interrupt::Interrupt;
use super::progress_bar::WorkBar;
use super::sweep::processors;
use super::worker::{self, Errand};
use super::{print, tell};
use crate::backends::{self, Options, Registered};
use crate::environment::Environment;
use crate::explore::{Candidate, Explorer, Origin, ROUND};
use crate::plan::Plan;
use crate::run_dir::{Manifest, RunDir, run_command};
use crate::scenario::Scenario;
use crate::scenario::unit::{Duration as Time, Size};
use crate::shrink::Limit;
use crate::stopwatch::Stopwatch;
use crate::sweep::pool::{self, Go, Limits};
use crate::sweep::{Cause, Ending, SeedResult, exit_code};

pub(super) const EXPLORE_HELP: &str = "\
Examples:
  squall explore scenarios/chaos-clients.toml --for 20m
  squall explore scenarios/chaos*.toml --runs 2000 --seed 7

Runs that meet what none met before (marks, marks with kinds of faults, shapes of the cluster)
are kept and varied. The directory holds explored.jsonl (a line for each run), corpus/ (what is
kept, each a scenario that begins with its command) and failures/ (run directories for `squall
replay` and `squall shrink`). With --runs and --seed the same search is made again.";

/// If neither a time nor a number of runs is given.
const DEFAULT_BUDGET: Duration = Duration::from_secs(300);

#[derive(Debug, ClapArgs)]
pub struct ExploreArgs {
    /// Scenario files to begin with.
    #[arg(required = true)]
    pub scenarios: Vec<PathBuf>,
    /// Search for about this long [default: 5m].
    #[arg(long = "for", value_name = "TIME", conflicts_with = "runs")]
    pub budget: Option<Time>,
    /// Search with so many runs, however long they take.
    #[arg(long, value_name = "N")]
    pub runs: Option<u64>,
    /// Decides every choice of the search.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// End with the round in which a run does not pass.
    #[arg(long)]
    pub first: bool,
    /// Where the clusters run: a simulation.
    #[arg(long, value_parser = backend(), default_value = backends::DEFAULT.info.name)]
    pub backend: &'static Registered,
    /// Processes at a time [default: as many as the machine has processors].
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Directory of the search [default: explored/SCENARIO-SEED].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Run directories to keep for each cause of failure.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u64).range(1..))]
    pub keep: u64,
    /// Longest that one run may take, of wall time.
    #[arg(long, value_name = "TIME", default_value = "1m")]
    pub timeout: Time,
    /// Most memory that one run may have.
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    pub memory: Size,
    /// Replace a value of every scenario: `phases.chaos=10s`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// Plant a bug in the cluster, to see it caught. Needs a build with `--features planted`.
    #[arg(long, value_name = "ID")]
    pub planted: Option<String>,
}

impl ExploreArgs {
    fn limit(&self) -> Limit {
        let time = |budget: Time| Limit::Time(Duration::from_micros(budget.us()));
        let runs = self.runs.map(Limit::Runs);
        runs.or(self.budget.map(time))
            .unwrap_or(Limit::Time(DEFAULT_BUDGET))
    }
}

pub(super) fn explore(args: &ExploreArgs) -> Result<u8, Failure> {
    if !args.backend.info.simulated {
        let title = args.backend.info.title;
        let message = format!("a search is for simulation: on {title} nothing happens twice");
        return Err(Failure::usage(message));
    }
    super::plant::plant(args.planted.as_deref())?;
    let load = |path: &PathBuf| Scenario::load_with(path, &args.set);
    let scenarios: Vec<Scenario> = args.scenarios.iter().map(load).collect::<Result<_, _>>()?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| out_dir(&scenarios, args));
    let backend = super::open(args.backend, Options::default())?;
    let planner = |scenario: &Scenario, seed: u64| -> Result<Plan, String> {
        crate::run::plan_for(&*backend, scenario, seed).map_err(|e| e.to_string())
    };
    let mut search = Search {
        program: std::env::current_exe().map_err(Failure::harness)?,
        explorer: Explorer::new(scenarios, Box::new(planner), args.seed),
        log: directory(&out)?,
        args,
        out,
        interrupt: Interrupt::listen()?,
        watch: Stopwatch::start(),
        progress_bar: WorkBar::of_search(),
        runs: 0,
        kept: Vec::new(),
        endings: BTreeMap::new(),
        causes: BTreeMap::new(),
        novelty: Vec::new(),
    };
    let mut ended = Ok(());
    while ended.is_ok() && !search.is_over() {
        ended = search.round();
    }
    search.progress_bar.finish();
    // What was found is printed, whatever ended the search.
    if search.runs > 0 {
        print(&search.summary());
    }
    ended?;
    let is_cut = search.interrupt.is_asked() && args.runs.is_some_and(|runs| search.runs < runs);
    if is_cut {
        tell("interrupted");
    }
    let code = exit_code(|ending| search.endings.contains_key(&ending));
    Ok(match is_cut && code == Exit::Pass as u8 {
        true => Exit::Inconclusive as u8,
        false => code,
    })
}

fn out_dir(scenarios: &[Scenario], args: &ExploreArgs) -> PathBuf {
    let more = match scenarios.len() {
        1 => String::new(),
        count => format!("-and-{}-more", count - 1),
    };
    let name = scenarios[0].name.get_ref();
    PathBuf::from(format!("explored/{name}{more}-{}", args.seed))
}

/// A new directory with its log. One that holds anything is refused: a search is made anew.
fn directory(out: &Path) -> Result<fs::File, Failure> {
    let failed = |e: std::io::Error| Failure::at(out, &e);
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        let message = format!("{}: is not empty; name another with --out", out.display());
        return Err(Failure::usage(message));
    }
    for part in ["corpus", "failures"] {
        fs::create_dir_all(out.join(part)).map_err(failed)?;
    }
    fs::File::create(out.join("explored.jsonl")).map_err(failed)
}

/// A line of `explored.jsonl`.
#[derive(Debug, Serialize)]
struct Line<'a> {
    run: u64,
    seed: u64,
    /// The run that was varied; none for one drawn afresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    changes: &'a [&'static str],
    ending: Ending,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// What no run had met before.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    new: &'a [String],
}

/// One search by worker processes.
struct Search<'a> {
    program: PathBuf,
    args: &'a ExploreArgs,
    explorer: Explorer<'a>,
    out: PathBuf,
    log: fs::File,
    interrupt: Interrupt,
    watch: Stopwatch,
    progress_bar: WorkBar,
    /// Runs that came to an end.
    runs: u64,
    /// Those of the corpus, in its order.
    kept: Vec<u64>,
    endings: BTreeMap<Ending, u64>,
    /// Runs that failed alike: how many, and the first with its run directory.
    causes: BTreeMap<(Ending, Cause), (u64, String)>,
    /// How much had been met after each round.
    novelty: Vec<usize>,
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        let has_found = self.args.first && !self.causes.is_empty();
        let limit = self.args.limit();
        has_found || self.interrupt.is_asked() || limit.is_reached(self.runs, self.watch.elapsed())
    }

    /// Makes a round's runs side by side and learns from them in their order.
    fn round(&mut self) -> Result<(), Failure> {
        let left = self.args.runs.map(|runs| runs - self.runs);
        let candidates = self
            .explorer
            .round(left.unwrap_or(ROUND))
            .map_err(Failure::usage)?;
        let first = self.runs + 1;
        let (results, failure) = self.run(&candidates)?;
        let mut has_gap = false;
        for ((run, candidate), result) in (first..).zip(&candidates).zip(results) {
            match result {
                Some(result) => self.take_in(run, candidate, result, !has_gap)?,
                // Ended from outside, as if it had never begun. What comes after it counts, but
                // is not learned from: that would depend on who was faster.
                None => {
                    has_gap = true;
                    let _ = fs::remove_dir_all(self.failure_path(run));
                }
            }
        }
        self.novelty.push(self.explorer.met());
        let message = format!(
            "{} situations, {} runs kept, {} causes of failure",
            self.explorer.met(),
            self.explorer.kept(),
            self.causes.len()
        );
        self.progress_bar.message(&message);
        failure.map_or(Ok(()), Err)
    }

    /// How each ended, and what ended them all if something did.
    fn run(
        &mut self,
        candidates: &[Candidate],
    ) -> Result<(Vec<Option<SeedResult>>, Option<Failure>), Failure> {
        let first = self.runs + 1;
        let mut work = Vec::new();
        for (nth, candidate) in candidates.iter().enumerate() {
            let run = first + nth as u64;
            let path = self.candidate_path(run);
            fs::write(&path, candidate.text()).map_err(|e| Failure::at(&path, &e))?;
            let keep = self.failure_path(run);
            let errand = Errand {
                scenario: &path,
                known_as: &keep.join("scenario.toml").display().to_string(),
                settings: &[],
                seed: candidate.seed,
                backend: self.args.backend.info.name,
                planted: self.args.planted.as_deref(),
                profile: None,
                keep: Some(&keep),
                memory_bytes: self.args.memory.0,
                met: true,
            };
            work.push((nth, worker::command(&self.program, &errand)));
        }
        let limits = Limits {
            timeout: Duration::from_micros(self.args.timeout.us()),
            memory_bytes: self.args.memory.0,
        };
        let results = RefCell::new(vec![None; candidates.len()]);
        let failure = RefCell::new(None);
        pool::run(
            self.args.jobs.unwrap_or_else(processors),
            limits,
            work.into_iter(),
            || {
                self.progress_bar.tick();
                match self.interrupt.is_asked() || failure.borrow().is_some() {
                    true => Go::Stop,
                    false => Go::On,
                }
            },
            |nth, end| match worker::result("", candidates[nth].seed, limits, end) {
                Ok(result) => results.borrow_mut()[nth] = result,
                Err(e) => *failure.borrow_mut() = Some(e),
            },
        );
        for nth in 0..candidates.len() {
            // Gone already where it was never begun.
            let _ = fs::remove_file(self.candidate_path(first + nth as u64));
        }
        Ok((results.into_inner(), failure.into_inner()))
    }

    fn take_in(
        &mut self,
        run: u64,
        candidate: &Candidate,
        mut result: SeedResult,
        learns: bool,
    ) -> Result<(), Failure> {
        self.runs += 1;
        self.progress_bar.done(self.runs);
        *self.endings.entry(result.ending).or_insert(0) += 1;
        let met = result.run.as_mut().filter(|_| learns);
        let met = met.map(|run| std::mem::take(&mut run.met));
        let new = self.explorer.learn(candidate, met.unwrap_or_default());
        if !new.is_empty() {
            self.kept.push(run);
            let path = self.out.join(format!("corpus/{run}.toml"));
            let command = self.command(&path, candidate.seed);
            let text = format!("# {command}\n{}", candidate.text());
            fs::write(&path, text).map_err(|e| Failure::at(&path, &e))?;
        }
        if let Some(cause) = result.cause().cloned() {
            self.fail(run, candidate, &result, cause)?;
        }
        let (parent, changes) = match &candidate.origin {
            Origin::Drawn => (None, &[][..]),
            Origin::Varied { parent, changes } => (Some(self.kept[*parent]), changes.as_slice()),
        };
        let line = Line {
            run,
            seed: candidate.seed,
            parent,
            changes,
            ending: result.ending,
            cause: result.cause().map(Cause::to_string),
            new: &new,
        };
        let line = serde_json::to_string(&line).expect("plain data");
        let written = writeln!(self.log, "{line}");
        written.map_err(|e| Failure::at(&self.out.join("explored.jsonl"), &e))
    }

    /// Counts a run that did not pass, and keeps its directory if its cause has too few.
    fn fail(
        &mut self,
        run: u64,
        candidate: &Candidate,
        result: &SeedResult,
        cause: Cause,
    ) -> Result<(), Failure> {
        let dir = self.failure_path(run);
        if result.run.is_none() {
            self.leave_crash(&dir, candidate, &result.reason)?;
        }
        let command = self.command(&dir.join("scenario.toml"), candidate.seed);
        let first = format!("{}\n  reproduce: {command}", result.reason);
        let (count, _) = (self.causes)
            .entry((result.ending, cause))
            .and_modify(|(count, _)| *count += 1)
            .or_insert_with(|| (1, first.clone()));
        let count = *count;
        if count == 1 {
            let label = result.ending.label();
            self.progress_bar
                .say(&format!("{label} in run {run}: {first}"));
        }
        if count > self.args.keep {
            fs::remove_dir_all(&dir).map_err(|e| Failure::at(&dir, &e))?;
        }
        Ok(())
    }

    /// Leaves what can be left of a run that came to no verdict.
    fn leave_crash(&self, dir: &Path, candidate: &Candidate, why: &str) -> Result<(), Failure> {
        // It may have been ended while it wrote.
        let _ = fs::remove_dir_all(dir);
        let environment = Environment::current();
        let manifest = Manifest {
            scenario: dir.join("scenario.toml").display().to_string(),
            seed: candidate.seed,
            backend: self.args.backend.info.name.into(),
            settings: Vec::new(),
            planted: self.args.planted.clone(),
            system: None,
            profile: None,
            version: environment.version.clone(),
            started: None,
            environment: Some(environment),
        };
        let text = candidate.text();
        Ok(RunDir::create(dir)?.write_crash(&manifest, &text, None, why)?)
    }

    fn command(&self, scenario: &Path, seed: u64) -> String {
        let path = scenario.display().to_string();
        let planted = self.args.planted.as_deref();
        run_command(&path, seed, self.args.backend.info.name, None, &[], planted)
    }

    fn candidate_path(&self, run: u64) -> PathBuf {
        self.out.join(format!("candidate-{run}.toml"))
    }

    fn failure_path(&self, run: u64) -> PathBuf {
        self.out.join(format!("failures/{run}"))
    }

    fn summary(&self) -> String {
        let mut text = format!(
            "{} runs in {:.1} s: {} situations met, {} runs kept\n",
            self.runs,
            self.watch.elapsed().as_secs_f64(),
            self.explorer.met(),
            self.explorer.kept()
        );
        for (name, fared) in self.explorer.yields() {
            text += &format!(
                "{name}: {} runs, {} met something new\n",
                fared.runs, fared.new
            );
        }
        text += &format!("novelty: {}\n", growth(&self.novelty));
        let endings = self.endings.iter();
        let endings = endings.map(|(ending, count)| format!("{count} {}", ending.label()));
        text += &format!("endings: {}\n", endings.collect::<Vec<_>>().join(", "));
        for ((ending, cause), (count, first)) in &self.causes {
            let label = ending.label().to_uppercase();
            text += &format!("\n{label} in {count} runs: {cause}\n  {first}\n");
        }
        text + &format!("artifacts: {}\n", self.out.display())
    }
}

/// How much had been met after an eighth of the rounds, a quarter and so on: `120, 180, … 260`.
fn growth(novelty: &[usize]) -> String {
    let eighths = (1..=8).map(|part| (novelty.len() * part).div_ceil(8));
    let counts = eighths.filter_map(|rounds| novelty.get(rounds.checked_sub(1)?));
    let counts: Vec<String> = counts.map(usize::to_string).collect();
    format!(
        "{} situations after each eighth of the search",
        counts.join(", ")
    )
}

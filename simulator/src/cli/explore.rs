//! `squall explore`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::args::{backend, jobs, setting};
use super::exit::{Exit, Failure};
use super::interrupt::Interrupt;
use super::print;
use super::progress_bar::WorkBar;
use super::sweep::processors;
use super::worker::{self, Errand};
use crate::backends::{self, Registered};
use crate::explore::{Candidate, Explorer, Origin};
use crate::run_dir::run_command;
use crate::scenario::Scenario;
use crate::scenario::unit::{Duration as Time, Size};
use crate::shrink::Limit;
use crate::stopwatch::Stopwatch;
use crate::sweep::pool::{self, Go, Limits};
use crate::sweep::{Cause, Ending, SeedResult};

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
    /// Search with about so many runs, however long they take.
    #[arg(long, value_name = "N")]
    pub runs: Option<u64>,
    /// Decides every choice of the search.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// End with the first run that does not pass.
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
    #[arg(long, value_name = "N", default_value_t = 3)]
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
    let out = args.out.clone().unwrap_or_else(|| {
        let name = scenarios[0].name.get_ref();
        PathBuf::from(format!("explored/{name}-{}", args.seed))
    });
    let mut search = Search {
        program: std::env::current_exe().map_err(Failure::harness)?,
        explorer: Explorer::new(scenarios, args.seed),
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
    while !search.is_over() {
        search.round()?;
    }
    search.progress_bar.finish();
    print(&search.summary());
    Ok(search.exit_code())
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
    explorer: Explorer,
    out: PathBuf,
    log: fs::File,
    interrupt: Interrupt,
    watch: Stopwatch,
    progress_bar: WorkBar,
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
        let candidates = self.explorer.round()?;
        let mut results = self.run(&candidates)?;
        for (nth, candidate) in candidates.iter().enumerate() {
            // One that was interrupted is as if it had never begun, and so are those after it.
            let Some(result) = results[nth].take() else {
                break;
            };
            self.take_in(candidate, result)?;
        }
        self.novelty.push(self.explorer.met());
        let message = format!(
            "{} situations, {} runs kept, {} causes of failure",
            self.explorer.met(),
            self.explorer.kept(),
            self.causes.len()
        );
        self.progress_bar.message(&message);
        Ok(())
    }

    fn run(&mut self, candidates: &[Candidate]) -> Result<Vec<Option<SeedResult>>, Failure> {
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
        match failure.into_inner() {
            Some(failure) => Err(failure),
            None => Ok(results.into_inner()),
        }
    }

    fn take_in(&mut self, candidate: &Candidate, mut result: SeedResult) -> Result<(), Failure> {
        self.runs += 1;
        self.progress_bar.done(self.runs);
        *self.endings.entry(result.ending).or_insert(0) += 1;
        let met = result.run.as_mut().map(|run| std::mem::take(&mut run.met));
        let new = self.explorer.learn(candidate, met.unwrap_or_default());
        if !new.is_empty() {
            self.kept.push(self.runs);
            let path = self.out.join(format!("corpus/{}.toml", self.runs));
            let command = self.command(&path, candidate.seed);
            let text = format!("# {command}\n{}", candidate.text());
            fs::write(&path, text).map_err(|e| Failure::at(&path, &e))?;
        }
        if let Some(cause) = result.cause().cloned() {
            self.fail(candidate, &result, cause)?;
        }
        let (parent, changes) = match &candidate.origin {
            Origin::Drawn => (None, &[][..]),
            Origin::Varied { parent, changes } => (Some(self.kept[*parent]), changes.as_slice()),
        };
        let line = Line {
            run: self.runs,
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
        candidate: &Candidate,
        result: &SeedResult,
        cause: Cause,
    ) -> Result<(), Failure> {
        let dir = self.failure_path(self.runs);
        if !dir.exists() {
            // It ended without a verdict, so its scenario is all there is.
            fs::create_dir_all(&dir).map_err(|e| Failure::at(&dir, &e))?;
            let path = dir.join("scenario.toml");
            fs::write(&path, candidate.text()).map_err(|e| Failure::at(&path, &e))?;
        }
        let command = self.command(&dir.join("scenario.toml"), candidate.seed);
        let first = format!("{}\n  reproduce: {command}", result.reason);
        if !self.causes.contains_key(&(result.ending, cause.clone())) {
            let label = result.ending.label();
            self.progress_bar
                .say(&format!("{label} in run {}: {first}", self.runs));
        }
        let (count, _) = self
            .causes
            .entry((result.ending, cause))
            .or_insert((0, first));
        *count += 1;
        if *count > self.args.keep {
            fs::remove_dir_all(&dir).map_err(|e| Failure::at(&dir, &e))?;
        }
        Ok(())
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

    /// That of the worst ending.
    fn exit_code(&self) -> u8 {
        let has = |ending| self.endings.contains_key(&ending);
        let exit = if has(Ending::Violation) || has(Ending::NotDeterministic) {
            Exit::Violation
        } else if [Ending::Crashed, Ending::TimedOut, Ending::OutOfMemory].map(has) != [false; 3] {
            Exit::Harness
        } else if has(Ending::ObjectiveMissed) {
            Exit::ObjectiveMissed
        } else if has(Ending::Inconclusive) || self.runs == 0 {
            Exit::Inconclusive
        } else {
            Exit::Pass
        };
        exit as u8
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

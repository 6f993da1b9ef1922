//! `squall sweep`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{ForMachines, Format};
use super::exit::{Exit, Failure};
use super::interrupt::Interrupt;
use super::progress_bar::WorkBar;
use super::sweep_args::SweepArgs;
use super::sweep_board::SweepBoard;
use super::watch::WatchArgs;
use super::worker::{self, Errand, ProfileFile};
use super::{print, tell};
use crate::backends::Options;
use crate::ci::Heading;
use crate::environment::Environment;
use crate::report::Seconds;
use crate::run_dir::{Manifest, RunDir};
use crate::scenario::{Profile, Scenario};
use crate::stopwatch::Stopwatch;
use crate::sweep::pool::{self, Go, Limits};
use crate::sweep::spec::FORMAT_VERSION;
use crate::sweep::{
    self, Cause, Ending, SeedRange, SeedResult, Spec, Store, StoreError, Summary, SweptProfile,
    SweptScenario, Task, Wall,
};

const DEFAULT_SEEDS: SeedRange = SeedRange {
    first: 1,
    last: 100,
};
/// With a budget of time, which then is what ends the sweep.
const BUDGETED_SEEDS: SeedRange = SeedRange {
    first: 1,
    last: 1_000_000,
};

pub(super) fn sweep(args: &SweepArgs) -> Result<u8, Failure> {
    let spec = spec(args)?;
    super::plant::plant(spec.planted.as_deref())?;
    let out = args.out.clone().unwrap_or_else(|| out_dir(&spec));
    let store = Store::open(&out, &spec, args.keep)?;
    let dashboard = WatchArgs {
        dashboard: args.dashboard,
        ..WatchArgs::default()
    };
    let dashboard = dashboard.open()?;
    let interrupt = Interrupt::listen()?;
    let watch = Stopwatch::start();
    let before = store.results().len() as u64;
    if before > 0 {
        tell(&format!(
            "going on: {before} of {} runs were done before",
            spec.planned()
        ));
    }
    let jobs = args.jobs.unwrap_or_else(processors);
    let mut sweep = Sweep {
        progress_bar: WorkBar::of_sweep(spec.planned(), before, args.budget.map(|d| d.us())),
        announced: store
            .results()
            .values()
            .filter_map(SeedResult::cause)
            .cloned()
            .collect(),
        halves: BTreeMap::new(),
        failure: None,
        board: dashboard.as_ref().map(|dashboard| {
            let names = spec.scenarios.iter().map(|scenario| scenario.name.as_str());
            let title = format!(
                "{}, seeds {}",
                names.collect::<Vec<_>>().join(", "),
                spec.seeds
            );
            SweepBoard::begin(dashboard, title, spec.planned(), store.results())
        }),
        spec: &spec,
        store,
        args,
    };
    sweep.run(jobs, &interrupt, &watch)?;
    let results = sweep.store.close()?;
    let wall = Wall {
        seconds: Seconds::of(watch.elapsed().as_micros() as u64),
        runs: results.len() as u64 - before,
        jobs: jobs as u64,
        finished: Stopwatch::date_and_time(),
    };
    let summary = Summary::of(&spec, &results, args.keep, wall);
    write_summary(&out, &summary, &results)?;
    let is_whole = args.budget.is_some() || summary.sweep.done == summary.sweep.planned;
    for_machines(&args.machines, &summary, &results, is_whole)?;
    show(args.format, &summary, &out);
    if let Some(dashboard) = &dashboard {
        dashboard.end(|| Ok(sweep::html(&summary, &results)));
    }
    if interrupt.is_asked() {
        tell("interrupted; the same command goes on where this one stopped");
    }
    Ok(exit_code(&summary, is_whole))
}

/// Writes what CI servers read.
pub(super) fn for_machines(
    asked: &ForMachines,
    summary: &Summary,
    results: &sweep::result::Results,
    is_whole: bool,
) -> Result<(), Failure> {
    let head = &summary.sweep;
    let scenarios = summary.scenarios.iter().map(|scenario| {
        let of_it = results.values();
        let of_it = of_it.filter(|result| result.scenario == scenario.scenario);
        sweep::cases::suite(&scenario.scenario, of_it)
    });
    let undone = (!is_whole).then(|| sweep::cases::unfinished(head.done, head.planned));
    let failures = summary.failures.iter();
    let heading = Heading {
        title: format!("Sweep of seeds {}", head.seeds),
        lead: format!("{}.", sweep::headline(summary)),
        commands: failures
            .map(|group| group.example.reproduce.clone())
            .collect(),
    };
    let suites: Vec<_> = scenarios.chain(undone).collect();
    asked.write(&heading, &suites)
}

/// A sweep that was not done to its end has not passed.
pub(super) fn exit_code(summary: &Summary, is_whole: bool) -> u8 {
    match summary.exit_code() {
        0 if !is_whole => Exit::Inconclusive as u8,
        code => code,
    }
}

pub(super) fn show(format: Format, summary: &Summary, out: &Path) {
    match format {
        Format::Text => {
            let wall = &summary.wall;
            let rate = wall
                .runs
                .saturating_mul(10_000_000)
                .checked_div(wall.seconds.get());
            let rate = rate.unwrap_or(0);
            print(&sweep::text(summary));
            if wall.runs > 0 {
                print(&format!(
                    "{} runs in {:.1} s, {}.{} a second, {} at a time\n",
                    wall.runs,
                    wall.seconds,
                    rate / 10,
                    rate % 10,
                    wall.jobs
                ));
            }
            print(&format!("artifacts: {}\n", out.display()));
        }
        Format::Json => print(&summary.to_json()),
    }
}

/// The four files at the end of a sweep.
pub(super) fn write_summary(
    out: &Path,
    summary: &Summary,
    results: &sweep::result::Results,
) -> Result<(), Failure> {
    for (name, text) in [
        ("summary.json", summary.to_json()),
        ("summary.md", sweep::markdown(summary)),
        ("summary.csv", sweep::csv(summary)),
        ("seeds.csv", sweep::seeds_csv(results)),
    ] {
        let path = out.join(name);
        std::fs::write(&path, text).map_err(|e| Failure::at(&path, &e))?;
    }
    Ok(())
}

pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn spec(args: &SweepArgs) -> Result<Spec, Failure> {
    let info = args.backend.info;
    if !info.simulated {
        return Err(Failure::usage(format!(
            "a sweep is for simulation: on {} nothing happens twice in the same way",
            info.title
        )));
    }
    let backend = super::open(args.backend, Options::default())?;
    let default = match args.budget {
        Some(_) => BUDGETED_SEEDS,
        None => DEFAULT_SEEDS,
    };
    let seeds = args.seeds.unwrap_or(default);
    let profile = args.profile.as_ref().map(Profile::load).transpose()?;
    let mut scenarios: Vec<SweptScenario> = Vec::new();
    for path in &args.scenarios {
        let scenario = Scenario::load_on(path, profile.as_ref(), &args.set)?;
        let name = scenario.name.get_ref().clone();
        if scenarios.iter().any(|other| other.name == name) {
            return Err(Failure::usage(format!(
                "{}: another scenario of this sweep is called {name}, too",
                path.display()
            )));
        }
        // Once, instead of by every seed in turn.
        super::baseline::context(&scenario, path, None)?;
        crate::run::plan_for(&*backend, &scenario, seeds.first)?;
        scenarios.push(SweptScenario {
            name,
            path: path.display().to_string(),
            text: scenario.text().into(),
        });
    }
    Ok(Spec {
        squall_sweep: FORMAT_VERSION,
        scenarios,
        backend: args.backend.info.name.into(),
        settings: args.set.clone(),
        planted: args.planted.clone(),
        profile: profile.map(|profile| SweptProfile {
            path: profile.origin().into(),
            text: profile.text().into(),
        }),
        seeds,
        shard: args.shard,
        verify: args.verify,
        environment: Environment::current(),
    })
}

fn out_dir(spec: &Spec) -> PathBuf {
    let first = &spec.scenarios[0].name;
    let mut name = match spec.scenarios.len() {
        1 => first.clone(),
        more => format!("{first}-and-{}-more", more - 1),
    };
    name += &format!("-{}-to-{}", spec.seeds.first, spec.seeds.last);
    if spec.shard != sweep::Shard::WHOLE {
        name += &format!("-shard-{}-of-{}", spec.shard.part, spec.shard.of);
    }
    Path::new("sweeps").join(name)
}

/// A sweep in progress.
struct Sweep<'a> {
    args: &'a SweepArgs,
    spec: &'a Spec,
    store: Store,
    progress_bar: WorkBar,
    /// Causes that were printed already.
    announced: BTreeSet<Cause>,
    /// With `--verify`, the run of a seed whose other run is still out.
    halves: BTreeMap<Task, SeedResult>,
    /// Why the sweep cannot go on.
    failure: Option<Failure>,
    /// For whoever watches.
    board: Option<SweepBoard<'a>>,
}

impl Sweep<'_> {
    fn run(
        &mut self,
        jobs: usize,
        interrupt: &Interrupt,
        watch: &Stopwatch,
    ) -> Result<(), Failure> {
        let program = std::env::current_exe().map_err(Failure::harness)?;
        let done: BTreeSet<Task> = match self.store.results().is_empty() {
            true => BTreeSet::new(),
            false => self
                .spec
                .tasks()
                .filter(|task| self.store.is_done(*task))
                .collect(),
        };
        let tasks = self.spec.tasks().filter(|task| !done.contains(task));
        let times = if self.spec.verify { 2 } else { 1 };
        let commands = Commands {
            program,
            spec: self.spec,
            dir: self.store.path().to_owned(),
            memory_bytes: self.args.memory.0,
        };
        let work = tasks.flat_map(|task| (0..times).map(move |time| (task, time)));
        let work = work.map(|(task, time)| (task, commands.command(task, time)));
        let limits = Limits {
            timeout: Duration::from_micros(self.args.timeout.us()),
            memory_bytes: self.args.memory.0,
        };
        let budget = self.args.budget.map(|d| Duration::from_micros(d.us()));
        // The pool asks and tells in turn, from this thread.
        let sweep = std::cell::RefCell::new(self);
        pool::run(
            jobs,
            limits,
            work,
            || {
                let sweep = sweep.borrow();
                sweep.progress_bar.tick();
                let is_over = budget.is_some_and(|budget| watch.elapsed() >= budget);
                match (interrupt.is_asked() || sweep.failure.is_some(), is_over) {
                    (true, _) => Go::Stop,
                    (false, true) => Go::Finish,
                    (false, false) => Go::On,
                }
            },
            |task, end| sweep.borrow_mut().take_in(task, limits, end),
        );
        let sweep = sweep.into_inner();
        sweep.progress_bar.finish();
        sweep.failure.take().map_or(Ok(()), Err)
    }

    fn take_in(&mut self, task: Task, limits: Limits, end: pool::End) {
        let name = &self.spec.scenarios[task.scenario].name;
        let result = match worker::result(name, task.seed, limits, end) {
            Ok(Some(result)) => result,
            Ok(None) => return,
            Err(failure) => {
                self.failure.get_or_insert(failure);
                return;
            }
        };
        let result = match (self.spec.verify, self.halves.remove(&task)) {
            (true, None) => {
                self.halves.insert(task, result);
                return;
            }
            (_, Some(first)) => agreed(first, result),
            (false, None) => result,
        };
        self.tell(&result);
        if let Some(board) = &mut self.board {
            board.take_in(&result);
        }
        if let Err(e) = self
            .keep_crashed(&result)
            .and_then(|()| Ok(self.store.add(result)?))
        {
            self.failure.get_or_insert(e);
        }
        self.progress_bar.done(self.store.results().len() as u64);
    }

    /// One line for every new cause, as soon as it is known.
    fn tell(&mut self, result: &SeedResult) {
        if let Some(cause) = result.cause()
            && self.announced.insert(cause.clone())
        {
            self.progress_bar.say(&format!(
                "{}  {} seed {}: {}",
                result.ending.label().to_uppercase(),
                result.scenario,
                result.seed,
                result.reason
            ));
        }
        if result.cause().is_some() {
            self.progress_bar.failed();
        }
    }

    /// A process that ended without a verdict wrote no run directory, so this does: enough
    /// for a replay, and for shrinking.
    fn keep_crashed(&self, result: &SeedResult) -> Result<(), Failure> {
        if result.run.is_some() {
            return Ok(());
        }
        let mut scenarios = self.spec.scenarios.iter();
        let scenario = scenarios
            .find(|scenario| scenario.name == result.scenario)
            .expect("results are of the sweep's own scenarios");
        let manifest = Manifest {
            scenario: scenario.path.clone(),
            seed: result.seed,
            backend: self.spec.backend.clone(),
            settings: self.spec.settings.clone(),
            planted: self.spec.planted.clone(),
            system: None,
            profile: self.spec.profile.as_ref().map(|p| p.path.clone()),
            version: self.spec.environment.version.clone(),
            started: None,
            environment: Some(self.spec.environment.clone()),
        };
        let dir = self.store.working_dir(&result.scenario, result.seed);
        let dir = RunDir::create(&dir)?;
        let profile = self.spec.profile.as_ref();
        let profile = profile.map(|profile| profile.text.as_str());
        Ok(dir.write_crash(&manifest, &scenario.text, profile, &result.reason)?)
    }
}

/// Two runs of a seed as one result.
fn agreed(first: SeedResult, second: SeedResult) -> SeedResult {
    if first == second {
        return first;
    }
    let digest = |result: &SeedResult| match &result.run {
        Some(run) => format!("{} ({})", &run.history_sha256[..12], result.ending.label()),
        None => result.reason.clone(),
    };
    let reason = format!(
        "two runs of the seed differ: {} and {}",
        digest(&first),
        digest(&second)
    );
    SeedResult {
        causes: vec![Cause::new("not deterministic", "", "")],
        ending: Ending::NotDeterministic,
        reason,
        ..first
    }
}

/// Makes the processes of a sweep.
struct Commands<'a> {
    program: PathBuf,
    spec: &'a Spec,
    dir: PathBuf,
    memory_bytes: u64,
}

impl Commands<'_> {
    /// Only the first of several runs of a seed leaves a run directory.
    fn command(&self, task: Task, time: usize) -> std::process::Command {
        let scenario = &self.spec.scenarios[task.scenario];
        let keep = Store::working_dir_in(&self.dir, &scenario.name, task.seed);
        let profile_path = sweep::store::profile_path(&self.dir);
        let profile = self.spec.profile.as_ref().map(|profile| ProfileFile {
            path: &profile_path,
            known_as: &profile.path,
        });
        let errand = Errand {
            scenario: &sweep::store::scenario_path(&self.dir, &scenario.name),
            known_as: &scenario.path,
            settings: &self.spec.settings,
            seed: task.seed,
            backend: &self.spec.backend,
            planted: self.spec.planted.as_deref(),
            profile,
            keep: (time == 0).then_some(&keep),
            memory_bytes: self.memory_bytes,
            met: false,
        };
        worker::command(&self.program, &errand)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io { .. } => Failure::harness(error),
            _ => Failure::usage(error),
        }
    }
}

//! Runs seeds side by side, and tells of the one that fails.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use super::measures::{Durations, RunReport};
use super::{Simulation, Wishes, Written, mistakes};
use crate::backends;
use crate::check::Verdict;
use crate::ci::{CiFiles, Heading};
use crate::environment::Environment;
use crate::explain;
use crate::report::RunVerdict;
use crate::report::cases::{Case, Finding, Group, Kind};
use crate::run::Judged;
use crate::run_dir::{Manifest, RunDir};
use crate::scenario::Scenario;
use crate::sweep::{Ending, Measure, SeedResult, cases};

/// Sentences of the explanation that a failing test shows.
const EXPLAINED: usize = 4;

/// All seeds of a simulation.
pub struct Runs {
    simulation: Simulation,
    /// In order of their seeds.
    results: Vec<SeedResult>,
}

impl Runs {
    /// # Panics
    /// The verdict of a seed is not a pass; as [`Simulation::check`] does.
    pub fn must_pass(&self) {
        let mut results = self.results.iter();
        let pass = RunVerdict::Pass.into();
        if let Some(failed) = results.find(|result| result.ending != pass) {
            // Once more, for its history.
            let simulation = self.simulation.clone();
            let only = failed.seed..=failed.seed;
            check_seeds(&simulation, only, 1, &RunReport::must_pass, None);
        }
    }

    /// Of each fault that cost a cluster its leader: until a surviving node started an
    /// election.
    pub fn detection(&self) -> Durations {
        self.durations(Measure::Detection)
    }

    /// Of each such fault: until a new leader had committed something.
    pub fn election(&self) -> Durations {
        self.durations(Measure::Election)
    }

    /// The longest that any client of each seed was without a service.
    pub fn downtime(&self) -> Durations {
        self.durations(Measure::Downtime)
    }

    /// Of each new leader: until service was as in the warm-up.
    pub fn recovery(&self) -> Durations {
        self.durations(Measure::Recovery)
    }

    /// Acknowledged writes that were lost, over all seeds.
    pub fn lost(&self) -> u64 {
        let runs = self.results.iter().filter_map(|result| result.run.as_ref());
        let lost = runs.filter_map(|run| run.measures.get(&Measure::Lost));
        lost.flat_map(|lost| &lost.values).sum()
    }

    /// How many seeds met a situation; see [`crate::measure::marks`].
    pub fn met(&self, mark: &str) -> usize {
        let runs = self.results.iter().filter_map(|result| result.run.as_ref());
        runs.filter(|run| run.marks.contains_key(mark)).count()
    }

    /// Every seed by itself.
    pub fn results(&self) -> &[SeedResult] {
        &self.results
    }

    fn durations(&self, measure: Measure) -> Durations {
        Durations::over(measure, &self.results)
    }
}

pub(super) fn run(simulation: Simulation) -> Runs {
    let wishes = Wishes::read(&simulation.seeds);
    let results = Mutex::new(Vec::new());
    let keep = |report: &RunReport| lock(&results).push(report.result().clone());
    let files = files(&simulation);
    check_seeds(&simulation, wishes.seeds, wishes.jobs, &keep, files);
    let mut results = results
        .into_inner()
        .expect("no thread panics with the lock held");
    results.sort_by_key(|result| result.seed);
    Runs {
        simulation,
        results,
    }
}

pub(super) fn check(simulation: &Simulation, check: &(impl Fn(&RunReport) + Sync)) {
    let wishes = Wishes::read(&simulation.seeds);
    let files = files(simulation);
    check_seeds(simulation, wishes.seeds, wishes.jobs, check, files);
}

/// Those that were asked for in code, or else by the environment.
fn files(simulation: &Simulation) -> Option<CiFiles> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let scenario = simulation.scenario();
    let in_directory = |dir| {
        let test = file_name(&test_name().unwrap_or_else(|| "test".into()));
        Path::new(&dir).join(format!("{test}-{}.xml", scenario.name.get_ref()))
    };
    let files = CiFiles {
        junit: (simulation.files.junit.clone()).or_else(|| set("SQUALL_JUNIT").map(in_directory)),
        summary: (simulation.files.summary.clone())
            .or_else(|| set("SQUALL_SUMMARY").map(PathBuf::from)),
    };
    (!files.is_empty()).then_some(files)
}

/// A seed that failed.
pub(super) struct Failed {
    seed: u64,
    pub(super) why: String,
    /// `None` if it was not judged.
    pub(super) judged: Option<Box<Judged>>,
}

/// Runs seeds in rising order, some at a time, until one fails; panics with the lowest that
/// does.
fn check_seeds(
    simulation: &Simulation,
    seeds: impl Iterator<Item = u64> + Send,
    jobs: usize,
    check: &(impl Fn(&RunReport) + Sync),
    files: Option<CiFiles>,
) {
    let scenario = simulation.scenario();
    let (seeds, failed) = (Mutex::new(seeds), Mutex::new(Vec::<Failed>::new()));
    let passed = Mutex::new(Vec::new());
    let next = || match lock(&failed).is_empty() {
        true => lock(&seeds).next(),
        // Those that are lower are running already.
        false => None,
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(seed) = next() {
                    // A thread for each, so that nothing is left of the one before.
                    let one = std::thread::scope(|inner| {
                        let scenario = &scenario;
                        inner
                            .spawn(move || one_seed(simulation, scenario, seed, check))
                            .join()
                    });
                    match one.expect("panics are caught within") {
                        Ok(result) if files.is_some() => lock(&passed).push(result),
                        Ok(_) => {}
                        Err(why) => lock(&failed).push(why),
                    }
                }
            });
        }
    });
    let failed = failed
        .into_inner()
        .expect("no thread panics with the lock held");
    if let Some(files) = &files {
        let passed = passed
            .into_inner()
            .expect("no thread panics with the lock held");
        write(files, &scenario, passed, &failed);
    }
    if let Some(lowest) = failed.into_iter().min_by_key(|failed| failed.seed) {
        panic!("{}", tell(simulation, &scenario, &lowest));
    }
}

/// Writes what CI servers read.
///
/// # Panics
/// A file cannot be written.
fn write(files: &CiFiles, scenario: &Scenario, passed: Vec<SeedResult>, failed: &[Failed]) {
    let name = scenario.name.get_ref();
    let mut results = passed;
    results.extend(failed.iter().map(|failed| failed.result(name)));
    results.sort_by_key(|result| result.seed);
    let mut suite = cases::suite(name, &results);
    let lines = failed.iter();
    let lines = lines.map(|failed| format!("seed {}: {}", failed.seed, failed.why));
    let lines: Vec<String> = lines.collect();
    let found = failed.first().map(|first| Finding {
        kind: Kind::Assertion,
        message: first.why.lines().next().unwrap_or_default().to_owned(),
        detail: lines,
    });
    let test = test_name();
    let title = test.as_deref().unwrap_or(name);
    suite.cases.push(Case::found(Group::Run, title, found));
    let again = failed.iter().map(|failed| again(failed.seed));
    let heading = Heading {
        title: format!(
            "{title}: {}",
            if failed.is_empty() { "PASS" } else { "FAIL" }
        ),
        lead: format!(
            "{name}: {} seeds run, {} failed.",
            results.len(),
            failed.len()
        ),
        commands: again.collect(),
    };
    let written = files.write(&heading, &[suite]);
    written.unwrap_or_else(|(path, e)| panic!("{}: {e}", path.display()));
}

impl Failed {
    fn result(&self, scenario: &str) -> SeedResult {
        match &self.judged {
            Some(judged) => SeedResult::of(&judged.report),
            None => SeedResult::without_run(scenario, self.seed, Ending::Crashed, self.why.clone()),
        }
    }
}

/// The command that runs a seed again.
fn again(seed: u64) -> String {
    let test = test_name().unwrap_or_default();
    let planted = mistakes::wanted().map(|id| format!("SQUALL_PLANTED={id} "));
    let planted = planted.unwrap_or_default();
    format!("{planted}SQUALL_SEED={seed} cargo test {test}")
}

pub(super) fn one_seed(
    simulation: &Simulation,
    scenario: &Scenario,
    seed: u64,
    check: &impl Fn(&RunReport),
) -> Result<SeedResult, Failed> {
    let failed = |why, judged| Failed { seed, why, judged };
    // Nothing that is shared is touched by either, so nothing can be left half done.
    let ran = catch_unwind(AssertUnwindSafe(|| simulation.one_run(scenario, seed)));
    let judged = match ran {
        Ok(Ok(judged)) => judged,
        Ok(Err(e)) => return Err(failed(e.to_string(), None)),
        Err(panic) => {
            return Err(failed(
                format!("a node panicked: {}", message(&*panic)),
                None,
            ));
        }
    };
    let report = RunReport::new(judged.report.clone());
    match catch_unwind(AssertUnwindSafe(|| check(&report))) {
        Ok(()) => Ok(report.result().clone()),
        Err(panic) => Err(failed(message(&*panic), Some(Box::new(judged)))),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// The cause, the seed, where its artifacts are, and how to see it again.
fn tell(simulation: &Simulation, scenario: &Scenario, failed: &Failed) -> String {
    let (seed, name) = (failed.seed, scenario.name.get_ref());
    let mut message = format!("{name} fails with seed {seed}: {}\n", failed.why);
    match leave(simulation, scenario, failed) {
        Ok(dir) => {
            let dir = dir.display();
            message += &format!("  run directory: {dir}\n");
            let judged = failed.judged.as_ref();
            let is_failing = judged.is_none_or(|judged| judged.report.verdict != RunVerdict::Pass);
            // The commands know Squall's own cluster only.
            if simulation.system.is_none() {
                if is_failing {
                    message += &explanation(simulation, scenario, failed);
                    message += &format!("  smaller: squall shrink {dir}\n");
                    message += &format!("  why: squall explain {dir}\n");
                }
                message += &format!("  as a page, to be played: squall report {dir} --html\n");
                message += &format!(
                    "  moment by moment: squall trace {dir}{}\n",
                    around(judged.map(|judged| &**judged))
                );
            }
        }
        Err(e) => message += &format!("  no run directory: {e}\n"),
    }
    message + &format!("  reproduce: {}", again(seed))
}

/// What to look at, where the run shows it.
fn around(judged: Option<&Judged>) -> &'static str {
    let checks = judged.map_or(&[][..], |judged| judged.report.checks.as_slice());
    let mut broken = checks.iter().filter(|check| check.verdict == Verdict::Fail);
    match broken.any(|check| !check.evidence.is_empty()) {
        true => " --around violation",
        false => "",
    }
}

/// The first sentences of why it failed, for which the seed is run once more; nothing of a run
/// that came to no verdict.
fn explanation(simulation: &Simulation, scenario: &Scenario, failed: &Failed) -> String {
    if failed.judged.is_none() {
        return String::new();
    }
    // A node that panics this time has reported it before.
    let again = catch_unwind(AssertUnwindSafe(|| {
        simulation.traced_run(scenario, failed.seed)
    }));
    match again {
        Ok(Ok(judged)) => explain::of_run(&judged).beginning(EXPLAINED),
        _ => String::new(),
    }
}

/// Writes the run directory.
fn leave(
    simulation: &Simulation,
    scenario: &Scenario,
    failed: &Failed,
) -> Result<PathBuf, crate::run_dir::RunDirError> {
    let name = test_name().unwrap_or_else(|| scenario.name.get_ref().clone());
    let path = runs_dir().join(format!("{}-{}", file_name(&name), failed.seed));
    let dir = RunDir::create(&path)?;
    let scenario_file = match &simulation.written {
        Written::File(file) => file.clone(),
        _ => path.join("scenario.toml"),
    };
    let manifest = Manifest {
        scenario: scenario_file.display().to_string(),
        seed: failed.seed,
        backend: backends::DEFAULT.info.name.into(),
        settings: simulation.settings.clone(),
        planted: mistakes::wanted(),
        system: None,
        profile: None,
        version: env!("CARGO_PKG_VERSION").into(),
        started: (failed.judged.as_ref()).map(|judged| judged.report.sim.started.clone()),
        environment: Some(Environment::current()),
    };
    match &failed.judged {
        Some(judged) => dir.write(&manifest, scenario, judged)?,
        None => dir.write_crash(&manifest, scenario.text(), None, &failed.why)?,
    }
    Ok(path)
}

/// The name of a test as that of a file.
fn file_name(test: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    test.replace("::", "-").replace(|c| !fits(c), "_")
}

/// `SQUALL_RUNS`, or beside the build that the test is part of.
fn runs_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("SQUALL_RUNS") {
        return dir.into();
    }
    let program = std::env::current_exe().unwrap_or_default();
    // target/debug/deps/test-1234 → target/debug/squall-runs
    let build = program.parent().and_then(Path::parent);
    build.map_or_else(|| "squall-runs".into(), |build| build.join("squall-runs"))
}

/// What the harness calls the test that runs on this thread, where it does.
fn test_name() -> Option<String> {
    let thread = std::thread::current();
    let name = thread.name()?;
    (name != "main").then(|| name.to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics with the lock held")
}

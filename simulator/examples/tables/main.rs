//! Plays the performance scenarios and writes their tables into `docs/results.md`.
//!
//! ```text
//! cargo run --release --example tables                        # in simulation, in full
//! cargo run --release --example tables -- --backend docker    # on containers, in short forms
//! ```
//!
//! With names of scenarios behind it, it plays only those again; reports are kept in
//! `runs/tables/BACKEND`, and the tables are made of what is there. `--stored` plays nothing.
//! Every figure comes from a report, so nothing in the marked sections is typed by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use squall::backends::{self, Options};
use squall::report::Report;
use squall::run::{self, Context};
use squall::scenario::Scenario;

use jobs::Job;

#[path = "../common/document.rs"]
mod document;
#[path = "../common/jobs.rs"]
mod jobs;
mod markdown;
mod short;

const SEED: u64 = 1;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Reports by the name of their job: `spike once`.
type Reports = BTreeMap<String, Report>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Backend {
    Sim,
    Docker,
}

impl Backend {
    fn name(self) -> &'static str {
        match self {
            Backend::Sim => "sim",
            Backend::Docker => "docker",
        }
    }

    /// What is played of a scenario.
    fn jobs(self, scenario: &str) -> Vec<Job> {
        let file = jobs::scenarios().join(format!("{scenario}.toml"));
        let jobs = Job::of(&file, SEED);
        match self {
            Backend::Sim => jobs,
            Backend::Docker => jobs.into_iter().filter_map(short::shortened).collect(),
        }
    }
}

fn main() {
    jobs::work_if_worker();
    if let Err(why) = update() {
        eprintln!("{why}");
        std::process::exit(1);
    }
}

fn update() -> Result<(), String> {
    let mut backend = Backend::Sim;
    let mut plays = true;
    let mut chosen: Vec<String> = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--backend" => {
                let name = arguments.next().unwrap_or_default();
                let known = [Backend::Sim, Backend::Docker].into_iter();
                let mut known = known.filter(|backend| backend.name() == name);
                let chosen = known.next();
                backend = chosen.ok_or_else(|| format!("--backend sim or docker, not `{name}`"))?;
            }
            "--stored" => plays = false,
            name if markdown::SCENARIOS.contains(&name) => chosen.push(name.to_owned()),
            other => return Err(format!("no performance scenario `{other}`")),
        }
    }
    let is_chosen = |name: &&str| chosen.is_empty() || chosen.iter().any(|one| one == name);
    let store = Path::new("runs/tables").join(backend.name());
    std::fs::create_dir_all(&store).map_err(|e| format!("{}: {e}", store.display()))?;
    if plays {
        let names = markdown::SCENARIOS.into_iter().filter(is_chosen);
        play(
            backend,
            names.flat_map(|name| backend.jobs(name)).collect(),
            &store,
        )?;
    }
    let reports = stored(backend, &store)?;
    let file = jobs::scenarios().join("../docs/results.md");
    let section = markdown::section(backend, &reports)?;
    document::write_between(&file, &markdown::name(backend), &section)
}

/// Plays the jobs and keeps their reports: simulations side by side, containers one after the
/// other, for they share the machine's processors.
fn play(backend: Backend, jobs: Vec<Job>, store: &Path) -> Result<(), String> {
    let failures: Mutex<Vec<String>> = Mutex::default();
    let keep = |job: &Job, report: Result<Report, String>| {
        let kept = report.and_then(|report| {
            let verdict = format!("{}: {}", report.verdict, report.reason);
            eprintln!("{}  {verdict}", job.name());
            std::fs::write(place(store, job), report.to_json()).map_err(|e| e.to_string())
        });
        if let Err(why) = kept {
            let mut failures = failures.lock().expect("no thread panics here");
            failures.push(format!("{}: {why}", job.name()));
        }
    };
    match backend {
        Backend::Sim => jobs::run_all(jobs, |job, result| {
            keep(&job, result.map(|done| done.report));
        }),
        Backend::Docker => jobs.iter().for_each(|job| keep(job, on_containers(job))),
    }
    let failures = failures.into_inner().expect("no thread panics here");
    match failures.is_empty() {
        true => Ok(()),
        false => Err(failures.join("\n")),
    }
}

fn on_containers(job: &Job) -> Result<Report, String> {
    let scenario = Scenario::load_with(&job.file, &job.settings).map_err(|e| e.to_string())?;
    let docker = backends::named(Backend::Docker.name()).ok_or("there is no such backend")?;
    let docker = docker.open(Options::default())?;
    let judged = run::run_on(&*docker, &scenario, job.seed, "", Context::default());
    judged
        .map(|judged| judged.report)
        .map_err(|e| e.to_string())
}

fn place(store: &Path, job: &Job) -> PathBuf {
    store.join(format!("{}.json", job.name().replace(' ', "-")))
}

/// What was played, now or before.
fn stored(backend: Backend, store: &Path) -> Result<Reports, String> {
    let jobs = markdown::SCENARIOS
        .iter()
        .flat_map(|name| backend.jobs(name));
    let mut reports = Reports::new();
    for job in jobs {
        let file = place(store, &job);
        let text = std::fs::read_to_string(&file)
            .map_err(|e| format!("{}: {e}; play {} first", file.display(), job.name()))?;
        let report = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        reports.insert(job.name(), report);
    }
    Ok(reports)
}

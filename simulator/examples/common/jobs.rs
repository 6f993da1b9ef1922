//! Scenarios played side by side, a process each: what a run needs of memory is then known,
//! and nothing of one is left in the next.
//!
//! A worker is the calling program itself, with a job on its command line; it prints its
//! report as JSON.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use squall::report::Report;
use squall::run;
use squall::scenario::Scenario;
use squall::scenario::variant::VARIANT;

/// Begins the command line of a worker.
const WORKER: &str = "--as-worker";

/// One run in simulation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Job {
    pub file: PathBuf,
    pub seed: u64,
    /// As with `--set`.
    pub settings: Vec<(String, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Done {
    pub report: Report,
    /// What it took, judging included.
    pub wall_us: u64,
    /// Most memory that the process had; `None` where the kernel does not tell.
    pub peak_bytes: Option<u64>,
}

impl Job {
    /// Every variant of a scenario, or the scenario itself.
    pub fn of(file: &Path, seed: u64) -> Vec<Self> {
        let scenario = Scenario::load(file).expect("the catalogue is well formed");
        let job = |settings| Self {
            file: file.to_owned(),
            seed,
            settings,
        };
        match scenario.variants() {
            [] => vec![job(Vec::new())],
            names => {
                let names = names.iter();
                let set = names.map(|name| vec![(VARIANT.to_owned(), name.clone())]);
                set.map(job).collect()
            }
        }
    }

    /// `spike once`.
    pub fn name(&self) -> String {
        let stem = self.file.file_stem().expect("a scenario is a file");
        let variant = self.settings.iter().find(|(key, _)| key == VARIANT);
        let variant = variant.map(|(_, name)| name.clone());
        let words = [Some(stem.to_string_lossy().into_owned()), variant];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    #[allow(clippy::disallowed_methods)] // how long it takes is asked of the real clock
    fn run(&self) -> Result<Done, String> {
        let begun = Instant::now();
        let scenario =
            Scenario::load_with(&self.file, &self.settings).map_err(|e| e.to_string())?;
        let judged = run::run(&scenario, self.seed, "").map_err(|e| e.to_string())?;
        Ok(Done {
            report: judged.report,
            wall_us: begun.elapsed().as_micros() as u64,
            peak_bytes: peak_bytes(),
        })
    }
}

/// Where the repository keeps its scenarios.
pub fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// Does its job and ends, if this process is a worker. Call it first.
pub fn work_if_worker() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(WORKER) {
        return;
    }
    let job = arguments.next().expect("a worker has a job");
    let job: Job = serde_json::from_str(&job).expect("the job was written by this program");
    match job.run() {
        Ok(done) => println!("{}", serde_json::to_string(&done).expect("plain data")),
        Err(why) => {
            eprintln!("{why}");
            std::process::exit(1);
        }
    }
    std::process::exit(0);
}

/// Runs all jobs in their order, as many at a time as there are processors, and tells each
/// that is done.
pub fn run_all(jobs: Vec<Job>, done: impl Fn(Job, Result<Done, String>) + Sync) {
    let waiting = Mutex::new(VecDeque::from(jobs));
    let next = || waiting.lock().expect("no thread panics here").pop_front();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(job) = next() {
                    let result = in_process(&job);
                    done(job, result);
                }
            });
        }
    });
}

fn in_process(job: &Job) -> Result<Done, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let job = serde_json::to_string(job).expect("plain data");
    let output = Command::new(program).args([WORKER, &job]).output();
    let output = output.map_err(|e| e.to_string())?;
    match output.status.success() {
        true => serde_json::from_slice(&output.stdout).map_err(|e| e.to_string()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// Most memory that this process has had.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024)
}

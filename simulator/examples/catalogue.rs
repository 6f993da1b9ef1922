//! Runs every scenario of the catalogue on a range of seeds and says which do not pass, or
//! report a lost leader without the times that this must have cost; what each took of time
//! and memory, and what all took together.
//!
//! ```text
//! cargo run --release --example catalogue            # seed 1
//! cargo run --release --example catalogue -- 1 50    # seeds 1 to 50
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use squall::fault::FaultKind;
use squall::report::{Report, RunVerdict, Unit, duration};

use jobs::{Done, Job};

#[path = "common/jobs.rs"]
mod jobs;

/// Runs that take longest, first: at the end nobody waits for one that began late.
const LONGEST: [&str; 5] = ["cache-performance", "load", "spike", "soak", "scalability"];

/// Of one scenario or variant, over all seeds.
#[derive(Default)]
struct Row {
    passed: u64,
    runs: u64,
    slowest_us: u64,
    peak_bytes: Option<u64>,
    /// Of the last seed: what clients saw of the chaos phase.
    figures: String,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[allow(clippy::disallowed_methods)] // how long it all takes is asked of the real clock
fn main() {
    jobs::work_if_worker();
    let mut arguments = std::env::args().skip(1);
    let mut number = || {
        let text = arguments.next();
        text.map(|text| text.parse().expect("a seed is a number"))
    };
    let first: u64 = number().unwrap_or(1);
    let last: u64 = number().unwrap_or(first);
    let begun = Instant::now();
    let rows: Mutex<BTreeMap<String, Row>> = Mutex::default();
    let failures: Mutex<Vec<String>> = Mutex::default();
    jobs::run_all(all(first, last), |job, result| {
        let mut rows = rows.lock().expect("no thread panics here");
        let row = rows.entry(job.name()).or_default();
        row.runs += 1;
        let judged = result.and_then(|done| row.add(done));
        match judged {
            Ok(()) => row.passed += 1,
            Err(why) => {
                let line = format!("{} --seed {}: {why}", job.name(), job.seed);
                failures.lock().expect("no thread panics here").push(line);
            }
        }
        eprintln!("{:32} {}", job.name(), row.text());
    });
    let rows = rows.into_inner().expect("no thread panics here");
    for (name, row) in &rows {
        println!("{name:32} {}", row.text());
    }
    let runs: u64 = rows.values().map(|row| row.runs).sum();
    let all_us = begun.elapsed().as_micros() as u64;
    println!("{runs} runs in {}", duration(all_us));
    let failures = failures.into_inner().expect("no thread panics here");
    failures.iter().for_each(|line| println!("{line}"));
    if !failures.is_empty() {
        std::process::exit(1);
    }
}

fn all(first: u64, last: u64) -> Vec<Job> {
    let files = std::fs::read_dir(jobs::scenarios()).expect("the repository has scenarios");
    let mut files: Vec<PathBuf> = files
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort_by_key(|file| {
        let name = file.file_stem().unwrap_or_default().to_owned();
        let place = LONGEST.iter().position(|long| name == *long);
        (place.unwrap_or(LONGEST.len()), name)
    });
    let of_file = |file: &PathBuf| {
        let jobs = (first..=last).flat_map(|seed| Job::of(file, seed));
        jobs.collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

impl Row {
    /// Takes a run in. `Err`: why it does not count as passed.
    fn add(&mut self, done: Done) -> Result<(), String> {
        let report = &done.report;
        self.slowest_us = self.slowest_us.max(done.wall_us);
        self.peak_bytes = self.peak_bytes.max(done.peak_bytes);
        self.figures = figures(report);
        match report.verdict {
            RunVerdict::Pass => match missing(report) {
                None => Ok(()),
                Some(what) => Err(format!("the report gives no {what}")),
            },
            verdict => Err(format!("{verdict}: {}", report.reason)),
        }
    }

    fn text(&self) -> String {
        let peak = self.peak_bytes.map_or("-".to_owned(), |bytes| {
            Unit::Bytes.text(Unit::Bytes.number(bytes))
        });
        format!(
            "{:>4} of {:>4} pass  {:>8}  {peak:>9}  {}",
            self.passed,
            self.runs,
            duration(self.slowest_us),
            self.figures
        )
    }
}

fn figures(report: &Report) -> String {
    let time = |us: Option<u64>| us.map_or("-".to_owned(), duration);
    report.overall.map_or_else(String::new, |overall| {
        format!(
            "{:>8} ok  {:>9.1}/s  mean {}  p95 {}  p99 {}",
            overall.acknowledged,
            overall.per_second.get() as f64 / 1e3,
            time(overall.mean_us),
            time(overall.p95_us),
            time(overall.p99_us),
        )
    })
}

/// What a passing run's report must hold and does not: a lost leader costs time to be
/// noticed, to be replaced, and in which a service is down, but no acknowledged write.
fn missing(report: &Report) -> Option<&'static str> {
    let positive = |ms: Option<squall::report::Ms>| ms.is_some_and(|ms| ms.get() > 0);
    let lost: Vec<_> = (report.faults.iter())
        .filter(|fault| fault.old_leader.is_some())
        .collect();
    let replaced = lost.iter().filter(|fault| fault.new_leader.is_some());
    let killed = |kind: FaultKind| [FaultKind::Kill, FaultKind::PowerLoss].contains(&kind);
    let facts = [
        (report.operations.acknowledged > 0, "acknowledged operation"),
        (report.sim.seconds.get() > 0, "length"),
        (
            report.data_loss.acked > 0 || !writes(report),
            "acknowledged write",
        ),
        (report.data_loss.lost == 0, "audit without loss"),
        (
            // Of a single node nobody is left to notice anything.
            report.cluster.nodes == 1 || replaced.clone().all(|fault| positive(fault.detected_ms)),
            "time of detection",
        ),
        (
            replaced.clone().all(|fault| positive(fault.elected_ms)),
            "time of an election",
        ),
        (
            replaced.count() == 0 || positive(report.election_ms.min),
            "distribution of election times",
        ),
        (
            !lost.iter().any(|fault| killed(fault.kind)) || downtime(report) > 0,
            "downtime",
        ),
    ];
    let missing = facts.iter().find(|(holds, _)| !holds);
    missing.map(|(_, what)| *what)
}

/// Whether anything was written that must be there at the end.
fn writes(report: &Report) -> bool {
    const LASTING: [&str; 4] = ["publish", "publish_batch", "set", "increment"];
    let operations = report.latency_us.values().flat_map(BTreeMap::keys);
    operations
        .into_iter()
        .any(|name| LASTING.contains(&name.as_str()))
}

fn downtime(report: &Report) -> u64 {
    (report.downtime_ms.any).map_or(0, |downtime| downtime.max.get())
}

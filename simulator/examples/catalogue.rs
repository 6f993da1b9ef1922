//! Runs every scenario of the catalogue on a range of seeds and says which do not pass, or
//! report a lost leader without the times that this must have cost.
//!
//! ```text
//! cargo run --release --example catalogue -- 1 50
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use squall::report::{Report, RunVerdict};
use squall::run;
use squall::scenario::Scenario;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| {
        let text = arguments.next();
        text.map_or(default, |text| text.parse().expect("a seed is a number"))
    };
    let (first, last): (u64, u64) = (number(1), number(50));
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("the repository has scenarios")
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    let runs: Vec<(PathBuf, u64)> = (files.iter())
        .flat_map(|file| (first..=last).map(|seed| (file.clone(), seed)))
        .collect();

    let next = AtomicUsize::new(0);
    let results: Mutex<BTreeMap<(String, u64), Result<RunVerdict, String>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((file, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let scenario = Scenario::load(file).expect("the catalogue is well formed");
                    let name = scenario.name.get_ref().clone();
                    let result = run::run(&scenario, *seed, "")
                        .map(|judged| judged.report)
                        .map_err(|e| e.to_string());
                    let result = result.and_then(|report| match report.verdict {
                        RunVerdict::Pass => match missing(&report) {
                            None => Ok(report.verdict),
                            Some(what) => Err(format!("the report gives no {what}")),
                        },
                        verdict => Err(format!("{verdict}: {}", report.reason)),
                    });
                    let mut results = results.lock().expect("no run panics");
                    results.insert((name, *seed), result);
                }
            });
        }
    });

    let results = results.into_inner().expect("no run panics");
    let mut passed: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for ((name, _), result) in &results {
        let (good, all) = passed.entry(name).or_default();
        *good += u64::from(result.is_ok());
        *all += 1;
    }
    for (name, (good, all)) in &passed {
        println!("{name:20} {good:>4} of {all:>4} pass");
    }
    for ((name, seed), result) in &results {
        if let Err(why) = result {
            println!("{name} --seed {seed}: {why}");
        }
    }
    if results.values().any(Result::is_err) {
        std::process::exit(1);
    }
}

/// What a passing run's report must hold and does not: a lost leader costs time to be
/// noticed, to be replaced, and in which a service is down, but no acknowledged write.
fn missing(report: &Report) -> Option<&'static str> {
    let positive = |ms: Option<squall::report::Ms>| ms.is_some_and(|ms| ms.get() > 0);
    let lost: Vec<_> = (report.faults.iter())
        .filter(|fault| fault.old_leader.is_some())
        .collect();
    let replaced = lost.iter().filter(|fault| fault.new_leader.is_some());
    let killed = |kind: &str| ["kill", "power_loss"].contains(&kind);
    let facts = [
        (report.operations.acknowledged > 0, "acknowledged operation"),
        (report.sim.seconds.get() > 0, "length"),
        (report.data_loss.acked > 0, "acknowledged write"),
        (report.data_loss.lost == 0, "audit without loss"),
        (
            replaced.clone().all(|fault| positive(fault.detected_ms)),
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
            !lost.iter().any(|fault| killed(&fault.kind)) || downtime(report) > 0,
            "downtime",
        ),
    ];
    let missing = facts.iter().find(|(holds, _)| !holds);
    missing.map(|(_, what)| *what)
}

fn downtime(report: &Report) -> u64 {
    (report.downtime_ms.any).map_or(0, |downtime| downtime.max.get())
}

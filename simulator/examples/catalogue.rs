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

/// Each variant of a scenario, or the scenario itself.
fn variants(file: &PathBuf) -> Vec<Scenario> {
    let scenario = Scenario::load(file).expect("the catalogue is well formed");
    let names = scenario.variants().iter();
    let chosen: Vec<Scenario> = names
        .map(|name| scenario.choose(name).expect("the catalogue is well formed"))
        .collect();
    match chosen.is_empty() {
        true => vec![scenario],
        false => chosen,
    }
}

/// Of the last seed: how long it took, and what clients saw of the chaos phase.
fn figures(report: &Report) -> String {
    let ms = |us: Option<u64>| us.map_or("-".to_owned(), |us| format!("{:.2} ms", us as f64 / 1e3));
    report.overall.map_or_else(String::new, |overall| {
        format!(
            "{:>7.2} s  {:>8} ok  {:>9.1}/s  mean {}  p95 {}  p99 {}",
            report.sim.wall_seconds.get() as f64 / 1e6,
            overall.acknowledged,
            overall.per_second.get() as f64 / 1e3,
            ms(overall.mean_us),
            ms(overall.p95_us),
            ms(overall.p99_us),
        )
    })
}

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
    let scenarios: Vec<Scenario> = files.iter().flat_map(variants).collect();
    let runs: Vec<(&Scenario, u64)> = (scenarios.iter())
        .flat_map(|scenario| (first..=last).map(move |seed| (scenario, seed)))
        .collect();

    let next = AtomicUsize::new(0);
    let results: Mutex<BTreeMap<(String, u64), Result<RunVerdict, String>>> = Mutex::default();
    let shown: Mutex<BTreeMap<String, String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((scenario, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = match scenario.variant() {
                        Some(variant) => format!("{} {variant}", scenario.name.get_ref()),
                        None => scenario.name.get_ref().clone(),
                    };
                    let result = run::run(scenario, *seed, "")
                        .map(|judged| judged.report)
                        .map_err(|e| e.to_string());
                    if let Ok(report) = &result {
                        let mut shown = shown.lock().expect("no run panics");
                        shown.insert(name.clone(), figures(report));
                    }
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
    let shown = shown.into_inner().expect("no run panics");
    for (name, (good, all)) in &passed {
        let figures = shown.get(*name).map_or("", String::as_str);
        println!("{name:40} {good:>4} of {all:>4} pass  {figures}");
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

//! Compares our own engine with classic `turmoil`: elections and downtime of the same
//! scenarios on the same seeds, for `docs/results.md`.
//!
//! ```text
//! cargo run --profile node -p squall-turmoil --example engines -- 200   # seeds 1 to 200
//! cargo run --profile node -p squall-turmoil --example engines -- catalogue
//! ```
//!
//! Finished runs are kept in `runs/engines.jsonl`, so a run that was interrupted goes on where
//! it stopped; the table is made of what is there. `catalogue` plays seed 1 of every scenario but
//! the long load shapes on `turmoil` instead, or of those that are named behind it, and prints
//! what its checks say or why it is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use squall_backend::backend::Backend;
use squall_check::Verdict;
use squall_measure::{Gap, Measures};
use squall_plan::plan::Plan;
use squall_plan::scenario::Scenario;
use squall_sim::SimBackend;
use squall_turmoil::TurmoilBackend;

use document::write_between;
use long::LONG;

#[path = "../../../examples/common/document.rs"]
mod document;
#[path = "../../../examples/common/long.rs"]
mod long;

const SCENARIOS: [&str; 2] = ["leader-kill", "minority-partition"];
const KEPT: &str = "runs/engines.jsonl";
const THREADS: usize = 2;

/// One seed of one scenario on one engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Job {
    scenario: String,
    engine: String,
    seed: u64,
}

/// What became of it. Times in microseconds.
#[derive(Debug, Serialize, Deserialize)]
struct Played {
    #[serde(flatten)]
    job: Job,
    /// Fault takes effect → another node starts an election.
    detected_us: Vec<u64>,
    /// Fault takes effect → a new leader has committed.
    elected_us: Vec<u64>,
    /// Every gap of every service.
    longest_us: Option<u64>,
    gaps_us: Vec<u64>,
    acknowledged: u64,
    lost: u64,
    failed_checks: usize,
}

fn main() {
    let asked = std::env::args().nth(1).unwrap_or_else(|| "200".into());
    if asked == "catalogue" {
        let named: Vec<String> = std::env::args().skip(2).collect();
        return catalogue(&named);
    }
    let seeds: u64 = asked.parse().expect("a number of seeds, or `catalogue`");
    let mut played = kept();
    let jobs = jobs(seeds);
    let missing: Vec<&Job> = jobs
        .iter()
        .filter(|job| !played.contains_key(job))
        .collect();
    play_all(&missing);
    played = kept();
    played.retain(|job, _| jobs.contains(job));
    let table = table(seeds, &played);
    print!("{table}");
    if let Err(why) = write_between(&repository().join("docs/results.md"), "engines", &table) {
        eprintln!("{why}");
        std::process::exit(1);
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn load(scenario: &str) -> Scenario {
    let file = repository().join(format!("scenarios/{scenario}.toml"));
    Scenario::load_with(&file, &[]).expect("the catalogue is sound")
}

fn jobs(seeds: u64) -> BTreeSet<Job> {
    let engines = ["sim", "turmoil"];
    let cases = SCENARIOS
        .iter()
        .flat_map(|scenario| engines.map(|engine| (scenario, engine)));
    let jobs = cases.flat_map(|(scenario, engine)| {
        (1..=seeds).map(move |seed| Job {
            scenario: (*scenario).into(),
            engine: engine.into(),
            seed,
        })
    });
    jobs.collect()
}

fn kept() -> BTreeMap<Job, Played> {
    let Ok(file) = File::open(repository().join(KEPT)) else {
        return BTreeMap::new();
    };
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    // The last line of a program that was killed may be cut.
    let played = lines.filter_map(|line| serde_json::from_str::<Played>(&line).ok());
    played.map(|played| (played.job.clone(), played)).collect()
}

/// Plays jobs on a few threads, and keeps each as soon as it is done.
#[allow(clippy::disallowed_methods)] // simulations side by side, each on its own thread
fn play_all(jobs: &[&Job]) {
    let path = repository().join(KEPT);
    std::fs::create_dir_all(path.parent().expect("it is in a directory")).expect("it is ours");
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let file = Mutex::new(file.expect("it can be written"));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let line = serde_json::to_string(&play(job)).expect("it is plain data");
                    let mut file = file.lock().expect("no thread panics with it");
                    writeln!(file, "{line}").expect("it can be written");
                }
            });
        }
    });
}

fn play(job: &Job) -> Played {
    let backend: Box<dyn Backend> = match job.engine.as_str() {
        "sim" => Box::new(SimBackend::default()),
        _ => Box::new(TurmoilBackend),
    };
    let plan = Plan::resolve(&load(&job.scenario), job.seed).expect("the catalogue is sound");
    let run = backend.run(&plan);
    let history = run
        .unwrap_or_else(|error| panic!("{job:?}: {error}"))
        .history;
    let measures: Measures = squall_measure::measure(&history);
    let checks = squall_check::check_all(&history);
    Played {
        job: job.clone(),
        detected_us: measures.samples.detection,
        elected_us: measures.samples.election,
        longest_us: (measures.outages.downtime.any).map(|any| any.clients.max.get()),
        gaps_us: measures.outages.gaps.iter().map(Gap::length_us).collect(),
        acknowledged: measures.operations.acknowledged,
        lost: measures.loss.lost,
        failed_checks: checks
            .iter()
            .filter(|check| check.verdict == Verdict::Fail)
            .count(),
    }
}

fn table(seeds: u64, played: &BTreeMap<Job, Played>) -> String {
    let mut out = format!("Seeds 1 to {seeds}, {} runs.\n\n", played.len());
    out += "| scenario | engine | measure | count | min | p50 | p90 | p99 | max |\n";
    out += "|---|---|---|---:|---:|---:|---:|---:|---:|\n";
    for scenario in SCENARIOS {
        for engine in ["sim", "turmoil"] {
            let runs = || {
                let runs = played.values();
                runs.filter(move |run| run.job.scenario == scenario && run.job.engine == engine)
            };
            type Pick = fn(&Played) -> Vec<u64>;
            let measures: [(&str, Pick); 4] = [
                ("detection", |run| run.detected_us.clone()),
                ("election", |run| run.elected_us.clone()),
                ("longest downtime of a run", |run| {
                    run.longest_us.into_iter().collect()
                }),
                ("downtime", |run| run.gaps_us.clone()),
            ];
            for (name, pick) in measures {
                let times = runs().flat_map(pick);
                out += &row(scenario, engine, name, times.collect());
            }
        }
    }
    out += "\n| scenario | engine | runs | acknowledged a run | lost | checks that failed |\n";
    out += "|---|---|---:|---:|---:|---:|\n";
    for scenario in SCENARIOS {
        for engine in ["sim", "turmoil"] {
            let runs = played.values();
            let runs = runs.filter(|run| run.job.scenario == scenario && run.job.engine == engine);
            let (mut count, mut acknowledged, mut lost, mut failed) = (0, 0, 0, 0);
            for run in runs {
                count += 1;
                acknowledged += run.acknowledged;
                lost += run.lost;
                failed += run.failed_checks;
            }
            let acknowledged = acknowledged / count.max(1);
            out += &format!(
                "| `{scenario}` | {engine} | {count} | {acknowledged} | {lost} | {failed} |\n"
            );
        }
    }
    out
}

fn row(scenario: &str, engine: &str, name: &str, mut times_us: Vec<u64>) -> String {
    times_us.sort_unstable();
    let at = |percent: usize| {
        let rank = (times_us.len() * percent).div_ceil(100).max(1);
        let time_us = times_us.get(rank - 1);
        time_us.map_or("-".to_owned(), |us| format!("{} ms", us / 1_000))
    };
    let [min, p50, p90, p99, max] = [0, 50, 90, 99, 100].map(at);
    let count = times_us.len();
    format!(
        "| `{scenario}` | {engine} | {name} | {count} | {min} | {p50} | {p90} | {p99} | {max} |\n"
    )
}

/// Scenarios of the catalogue on `turmoil`, seed 1.
fn catalogue(named: &[String]) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(repository().join("scenarios"))
        .expect("the catalogue is there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files.retain(|path| {
        let stem = path.file_stem().expect("a file has a name");
        let stem = stem.to_string_lossy();
        if named.is_empty() {
            !LONG.contains(&&*stem)
        } else {
            named.iter().any(|name| *name == stem)
        }
    });
    for file in files {
        let scenario = Scenario::load_with(&file, &[]).expect("the catalogue is sound");
        let name = scenario.name.get_ref().clone();
        let chosen = match scenario.variants().first() {
            Some(variant) => scenario.choose(variant).expect("it is its own"),
            None => scenario,
        };
        let plan = Plan::resolve(&chosen, 1).expect("the catalogue is sound");
        let said = match TurmoilBackend.refusal(&plan) {
            Some(why) => format!("refused: {why}"),
            None => match TurmoilBackend.run(&plan) {
                Err(error) => format!("harness: {error}"),
                Ok(run) => {
                    let checks = squall_check::check_all(&run.history);
                    let failed = checks.iter().filter(|check| check.verdict == Verdict::Fail);
                    let failed: Vec<String> = failed.map(|check| format!("{check:?}")).collect();
                    let measures = squall_measure::measure(&run.history);
                    let acknowledged = measures.operations.acknowledged;
                    match failed.is_empty() {
                        true => format!("all checks hold, {acknowledged} acknowledged"),
                        false => format!("FAILED {}", failed.join("; ")),
                    }
                }
            },
        };
        println!("{name}: {said}");
    }
}

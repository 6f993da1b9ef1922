//! Holds histories, verdicts and reports to what was recorded: a change that should alter
//! nothing alters nothing.
//!
//! ```text
//! cargo run --profile node --features planted --example oracle              # compare
//! cargo run --profile node --features planted --example oracle -- --record  # record anew
//! cargo run --profile node --features planted --example oracle -- chaos     # names with `chaos`
//! ```
//!
//! Every scenario of the catalogue but the long load shapes runs on seeds 1 to 5, `chaos` on
//! 1 to 50, and every planted scenario with its bug on 1 to 5. The record is
//! `tests/golden/oracle.tsv`: a run's name, seed, history hash, verdict, and the hash of its
//! report without what depends on the machine. A history or a verdict that differs fails;
//! reports that differ are counted, and fail with `--reports`.
//!
//! Exit code: 0 as recorded, 1 something differs, 2 wrong arguments.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use sha2::{Digest, Sha256};
use squall::scenario::Scenario;
use squall::scenario::variant::VARIANT;
use squall::track_record::{bugs, judge, scenario_of};
use squall_cluster::planted::Bug;

use long::LONG;

#[path = "common/long.rs"]
mod long;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEEDS: u64 = 5;
const CHAOS_SEEDS: u64 = 50;

/// One run to be made.
struct Job {
    name: String,
    scenario: Scenario,
    seed: u64,
    bug: Option<Bug>,
}

/// A run's name and seed, and the rest of its line: history hash, verdict, report hash.
type Record = BTreeMap<(String, u64), [String; 3]>;

fn main() -> ExitCode {
    let mut record = false;
    let mut strict = false;
    let mut filter = None;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--record" => record = true,
            "--reports" => strict = true,
            other if other.starts_with('-') || filter.is_some() => {
                eprintln!("usage: oracle [--record] [--reports] [NAME-PART]");
                return ExitCode::from(2);
            }
            part => filter = Some(part.to_owned()),
        }
    }
    let mut jobs = all_jobs();
    if let Some(part) = &filter {
        jobs.retain(|job| job.name.contains(part));
    }
    let now = run_all(jobs);
    let file = root().join("tests/golden/oracle.tsv");
    let mut recorded = std::fs::read_to_string(&file).map_or_else(|_| Record::new(), |t| read(&t));
    if record {
        let runs = now.len();
        recorded.extend(now);
        std::fs::write(&file, written(&recorded)).expect("the record can be written");
        println!("{runs} runs recorded");
        return ExitCode::SUCCESS;
    }
    compare(&recorded, &now, strict)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn all_jobs() -> Vec<Job> {
    let scenarios = root().join("scenarios");
    let files = std::fs::read_dir(&scenarios).expect("the repository has scenarios");
    let mut files: Vec<PathBuf> = files
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .filter(|path| !LONG.contains(&stem(path).as_str()))
        .collect();
    files.sort();
    let mut jobs = Vec::new();
    for file in files {
        let seeds = if stem(&file) == "chaos" {
            CHAOS_SEEDS
        } else {
            SEEDS
        };
        let plain = Scenario::load(&file).expect("the catalogue is well formed");
        if plain.variants().is_empty() {
            add(&mut jobs, &stem(&file), &plain, seeds, None);
        }
        for variant in plain.variants() {
            let settings = [(VARIANT.to_owned(), variant.clone())];
            let scenario = Scenario::load_with(&file, &settings).expect("a variant is valid");
            add(
                &mut jobs,
                &format!("{} {variant}", stem(&file)),
                &scenario,
                seeds,
                None,
            );
        }
    }
    for bug in bugs() {
        let file = scenario_of(&scenarios, bug);
        let scenario = Scenario::load(&file).expect("every planted bug has a scenario");
        add(
            &mut jobs,
            &format!("planted/{}", stem(&file)),
            &scenario,
            SEEDS,
            Some(bug),
        );
    }
    jobs
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().expect("a scenario is a file");
    stem.to_string_lossy().into_owned()
}

fn add(jobs: &mut Vec<Job>, name: &str, scenario: &Scenario, seeds: u64, bug: Option<Bug>) {
    jobs.extend((1..=seeds).map(|seed| Job {
        name: name.to_owned(),
        scenario: scenario.clone(),
        seed,
        bug,
    }));
}

fn run_all(jobs: Vec<Job>) -> Record {
    let waiting = Mutex::new(VecDeque::from(jobs));
    let next = || waiting.lock().expect("no thread panics here").pop_front();
    let done = Mutex::new(Record::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(job) = next() {
                    let line = line_of(&job);
                    let mut done = done.lock().expect("no thread panics here");
                    done.insert((job.name, job.seed), line);
                }
            });
        }
    });
    done.into_inner().expect("no thread panics here")
}

fn line_of(job: &Job) -> [String; 3] {
    match judge(&job.scenario, job.seed, job.bug) {
        Ok(report) => {
            let mut document = serde_json::to_value(&report).expect("a report is plain data");
            let fields = document.as_object_mut().expect("a report is an object");
            // Times on the machine's clock, the machine itself, and the history's hash.
            fields.remove("sim");
            fields.remove("environment");
            let hash = Sha256::digest(document.to_string());
            let hash: String = hash
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            [report.sim.history_sha256, report.verdict.to_string(), hash]
        }
        Err(why) => {
            let first_line = why.lines().next().unwrap_or_default().replace('\t', " ");
            ["-".into(), format!("error: {first_line}"), "-".into()]
        }
    }
}

fn written(record: &Record) -> String {
    let lines = record
        .iter()
        .map(|((name, seed), [history, verdict, report])| {
            format!("{name}\t{seed}\t{history}\t{verdict}\t{report}\n")
        });
    lines.collect()
}

fn read(text: &str) -> Record {
    let line = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let mut field = || fields.next().expect("a line of the record has five fields");
        let key = (field(), field().parse().expect("a seed is a number"));
        (key, [field(), field(), field()])
    };
    text.lines().map(line).collect()
}

fn compare(recorded: &Record, now: &Record, strict: bool) -> ExitCode {
    let mut differences = [0_u64; 3];
    for (key, line) in now {
        let (name, seed) = key;
        let Some(before) = recorded.get(key) else {
            println!("{name} seed {seed}: not recorded");
            differences[0] += 1;
            continue;
        };
        for (index, field) in ["history", "verdict", "report"].into_iter().enumerate() {
            if before[index] == line[index] {
                continue;
            }
            differences[index] += 1;
            if index < 2 || strict {
                println!(
                    "{name} seed {seed}: {field} {} -> {}",
                    before[index], line[index]
                );
            }
        }
    }
    let [histories, verdicts, reports] = differences;
    println!(
        "{} runs: {histories} histories, {verdicts} verdicts, {reports} reports differ",
        now.len()
    );
    if histories + verdicts > 0 || (strict && reports > 0) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

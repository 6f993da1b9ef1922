//! Searches every planted bug by the general profiles, and by `squall explore` of them, in the
//! same processor time, and writes the table of `docs/track-record.md`.
//!
//! ```text
//! cargo run --profile node -p squall --features planted --example search_record
//! cargo run --profile node -p squall --features planted --example search_record -- \
//!     --bugs ML-19,MC-06 --runs 2000 --budget 600
//! ```
//!
//! The profiles are all `scenarios/chaos*.toml`, seed 1 of each in turn, then seed 2 of each. A
//! search ends with the first run that breaks a property which the bug is said to break, after
//! `--runs N` (default 200), or after `--budget N` seconds of processor time (default 60). Each
//! search is a process, as many at a time as `--jobs` says, and is made twice where it found
//! something: the second must end with the same run and the same history.
//!
//! What was measured is kept in a file (`--measured FILE`, default beside the program), and not
//! measured again unless more is asked: who changes the code removes the file. `--bugs ID,ID`
//! measures those only; the table has all that the file has.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use squall::scenario::Scenario;
use squall::sweep::pool::{self, End, Go, Limits, limit_this_process};
use squall::track_record::{Searched, bugs, search_exploring, search_seeds};
use squall_cluster::planted::Bug;

use document::write_between;

#[path = "common/document.rs"]
mod document;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Begins the command line of a worker.
const WORKER: &str = "--as-worker";
const MEMORY_BYTES: u64 = 4 << 30;
/// Decides every choice of `squall explore`.
const EXPLORE_SEED: u64 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Side {
    Profiles,
    Explore,
}

/// A search to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Job {
    bug: String,
    side: Side,
    budget_s: u64,
    runs: u64,
}

/// A line of the file of what was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Measured {
    job: Job,
    /// `None` for a search that was ended from outside.
    searched: Option<Searched>,
    processor_ms: u64,
    /// Whether the search found the same when it was made again.
    is_repeated: bool,
}

type Record = BTreeMap<(String, Side), Measured>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, job] = arguments.as_slice()
        && first == WORKER
    {
        let job = serde_json::from_str(job).expect("the job was written by this program");
        let measured = serde_json::to_string(&measure(job)).expect("plain data");
        println!("{measured}");
        return ExitCode::SUCCESS;
    }
    let options = options(arguments);
    let mut record = read(&options.measured);
    let wanted =
        |bug: &Bug| options.bugs.is_empty() || options.bugs.iter().any(|id| id == bug.id());
    let jobs = bugs().filter(wanted).flat_map(|bug| {
        [Side::Profiles, Side::Explore].map(|side| Job {
            bug: bug.id().to_owned(),
            side,
            budget_s: options.budget_s,
            runs: options.runs,
        })
    });
    let jobs: Vec<Job> = jobs.filter(|job| !is_known(&record, job)).collect();
    measure_all(jobs, &options, &mut record);
    let rows: Vec<Row> = bugs().filter_map(|bug| Row::of(bug, &record)).collect();
    let text = table(&rows);
    println!("{}", text.lines().last().unwrap_or_default());
    let document = root().join("docs/track-record.md");
    write_between(&document, "searched", &text).unwrap_or_else(|e| panic!("{e}"));
    let is_well = |measured: &Measured| measured.is_repeated && measured.searched.is_some();
    match record.values().all(is_well) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Whether a search found the bug, or one as long as this did not.
fn is_known(record: &Record, job: &Job) -> bool {
    let known = record.get(&(job.bug.clone(), job.side));
    known.is_some_and(|known| {
        let searched = known.searched.as_ref();
        let has_found = searched.is_some_and(|searched| searched.found.is_some());
        has_found || (known.job.budget_s >= job.budget_s && known.job.runs >= job.runs)
    })
}

/// The worker's side: searches, and searches again if that found something.
fn measure(job: Job) -> Measured {
    limit_this_process(MEMORY_BYTES).expect("the kernel allows less memory");
    let profiles = profiles();
    let bug = Bug::from_id(&job.bug).expect("the job names a bug");
    let search = |within: &mut dyn FnMut(u64) -> bool| match job.side {
        Side::Profiles => search_seeds(bug, &profiles, within),
        Side::Explore => search_exploring(bug, &profiles, EXPLORE_SEED, within)
            .unwrap_or_else(|why| panic!("{why}")),
    };
    let budget_ms = job.budget_s * 1_000;
    let searched = search(&mut |runs| runs < job.runs && processor_ms() < budget_ms);
    let processor_ms = processor_ms();
    let is_repeated =
        searched.found.is_none() || search(&mut |runs| runs < searched.runs) == searched;
    Measured {
        job,
        searched: Some(searched),
        processor_ms,
        is_repeated,
    }
}

/// All of this process so far, its threads included: hundredths of a second, as the kernel
/// counts (`man 5 proc`).
fn processor_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells of each process");
    let (_, after_name) = stat.rsplit_once(')').expect("a process has a name");
    let fields = after_name.split_whitespace().skip(11).take(2);
    let hundredths: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    hundredths * 10
}

fn measure_all(jobs: Vec<Job>, options: &Options, record: &mut Record) {
    let program = std::env::current_exe().expect("this program has a path");
    let work = jobs.iter().enumerate().map(|(nth, job)| {
        let job = serde_json::to_string(job).expect("plain data");
        let mut command = Command::new(&program);
        command.args([WORKER, &job]);
        (nth, command)
    });
    let limits = Limits {
        // Twice the budget for a search and its repetition, and as much again for others that
        // use the processors.
        timeout: Duration::from_secs(options.budget_s * 6 + 120),
        memory_bytes: MEMORY_BYTES,
    };
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&options.measured);
    let mut file = file.unwrap_or_else(|e| panic!("{}: {e}", options.measured.display()));
    let mut done = 0;
    pool::run(
        options.jobs,
        limits,
        work,
        || Go::On,
        |nth, end| {
            done += 1;
            let measured = outcome(&jobs[nth], end, limits);
            println!("{done} of {}: {}", jobs.len(), line_of(&measured));
            let line = serde_json::to_string(&measured).expect("plain data");
            writeln!(file, "{line}").expect("the file of what was measured can be written");
            let key = (measured.job.bug.clone(), measured.job.side);
            record.insert(key, measured);
        },
    );
}

fn outcome(job: &Job, end: End, limits: Limits) -> Measured {
    let without = || Measured {
        job: job.clone(),
        searched: None,
        processor_ms: limits.timeout.as_millis() as u64,
        is_repeated: false,
    };
    match end {
        End::Exited(exited) => serde_json::from_str(&exited.stdout).unwrap_or_else(|_| without()),
        _ => without(),
    }
}

/// One line for who waits.
fn line_of(measured: &Measured) -> String {
    let side = match measured.job.side {
        Side::Profiles => "profiles",
        Side::Explore => "explore",
    };
    let again = if measured.is_repeated {
        ""
    } else {
        ", NOT REPEATED"
    };
    format!("{} by {side}: {}{again}", measured.job.bug, cell(measured))
}

/// `12 (3.4 s): chaos, seed 2, L1 lock_exclusion`
fn cell(measured: &Measured) -> String {
    let seconds = measured.processor_ms as f64 / 1_000.0;
    match &measured.searched {
        None => format!("ended from outside after {seconds:.0} s"),
        Some(Searched { runs, found: None }) => format!("over {runs} ({seconds:.0} s)"),
        Some(Searched {
            runs,
            found: Some(found),
        }) => {
            let varied = if found.is_varied { ", varied" } else { "" };
            format!(
                "{runs} ({seconds:.1} s): `{}`, seed {}{varied}, {}",
                found.scenario, found.seed, found.check
            )
        }
    }
}

/// A bug of the table.
struct Row {
    text: String,
    found: [bool; 2],
    sooner: &'static str,
}

impl Row {
    /// `None` for a bug of which one side was not measured.
    fn of(bug: Bug, record: &Record) -> Option<Self> {
        let side = |side| record.get(&(bug.id().to_owned(), side));
        let (profiles, explore) = (side(Side::Profiles)?, side(Side::Explore)?);
        let after = |measured: &Measured| {
            let found = measured
                .searched
                .as_ref()
                .is_some_and(|s| s.found.is_some());
            found.then_some(measured.processor_ms)
        };
        let sooner = match (after(profiles), after(explore)) {
            (None, None) => "neither",
            (Some(a), Some(b)) if a == b => "both alike",
            (Some(a), b) if b.is_none_or(|b| a < b) => "profiles",
            _ => "explore",
        };
        let cells = [profiles, explore].map(cell);
        Some(Self {
            text: format!("| {} | {} | {sooner} |\n", bug.id(), cells.join(" | ")),
            found: [profiles, explore].map(|measured| after(measured).is_some()),
            sooner,
        })
    }
}

fn table(rows: &[Row]) -> String {
    let head = "| id | runs of the general profiles (processor time) | runs of `squall explore` \
        (processor time) | sooner |\n|---|---|---|---|\n";
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    let found = [0, 1].map(|side| rows.iter().filter(|row| row.found[side]).count());
    let sooner = |side| rows.iter().filter(|row| row.sooner == side).count();
    format!(
        "{head}{}\nFound of {}: {} by the general profiles, {} by `squall explore`. Sooner: the \
         profiles for {}, `explore` for {}, both alike for {}, neither for {}.\n",
        texts.concat(),
        rows.len(),
        found[0],
        found[1],
        sooner("profiles"),
        sooner("explore"),
        sooner("both alike"),
        sooner("neither"),
    )
}

/// The later of two lines about the same.
fn read(path: &Path) -> Record {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Measured>(line).ok());
    let keyed = lines.map(|measured| ((measured.job.bug.clone(), measured.job.side), measured));
    keyed.collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The general scenarios, in the order of their names.
fn profiles() -> Vec<Scenario> {
    let files = std::fs::read_dir(root().join("scenarios")).expect("the repository has scenarios");
    let paths = files.map(|entry| entry.expect("a readable directory").path());
    let is_general = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("chaos") && name.ends_with(".toml")
    };
    let mut paths: Vec<PathBuf> = paths.filter(is_general).collect();
    paths.sort();
    let load = |path: &PathBuf| Scenario::load(path).unwrap_or_else(|e| panic!("{e}"));
    paths.iter().map(load).collect()
}

struct Options {
    budget_s: u64,
    runs: u64,
    jobs: usize,
    bugs: Vec<String>,
    measured: PathBuf,
}

fn options(arguments: Vec<String>) -> Options {
    let program = std::env::current_exe().expect("this program has a path");
    let mut options = Options {
        budget_s: 60,
        runs: 200,
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        bugs: Vec::new(),
        measured: program.with_file_name("search-record.jsonl"),
    };
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        let value = arguments.next();
        let value = value.unwrap_or_else(|| panic!("{name} needs a value"));
        let number = || {
            value
                .parse()
                .unwrap_or_else(|_| panic!("{name} needs a number"))
        };
        match name.as_str() {
            "--budget" => options.budget_s = number(),
            "--runs" => options.runs = number(),
            "--jobs" => options.jobs = number() as usize,
            "--bugs" => options.bugs = value.split(',').map(str::to_owned).collect(),
            "--measured" => options.measured = value.into(),
            _ => panic!("unknown option {name}"),
        }
    }
    if let Some(unknown) = (options.bugs.iter()).find(|id| bugs().all(|bug| bug.id() != **id)) {
        panic!("{unknown}: no such bug that checks catch");
    }
    options
}

//! Measures how fast histories are judged: `cargo bench --bench linearizability`.
//!
//! A history of our own is made in memory, always the same: a million operations on ten
//! thousand keys by a hundred clients, one in a hundred of unknown outcome. It is judged by
//! its versions, which is what every run's verdict rests on, and by the search alone, which
//! is the cross-check; then the file of it is written, read and judged. The output is
//! figures beside targets; nothing here passes or fails, because a machine under load would
//! decide.
//!
//! `cargo bench --bench linearizability -- 100000` takes another number of operations.

mod made;

use std::io::Write;
use std::time::{Duration, Instant};

use made::made;
use squall::check::external::{Limits, Model, judge_history};
use squall::check::{Verdict, check_all};
use squall::history::History;
use squall::history::jsonl::Header;

/// The allocator of the `squall` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const OPERATIONS: usize = 1_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing to test: run `cargo bench --bench linearizability`");
        return;
    }
    let asked = arguments.iter().find_map(|argument| argument.parse().ok());
    let operations = asked.unwrap_or(OPERATIONS);
    let (history, took) = timed(|| made(operations));
    line("made in memory", operations, took, "");

    let limits = Limits::default();
    let judge = |limits: &Limits| {
        let judged = judge_history(&history, Model::Register, limits).expect("it is well formed");
        assert_eq!(judged.verdict, Verdict::Pass, "{}", judged.detail);
        assert_eq!(judged.operations, operations);
    };
    let ((), took) = timed(|| judge(&limits));
    line("judged by versions", operations, took, "10 s for a million");
    let search = Limits {
        search_only: true,
        ..limits
    };
    let ((), took) = timed(|| judge(&search));
    line("judged by search", operations, took, "");
    let (checks, took) = timed(|| check_all(&history));
    line("all checks of a run", operations, took, "");
    assert!(checks.iter().all(|check| check.verdict != Verdict::Fail));
    println!("peak memory {} MiB, target 2048 MiB", peak_mib());

    let header = Header::new("bench", 1, Vec::new());
    let mut file = Vec::new();
    let ((), took) = timed(|| history.write(&header, &mut file).expect("memory takes it"));
    line("written as JSON lines", operations, took, "");
    drop(history);
    let (read, took) = timed(|| History::read(file.as_slice()));
    line("read from JSON lines", operations, took, "");
    drop(read.expect("it was just written"));
    println!("peak memory with the file {} MiB", peak_mib());
}

#[allow(clippy::disallowed_methods)] // measures how long the program takes
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}

fn line(what: &str, operations: usize, took: Duration, target: &str) {
    let rate = operations as f64 / took.as_secs_f64();
    let target = match target {
        "" => String::new(),
        target => format!("   target {target}"),
    };
    println!(
        "{what:24} {:>8.2} s {rate:>12.0} operations/s{target}",
        took.as_secs_f64()
    );
    let _ = std::io::stdout().flush();
}

/// The most memory this process ever held.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

//! How fast histories are judged: `cargo bench --bench linearizability`.
//!
//! A history of our own is made in memory, always the same: a million operations on ten
//! thousand keys by a hundred clients, one in a hundred of unknown outcome. It is judged by
//! its versions, which is what every run's verdict rests on, and by the search alone, which
//! is the cross-check; then the file of it is written, read and judged. The output is
//! figures beside targets; nothing here passes or fails, because a machine under load would
//! decide.
//!
//! `cargo bench --bench linearizability -- 100000` takes another number of operations.

use std::io::Write;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use squall::check::external::{Limits, Model, judge_history};
use squall::check::{Verdict, check_all};
use squall::history::jsonl::Header;
use squall::history::{Action, Event, EventKind, History, Outcome, Phase};

/// The allocator of the `squall` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const OPERATIONS: usize = 1_000_000;
const KEYS: usize = 10_000;
const CLIENTS: usize = 100;

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

/// A key as it is, and the log that gives versions.
struct Store {
    index: u64,
    keys: Vec<Option<(String, u64)>>,
}

/// An operation under way: its number, key and question, and its answer once it is served.
type Open = (u64, usize, Action, Option<Outcome>);

/// A history of clients that each ask, are served at a random moment, and are answered.
fn made(operations: usize) -> History {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut store = Store {
        index: 0,
        keys: vec![None; KEYS],
    };
    let mut events = vec![kind(
        0,
        EventKind::Phase {
            phase: Phase::Warmup,
        },
    )];
    let mut open: Vec<Option<Open>> = vec![None; CLIENTS];
    let (mut asked, mut at_us) = (0, 0);
    while asked < operations || open.iter().any(Option::is_some) {
        at_us += 10;
        let client = rng.random_range(0..CLIENTS);
        match open[client].take() {
            None if asked < operations => {
                let key = rng.random_range(0..KEYS);
                let action = store.action(&mut rng, key, asked);
                events.push(kind(
                    at_us,
                    EventKind::Invoke {
                        op: asked as u64,
                        client: format!("cache-{client}"),
                        intended_us: None,
                        action: action.clone(),
                    },
                ));
                open[client] = Some((asked as u64, key, action, None));
                asked += 1;
            }
            None => {}
            // Served now, answered later.
            Some((op, key, action, None)) if rng.random_range(0..2) == 0 => {
                let outcome = store.serve(key, &action);
                open[client] = Some((op, key, action, Some(outcome)));
            }
            Some((op, key, action, served)) => {
                let outcome = served.unwrap_or_else(|| store.serve(key, &action));
                let outcome = match rng.random_range(0..100) {
                    0 => Outcome::Unknown {
                        why: "timed out".into(),
                    },
                    _ => outcome,
                };
                events.push(kind(at_us, EventKind::Return { op, outcome }));
            }
        }
    }
    for phase in [Phase::Chaos, Phase::Audit, Phase::End] {
        events.push(kind(at_us, EventKind::Phase { phase }));
    }
    History { events }
}

fn kind(at_us: u64, kind: EventKind) -> Event {
    Event { at_us, kind }
}

impl Store {
    fn action(&self, rng: &mut ChaCha8Rng, key: usize, number: usize) -> Action {
        let name = format!("key-{key}");
        let value = format!("value-{number}");
        match rng.random_range(0..10) {
            0..5 => Action::Get {
                key: name,
                lease: false,
            },
            5..8 => Action::Set {
                key: name,
                value,
                bytes: 100,
            },
            _ => Action::CompareAndSet {
                key: name,
                version: self.keys[key].as_ref().map_or(0, |(_, version)| *version),
                value,
            },
        }
    }

    fn serve(&mut self, key: usize, action: &Action) -> Outcome {
        self.index += 1;
        let version = self.index;
        let now = self.keys[key].as_ref().map_or(0, |(_, version)| *version);
        let written = match action {
            Action::Get { .. } => {
                let value = self.keys[key].as_ref().map(|(value, _)| value.clone());
                return Outcome::Value {
                    value,
                    version: now,
                };
            }
            Action::CompareAndSet { version, .. } if *version != now => return Outcome::Mismatch,
            Action::Set { value, .. } | Action::CompareAndSet { value, .. } => value.clone(),
            other => unreachable!("{other:?} is never asked"),
        };
        self.keys[key] = Some((written, version));
        Outcome::Stored { version }
    }
}

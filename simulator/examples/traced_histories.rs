//! Proves that recording changes nothing: plays seeds of a scenario twice, without a trace and
//! with all that can be recorded, and compares the histories to the byte.
//!
//! ```sh
//! cargo run --release -p squall --example traced_histories -- scenarios/chaos.toml 1 1000
//! ```
//!
//! Recorded are all messages, syncs, what every entry does at every node, states of all nodes
//! with all that they hold every 100 ms, logs down to `debug`, and every step of the event loop.

use std::cell::Cell;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use squall::backends::{DEFAULT, LogFilter, Options, TraceFilter};
use squall::history::jsonl::Header;
use squall::run::{self, Context, Judged};
use squall::scenario::Scenario;
use squall_engine::steps;

/// How often states are looked at, and for how long at most.
const EVERY_US: i64 = 100_000;
const MOST_MOMENTS: i64 = 3_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, from, to] = arguments.as_slice() else {
        eprintln!("usage: traced_histories SCENARIO FROM_SEED TO_SEED");
        return ExitCode::from(64);
    };
    let (Ok(from), Ok(to)) = (from.parse::<u64>(), to.parse::<u64>()) else {
        eprintln!("seeds are numbers");
        return ExitCode::from(64);
    };
    let scenario = match Scenario::load(Path::new(file)) {
        Ok(scenario) => scenario,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(64);
        }
    };
    let header = Header::new(scenario.name.get_ref(), 0, Vec::new());
    let (mut differing, mut recorded) = (Vec::new(), Recorded::default());
    for seed in from..=to {
        let plain = play(&scenario, seed, Options::default());
        let count = Rc::new(Cell::new(0_u64));
        let counted = count.clone();
        steps::listen(Some(Box::new(move |_| counted.set(counted.get() + 1))));
        let traced = play(&scenario, seed, everything());
        steps::listen(None);
        recorded.add(&traced, count.get());
        if plain.history.sha256(&header) != traced.history.sha256(&header) {
            println!("seed {seed}: the histories differ");
            differing.push(seed);
        }
    }
    println!(
        "{} seeds of {file}: {} differences; recorded {recorded}",
        to + 1 - from,
        differing.len()
    );
    ExitCode::from(u8::from(!differing.is_empty()))
}

fn play(scenario: &Scenario, seed: u64, options: Options) -> Judged {
    let backend = DEFAULT.open(options).expect("it can be traced");
    let run = run::run_on(&*backend, scenario, seed, "", Context::default());
    run.expect("the simulation works")
}

/// All that can be recorded.
fn everything() -> Options {
    let mut log = LogFilter::default();
    log.add("debug").expect("a level is a filter");
    Options {
        log: Some(log),
        trace: Some(TraceFilter {
            states_at_us: (0..MOST_MOMENTS).map(|nth| nth * EVERY_US).collect(),
            contents: true,
            ..TraceFilter::default()
        }),
        ..Options::default()
    }
}

/// How much was recorded.
#[derive(Default)]
struct Recorded {
    messages: usize,
    applied: usize,
    states: usize,
    lines: usize,
    steps: u64,
}

impl Recorded {
    fn add(&mut self, run: &Judged, steps: u64) {
        self.messages += run.traced.messages.len();
        self.applied += run.traced.applied.len();
        self.states += run.traced.states.len();
        self.lines += run.logs.lines.len();
        self.steps += steps;
    }
}

impl std::fmt::Display for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} messages, {} entries applied, {} states, {} lines of logs, {} steps",
            self.messages, self.applied, self.states, self.lines, self.steps
        )
    }
}

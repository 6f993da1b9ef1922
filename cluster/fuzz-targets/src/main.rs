//! `squall-fuzz`: reads many hostile inputs, and says how many and how fast.
//!
//! ```text
//! cargo run --profile node -p squall-fuzz -- --inputs 10000000         # all targets
//! cargo run --profile node -p squall-fuzz -- wal snapshot --seed 7     # some
//! cargo run -p squall-fuzz -- resp --file crash-resp-7                 # one input once more
//! cargo run -p squall-fuzz -- --write-seeds                            # the corpora, anew
//! ```
//!
//! An input that is not borne is left as a file, and ends the run with exit code 1.

#![allow(clippy::disallowed_methods)] // it measures itself

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use peak_alloc::PeakAlloc;
use squall_fuzz::{TARGETS, Target, run, seeds};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Reads hostile inputs of every format.
#[derive(Debug, Parser)]
struct Args {
    /// Targets [default: all]
    #[arg(value_parser = find)]
    targets: Vec<&'static Target>,
    /// Inputs of each target
    #[arg(long, default_value_t = 100_000)]
    inputs: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Longest input, bytes
    #[arg(long, default_value_t = 4_096)]
    most_bytes: usize,
    /// Read this input only
    #[arg(long, requires = "targets")]
    file: Option<PathBuf>,
    /// Write what nodes and clients really say into the corpora, and exit
    #[arg(long)]
    write_seeds: bool,
}

fn find(name: &str) -> Result<&'static Target, String> {
    Target::find(name).ok_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        format!("the targets are {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    let args = Args::parse();
    let targets = match args.targets.is_empty() {
        true => TARGETS.iter().collect(),
        false => args.targets,
    };
    if args.write_seeds {
        targets.into_iter().for_each(write_seeds);
        return ExitCode::SUCCESS;
    }
    run::watch_panics();
    if let Some(file) = args.file {
        let input = std::fs::read(&file).expect("the file can be read");
        let read = run::read(targets[0], &MEMORY, &input);
        println!("{read:?}");
        return ExitCode::from(u8::from(read.is_err()));
    }
    println!("target      inputs   seconds  inputs/s  bytes an input  most memory");
    for target in targets {
        let begun = Instant::now();
        let result = run::run(target, &MEMORY, args.seed, args.inputs, args.most_bytes);
        let seconds = begun.elapsed().as_secs_f64();
        match result {
            Ok(tally) => println!(
                "{:<9} {:>8} {seconds:>9.1} {:>9.0} {:>15} {:>12}",
                target.name,
                tally.inputs,
                tally.inputs as f64 / seconds,
                tally.bytes / tally.inputs.max(1),
                tally.most_bytes,
            ),
            Err(fault) => {
                let file = format!("crash-{}-{}", target.name, fault.after);
                let written = std::fs::write(&file, &fault.input);
                println!("{} after {}: {}", target.name, fault.after, fault.what);
                println!("the input is in {file} ({written:?})");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn write_seeds(target: &'static Target) {
    let directory = run::corpus_directory(target);
    std::fs::create_dir_all(&directory).expect("the repository can be written");
    for (name, bytes) in seeds::seeds(target.name) {
        std::fs::write(directory.join(name), bytes).expect("the repository can be written");
    }
}

//! Measures speed and memory of the simulation: `cargo bench --bench engine`.
//!
//! Each part runs in a process of its own, so that its peak of memory is its own, and on one
//! thread. The classic `turmoil` 0.7.2 runs the same nodes under the same load, as one more
//! backend, for comparison. The output is a table of figures beside targets;
//! nothing here passes or fails, because a machine under load would decide.
//!
//! `cargo bench --bench engine -- closed idle` runs only the parts whose names contain one
//! of the words. Without `--bench`, which cargo passes, nothing runs: `cargo test --benches`
//! has nothing to learn from it.

mod engine;
mod figures;
mod machine;
mod parts;
mod table;

use std::process::{Command, ExitCode};

use figures::Figures;
use parts::{PARTS, Part};

/// The allocator of the `squall` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The argument with which this program runs a single part in its own process.
const SINGLE: &str = "--single-part";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, name] = arguments.as_slice()
        && first == SINGLE
    {
        return run_single(name);
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing to test: run `cargo bench --bench engine`");
        return ExitCode::SUCCESS;
    }
    let words: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let chosen = PARTS.iter().filter(|part| {
        let is_named = |word: &&String| part.name.contains(word.as_str());
        words.is_empty() || words.iter().any(is_named)
    });
    let mut measured = Vec::new();
    for part in chosen {
        eprintln!("{}: {}", part.name, part.title);
        match in_own_process(part) {
            Ok(figures) => measured.push((part, figures)),
            Err(why) => {
                eprintln!("{}: {why}", part.name);
                return ExitCode::FAILURE;
            }
        }
    }
    table::print(&measured);
    ExitCode::SUCCESS
}

fn run_single(name: &str) -> ExitCode {
    let part = PARTS.iter().find(|part| part.name == name);
    match part.ok_or_else(|| format!("there is no part {name}")) {
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
        Ok(part) => match (part.run)() {
            Err(why) => {
                eprintln!("{why}");
                ExitCode::FAILURE
            }
            Ok(mut figures) => {
                figures.peak_bytes = machine::peak_memory_bytes();
                println!("{}", figures.to_line());
                ExitCode::SUCCESS
            }
        },
    }
}

fn in_own_process(part: &Part) -> Result<Figures, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let output = Command::new(program)
        .args([SINGLE, part.name])
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("the part ended with {}", output.status));
    }
    Figures::from_line(&String::from_utf8_lossy(&output.stdout))
}

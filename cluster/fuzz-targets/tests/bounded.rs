//! A few thousand inputs of every target, the same at every run, and the corpus itself.

use peak_alloc::PeakAlloc;
use squall_fuzz::{TARGETS, run};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Inputs of targets that cost microseconds, and of those that talk to a node.
const FAST_INPUTS: u64 = 2_000;
const NODE_INPUTS: u64 = 300;

/// One test, since what is allocated is counted for the whole process.
#[test]
fn no_input_brings_anything_down_or_takes_more_memory_than_it_may() {
    run::watch_panics();
    for target in TARGETS {
        let inputs = if target.is_fast {
            FAST_INPUTS
        } else {
            NODE_INPUTS
        };
        match run::run(target, &MEMORY, 1, inputs, 4_096) {
            Ok(tally) => println!("{target:?}: {tally:?}"),
            Err(fault) => {
                // Watched panics say nothing by themselves.
                eprintln!("{target:?} after {}: {}", fault.after, fault.what);
                eprintln!("{}", fault.input.escape_ascii());
                std::process::exit(1);
            }
        }
    }
}

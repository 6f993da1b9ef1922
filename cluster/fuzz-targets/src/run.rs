//! Runs a target on many inputs that a seed makes of its corpus.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use peak_alloc::PeakAlloc;

use crate::Target;
use crate::mutate::Mutator;

/// What a run has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub inputs: u64,
    /// Bytes of all inputs.
    pub bytes: u64,
    /// Most bytes that one input took at its peak, beyond what was there before.
    pub most_bytes: usize,
}

/// An input that a target does not bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub what: String,
    pub input: Vec<u8>,
    /// How many inputs were borne before it.
    pub after: u64,
}

/// A task that panicked does not end its program; here it must not go unnoticed.
static PANICKED: AtomicBool = AtomicBool::new(false);
static WHY: Mutex<String> = Mutex::new(String::new());

/// Has every panic of this process counted against the input that is being read.
pub fn watch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let mut why = WHY.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !PANICKED.swap(true, Ordering::SeqCst) {
            *why = panic.to_string();
        }
    }));
}

/// The directory of the corpus of a target.
pub fn corpus_directory(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target.name)
}

/// The inputs in the corpus of a target, by the names of their files.
///
/// # Panics
/// There are none, or they cannot be read.
pub fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let directory = corpus_directory(target);
    let listed = std::fs::read_dir(&directory);
    let listed = listed.unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut files: Vec<PathBuf> = listed.flatten().map(|file| file.path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", directory.display());
    let read =
        |file: &PathBuf| std::fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    files.iter().map(read).collect()
}

/// Reads one input; the bytes that it took at its peak.
///
/// # Errors
/// What is wrong, in words.
pub fn read(target: &Target, memory: &PeakAlloc, input: &[u8]) -> Result<usize, String> {
    memory.reset_peak_usage();
    let before = memory.current_usage();
    let read = catch_unwind(AssertUnwindSafe(|| (target.read)(input)));
    let took = memory.peak_usage().saturating_sub(before);
    if read.is_err() | PANICKED.swap(false, Ordering::SeqCst) {
        let why = WHY.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        return Err(why.clone());
    }
    let bound = target.bound(input.len());
    match took <= bound {
        true => Ok(took),
        false => Err(format!(
            "{took} bytes for an input of {}, where {bound} are the most",
            input.len()
        )),
    }
}

/// Reads the corpus, and then inputs made of it, `inputs` in all but never less than the corpus;
/// the first that is not borne ends it. Panics must be watched, and `memory` be the allocator of
/// the process.
///
/// # Errors
/// That input, and what it brought about.
pub fn run(
    target: &'static Target,
    memory: &PeakAlloc,
    seed: u64,
    inputs: u64,
    most_bytes: usize,
) -> Result<Tally, Fault> {
    let corpus = corpus(target);
    let mut mutator = Mutator::new(seed, target.words, most_bytes);
    let mut tally = Tally {
        inputs: 0,
        bytes: 0,
        most_bytes: 0,
    };
    let mut input = Vec::new();
    while tally.inputs < inputs.max(corpus.len() as u64) {
        match corpus.get(tally.inputs as usize) {
            Some(known) => input.clone_from(known),
            None => mutator.next(&corpus, &mut input),
        }
        match read(target, memory, &input) {
            Ok(took) => tally.most_bytes = tally.most_bytes.max(took),
            Err(what) => {
                return Err(Fault {
                    what,
                    input,
                    after: tally.inputs,
                });
            }
        }
        tally.inputs += 1;
        tally.bytes += input.len() as u64;
    }
    Ok(tally)
}

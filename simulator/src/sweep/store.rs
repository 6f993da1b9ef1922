//! A sweep's directory: everything done so far, at any moment.
//!
//! ```text
//! sweep.json      what is swept; written before the first seed runs
//! scenarios/      the scenarios as they were then
//! hardware.toml   the profile as it was then, if there was one
//! results.jsonl   one line a finished seed, in the order in which they finished
//! failures/       run directories of failed seeds, the first few of every cause
//! summary.json, summary.md, summary.csv, seeds.csv    written at the end
//! ```
//!
//! A line is appended when a seed is done and everything else about it is in place. Whatever
//! kills the sweep therefore costs at most the seeds that were running: a last line that was
//! cut short is dropped, and what those seeds left behind is cleared away. A line is not
//! synced to the disk one by one, so a machine that loses power may cost a few seeds more.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::failures::{FAILURES, dir_name, kept};
use super::result::{Results, SeedResult};
use super::spec::{FORMAT_VERSION, Spec, Task};
use super::summary::Summary;

const SPEC: &str = "sweep.json";
const SPEC_DRAFT: &str = ".sweep.json";
const RESULTS: &str = "results.jsonl";
/// Written when the summary is shown.
const SUMMARY: &str = "summary.json";
const PROFILE: &str = "hardware.toml";
const SCENARIOS: &str = "scenarios";
/// Run directories of seeds that are running.
const WORKING: &str = ".working";

/// Why a sweep's directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// Of the file or directory.
        path: String,
        /// As the operating system has it.
        source: io::Error,
    },
    /// There is something else; the path.
    #[error("{0}: exists, and is no sweep; name another directory with --out")]
    NotOurs(String),
    /// There is no `sweep.json`; the path.
    #[error("{0}: no sweep (it has no {SPEC})")]
    NotASweep(String),
    /// Another process has it locked; the path.
    #[error("{0}: another sweep is at work there")]
    Busy(String),
    /// A file is not what its name says.
    #[error("{path}: {detail}")]
    Malformed {
        /// Of the file.
        path: String,
        /// What the parser did not like.
        detail: String,
    },
    /// There is a sweep, and it is not this one.
    #[error("{path}: holds another sweep: {difference}; name another directory with --out")]
    Another {
        /// Of the directory.
        path: String,
        /// What differs, in words.
        difference: String,
    },
}

/// The directory of a sweep: its results so far, to which more are added.
pub struct Store {
    path: PathBuf,
    spec: Spec,
    results: Results,
    lines: File,
    /// Run directories kept for each cause.
    most_kept: usize,
    /// Their names.
    kept: BTreeSet<String>,
}

impl Store {
    /// Begins the sweep in a new or empty directory, or goes on with it where it stopped.
    ///
    /// # Errors
    /// The directory holds something else, or cannot be used.
    pub fn open(path: &Path, spec: &Spec, most_kept: usize) -> Result<Self, StoreError> {
        let at = |e| io_error(path, e);
        fs::create_dir_all(path).map_err(at)?;
        if path.join(SPEC).is_file() {
            let before = read_spec(path)?;
            let differs = |difference| StoreError::Another {
                path: path.display().to_string(),
                difference,
            };
            before.must_match(spec).map_err(differs)?;
        } else {
            let entries = fs::read_dir(path).map_err(at)?;
            // A sweep that was killed before it began leaves its draft.
            let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
            if names.into_iter().any(|name| name != SPEC_DRAFT) {
                return Err(StoreError::NotOurs(path.display().to_string()));
            }
            write_spec(path, spec)?;
        }
        let lines = open_lines(&path.join(RESULTS))?;
        // Under the lock of the lines: nobody else adds to them any more.
        let results = read_results(path)?;
        write_scenarios(path, spec)?;
        let store = Self {
            lines,
            path: path.into(),
            spec: spec.clone(),
            kept: kept(results.values(), most_kept),
            results,
            most_kept,
        };
        store.clear_away()?;
        Ok(store)
    }

    /// As it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// By task; those of earlier sittings too.
    pub fn results(&self) -> &Results {
        &self.results
    }

    /// Whether it has a result, whatever that is.
    pub fn is_done(&self, task: Task) -> bool {
        let name = self.spec.scenarios[task.scenario].name.clone();
        self.results.contains_key(&(name, task.seed))
    }

    /// Where a seed that is running may put its run directory.
    pub fn working_dir(&self, scenario: &str, seed: u64) -> PathBuf {
        Self::working_dir_in(&self.path, scenario, seed)
    }

    /// The same, of the sweep in a directory.
    pub fn working_dir_in(path: &Path, scenario: &str, seed: u64) -> PathBuf {
        path.join(WORKING).join(dir_name(scenario, seed))
    }

    /// A seed is done: what it left behind is kept or removed, then its line is written.
    ///
    /// # Errors
    /// The disk's.
    pub fn add(&mut self, result: SeedResult) -> Result<(), StoreError> {
        let name = dir_name(&result.scenario, result.seed);
        let left = self.working_dir(&result.scenario, result.seed);
        let line = result.to_line() + "\n";
        let key = (result.scenario.clone(), result.seed);
        let has_failed = result.cause().is_some();
        self.results.insert(key, result);
        let before = std::mem::take(&mut self.kept);
        self.kept = match has_failed {
            true => kept(self.results.values(), self.most_kept),
            false => before.clone(),
        };
        if left.exists() {
            match self.kept.contains(&name) {
                true => {
                    let failures = self.path.join(FAILURES);
                    fs::create_dir_all(&failures).map_err(|e| io_error(&failures, e))?;
                    remove(&failures.join(&name))?;
                    fs::rename(&left, failures.join(&name)).map_err(|e| io_error(&left, e))?;
                }
                false => remove(&left)?,
            }
        }
        let path = self.path.join(RESULTS);
        (self.lines.write_all(line.as_bytes())).map_err(|e| io_error(&path, e))?;
        for evicted in before.difference(&self.kept) {
            remove(&self.path.join(FAILURES).join(evicted))?;
        }
        Ok(())
    }

    /// Removes what an interrupted sweep left behind, and directories that are not kept.
    fn clear_away(&self) -> Result<(), StoreError> {
        remove(&self.path.join(WORKING))?;
        let failures = self.path.join(FAILURES);
        let Ok(entries) = fs::read_dir(&failures) else {
            return Ok(());
        };
        for entry in entries {
            let entry = entry.map_err(|e| io_error(&failures, e))?;
            if !self.kept.contains(&*entry.file_name().to_string_lossy()) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes the working directory, once nothing runs.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(self) -> Result<Results, StoreError> {
        remove(&self.path.join(WORKING))?;
        Ok(self.results)
    }
}

/// What is swept in a directory, and the results so far. Changes nothing but a last line
/// that was cut short, which is dropped from what is returned.
///
/// # Errors
/// It is no sweep, or is damaged.
pub fn read(path: &Path) -> Result<(Spec, Results), StoreError> {
    Ok((read_spec(path)?, read_results(path)?))
}

/// Whether the directory holds a sweep.
pub fn is_sweep(path: &Path) -> bool {
    path.join(SPEC).is_file()
}

/// The summary that was written at the end; `None` before that.
///
/// # Errors
/// The disk's, or the file is none of this version.
pub fn summary(path: &Path) -> Result<Option<Summary>, StoreError> {
    let file = path.join(SUMMARY);
    match fs::read_to_string(&file) {
        Ok(text) => (serde_json::from_str(&text).map(Some)).map_err(|e| malformed(&file, e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io_error(&file, e)),
    }
}

fn read_spec(path: &Path) -> Result<Spec, StoreError> {
    let file = path.join(SPEC);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::NotASweep(path.display().to_string()));
        }
        Err(e) => return Err(io_error(&file, e)),
    };
    let spec: Spec = serde_json::from_str(&text).map_err(|e| malformed(&file, e))?;
    if spec.squall_sweep != FORMAT_VERSION {
        let detail = format!(
            "format {}, but this program reads format {FORMAT_VERSION}",
            spec.squall_sweep
        );
        return Err(malformed(&file, detail));
    }
    Ok(spec)
}

fn read_results(path: &Path) -> Result<Results, StoreError> {
    let file = path.join(RESULTS);
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(io_error(&file, e)),
    };
    let mut results = Results::new();
    // A line that was cut short may end within a character.
    let whole = std::str::from_utf8(&bytes[..whole_lines(&bytes)]);
    let whole = whole.map_err(|e| malformed(&file, e))?;
    for (number, line) in (1..).zip(whole.lines()) {
        let result: SeedResult = serde_json::from_str(line)
            .map_err(|e| malformed(&file, format!("line {number}: {e}")))?;
        results.insert((result.scenario.clone(), result.seed), result);
    }
    Ok(results)
}

/// Writes a whole sweep at once, as merging does.
///
/// # Errors
/// The disk's.
pub fn write(path: &Path, spec: &Spec, results: &Results) -> Result<(), StoreError> {
    let file = path.join(RESULTS);
    let lines: String = results
        .values()
        .map(|result| result.to_line() + "\n")
        .collect();
    fs::write(&file, lines).map_err(|e| io_error(&file, e))?;
    write_scenarios(path, spec)?;
    write_spec(path, spec)
}

/// Where a scenario is, as it was when the sweep began.
pub fn scenario_path(path: &Path, scenario: &str) -> PathBuf {
    path.join(SCENARIOS).join(format!("{scenario}.toml"))
}

/// Where the profile is, if there is one, as it was when the sweep began.
pub fn profile_path(path: &Path) -> PathBuf {
    path.join(PROFILE)
}

fn write_spec(path: &Path, spec: &Spec) -> Result<(), StoreError> {
    let text = serde_json::to_string_pretty(spec).expect("a spec is plain data");
    // Moved into place whole: a sweep that is killed here has not begun.
    let (draft, file) = (path.join(SPEC_DRAFT), path.join(SPEC));
    let written = fs::write(&draft, text + "\n").and_then(|()| fs::rename(&draft, &file));
    written.map_err(|e| io_error(&file, e))
}

fn write_scenarios(path: &Path, spec: &Spec) -> Result<(), StoreError> {
    let scenarios = path.join(SCENARIOS);
    fs::create_dir_all(&scenarios).map_err(|e| io_error(&scenarios, e))?;
    for scenario in &spec.scenarios {
        let file = scenario_path(path, &scenario.name);
        fs::write(&file, &scenario.text).map_err(|e| io_error(&file, e))?;
    }
    if let Some(profile) = &spec.profile {
        let file = profile_path(path);
        fs::write(&file, &profile.text).map_err(|e| io_error(&file, e))?;
    }
    Ok(())
}

/// Opens the lines for appending, without a last one that was cut short.
fn open_lines(path: &Path) -> Result<File, StoreError> {
    let at = |e| io_error(path, e);
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).open(path).map_err(at)?;
    // Released by the kernel, whatever ends the process.
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => {
            return Err(StoreError::Busy(path.display().to_string()));
        }
        Err(fs::TryLockError::Error(e)) => return Err(at(e)),
        Ok(()) => {}
    }
    let whole = whole_lines(&fs::read(path).map_err(at)?);
    file.set_len(whole as u64).map_err(at)?;
    Ok(file)
}

/// Length of the lines that end.
fn whole_lines(bytes: &[u8]) -> usize {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    end.map_or(0, |end| end + 1)
}

fn remove(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error(dir, e)),
        _ => Ok(()),
    }
}

fn io_error(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        path: path.display().to_string(),
        source,
    }
}

fn malformed(path: &Path, detail: impl ToString) -> StoreError {
    StoreError::Malformed {
        path: path.display().to_string(),
        detail: detail.to_string(),
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

//! One side of a comparison, read from a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::run_dir::{CRASH, RunDir, RunDirError, run_name};
use crate::sweep::{Ending, SeedResult, StoreError, store};

/// Mentioned where runs of several backends lie together.
const MIXED: &str = "mixed";

/// Why a side cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum SideError {
    /// A run directory that cannot be read.
    #[error(transparent)]
    Run(#[from] RunDirError),
    /// A sweep that cannot be read.
    #[error(transparent)]
    Sweep(#[from] StoreError),
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// As it was given.
        path: String,
        /// As the operating system has it.
        source: std::io::Error,
    },
    /// Nothing in it that could be compared; the path.
    #[error(
        "{0}: neither a run directory (no run.json), nor a sweep (no sweep.json), nor a \
         directory that holds run directories"
    )]
    Neither(String),
    /// No run came to a report; the path.
    #[error("{0}: no run in it came to a report")]
    Empty(String),
}

/// Runs to compare.
#[derive(Debug)]
pub struct Side {
    /// As it was given.
    pub(super) path: String,
    pub(super) backend: String,
    /// By scenario, and by variant where there are any: `NAME-VARIANT`.
    runs: BTreeMap<String, Runs>,
}

/// Runs of one name, and every way in which they were made.
#[derive(Debug, Default)]
struct Runs {
    results: Vec<SeedResult>,
    made: BTreeSet<Made>,
}

/// What a side has of one name.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) path: &'a str,
    pub(super) backend: &'a str,
    pub(super) name: &'a str,
    runs: &'a Runs,
}

/// How a run was made. Only runs that were made alike are one distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Made {
    /// Of the scenario.
    pub text: String,
    /// Overrides, in order.
    pub settings: Vec<(String, String)>,
    /// Path of the hardware profile, if there was one.
    pub profile: Option<String>,
}

impl Side {
    /// Reads a run directory, a directory of run directories, or a sweep. In a directory, a run
    /// that came to no verdict counts as crashed, and one that is met again through a link
    /// counts once.
    ///
    /// # Errors
    /// It is none of these, is damaged, or holds nothing to compare.
    pub fn load(path: &Path) -> Result<Side, SideError> {
        let side = if path.join("sweep.json").is_file() {
            Side::of_sweep(path)?
        } else if RunDir::is_at(path) {
            RunDir::open(path)?.0.must_have_verdict()?;
            Side::of_runs(path, &[path.to_owned()])?
        } else {
            let runs = run_dirs(path)?;
            if runs.is_empty() {
                return Err(SideError::Neither(path.display().to_string()));
            }
            Side::of_runs(path, &runs)?
        };
        let mut results = side.runs.values().flat_map(|runs| &runs.results);
        match results.any(|result| result.run.is_some()) {
            true => Ok(side),
            false => Err(SideError::Empty(side.path)),
        }
    }

    fn of_sweep(path: &Path) -> Result<Side, SideError> {
        let (spec, results) = store::read(path)?;
        let mut side = Side {
            backend: spec.backend,
            ..Side::empty(&path.display().to_string())
        };
        let texts = spec.scenarios.into_iter();
        let texts: BTreeMap<_, _> = texts.map(|swept| (swept.name, swept.text)).collect();
        let profile = spec.profile.map(|profile| profile.path);
        for result in results.into_values() {
            let text = texts.get(&result.scenario).cloned();
            side.add(
                result,
                Made {
                    text: text.unwrap_or_default(),
                    settings: spec.settings.clone(),
                    profile: profile.clone(),
                },
            );
        }
        Ok(side)
    }

    fn of_runs(path: &Path, dirs: &[PathBuf]) -> Result<Side, SideError> {
        let mut side = Side::empty(&path.display().to_string());
        let mut backends = BTreeSet::new();
        for dir in dirs {
            let (dir, manifest) = RunDir::open(dir)?;
            let text = dir.scenario_text()?;
            let result = match dir.crash() {
                Some(why) => {
                    backends.insert(manifest.backend);
                    let name = name_in(&text).unwrap_or(manifest.scenario);
                    SeedResult::without_run(&name, manifest.seed, Ending::Crashed, why)
                }
                None => {
                    let report = dir.report()?;
                    backends.insert(report.backend.clone());
                    SeedResult::of(&report)
                }
            };
            let made = Made {
                text,
                settings: manifest.settings,
                profile: manifest.profile,
            };
            side.add(result, made);
        }
        side.backend = match backends.len() {
            1 => backends.pop_first().expect("there is one"),
            _ => MIXED.into(),
        };
        Ok(side)
    }

    pub(super) fn empty(path: &str) -> Side {
        Side {
            path: path.into(),
            backend: String::new(),
            runs: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, result: SeedResult, made: Made) {
        let name = run_name(&result.scenario, &made.settings);
        let runs = self.runs.entry(name).or_default();
        runs.results.push(result);
        runs.made.insert(made);
    }

    /// By name.
    pub(super) fn parts(&self) -> Vec<Part<'_>> {
        let runs = self.runs.iter();
        let parts = runs.map(|(name, runs)| Part {
            path: &self.path,
            backend: &self.backend,
            name,
            runs,
        });
        parts.collect()
    }
}

impl<'a> Part<'a> {
    pub(super) fn results(&self) -> impl Iterator<Item = &'a SeedResult> + use<'a> {
        self.runs.results.iter()
    }

    /// Every value that occurs of something that runs are made with.
    pub(super) fn all<T: Ord>(&self, what: impl Fn(&Made) -> T) -> BTreeSet<T> {
        self.runs.made.iter().map(what).collect()
    }
}

/// What the scenario calls itself.
fn name_in(text: &str) -> Option<String> {
    let document = toml::from_str::<toml::Table>(text).ok()?;
    Some(document.get("name")?.as_str()?.to_owned())
}

/// The run directories right below a directory that came to a report, or to none for a reason
/// that they tell, by name; each once.
fn run_dirs(path: &Path) -> Result<Vec<PathBuf>, SideError> {
    let io = |source| SideError::Io {
        path: path.display().to_string(),
        source,
    };
    let mut dirs = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let dir = entry.map_err(io)?.path();
        let is_over = || ["report.json", CRASH].map(|name| dir.join(name).is_file());
        if RunDir::is_at(&dir) && is_over().contains(&true) {
            dirs.push(dir);
        }
    }
    dirs.sort();
    let mut seen = BTreeSet::new();
    // What cannot be resolved is read all the same, and says why.
    dirs.retain(|dir| fs::canonicalize(dir).map_or(true, |dir| seen.insert(dir)));
    Ok(dirs)
}

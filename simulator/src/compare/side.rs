//! One side of a comparison, read from a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::run_dir::{RunDir, RunDirError};
use crate::sweep::{SeedResult, StoreError, store};

/// Mentioned where runs of several backends lie together.
const MIXED: &str = "mixed";

#[derive(Debug, thiserror::Error)]
pub enum SideError {
    #[error(transparent)]
    Run(#[from] RunDirError),
    #[error(transparent)]
    Sweep(#[from] StoreError),
    #[error("{path}: {source}")]
    Io {
        path: String,
        source: std::io::Error,
    },
    #[error(
        "{0}: neither a run directory (no run.json), nor a sweep (no sweep.json), nor a \
         directory that holds run directories"
    )]
    Neither(String),
    #[error("{0}: no run in it came to a report")]
    Empty(String),
}

/// Runs to compare.
#[derive(Debug)]
pub struct Side {
    /// As it was given.
    pub(super) path: String,
    pub(super) backend: String,
    pub(super) settings: Vec<(String, String)>,
    pub(super) profile: Option<String>,
    /// By scenario.
    results: BTreeMap<String, Vec<SeedResult>>,
    /// Texts of the scenarios.
    texts: BTreeMap<String, String>,
}

impl Side {
    /// Reads a run directory, a directory of run directories, or a sweep.
    ///
    /// # Errors
    /// It is none of these, is damaged, or holds nothing to compare.
    pub fn load(path: &Path) -> Result<Side, SideError> {
        let side = if path.join("sweep.json").is_file() {
            Side::of_sweep(path)?
        } else if path.join("run.json").is_file() {
            Side::of_runs(path, &[path.to_owned()])?
        } else {
            let runs = run_dirs(path)?;
            if runs.is_empty() {
                return Err(SideError::Neither(path.display().to_string()));
            }
            Side::of_runs(path, &runs)?
        };
        let mut results = side.results.values().flatten();
        match results.any(|result| result.run.is_some()) {
            true => Ok(side),
            false => Err(SideError::Empty(side.path)),
        }
    }

    fn of_sweep(path: &Path) -> Result<Side, SideError> {
        let (spec, results) = store::read(path)?;
        let mut side = Side {
            backend: "sim".into(),
            settings: spec.settings,
            profile: spec.profile.map(|profile| profile.path),
            ..Side::empty(&path.display().to_string())
        };
        let texts = spec.scenarios.into_iter();
        side.texts = texts.map(|swept| (swept.name, swept.text)).collect();
        for result in results.into_values() {
            side.add(result);
        }
        Ok(side)
    }

    fn of_runs(path: &Path, dirs: &[PathBuf]) -> Result<Side, SideError> {
        let mut side = Side::empty(&path.display().to_string());
        let mut backends = BTreeSet::new();
        for dir in dirs {
            let (dir, manifest) = RunDir::open(dir)?;
            let report = dir.report()?;
            backends.insert(report.backend.clone());
            side.add_with_text(SeedResult::of(&report), &dir.scenario_text()?);
            (side.settings, side.profile) = (manifest.settings, manifest.profile);
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
            settings: Vec::new(),
            profile: None,
            results: BTreeMap::new(),
            texts: BTreeMap::new(),
        }
    }

    /// Adds a run whose scenario has this text.
    pub(super) fn add_with_text(&mut self, result: SeedResult, text: &str) {
        self.texts.insert(result.scenario.clone(), text.into());
        self.add(result);
    }

    fn add(&mut self, result: SeedResult) {
        let of_it = self.results.entry(result.scenario.clone());
        of_it.or_default().push(result);
    }

    pub(super) fn scenarios(&self) -> Vec<&str> {
        self.results.keys().map(String::as_str).collect()
    }

    pub(super) fn of(&self, scenario: &str) -> Vec<&SeedResult> {
        self.results.get(scenario).into_iter().flatten().collect()
    }

    pub(super) fn text(&self, scenario: &str) -> Option<&str> {
        self.texts.get(scenario).map(String::as_str)
    }
}

/// The run directories right below a directory that came to a report, by name.
fn run_dirs(path: &Path) -> Result<Vec<PathBuf>, SideError> {
    let io = |source| SideError::Io {
        path: path.display().to_string(),
        source,
    };
    let mut dirs = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let dir = entry.map_err(io)?.path();
        if dir.join("run.json").is_file() && dir.join("report.json").is_file() {
            dirs.push(dir);
        }
    }
    dirs.sort();
    Ok(dirs)
}

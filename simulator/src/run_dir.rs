//! A run directory: everything that a run leaves behind, and all that is needed to judge or
//! play it again.
//!
//! ```text
//! scenario.toml   the scenario as it was written
//! hardware.toml   the profile that it ran with, if there was one
//! run.json        seed, backend, overrides, version: what else a replay needs
//! plan.txt        what was to happen
//! history.jsonl   what happened, one event a line
//! nodes/*.jsonl   the same, what each node said of itself
//! resources.csv   what each node used of its machine, of runs on containers
//! report.json     measures, checks, verdict
//! report.md       the same to read
//! baseline.json   what it was compared with, if anything
//! crash.txt       instead of these from the history on: why a sweep's seed came to no verdict
//! ```
//!
//! The directory is made and tried out before the run, so that a full or read-only disk is
//! found out before an hour of simulation and not after.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::history::jsonl::{Header, HistoryError};
use crate::history::{EventKind, History};
use crate::measure::Resources;
use crate::report::{self, Report};
use crate::run::{Context, DOCKER, Judged, header, resources};
use crate::scenario::{Profile, Scenario, ScenarioError};

const MANIFEST: &str = "run.json";
const REPORT: &str = "report.json";
const BASELINE: &str = "baseline.json";
/// The text of the profile, if there is one.
const PROFILE: &str = "hardware.toml";
/// What nodes used, of runs on real machines.
const RESOURCES: &str = "resources.csv";
/// Stands in the place of history and report when there is none.
const CRASH: &str = "crash.txt";
/// A run of any length needs this much, or it is not worth starting.
const LEAST_FREE_BYTES: usize = 1 << 20;

/// What a replay needs beside the scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Path of the scenario as it was given.
    pub scenario: String,
    pub seed: u64,
    pub backend: String,
    /// Overrides, in order.
    pub settings: Vec<(String, String)>,
    /// Id of the planted bug that was active, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<String>,
    /// Path of the profile as it was given, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Of the program that made the run.
    pub version: String,
    /// UTC, RFC 3339, when the run began; runs of version 0.1.0 may lack it, and none that
    /// came to no verdict has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// What made the run; runs of version 0.1.0 may lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

impl Manifest {
    /// The command that does the same again.
    pub fn reproduce(&self) -> String {
        let command = run_command(
            &self.scenario,
            self.seed,
            self.profile.as_deref(),
            &self.settings,
            self.planted.as_deref(),
        );
        match self.is_repeatable() {
            true => command,
            false => format!("{command} --backend {}", self.backend),
        }
    }

    /// Whether the same happens when it is run again.
    pub fn is_repeatable(&self) -> bool {
        self.backend != DOCKER
    }
}

/// What a stored run, whose report names its scenario only, is called among others.
pub use crate::scenario::variant::{VARIANT, run_name};

/// `squall run SCENARIO --seed N` with everything that matters.
pub fn run_command(
    scenario: &str,
    seed: u64,
    profile: Option<&str>,
    settings: &[(String, String)],
    planted: Option<&str>,
) -> String {
    let mut command = format!("squall run {scenario} --seed {seed}");
    if let Some(path) = profile {
        command += &format!(" --profile {path}");
    }
    for (key, value) in settings {
        command += &format!(" --set '{key}={value}'");
    }
    if let Some(id) = planted {
        command += &format!(" --planted {id}");
    }
    command
}

#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{0}: exists, and is no run directory; name another with --out")]
    NotOurs(String),
    #[error("{0}: no run directory (it has no {MANIFEST})")]
    NotARun(String),
    #[error("{path}: {detail}")]
    Malformed { path: String, detail: String },
    #[error("{path}: {source}")]
    History { path: String, source: HistoryError },
}

/// The directory of one run.
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the directory, or empties the one of an earlier run, and proves that it can be
    /// written to.
    ///
    /// # Errors
    /// It cannot be made or written, has no room, or holds something that is no run.
    pub fn create(path: &Path) -> Result<Self, RunDirError> {
        let dir = Self { path: path.into() };
        let at = |e| dir.io("", e);
        if path.exists() {
            let is_empty = fs::read_dir(path).map_err(at)?.next().is_none();
            if !is_empty && !path.join(MANIFEST).is_file() {
                return Err(RunDirError::NotOurs(path.display().to_string()));
            }
        }
        fs::create_dir_all(path.join("nodes")).map_err(at)?;
        for entry in fs::read_dir(path.join("nodes")).map_err(at)? {
            fs::remove_file(entry.map_err(at)?.path()).map_err(at)?;
        }
        dir.try_out().map_err(at)?;
        dir.remove(CRASH)?;
        Ok(dir)
    }

    /// The directory of a finished run.
    ///
    /// # Errors
    /// It is none.
    pub fn open(path: &Path) -> Result<(Self, Manifest), RunDirError> {
        let dir = Self { path: path.into() };
        let file = path.join(MANIFEST);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(RunDirError::NotARun(path.display().to_string()));
            }
            Err(e) => return Err(dir.io(MANIFEST, e)),
        };
        let manifest = serde_json::from_str(&text).map_err(|e| RunDirError::Malformed {
            path: file.display().to_string(),
            detail: e.to_string(),
        })?;
        Ok((dir, manifest))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes as much as the smallest run needs, and removes it again.
    fn try_out(&self) -> io::Result<()> {
        let probe = self.path.join(".squall-probe");
        let written = File::create(&probe).and_then(|mut file| {
            file.write_all(&vec![0; LEAST_FREE_BYTES])?;
            file.sync_all()
        });
        let removed = fs::remove_file(&probe);
        written.and(removed)
    }

    /// Writes everything.
    ///
    /// # Errors
    /// The disk's own.
    pub fn write(
        &self,
        manifest: &Manifest,
        scenario: &Scenario,
        run: &Judged,
    ) -> Result<(), RunDirError> {
        let manifest = serde_json::to_string_pretty(manifest).expect("plain data");
        self.put("scenario.toml", scenario.text())?;
        self.put_profile(scenario.profile_text())?;
        self.put("plan.txt", &run.plan.to_string())?;
        self.write_history(run)?;
        match run.resources.is_empty() {
            true => self.remove(RESOURCES)?,
            false => self.put(RESOURCES, &resources::to_csv(&run.resources))?,
        }
        self.put(REPORT, &run.report.to_json())?;
        self.put("report.md", &report::markdown(&run.report))?;
        match &run.context.reference {
            Some(reference) => {
                let text = serde_json::to_string_pretty(reference).expect("plain data");
                self.put(BASELINE, &(text + "\n"))?;
            }
            None => self.remove(BASELINE)?,
        }
        // Last: a directory with it is complete.
        self.put(MANIFEST, &(manifest + "\n"))
    }

    /// Writes what is left of a run that ended without a verdict: enough to play it again.
    ///
    /// # Errors
    /// The disk's own.
    pub fn write_crash(
        &self,
        manifest: &Manifest,
        scenario: &str,
        profile: Option<&str>,
        why: &str,
    ) -> Result<(), RunDirError> {
        let manifest = serde_json::to_string_pretty(manifest).expect("plain data");
        self.put("scenario.toml", scenario)?;
        self.put_profile(profile)?;
        self.put(CRASH, &format!("{why}\n"))?;
        self.put(MANIFEST, &(manifest + "\n"))
    }

    /// Why the run ended without a verdict, if it did.
    pub fn crash(&self) -> Option<String> {
        let text = fs::read_to_string(self.path.join(CRASH)).ok()?;
        Some(text.trim_end().to_owned())
    }

    fn write_history(&self, run: &Judged) -> Result<(), RunDirError> {
        let path = self.path.join("history.jsonl");
        let file = File::create(&path).map_err(|e| self.io("history.jsonl", e))?;
        let mut out = BufWriter::new(file);
        (run.history.write(&header(&run.plan), &mut out)).map_err(|source| {
            RunDirError::History {
                path: path.display().to_string(),
                source,
            }
        })?;
        out.flush().map_err(|e| self.io("history.jsonl", e))?;
        let mut nodes: BTreeMap<&str, String> = BTreeMap::new();
        for event in &run.history.events {
            if let EventKind::Node { node, .. } = &event.kind {
                let text = nodes.entry(node).or_default();
                *text += &serde_json::to_string(event).expect("plain data");
                text.push('\n');
            }
        }
        for (node, text) in nodes {
            self.put(&format!("nodes/{node}.jsonl"), &text)?;
        }
        Ok(())
    }

    /// The scenario as it was run.
    ///
    /// # Errors
    /// The file's or the scenario's, in words.
    pub fn scenario(&self, manifest: &Manifest) -> Result<Scenario, RunDirError> {
        let malformed = |path: &Path, e: ScenarioError| RunDirError::Malformed {
            path: path.display().to_string(),
            detail: e.to_string(),
        };
        let profile = match manifest.profile {
            Some(_) => {
                let path = self.path.join(PROFILE);
                Some(Profile::load(&path).map_err(|e| malformed(&path, e))?)
            }
            None => None,
        };
        let path = self.path.join("scenario.toml");
        let scenario = Scenario::load_on(&path, profile.as_ref(), &manifest.settings);
        scenario.map_err(|e| malformed(&path, e))
    }

    /// The scenario's text.
    pub fn scenario_text(&self) -> Result<String, RunDirError> {
        let name = "scenario.toml";
        fs::read_to_string(self.path.join(name)).map_err(|e| self.io(name, e))
    }

    pub fn history(&self) -> Result<(Header, History), RunDirError> {
        let path = self.path.join("history.jsonl");
        let file = File::open(&path).map_err(|e| self.io("history.jsonl", e))?;
        History::read(BufReader::new(file)).map_err(|source| RunDirError::History {
            path: path.display().to_string(),
            source,
        })
    }

    /// Removes a file of an earlier run, if there is one.
    fn remove(&self, name: &str) -> Result<(), RunDirError> {
        match fs::remove_file(self.path.join(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(self.io(name, e)),
            _ => Ok(()),
        }
    }

    /// What the run is judged by beside its plan and history.
    ///
    /// # Errors
    /// A file of it is damaged.
    pub fn context(&self) -> Result<Context, RunDirError> {
        let malformed = |name: &str, detail: String| RunDirError::Malformed {
            path: self.path.join(name).display().to_string(),
            detail,
        };
        let reference = self.get(BASELINE)?.map(|text| serde_json::from_str(&text));
        let reference = reference.transpose();
        let resources = self.get(RESOURCES)?.map(|text| Resources::parse(&text));
        Ok(Context {
            reference: reference.map_err(|e| malformed(BASELINE, e.to_string()))?,
            resources: resources.transpose().map_err(|e| malformed(RESOURCES, e))?,
        })
    }

    /// A file that may be there.
    fn get(&self, name: &str) -> Result<Option<String>, RunDirError> {
        match fs::read_to_string(self.path.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.io(name, e)),
        }
    }

    /// The report as it was written.
    ///
    /// # Errors
    /// It is not there, since the run came to no verdict, or another version wrote it.
    pub fn report(&self) -> Result<Report, RunDirError> {
        let path = self.path.join(REPORT);
        let text = fs::read_to_string(&path).map_err(|e| self.io(REPORT, e))?;
        serde_json::from_str(&text).map_err(|e| RunDirError::Malformed {
            path: path.display().to_string(),
            detail: format!(
                "{e}; if another version of squall made the run, `squall check` judges it anew"
            ),
        })
    }

    fn put_profile(&self, text: Option<&str>) -> Result<(), RunDirError> {
        match text {
            Some(text) => self.put(PROFILE, text),
            None => self.remove(PROFILE),
        }
    }

    fn put(&self, name: &str, text: &str) -> Result<(), RunDirError> {
        fs::write(self.path.join(name), text).map_err(|e| self.io(name, e))
    }

    fn io(&self, name: &str, source: io::Error) -> RunDirError {
        let path = match name.is_empty() {
            true => self.path.clone(),
            false => self.path.join(name),
        };
        RunDirError::Io {
            path: path.display().to_string(),
            source,
        }
    }
}

//! A run directory: everything that a run leaves behind, and all that is needed to judge or
//! play it again.
//!
//! ```text
//! scenario.toml   the scenario as it was written
//! hardware.toml   the profile that it ran with, if there was one
//! system.toml     the file of the system that ran instead of Squall's own cluster, if one did
//! run.json        seed, backend, overrides, version: what else a replay needs
//! plan.txt        what was to happen
//! history.jsonl   what happened, one event a line
//! nodes/*.jsonl   the same, what each node said of itself
//! nodes/*.log     what nodes logged, on the run's clock, if there was anything to keep
//! resources.csv   what each node used of its machine, of runs on containers and processes
//! report.json     measures, checks, verdict
//! report.md       the same to read
//! report.html     the same as a page with a player, of a simulated run that broke a check
//! baseline.json   what it was compared with, if anything
//! alerts.json     what alerts showed and what was done about them, if there were any
//! crash.txt       instead of these from the history on: why a sweep's seed came to no verdict
//! ```
//!
//! The directory is made and tried out before the run, so that a full or read-only disk is
//! found out before an hour of simulation and not after. From then on until `run.json`, the
//! last file, is there, a marker says whose it is, so that the same command may take the
//! directory again after an interruption. Nothing is removed from a directory that has neither.

mod manifest;
mod system;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::backends::{self, Logs};
use crate::history::jsonl::{Header, HistoryError};
use crate::history::{EventKind, History};
use crate::measure::Resources;
use crate::report::{self, Report};
use crate::run::{Context, Judged, header, resources};
use crate::scenario::{Profile, Scenario, ScenarioError};
pub use manifest::{Manifest, run_command, shell_word};

const MANIFEST: &str = "run.json";
/// The first file: the directory is ours, and the run has not ended.
const MARKER: &str = ".squall-unfinished";
const MARKER_TEXT: &[u8] = b"\
A run of squall is at work here, or was ended before its time. The command that made this
directory may be given again.
";
/// Name of the history in a run directory.
pub const HISTORY: &str = "history.jsonl";
const REPORT: &str = "report.json";
const MARKDOWN: &str = "report.md";
/// What `squall report --html` leaves, and a run that broke a check.
pub const PAGE: &str = "report.html";
const BASELINE: &str = "baseline.json";
const ALERTS: &str = "alerts.json";
/// The text of the profile, if there is one.
const PROFILE: &str = "hardware.toml";
/// What nodes used, of runs on real machines.
pub const RESOURCES: &str = "resources.csv";
/// Stands in the place of history and report when there is none.
pub const CRASH: &str = "crash.txt";
/// What must not be taken for the outcome of a run that is about to be made. What it will be
/// made of stays: someone may run a scenario from the directory that it has left.
const OUTCOMES: [&str; 9] = [
    MANIFEST, CRASH, HISTORY, RESOURCES, REPORT, MARKDOWN, PAGE, BASELINE, ALERTS,
];
/// A run of any length needs this much, or it is not worth starting.
const LEAST_FREE_BYTES: usize = 1 << 20;

/// What a stored run, whose report names its scenario only, is called among others.
pub use crate::scenario::variant::{VARIANT, run_name};

/// Why a run directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// Of the file or directory.
        path: String,
        /// As the operating system has it.
        source: io::Error,
    },
    /// There is something else; the path.
    #[error("{0}: exists, and is no run directory; name another with --out")]
    NotOurs(String),
    /// There is a run, and it is not this one.
    #[error(
        "{path}: holds the run of {scenario} with seed {seed}{on}; name another directory with \
         --out, or remove this one"
    )]
    Another {
        /// Of the directory.
        path: String,
        /// Of the run that is there.
        scenario: String,
        /// Of the run that is there.
        seed: u64,
        /// On which system it was, if that is not Squall's own cluster: ` on etcd`.
        on: String,
    },
    /// Another process has it locked; the path.
    #[error("{0}: another run is at work there")]
    Busy(String),
    /// There is no manifest; the path.
    #[error("{0}: no run directory (it has no {MANIFEST})")]
    NotARun(String),
    /// The run left its mark, and no report; the path.
    #[error("{0}: the run has not ended, or was ended before its time; it must be made again")]
    Unfinished(String),
    /// The run ended, and could not be judged.
    #[error(
        "{path}: came to no verdict: {why}; `squall replay {}` runs it again",
        shell_word(path)
    )]
    NoVerdict {
        /// Of the directory.
        path: String,
        /// As the run said it.
        why: String,
    },
    /// A file is not what its name says.
    #[error("{path}: {detail}")]
    Malformed {
        /// Of the file.
        path: String,
        /// What the parser did not like.
        detail: String,
    },
    /// The history cannot be read or written.
    #[error("{path}: {source}")]
    History {
        /// Of the file.
        path: String,
        /// What is wrong with it.
        source: HistoryError,
    },
}

/// The directory of one run.
pub struct RunDir {
    path: PathBuf,
    /// Locked while the run is made; the kernel lets go of it, whatever ends the process.
    _marker: Option<File>,
}

/// Where the log of a node is, within a run directory.
pub fn log_name(node: &str) -> String {
    format!("nodes/{node}.log")
}

impl RunDir {
    /// Makes the directory, or empties the one of an earlier run, and proves that it can be
    /// written to.
    ///
    /// # Errors
    /// It cannot be made or written, has no room, or holds something that is no run.
    pub fn create(path: &Path) -> Result<Self, RunDirError> {
        let mut dir = Self::at(path);
        let at = |e| io_error(path, e);
        if path.exists() {
            let is_empty = fs::read_dir(path).map_err(at)?.next().is_none();
            let is_ours = Self::is_at(path) || dir.has(MARKER);
            if !is_empty && !is_ours {
                return Err(RunDirError::NotOurs(path.display().to_string()));
            }
        }
        fs::create_dir_all(path).map_err(at)?;
        // First: whatever ends this process, the directory is known as ours.
        dir._marker = Some(dir.mark()?);
        // Before anything is removed: without room, an earlier run had better stay.
        dir.try_out().map_err(at)?;
        for name in OUTCOMES {
            dir.remove(name)?;
        }
        fs::create_dir_all(path.join("nodes")).map_err(at)?;
        for entry in fs::read_dir(path.join("nodes")).map_err(at)? {
            fs::remove_file(entry.map_err(at)?.path()).map_err(at)?;
        }
        Ok(dir)
    }

    /// Refuses a directory that holds the run of another scenario or seed, or on another
    /// system. One whose files cannot be read any more is nothing that anybody would miss.
    ///
    /// # Errors
    /// It does.
    pub fn must_not_hold_another(
        path: &Path,
        scenario: &str,
        seed: u64,
        system: Option<&str>,
    ) -> Result<(), RunDirError> {
        let Ok((dir, manifest)) = Self::open(path) else {
            return Ok(());
        };
        let text = dir.scenario_text().unwrap_or_default();
        let document = toml::from_str::<toml::Table>(&text).unwrap_or_default();
        let held = document.get("name").and_then(toml::Value::as_str);
        let held = held.unwrap_or(scenario);
        if (held, manifest.seed, manifest.system.as_deref()) == (scenario, seed, system) {
            return Ok(());
        }
        Err(RunDirError::Another {
            path: path.display().to_string(),
            scenario: held.to_owned(),
            seed: manifest.seed,
            on: (manifest.system).map_or(String::new(), |system| format!(" on {system}")),
        })
    }

    /// Whether the directory holds a finished run.
    pub fn is_at(path: &Path) -> bool {
        path.join(MANIFEST).is_file()
    }

    /// The directory of a finished run.
    ///
    /// # Errors
    /// It is none.
    pub fn open(path: &Path) -> Result<(Self, Manifest), RunDirError> {
        let dir = Self::at(path);
        let file = path.join(MANIFEST);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let path = path.display().to_string();
                return Err(match dir.has(MARKER) {
                    true => RunDirError::Unfinished(path),
                    false => RunDirError::NotARun(path),
                });
            }
            Err(e) => return Err(dir.io(MANIFEST, e)),
        };
        let manifest = serde_json::from_str(&text).map_err(|e| RunDirError::Malformed {
            path: file.display().to_string(),
            detail: e.to_string(),
        })?;
        Ok((dir, manifest))
    }

    fn at(path: &Path) -> Self {
        Self {
            path: path.into(),
            _marker: None,
        }
    }

    /// Writes the marker, unless another process has done so and still lives. Where files
    /// cannot be locked, nobody is kept out.
    fn mark(&self) -> Result<File, RunDirError> {
        let mut options = File::options();
        let file = (options.create(true).append(true)).open(self.path.join(MARKER));
        let mut file = file.map_err(|e| self.io(MARKER, e))?;
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            return Err(RunDirError::Busy(self.path.display().to_string()));
        }
        let written = file.set_len(0).and_then(|()| file.write_all(MARKER_TEXT));
        written.map_err(|e| self.io(MARKER, e))?;
        Ok(file)
    }

    /// As it was given.
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
        self.put("scenario.toml", scenario.text())?;
        self.put_profile(scenario.profile_text())?;
        self.put("plan.txt", &run.report.configuration)?;
        self.write_history(run)?;
        self.write_logs(&run.logs)?;
        match run.resources.is_empty() {
            true => self.remove(RESOURCES)?,
            false => self.put(RESOURCES, &resources::to_csv(&run.resources))?,
        }
        self.put(REPORT, &run.report.to_json())?;
        self.put(MARKDOWN, &report::markdown(&run.report))?;
        match &run.context.reference {
            Some(reference) => {
                let text = serde_json::to_string_pretty(reference).expect("plain data");
                self.put(BASELINE, &(text + "\n"))?;
            }
            None => self.remove(BASELINE)?,
        }
        match &run.context.alerts {
            Some(log) => {
                let text = serde_json::to_string_pretty(log).expect("plain data");
                self.put(ALERTS, &(text + "\n"))?;
            }
            None => self.remove(ALERTS)?,
        }
        self.finish(manifest)
    }

    /// Last: a directory with a manifest is complete.
    fn finish(&self, manifest: &Manifest) -> Result<(), RunDirError> {
        let manifest = serde_json::to_string_pretty(manifest).expect("plain data");
        self.put(MANIFEST, &(manifest + "\n"))?;
        self.remove(MARKER)
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
        self.put("scenario.toml", scenario)?;
        self.put_profile(profile)?;
        self.put(CRASH, &format!("{why}\n"))?;
        self.finish(manifest)
    }

    /// Why the run ended without a verdict, if it did.
    pub fn crash(&self) -> Option<String> {
        let text = fs::read_to_string(self.path.join(CRASH)).ok()?;
        Some(text.trim_end().to_owned())
    }

    /// That there is something to judge or to show.
    ///
    /// # Errors
    /// [`RunDirError::NoVerdict`]
    pub fn must_have_verdict(&self) -> Result<(), RunDirError> {
        match self.crash() {
            None => Ok(()),
            Some(why) => Err(RunDirError::NoVerdict {
                path: self.path.display().to_string(),
                why,
            }),
        }
    }

    /// Writes what nodes logged to a file each, in place of what was there of these nodes.
    ///
    /// # Errors
    /// The disk's own.
    pub fn write_logs(&self, logs: &Logs) -> Result<(), RunDirError> {
        for (node, lines) in logs.by_node() {
            let lines = lines.iter().map(|line| format!("{line}\n"));
            self.put(&log_name(node), &lines.collect::<String>())?;
        }
        Ok(())
    }

    fn write_history(&self, run: &Judged) -> Result<(), RunDirError> {
        let path = self.path.join(HISTORY);
        let file = File::create(&path).map_err(|e| self.io(HISTORY, e))?;
        let mut out = BufWriter::new(file);
        (run.history.write(&header(&run.plan), &mut out)).map_err(|source| {
            RunDirError::History {
                path: path.display().to_string(),
                source,
            }
        })?;
        out.flush().map_err(|e| self.io(HISTORY, e))?;
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

    /// What happened.
    ///
    /// # Errors
    /// It is not there, since the run came to no verdict, or is damaged.
    pub fn history(&self) -> Result<(Header, History), RunDirError> {
        self.must_have_verdict()?;
        let path = self.path.join(HISTORY);
        let file = File::open(&path).map_err(|e| self.io(HISTORY, e))?;
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
        let resources = self.samples()?.map(|text| Resources::parse(&text));
        let alerts = self.get(ALERTS)?.map(|text| serde_json::from_str(&text));
        let alerts = alerts.transpose();
        Ok(Context {
            reference: reference.map_err(|e| malformed(BASELINE, e.to_string()))?,
            resources: resources.transpose().map_err(|e| malformed(RESOURCES, e))?,
            alerts: alerts.map_err(|e| malformed(ALERTS, e.to_string()))?,
        })
    }

    /// What nodes used of their machines, as it was written; nothing of a simulation.
    ///
    /// # Errors
    /// The disk's own.
    pub fn samples(&self) -> Result<Option<String>, RunDirError> {
        self.get(RESOURCES)
    }

    fn has(&self, name: &str) -> bool {
        self.path.join(name).is_file()
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
        self.must_have_verdict()?;
        let path = self.path.join(REPORT);
        let text = fs::read_to_string(&path).map_err(|e| self.io(REPORT, e))?;
        let report: Result<Report, _> = serde_json::from_str(&text);
        let mut report = report.map_err(|e| RunDirError::Malformed {
            path: path.display().to_string(),
            detail: format!(
                "{e}; if another version of squall made the run, `squall check` judges it anew"
            ),
        })?;
        report.made_on = backends::named(&report.backend).map(|backend| backend.info);
        Ok(report)
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
        io_error(&self.path.join(name), source)
    }
}

fn io_error(path: &Path, source: io::Error) -> RunDirError {
    RunDirError::Io {
        path: path.display().to_string(),
        source,
    }
}

//! Finds runs, sweeps and baselines, and reads what is needed of them. Whatever cannot be
//! read is left out, with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{By, LeftOut};
use crate::baseline::{Figures, File, Kept};
use crate::compare::Made;
use crate::report::Number;
use crate::run_dir::{RunDir, run_name};
use crate::sweep::{SeedResult, Spec, store};

/// Larger files are none that Squall has written.
const MOST_MANIFEST_BYTES: u64 = 1 << 20;
const MOST_REPORT_BYTES: u64 = 64 << 20;
const MOST_RESULTS_BYTES: u64 = 1 << 30;
const MOST_BASELINES_BYTES: u64 = 16 << 20;
/// Figures of a run; today's reports have a tenth of it.
const MOST_FIGURES: usize = 1_000;
/// Entries of a directory that are looked at.
const MOST_ENTRIES: usize = 100_000;
/// Directories and files that are read, unless one asks for more.
pub const MOST: usize = 1_000;

/// Something that was read.
#[derive(Debug, Clone)]
pub struct Entry {
    pub path: String,
    /// With its variant.
    pub scenario: String,
    pub backend: String,
    /// Seconds since 1970.
    pub at: Option<u64>,
    pub commit: Option<String>,
    /// What must be the same for points to be comparable.
    pub made: Made,
    pub values: Values,
    /// Limits of objectives, by their names.
    pub limits: BTreeMap<String, Number>,
}

#[derive(Debug, Clone)]
pub enum Values {
    /// Of each run.
    Runs(Vec<Figures>),
    /// A baseline's.
    Kept {
        runs: u64,
        figures: BTreeMap<String, Kept>,
    },
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub entries: Vec<Entry>,
    pub left_out: Vec<LeftOut>,
}

/// Reads run directories, sweeps, directories that hold such, and files of baselines; at most
/// so many of them, the newest or those given last. What is met twice is read once; whoever
/// gives an order may name it again.
pub fn read(paths: &[PathBuf], most: usize, by: By) -> Found {
    let mut found = Found::default();
    let mut places = Vec::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        let more = places_in(path).unwrap_or_else(|why| {
            found.leave_out(path, why);
            Vec::new()
        });
        if by == By::Given {
            seen.clear();
        }
        for place in more {
            // What cannot be resolved is read all the same, and says why.
            match fs::canonicalize(&place).map_or(true, |place| seen.insert(place)) {
                true => places.push(place),
                false => found.leave_out(&place, "is the same as another, by a link or twice"),
            }
        }
    }
    let (places, beyond) = newest(places, most, by);
    for path in &places {
        match entries_at(path) {
            Ok(entries) => found.entries.extend(entries),
            Err(why) => found.leave_out(path, why),
        }
    }
    if let Some((first, others)) = beyond.split_first() {
        let why = format!(
            "and {} more: only {most} are read, the last ones; --most raises that",
            others.len()
        );
        found.leave_out(first, why);
    }
    found
}

/// So many at most, and the others; each in the order in which they are given.
fn newest(places: Vec<PathBuf>, most: usize, by: By) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let beyond = places.len().saturating_sub(most);
    let mut by_age: Vec<usize> = (0..places.len()).collect();
    if beyond > 0 && by != By::Given {
        by_age.sort_by_cached_key(|place| age(&places[*place]));
    }
    let left_out: BTreeSet<usize> = by_age.into_iter().take(beyond).collect();
    let numbered = places.into_iter().enumerate();
    let (others, kept): (Vec<_>, Vec<_>) = numbered.partition(|(at, _)| left_out.contains(at));
    let paths = |numbered: Vec<(usize, PathBuf)>| numbered.into_iter().map(|(_, path)| path);
    (paths(kept).collect(), paths(others).collect())
}

/// What goes before what, if there is too much: what has no date would have no place anyway,
/// and a file of baselines is a limit for all that come.
fn age(path: &Path) -> u64 {
    if path.is_file() {
        return u64::MAX;
    }
    let at = match store::is_sweep(path) {
        true => finished(path).ok().flatten(),
        false => started(path).ok().flatten(),
    };
    at.unwrap_or(0)
}

fn started(path: &Path) -> Result<Option<u64>, String> {
    must_be_small(&path.join("run.json"), MOST_MANIFEST_BYTES)?;
    let (_, manifest) = RunDir::open(path).map_err(|e| e.to_string())?;
    Ok(manifest.started.as_deref().and_then(seconds))
}

/// When a sweep was finished, if it is.
fn finished(path: &Path) -> Result<Option<u64>, String> {
    if !path.join("summary.json").exists() {
        return Ok(None);
    }
    must_be_small(&path.join("summary.json"), MOST_REPORT_BYTES)?;
    let summary = store::summary(path).map_err(|e| e.to_string())?;
    Ok(summary.and_then(|summary| seconds(&summary.wall.finished)))
}

impl Found {
    fn leave_out(&mut self, path: &Path, why: impl ToString) {
        let path = path.display().to_string();
        let why = why.to_string();
        // What others have written names its file, too.
        let why = why
            .strip_prefix(&format!("{path}: "))
            .unwrap_or(&why)
            .to_owned();
        self.left_out.push(LeftOut { path, why });
    }
}

/// A run, sweep or file itself; of another directory, the runs and sweeps right below it.
fn places_in(path: &Path) -> Result<Vec<PathBuf>, String> {
    let is_place = |path: &Path| RunDir::is_at(path) || store::is_sweep(path);
    if path.is_file() || is_place(path) {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(|e| e.to_string())?;
    let mut places = Vec::new();
    for (number, entry) in entries.enumerate() {
        if number == MOST_ENTRIES {
            return Err(format!("holds more than {MOST_ENTRIES} files"));
        }
        let path = entry.map_err(|e| e.to_string())?.path();
        if is_place(&path) {
            places.push(path);
        }
    }
    places.sort();
    match places.is_empty() {
        true => Err(
            "neither a run, nor a sweep, nor a file of baselines, nor a directory that \
                     holds runs or sweeps"
                .into(),
        ),
        false => Ok(places),
    }
}

fn entries_at(path: &Path) -> Result<Vec<Entry>, String> {
    if path.is_file() {
        of_baselines(path)
    } else if store::is_sweep(path) {
        of_sweep(path)
    } else {
        Ok(vec![of_run(path)?])
    }
}

/// That the file is one, and no larger than any that Squall writes. Whatever is no file, a
/// pipe say, would be waited for.
fn must_be_small(path: &Path, most: u64) -> Result<(), String> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let about = fs::metadata(path).map_err(|e| format!("{name}: {e}"))?;
    match (about.is_file(), about.len() <= most) {
        (true, true) => Ok(()),
        (true, false) => Err(format!("{name}: {} bytes are too many", about.len())),
        (false, _) => Err(format!("{name}: is no file")),
    }
}

fn of_run(path: &Path) -> Result<Entry, String> {
    must_be_small(&path.join("run.json"), MOST_MANIFEST_BYTES)?;
    let (dir, manifest) = RunDir::open(path).map_err(|e| e.to_string())?;
    dir.must_have_verdict().map_err(|e| e.to_string())?;
    must_be_small(&path.join("report.json"), MOST_REPORT_BYTES)?;
    must_be_small(&path.join("scenario.toml"), MOST_MANIFEST_BYTES)?;
    let report = dir.report().map_err(|e| e.to_string())?;
    let figures = few(report.figures)?;
    let limits = report.objectives.iter();
    let limits = limits.map(|objective| (objective.name.clone(), objective.limit));
    Ok(Entry {
        path: path.display().to_string(),
        scenario: run_name(&report.scenario, &manifest.settings),
        backend: report.backend,
        at: manifest.started.as_deref().and_then(seconds),
        commit: report.sim.commit,
        made: Made {
            text: dir.scenario_text().map_err(|e| e.to_string())?,
            settings: manifest.settings,
            profile: manifest.profile,
        },
        values: Values::Runs(vec![figures]),
        limits: limits.collect(),
    })
}

fn of_sweep(path: &Path) -> Result<Vec<Entry>, String> {
    must_be_small(&path.join("sweep.json"), MOST_REPORT_BYTES)?;
    if path.join("results.jsonl").exists() {
        must_be_small(&path.join("results.jsonl"), MOST_RESULTS_BYTES)?;
    }
    let (spec, results) = store::read(path).map_err(|e| e.to_string())?;
    let at = finished(path)?;
    let mut entries = Vec::new();
    for swept in &spec.scenarios {
        let of_it = results
            .values()
            .filter(|result| result.scenario == swept.name);
        let figures = of_it.filter_map(figures_of).map(few);
        let figures: Vec<Figures> = figures.collect::<Result<_, _>>()?;
        if !figures.is_empty() {
            entries.push(Entry {
                path: path.display().to_string(),
                scenario: run_name(&swept.name, &spec.settings),
                backend: spec.backend.clone(),
                at,
                commit: spec.environment.commit.clone(),
                made: made(&spec, &swept.text),
                values: Values::Runs(figures),
                limits: BTreeMap::new(),
            });
        }
    }
    match entries.is_empty() {
        true => Err("no run of the sweep came to a report".into()),
        false => Ok(entries),
    }
}

fn figures_of(result: &SeedResult) -> Option<Figures> {
    let figures = &result.run.as_ref()?.figures;
    (!figures.is_empty()).then(|| figures.clone())
}

fn made(spec: &Spec, text: &str) -> Made {
    Made {
        text: text.to_owned(),
        settings: spec.settings.clone(),
        profile: spec.profile.as_ref().map(|profile| profile.path.clone()),
    }
}

fn of_baselines(path: &Path) -> Result<Vec<Entry>, String> {
    must_be_small(path, MOST_BASELINES_BYTES)?;
    let file = File::load(path).map_err(|e| e.to_string())?;
    let entries = file.baselines.into_iter().map(|(name, baseline)| {
        if baseline.figures.len() > MOST_FIGURES {
            return Err(too_many(baseline.figures.len()));
        }
        Ok(Entry {
            path: format!("{} ({name})", path.display()),
            scenario: baseline.scenario,
            backend: baseline.backend,
            at: None,
            commit: None,
            made: Made::default(),
            values: Values::Kept {
                runs: baseline.runs,
                figures: baseline.figures,
            },
            limits: BTreeMap::new(),
        })
    });
    let entries: Vec<Entry> = entries.collect::<Result<_, _>>()?;
    match entries.is_empty() {
        true => Err("holds no baseline".into()),
        false => Ok(entries),
    }
}

fn few(figures: Figures) -> Result<Figures, String> {
    match figures.len() {
        0 => Err("its report has no figures".into()),
        many if many > MOST_FIGURES => Err(too_many(many)),
        _ => Ok(figures),
    }
}

fn too_many(figures: usize) -> String {
    format!("{figures} figures are too many, {MOST_FIGURES} at most")
}

/// Since 1970; `None` of what is no date of RFC 3339.
fn seconds(date: &str) -> Option<u64> {
    let at = humantime::parse_rfc3339_weak(date).ok()?;
    Some(at.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

//! What is kept of a trial: a line of `systems.jsonl`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Operations of an anomaly that are kept.
pub const EVIDENCE: usize = 3;

/// Of which contender, in which scenario, and on which seed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trial {
    pub system: String,
    pub scenario: String,
    pub seed: u64,
}

/// One trial. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    #[serde(flatten)]
    pub trial: Trial,
    /// Names the configuration and the scenario, so that lines of others are not mixed in.
    pub setup: String,
    /// What the programs say they are.
    pub version: String,
    /// UTC, RFC 3339, when the run began.
    pub started: String,
    /// Percent of this machine's processors that were busy meanwhile, whoever used them.
    pub busy: u64,
    pub verdict: String,
    /// Of anything but a pass.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Faults that cost a leader, and of those after which another one was seen to serve, how
    /// long that took.
    pub leaders_lost: u64,
    pub takeover_ms: Vec<u64>,
    /// For how long the client that was worst off got no answer from a service.
    pub downtime_ms: u64,
    /// Percent of the time in which no service was down.
    pub available: Option<f64>,
    /// Acknowledged writes of registers and queues.
    pub acked: u64,
    pub lost: u64,
    /// Those of `lost` that are messages.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub messages_lost: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duplicated: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held_by_two: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stale_reads: u64,
    /// Faults that were not seen to work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
    /// By check, what it found.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub broken: BTreeMap<String, Broken>,
    /// Checks that cannot tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    pub count: u64,
    pub promised: bool,
    /// In words; only of the first trial of a system that has it, as the operations are.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub first: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde wants it
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Reads all lines; none if there is no such file.
///
/// # Errors
/// It cannot be read, or a line is none.
pub fn read(path: &Path) -> Result<Vec<Line>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(at(path, &why)),
    };
    let lines = text.lines().enumerate();
    let lines = lines.map(|(index, line)| {
        let read = serde_json::from_str(line);
        read.map_err(|why| format!("{}, line {}: {why}", path.display(), index + 1))
    });
    lines.collect()
}

/// Adds a line at the end: whatever comes, it is there.
///
/// # Errors
/// The disk's own.
pub fn append(path: &Path, line: &Line) -> Result<(), String> {
    let file = File::options().create(true).append(true).open(path);
    let added = file.and_then(|mut file| file.write_all(text(line).as_bytes()));
    added.map_err(|why| at(path, &why))
}

/// Writes all lines anew, in the order of their trials.
///
/// # Errors
/// The disk's own.
pub fn write_sorted(path: &Path, lines: &mut [Line]) -> Result<(), String> {
    lines.sort_by(|a, b| a.trial.cmp(&b.trial));
    let all: String = lines.iter().map(text).collect();
    // Whole or not at all.
    let unfinished = path.with_extension("unfinished");
    let written = fs::write(&unfinished, all).and_then(|()| fs::rename(&unfinished, path));
    written.map_err(|why| at(path, &why))
}

fn text(line: &Line) -> String {
    serde_json::to_string(line).expect("plain data") + "\n"
}

fn at(path: &Path, why: &std::io::Error) -> String {
    format!("{}: {why}", path.display())
}

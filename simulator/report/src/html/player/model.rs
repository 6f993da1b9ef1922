//! Defines the data that the player of a page plays, in a compact form.
//!
//! Times are microseconds of the run's clock. Nodes and clients are named by their places in
//! [`Player::nodes`] and [`Player::clients`]; in a row of messages a client at place `n` is
//! `-1 - n`. A text that many rows share stands once in [`Player::texts`], with U+0001 for each
//! of its numbers, which stand in the rows. Rows are in order of time, and count times, numbers
//! and indexes from the row before.

use serde::Serialize;

/// All that the player of a page is told, as JSON. Moments are microseconds of the run; others
/// are places in the lists of names and texts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Player {
    /// When the run ended.
    pub end: i64,
    /// By name; others refer to their places.
    pub nodes: Vec<String>,
    /// By name; others refer to their places.
    pub clients: Vec<String>,
    /// Whatever is shown of events and messages, each once.
    pub texts: Vec<String>,
    /// When each phase began.
    pub phases: Vec<(i64, &'static str)>,
    /// Of each node: since when, role, term.
    pub roles: Vec<Vec<(i64, &'static str, u64)>>,
    /// What nodes said of themselves: when, node, text.
    pub events: Vec<(i64, usize, usize)>,
    /// In order of time.
    pub faults: Vec<PlayedFault>,
    /// Stretches in which a service answered nobody, in words.
    pub outages: Vec<(i64, i64, String)>,
    /// Of each node, whenever one changes: time, last index of the log, commit, applied.
    pub indexes: Vec<Vec<[i64; 4]>>,
    /// Stretches of which all operations are here, and all messages if any are.
    pub windows: Vec<(i64, i64)>,
    /// Time, duration (-1: no answer), client, number, outcome (0 acknowledged, 1 failed, 2
    /// unknown), text of what was asked, how many numbers that has, those numbers, text of the
    /// answer (-1: none), its numbers.
    pub operations: Vec<Vec<i64>>,
    /// Time, from, to, flight (-1: never arrived), text, bytes, number, how far back the
    /// message is that it answers (0: none), operation + 1 (0: none), text + 1 of what held it
    /// up (0: nothing), text + 1 of why it was lost (0: it was not), numbers of the text.
    pub messages: Vec<Vec<i64>>,
    /// Checks that are broken, the first first.
    pub violations: Vec<Violation>,
    /// What is left out, and how to have it.
    pub notes: Vec<String>,
}

/// A stretch in which a fault was in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayedFault {
    /// Its number in the plan.
    pub id: usize,
    /// What it is, for a reader.
    pub words: String,
    /// As in scenarios: `kill`.
    pub kind: &'static str,
    /// `process`, `network`, `disk`, `clock`, `membership` or `client`.
    pub group: &'static str,
    /// `installed`, `skipped` or `uncertain`.
    pub status: &'static str,
    /// When it took effect, or was given up.
    pub from: i64,
    /// As `from`, for what happens in an instant.
    pub to: i64,
    /// Nodes that it strikes.
    pub nodes: Vec<usize>,
    /// Nodes that no majority hears.
    pub cut_off: Vec<usize>,
    /// Directed links that carry nothing.
    pub cut: Vec<(usize, usize)>,
    /// Directed links that are slower or lossy.
    pub slow: Vec<(usize, usize)>,
}

/// A check that is broken.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// `C1 cache_linearizable`.
    pub check: String,
    /// What the check says, in one line.
    pub detail: String,
    /// The moment to look at.
    pub at: i64,
    /// The number of the message to look at.
    pub message: Option<u64>,
    /// Who answered the operations that it shows; only text of the page.
    #[serde(skip)]
    pub answers: Vec<Answer>,
    /// What nodes left out or did wrong, in sentences; only text of the page.
    #[serde(skip)]
    pub steps: Vec<String>,
}

/// Who answered an operation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// As in the history.
    pub op: u64,
    /// The whole of it, as a reader sees it.
    pub words: String,
    /// `None` without messages.
    pub node: Option<String>,
    /// The node's term when it answered.
    pub term: Option<u64>,
    /// When the client had it.
    pub at: i64,
    /// The answer's number.
    pub message: Option<u64>,
    /// Whether another node led a later term by then.
    pub is_superseded: bool,
}

//! Judges linearizability of one history file, ours or another tool's, on a named model.
//!
//! ```text
//! file ──read──▶ objects (register, key, lock, queue, counter, set, total queue) ──judge each──▶ Judgement
//! ```
//!
//! A violation is shown by the shortest prefix of the history that is already wrong, in
//! words, and as a [`Scene`] that can be drawn. Whatever the input, the end is an error or a
//! verdict: lines, nesting and searches are bounded, and a search at its bound says that it
//! cannot tell.
//!
//! Deliberately not here: wall time (the caller may interrupt, see [`Limits`]), files, and
//! the other checks of our own runs.

mod edn;
mod models;
mod object;
mod ours;
mod picture;
mod records;
mod scene;
mod set;
mod shown;
mod total_queue;

pub use scene::Scene;

use thiserror::Error;

use super::linearizability::Bounds;
use super::result::Verdict;
use super::table::CHECKS;
use super::view::View;
use object::{Explanation, Finding, Object, shortest_wrong};
use records::Records;
use scene::{Shade, faults, nemesis, story};
use squall_history::History;
use squall_history::jsonl::HistoryError;

/// What the history is said to be one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// One value: read, write, compare-and-set. Keys, if there are any, are registers of their
    /// own.
    Register,
    /// Texts under keys: get, put, append (Porcupine's logs).
    Kv,
    /// Acquire and release, with or without tokens.
    Lock,
    /// First in, first out.
    Queue,
    /// Adds and reads of a number.
    Counter,
    /// Elements that are added, and reads of all of them.
    Set,
    /// Each enqueued element is dequeued once, in any order.
    TotalQueue,
}

impl Model {
    fn noun(self) -> &'static str {
        match self {
            Model::Register => "register",
            Model::Kv => "key",
            Model::Lock => "lock",
            Model::Queue => "queue",
            Model::Counter => "counter",
            Model::Set => "set",
            Model::TotalQueue => "queue",
        }
    }
}

/// How a history is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Our own `history.jsonl`.
    Squall,
    /// A Jepsen log: `… PROCESS :TYPE :FUNCTION VALUE`.
    Jepsen,
    /// EDN maps: in one vector or list, or by themselves.
    Edn,
    /// JSON objects with the same fields: in one array, or by themselves.
    Json,
}

/// What a compare-and-set means that failed without an error, and a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    /// It did not happen, which says nothing of the object: Jepsen's and Knossos' meaning.
    Dropped,
    /// The object held another value, or the lock was not held: that of Porcupine's logs.
    Compared,
}

impl Format {
    /// The format that the beginning looks like.
    pub fn detect(input: &[u8]) -> Option<Format> {
        let mut lines = input.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let first = lines.find(|line| !line.is_empty() && !line.starts_with(b";"))?;
        let has = |word: &[u8]| first.windows(word.len()).any(|window| window == word);
        // JSON names fields by strings, EDN by keywords.
        let is_json = || {
            let mut letters = input.iter().skip_while(|letter| **letter != b'{').skip(1);
            letters.find(|letter| !letter.is_ascii_whitespace()) == Some(&b'"')
        };
        match first[0] {
            b'{' if has(b"\"squall_history\"") => Some(Format::Squall),
            b'{' | b'[' if is_json() => Some(Format::Json),
            b'{' | b'[' | b'(' | b'#' => Some(Format::Edn),
            _ => {
                let words = [&b":invoke"[..], b":info", b":ok", b" - "];
                words.iter().any(|w| has(w)).then_some(Format::Jepsen)
            }
        }
    }

    /// What a failure means if nothing else is said.
    pub fn default_fail(self) -> Fail {
        match self {
            Format::Jepsen | Format::Squall => Fail::Compared,
            Format::Edn | Format::Json => Fail::Dropped,
        }
    }
}

/// How a history is read, and what judging it may take. Where only `interrupted` depends on time, and never says so, a
/// verdict is the same on every machine.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Steps of each search, and more for each operation of the object.
    pub steps: u64,
    /// Added to `steps` once for each operation of the object.
    pub steps_per_operation: u64,
    /// Bytes of each search.
    pub bytes: usize,
    /// Leaves out what the log of our own histories tells, so that the search judges alone.
    pub search_only: bool,
    /// What a failure means; `None`: [`Format::default_fail`].
    pub fail: Option<Fail>,
    /// Asked now and then whether to stop.
    pub interrupted: &'a dyn Fn() -> bool,
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Self {
            steps: 5_000_000,
            steps_per_operation: 100,
            bytes: 1 << 30,
            search_only: false,
            fail: None,
            interrupted: &|| false,
        }
    }
}

impl Limits<'_> {
    fn bounds(&self, operations: usize) -> Bounds {
        Bounds {
            steps: self.steps + self.steps_per_operation * operations as u64,
            bytes: self.bytes,
        }
    }
}

/// Why a file could not be judged. Lines count from 1.
#[derive(Debug, Error)]
pub enum InputError {
    /// No format was given, and several would do.
    #[error("the format is not clear from the first line; say --format")]
    UnknownFormat,
    /// The file is well-formed, but there is nothing to judge.
    #[error("it holds no operations of this model")]
    Empty,
    /// A line cannot be what it should.
    #[error("line {line}: {what}")]
    Line {
        /// Of the file, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Our own format, and no history of it.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Not of the format as a whole, in words.
    #[error("{0}")]
    Malformed(String),
}

/// What was found.
#[derive(Debug)]
pub struct Judgement {
    /// As said, or as found.
    pub format: Format,
    /// The worst of all objects.
    pub verdict: Verdict,
    /// One line.
    pub detail: String,
    /// Of all objects together, those that say nothing left out.
    pub operations: usize,
    /// Registers, keys, locks or queues that were judged one by one.
    pub objects: usize,
    /// What of the history the model does not cover.
    pub left_out: Vec<String>,
    /// What a failure was taken to mean; `None` for our own histories, which say.
    pub fail: Option<Fail>,
    /// How many elements of a set or queue ended how, or reads of a counter; counted by the
    /// names of Jepsen's `set-full`, `total-queue` and `counter`.
    pub counts: Vec<(&'static str, u64)>,
    /// The shortest wrong prefix; `None` unless the verdict is a failure that a picture can
    /// show.
    pub violation: Option<Violation>,
}

/// The earliest violation.
#[derive(Debug)]
pub struct Violation {
    /// `key 7`.
    pub object: String,
    /// Events of the shortest prefix of the history that is wrong.
    pub prefix: usize,
    /// Line of the last of them.
    pub line: u64,
    /// Whether all shorter ones were decided within the bounds.
    pub is_shortest: bool,
    /// In words, a line each.
    pub story: Vec<String>,
    /// The same, for a picture.
    pub scene: Scene,
}

/// Judges a history file.
///
/// # Errors
/// The input is no history of this format and model.
pub fn judge(
    input: &[u8],
    model: Model,
    format: Option<Format>,
    limits: &Limits,
) -> Result<Judgement, InputError> {
    let format = format.or_else(|| Format::detect(input));
    match format.ok_or(InputError::UnknownFormat)? {
        Format::Squall => {
            let (_, history) = History::read(input)?;
            judge_history(&history, model, limits)
        }
        format => {
            let records = Records::read(input, format)?;
            match model {
                Model::Set => return set::judge(&records, format),
                Model::TotalQueue => return total_queue::judge(&records, format),
                _ => {}
            }
            let fail = limits.fail.unwrap_or(format.default_fail());
            let objects = models::objects(&records, model, fail)?;
            let source = Source {
                format,
                faults: nemesis(&records),
                line: &|position| records.lines[position],
            };
            Ok(Judgement {
                fail: Some(fail),
                counts: match model {
                    Model::Counter => models::counter_counts(&records),
                    _ => Vec::new(),
                },
                ..judged(&source, &objects, Vec::new(), limits)
            })
        }
    }
}

/// Judges one of our own histories: the operations of the service that the model is of.
///
/// # Errors
/// The history is malformed, or has no operations of that service.
pub fn judge_history(
    history: &History,
    model: Model,
    limits: &Limits,
) -> Result<Judgement, InputError> {
    let view = View::new(history);
    let formed = super::run(&CHECKS[0], &view);
    if formed.verdict == Verdict::Unknown {
        return Err(InputError::Malformed(formed.detail));
    }
    let (objects, left_out) = ours::objects(&view, model);
    if objects.is_empty() {
        return Err(InputError::Empty);
    }
    let source = Source {
        format: Format::Squall,
        faults: faults(&view),
        // After the header, and counted from 1.
        line: &|position| position as u64 + 2,
    };
    Ok(judged(&source, &objects, left_out, limits))
}

/// What is known of the file beyond its objects.
struct Source<'a> {
    format: Format,
    faults: Vec<Shade>,
    /// The line of the event at a position.
    line: &'a dyn Fn(usize) -> u64,
}

/// The violation of an object that is judged by counting, wrong from the event at `end` on.
fn counted_violation(object: &str, end: usize, why: &Explanation, records: &Records) -> Violation {
    let all: Vec<_> = (0..records.records.len())
        .map(|number| records.shown(number))
        .collect();
    let prefix = end + 1;
    let mut scene = Scene::new(object, &all, why, prefix, &nemesis(records));
    scene.title = why.what.clone().unwrap_or_default();
    Violation {
        object: object.into(),
        prefix,
        line: records.lines[end],
        is_shortest: true,
        story: story(&all, why, prefix),
        scene,
    }
}

fn judged(
    source: &Source,
    objects: &[Box<dyn Object + '_>],
    left_out: Vec<String>,
    limits: &Limits,
) -> Judgement {
    let mut undecided: Option<String> = None;
    let mut wrong: Vec<&dyn Object> = Vec::new();
    for object in objects {
        match object.judge(usize::MAX, limits) {
            Finding::Right => {}
            Finding::Wrong(_) => wrong.push(&**object),
            Finding::Undecided(why) => {
                undecided.get_or_insert(format!("{}: {why}", object.name()));
            }
        }
    }
    let operations = objects.iter().map(|object| object.count()).sum();
    let violation = earliest(&wrong, source, limits);
    let (verdict, detail) = match (&violation, undecided) {
        (Some(violation), _) => {
            let others = match wrong.len() - 1 {
                0 => String::new(),
                others => format!(", and {others} more"),
            };
            let what = format!("{} is not linearizable{others}", violation.object);
            (Verdict::Fail, what)
        }
        (None, Some(why)) => (Verdict::Unknown, why),
        (None, None) => (Verdict::Pass, "linearizable".into()),
    };
    Judgement {
        format: source.format,
        verdict,
        detail,
        operations,
        objects: objects.len(),
        left_out,
        fail: None,
        counts: Vec::new(),
        violation,
    }
}

/// Of the objects that are wrong, the one that is so first, and since when.
fn earliest(wrong: &[&dyn Object], source: &Source, limits: &Limits) -> Option<Violation> {
    let mut first: Option<(&dyn Object, usize, bool)> = None;
    for &object in wrong {
        let before = first.map_or(usize::MAX, |(_, end, _)| end);
        // Most are wrong only later than the first, and one judgement shows it.
        if before < usize::MAX && !matches!(object.judge(before, limits), Finding::Wrong(_)) {
            continue;
        }
        let (end, is_shortest) = shortest_wrong(object, before, limits);
        first = Some((object, end, is_shortest));
    }
    let (object, prefix, is_shortest) = first?;
    let why = object.explain(prefix, limits).unwrap_or_default();
    let all = object.operations();
    let scene = Scene::new(object.name(), &all, &why, prefix, &source.faults);
    Some(Violation {
        object: object.name().into(),
        prefix,
        line: (source.line)(prefix - 1),
        is_shortest,
        story: story(&all, &why, prefix),
        scene,
    })
}

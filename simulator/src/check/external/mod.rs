//! Linearizability of one history file, ours or another tool's, on a named model.
//!
//! ```text
//! file ──read──▶ objects (register, key, lock, queue, counter) ──judge each──▶ Judgement
//! ```
//!
//! What is wrong is shown by the shortest prefix of the history that is already wrong, in
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

use thiserror::Error;

use super::linearizability::Bounds;
use super::result::Verdict;
use super::view::View;
use super::well_formed;
use crate::history::jsonl::HistoryError;
use crate::history::{FaultStatus, History};
use object::{Explanation, Finding, Object, Shown, shortest_wrong};
use records::Records;

/// What the history is said to be one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    Register,
    Kv,
    Lock,
    Queue,
    Counter,
}

impl Model {
    fn noun(self) -> &'static str {
        match self {
            Model::Register => "register",
            Model::Kv => "key",
            Model::Lock => "lock",
            Model::Queue => "queue",
            Model::Counter => "counter",
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
    /// One EDN map a line.
    Edn,
}

impl Format {
    /// The format that the first line looks like.
    pub fn detect(input: &[u8]) -> Option<Format> {
        let lines = input.split(|&byte| byte == b'\n');
        let mut lines = lines.map(<[u8]>::trim_ascii);
        let first = lines.find(|line| !line.is_empty())?;
        let has = |word: &[u8]| first.windows(word.len()).any(|window| window == word);
        if first.starts_with(b"{\"") {
            Some(Format::Squall)
        } else if first.starts_with(b"{") || first.starts_with(b"#") {
            Some(Format::Edn)
        } else if [&b":invoke"[..], b":info", b":ok", b" - "]
            .iter()
            .any(|w| has(w))
        {
            Some(Format::Jepsen)
        } else {
            None
        }
    }
}

/// What judging may take. Where only `interrupted` depends on time, and never says so, a
/// verdict is the same on every machine.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Steps of each search, and more for each operation of the object.
    pub steps: u64,
    pub steps_per_operation: u64,
    /// Bytes of each search.
    pub bytes: usize,
    /// Leaves out what the log of our own histories tells, so that the search judges alone.
    pub search_only: bool,
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
    #[error("the format cannot be told from the first line; say --format")]
    UnknownFormat,
    #[error("it holds no operations of this model")]
    Empty,
    #[error("line {line}: {what}")]
    Line { line: u64, what: String },
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("{0}")]
    Malformed(String),
}

/// What was found.
#[derive(Debug)]
pub struct Judgement {
    pub format: Format,
    pub verdict: Verdict,
    /// One line.
    pub detail: String,
    pub operations: usize,
    pub objects: usize,
    /// What of the history the model does not cover.
    pub left_out: Vec<String>,
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
    pub scene: Scene,
}

/// What a picture of a violation shows.
#[derive(Debug)]
pub struct Scene {
    pub title: String,
    /// In order of invocation.
    bars: Vec<Bar>,
    faults: Vec<Shade>,
    /// Operations of the object before those shown.
    earlier: usize,
    prefix: usize,
}

#[derive(Debug)]
struct Bar {
    shown: Shown,
    /// Its place in the longest order found, from 1.
    place: Option<usize>,
    /// The operation that fits nowhere.
    is_stuck: bool,
}

/// A stretch of the history with a fault in force; `until` is `None` if it never ended.
#[derive(Debug, Clone)]
struct Shade {
    what: String,
    from: usize,
    until: Option<usize>,
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
            let objects = models::objects(&records, model)?;
            let source = Source {
                format,
                faults: nemesis(&records),
                line: &|position| records.lines[position],
            };
            Ok(judged(&source, &objects, Vec::new(), limits))
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
    let formed = well_formed::check(history);
    if formed.verdict != Verdict::Pass {
        return Err(InputError::Malformed(formed.detail));
    }
    let view = View::new(history);
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

/// Most operations of an order that are told.
const TOLD: usize = 8;

/// The violation in words.
fn story(all: &[Shown], why: &Explanation, prefix: usize) -> Vec<String> {
    let mut story = Vec::new();
    let words = |place: usize| at(&all[place], prefix);
    story.extend(why.what.as_ref().map(|what| format!("{what}:")));
    story.extend(why.shown.iter().map(|&place| format!("  {}", words(place))));
    if let Some(stuck) = &why.stuck {
        let ordered = stuck.order.len();
        let from = ordered.saturating_sub(TOLD);
        story.push(match (ordered, from) {
            (0, _) => "nothing can come first:".into(),
            (_, 0) => format!("the longest order has {ordered} operations:"),
            _ => format!("the longest order has {ordered} operations, and ends:"),
        });
        for (number, &place) in (from + 1..).zip(&stuck.order[from..]) {
            story.push(format!("  {number}. {}", words(place)));
        }
        story.push("and then this has to come, and does not fit:".into());
        story.push(format!("  {}", words(stuck.call)));
        let last = all.iter().position(|s| s.returned == prefix.checked_sub(1));
        if let Some(last) = last.filter(|&last| last != stuck.call) {
            story.push("until this answer came, it was still possible:".into());
            story.push(format!("  {}", words(last)));
        }
    }
    story
}

/// The words of an operation, unless its answer came after the prefix.
fn at(shown: &Shown, prefix: usize) -> String {
    match shown.returned {
        Some(position) if position >= prefix => format!("{}, answered later", shown.words),
        _ => shown.words.clone(),
    }
}

/// Events of the object that a picture shows at most, back from the end of the prefix.
const SHOWN_EVENTS: usize = 36;

impl Scene {
    fn new(
        object: &str,
        all: &[Shown],
        why: &Explanation,
        prefix: usize,
        faults: &[Shade],
    ) -> Self {
        let order = why.stuck.iter().flat_map(|stuck| &stuck.order);
        let mut places: Vec<Option<usize>> = vec![None; all.len()];
        for (number, &place) in (1..).zip(order) {
            places[place] = Some(number);
        }
        let stuck = why.stuck.as_ref().map(|stuck| stuck.call);
        let mut events: Vec<usize> = (all.iter())
            .flat_map(|s| [Some(s.invoked), s.returned])
            .flatten()
            .filter(|&position| position < prefix)
            .collect();
        events.sort_unstable();
        let start = events.len().saturating_sub(SHOWN_EVENTS);
        let start = events.get(start).copied().unwrap_or(0);
        let tail = why.stuck.iter().flat_map(|stuck| {
            let from = stuck.order.len().saturating_sub(TOLD);
            &stuck.order[from..]
        });
        let tail: Vec<usize> = tail.chain(&why.shown).copied().collect();
        // What never returned long ago says nothing, unless the order needs it.
        let is_near = |(place, shown): &(usize, &Shown)| {
            let overlaps = shown.returned.is_some_and(|returned| returned >= start);
            let begun = shown.invoked < prefix;
            begun && (overlaps || shown.invoked >= start || tail.contains(place))
        };
        let near: Vec<(usize, &Shown)> = all.iter().enumerate().filter(is_near).collect();
        let begun = all.iter().filter(|shown| shown.invoked < prefix).count();
        let bars = near.iter().map(|&(place, shown)| Bar {
            shown: Shown {
                returned: shown.returned.filter(|&position| position < prefix),
                ..shown.clone()
            },
            place: places[place],
            is_stuck: Some(place) == stuck || (stuck.is_none() && why.shown.last() == Some(&place)),
        });
        Self {
            title: format!("{object} is not linearizable"),
            bars: bars.collect(),
            faults: faults.to_vec(),
            earlier: begun - near.len(),
            prefix,
        }
    }

    /// One HTML page that needs nothing else.
    pub fn to_html(&self) -> String {
        picture::html(self)
    }
}

/// Stretches between the nemesis's `:start…` and `:stop…`.
fn nemesis(records: &Records) -> Vec<Shade> {
    let mut shades: Vec<Shade> = Vec::new();
    for (position, words) in &records.nemesis {
        let open = shades.iter_mut().find(|shade| shade.until.is_none());
        match open {
            Some(shade) if words.contains("stop") || words.contains("heal") => {
                shade.until = Some(*position);
            }
            None if words.contains("start") || words.contains("kill") => shades.push(Shade {
                what: words.clone(),
                from: *position,
                until: None,
            }),
            _ => {}
        }
    }
    shades
}

/// Stretches in which our own faults were in force.
fn faults(view: &View) -> Vec<Shade> {
    let mut shades: Vec<(usize, Shade)> = Vec::new();
    for (position, _, fault) in view.faults() {
        let open =
            |(number, shade): &&mut (usize, Shade)| *number == fault.fault && shade.until.is_none();
        match fault.status {
            FaultStatus::Installed => shades.push((
                fault.fault,
                Shade {
                    what: format!("{} {}", fault.kind, fault.targets.join(", ")),
                    from: position,
                    until: None,
                },
            )),
            FaultStatus::Healed => {
                if let Some((_, shade)) = shades.iter_mut().find(open) {
                    shade.until = Some(position);
                }
            }
            FaultStatus::Skipped { .. } | FaultStatus::Uncertain { .. } => {}
        }
    }
    shades.into_iter().map(|(_, shade)| shade).collect()
}

//! Compares what nodes took from snapshots with what was to be written there.
//!
//! Replicas hold the same after the same entry, so what any of them held when it wrote a
//! snapshot up to an entry is what whoever takes a snapshot up to that entry must get.

use squall_cluster::raft::node_name;
use squall_cluster::raft::overhear::command_words;

use super::case::Case;
use super::sentence::Sentence;
use crate::backends::trace::{StateCopy, time};
use crate::trace::contents::{Fields, differences, fields};

/// Sentences, and fields beneath each.
const MOST: usize = 2;
const MOST_FIELDS: usize = 12;
/// Entries that are named of those that are missing.
const MOST_ENTRIES: usize = 8;

pub(super) fn sentences(case: &Case) -> Vec<Sentence> {
    let copies = &case.trace.traced.copies;
    let restored = copies.iter().filter(|copy| copy.restored_upto.is_some());
    let mut sentences: Vec<Sentence> = Vec::new();
    let mut shown: Vec<Vec<Lacking>> = Vec::new();
    for copy in restored {
        if sentences.len() == MOST {
            break;
        }
        if let Some(sentence) = covers_too_much(case, copy) {
            sentences.push(sentence);
            continue;
        }
        if let Some((written, lacking)) = lacking(case, copy)
            && !shown.contains(&lacking)
        {
            sentences.push(lacks(copy, written, &lacking));
            shown.push(lacking);
        }
    }
    sentences
}

/// That a snapshot says that it covers entries which are not in it.
fn covers_too_much(case: &Case, copy: &StateCopy) -> Option<Sentence> {
    let (claimed, has) = (copy.restored_upto?, copy.state.applied_index());
    let mut missing: Vec<(u64, u64, String)> = Vec::new();
    for entry in &case.trace.traced.applied {
        let is_missing = (has + 1..=claimed).contains(&entry.index);
        let is_new = missing.iter().all(|(index, ..)| *index != entry.index);
        if let Some(request) = entry.request.as_ref().filter(|_| is_missing && is_new) {
            let words = command_words(&request.command);
            missing.push((entry.index, entry.term, words));
        }
    }
    missing.sort_unstable();
    let (first, last) = (missing.first()?, missing.last()?.0);
    let node = node_name(copy.node);
    let range = match first.0 == last {
        true => format!("entry {last}"),
        false => format!("{} entries, {} to {last},", missing.len(), first.0),
    };
    let lines = missing.iter().take(MOST_ENTRIES);
    let lines = lines.map(|(index, term, words)| format!("entry {index} of term {term}: {words}"));
    Some(Sentence::new(
        format!(
            "{node} restored its state at {} from a snapshot that says it covers the log up to \
             entry {claimed}; the state in it is that after entry {has}: of {range} it has \
             nothing, and {node} never applied them.",
            time(copy.at_us)
        ),
        lines.collect(),
    ))
}

/// What the node did not get of what was held when a snapshot up to that entry was written.
fn lacking<'a>(case: &Case<'_, 'a>, copy: &StateCopy) -> Option<(&'a StateCopy, Vec<Lacking>)> {
    let copies = case.trace.traced.copies.iter();
    let mut written = copies.filter(|written| {
        written.restored_upto.is_none()
            && written.at_us <= copy.at_us
            && written.state.applied_index() == copy.state.applied_index()
    });
    // Its own, if it wrote one.
    let own = written.clone().find(|written| written.node == copy.node);
    let written = own.or_else(|| written.next())?;
    let (before, after) = (fields(&written.state), fields(&copy.state));
    let mut lacking: Vec<Lacking> = Vec::new();
    for (name, was, is) in differences(&before, &after) {
        let lacks = match (was.filter(is_something), is.filter(is_something)) {
            (Some(_), None) => {
                let whole = gone(&name, &after);
                let place = place(&whole, &before);
                Lacking::Gone(whole, place)
            }
            (Some(was), Some(is)) => Lacking::Other(name, was, is),
            (None, _) => continue,
        };
        if !lacking.contains(&lacks) {
            lacking.push(lacks);
        }
    }
    (!lacking.is_empty()).then_some((written, lacking))
}

/// What is not in a snapshot as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lacking {
    /// A field, or all that is beneath one; of a message, the place where it was.
    Gone(String, Option<String>),
    /// A field with what it was and what it became.
    Other(String, String, String),
}

impl Lacking {
    fn words(&self) -> String {
        match self {
            Lacking::Gone(name, None) => format!("{name} is missing"),
            Lacking::Gone(name, Some(place)) => format!("{name}, which was {place}, is missing"),
            Lacking::Other(name, was, is) => format!("{name} was {was} and became {is}"),
        }
    }
}

/// Whether a field has a value.
fn is_something(value: &String) -> bool {
    value != "-"
}

/// The whole of what is gone with a field: the shortest beginning of its name with which no
/// field that has a value begins.
fn gone(name: &str, after: &Fields) -> String {
    let ends = name.match_indices('.').map(|(at, _)| at);
    for end in ends.chain([name.len()]) {
        let whole = &name[..end];
        let mut beneath = after.range(whole.to_owned()..);
        let is_left = beneath.find(|(other, value)| {
            let rest = other.strip_prefix(whole);
            let is_beneath = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            !other.starts_with(whole) || (is_beneath && is_something(value))
        });
        if is_left.is_none_or(|(other, _)| !other.starts_with(whole)) {
            return whole.to_owned();
        }
    }
    name.to_owned()
}

/// Where a message of a queue was: `InFlight`.
fn place(whole: &str, before: &Fields) -> Option<String> {
    let beneath = format!("{whole}.place");
    let (name, value) = before.range(beneath.clone()..).next()?;
    let rest = name.strip_prefix(&beneath)?;
    Some(match rest.split('.').nth(1) {
        Some(variant) => variant.to_owned(),
        None => value.clone(),
    })
}

fn lacks(copy: &StateCopy, written: &StateCopy, lacking: &[Lacking]) -> Sentence {
    let others = match lacking.len() - 1 {
        0 => String::new(),
        1 => ", and another thing".into(),
        others => format!(", and {others} other things"),
    };
    let lines = lacking.iter().take(MOST_FIELDS);
    Sentence::new(
        format!(
            "{} restored its state at {} from a snapshot up to entry {}, and not all was in it \
             that {} had held after that entry, when it wrote one at {}: {}{others}.",
            node_name(copy.node),
            time(copy.at_us),
            copy.state.applied_index(),
            node_name(written.node),
            time(written.at_us),
            lacking[0].words(),
        ),
        lines.map(Lacking::words).collect(),
    )
}

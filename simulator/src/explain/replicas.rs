//! Finds where replicas diverged: the first entry after which two of them differ.

use std::collections::BTreeMap;

use super::case::Case;
use super::sentence::Sentence;
use crate::backends::trace::time;
use crate::history::{EventKind, NodeEvent};

/// What a node said after applying an entry.
#[derive(Clone, Copy)]
struct Said<'a> {
    at_us: u64,
    node: &'a str,
    digest: &'a str,
}

pub(super) fn sentences(case: &Case) -> Vec<Sentence> {
    let line = |index: u64, said: Said| {
        format!(
            "{} {} had applied {index}: {}",
            time(said.at_us as i64),
            said.node,
            said.digest
        )
    };
    let mut sentences = Vec::new();
    let parted = difference(case, |digest, _| Some(digest));
    if let Some(parted) = &parted {
        let what = match case.trace.traced.entries.get(&(parted.term, parted.index)) {
            Some(what) => format!("entry {} of term {}, `{what}`", parted.index, parted.term),
            None => format!(
                "entry {} of term {}, whose content was not overheard",
                parted.index, parted.term
            ),
        };
        sentences.push(Sentence::new(
            format!(
                "{} and {} had different results once both had applied {what}; of no entry before \
                 is that known.",
                parted.one.node, parted.other.node
            ),
            [parted.one, parted.other]
                .map(|said| line(parted.index, said))
                .to_vec(),
        ));
    }
    let states = difference(case, |_, state| state);
    if let Some(states) = &states {
        let before = match states.agreed {
            Some(index) => {
                format!("; up to entry {index} their states were the same whenever both were seen")
            }
            None => String::new(),
        };
        let mut evidence = [states.one, states.other]
            .map(|said| line(states.index, said))
            .to_vec();
        evidence.extend(between(case, states.agreed.unwrap_or(0), states.index));
        sentences.push(Sentence::new(
            format!(
                "{} and {} had different states once both had applied entry {}{before}.",
                states.one.node, states.other.node, states.index
            ),
            evidence,
        ));
    }
    if let Some(first) = parted.or(states) {
        for said in [first.one, first.other] {
            sentences.extend(restored(case, said.node, said.at_us));
        }
    }
    sentences
}

/// The last entries up to an index, of those after another.
fn between(case: &Case, after: u64, upto: u64) -> Vec<String> {
    const SHOWN: usize = 8;
    let entries = case.trace.traced.entries.iter();
    let mut entries: Vec<_> = entries
        .filter(|((_, index), _)| (after + 1..=upto).contains(index))
        .collect();
    entries.sort_by_key(|((term, index), _)| (*index, *term));
    let kept = entries.len().saturating_sub(SHOWN);
    let lines = entries[kept..].iter();
    let lines = lines.map(|((term, index), what)| format!("entry {index} of term {term}: {what}"));
    lines.collect()
}

/// Where two nodes differ first.
struct Difference<'a> {
    index: u64,
    term: u64,
    one: Said<'a>,
    other: Said<'a>,
    /// The last index before, of which two nodes said the same.
    agreed: Option<u64>,
}

/// The first index of which two nodes gave different digests, of those that `take` chooses.
fn difference<'a>(
    case: &Case<'_, 'a>,
    take: impl Fn(&'a str, Option<&'a str>) -> Option<&'a str>,
) -> Option<Difference<'a>> {
    let mut first: BTreeMap<u64, Said> = BTreeMap::new();
    let mut agreed: Vec<u64> = Vec::new();
    let mut found: Option<Difference> = None;
    for event in &case.trace.history.events {
        let EventKind::Node {
            node,
            event:
                NodeEvent::Applied {
                    term,
                    index,
                    digest,
                    state,
                },
        } = &event.kind
        else {
            continue;
        };
        let Some(digest) = take(digest, state.as_deref()) else {
            continue;
        };
        let said = Said {
            at_us: event.at_us,
            node,
            digest,
        };
        let other = *first.entry(*index).or_insert(said);
        if other.digest == said.digest {
            if other.node != said.node {
                agreed.push(*index);
            }
        } else if found.as_ref().is_none_or(|found| *index < found.index) {
            found = Some(Difference {
                index: *index,
                term: *term,
                one: other,
                other: said,
                agreed: None,
            });
        }
    }
    let mut found = found?;
    // Before the first entry, all are the same.
    let before = agreed
        .into_iter()
        .filter(|index| (1..found.index).contains(index));
    found.agreed = before.max();
    Some(found)
}

/// That the node had its state from a snapshot or from its disk, if it had, before a time.
pub(super) fn restored(case: &Case, node: &str, before_us: u64) -> Option<Sentence> {
    let events = case.trace.history.events.iter();
    let events = events.take_while(|event| event.at_us <= before_us);
    let restored = events.filter_map(|event| {
        let EventKind::Node {
            node: of,
            event: said,
        } = &event.kind
        else {
            return None;
        };
        let how = match said {
            NodeEvent::SnapshotInstalled { index, .. } => {
                format!("from a leader's snapshot up to entry {index}")
            }
            NodeEvent::Started { applied, .. } if *applied > 0 => {
                format!("from its own snapshot up to entry {applied}, when it started again")
            }
            _ => return None,
        };
        (of == node).then_some((event.at_us, how))
    });
    let (at_us, how) = restored.last()?;
    let evidence = case.event_line(node, at_us, "").into_iter().collect();
    Some(Sentence::new(
        format!(
            "{node} had restored its state at {}, {how}.",
            time(at_us as i64)
        ),
        evidence,
    ))
}

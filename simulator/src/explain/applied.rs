//! Finds the first entry whose effect at a node is not what the log up to it implies.
//!
//! A small model computes what the log implies, from what commands promise ([`model`]).
//! Of a node only the first such entry is shown: whatever comes after may follow from it. A
//! node that holds another entry at an index than the rest is not compared from there on.
//!
//! [`model`]: super::model

use std::collections::BTreeMap;

use squall_cluster::raft::node_name;
use squall_cluster::raft::overhear::command_words;
use squall_cluster::state::Limits;

use super::case::Case;
use super::deviation;
use super::model::Model;
use super::otherwise::{Deviation, reply_words};
use super::sentence::Sentence;
use crate::backends::trace::{AppliedEntry, time};

/// Entries that are shown.
const MOST: usize = 2;
/// Entries of the log that a sentence refers to and that are shown beneath it.
const MOST_SHOWN: usize = 8;

/// A node from one start to the next, or from one state that it took from a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Life {
    node: u64,
    /// Counted from 0.
    nth: usize,
    is_from_snapshot: bool,
}

/// What a life made of an entry.
struct Found<'a> {
    life: Life,
    entry: &'a AppliedEntry,
    /// `None`: what the log implies.
    deviation: Option<Deviation>,
}

pub(super) fn sentences(case: &Case) -> Vec<Sentence> {
    let found = first_deviations(case, case.cluster.limits);
    // Of what nodes did whose state came from a snapshot, once is enough: what that lacked, they
    // lack from there on.
    let is_from_snapshot = |found: &Vec<Found>| {
        let mut wrong = found.iter().filter(|found| found.deviation.is_some());
        wrong.all(|found| found.life.is_from_snapshot)
    };
    let mut seen = false;
    let shown = found.iter().filter(|found| {
        let is_again = seen && is_from_snapshot(found);
        seen |= is_from_snapshot(found);
        !is_again
    });
    shown
        .take(MOST)
        .map(|found| sentence(case, found))
        .collect()
}

/// By index, what nodes made of the entries at which one of them went wrong first.
fn first_deviations<'a>(case: &Case<'_, 'a>, limits: Limits) -> Vec<Vec<Found<'a>>> {
    let mut by_index: BTreeMap<u64, Vec<(Life, &AppliedEntry)>> = BTreeMap::new();
    for (life, entry) in lives(case) {
        by_index.entry(entry.index).or_default().push((life, entry));
    }
    let mut model = Model::new(limits);
    // Lives that have gone wrong, or hold another entry somewhere.
    let mut apart: Vec<Life> = Vec::new();
    let mut all = Vec::new();
    for entries in by_index.values() {
        let term = entries.iter().map(|(_, entry)| entry.term).max();
        let of_log = entries.iter().find(|(_, entry)| Some(entry.term) == term);
        let Some((_, first)) = of_log else {
            continue;
        };
        let request = first.request.as_deref();
        let implied =
            request.map(|request| (model.apply(first.index, request, &first.reply), request));
        let mut found = Vec::new();
        for (life, entry) in entries {
            if apart.contains(life) {
                continue;
            }
            if Some(entry.term) != term {
                apart.push(*life);
                continue;
            }
            let deviation = implied
                .as_ref()
                .and_then(|(implied, request)| deviation::of(&model, implied, entry, request));
            if deviation.is_some() {
                apart.push(*life);
            }
            found.push(Found {
                life: *life,
                entry,
                deviation,
            });
        }
        if found.iter().any(|found| found.deviation.is_some()) {
            all.push(found);
        }
    }
    all
}

/// Entries as they were applied, each with the life of its node.
fn lives<'a>(case: &Case<'_, 'a>) -> Vec<(Life, &'a AppliedEntry)> {
    let traced = case.trace.traced;
    // Of each node its life and the last entry in it.
    let mut now: BTreeMap<u64, (Life, u64)> = BTreeMap::new();
    let first = |node| Life {
        node,
        nth: 0,
        is_from_snapshot: false,
    };
    let mut copies = traced.copies.iter().peekable();
    let mut lives = Vec::new();
    for entry in &traced.applied {
        while let Some(copy) = copies.next_if(|copy| copy.at_us <= entry.at_us) {
            if copy.restored_upto.is_some() {
                let (life, last) = now.entry(copy.node).or_insert((first(copy.node), 0));
                (life.nth, life.is_from_snapshot, *last) = (life.nth + 1, true, 0);
            }
        }
        let (life, last) = now.entry(entry.node).or_insert((first(entry.node), 0));
        if entry.index <= *last {
            (life.nth, life.is_from_snapshot) = (life.nth + 1, false);
        }
        *last = entry.index;
        lives.push((*life, entry));
    }
    lives
}

fn sentence(case: &Case, found: &[Found]) -> Sentence {
    let wrong: Vec<(&Found, &Deviation)> = found
        .iter()
        .filter_map(|found| Some((found, found.deviation.as_ref()?)))
        .collect();
    let (first, deviation) = wrong[0];
    // What each node did, with those that did the same.
    let mut did: Vec<(&str, bool, Vec<u64>)> = Vec::new();
    for (found, deviation) in &wrong {
        let is_from_snapshot = found.life.is_from_snapshot;
        let same = did.iter_mut().find(|(text, from_snapshot, _)| {
            *text == deviation.did && *from_snapshot == is_from_snapshot
        });
        match same {
            Some((_, _, nodes)) => nodes.push(found.life.node),
            None => did.push((&deviation.did, is_from_snapshot, vec![found.life.node])),
        }
    }
    let right = found.iter().filter(|found| found.deviation.is_none());
    let mut right: Vec<u64> = right.map(|found| found.life.node).collect();
    let mut clauses: Vec<String> = Vec::new();
    for (did, is_from_snapshot, nodes) in &did {
        right.retain(|node| *is_from_snapshot || !nodes.contains(node));
        let whose = match is_from_snapshot {
            true => ", with the state of a snapshot,",
            false => "",
        };
        clauses.push(format!("{}{whose} {did}", names(nodes)));
    }
    if !right.is_empty() {
        let without = match wrong.iter().any(|(found, _)| found.life.is_from_snapshot) {
            true => ", which had applied the log itself,",
            false => "",
        };
        clauses.push(format!(
            "{}{without} did what the log implies",
            names(&right)
        ));
    }
    let mut text = format!(
        "{}: {}. {}, at {}.",
        entry_words(first.entry),
        deviation.implied,
        clauses.join("; "),
        time(first.entry.at_us)
    );
    let is_by_log = |(found, _): &(&Found, &Deviation)| !found.life.is_from_snapshot;
    if did.len() + usize::from(!right.is_empty()) > 1 && wrong.iter().all(is_by_log) {
        text += " One entry with several effects: something besides the log decided.";
    }
    let mut evidence: Vec<String> = found.iter().map(line).collect();
    let mut shown = deviation.entries.clone();
    shown.sort_unstable();
    shown.dedup();
    for index in shown.into_iter().take(MOST_SHOWN) {
        evidence.extend(line_of_entry(case, index));
    }
    Sentence::new(text, evidence)
}

/// `node-1, node-2 and node-3`.
fn names(nodes: &[u64]) -> String {
    let mut nodes = nodes.to_vec();
    nodes.sort_unstable();
    nodes.dedup();
    let names: Vec<String> = nodes.into_iter().map(node_name).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

fn entry_words(entry: &AppliedEntry) -> String {
    format!(
        "Entry {} of term {}, `{}`",
        entry.index,
        entry.term,
        what(entry)
    )
}

fn what(entry: &AppliedEntry) -> String {
    let request = entry.request.as_ref();
    request.map_or_else(
        || "nothing".into(),
        |request| command_words(&request.command),
    )
}

/// What a node said of an entry.
fn line(found: &Found) -> String {
    let entry = found.entry;
    let mut line = format!(
        "{} {} applied entry {} of term {}, log time {} ms: {}",
        time(entry.at_us),
        node_name(entry.node),
        entry.index,
        entry.term,
        entry.held.clock_ms,
        reply_words(&entry.reply)
    );
    for wake in &entry.wakes {
        let reply = reply_words(&wake.reply);
        line += &format!("; to the waiter of entry {}: {reply}", wake.waiter);
    }
    line
}

/// An entry of the log that a sentence refers to.
fn line_of_entry(case: &Case, index: u64) -> Option<String> {
    let of_index = case.trace.traced.applied.iter();
    let entry = of_index
        .filter(|entry| entry.index == index)
        .max_by_key(|entry| entry.term)?;
    let once = entry.request.as_ref().and_then(|request| request.once);
    let once = once.map_or_else(String::new, |once| {
        format!(", request {} of session {}", once.sequence, once.session)
    });
    let what = what(entry);
    Some(format!(
        "entry {index} of term {}, log time {} ms: {what}{once}",
        entry.term, entry.held.clock_ms
    ))
}

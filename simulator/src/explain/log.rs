//! Lists what the log has of the keys and sessions in question: the entries that touch them, in
//! order; entries that were replaced, and sessions that were ended too early.

use std::collections::BTreeMap;

use super::appends::range;
use super::case::Case;
use super::sentence::Sentence;
use crate::backends::trace::{Message, time};
use crate::history::{Action, Operation, Outcome};
use crate::report;

/// Keys and sessions that are shown.
const MOST_SUBJECTS: usize = 4;
/// Entries of each that are shown: the last ones.
const MOST_ENTRIES: usize = 8;
/// Entries of this long before the first operation are of interest as well.
const BEFORE_US: i64 = 1_000_000;

/// By term and index, the message in which an entry was first sent.
pub(super) type FirstSent<'a> = BTreeMap<(u64, u64), &'a Message>;

pub(super) fn sentences(case: &Case) -> Vec<Sentence> {
    let sent = first_sent(case);
    let mut sentences = overwritten(case, &sent);
    sentences.extend(expired(case, &sent));
    let subjects = subjects(&case.operations);
    let shown = subjects.iter().take(MOST_SUBJECTS);
    sentences.extend(shown.filter_map(|subject| entries_about(case, &sent, subject)));
    sentences
}

/// What operations are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Session(u64),
    Key(String),
}

impl Subject {
    fn word(&self) -> String {
        match self {
            Subject::Session(session) => session.to_string(),
            Subject::Key(key) => key.clone(),
        }
    }

    fn words(&self) -> String {
        match self {
            Subject::Session(session) => format!("session {session}"),
            Subject::Key(key) => key.clone(),
        }
    }

    /// Whether an entry with these words is about it.
    fn is_in(&self, what: &str) -> bool {
        let word = self.word();
        let names_sessions = what.contains("session");
        let mut words = what.split([' ', ',', ':']);
        (matches!(self, Subject::Key(_)) || names_sessions) && words.any(|other| other == word)
    }
}

fn session_of(action: &Action) -> Option<u64> {
    match action {
        Action::KeepAlive { session }
        | Action::CloseSession { session }
        | Action::Acquire { session, .. }
        | Action::Release { session, .. }
        | Action::Cancel { session, .. } => Some(*session),
        _ => None,
    }
}

/// What an operation writes that no other does.
pub(super) fn values(action: &Action) -> Vec<&str> {
    match action {
        Action::Publish { value, .. }
        | Action::Set { value, .. }
        | Action::SetVolatile { value, .. }
        | Action::CompareAndSet { value, .. } => vec![value],
        Action::PublishBatch { values, .. } => values.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Sessions, then keys, each once.
fn subjects(operations: &[Operation]) -> Vec<Subject> {
    let of_operation = |operation: &Operation| {
        let session = session_of(operation.action).map(Subject::Session);
        let key = operation
            .action
            .key()
            .map(|key| Subject::Key(key.to_owned()));
        session.into_iter().chain(key)
    };
    let mut subjects: Vec<Subject> = operations.iter().flat_map(of_operation).collect();
    subjects.sort();
    subjects.dedup();
    subjects
}

fn is_about(operation: &Operation, subject: &Subject) -> bool {
    match subject {
        Subject::Session(session) => session_of(operation.action) == Some(*session),
        Subject::Key(key) => operation.action.key() == Some(key),
    }
}

/// The entries about a key or a session, shortly before and during the operations on it.
fn entries_about(case: &Case, sent: &FirstSent, subject: &Subject) -> Option<Sentence> {
    let of_subject = || case.operations.iter().filter(|o| is_about(o, subject));
    let from_us = of_subject().map(|o| o.invoked_us as i64).min()? - BEFORE_US;
    let ends = of_subject().map(|o| o.returned_us.unwrap_or(o.invoked_us) as i64);
    let to_us = ends.max()?;
    let entries = case.trace.traced.entries.iter();
    let entries = entries.filter(|(_, what)| subject.is_in(what));
    let mut entries: Vec<((u64, u64), &Message, &str)> = entries
        .filter_map(|(at, what)| Some((*at, *sent.get(at)?, what.as_str())))
        .filter(|(_, first, _)| (from_us..=to_us).contains(&first.sent_us))
        .collect();
    entries.sort_by_key(|((term, index), ..)| (*index, *term));
    let count = entries.len();
    let lines = entries.iter().skip(count.saturating_sub(MOST_ENTRIES));
    let lines: Vec<String> = lines
        .map(|(at, first, what)| line(*at, what, Some(first)))
        .collect();
    (count > 0).then(|| {
        let last = match count > MOST_ENTRIES {
            true => format!("; the last {MOST_ENTRIES} of them"),
            false => String::new(),
        };
        let plural = if count == 1 {
            "y that was"
        } else {
            "ies that were"
        };
        Sentence::new(
            format!(
                "The log has {count} entr{plural} sent from {} to {} about {}{last}.",
                time(from_us.max(0)),
                time(to_us),
                subject.words()
            ),
            lines,
        )
    })
}

fn line((term, index): (u64, u64), what: &str, first: Option<&Message>) -> String {
    let first = first.map(|first| {
        format!(
            " (first sent by {} at {}, #{})",
            first.from,
            time(first.sent_us),
            first.number
        )
    });
    format!(
        "entry {index} of term {term}: {what}{}",
        first.unwrap_or_default()
    )
}

pub(super) fn first_sent<'a>(case: &Case<'_, 'a>) -> FirstSent<'a> {
    let mut by_index: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (term, index) in case.trace.traced.entries.keys() {
        by_index.entry(*index).or_default().push(*term);
    }
    let mut first = BTreeMap::new();
    for message in &case.trace.traced.messages {
        let Some((from, to)) = range(message) else {
            continue;
        };
        let said = message.content.term().unwrap_or(0);
        for (index, terms) in by_index.range(from..=to) {
            // A leader sends what it has, which is of its own term or of an earlier one.
            let term = terms.iter().filter(|term| **term <= said).max();
            if let Some(term) = term {
                first.entry((*term, *index)).or_insert(message);
            }
        }
    }
    first
}

/// The index of the entry that an outcome names, where it does.
fn named(outcome: &Outcome) -> Option<u64> {
    match outcome {
        Outcome::Stored { version } | Outcome::Counted { version, .. } if *version > 0 => {
            Some(*version)
        }
        // A token is no index: one entry may grant several.
        Outcome::Session { session } => Some(*session),
        _ => None,
    }
}

impl Case<'_, '_> {
    /// The index of the entry by which an operation took effect: as its outcome names it, or as
    /// the value in it tells.
    pub(super) fn entry_of(&self, operation: &Operation) -> Option<u64> {
        operation.outcome.and_then(named).or_else(|| {
            let values = values(operation.action);
            let value = values.first()?;
            let holds = |what: &str| what.split([' ', ',', ':']).any(|word| word == *value);
            let mut entries = self.trace.traced.entries.iter();
            let found = entries.find(|(_, what)| holds(what));
            found.map(|((_, index), _)| *index)
        })
    }
}

/// Acknowledged writes whose entry is another one in a later term: they were lost.
fn overwritten(case: &Case, sent: &FirstSent) -> Vec<Sentence> {
    let lost = case.operations.iter().filter_map(|operation| {
        let index = case.entry_of(operation)?;
        let (_, answer) = case.exchange(operation)?;
        let node = answer.from.node()?;
        let own_term = case.role_at(&node, answer.sent_us)?.term;
        let entries = &case.trace.traced.entries;
        let own = entries.get_key_value(&(own_term, index))?;
        let mut entries = entries.iter();
        let later = entries.rfind(|((term, other), _)| *other == index && *term > own_term)?;
        let lines = [own, later].map(|(at, what)| line(*at, what, sent.get(at).copied()));
        Some(Sentence::new(
            format!(
                "Entry {index} of term {own_term}, for which op {} was acknowledged, was replaced \
                 by another one in term {}.",
                operation.op, later.0.0
            ),
            lines.to_vec(),
        ))
    });
    lost.collect()
}

/// Sessions that an entry ended sooner after their last renewal than they may live.
fn expired(case: &Case, sent: &FirstSent) -> Vec<Sentence> {
    let mut sessions: Vec<u64> = case
        .operations
        .iter()
        .filter_map(|operation| session_of(operation.action))
        .collect();
    sessions.sort_unstable();
    sessions.dedup();
    let shown = sessions.into_iter().take(MOST_SUBJECTS);
    shown
        .filter_map(|session| expired_early(case, sent, session))
        .collect()
}

fn expired_early(case: &Case, sent: &FirstSent, session: u64) -> Option<Sentence> {
    let ttl_ms = case.trace.operation_where(|operation| {
        let opened =
            matches!(operation.outcome, Some(Outcome::Session { session: id }) if *id == session);
        match operation.action {
            Action::OpenSession { ttl_ms } if opened => Some(*ttl_ms),
            _ => None,
        }
    })?;
    let subject = Subject::Session(session);
    let entries = case.trace.traced.entries.iter();
    let mut entries: Vec<_> = entries.filter(|(_, what)| subject.is_in(what)).collect();
    entries.sort_by_key(|((_, index), _)| *index);
    let end = entries
        .iter()
        .position(|(_, what)| what.starts_with("expire"))?;
    let mut before = entries[..end].iter();
    let renewal = before.rfind(|(_, what)| what.starts_with("session keep-alive"))?;
    let (renewed, ended) = (sent.get(renewal.0)?, sent.get(entries[end].0)?);
    let after_us = ended.sent_us - renewed.sent_us;
    (after_us < ttl_ms as i64 * 1_000).then(|| {
        let lines =
            [renewal, &entries[end]].map(|(at, what)| line(**at, what, sent.get(at).copied()));
        Sentence::new(
            format!(
                "Entry {} ended session {session}, though entry {} before it had renewed it {} \
                 earlier, and it may live for {ttl_ms} ms.",
                entries[end].0.1,
                renewal.0.1,
                report::duration(after_us.max(0) as u64)
            ),
            lines.to_vec(),
        )
    })
}

//! Finds the steps that a node left out before it answered: making sure that it still led,
//! committing an entry of its own, having a write confirmed by a majority and made durable there.
//!
//! Each rule is one that a correct cluster always keeps, so that it says nothing of a healthy
//! run; a test holds them to that.

use std::collections::BTreeMap;

use super::appends::{commit, range, upto};
use super::case::Case;
use super::lease;
use super::log::values;
use super::sentence::Sentence;
use crate::backends::Role;
use crate::backends::trace::{Content, Message, Party, time};
use crate::history::{Action, EventKind, NodeEvent, Operation, OperationClass, Outcome};

pub(super) fn sentences(
    case: &Case,
    operation: &Operation,
    call: &Message,
    answer: &Message,
) -> Vec<Sentence> {
    let Some(node) = answer.from.node() else {
        return Vec::new();
    };
    if !operation.outcome.is_some_and(Outcome::is_acknowledged) {
        return Vec::new();
    }
    let mut sentences = Vec::new();
    let mut mode_of_read = None;
    if operation.action.info().class == OperationClass::Read {
        mode_of_read = mode(case, &node, call);
        sentences.extend(lease::sentences(case, &node, call, answer));
        sentences.extend(unconfirmed_read(case, &node, call, answer));
        sentences.extend(no_entry_of_its_own(case, &node, call, answer));
    } else {
        sentences.extend(unconfirmed_write(case, &node, operation, call, answer));
        sentences.extend(condition_left_out(case, &node, operation));
    }
    let steps = sentences.into_iter().map(Sentence::of_step);
    mode_of_read.into_iter().chain(steps).collect()
}

/// That the client had asked for a read that needs no confirmation.
fn mode(case: &Case, node: &str, call: &Message) -> Option<Sentence> {
    let mode = mode_of(call)?;
    Some(Sentence::new(
        format!(
            "The client had asked for a read of the mode {mode}, for which {node} need not ask \
             others at that moment."
        ),
        vec![case.line_of(call)],
    ))
}

/// The mode of a read that is not linearizable.
fn mode_of(call: &Message) -> Option<&str> {
    let Content::Call { command } = &call.content else {
        return None;
    };
    let mode = command.strip_prefix("READ ")?.split(' ').next()?;
    (mode != "LINEARIZABLE").then_some(mode)
}

/// That a leader answered a linearizable read before it had committed an entry of its term,
/// without which it cannot know what was committed before it.
fn no_entry_of_its_own(
    case: &Case,
    node: &str,
    call: &Message,
    answer: &Message,
) -> Option<Sentence> {
    let role = case.role_at(node, answer.sent_us)?;
    if role.role != Role::Leader || mode_of(call).is_some() {
        return None;
    }
    let commits = case
        .trace
        .history
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Node {
                node: of,
                event: NodeEvent::FirstCommit { term, .. },
            } if of == node && *term == role.term => Some(event.at_us as i64),
            _ => None,
        });
    let first = commits.min();
    // In the same instant, which was first is unknown.
    let is_late = first.is_none_or(|at_us| at_us > answer.sent_us);
    is_late.then(|| {
        let when = match first {
            Some(at_us) => format!("did so only at {}", time(at_us)),
            None => "never did".into(),
        };
        Sentence::new(
            format!(
                "When {node} answered, it had not committed any entry of its own term {}, and {when}: \
                 until then it cannot know all that was committed before.",
                role.term
            ),
            [case.role_line(role), vec![case.line_of(answer)]].concat(),
        )
    })
}

/// That a write was to depend on a version, and its entry does not.
fn condition_left_out(case: &Case, node: &str, operation: &Operation) -> Option<Sentence> {
    let Action::CompareAndSet { version, .. } = operation.action else {
        return None;
    };
    if !matches!(operation.outcome, Some(Outcome::Stored { .. })) {
        return None;
    }
    let index = case.entry_of(operation)?;
    let of_index = case.trace.traced.entries.iter();
    let mut of_index = of_index.filter(|((_, other), _)| *other == index);
    let is_unconditional = |what: &str| {
        values(operation.action)
            .iter()
            .all(|value| what.contains(value))
            && !what.contains("if at version")
    };
    let ((term, _), what) = of_index.find(|(_, what)| is_unconditional(what))?;
    Some(Sentence::new(
        format!(
            "Op {} was to set the key only if at version {version}, and the entry that {node} made \
             of it sets it in any case: the condition is not in it.",
            operation.op
        ),
        vec![format!("entry {index} of term {term}: {what}")],
    ))
}

/// That a read was answered without a majority having confirmed the leader meanwhile.
fn unconfirmed_read(case: &Case, node: &str, call: &Message, answer: &Message) -> Option<Sentence> {
    let Content::Call { command } = &call.content else {
        return None;
    };
    if command.starts_with("READ ") {
        return None;
    }
    let from_us = call.read_us()?;
    let confirmed = case.confirmed_by(node, (from_us, answer.sent_us), |message| {
        matches!(
            message.content.name(),
            "append" | "heartbeat" | "read-index"
        )
    });
    let mut sent = case.messages_between(from_us, answer.sent_us);
    let asked_leader = sent.any(|message| {
        message.content.name() == "read-index" && message.from.node().as_deref() == Some(node)
    });
    let needed = case.others_needed();
    (confirmed.len() < needed && !asked_leader).then(|| {
        Sentence::new(
            format!(
                "From the arrival of the call to its answer, {node} got confirmations from {} of \
                 the {needed} other nodes that make a majority with it: it answered without \
                 having made sure that it still led.",
                confirmed.len()
            ),
            vec![case.line_of(call), case.line_of(answer)],
        )
    })
}

/// That a write was acknowledged before a majority had it, or before it was durable there.
fn unconfirmed_write(
    case: &Case,
    node: &str,
    operation: &Operation,
    call: &Message,
    answer: &Message,
) -> Vec<Sentence> {
    let Some(entry) = case.entry_of(operation) else {
        let values = values(operation.action);
        let unsent = values.first().map(|value| {
            Sentence::new(
                format!(
                    "{node} acknowledged op {}, but no entry with {value} was ever sent to another \
                     node.",
                    operation.op
                ),
                vec![case.line_of(call), case.line_of(answer)],
            )
        });
        // A write without a value of its own cannot be matched to an entry.
        let again = unsent
            .as_ref()
            .and_then(|_| asked_before(case, node, operation, call));
        return unsent.into_iter().chain(again).collect();
    };
    // Whoever confirms an append has all that the leader has, up to its last entry; it may have
    // been sent for an earlier attempt.
    let has_it = |message: &Message| upto(message).is_some_and(|index| index >= entry);
    let confirmed = case.confirmed_by(node, (case.first_sent_us(entry), answer.sent_us), has_it);
    let needed = case.others_needed();
    let mut sentences = Vec::new();
    if confirmed.len() < needed && !knew_committed(case, node, entry, answer.sent_us) {
        sentences.push(Sentence::new(
            format!(
                "When {node} acknowledged op {}, {} of the {needed} other nodes that make a \
                 majority with it had confirmed entry {entry} to it.",
                operation.op,
                confirmed.len()
            ),
            vec![case.line_of(call), case.line_of(answer)],
        ));
        sentences.extend(asked_before(case, node, operation, call));
    }
    sentences.extend(not_durable(case, node, entry, answer.sent_us));
    sentences
}

/// That the node had been asked for the same before, and took the call for a repeat of something
/// that was done.
fn asked_before(
    case: &Case,
    node: &str,
    operation: &Operation,
    call: &Message,
) -> Option<Sentence> {
    let mut messages = case.messages_of(operation.op).iter();
    let before = messages.find(|message| {
        matches!(message.content, Content::Call { .. })
            && message.number < call.number
            && message.to == call.to
            && message.read_us().is_some()
    })?;
    let no_answer = case.answer_to(before.number).is_none_or(
        |answer| matches!(&answer.content, Content::Answer { reply } if reply.starts_with('-')),
    );
    no_answer.then(|| {
        Sentence::new(
            format!(
                "{node} had been asked for op {} before, at {}, and had not said that it was done: \
                 it answered the repeat as if that attempt had been committed.",
                operation.op,
                time(before.sent_us)
            ),
            vec![case.line_of(before), case.line_of(call)],
        )
    })
}

/// Whether another node, which led by then, had sent it that the entry is committed.
fn knew_committed(case: &Case, node: &str, entry: u64, until_us: i64) -> bool {
    let mut messages = case.messages_since(entry, until_us);
    messages.any(|message| {
        commit(message).is_some_and(|commit| commit >= entry)
            && message.to.node().as_deref() == Some(node)
            && message.read_us().is_some_and(|at_us| at_us <= until_us)
    })
}

/// Followers that confirmed an entry without a sync of their disk since it had first arrived.
fn not_durable(case: &Case, node: &str, entry: u64, until_us: i64) -> Option<Sentence> {
    let messages = case.messages_since(entry, until_us);
    let carrying = messages.filter(|message| {
        let carries = range(message).is_some_and(|(from, to)| (from..=to).contains(&entry));
        carries && message.read_us().is_some()
    });
    // Of each follower, when it first had the entry, of whatever leader, and from this one.
    let mut had: BTreeMap<Party, i64> = BTreeMap::new();
    let mut first: BTreeMap<Party, &Message> = BTreeMap::new();
    for append in carrying {
        had.entry(append.to)
            .or_insert_with(|| append.read_us().unwrap_or(append.sent_us));
        // Of an earlier term, the follower may have it from its own time as a leader.
        let entries = &case.trace.traced.entries;
        let term = append.content.term().unwrap_or(0);
        let is_own = entries.contains_key(&(term, entry));
        if is_own && append.from.node().as_deref() == Some(node) {
            first.entry(append.to).or_insert(append);
        }
    }
    let unsynced = first.iter().filter_map(|(follower, append)| {
        let arrived_us = had.get(follower)?;
        let (follower, answer) = (follower.node()?, case.answer_to(append.number)?);
        let mut syncs = case.trace.traced.syncs.iter();
        let is_synced = syncs.any(|sync| {
            sync.node == follower
                && sync.from_us >= *arrived_us
                && sync
                    .to_us
                    .is_some_and(|ended_us| ended_us <= answer.sent_us)
        });
        let is_confirmed = answer.content.name() == "appended";
        (is_confirmed && !is_synced).then_some((follower, *append, answer))
    });
    let unsynced: Vec<_> = unsynced.collect();
    let names: Vec<&str> = unsynced.iter().map(|(name, ..)| name.as_str()).collect();
    let lines = unsynced.iter();
    let lines = lines.flat_map(|(_, append, answer)| [case.line_of(append), case.line_of(answer)]);
    (!names.is_empty()).then(|| {
        Sentence::new(
            format!(
                "{} confirmed entry {entry} without a sync of the disk after it had arrived.",
                names.join(" and ")
            ),
            lines.collect(),
        )
    })
}

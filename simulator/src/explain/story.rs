//! Of each operation that a check shows: how often it was sent, who answered it, and what that
//! node had not done before it answered, or did not know.

use super::case::Case;
use super::left_out;
use super::replicas::restored;
use super::sentence::Sentence;
use crate::backends::Role;
use crate::backends::trace::{Content, Message, time};
use crate::check::words::outcome;
use crate::history::Operation;
use crate::trace::{FaultSpan, RoleSpan, words};

/// Attempts of an operation that are shown.
const MOST_ATTEMPTS: usize = 6;

pub(super) fn sentences(case: &Case) -> Vec<Sentence> {
    if case.operations.is_empty() {
        return vec![Sentence::new(
            "The check names no operation, so it cannot be shown which node answered what.",
            Vec::new(),
        )];
    }
    let operations = case.operations.iter();
    operations
        .flat_map(|operation| of_operation(case, operation))
        .collect()
}

fn of_operation(case: &Case, operation: &Operation) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let asked = format!(
        "{} asked at {} to {} (op {})",
        operation.client,
        time(operation.invoked_us as i64),
        operation.action,
        operation.op
    );
    let Some((answer_words, returned_us)) = operation.outcome.zip(operation.returned_us) else {
        sentences.push(Sentence::new(
            format!("{asked}, and never heard of it."),
            Vec::new(),
        ));
        sentences.extend(attempts(case, operation));
        return sentences;
    };
    let Some((call, answer)) = case.exchange(operation) else {
        let why = match operation.action.is_remote() {
            true => "no answer of a node to it was recorded",
            false => "the client answered it itself, from its own cache",
        };
        sentences.push(Sentence::new(
            format!(
                "{asked}, and learnt `{}` at {}; which node answered cannot be shown: {why}.",
                outcome(answer_words),
                time(returned_us as i64)
            ),
            Vec::new(),
        ));
        sentences.extend(attempts(case, operation));
        return sentences;
    };
    let node = answer.from.to_string();
    let role = case.role_at(&node, answer.sent_us);
    let was = role.map_or_else(String::new, |role| {
        format!(", {} since {}", role.words(), time(role.from_us as i64))
    });
    let mut evidence = vec![case.line_of(call), case.line_of(answer)];
    evidence.extend(role.into_iter().flat_map(|role| case.role_line(role)));
    sentences.push(Sentence::new(
        format!(
            "{asked}. {node}{was}, answered it: {}.",
            outcome(answer_words)
        ),
        evidence,
    ));
    sentences.extend(attempts(case, operation));
    sentences.extend(superseded(case, &node, role, answer));
    sentences.extend(cut_off(case, &node, answer));
    sentences.extend(left_out::sentences(case, operation, call, answer));
    let answered_us = answer.sent_us.max(0) as u64;
    sentences.extend(restored(case, &node, answered_us));
    sentences
}

/// That it was sent more than once, and what became of each attempt.
fn attempts(case: &Case, operation: &Operation) -> Option<Sentence> {
    let messages = case.messages_of(operation.op).iter();
    let calls = messages.filter(|message| matches!(message.content, Content::Call { .. }));
    let calls: Vec<&&Message> = calls.collect();
    if calls.len() < 2 {
        return None;
    }
    let lines = calls.iter().map(|call| {
        let reply = case
            .answer_to(call.number)
            .map(|answer| format!("{} ({})", answer.content, words::fate(answer)));
        let reply = reply.unwrap_or_else(|| "no answer".into());
        format!(
            "{} #{} to {}: {}; {reply}",
            time(call.sent_us),
            call.number,
            call.to,
            words::fate(call)
        )
    });
    let mut evidence: Vec<String> = lines.collect();
    let more = evidence.len().saturating_sub(MOST_ATTEMPTS);
    evidence.truncate(MOST_ATTEMPTS);
    if more > 0 {
        evidence.push(format!("… and {more} more attempts"));
    }
    Some(Sentence::new(
        format!("Op {} was sent {} times.", operation.op, calls.len()),
        evidence,
    ))
}

/// That another node led a later term when this one answered.
fn superseded(
    case: &Case,
    node: &str,
    role: Option<&RoleSpan>,
    answer: &Message,
) -> Option<Sentence> {
    let latest = case.latest_leader(answer.sent_us)?;
    let own_term = role.map_or(0, |role| role.term);
    if latest.node == node || latest.term <= own_term {
        return None;
    }
    let since_us = answer.sent_us - latest.from_us as i64;
    let unaware = match role.map(|role| role.role) {
        Some(Role::Leader) => "and took itself for the leader all the same",
        _ => "and did not know of it",
    };
    Some(Sentence::new(
        format!(
            "When {node} answered, {} had led the later term {} for {}; {node} was in term \
             {own_term}, {unaware}.",
            latest.node,
            latest.term,
            crate::report::duration(since_us.max(0) as u64)
        ),
        case.role_line(latest),
    ))
}

fn cut_off(case: &Case, node: &str, answer: &Message) -> Option<Sentence> {
    let faults = case.faults_at(node, answer.sent_us);
    let is_cut_off = |fault: &FaultSpan| fault.event.cut_off.iter().any(|cut| cut == node);
    // Who is on the side of the majority of a partition has no part in it.
    let concerns = |fault: &&&FaultSpan| fault.event.cut_off.is_empty() || is_cut_off(fault);
    let fault = faults.iter().find(concerns)?;
    let does = match is_cut_off(fault) {
        true => format!("had cut {node} off from a majority"),
        false => format!("was in force on {node}"),
    };
    Some(Sentence::new(
        format!(
            "Fault {} ({}) {does} since {}.",
            fault.event.fault,
            fault.words(),
            time(fault.from_us as i64)
        ),
        vec![case.fault_line(fault)],
    ))
}

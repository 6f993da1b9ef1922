//! Finds log time that went on while no majority answered the leader: it must stand still, since
//! nobody could have renewed anything.

use std::collections::BTreeMap;

use super::case::Case;
use super::log;
use super::sentence::Sentence;
use crate::backends::Role;
use crate::backends::trace::{AppliedEntry, Message, Party, time};
use crate::report;

/// Beside what the clocks of nodes may be off: an entry is stamped before it is sent.
const TOLERANCE_US: i64 = 250_000;

pub(super) fn sentences(case: &Case) -> Vec<Sentence> {
    let lease_us = case.cluster.lease.as_micros() as i64;
    let mut leaders: Vec<(&str, u64)> = case
        .roles
        .iter()
        .filter(|span| span.role == Role::Leader)
        .map(|span| (span.node, span.term))
        .collect();
    leaders.dedup();
    let sentence = leaders.iter().find_map(|(node, term)| {
        let gap = longest_gap(case, node, *term)?;
        if gap.to_us - gap.from_us < 2 * lease_us {
            return None;
        }
        went_on(case, node, *term, &gap, lease_us)
    });
    sentence.into_iter().collect()
}

/// A stretch in which nothing was sent that a majority answered.
struct Gap<'a> {
    from_us: i64,
    to_us: i64,
    /// What was answered before and after it.
    before: &'a Message,
    after: &'a Message,
}

/// The longest one of a leader.
fn longest_gap<'a>(case: &Case<'_, 'a>, node: &str, term: u64) -> Option<Gap<'a>> {
    let needed = case.others_needed();
    let mut answered: Vec<(i64, &Message)> = Vec::new();
    for message in &case.trace.traced.messages {
        let asks = matches!(message.content.name(), "append" | "heartbeat")
            && message.content.term() == Some(term)
            && message.from.node().as_deref() == Some(node);
        let answer = (asks.then(|| case.answer_to(message.number))).flatten();
        if let Some(read_us) = answer.and_then(Message::read_us) {
            answered.push((read_us, message));
        }
    }
    answered.sort_by_key(|(read_us, message)| (*read_us, message.number));
    // Of each follower, the last call that it has answered.
    let mut last: BTreeMap<Party, &Message> = BTreeMap::new();
    let mut quorum: Option<&Message> = None;
    let mut longest: Option<Gap> = None;
    for (_, message) in answered {
        let of_follower = last.entry(message.to).or_insert(message);
        if of_follower.sent_us < message.sent_us {
            *of_follower = message;
        }
        let mut sent: Vec<&Message> = last.values().copied().collect();
        sent.sort_by_key(|message| std::cmp::Reverse(message.sent_us));
        let Some(now) = sent.get(needed.max(1) - 1).copied() else {
            continue;
        };
        if let Some(before) = quorum.filter(|before| before.sent_us < now.sent_us) {
            let gap = Gap {
                from_us: before.sent_us,
                to_us: now.sent_us,
                before,
                after: now,
            };
            let length = |gap: &Gap| gap.to_us - gap.from_us;
            if longest
                .as_ref()
                .is_none_or(|longest| length(longest) < length(&gap))
            {
                longest = Some(gap);
            }
        }
        if quorum.is_none_or(|before| before.sent_us < now.sent_us) {
            quorum = Some(now);
        }
    }
    longest
}

/// That the stamps of the entries around a gap count it.
fn went_on(case: &Case, node: &str, term: u64, gap: &Gap, lease_us: i64) -> Option<Sentence> {
    let sent = log::first_sent(case);
    let sent_us = |entry: &AppliedEntry| {
        let first = sent.get(&(entry.term, entry.index))?;
        Some(first.sent_us)
    };
    let mut entries: BTreeMap<u64, (&AppliedEntry, i64)> = BTreeMap::new();
    let applied = case.trace.traced.applied.iter();
    for entry in applied.filter(|entry| entry.term == term && entry.request.is_some()) {
        if let Some(sent_us) = sent_us(entry) {
            entries.entry(entry.index).or_insert((entry, sent_us));
        }
    }
    let before = entries
        .values()
        .rev()
        .find(|(_, at_us)| *at_us <= gap.from_us)?;
    let after = entries.values().find(|(_, at_us)| *at_us >= gap.to_us)?;
    let (from_ms, to_ms) = (stamp_ms(before.0)?, stamp_ms(after.0)?);
    let went_us = to_ms.saturating_sub(from_ms) as i64 * 1_000;
    let gap_us = gap.to_us - gap.from_us;
    let served_us = (after.1 - before.1 - gap_us).max(0);
    let most_us = served_us + served_us / 4 + lease_us + TOLERANCE_US;
    (went_us > most_us).then(|| {
        let line = |(entry, at_us): &(&AppliedEntry, i64)| {
            format!(
                "{} {node} sent entry {} of term {term}, stamped with log time {} ms",
                time(*at_us),
                entry.index,
                stamp_ms(entry).unwrap_or(0)
            )
        };
        let duration = |us: i64| report::duration(us.max(0) as u64);
        Sentence::new(
            format!(
                "Nothing that {node}, which led term {term}, sent from {} to {} was answered by a \
                 majority, so nobody could renew anything and log time had to stand still; from \
                 entry {} to entry {} it went on by {} all the same, of which at most {} were \
                 outside that.",
                time(gap.from_us),
                time(gap.to_us),
                before.0.index,
                after.0.index,
                duration(went_us),
                duration(served_us + lease_us),
            ),
            vec![
                case.line_of(gap.before),
                line(before),
                case.line_of(gap.after),
                line(after),
            ],
        )
    })
}

/// The log time with which the leader stamped it.
fn stamp_ms(entry: &AppliedEntry) -> Option<u64> {
    entry.request.as_ref().map(|request| request.time_ms)
}

//! Streams of invalidations that were taken up again, and what was left out at their beginning.

use std::collections::BTreeSet;

use super::case::Case;
use super::sentence::Sentence;
use crate::backends::trace::{Content, Message, Party, time};

/// Streams that are shown, and entries beneath each.
const MOST: usize = 2;
const MOST_ENTRIES: usize = 8;

pub(super) fn sentences(case: &Case) -> Vec<Sentence> {
    let calls = case.trace.traced.messages.iter();
    let gaps = calls.filter_map(|call| gap(case, call, taken_up(call)?));
    gaps.take(MOST).collect()
}

/// From which index on a client takes its stream up again.
fn taken_up(message: &Message) -> Option<u64> {
    let Content::Call { command } = &message.content else {
        return None;
    };
    let from = command.strip_prefix("CACHE.TRACK FROM ")?.parse().ok()?;
    (from > 0).then_some(from)
}

/// What a node says on a stream.
enum Pushed {
    /// Keys changed with this entry.
    Changed(u64),
    /// All that the client has is to be forgotten.
    Flush,
    /// Everything up to here has been said.
    UpTo(u64),
    Other,
}

fn pushed(message: &Message) -> Pushed {
    let Content::Answer { reply } = &message.content else {
        return Pushed::Other;
    };
    let mut words = reply.trim_matches(['[', ']']).split(' ');
    let what = words.next().unwrap_or_default();
    let index = words.next().and_then(|word| word.parse().ok());
    match (what, index) {
        ("invalidate", Some(index)) => Pushed::Changed(index),
        ("flush", _) => Pushed::Flush,
        ("upto", Some(index)) => Pushed::UpTo(index),
        _ => Pushed::Other,
    }
}

/// That entries were left out between where the client was and where the node went on.
fn gap(case: &Case, call: &Message, from: u64) -> Option<Sentence> {
    let Party::Node(node) = call.to else {
        return None;
    };
    let messages = &case.trace.traced.messages;
    let after = messages.partition_point(|message| message.number <= call.number);
    let on_stream = messages[after..].iter();
    let on_stream = on_stream.filter(|message| message.from == call.to && message.to == call.from);
    let mut said = BTreeSet::new();
    let mut end = None;
    for message in on_stream {
        match pushed(message) {
            Pushed::Changed(index) => {
                said.insert(index);
            }
            Pushed::UpTo(index) => {
                end = Some((message, index));
                break;
            }
            Pushed::Flush | Pushed::Other => return None,
        }
    }
    let (begun, upto) = end?;
    let mut left_out: Vec<(u64, String)> = Vec::new();
    let applied = case.trace.traced.applied.iter();
    let of_node = applied.filter(|entry| entry.node == node && entry.at_us <= begun.sent_us);
    for entry in of_node {
        let is_between = (from + 1..=upto).contains(&entry.index);
        let changes = !entry.changed.keys.is_empty() || entry.changed.all;
        if is_between && changes && !said.contains(&entry.index) {
            let keys = entry.changed.keys.iter();
            let keys = keys.map(|key| String::from_utf8_lossy(key).into_owned());
            left_out.push((entry.index, keys.collect::<Vec<_>>().join(", ")));
        }
    }
    left_out.sort_unstable();
    left_out.dedup();
    let (first, keys) = left_out.first()?;
    let others = match left_out.len() - 1 {
        0 => String::new(),
        others => format!(" and {others} more entries"),
    };
    let lines = left_out.iter().take(MOST_ENTRIES);
    let lines = lines.map(|(index, keys)| format!("entry {index} changed {keys}"));
    Some(Sentence::new(
        format!(
            "{} asked {} at {} for all that had changed since entry {from}, and heard at {} that \
             it has everything up to entry {upto}; of entry {first}, which changed {keys},{others} \
             it received nothing, nor did it receive a flush.",
            client(case, call),
            call.to,
            time(call.sent_us),
            time(begun.sent_us),
        ),
        [
            vec![case.line_of(call), case.line_of(begun)],
            lines.collect(),
        ]
        .concat(),
    ))
}

/// The client whose stream it is, which reads on its connection as well.
fn client(case: &Case, call: &Message) -> String {
    let mut same = case.trace.traced.messages.iter();
    let op = call.op.or_else(|| {
        same.find(|message| message.from == call.from && message.op.is_some())
            .and_then(|message| message.op)
    });
    case.trace.name(call.from, op)
}

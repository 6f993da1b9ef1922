//! A trace as lines that one can grep: time, kind, and what happened.

use super::{Trace, words};
use crate::backends::trace::{Message, time};
use crate::check::words::outcome;
use crate::history::{Event, EventKind, Operation};

/// All that happened within the window, in order of time; a message stands where it was sent.
pub fn lines(trace: &Trace) -> Vec<String> {
    let mut lines: Vec<(i64, String)> = Vec::new();
    for event in &trace.history.events {
        let at_us = event.at_us as i64;
        if trace.window.has(at_us)
            && let Some(text) = event_line(trace, event)
        {
            lines.push((at_us, text));
        }
    }
    for operation in trace.operations() {
        lines.extend(operation_lines(trace, operation));
    }
    for message in trace.messages() {
        lines.push((message.sent_us, message_line(trace, message)));
    }
    for line in trace.logs() {
        // The line has its own time in front.
        let text = line.to_string();
        let rest = text.split_once(' ').map_or("", |(_, rest)| rest);
        lines.push((line.at_us, format!("log    {rest}")));
    }
    for sync in trace.traced.syncs.iter() {
        let within = trace.window.part(sync.from_us, sync.to_us);
        if within.is_some() && trace.has_node(&sync.node) {
            let end = match sync.to_us {
                Some(to_us) => format!("until {}", time(to_us)),
                None => "never ended".into(),
            };
            lines.push((sync.from_us, format!("sync   {} {end}", sync.node)));
        }
    }
    lines.sort_by_key(|(at_us, _)| *at_us);
    let stamped = lines.into_iter();
    let stamped = stamped.map(|(at_us, text)| format!("{:>13} {text}\n", time(at_us)));
    stamped.collect()
}

fn event_line(trace: &Trace, event: &Event) -> Option<String> {
    let wants_all = trace.node.is_none();
    match &event.kind {
        EventKind::Node { node, event } => {
            let text = words::node_event(event).filter(|_| trace.has_node(node));
            text.map(|text| format!("node   {node} {text}"))
        }
        EventKind::Fault(fault) => {
            let concerns = |node: &str| fault.targets.iter().any(|target| target.contains(node));
            let is_wanted = trace.node.is_none_or(concerns);
            is_wanted.then(|| format!("fault  {} {}", fault.fault, words::fault(fault)))
        }
        EventKind::Phase { phase } => Some(format!("phase  {}", phase.name())),
        EventKind::Note { text } if wants_all => Some(format!("note   {text}")),
        EventKind::Harness { event } if wants_all => Some(format!("missed {event:?}")),
        EventKind::Retry { op, before, .. } => {
            let operation = trace.operation(*op).filter(|_| wants_all)?;
            let before = match before {
                Some(answer) => format!(" -> {}", outcome(answer)),
                None => ", whose answer it did not wait for".into(),
            };
            Some(format!(
                "retry  op {op} {}: {}, sent once more after an attempt{before}",
                operation.client, operation.action
            ))
        }
        EventKind::Stream { client, event } if wants_all => {
            Some(format!("stream {client} {event:?}"))
        }
        _ => None,
    }
}

fn operation_lines(trace: &Trace, operation: &Operation) -> Vec<(i64, String)> {
    let what = format!(
        "op {} {}: {}",
        operation.op, operation.client, operation.action
    );
    let mut lines = vec![(operation.invoked_us as i64, format!("invoke {what}"))];
    if let (Some(at_us), Some(answer)) = (operation.returned_us, operation.outcome) {
        let text = format!("return {what} -> {}", outcome(answer));
        lines.push((at_us as i64, text));
    }
    lines.retain(|(at_us, _)| trace.window.has(*at_us));
    lines
}

/// `msg    #812 node-1 -> node-2 heartbeat term 3, commit 39; 41 B; arrived 3.202111s (+877 µs)`.
pub fn message_line(trace: &Trace, message: &Message) -> String {
    let (from, to) = (
        trace.name(message.from, message.op),
        trace.name(message.to, message.op),
    );
    let answers = message.answers.map(|number| format!(" answers #{number}"));
    let op = message.op.map(|op| format!(" op {op}"));
    format!(
        "msg    #{} {from} -> {to} {}{}{}; {} B; {}",
        message.number,
        message.content,
        answers.unwrap_or_default(),
        op.unwrap_or_default(),
        message.bytes,
        words::fate(message)
    )
}

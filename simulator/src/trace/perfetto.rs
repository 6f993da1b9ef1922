//! A trace in the Trace Event Format, which Perfetto (<https://ui.perfetto.dev>) opens as it is.
//!
//! A process for each node, with threads for its role, its disk, its log and each of those it
//! talks to; a process for the clients, with two threads each, for operations and for messages;
//! and one for phases and faults. Roles, operations, syncs, phases and faults are slices. A
//! message is a slice of a microsecond where it left, another where it arrived, and a flow from
//! one to the other; calls and their answers are asynchronous slices around that. Commit and
//! applied index of each node are counters.
//!
//! Times are microseconds of the run's clock.
//!
//! Source: "Trace Event Format" (Google, <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>).

mod event;
mod tracks;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Trace, faults, roles, words};
use crate::backends::trace::{Message, Party};
use crate::check::words::outcome;
use crate::history::{Event, EventKind, FaultStatus, NodeEvent};
use event::{TraceEvent, Track};
use tracks::{Lanes, Tracks};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    trace_events: Vec<TraceEvent>,
    display_time_unit: &'static str,
    other_data: Value,
}

/// The window of a run as a JSON document.
pub fn document(trace: &Trace) -> String {
    let mut writer = Writer {
        trace,
        tracks: Tracks::default(),
        events: Vec::new(),
    };
    writer.roles();
    writer.phases_and_faults();
    writer.node_events();
    writer.operations();
    writer.messages();
    writer.syncs();
    writer.logs();
    let mut events = writer.tracks.names();
    events.append(&mut writer.events);
    let document = Document {
        trace_events: events,
        display_time_unit: "ms",
        other_data: json!({
            "run": trace.title,
            "squall": env!("CARGO_PKG_VERSION"),
            "messages not kept": trace.traced.dropped,
        }),
    };
    serde_json::to_string(&document).expect("plain data") + "\n"
}

struct Writer<'t, 'a> {
    trace: &'t Trace<'a>,
    tracks: Tracks,
    events: Vec<TraceEvent>,
}

impl Writer<'_, '_> {
    /// The part of a stretch that lies within the window, as a slice.
    fn slice(
        &mut self,
        track: Track,
        cat: &'static str,
        name: String,
        (from_us, to_us): (i64, Option<i64>),
        args: Value,
    ) {
        let Some((from_us, to_us)) = self.trace.window.part(from_us, to_us) else {
            return;
        };
        self.events.push(TraceEvent {
            dur: Some(to_us - from_us),
            args,
            ..TraceEvent::new(name, cat, "X", from_us, track)
        });
    }

    fn instant(&mut self, track: Track, cat: &'static str, name: String, at_us: i64, args: Value) {
        if self.trace.window.has(at_us) {
            self.events.push(TraceEvent {
                s: Some("t"),
                args,
                ..TraceEvent::new(name, cat, "i", at_us, track)
            });
        }
    }

    fn roles(&mut self) {
        for span in roles(self.trace.history) {
            if !self.trace.has_node(span.node) {
                continue;
            }
            let track = self.tracks.of_node(span.node, "role");
            let times = (span.from_us as i64, span.until_us.map(|at_us| at_us as i64));
            let args = json!({ "term": span.term });
            self.slice(track, "role", span.words(), times, args);
        }
    }

    fn phases_and_faults(&mut self) {
        let mut phase: Option<(&'static str, i64)> = None;
        for event in &self.trace.history.events {
            let at_us = event.at_us as i64;
            match &event.kind {
                EventKind::Phase { phase: next } => {
                    self.end_phase(phase.replace((next.name(), at_us)), at_us);
                }
                EventKind::Fault(fault) => {
                    let words = words::fault(fault);
                    if matches!(
                        fault.status,
                        FaultStatus::Skipped { .. } | FaultStatus::Uncertain { .. }
                    ) {
                        let track = self.tracks.of_run(&format!("fault {}", fault.fault));
                        self.instant(track, "fault", words, at_us, Value::Null);
                    }
                }
                _ => {}
            }
        }
        self.end_phase(phase, super::end_us(self.trace.history));
        for span in faults(self.trace.history) {
            let track = self.tracks.of_run(&format!("fault {}", span.event.fault));
            let times = (span.from_us as i64, span.until_us.map(|at_us| at_us as i64));
            self.slice(track, "fault", span.words(), times, Value::Null);
        }
    }

    fn end_phase(&mut self, phase: Option<(&'static str, i64)>, at_us: i64) {
        if let Some((name, from_us)) = phase {
            let track = self.tracks.of_run("phase");
            let times = (from_us, Some(at_us));
            self.slice(track, "phase", name.into(), times, Value::Null);
        }
    }

    /// What nodes say of themselves that no slice shows, and their indexes.
    fn node_events(&mut self) {
        for event in &self.trace.history.events {
            let Event {
                at_us,
                kind: EventKind::Node { node, event },
            } = event
            else {
                continue;
            };
            if !self.trace.has_node(node) {
                continue;
            }
            let counted = match event {
                NodeEvent::Applied { index, .. } => Some(("applied", index)),
                NodeEvent::Committed { index, .. } => Some(("commit", index)),
                _ => None,
            };
            let at_us = *at_us as i64;
            match (counted, words::node_event(event)) {
                (Some((name, index)), _) if self.trace.window.has(at_us) => {
                    let track = self.tracks.of_node(node, "role");
                    let args = json!({ "index": index });
                    self.events.push(TraceEvent {
                        args,
                        ..TraceEvent::new(name.into(), "index", "C", at_us, track)
                    });
                }
                (None, Some(text)) => {
                    let track = self.tracks.of_node(node, "events");
                    self.instant(track, "node", text, at_us, Value::Null);
                }
                _ => {}
            }
        }
    }

    fn operations(&mut self) {
        let operations: Vec<_> = self.trace.operations().cloned().collect();
        let mut lanes = Lanes::default();
        for operation in operations {
            let times = (
                operation.invoked_us as i64,
                operation.returned_us.map(|at_us| at_us as i64),
            );
            // A client is at one operation at a time; what it was made to leave is not over.
            let lane = lanes.of(operation.client, times);
            let track = self.tracks.of_client(&lane);
            let answer = operation.outcome.map(outcome);
            let args = json!({
                "op": operation.op,
                "client": operation.client,
                "outcome": answer.unwrap_or_else(|| "no answer before the end".into()),
            });
            let name = operation.action.to_string();
            self.slice(track, "operation", name, times, args);
        }
    }

    fn messages(&mut self) {
        for message in self.trace.messages() {
            let (from, to) = self.tracks_of(message);
            let window = self.trace.window;
            let sent_us = message.sent_us.max(window.from_us);
            let name = message.content.name().to_owned();
            let args = json!({
                "number": message.number,
                "says": message.content.to_string(),
                "bytes": message.bytes,
                "fate": words::fate(message),
                "op": message.op,
                "answers": message.answers,
            });
            self.point(from, name.clone(), sent_us, args.clone());
            let arrived_us = message.arrived_us().filter(|at_us| window.has(*at_us));
            match arrived_us {
                Some(at_us) => {
                    self.point(to, name.clone(), at_us, args);
                    self.flow(message.number, &name, (from, sent_us), (to, at_us));
                }
                None if message.arrived_us().is_none() => {
                    let name = format!("{name} {}", words::fate(message));
                    self.instant(from, "lost", name, sent_us, Value::Null);
                }
                // It arrives later than is shown.
                None => {}
            }
        }
        self.calls();
    }

    /// A slice of a microsecond.
    fn point(&mut self, track: Track, name: String, at_us: i64, args: Value) {
        self.events.push(TraceEvent {
            dur: Some(1),
            args,
            ..TraceEvent::new(name, "message", "X", at_us, track)
        });
    }

    fn flow(&mut self, id: u64, name: &str, begin: (Track, i64), end: (Track, i64)) {
        self.events.push(TraceEvent {
            id: Some(id),
            ..TraceEvent::new(name.to_owned(), "message", "s", begin.1, begin.0)
        });
        self.events.push(TraceEvent {
            id: Some(id),
            bp: Some("e"),
            ..TraceEvent::new(name.to_owned(), "message", "f", end.1, end.0)
        });
    }

    /// From a call to its answer, at the caller.
    fn calls(&mut self) {
        let mut asked: BTreeMap<u64, &Message> = BTreeMap::new();
        for message in self.trace.messages() {
            asked.insert(message.number, message);
            let call = message.answers.and_then(|number| asked.get(&number));
            let (Some(call), Some(answered_us)) = (call, message.arrived_us()) else {
                continue;
            };
            let times = self.trace.window.part(call.sent_us, Some(answered_us));
            let Some((from_us, to_us)) = times else {
                continue;
            };
            let (track, _) = self.tracks_of(call);
            let name = format!("{} to {}", call.content.name(), call.to);
            for (ph, at_us) in [("b", from_us), ("e", to_us)] {
                self.events.push(TraceEvent {
                    id: Some(call.number),
                    ..TraceEvent::new(name.clone(), "call", ph, at_us, track)
                });
            }
        }
    }

    fn tracks_of(&mut self, message: &Message) -> (Track, Track) {
        let names = [message.from, message.to].map(|party| self.trace.name(party, message.op));
        let mut track = |party: Party, other: Party, own_name: &str| match party.node() {
            Some(node) => {
                let with = other.node().unwrap_or_else(|| "clients".into());
                self.tracks.of_node(&node, &format!("with {with}"))
            }
            None => {
                let is_known = message.op.is_some();
                let of = if is_known {
                    own_name
                } else {
                    "without an operation"
                };
                self.tracks.of_client(&format!("{of}: messages"))
            }
        };
        (
            track(message.from, message.to, &names[0]),
            track(message.to, message.from, &names[1]),
        )
    }

    fn syncs(&mut self) {
        let mut lanes = Lanes::default();
        for sync in &self.trace.traced.syncs {
            if self.trace.has_node(&sync.node) {
                let ended_us = self.trace.stopped_after(&sync.node, sync.from_us);
                let times = (sync.from_us, sync.to_us.or(ended_us));
                let lane = lanes.of(&sync.node, times);
                let thread = lane.replacen(&sync.node, "disk", 1);
                let track = self.tracks.of_node(&sync.node, &thread);
                self.slice(track, "disk", "sync".into(), times, Value::Null);
            }
        }
    }

    fn logs(&mut self) {
        for line in self.trace.logs() {
            let track = self.tracks.of_node(&line.node, "log");
            let args = json!({ "level": line.level.to_string(), "target": line.target });
            self.instant(track, "log", line.text.clone(), line.at_us, args);
        }
    }
}

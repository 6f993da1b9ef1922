//! A trace as OpenTelemetry spans, in the JSON form of OTLP: for those who have a viewer already.
//!
//! An operation of a client is a trace; its attempts are spans below it, and what the node made
//! of an attempt a span below that. A call between nodes is a trace of its own, and so are
//! stretches of leadership and faults. The run's clock begins at 2025-01-01T00:00:00Z, as the
//! clocks of simulated hosts do.
//!
//! Source: `opentelemetry/proto/trace/v1/trace.proto`, in its JSON mapping as "OTLP/JSON" has
//! it: ids in hex, 64-bit numbers as strings, names of fields in camelCase, enums as numbers.

use std::collections::BTreeMap;

use serde::Serialize;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::{Trace, roles, words};
use crate::backends::Role;
use crate::backends::trace::Message;
use crate::check::words::outcome;
use crate::history::Outcome;

/// 2025-01-01T00:00:00Z, nanoseconds since the Unix epoch.
const RUN_BEGINS_NS: i64 = 1_735_689_600_000_000_000;

/// `SPAN_KIND_*` and `STATUS_CODE_*` of the protocol.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const ERROR: u8 = 2;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    resource: Resource,
    scope_spans: [ScopeSpans; 1],
}

#[derive(Serialize)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Serialize)]
struct ScopeSpans {
    scope: Scope,
    spans: Vec<Span>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Serialize)]
struct Status {
    code: u8,
    message: String,
}

#[derive(Serialize)]
struct Attribute {
    key: &'static str,
    value: AnyValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum AnyValue {
    StringValue(String),
    /// Of 64 bits, hence a string in JSON.
    IntValue(String),
}

/// The window of a run as a JSON document.
pub fn document(trace: &Trace) -> String {
    let mut spans = Spans::default();
    operations(trace, &mut spans);
    messages(trace, &mut spans);
    leaderships(trace, &mut spans);
    faults(trace, &mut spans);
    let of_resource = |(service, spans): (String, Vec<Span>)| ResourceSpans {
        resource: Resource {
            attributes: vec![
                text("service.namespace", trace.title.clone()),
                text("service.name", service),
            ],
        },
        scope_spans: [ScopeSpans {
            scope: Scope {
                name: "squall",
                version: env!("CARGO_PKG_VERSION"),
            },
            spans,
        }],
    };
    let document = Document {
        resource_spans: spans.0.into_iter().map(of_resource).collect(),
    };
    serde_json::to_string(&document).expect("plain data") + "\n"
}

/// By service: a node, the clients, or the run itself.
#[derive(Default)]
struct Spans(BTreeMap<String, Vec<Span>>);

impl Spans {
    fn add(&mut self, service: &str, span: Span) {
        self.0.entry(service.to_owned()).or_default().push(span);
    }
}

fn text(key: &'static str, value: String) -> Attribute {
    Attribute {
        key,
        value: AnyValue::StringValue(value),
    }
}

fn number(key: &'static str, value: u64) -> Attribute {
    Attribute {
        key,
        value: AnyValue::IntValue(value.to_string()),
    }
}

/// Sixteen bytes that only this has.
fn trace_id(kind: &str, number: u64) -> String {
    format!(
        "{:032x}",
        xxh3_128(format!("{kind} {number}").as_bytes()).max(1)
    )
}

/// Eight bytes that only this has.
fn span_id(kind: &str, number: u64) -> String {
    format!(
        "{:016x}",
        xxh3_64(format!("{kind} {number}").as_bytes()).max(1)
    )
}

fn nanos(at_us: i64) -> String {
    (RUN_BEGINS_NS + at_us * 1_000).to_string()
}

fn span(name: String, kind: u8, trace_id: String, (from_us, to_us): (i64, i64)) -> Span {
    Span {
        span_id: String::new(),
        trace_id,
        parent_span_id: None,
        name,
        kind,
        start_time_unix_nano: nanos(from_us),
        end_time_unix_nano: nanos(to_us.max(from_us)),
        attributes: Vec::new(),
        status: None,
    }
}

fn error(message: String) -> Option<Status> {
    Some(Status {
        code: ERROR,
        message,
    })
}

fn operations(trace: &Trace, spans: &mut Spans) {
    for operation in trace.operations() {
        let from_us = operation.invoked_us as i64;
        let to_us = operation.returned_us.map(|at_us| at_us as i64);
        let answer = operation.outcome.map(outcome);
        let is_good = operation.outcome.is_some_and(Outcome::is_acknowledged);
        let words = answer.unwrap_or_else(|| "no answer before the end".into());
        let times = (from_us, to_us.unwrap_or(trace.window.to_us));
        let id = trace_id("operation", operation.op);
        spans.add(
            "clients",
            Span {
                span_id: span_id("operation", operation.op),
                attributes: vec![
                    number("squall.op", operation.op),
                    text("squall.client", operation.client.to_owned()),
                    text("squall.outcome", words.clone()),
                ],
                status: if is_good { None } else { error(words) },
                ..span(operation.action.to_string(), CLIENT, id, times)
            },
        );
    }
}

/// Calls with their answers; one that was not answered ends where it was lost.
fn messages(trace: &Trace, spans: &mut Spans) {
    let answers = trace.messages().filter_map(|m| Some((m.answers?, m)));
    let answers: BTreeMap<u64, &Message> = answers.collect();
    for call in trace.messages().filter(|message| message.answers.is_none()) {
        let answer = answers.get(&call.number);
        let ended_us = answer.and_then(|answer| answer.arrived_us());
        let known_us = ended_us.or(call.ended_us());
        let times = (call.sent_us, known_us.unwrap_or(trace.window.to_us));
        let id = match call.op {
            Some(op) => trace_id("operation", op),
            None => trace_id("message", call.number),
        };
        let caller = call.from.node().unwrap_or_else(|| "clients".into());
        let failed = match ended_us {
            Some(_) => None,
            None => error(format!("no answer came; the call {}", words::fate(call))),
        };
        spans.add(
            &caller,
            Span {
                span_id: span_id("call", call.number),
                parent_span_id: call.op.map(|op| span_id("operation", op)),
                attributes: attributes(call),
                status: failed,
                ..span(
                    format!("{} to {}", call.content.name(), call.to),
                    CLIENT,
                    id.clone(),
                    times,
                )
            },
        );
        if let (Some(arrived_us), Some(answer)) = (call.arrived_us(), answer) {
            let server = call.to.node().unwrap_or_else(|| "clients".into());
            let times = (arrived_us, answer.sent_us);
            spans.add(
                &server,
                Span {
                    span_id: span_id("served", call.number),
                    parent_span_id: Some(span_id("call", call.number)),
                    attributes: attributes(answer),
                    ..span(call.content.name().to_owned(), SERVER, id, times)
                },
            );
        }
    }
}

fn attributes(message: &Message) -> Vec<Attribute> {
    let mut attributes = vec![
        number("squall.message", message.number),
        text("squall.says", message.content.to_string()),
        number("squall.bytes", message.bytes),
        text("squall.fate", words::fate(message)),
    ];
    let term = message.content.term();
    attributes.extend(term.map(|term| number("raft.term", term)));
    attributes
}

fn leaderships(trace: &Trace, spans: &mut Spans) {
    let all = roles(trace.history);
    let leaders = all.iter().filter(|span| span.role == Role::Leader);
    for leader in leaders.filter(|leader| trace.has_node(leader.node)) {
        let until_us = leader.until_us.map(|at_us| at_us as i64);
        let times = trace.window.part(leader.from_us as i64, until_us);
        let Some(times) = times else { continue };
        let id = trace_id("term", leader.term);
        spans.add(
            leader.node,
            Span {
                span_id: span_id(
                    &format!("term of {} from {}", leader.node, leader.from_us),
                    leader.term,
                ),
                attributes: vec![number("raft.term", leader.term)],
                ..span(leader.words(), INTERNAL, id, times)
            },
        );
    }
}

fn faults(trace: &Trace, spans: &mut Spans) {
    for fault in super::faults(trace.history) {
        let until_us = fault.until_us.map(|at_us| at_us as i64);
        let times = trace.window.part(fault.from_us as i64, until_us);
        let Some(times) = times else { continue };
        let number_of = fault.event.fault as u64;
        let key = format!("fault from {}", fault.from_us);
        spans.add(
            "run",
            Span {
                span_id: span_id(&key, number_of),
                attributes: vec![number("squall.fault", number_of)],
                ..span(fault.words(), INTERNAL, trace_id(&key, number_of), times)
            },
        );
    }
}

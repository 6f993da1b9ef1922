//! The forms for viewers, held against their own descriptions, and counted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use squall::history::{EventKind, FaultStatus, NodeEvent};
use squall::run::Judged;
use squall::trace::{Trace, Window, diagram, lines, otlp, perfetto, svg};

use crate::{scenario, with_messages};

fn failover() -> Judged {
    with_messages(&scenario("failure-recovery.toml", &[]), 1)
}

fn trace(run: &Judged, window: Option<Window>) -> Trace<'_> {
    let title = "failure-recovery seed 1".into();
    Trace::new(title, &run.history, &run.logs, &run.traced, window, None)
}

fn number(event: &Value, field: &str) -> i64 {
    let value = event[field].as_i64();
    value.unwrap_or_else(|| panic!("`{field}` is a number of every such event: {event}"))
}

fn text<'e>(event: &'e Value, field: &str) -> &'e str {
    let value = event[field].as_str();
    value.unwrap_or_else(|| panic!("`{field}` is a text of every such event: {event}"))
}

/// "Trace Event Format", section by section: which fields each phase needs, and which it may
/// have.
fn must_be_an_event(event: &Value) {
    let needed: &[&str] = match text(event, "ph") {
        "X" => &["dur"],
        "i" => &["s"],
        "s" => &["id"],
        "f" => &["id", "bp"],
        "b" | "e" => &["id", "cat"],
        "C" | "M" => &["args"],
        other => panic!("phase {other} is not written: {event}"),
    };
    for field in ["name", "ph", "ts", "pid", "tid"].iter().chain(needed) {
        assert!(!event[field].is_null(), "no `{field}`: {event}");
    }
    let fields = event.as_object().expect("an event is an object").keys();
    let known = [
        "name", "cat", "ph", "ts", "dur", "pid", "tid", "id", "bp", "s", "args",
    ];
    for field in fields {
        assert!(
            known.contains(&field.as_str()),
            "`{field}` is none: {event}"
        );
    }
    assert!(number(event, "ts") >= 0, "{event}");
    match text(event, "ph") {
        "X" => assert!(number(event, "dur") >= 0, "{event}"),
        "i" => assert!(["g", "p", "t"].contains(&text(event, "s")), "{event}"),
        "f" => assert_eq!(text(event, "bp"), "e"),
        "C" => {
            let series = event["args"].as_object().expect("series").values();
            assert!(series.into_iter().all(Value::is_number), "{event}");
        }
        "M" => match text(event, "name") {
            "process_name" | "thread_name" => drop(text(&event["args"], "name")),
            "process_sort_index" => drop(number(&event["args"], "sort_index")),
            other => panic!("no metadata is called {other}"),
        },
        _ => {}
    }
}

fn track(event: &Value) -> (i64, i64) {
    (number(event, "pid"), number(event, "tid"))
}

fn of_phase<'e>(events: &'e [Value], phase: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["ph"] == phase).collect()
}

/// Slices of a thread lie within each other or apart.
fn must_nest(events: &[Value]) {
    let mut threads: BTreeMap<(i64, i64), Vec<(i64, i64)>> = BTreeMap::new();
    for slice in of_phase(events, "X") {
        let (from, dur) = (number(slice, "ts"), number(slice, "dur"));
        threads
            .entry(track(slice))
            .or_default()
            .push((from, from + dur));
    }
    for (thread, mut slices) in threads {
        slices.sort_by_key(|(from, to)| (*from, -*to));
        let mut open: Vec<i64> = Vec::new();
        for (from, to) in slices {
            open.retain(|end| *end > from);
            let fits = open.last().is_none_or(|end| to <= *end);
            assert!(
                fits,
                "{from}..{to} of thread {thread:?} crosses the end of another"
            );
            open.push(to);
        }
    }
}

/// Every flow begins and ends once, in slices of their own.
fn must_flow(events: &[Value]) -> usize {
    let mut slices: BTreeMap<(i64, i64), BTreeSet<(i64, i64)>> = BTreeMap::new();
    for slice in of_phase(events, "X") {
        let (from, dur) = (number(slice, "ts"), number(slice, "dur"));
        slices
            .entry(track(slice))
            .or_default()
            .insert((from, from + dur));
    }
    let encloses = |event: &Value| {
        let at = number(event, "ts");
        let slices = slices.get(&track(event));
        // Those of messages are short, so the one that began last is the one.
        let last = slices.and_then(|slices| slices.range(..=(at, i64::MAX)).next_back());
        last.is_some_and(|(from, to)| *from <= at && at < *to)
    };
    let mut begun: BTreeMap<i64, (i64, &str)> = BTreeMap::new();
    for event in of_phase(events, "s") {
        assert!(encloses(event), "no slice for {event}");
        let what = (number(event, "ts"), text(event, "name"));
        let before = begun.insert(number(event, "id"), what);
        assert!(before.is_none(), "begun twice: {event}");
    }
    let flows = begun.len();
    for event in of_phase(events, "f") {
        assert!(encloses(event), "no slice for {event}");
        let begin = begun.remove(&number(event, "id"));
        let (from, name) = begin.unwrap_or_else(|| panic!("not begun: {event}"));
        assert!(
            from <= number(event, "ts") && name == text(event, "name"),
            "{event}"
        );
    }
    assert!(begun.is_empty(), "begun, and not ended: {begun:?}");
    flows
}

fn must_be_named(events: &[Value]) {
    let named: BTreeSet<(i64, i64)> = of_phase(events, "M").into_iter().map(track).collect();
    for event in events.iter().filter(|event| event["ph"] != "M") {
        let (pid, tid) = track(event);
        let is_named = named.contains(&(pid, tid)) && named.contains(&(pid, 0));
        assert!(is_named, "process or thread has no name: {event}");
    }
}

fn must_pair(events: &[Value]) {
    let mut open: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for event in events {
        let key = (number(event, "pid"), event["id"].as_i64().unwrap_or(0));
        match text(event, "ph") {
            "b" => assert!(open.insert(key, number(event, "ts")).is_none(), "{event}"),
            "e" => {
                let from = open.remove(&key).expect("what ends has begun");
                assert!(from <= number(event, "ts"), "{event}");
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "begun, and not ended: {open:?}");
}

#[test]
fn trace_for_perfetto_is_of_the_documented_form_and_counts_what_happened() {
    let run = failover();
    let document: Value =
        serde_json::from_str(&perfetto::document(&trace(&run, None))).expect("it is JSON");
    let events = document["traceEvents"]
        .as_array()
        .expect("a list of events");
    assert_eq!(document["displayTimeUnit"], "ms");
    events.iter().for_each(must_be_an_event);
    must_nest(events);
    must_be_named(events);
    must_pair(events);
    let flows = must_flow(events);

    let slices = |category: &str| {
        let slices = of_phase(events, "X");
        slices
            .iter()
            .filter(|slice| slice["cat"] == category)
            .count()
    };
    let roles = |name: &str| {
        let slices = of_phase(events, "X").into_iter();
        let slices = slices.filter(|slice| slice["cat"] == "role");
        slices
            .filter(|slice| text(slice, "name").starts_with(name))
            .count()
    };
    // An independent count, from history and messages.
    let end_us = run.history.events.last().expect("it is not empty").at_us as i64;
    let count = |counts: &dyn Fn(&EventKind) -> bool| {
        run.history
            .events
            .iter()
            .filter(|event| counts(&event.kind))
            .count()
    };
    let says = |fits: &dyn Fn(&NodeEvent) -> bool| {
        count(&|kind| matches!(kind, EventKind::Node { event, .. } if fits(event)))
    };
    let messages = run.traced.messages.iter();
    let shown: Vec<_> = messages
        .filter(|message| {
            message.sent_us <= end_us && message.ended_us().is_none_or(|at_us| at_us >= 0)
        })
        .collect();
    let arrived = shown.iter().filter_map(|message| message.arrived_us());
    let arrived = arrived.filter(|at_us| (0..=end_us).contains(at_us)).count();
    assert_eq!(flows, arrived);
    assert_eq!(slices("message"), shown.len() + arrived);
    assert_eq!(
        slices("operation"),
        count(&|kind| matches!(kind, EventKind::Invoke { .. }))
    );
    assert_eq!(
        slices("phase"),
        count(&|kind| matches!(kind, EventKind::Phase { .. }))
    );
    let installed = count(
        &|kind| matches!(kind, EventKind::Fault(fault) if fault.status == FaultStatus::Installed),
    );
    assert_eq!((slices("fault"), installed > 0), (installed, true));
    assert_eq!(
        roles("leader"),
        says(&|event| matches!(event, NodeEvent::Leader { .. }))
    );
    assert_eq!(
        roles("down"),
        says(&|event| matches!(event, NodeEvent::Stopped { .. }))
    );
    let synced = run.traced.syncs.iter();
    let synced = synced
        .filter(|sync| sync.to_us.is_none_or(|to_us| to_us >= 0))
        .count();
    assert_eq!(slices("disk"), synced);
    assert!(
        flows > 10_000 && synced > 1_000,
        "{flows} flows, {synced} syncs"
    );
}

#[test]
fn a_window_of_a_trace_is_of_the_documented_form_too() {
    let run = failover();
    let window = Window {
        from_us: 9_990_000,
        to_us: 10_900_000,
    };
    let document = perfetto::document(&trace(&run, Some(window)));
    let document: Value = serde_json::from_str(&document).expect("it is JSON");
    let events = document["traceEvents"]
        .as_array()
        .expect("a list of events");
    events.iter().for_each(must_be_an_event);
    must_nest(events);
    must_be_named(events);
    must_pair(events);
    assert!(must_flow(events) > 100);
    for event in events.iter().filter(|event| event["ph"] != "M") {
        let at = number(event, "ts");
        assert!((window.from_us..=window.to_us).contains(&at), "{event}");
    }
}

/// `opentelemetry/proto/trace/v1/trace.proto` in the JSON mapping of OTLP.
#[test]
fn spans_are_of_the_documented_form_and_hang_together() {
    let run = failover();
    let document: Value =
        serde_json::from_str(&otlp::document(&trace(&run, None))).expect("it is JSON");
    let hex = |value: &Value, digits: usize| {
        let id = value.as_str().expect("an id is a text").to_owned();
        let is_hex = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        assert!(
            is_hex && id.len() == digits && id.bytes().any(|b| b != b'0'),
            "{id}"
        );
        id
    };
    let nanos = |span: &Value, field: &str| -> u64 {
        let value = span[field].as_str().expect("64 bits are a text");
        value.parse().expect("it is a number of nanoseconds")
    };
    let mut spans: BTreeMap<String, (String, Option<String>)> = BTreeMap::new();
    let (mut operations, mut faults) = (0, 0);
    for resource in document["resourceSpans"].as_array().expect("a list") {
        must_be_attributes(&resource["resource"]["attributes"]);
        for scope in resource["scopeSpans"].as_array().expect("a list") {
            assert_eq!(scope["scope"]["name"], "squall");
            for span in scope["spans"].as_array().expect("a list") {
                let known = [
                    "traceId",
                    "spanId",
                    "parentSpanId",
                    "name",
                    "kind",
                    "startTimeUnixNano",
                    "endTimeUnixNano",
                    "attributes",
                    "status",
                ];
                let fields = span.as_object().expect("a span is an object").keys();
                fields.for_each(|field| assert!(known.contains(&field.as_str()), "{field}"));
                let (trace, id) = (hex(&span["traceId"], 32), hex(&span["spanId"], 16));
                let parent = span.get("parentSpanId").map(|parent| hex(parent, 16));
                assert!(!text(span, "name").is_empty());
                assert!((1..=5).contains(&number(span, "kind")), "{span}");
                let times = [
                    nanos(span, "startTimeUnixNano"),
                    nanos(span, "endTimeUnixNano"),
                ];
                assert!(times[0] <= times[1], "{span}");
                must_be_attributes(&span["attributes"]);
                if let Some(status) = span.get("status") {
                    assert_eq!(number(status, "code"), 2, "only errors are written");
                    text(status, "message");
                }
                let has = |key: &str| {
                    let attributes = span["attributes"].as_array().expect("a list");
                    attributes.iter().any(|attribute| attribute["key"] == key)
                };
                operations += usize::from(has("squall.outcome"));
                faults += usize::from(has("squall.fault"));
                let before = spans.insert(id, (trace, parent));
                assert!(before.is_none(), "two spans have the id of {span}");
            }
        }
    }
    for (id, (trace, parent)) in &spans {
        if let Some(parent) = parent {
            let parent = spans.get(parent);
            let (of, _) = parent.unwrap_or_else(|| panic!("the parent of {id} is missing"));
            assert_eq!(of, trace, "a span and its parent are of one trace");
        }
    }
    let events = &run.history.events;
    let invoked = events
        .iter()
        .filter(|e| matches!(e.kind, EventKind::Invoke { .. }));
    assert_eq!(operations, invoked.count());
    let installed = events.iter().filter(|event| {
        matches!(&event.kind, EventKind::Fault(fault) if fault.status == FaultStatus::Installed)
    });
    assert_eq!((faults, faults > 0), (installed.count(), true));
}

fn must_be_attributes(attributes: &Value) {
    for attribute in attributes.as_array().expect("a list of attributes") {
        text(attribute, "key");
        let value = attribute["value"].as_object().expect("one value");
        assert_eq!(value.len(), 1, "{attribute}");
        match value
            .iter()
            .next()
            .map(|(kind, value)| (kind.as_str(), value))
        {
            Some(("stringValue", Value::String(_))) => {}
            Some(("intValue", Value::String(number))) => {
                number.parse::<i64>().expect("64 bits are a text");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn lines_are_in_order_and_drawings_show_every_message() {
    let run = failover();
    let window = Window {
        from_us: 10_000_000,
        to_us: 10_200_000,
    };
    let trace = trace(&run, Some(window));
    let sent = trace.messages().count();
    assert!(sent > 20, "{sent}");
    let lines = lines::lines(&trace);
    let time = |line: &str| {
        let word = line
            .split_whitespace()
            .next()
            .expect("a line begins with its time");
        word.trim_end_matches('s').parse::<f64>().expect("seconds")
    };
    assert!(lines.is_sorted_by(|a, b| time(a) <= time(b)));
    let of_messages = lines.iter().filter(|line| line.contains("s msg    #"));
    assert_eq!(of_messages.count(), sent);
    let diagram = diagram::diagram(&trace).expect("it is short");
    let arrows = diagram
        .lines()
        .filter(|line| line.contains('o') && line.contains("(+"));
    assert!(arrows.count() > sent / 2);
    let svg = svg::svg(&trace).expect("it is short");
    let page = roxmltree::Document::parse(&svg).expect("it is XML");
    let drawn = page.descendants().filter(|node| {
        let class = node.attribute("class").unwrap_or_default();
        node.tag_name().name() == "line" && class.starts_with("arrow")
    });
    assert_eq!(drawn.count(), sent);
    let all = self::trace(&run, None);
    let error = svg::svg(&all).expect_err("a whole run cannot be read");
    assert!(error.contains("--around"), "{error}");
}

//! Reads a history as lines of JSON, and finds which faults acted on which nodes.

use std::collections::BTreeMap;

use serde_json::Value;

/// What one operation came to.
pub struct Ended<'a> {
    pub f: &'a str,
    pub action: &'a Value,
    pub sent_us: u64,
    pub start_us: u64,
    pub end_us: u64,
    pub line: usize,
    pub outcome: &'a Value,
    pub phase: &'a str,
}

pub fn us(value: &Value) -> u64 {
    value.as_u64().expect("a count of microseconds")
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(text).collect()
}

/// Milliseconds of a report, as microseconds.
pub fn ms(value: &Value) -> Option<u64> {
    value.as_f64().map(|ms| (ms * 1_000.0).round() as u64)
}

/// Start of each phase.
pub fn phases(lines: &[Value]) -> Vec<(&str, u64)> {
    let phases = lines.iter().filter(|line| line["type"] == "phase");
    phases
        .map(|line| (text(&line["phase"]), us(&line["at"])))
        .collect()
}

/// Beginning of the phase, if it was reached.
pub fn begins(lines: &[Value], phase: &str) -> Option<u64> {
    let phases = phases(lines);
    let found = phases.iter().find(|(name, _)| *name == phase);
    found.map(|(_, at_us)| *at_us)
}

/// From the start of chaos to the end of serve.
pub fn measured(lines: &[Value]) -> (u64, u64) {
    let from_us = begins(lines, "chaos").expect("it came to chaos");
    let end = begins(lines, "audit").or_else(|| begins(lines, "end"));
    (from_us, end.expect("a run ends"))
}

pub fn ended(lines: &[Value]) -> Vec<Ended<'_>> {
    let phases = phases(lines);
    let phase_at = |at_us: u64| {
        let begun = phases.iter().rev().find(|(_, from_us)| *from_us <= at_us);
        begun.map_or("warmup", |(name, _)| *name)
    };
    let mut open: BTreeMap<u64, &Value> = BTreeMap::new();
    let mut ended = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        match text(&line["type"]) {
            "invoke" => drop(open.insert(us(&line["op"]), line)),
            "return" => {
                let begun = open
                    .remove(&us(&line["op"]))
                    .expect("a return has its invocation");
                let sent_us = us(&begun["at"]);
                let start_us = begun["intended"]
                    .as_u64()
                    .map_or(sent_us, |i| i.min(sent_us));
                ended.push(Ended {
                    f: text(&begun["action"]["f"]),
                    action: &begun["action"],
                    sent_us,
                    start_us,
                    end_us: us(&line["at"]),
                    line: number,
                    outcome: &line["outcome"],
                    phase: phase_at(start_us),
                });
            }
            _ => {}
        }
    }
    ended
}

pub fn is_acknowledged(outcome: &Value) -> bool {
    !matches!(text(&outcome["outcome"]), "failed" | "unknown" | "")
}

pub fn service(f: &str) -> &'static str {
    match f {
        "publish" | "publish_batch" | "configure" | "depth" | "receive" | "ack" | "nack" => "queue",
        "get" | "get_from" | "get_many" | "set" | "set_volatile" | "cache_size" | "ttl"
        | "compare_and_set" | "delete" | "increment" => "cache",
        "get_near" => "near",
        f if f.starts_with("list_") => "cache",
        _ => "lock",
    }
}

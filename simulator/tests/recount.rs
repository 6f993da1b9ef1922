//! Figures of the report against an independent recount.
//!
//! The recount reads `history.jsonl` as what it is, lines of JSON, and shares no code and no
//! type with the measures. Where both are wrong alike, at least two people were.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use squall::history::jsonl::Header;
use squall::run;
use squall::scenario::Scenario;

const SCENARIO: &str = r#"
name = "recount"

[cluster]
nodes = 3

[phases]
warmup = "1s"
chaos = "8s"
serve = "2s"

[[workload]]
service = "lock"
clients = 4
think = "20ms"

[[workload]]
service = "queue"
producers = 3
consumers = 2
rate = "100/s"
nack = "20%"
max_deliveries = 2
visibility = "1s"

[[workload]]
service = "cache"
clients = 4
keys = 20
near = 2
think = "5ms"

[[fault]]
at = "2s"
kill = ["leader"]
for = "2s"
"#;

/// What one operation came to, by its number.
struct Ended<'a> {
    f: &'a str,
    action: &'a Value,
    start_us: u64,
    end_us: u64,
    line: usize,
    outcome: &'a Value,
    phase: &'a str,
}

fn lines() -> (Vec<Value>, Value) {
    let scenario = Scenario::parse(SCENARIO, "recount.toml").expect("it is valid");
    let judged = run::run(&scenario, 5, "").expect("the simulation works");
    let mut text = Vec::new();
    let header: Header = run::header(&judged.plan);
    judged
        .history
        .write(&header, &mut text)
        .expect("a Vec takes all");
    let text = String::from_utf8(text).expect("JSON is UTF-8");
    let lines = text
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let report = serde_json::from_str(&judged.report.to_json()).expect("JSON");
    (lines.collect(), report)
}

fn us(value: &Value) -> u64 {
    value.as_u64().expect("a count of microseconds")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Start of each phase, and of the next one.
fn phases(lines: &[Value]) -> Vec<(&str, u64)> {
    let phases = lines.iter().filter(|line| line["type"] == "phase");
    phases
        .map(|line| (text(&line["phase"]), us(&line["at"])))
        .collect()
}

fn ended<'a>(lines: &'a [Value]) -> Vec<Ended<'a>> {
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

fn is_acknowledged(operation: &Ended) -> bool {
    !matches!(text(&operation.outcome["outcome"]), "failed" | "unknown")
}

#[test]
fn the_report_agrees_with_a_recount_of_its_history() {
    let (lines, report) = lines();
    assert_eq!(report["verdict"], "pass", "{}", report["reason"]);
    let ended = ended(&lines);
    queues(&lines, &ended, &report);
    caches(&lines, &ended, &report);
    throughput(&lines, &ended, &report);
    latency(&ended, &report);
}

fn queues(lines: &[Value], ended: &[Ended], report: &Value) {
    let (mut published, mut delivered, mut consumed) = (0, 0, 0);
    let mut dead = BTreeSet::new();
    let mut steps: Vec<(u64, usize, i64)> = Vec::new();
    for operation in ended {
        let outcome = operation.outcome;
        match (operation.f, text(&outcome["outcome"])) {
            ("publish", "published") => {
                published += 1;
                steps.push((operation.end_us, operation.line, 1));
            }
            ("ack", "settled") if outcome["valid"] == true => {
                consumed += 1;
                steps.push((operation.end_us, operation.line, -1));
            }
            ("receive", "received") => {
                let messages = outcome["messages"].as_array().expect("a list");
                delivered += messages.len();
                if text(&operation.action["queue"]).ends_with(".dead") {
                    dead.extend(messages.iter().map(|message| text(&message["value"])));
                }
            }
            _ => {}
        }
    }
    steps.sort_unstable();
    let audit_us = phases(lines)
        .iter()
        .find(|(name, _)| *name == "audit")
        .expect("it came")
        .1;
    let (mut depth, mut most, mut at_end) = (0_i64, 0, 0);
    for (at_us, _, step) in steps {
        depth += step;
        most = most.max(depth);
        if at_us < audit_us {
            at_end = depth;
        }
    }
    let queue = &report["queue"];
    assert!(
        published > 500 && !dead.is_empty(),
        "{published}, {}",
        dead.len()
    );
    assert_eq!(queue["published"], published);
    assert_eq!(queue["delivered"], delivered);
    assert_eq!(queue["consumed"], consumed);
    assert_eq!(queue["dead_letters"], dead.len());
    assert_eq!(queue["depth_max"], most);
    assert_eq!(queue["depth_end"], at_end.max(0));
}

fn caches(lines: &[Value], ended: &[Ended], report: &Value) {
    let values = ended.iter().filter(|o| o.outcome["outcome"] == "value");
    let (mut reads, mut hits) = (0, 0);
    for read in values {
        reads += 1;
        hits += i64::from(!read.outcome["value"].is_null());
    }
    let cache = &report["cache"];
    assert!(hits > 100 && hits < reads, "{hits} of {reads}");
    assert_eq!(
        (&cache["reads"], &cache["hits"]),
        (&reads.into(), &hits.into())
    );
    let rate = (hits * 1_000_000 / reads) as f64 / 10_000.0;
    assert_eq!(cache["hit_rate"], rate);
    invalidations(lines, ended, cache);
}

fn invalidations(lines: &[Value], ended: &[Ended], cache: &Value) {
    let mut reported: BTreeMap<(u64, &str), u64> = BTreeMap::new();
    for write in ended {
        let is_write = matches!(
            write.f,
            "set" | "set_volatile" | "compare_and_set" | "increment"
        );
        if let (true, Some(version)) = (is_write, write.outcome["version"].as_u64()) {
            reported.insert((version, text(&write.action["key"])), write.end_us);
        }
    }
    let mut delays = Vec::new();
    for line in lines.iter().filter(|line| line["said"] == "invalidated") {
        for key in line["keys"].as_array().expect("a list") {
            if let Some(returned_us) = reported.get(&(us(&line["index"]), text(key))) {
                delays.push(us(&line["at"]).saturating_sub(*returned_us));
            }
        }
    }
    delays.sort_unstable();
    assert!(delays.len() > 50, "{}", delays.len());
    let times = &cache["invalidation_ms"];
    assert_eq!(times["count"], delays.len());
    let ms = |us: u64| us as f64 / 1_000.0;
    assert_eq!(times["max"], ms(delays[delays.len() - 1]));
    assert_eq!(times["p50"], ms(delays[delays.len().div_ceil(2) - 1]));
}

fn service(f: &str) -> &'static str {
    match f {
        "publish" | "publish_batch" | "configure" | "depth" | "receive" | "ack" | "nack" => "queue",
        "get" | "get_from" | "set" | "set_volatile" | "cache_size" | "compare_and_set"
        | "delete" | "increment" => "cache",
        "get_near" => "near",
        _ => "lock",
    }
}

fn throughput(lines: &[Value], ended: &[Ended], report: &Value) {
    let phases = phases(lines);
    for pair in phases.windows(2) {
        let [(phase, from_us), (_, to_us)] = pair else {
            unreachable!("windows of two")
        };
        for name in ["lock", "queue", "cache"] {
            let acked = ended
                .iter()
                .filter(|o| is_acknowledged(o) && service(o.f) == name);
            let acked = acked
                .filter(|o| (*from_us..*to_us).contains(&o.end_us))
                .count() as u64;
            let reported = &report["throughput"][name][phase];
            assert_eq!(reported["acked"], acked, "{name} {phase}");
            let milli = (acked * 1_000_000_000)
                .checked_div(to_us - from_us)
                .unwrap_or(0);
            assert_eq!(
                reported["per_second"],
                milli as f64 / 1_000.0,
                "{name} {phase}"
            );
        }
    }
}

/// Quantiles are kept in buckets of three significant digits, all else exactly.
fn latency(ended: &[Ended], report: &Value) {
    let mut latencies: BTreeMap<(&str, &str, &str), Vec<u64>> = BTreeMap::new();
    for operation in ended
        .iter()
        .filter(|o| is_acknowledged(o) && service(o.f) != "near")
    {
        let key = (service(operation.f), operation.f, operation.phase);
        let latency_us = operation.end_us - operation.start_us;
        latencies.entry(key).or_default().push(latency_us);
    }
    assert!(latencies.len() > 20, "{}", latencies.len());
    for ((service, f, phase), mut all) in latencies {
        all.sort_unstable();
        let reported = &report["latency_us"][service][f][phase]["ok"];
        assert_eq!(reported["count"], all.len(), "{service} {f} {phase}");
        assert_eq!(reported["min"], all[0], "{service} {f} {phase}");
        assert_eq!(reported["max"], all[all.len() - 1], "{service} {f} {phase}");
        let mean = all.iter().sum::<u64>() / all.len() as u64;
        assert_eq!(reported["mean"], mean, "{service} {f} {phase}");
        for (name, per_mille) in [("p50", 500), ("p90", 900), ("p99", 990)] {
            let exact = all[(all.len() * per_mille).div_ceil(1_000) - 1];
            let reported = us(&reported[name]);
            let off = reported.abs_diff(exact) * 1_000;
            assert!(
                off <= exact.max(1_000),
                "{service} {f} {phase} {name}: {reported}, not {exact}"
            );
        }
    }
}

//! Figures of the report against an independent recount.
//!
//! The recount reads `history.jsonl` as what it is, lines of JSON, and shares no code and no
//! type with the measures. Where both are wrong alike, at least two people were.
//!
//! `SQUALL_RECOUNT_SEEDS=60 cargo test -p squall --test recount` counts so many seeds of each
//! scenario again, and 200 of each without faults.

mod downtime;
mod faults;
mod history;
mod loss;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{iter, thread};

use history::{Ended, ended, is_acknowledged, phases, service, text, us};
use serde_json::Value;
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

/// The history of a run and its report, as JSON.
fn run_json(scenario: &Scenario, seed: u64) -> (Vec<Value>, Value) {
    let judged = run::run(scenario, seed, "").expect("the simulation works");
    let mut text = Vec::new();
    judged
        .history
        .write(&run::header(&judged.plan), &mut text)
        .expect("a Vec takes all");
    let text = String::from_utf8(text).expect("JSON is UTF-8");
    let lines = text
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let report = serde_json::from_str(&judged.report.to_json()).expect("JSON");
    (lines.collect(), report)
}

/// How many seeds of each scenario are counted; `None`: one of a few, for every day.
fn seeds() -> Option<u64> {
    let asked = std::env::var("SQUALL_RECOUNT_SEEDS").ok();
    asked.map(|seeds| seeds.parse().expect("a number of seeds"))
}

fn catalogue(name: &str) -> Scenario {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    Scenario::load(root.join(format!("{name}.toml"))).expect("the catalogue is sound")
}

/// With faults of processes, links, disks, clocks, members and clients.
const WITH_FAULTS: [&str; 10] = [
    "rolling-restart",
    "minority-partition",
    "crash-loop",
    "client-crash",
    "leader-pause",
    "chaos",
    "leader-kill",
    "one-way-partition",
    "flapping-link",
    "membership-churn",
];
/// The first of them are counted every day.
const EVERY_DAY: usize = 5;

/// Hand-overs, one of them to the node that leads already, a stop, and a disk that fails.
const TRANSFERS: &str = r#"
name = "transfers"

[cluster]
nodes = 3

[phases]
warmup = "2s"
chaos = "14s"
serve = "2s"

[[workload]]
service = "cache"
clients = 4
think = "20ms"

[[workload]]
service = "queue"
producers = 2
consumers = 2
max_deliveries = 2
visibility = "500ms"

[[fault]]
at = "1s"
transfer = "node-2"

[[fault]]
at = "3s"
transfer = "node-2"

[[fault]]
at = "5s"
clock = ["all"]
jump = "1s"

[[fault]]
at = "7s"
stop = ["leader"]
for = "2s"

[[fault]]
at = "11s"
disk = ["leader"]
damage = "failing_sync"
for = "1s"
"#;

fn counted_again(name: &str, scenario: &Scenario, seed: u64) -> Vec<String> {
    let (lines, report) = run_json(scenario, seed);
    let wrong = [
        downtime::compare(&lines, &report),
        faults::compare(&lines, &report),
        loss::compare(&lines, &report),
    ];
    let ended = ended(&lines);
    throughput(&lines, &ended, &report);
    latency(&ended, &report);
    let wrong = wrong.into_iter().flatten();
    wrong.map(|what| format!("{name} {seed}: {what}")).collect()
}

/// What is wrong with any seed of any scenario, looked at by as many threads as the machine has
/// processors.
fn each_seed(
    scenarios: &[(&str, Scenario)],
    seeds: u64,
    wrong: impl Fn(&str, &Scenario, u64) -> Vec<String> + Sync,
) -> Vec<String> {
    let mut runs: Vec<(&str, &Scenario, u64)> = Vec::new();
    for (name, scenario) in scenarios {
        runs.extend((1..=seeds).map(|seed| (*name, scenario, seed)));
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let runs = iter::from_fn(|| runs.get(next.fetch_add(1, Ordering::Relaxed)));
        let wrong = runs.flat_map(|(name, scenario, seed)| wrong(name, scenario, *seed));
        wrong.collect::<Vec<_>>()
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| worker.join());
        ended
            .flat_map(|wrong| wrong.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

#[test]
fn downtime_causes_recovery_and_loss_are_counted_alike() {
    let counted = seeds().map_or(EVERY_DAY, |_| WITH_FAULTS.len());
    let counted = WITH_FAULTS[..counted].iter();
    let mut scenarios: Vec<_> = counted.map(|name| (*name, catalogue(name))).collect();
    let transfers = Scenario::parse(TRANSFERS, "transfers.toml").expect("it is valid");
    scenarios.push(("transfers", transfers));
    let wrong = each_seed(&scenarios, seeds().unwrap_or(1), counted_again);
    let first: Vec<&String> = wrong.iter().take(20).collect();
    assert!(wrong.is_empty(), "{} disagree: {first:#?}", wrong.len());
}

/// Clients who ask rarely.
fn thin(workload: &str, probe: bool) -> Scenario {
    let text = format!(
        r#"
name = "thin"
[cluster]
nodes = 3
[phases]
warmup = "10s"
chaos = "40s"
serve = "6s"
[probe]
enabled = {probe}
{workload}
"#
    );
    Scenario::parse(&text, "thin.toml").expect("it is valid")
}

const RARE_READS: &str = r#"
[[workload]]
service = "cache"
clients = 1
think = "1800ms"
"#;

const RARE_MESSAGES: &str = r#"
[[workload]]
service = "queue"
producers = 1
consumers = 1
think = "1500ms"
"#;

/// Clients wait for each other for seconds.
const LONG_WAITS: &str = r#"
[[workload]]
service = "lock"
clients = 3
keys = 1
hold = "2s"
wait = "8s"
timeout = "10s"
ttl = "4s"
think = "500ms"
"#;

/// Half of the answers are thrown away, and asked for again up to two seconds later.
const UNHEARD: &str = r#"
[[workload]]
service = "cache"
clients = 2
increments = "50%"
retries = "50%"
retry_after = { min = "100ms", max = "2s" }
think = "700ms"
"#;

#[test]
fn without_a_fault_nobody_is_without_service() {
    let scenarios = [
        ("quiet", catalogue("quiet")),
        ("voting", catalogue("voting")),
        (
            "messages",
            thin(&format!("{RARE_READS}{RARE_MESSAGES}"), false),
        ),
        ("waits", thin(LONG_WAITS, false)),
        ("unheard", thin(UNHEARD, false)),
        ("probes", thin(RARE_READS, true)),
    ];
    let seeds = if seeds().is_some() { 200 } else { 1 };
    let wrong = each_seed(&scenarios, seeds, |name, scenario, seed| {
        let judged = run::run(scenario, seed, "").expect("the simulation works");
        let any = judged.report.downtime_ms.any.expect("it was asked");
        assert!(any.clients.asked > 0, "{name} {seed}");
        let felt = (any.total.get(), any.clients.max.get(), any.clients.without);
        let down = &judged.report.clients_down;
        let is_wrong = felt != (0, 0, 0);
        is_wrong
            .then(|| format!("{name} {seed}: {down:?}"))
            .into_iter()
            .collect()
    });
    assert!(
        wrong.is_empty(),
        "{} with downtime: {wrong:#?}",
        wrong.len()
    );
}

#[test]
fn the_report_agrees_with_a_recount_of_its_history() {
    let scenario = Scenario::parse(SCENARIO, "recount.toml").expect("it is valid");
    let (lines, report) = run_json(&scenario, 5);
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

fn throughput(lines: &[Value], ended: &[Ended], report: &Value) {
    let phases = phases(lines);
    for pair in phases.windows(2) {
        let [(phase, from_us), (_, to_us)] = pair else {
            unreachable!("windows of two")
        };
        for name in ["lock", "queue", "cache"] {
            let acked = ended
                .iter()
                .filter(|o| is_acknowledged(o.outcome) && service(o.f) == name);
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
        .filter(|o| is_acknowledged(o.outcome) && service(o.f) != "near")
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

//! Defines the tables of operations: latency, throughput, errors, and where the time went.

use std::collections::BTreeMap;

use squall_history::Phase;
use squall_measure::Class;

use crate::analysis::{Capacity, CurvePoint, LoadKind};
use crate::columns;
use crate::document::{Column, Severity, Table, Value, number, rate, share, us, word};
use crate::load::{self, Load};
use crate::report::Report;
use crate::words::operation;
use squall_measure::{CacheReport, ErrorRow, Latency, LoadStep, PayloadRow, QueueReport, SlowRow};

/// One kind of operation over the whole run.
struct Asked {
    name: String,
    ok: u64,
    failed: u64,
    unknown: u64,
    warmup: Option<Latency>,
    chaos: Option<Latency>,
}

const LATENCIES: &[Column<Asked>] = &columns! { asked: Asked;
    text "operation" "" &asked.name;
    number "ok" "" asked.ok;
    number "failed" "" asked.failed;
    number "unknown" "" asked.unknown;
    number "warm-up p50" "" us(asked.warmup.map(|latency| latency.p50));
    number "p99" "" us(asked.warmup.map(|latency| latency.p99));
    number "chaos p50" "" us(asked.chaos.map(|latency| latency.p50));
    number "p99" "" us(asked.chaos.map(|latency| latency.p99));
    number "max" "" us(asked.chaos.map(|latency| latency.max));
};

pub(crate) fn latencies(report: &Report) -> Table {
    let mut rows = Vec::new();
    for (service, operations) in &report.latency_us {
        for (name, phases) in operations {
            let ok = |phase| phases.get(&phase)?.get(&Class::Ok).copied();
            let total = |class| {
                let outcomes = phases.values().filter_map(|outcomes| outcomes.get(&class));
                outcomes.map(|latency| latency.count).sum()
            };
            rows.push(Asked {
                name: operation(service, name),
                ok: total(Class::Ok),
                failed: total(Class::Failed),
                unknown: total(Class::Unknown),
                warmup: ok(Phase::Warmup),
                chaos: ok(Phase::Chaos),
            });
        }
    }
    Table::of("latency", LATENCIES, &rows)
}

const PAYLOADS: &[Column<PayloadRow>] = &columns! { row: PayloadRow;
    text "operation" "" operation(&row.service, &row.operation);
    text "" "service" &row.service;
    text "" "operation" &row.operation;
    number "up to" "" size(row.up_to_bytes);
    number "" "up_to_bytes" row.up_to_bytes;
    number "ok" "count" row.latency_us.count;
    number "" "min_us" us(row.latency_us.min);
    number "p50" "p50_us" us(row.latency_us.p50);
    number "p90" "p90_us" us(row.latency_us.p90);
    number "p95" "p95_us" us(row.latency_us.p95);
    number "p99" "p99_us" us(row.latency_us.p99);
    number "" "p999_us" us(row.latency_us.p999);
    number "max" "max_us" us(row.latency_us.max);
    number "" "mean_us" us(row.latency_us.mean);
};

pub(crate) fn payloads(report: &Report) -> Table {
    Table::of("latency by payload", PAYLOADS, &report.latency_by_payload)
}

/// `100 B`, `10 kB`: powers of ten need no decimals.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// Mean time of an operation in each stage.
pub(crate) fn stages(report: &Report) -> Table {
    type Stages<'a> = (&'a String, &'a BTreeMap<String, u64>);
    let columns = columns! { row: Stages<'_>;
        text "mean of" "" row.0;
        number "all" "" us(row.1.values().sum::<u64>());
        number "travel" "" us(row.1.get("travel").copied());
        number "held" "" us(row.1.get("held").copied());
        number "queued" "" us(row.1.get("queued").copied());
        number "disk" "" us(row.1.get("disk").copied());
        number "network" "" us(row.1.get("network").copied());
        number "consensus" "" us(row.1.get("consensus").copied());
        number "applied" "" us(row.1.get("applied").copied());
        number "waited" "" us(row.1.get("waited").copied());
    };
    Table::of(
        "stages",
        &columns,
        &report.stages_us.iter().collect::<Vec<_>>(),
    )
}

const MESSAGES: &[Column<QueueReport>] = &columns! { queue: QueueReport;
    text "messages" "" "all";
    number "published" "" queue.published;
    number "delivered" "" queue.delivered;
    number "consumed" "" queue.consumed;
    number "dead letters" "" queue.dead_letters;
    number "most at a time" "" queue.depth_max;
    number "at the end" "" queue.depth_end;
    number "drained in" "" queue.drained_ms;
};

pub(crate) fn messages(report: &Report) -> Table {
    Table::of("messages", MESSAGES, &report.queue)
}

const CACHED: &[Column<CacheReport>] = &columns! { cache: CacheReport;
    text "cache" "" "all";
    number "reads" "" cache.reads;
    number "hits" "" cache.hits;
    number "hit rate" "" share(cache.hit_rate, 2);
    number "invalidations" "" cache.invalidation_ms.count;
    number "heard p50" "" cache.invalidation_ms.p50;
    number "p99" "" cache.invalidation_ms.p99;
    number "hit p50" "" cache.hit_ms.p50;
    number "filled miss p50" "" cache.miss_ms.p50;
    number "miss penalty" "" cache.miss_penalty_ms;
};

pub(crate) fn cached(report: &Report) -> Table {
    let table = Table::of("cache", CACHED, &report.cache);
    // Only caches in front of something slower fill what they miss.
    let fills = (report.cache.as_ref()).is_some_and(|cache| cache.miss_penalty_ms.is_some());
    if fills {
        table
    } else {
        table.without(&["hit p50", "filled miss p50", "miss penalty"])
    }
}

const STEPS: &[Column<LoadStep>] = &columns! { step: LoadStep;
    number "step" "step" number(step.step);
    number "" "users" number(step.users);
    number "" "rate_per_second" rate(step.rate);
    number "level" "" load::level(step);
    number "held" "" us(step.to_ms.get() - step.from_ms.get());
    number "" "from_ms" step.from_ms;
    number "" "to_ms" step.to_ms;
    number "ok" "acknowledged" step.acknowledged;
    number "errors" "errors" step.errors;
    number "pending" "pending" step.pending;
    number "op/s" "per_second" rate(step.per_second);
    number "p50" "p50_us" us(step.p50_us);
    number "p95" "p95_us" us(step.p95_us);
    number "p99" "p99_us" us(step.p99_us);
    number "max" "max_us" us(step.max_us);
    text "broke" "" step.broke.map(|broke| load::text(&broke));
    text "" "broke" step.broke.map(|broke| word(&broke.limit));
};

/// Throughput and response time by load.
pub(crate) fn curve(capacity: &Capacity) -> Table {
    let columns = columns! { row: (LoadKind, &CurvePoint);
        text "load" "" row.0.text(row.1.load);
        number "" "load" row.1.load.to_string();
        number "windows" "windows" row.1.windows;
        number "throughput/s" "per_second" Value::PerSecond(row.1.per_second);
        number "p50" "p50_us" us(row.1.p50_us);
        number "p95" "p95_us" us(row.1.p95_us);
        number "errors" "errors" row.1.errors;
    };
    let rows: Vec<(LoadKind, &CurvePoint)> = capacity
        .curve
        .iter()
        .map(|point| (capacity.load, point))
        .collect();
    Table::of("response by load", &columns, &rows)
}

pub(crate) fn steps(load: &Load) -> Table {
    Table::with_severity("load", STEPS, &load.steps, |step| match step.broke {
        Some(_) => Severity::Warning,
        None => Severity::Plain,
    })
}

const ERRORS: &[Column<ErrorRow>] = &columns! { row: ErrorRow;
    text "operation" "" operation(&row.service, &row.operation);
    text "" "service" &row.service;
    text "" "operation" &row.operation;
    text "outcome" "outcome" word(&row.outcome);
    text "reason" "why" &row.why;
    number "count" "count" row.count;
};

pub(crate) fn errors(report: &Report) -> Table {
    Table::of("errors", ERRORS, &report.errors)
}

const SLOWEST: &[Column<SlowRow>] = &columns! { row: SlowRow;
    text "operation" "" operation(&row.service, &row.operation);
    text "" "service" &row.service;
    text "" "operation" &row.operation;
    text "client" "client" &row.client;
    number "at" "at_ms" Value::Exactly(row.at_ms);
    number "latency" "latency_ms" row.latency_ms;
};

/// Client and moment are those of the history, to the microsecond.
pub(crate) fn slowest(report: &Report) -> Table {
    Table::of("slowest", SLOWEST, &report.slowest)
}

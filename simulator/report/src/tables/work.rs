//! What clients asked for: how long it took, where the time went, and what came of it.

use std::collections::BTreeMap;

use super::{Table, Tone, or_nothing};
use crate::words::{count, duration, ms};
use crate::{CacheReport, QueueReport, Report};
use squall_history::Phase;
use squall_measure::Class;

pub fn latencies(report: &Report) -> Table {
    let mut rows = Vec::new();
    for (service, operations) in &report.latency_us {
        for (operation, phases) in operations {
            let ok = |phase| {
                phases
                    .get(&phase)
                    .and_then(|classes| classes.get(&Class::Ok))
            };
            let total = |class| -> u64 {
                phases
                    .values()
                    .filter_map(|classes| classes.get(&class))
                    .map(|l| l.count)
                    .sum()
            };
            let (warmup, chaos) = (ok(Phase::Warmup), ok(Phase::Chaos));
            let cells = vec![
                format!("{service} {operation}"),
                count(total(Class::Ok)),
                count(total(Class::Failed)),
                count(total(Class::Unknown)),
                or_nothing(warmup, |l| duration(l.p50)),
                or_nothing(warmup, |l| duration(l.p99)),
                or_nothing(chaos, |l| duration(l.p50)),
                or_nothing(chaos, |l| duration(l.p99)),
                or_nothing(chaos, |l| duration(l.max)),
            ];
            rows.push((Tone::Plain, cells));
        }
    }
    Table {
        title: "latency",
        columns: vec![
            "operation",
            ">ok",
            ">failed",
            ">unknown",
            ">warm-up p50",
            ">p99",
            ">chaos p50",
            ">p99",
            ">max",
        ],
        rows,
    }
}

/// Mean time of an operation in each stage.
pub fn stages(report: &Report) -> Table {
    const STAGES: [&str; 8] = [
        ">travel",
        ">held",
        ">queued",
        ">disk",
        ">network",
        ">consensus",
        ">applied",
        ">waited",
    ];
    let name = |column: &'static str| column.trim_start_matches('>');
    let row = |(service, stages): (&String, &BTreeMap<String, u64>)| {
        let cells = STAGES.map(|column| or_nothing(stages.get(name(column)), |us| duration(*us)));
        let total = stages.values().sum();
        let cells = [service.clone(), duration(total)].into_iter().chain(cells);
        (Tone::Plain, cells.collect())
    };
    let head = ["mean of", ">all"].into_iter();
    Table {
        title: "stages",
        columns: head.chain(STAGES).collect(),
        rows: report.stages_us.iter().map(row).collect(),
    }
}

pub fn messages(report: &Report) -> Table {
    let row = |queue: &QueueReport| {
        let cells = [
            queue.published,
            queue.delivered,
            queue.consumed,
            queue.dead_letters,
            queue.depth_max,
            queue.depth_end,
        ];
        let head = ["all".to_owned()].into_iter();
        let cells = head.chain(cells.map(count)).chain([ms(queue.drained_ms)]);
        (Tone::Plain, cells.collect())
    };
    Table {
        title: "messages",
        columns: vec![
            "messages",
            ">published",
            ">delivered",
            ">consumed",
            ">dead letters",
            ">most at a time",
            ">at the end",
            ">drained in",
        ],
        rows: report.queue.iter().map(row).collect(),
    }
}

pub fn cached(report: &Report) -> Table {
    // Only caches in front of something slower fill what they miss.
    let fills = (report.cache.as_ref()).is_some_and(|cache| cache.miss_penalty_ms.is_some());
    let row = |cache: &CacheReport| {
        let times = cache.invalidation_ms;
        let cells = vec![
            "all".to_owned(),
            count(cache.reads),
            count(cache.hits),
            or_nothing(cache.hit_rate, |rate| format!("{rate:.2} %")),
            count(times.count),
            ms(times.p50),
            ms(times.p99),
        ];
        let filled = [
            ms(cache.hit_ms.p50),
            ms(cache.miss_ms.p50),
            ms(cache.miss_penalty_ms),
        ];
        let filled = filled.into_iter().filter(|_| fills);
        (Tone::Plain, cells.into_iter().chain(filled).collect())
    };
    let heads = [
        "cache",
        ">reads",
        ">hits",
        ">hit rate",
        ">invalidations",
        ">heard p50",
        ">p99",
    ];
    let filled = [">hit p50", ">filled miss p50", ">miss penalty"];
    let filled = filled.into_iter().filter(|_| fills);
    Table {
        title: "cache",
        columns: heads.into_iter().chain(filled).collect(),
        rows: report.cache.iter().map(row).collect(),
    }
}

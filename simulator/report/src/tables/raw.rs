//! Tables for programs alone: every row that the others summarise.

use std::collections::BTreeMap;

use squall_history::Phase;
use squall_measure::Class;

use crate::bottlenecks::Bottleneck;
use crate::columns;
use crate::document::{Table, number, rate, us, word};
use crate::report::Report;
use squall_measure::{ClientGaps, Gap, Latency, Leader, Rate};
use squall_objective::fixed::Ms;

pub(crate) fn latencies_by_phase(report: &Report) -> Table {
    let columns = columns! { row: (&String, &String, &Phase, &Class, &Latency);
        text "" "service" row.0;
        text "" "operation" row.1;
        text "" "phase" row.2.name();
        text "" "outcome" word(row.3);
        number "" "count" row.4.count;
        number "" "min_us" us(row.4.min);
        number "" "p50_us" us(row.4.p50);
        number "" "p90_us" us(row.4.p90);
        number "" "p95_us" us(row.4.p95);
        number "" "p99_us" us(row.4.p99);
        number "" "p999_us" us(row.4.p999);
        number "" "max_us" us(row.4.max);
        number "" "mean_us" us(row.4.mean);
    };
    let mut rows = Vec::new();
    for (service, operations) in &report.latency_us {
        for (operation, phases) in operations {
            for (phase, outcomes) in phases {
                let outcomes = outcomes.iter();
                rows.extend(
                    outcomes.map(|(class, latency)| (service, operation, phase, class, latency)),
                );
            }
        }
    }
    Table::of("latency", &columns, &rows)
}

pub(crate) fn throughput(report: &Report) -> Table {
    let columns = columns! { row: (&String, (&Phase, &Rate));
        text "" "service" row.0;
        text "" "phase" row.1.0.name();
        number "" "acknowledged" row.1.1.acked;
        number "" "per_second" rate(row.1.1.per_second);
        number "" "lowest_in_a_second" row.1.1.lowest;
    };
    Table::of("throughput", &columns, &flattened(&report.throughput))
}

/// Every inner entry with the key that it is under.
fn flattened<'a, K, T: 'a>(
    entries: &'a BTreeMap<K, T>,
) -> Vec<(&'a K, <&'a T as IntoIterator>::Item)>
where
    &'a T: IntoIterator,
{
    let entries = entries.iter();
    let entries = entries.flat_map(|(key, inner)| inner.into_iter().map(move |entry| (key, entry)));
    entries.collect()
}

/// Operations of each service by bucket of time: the first line holds their names.
pub(crate) fn acknowledged(report: &Report) -> Vec<Vec<String>> {
    let data = &report.timeline;
    let names = data.acked.keys();
    let names = names.map(|service| format!("{service}_acknowledged"));
    let mut rows: Vec<Vec<String>> =
        vec![["from_ms".to_owned()].into_iter().chain(names).collect()];
    let buckets = data.acked.values().map(Vec::len).max().unwrap_or(0);
    rows.extend((0..buckets).map(|bucket| {
        let from = Ms::of(data.bucket_ms.get() * bucket as u64);
        let counts = data.acked.values();
        let counts = counts.map(|counts| number(counts.get(bucket).copied()).raw());
        [from.to_string()].into_iter().chain(counts).collect()
    }));
    rows
}

pub(crate) fn gaps(report: &Report) -> Table {
    let columns = columns! { gap: Gap;
        text "" "service" gap.service.name();
        number "" "from_ms" gap.from_ms;
        number "" "to_ms" gap.to_ms;
    };
    Table::of("downtime", &columns, &report.gaps)
}

pub(crate) fn clients(report: &Report) -> Table {
    let columns = columns! { row: ClientGaps;
        text "" "client" &row.client;
        text "" "service" row.service.name();
        number "" "total_ms" row.total_ms;
        number "" "max_ms" row.max_ms;
        number "" "from_ms" row.from_ms;
        number "" "count" row.count;
    };
    Table::of("clients", &columns, &report.clients_down)
}

pub(crate) fn leaders(report: &Report) -> Table {
    let columns = columns! { leader: Leader;
        text "" "node" &leader.node;
        number "" "term" leader.term;
        number "" "from_ms" leader.from_ms;
        number "" "until_ms" leader.until_ms;
    };
    Table::of("leaders", &columns, &report.timeline.leaders)
}

pub(crate) fn stages_in_rows(report: &Report) -> Table {
    let columns = columns! { row: (&String, (&String, &u64));
        text "" "service" row.0;
        text "" "stage" row.1.0;
        number "" "mean_us" us(*row.1.1);
    };
    Table::of("stages", &columns, &flattened(&report.stages_us))
}

pub(crate) fn bottlenecks(report: &Report) -> Table {
    let columns = columns! { found: Bottleneck;
        text "" "rule" word(&found.rule);
        text "" "subject" &found.subject;
        text "" "priority" word(&found.priority);
        number "" "share_percent" found.share.to_string();
        text "" "evidence" found.evidence.join("; ");
        text "" "impact" &found.impact;
        text "" "cause" &found.cause;
        text "" "recommendation" &found.recommendation;
    };
    Table::of("bottlenecks", &columns, &report.bottlenecks)
}

/// Every single duration behind the distributions.
pub(crate) fn every_time(report: &Report) -> Table {
    let columns = columns! { row: (&&str, &u64);
        text "" "time" *row.0;
        number "" "us" us(*row.1);
    };
    let samples = &report.samples_us;
    let times = [
        ("detection", &samples.detection),
        ("election", &samples.election),
        ("recovery_throughput", &samples.recovery_throughput),
        ("recovery_members", &samples.recovery_members),
        ("recovery_rejoin", &samples.recovery_rejoin),
    ];
    let rows = times
        .iter()
        .flat_map(|(name, all_us)| all_us.iter().map(move |us| (name, us)));
    Table::of("times", &columns, &rows.collect::<Vec<_>>())
}

//! A report as comma-separated values, a file a table or series, for spreadsheets. Names end
//! in their unit.

use squall_history::History;
use squall_measure::series::{Curve, Depth, Flow, over_time};

use crate::document::{Table, us};
use crate::report::Report;
use crate::{columns, tables, write};
use squall_objective::fixed::Ms;

/// Names and texts of all files; those without a row have their head alone.
pub fn files(report: &Report) -> Vec<(&'static str, String)> {
    let acknowledged = write::csv::records(tables::acknowledged(report));
    let tables = [
        ("latency.csv", tables::latencies_by_phase(report)),
        ("payload.csv", tables::payloads(report)),
        ("throughput.csv", tables::throughput(report)),
        ("faults.csv", tables::faults(report)),
        ("downtime.csv", tables::gaps(report)),
        ("clients.csv", tables::clients(report)),
        ("leaders.csv", tables::leaders(report)),
        ("objectives.csv", tables::objectives(report)),
        ("alerts.csv", tables::alerts(report)),
        ("checks.csv", tables::checks(report, true)),
        ("comparison.csv", tables::comparison(report, true)),
        ("stages.csv", tables::stages_in_rows(report)),
        ("errors.csv", tables::errors(report)),
        ("slowest.csv", tables::slowest(report)),
        ("bottlenecks.csv", tables::bottlenecks(report)),
        ("times.csv", tables::every_time(report)),
        ("load.csv", tables::steps(&report.load)),
        ("nodes.csv", tables::resources(report)),
    ];
    written(&tables)
        .chain([("acknowledged.csv", acknowledged)])
        .collect()
}

fn written<'a>(
    tables: &'a [(&'static str, Table)],
) -> impl Iterator<Item = (&'static str, String)> + 'a {
    tables
        .iter()
        .map(|(name, table)| (*name, write::csv::table(table)))
}

/// A run over time, and its distributions of latency: the numbers that graphs are drawn from.
/// Windows are those of the graphs: the shortest round length of which a run has at most 600.
pub fn series(history: &History) -> Vec<(&'static str, String)> {
    let seen = over_time(history);
    let from = |window| Ms::of(seen.windows.from_us(window));
    let windows = columns! { row: (Ms, &str, &Flow, usize);
        number "" "from_ms" row.0;
        text "" "service" row.1;
        number "" "acknowledged" row.2.acked[row.3];
        number "" "failed" row.2.failed[row.3];
        number "" "unknown" row.2.unknown[row.3];
        number "" "p50_us" us(row.2.latency[row.3].as_ref().map(|latency| latency.p50_us));
        number "" "p95_us" us(row.2.latency[row.3].as_ref().map(|latency| latency.p95_us));
        number "" "p99_us" us(row.2.latency[row.3].as_ref().map(|latency| latency.p99_us));
        number "" "max_us" us(row.2.latency[row.3].as_ref().map(|latency| latency.max_us));
    };
    // Each service, and all together.
    let flows = seen.services.iter();
    let flows = flows.map(|(service, flow)| (service.name(), flow));
    let flows = flows.chain([("all", &seen.all)]);
    let flows = flows.flat_map(|(service, flow)| {
        (0..seen.windows.count).map(move |window| (from(window), service, flow, window))
    });
    let depths = columns! { row: (Ms, &String, &Depth);
        number "" "from_ms" row.0;
        text "" "queue" row.1;
        number "" "lowest" row.2.lowest;
        number "" "highest" row.2.highest;
        number "" "last" row.2.last;
    };
    let queues = seen.queues.iter().flat_map(|(queue, depths)| {
        let depths = depths.iter().enumerate();
        depths.map(move |(window, depth)| (from(window), queue, depth))
    });
    let clients = columns! { row: (Ms, u64, u64, u64);
        number "" "from_ms" row.0;
        number "" "outstanding_most" row.1;
        number "" "cache_reads" row.2;
        number "" "cache_hits" row.3;
    };
    // What waited for an answer, and what reads of the cache found.
    let waited = seen.outstanding.iter().zip(&seen.reads).enumerate();
    let waited =
        waited.map(|(window, (most, reads))| (from(window), *most, reads.gets, reads.hits));
    let steps = columns! { row: (&Curve, f64, u64);
        text "" "service" row.0.service.name();
        text "" "operation" row.0.operation;
        number "" "percentile" format!("{:.5}", row.1 * 100.0);
        number "" "latency_us" us(row.2);
    };
    // A row for each step of each distribution.
    let curves = seen.curves.iter();
    let points = curves.flat_map(|curve| {
        curve
            .points
            .iter()
            .map(move |(share, us)| (curve, *share, *us))
    });
    let tables = [
        (
            "windows.csv",
            Table::of("windows", &windows, &flows.collect::<Vec<_>>()),
        ),
        (
            "queue_depth.csv",
            Table::of("depths", &depths, &queues.collect::<Vec<_>>()),
        ),
        (
            "clients.csv",
            Table::of("clients", &clients, &waited.collect::<Vec<_>>()),
        ),
        (
            "percentiles.csv",
            Table::of("percentiles", &steps, &points.collect::<Vec<_>>()),
        ),
    ];
    written(&tables).collect()
}

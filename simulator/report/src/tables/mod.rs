//! The tables of a report: what is a column of which, said once for readers and for programs.

mod cluster;
mod goals;
mod raw;
mod work;

pub(crate) use cluster::{checks, faults, resources, services, targets, times};
pub(crate) use goals::{comparison, objectives};
pub(crate) use raw::{
    acknowledged, bottlenecks, clients, every_time, gaps, latencies_by_phase, leaders,
    stages_in_rows, throughput,
};
pub(crate) use work::{
    cached, curve, errors, latencies, messages, payloads, slowest, stages, steps,
};

pub(crate) use crate::alerts::table as alerts;
use crate::document::Table;
use crate::report::Report;

/// What a run's results are, in the order of reports. With `all`, also the checks that hold
/// and the figures that are as they were.
pub(crate) fn tables(report: &Report, all: bool) -> Vec<Table> {
    let mut tables = vec![
        faults(report),
        services(report),
        times(report),
        latencies(report),
        payloads(report),
        stages(report),
        messages(report),
        cached(report),
        steps(&report.load),
        objectives(report),
        alerts(report),
        comparison(report, all),
        checks(report, all),
    ];
    tables.retain(|table| !table.is_empty());
    tables
}

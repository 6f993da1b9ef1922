//! The tables of a report, as cells of text; text and Markdown lay out the same ones.

mod cluster;
mod goals;
mod work;

pub(super) use cluster::{checks, faults, services, targets, times};
pub(super) use goals::{comparison, objectives};
pub(super) use work::{cached, latencies, messages, stages};

use super::Report;

/// How a row is meant, for whoever prints in colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Bad,
    Doubtful,
}

pub struct Table {
    pub title: &'static str,
    /// Names; those of right-aligned columns start with `>`.
    pub columns: Vec<&'static str>,
    pub rows: Vec<(Tone, Vec<String>)>,
}

/// What stands for a value that does not exist.
pub(super) const NOTHING: &str = "-";

/// All tables that have rows. With `all_checks`, also of the checks that hold and of figures
/// that are as they were.
pub(super) fn tables(report: &Report, all_checks: bool) -> Vec<Table> {
    let tables = [
        faults(report),
        services(report),
        times(report),
        latencies(report),
        super::payload::table(report),
        stages(report),
        messages(report),
        cached(report),
        super::load::steps(&report.load),
        objectives(report),
        comparison(report, all_checks),
        checks(report, all_checks),
    ];
    tables
        .into_iter()
        .filter(|table| !table.rows.is_empty())
        .collect()
}

pub(super) fn or_nothing<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), show)
}

//! A comparison to read.

use super::{Comparison, Head, Row, Unit, Values};
use crate::report::{PerSecond, count, duration};

const COLUMNS: [&str; 11] = [
    "", "A: n", "p50", "p90", "p99", "B: n", "p50", "p90", "p99", "B / A", "B in A",
];
/// What stands for a figure that a side does not show.
const MISSING: &str = "-";

/// For a terminal.
pub fn text(comparison: &Comparison) -> String {
    let mut out = heads(comparison).join("\n") + "\n\n";
    let mut table: Vec<[String; 11]> = vec![COLUMNS.map(str::to_owned)];
    table.extend(shown(comparison).map(cells));
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; 11] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for row in &table {
        let mut line = format!("  {:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(widths).skip(1) {
            line += &format!("  {cell:>width$}");
        }
        out += &(line.trim_end().to_owned() + "\n");
    }
    out
}

pub fn markdown(comparison: &Comparison) -> String {
    let mut out = String::new();
    for line in heads(comparison) {
        out += &format!("- {line}\n");
    }
    for warning in &comparison.warnings {
        out += &format!("- **Warning:** {warning}.\n");
    }
    out += &format!("\n| {} |\n", COLUMNS.join(" | "));
    out += &format!("| --- |{}\n", " ---: |".repeat(COLUMNS.len() - 1));
    for row in shown(comparison) {
        out += &format!("| {} |\n", cells(row).join(" | "));
    }
    out
}

/// Rows of which at least one side shows something.
fn shown(comparison: &Comparison) -> impl Iterator<Item = &Row> {
    let rows = comparison.rows.iter();
    rows.filter(|row| row.a.is_some() || row.b.is_some())
}

fn heads(comparison: &Comparison) -> [String; 2] {
    let head = |letter: &str, head: &Head| {
        let runs = match head.runs {
            1 => "1 run".to_owned(),
            runs => format!("{} runs", count(runs)),
        };
        let mut line = format!(
            "{letter}: {} on {}, {runs} ({})",
            head.scenario, head.backend, head.path
        );
        if let Some(profile) = &head.profile {
            line += &format!(", profile {profile}");
        }
        if head.without_report > 0 {
            line += &format!(", {} without a report", count(head.without_report));
        }
        line
    };
    [head("A", &comparison.a), head("B", &comparison.b)]
}

fn cells(row: &Row) -> [String; 11] {
    let value = |value: u64| match row.unit {
        Unit::Microseconds => duration(value),
        Unit::Count => count(value),
        Unit::ThousandthsPerSecond => format!("{:.1}/s", PerSecond::of(value)),
    };
    let side = |values: Option<Values>| match values {
        Some(values) => [
            count(values.count),
            value(values.p50),
            value(values.p90),
            value(values.p99),
        ],
        None => [MISSING; 4].map(str::to_owned),
    };
    let [n_a, p50_a, p90_a, p99_a] = side(row.a);
    let [n_b, p50_b, p90_b, p99_b] = side(row.b);
    let ratio = row.ratio.map(|ratio| format!("{ratio:.2}"));
    let percentile = row.percentile.map(|percentile| format!("p{percentile:.0}"));
    let or_missing = |text: Option<String>| text.unwrap_or_else(|| MISSING.to_owned());
    [
        row.figure.clone(),
        n_a,
        p50_a,
        p90_a,
        p99_a,
        n_b,
        p50_b,
        p90_b,
        p99_b,
        or_missing(ratio),
        or_missing(percentile),
    ]
}

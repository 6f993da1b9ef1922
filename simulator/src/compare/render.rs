//! Writes a comparison for a terminal and as Markdown.

use super::{Comparison, Head, Row, Unit, Values};
use crate::report::document::{Block, Table, Value, plain, strong};
use crate::report::{PerSecond, Style, columns, count, write};

/// For a terminal.
pub fn text(comparison: &Comparison) -> String {
    let heads = heads(comparison).join("\n");
    let table = write::text::table(&table(comparison), Style::default(), "  ");
    format!("{heads}\n\n{table}")
}

/// For a file or a comment.
pub fn markdown(comparison: &Comparison) -> String {
    let heads = heads(comparison).map(|line| vec![plain(line)]).into_iter();
    let warnings = comparison.warnings.iter();
    let warnings = warnings.map(|why| vec![strong("Warning:"), plain(format!(" {why}."))]);
    let list = Block::List(heads.chain(warnings).collect());
    write::markdown::blocks(&[list, Block::Table(table(comparison))])
}

fn heads(comparison: &Comparison) -> [String; 2] {
    [head("A", &comparison.a), head("B", &comparison.b)]
}

/// `A: leader-kill on sim, 20 runs (sweeps/leader-kill)`.
pub(super) fn head(letter: &str, head: &Head) -> String {
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
}

/// Rows of which at least one side shows something.
fn table(comparison: &Comparison) -> Table {
    let columns = columns! { row: Row;
        text "figure" "" &row.figure;
        number "A: n" "" row.a.map(|values| values.count);
        number "p50" "" value(row, row.a, |values| values.p50);
        number "p90" "" value(row, row.a, |values| values.p90);
        number "p99" "" value(row, row.a, |values| values.p99);
        number "B: n" "" row.b.map(|values| values.count);
        number "p50" "" value(row, row.b, |values| values.p50);
        number "p90" "" value(row, row.b, |values| values.p90);
        number "p99" "" value(row, row.b, |values| values.p99);
        number "B / A" "" row.ratio.map(|ratio| format!("{ratio:.2}"));
        number "B in A" "" row.percentile.map(|percentile| format!("p{percentile:.0}"));
    };
    let rows = comparison.rows.iter();
    let shown = rows.filter(|row| row.a.is_some() || row.b.is_some());
    Table::of("comparison", &columns, shown)
}

fn value(row: &Row, values: Option<Values>, pick: fn(Values) -> u64) -> Value {
    let Some(value) = values.map(pick) else {
        return Value::Nothing;
    };
    match row.unit {
        Unit::Microseconds => Value::Us(value),
        Unit::Count => Value::Count(value),
        Unit::ThousandthsPerSecond => format!("{:.1}/s", PerSecond::of(value)).into(),
    }
}

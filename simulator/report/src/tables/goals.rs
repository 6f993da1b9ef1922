//! Defines the tables of objectives and of the comparison with earlier runs.

use squall_objective::baseline::{Change, Row};

use crate::columns;
use crate::document::{Column, Severity, Table, Value, word};
use crate::objectives::{ObjectiveResult, Status};
use crate::report::Report;
use crate::words::duration;
use squall_objective::fixed::{Ms, Number};
use squall_objective::objective::Unit;

const OBJECTIVES: &[Column<ObjectiveResult>] = &columns! { result: ObjectiveResult;
    text "objective" "objective" &result.name;
    text "" "unit" word(&result.unit);
    text "" "bound" word(&result.bound);
    number "target" "" format!("{} {}", result.bound.sign(), result.unit.text(result.limit));
    number "" "limit" Value::Measured(result.unit, result.limit);
    number "measured" "measured" measured(result.unit, result.measured);
    text "" "status" word(&result.status);
    number "margin" "margin_percent" result.margin_percent;
    text "result" "" result.status.label();
    number "" "grace_ms" result.grace_ms;
    number "" "missed_for_ms" result.missed_for_ms;
    text "note" "" notes(result);
    text "" "note" result.note.as_ref();
};

fn notes(result: &ObjectiveResult) -> String {
    let grace = result.grace_ms.map(|grace| {
        let missed = duration(result.missed_for_ms.map_or(0, Ms::get));
        format!("missed for {missed} of {}", duration(grace.get()))
    });
    let notes: Vec<String> = grace.into_iter().chain(result.note.clone()).collect();
    notes.join("; ")
}

fn measured(unit: Unit, value: Option<Number>) -> Value {
    value.map_or(Value::Nothing, |value| Value::Measured(unit, value))
}

pub(crate) fn objectives(report: &Report) -> Table {
    let severity = |result: &ObjectiveResult| match result.status {
        Status::Met => Severity::Plain,
        Status::Missed => Severity::Bad,
        Status::Unknown | Status::Unsupported => Severity::Warning,
    };
    Table::with_severity("objectives", OBJECTIVES, &report.objectives, severity)
}

const COMPARISON: &[Column<Row>] = &columns! { row: Row;
    text "figure" "figure" &row.figure;
    text "" "unit" word(&row.unit);
    number "before" "median" measured(row.unit, row.median);
    number "worst before" "worst" measured(row.unit, row.worst);
    number "now" "measured" measured(row.unit, row.measured);
    number "change" "change_percent" row.change_percent;
    number "" "limit" measured(row.unit, row.limit);
    text "result" "standing" word(&row.standing);
};

/// What got worse or better than in earlier runs; with `all`, also what did not.
pub(crate) fn comparison(report: &Report, all: bool) -> Table {
    let rows = report.comparison.iter();
    let rows = rows.flat_map(|comparison| &comparison.rows);
    let shown = |row: &&Row| all || matches!(row.standing, Change::Regression | Change::Better);
    let severity = |row: &Row| match row.standing {
        Change::Regression => Severity::Bad,
        Change::Gone => Severity::Warning,
        Change::Better | Change::Same | Change::New => Severity::Plain,
    };
    Table::with_severity("comparison", COMPARISON, rows.filter(shown), severity)
}

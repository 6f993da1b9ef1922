//! Makes the tables of alerts: when each began and ended, and which of its actions failed.

use crate::columns;
use crate::document::{Block, Column, Severity as Shown, Table, Value};
use crate::report::Report;
use squall_objective::alert::{ActionOutcome, AlertReport, AlertSpell, Severity};
use squall_objective::fixed::Ms;

/// An alert with one of its spells, or without any.
type Row<'a> = (&'a AlertReport, Option<&'a AlertSpell>);

fn ended(row: &Row<'_>) -> Value {
    match row.1.map(|spell| spell.ended_ms) {
        None => Value::Nothing,
        Some(Some(at)) => Value::At(at),
        Some(None) => "with the run".into(),
    }
}

/// A row for each spell, and one for each alert that never began.
pub(crate) fn table(report: &Report) -> Table {
    let columns = columns! { row: Row<'_>;
        text "alert" "alert" &row.0.name;
        text "severity" "severity" row.0.severity.name();
        text "when" "when" &row.0.condition;
        number "since" "since_ms" row.1.map(|spell| Value::At(spell.since_ms));
        number "begun" "begun_ms" row.1.map(|spell| Value::At(spell.begun_ms));
        number "ended" "" ended(row);
        number "" "ended_ms" row.1.and_then(|spell| spell.ended_ms);
        number "worst" "worst" row.1.map(|spell| Value::Measured(row.0.unit, spell.worst));
    };
    let rows: Vec<Row<'_>> = (report.alerts.iter())
        .flat_map(|alert| {
            let silent = alert.spells.is_empty().then_some((alert, None));
            let spells = alert.spells.iter().map(move |spell| (alert, Some(spell)));
            silent.into_iter().chain(spells)
        })
        .collect();
    let severity = |row: &Row<'_>| match (row.0.severity, row.1) {
        (Severity::Critical, Some(_)) => Shown::Bad,
        (Severity::Warning, Some(_)) => Shown::Warning,
        _ => Shown::Plain,
    };
    Table::with_severity("alerts", &columns, &rows, severity)
}

const FAILED: &[Column<ActionOutcome>] = &columns! { outcome: ActionOutcome;
    text "alert" "alert" &outcome.alert;
    number "spell" "spell" outcome.spell;
    text "change" "status" outcome.status.name();
    text "action" "action" &outcome.action;
    text "what failed" "failed" outcome.failed.as_ref();
};

/// Actions that were not done.
pub(crate) fn failed_actions(report: &Report) -> Table {
    let actions = report.sim.alert_actions.iter();
    let failed = actions.filter(|outcome| outcome.failed.is_some());
    Table::with_severity("alert actions that failed", FAILED, failed, |_| {
        Shown::Warning
    })
}

/// `3 actions of alerts done, 1 failed`; nothing where none was to be done.
pub(crate) fn action_counts(report: &Report) -> Option<String> {
    let all = report.sim.alert_actions.len();
    let failed = failed_actions(report).rows.len();
    let noun = if all - failed == 1 {
        "action"
    } else {
        "actions"
    };
    (all > 0).then(|| format!("{} {noun} of alerts done, {failed} failed", all - failed))
}

/// What became of actions, which may differ between runs of a seed.
pub(crate) fn actions(report: &Report) -> Vec<Block> {
    let counts = action_counts(report).map(|text| Block::Note(format!("{text}.")));
    let failed = failed_actions(report);
    let failed = (!failed.is_empty()).then_some(Block::Table(failed));
    counts.into_iter().chain(failed).collect()
}

/// The section of a page.
pub(crate) fn section(report: &Report) -> Vec<Block> {
    let alerts = table(report);
    if alerts.is_empty() {
        return Vec::new();
    }
    let blocks = [Block::Table(alerts)].into_iter();
    blocks.chain(actions(report)).collect()
}

/// Alerts that began, each with the stretches in which it was on, milliseconds.
pub(crate) fn stretches(report: &Report) -> impl Iterator<Item = (&AlertReport, Vec<(Ms, Ms)>)> {
    let end = report.timeline.end_ms;
    let begun = report
        .alerts
        .iter()
        .filter(|alert| !alert.spells.is_empty());
    begun.map(move |alert| {
        let spells = alert.spells.iter();
        let spells = spells.map(|spell| (spell.begun_ms, spell.ended_ms.unwrap_or(end)));
        (alert, spells.collect())
    })
}

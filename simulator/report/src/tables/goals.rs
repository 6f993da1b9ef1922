//! What was wanted: objectives, and the figures of earlier runs.

use super::{Table, Tone, or_nothing};
use crate::words::duration;
use crate::{Ms, Number, ObjectiveResult, Report, Status};

pub fn objectives(report: &Report) -> Table {
    let row = |result: &ObjectiveResult| {
        let grace = result.grace_ms.map(|grace| {
            let missed = result.missed_for_ms.map_or(0, Ms::get);
            format!(
                "missed for {} of {}",
                duration(missed),
                duration(grace.get())
            )
        });
        let note = grace.into_iter().chain(result.note.clone());
        let cells = vec![
            result.name.clone(),
            format!("{} {}", result.bound.sign(), result.unit.text(result.limit)),
            or_nothing(result.measured, |number| result.unit.text(number)),
            or_nothing(result.margin_percent, |margin| margin.to_string()),
            result.status.label().to_owned(),
            note.collect::<Vec<_>>().join("; "),
        ];
        let tone = match result.status {
            Status::Met => Tone::Plain,
            Status::Missed => Tone::Bad,
            Status::Unknown | Status::Unsupported => Tone::Doubtful,
        };
        (tone, cells)
    };
    Table {
        title: "objectives",
        columns: vec![
            "objective",
            ">target",
            ">measured",
            ">margin",
            "result",
            "note",
        ],
        rows: report.objectives.iter().map(row).collect(),
    }
}

/// What got worse or better than in earlier runs; with `all`, also what did not.
pub fn comparison(report: &Report, all: bool) -> Table {
    use squall_objective::baseline::{Row, Standing};
    let row = |row: &Row| {
        let text = |value: Option<Number>| or_nothing(value, |value| row.unit.text(value));
        let (tone, standing) = match row.standing {
            Standing::Regression => (Tone::Bad, "regression"),
            Standing::Better => (Tone::Plain, "better"),
            Standing::Same => (Tone::Plain, "same"),
            Standing::New => (Tone::Plain, "new"),
            Standing::Gone => (Tone::Doubtful, "gone"),
        };
        let cells = vec![
            row.figure.clone(),
            text(row.median),
            text(row.worst),
            text(row.measured),
            or_nothing(row.change_percent, |change| change.to_string()),
            standing.to_owned(),
        ];
        (tone, cells)
    };
    let rows = report
        .comparison
        .iter()
        .flat_map(|comparison| &comparison.rows);
    let shown = |row: &&Row| all || matches!(row.standing, Standing::Regression | Standing::Better);
    Table {
        title: "comparison",
        columns: vec![
            "figure",
            ">before",
            ">worst before",
            ">now",
            ">change",
            "result",
        ],
        rows: rows.filter(shown).map(row).collect(),
    }
}

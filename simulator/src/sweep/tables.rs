//! The tables of a sweep, for readers and for spreadsheets. Durations are microseconds to a
//! spreadsheet.

use super::result::Results;
use super::result::{FaultCounts, Measure, SeedResult};
use super::summary::{
    CheckCount, Distribution, MarkCount, ObjectiveCount, ScenarioSummary, Summary,
};
use crate::baseline::Kept;
use crate::report::columns;
use crate::report::document::{Severity, Table, Value, number, us, word};

/// A row a scenario and measure; of those that show something, or of all.
pub fn measures<'a>(scenarios: impl IntoIterator<Item = &'a ScenarioSummary>, all: bool) -> Table {
    let columns = columns! { row: (&str, Measure, &Distribution);
        text "" "scenario" row.0;
        text "measure" "" row.1.label();
        text "" "measure" word(&row.1);
        text "" "unit" if row.1.is_count() { "count" } else { "us" };
        number "count" "count" row.2.count;
        number "min" "min" value(row.1, row.2.min);
        number "p50" "p50" value(row.1, row.2.p50);
        number "p90" "p90" value(row.1, row.2.p90);
        number "p99" "p99" value(row.1, row.2.p99);
        number "max" "max" value(row.1, row.2.max);
        number "worst seed" "worst_seed" number(row.2.worst_seed);
        number "not seen" "" not_seen(row.2);
        number "" "unseen" row.2.unseen;
        number "" "unseen_seed" number(row.2.unseen_seed);
    };
    let rows = scenarios.into_iter().flat_map(|scenario| {
        let rows = scenario.measures.iter();
        let rows = rows.filter(move |(_, row)| all || row.count + row.unseen > 0);
        rows.map(|(measure, row)| (scenario.scenario.as_str(), *measure, row))
    });
    Table::of("measures", &columns, &rows.collect::<Vec<_>>())
}

fn value(measure: Measure, value: Option<u64>) -> Value {
    if measure.is_count() {
        value.into()
    } else {
        us(value)
    }
}

fn not_seen(row: &Distribution) -> Option<String> {
    let seed = number(row.unseen_seed).shown();
    let unseen = Value::Count(row.unseen).shown();
    (row.unseen > 0).then(|| format!("{unseen} (seed {seed})"))
}

/// Latency, throughput and stages: median and worst of all runs.
pub fn figures<'a>(scenarios: impl IntoIterator<Item = &'a ScenarioSummary>) -> Table {
    let columns = columns! { row: (&str, &String, &Kept);
        text "" "scenario" row.0;
        text "figure" "figure" row.1;
        text "" "unit" word(&row.2.unit);
        number "median" "median" Value::Measured(row.2.unit, row.2.median);
        number "worst" "worst" Value::Measured(row.2.unit, row.2.worst);
    };
    let rows = scenarios.into_iter().flat_map(|scenario| {
        let figures = scenario.figures.iter();
        figures.map(|(name, kept)| (scenario.scenario.as_str(), name, kept))
    });
    Table::of("figures", &columns, &rows.collect::<Vec<_>>())
}

/// Every objective, or those that were missed or unknown.
pub fn objectives<'a>(
    scenarios: impl IntoIterator<Item = &'a ScenarioSummary>,
    all: bool,
) -> Table {
    let columns = columns! { row: (&str, &String, &ObjectiveCount);
        text "" "scenario" row.0;
        text "objective" "objective" row.1;
        number "met in" "met" row.2.met;
        number "missed in" "missed" row.2.missed;
        number "unknown in" "unknown" row.2.unknown;
        number "first missed" "first_missed" number(row.2.first_missed);
    };
    let rows = scenarios.into_iter().flat_map(|scenario| {
        let rows = scenario.objectives.iter();
        let rows = rows.filter(move |(_, row)| all || row.missed + row.unknown > 0);
        rows.map(|(name, row)| (scenario.scenario.as_str(), name, row))
    });
    let rows: Vec<_> = rows.collect();
    Table::with_severity("objectives", &columns, &rows, |row| {
        if row.2.missed > 0 {
            Severity::Bad
        } else if row.2.unknown > 0 {
            Severity::Warning
        } else {
            Severity::Plain
        }
    })
}

pub fn faults(summary: &Summary) -> Table {
    let columns = columns! { row: (&String, &FaultCounts);
        text "fault" "fault" row.0;
        number "injected" "injected" row.1.injected;
        number "skipped" "skipped" row.1.skipped;
        number "uncertain" "uncertain" row.1.uncertain;
    };
    Table::of(
        "faults",
        &columns,
        &summary.faults.iter().collect::<Vec<_>>(),
    )
}

pub fn checks(summary: &Summary) -> Table {
    let columns = columns! { row: CheckCount;
        text "property" "property" &row.property;
        text "check" "check" &row.check;
        number "runs that judged it" "runs" row.runs;
        number "judged" "judged" row.judged;
        number "broken in" "broken" row.broken;
        number "unknown in" "unknown" row.unknown;
        text "first broken" "first_broken" row.first_broken.as_deref();
    };
    Table::with_severity("checks", &columns, &summary.checks, |check| {
        if check.broken > 0 {
            Severity::Bad
        } else if check.runs == 0 {
            Severity::Warning
        } else {
            Severity::Plain
        }
    })
}

pub fn marks(summary: &Summary) -> Table {
    let columns = columns! { row: MarkCount;
        text "mark" "mark" &row.mark;
        text "meaning" "meaning" &row.about;
        number "runs" "runs" row.runs;
        number "times" "times" row.times;
        text "first" "first" row.first.as_deref().unwrap_or("never");
    };
    Table::with_severity("marks", &columns, &summary.marks, |mark| match mark.runs {
        0 => Severity::Warning,
        _ => Severity::Plain,
    })
}

/// A row a run, in order of scenario and seed.
pub fn seeds(results: &Results) -> Table {
    let columns = columns! { row: SeedResult;
        text "" "scenario" &row.scenario;
        number "" "seed" row.seed;
        text "" "ending" row.ending.label();
        text "" "cause" row.cause().map(ToString::to_string);
        number "" "operations" row.run.as_ref().map(|run| run.operations.invoked);
        number "" "acknowledged" row.run.as_ref().map(|run| run.operations.acknowledged);
        number "" "detection_max_us" most(row, Measure::Detection);
        number "" "election_max_us" most(row, Measure::Election);
        number "" "downtime_max_us" most(row, Measure::Downtime);
        number "" "downtime_total_us" most(row, Measure::DowntimeTotal);
        number "" "recovery_max_us" most(row, Measure::Recovery);
        number "" "lost" most(row, Measure::Lost);
        text "" "history_sha256" row.run.as_ref().map(|run| run.history_sha256.as_str());
    };
    Table::of("seeds", &columns, results.values())
}

fn most(result: &SeedResult, measure: Measure) -> Option<u64> {
    let sampled = result.run.as_ref()?.measures.get(&measure)?;
    sampled.values.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::write;
    use crate::sweep::summary::tests::result;

    #[test]
    fn every_row_has_as_many_cells_as_the_head() {
        let runs = [result("a", 1), result("a", 2)];
        let keyed = runs.map(|run| ((run.scenario.clone(), run.seed), run));
        let text = write::csv::table(&seeds(&Results::from(keyed)));
        let counts: Vec<usize> = text.lines().map(|row| row.split(',').count()).collect();
        assert_eq!(counts, [13; 3]);
        assert!(text.contains("\na,2,pass,,0,0,,102,,,,0,"), "{text}");
    }
}

//! A run against a baseline.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Baseline, Figures, Kept, Tolerance};
use crate::fixed::{Number, SignedPercent};
use crate::objective::{Bound, Unit};

/// How a run compares with earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Name of the baseline.
    pub baseline: String,
    /// Runs that it is made of.
    pub runs: u64,
    /// Version of the program that made them.
    pub version: String,
    /// In words.
    pub tolerance: String,
    /// Regressions first, then by name.
    pub rows: Vec<Row>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Its name in the report.
    pub figure: String,
    /// Of all numbers of the row.
    pub unit: Unit,
    /// Which side is better.
    pub bound: Bound,
    /// Median and worst of the baseline; `null` for a new figure.
    pub median: Option<Number>,
    /// `null` for a new figure.
    pub worst: Option<Number>,
    /// `null` if the run has no such figure.
    pub measured: Option<Number>,
    /// From the median.
    pub change_percent: Option<SignedPercent>,
    /// Beyond this it is a regression.
    pub limit: Option<Number>,
    /// What the comparison says.
    pub standing: Change,
}

/// How a figure of a run stands to its baseline.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Worse than every run of the baseline, by more than the tolerance.
    Regression,
    /// Better than the median by more than the tolerance.
    Better,
    /// Within the tolerance of the baseline.
    Same,
    /// Not in the baseline.
    New,
    /// Not in the run.
    Gone,
}

impl Comparison {
    /// Rows that are worse than the tolerance allows; none means that the run passes.
    pub fn regressions(&self) -> impl Iterator<Item = &Row> {
        let rows = self.rows.iter();
        rows.filter(|row| row.standing == Change::Regression)
    }
}

/// `latency.lock.acquire.p95 is 31.2 ms, was 12.1 ms (worst 13 ms): +157.8 %`.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: Option<Number>| value.map_or("-".into(), |v| self.unit.text(v));
        write!(
            f,
            "{} is {}, was {}",
            self.figure,
            text(self.measured),
            text(self.median)
        )?;
        if self.worst != self.median {
            write!(f, " (worst {})", text(self.worst))?;
        }
        match self.change_percent {
            Some(change) => write!(f, ": {change}"),
            None => Ok(()),
        }
    }
}

/// Compares every figure that either has.
pub fn compare(
    name: &str,
    baseline: &Baseline,
    tolerance: &Tolerance,
    figures: &Figures,
) -> Comparison {
    let known = baseline.figures.iter().map(|(figure, kept)| {
        let measured = figures.get(figure).map(|found| found.value);
        known(figure, kept, tolerance, measured)
    });
    let new = figures
        .iter()
        .filter(|(name, _)| !baseline.figures.contains_key(*name));
    let new = new.map(|(name, figure)| Row {
        figure: name.clone(),
        unit: figure.unit,
        bound: figure.bound,
        median: None,
        worst: None,
        measured: Some(figure.value),
        change_percent: None,
        limit: None,
        standing: Change::New,
    });
    let mut rows: Vec<Row> = known.chain(new).collect();
    rows.sort_by(|a, b| {
        let rank = |row: &Row| row.standing != Change::Regression;
        (rank(a), &a.figure).cmp(&(rank(b), &b.figure))
    });
    Comparison {
        baseline: name.into(),
        runs: baseline.runs,
        version: baseline.version.clone(),
        tolerance: tolerance.to_string(),
        rows,
    }
}

fn known(figure: &str, kept: &Kept, tolerance: &Tolerance, measured: Option<Number>) -> Row {
    let limit = tolerance.limit(kept.kind, kept.bound, kept.worst);
    let opposite = match kept.bound {
        Bound::AtMost => Bound::AtLeast,
        Bound::AtLeast => Bound::AtMost,
    };
    let gain = tolerance.limit(kept.kind, opposite, kept.median);
    let standing = match measured {
        None => Change::Gone,
        Some(value) if !kept.bound.is_kept(value, limit) => Change::Regression,
        Some(value) if value != kept.median && kept.bound.is_kept(value, gain) => Change::Better,
        Some(_) => Change::Same,
    };
    Row {
        figure: figure.into(),
        unit: kept.unit,
        bound: kept.bound,
        median: Some(kept.median),
        worst: Some(kept.worst),
        measured,
        change_percent: measured.and_then(|value| SignedPercent::above(value, kept.median)),
        limit: Some(limit),
        standing,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Figure, Kind};
    use super::*;

    fn figures(latency_us: u64, rate_milli: u64) -> Figures {
        let figure = |kind, unit: Unit, bound, small| Figure {
            kind,
            unit,
            bound,
            value: unit.number(small),
        };
        Figures::from([
            (
                "latency.cache.get.p95".to_owned(),
                figure(Kind::Latency, Unit::Ms, Bound::AtMost, latency_us),
            ),
            (
                "throughput.sustained".to_owned(),
                figure(
                    Kind::Throughput,
                    Unit::PerSecond,
                    Bound::AtLeast,
                    rate_milli,
                ),
            ),
        ])
    }

    fn changes(latency_us: u64, rate_milli: u64) -> Vec<(String, Change)> {
        let runs = [
            figures(10_000, 100_000),
            figures(12_000, 90_000),
            figures(9_000, 95_000),
        ];
        let baseline = Baseline::of("demo", "sim", &runs);
        let now = figures(latency_us, rate_milli);
        let compared = compare("demo", &baseline, &Tolerance::default(), &now);
        let rows = compared.rows.into_iter();
        rows.map(|row| (row.figure, row.standing)).collect()
    }

    #[test]
    fn worse_than_the_worst_by_more_than_the_tolerance_is_a_regression() {
        use Change::*;
        let row = |figure: &str, standing| (figure.to_owned(), standing);
        let (latency, rate) = ("latency.cache.get.p95", "throughput.sustained");
        // The worst latency is 12 ms, the worst rate 90/s: 14.4 ms and 81/s are tolerated.
        assert_eq!(
            changes(14_400, 81_000),
            [row(latency, Same), row(rate, Same)]
        );
        let slow = [row(latency, Regression), row(rate, Same)];
        assert_eq!(changes(14_401, 100_000), slow);
        let low = [row(rate, Regression), row(latency, Same)];
        assert_eq!(changes(10_000, 80_999), low);
        // The medians are 10 ms and 95/s.
        assert_eq!(
            changes(7_000, 200_000),
            [row(latency, Better), row(rate, Better)]
        );
    }

    #[test]
    fn a_regression_names_the_figure_both_values_and_the_change() {
        let runs = [figures(10_000, 100_000)];
        let baseline = Baseline::of("demo", "sim", &runs);
        let compared = compare(
            "demo",
            &baseline,
            &Tolerance::default(),
            &figures(15_000, 100_000),
        );
        let printed: Vec<String> = compared.regressions().map(Row::to_string).collect();
        assert_eq!(
            printed,
            ["latency.cache.get.p95 is 15 ms, was 10 ms: +50.0 %"]
        );
    }

    #[test]
    fn figures_that_come_and_go_are_printed() {
        let baseline = Baseline::of("demo", "sim", &[figures(10_000, 100_000)]);
        let mut now = figures(10_000, 100_000);
        let moved = now.remove("throughput.sustained").expect("it is there");
        now.insert("throughput.cache.sustained".into(), moved);
        let compared = compare("demo", &baseline, &Tolerance::default(), &now);
        let changes: Vec<Change> = compared.rows.iter().map(|row| row.standing).collect();
        assert_eq!(changes, [Change::Same, Change::New, Change::Gone]);
        assert_eq!(compared.regressions().count(), 0);
    }
}

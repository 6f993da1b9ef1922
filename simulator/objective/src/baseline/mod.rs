//! Baselines: the figures of earlier runs, kept in a file of the user's repository, and the
//! comparison of a run with them.
//!
//! A baseline holds each figure as its runs gave it: the median, and the worst of them, since
//! seeds differ and only what is worse than every one of them by more than the tolerance is
//! news. Figures are compared in the direction in which they get worse: a lower latency is no
//! regression, nor is a higher throughput. Pure but for [`File::load`] and [`File::save`].
//!
//! Not here: which figures a report has (`squall_report::figures`).

mod compare;
mod file;
mod tolerance;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use compare::{Change, Comparison, Row};

use compare::compare;
pub use file::{File, FileError};
pub use tolerance::{Kind, Tolerance};

use crate::fixed::Number;
use crate::objective::{Bound, Unit};

/// A figure of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// Decides which tolerance is applied.
    pub kind: Kind,
    /// Of `value`.
    pub unit: Unit,
    /// Which side is better.
    pub bound: Bound,
    /// In `unit`, with as many digits as a report prints.
    pub value: Number,
}

/// By name, as in objectives where there is one: `latency.lock.acquire.p95`.
pub type Figures = BTreeMap<String, Figure>;

/// What runs of one scenario, and of one variant of it, showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// With its variant, if it has any: `NAME-VARIANT`.
    pub scenario: String,
    /// The name that the manifest of a run gives: `sim`, `docker`.
    pub backend: String,
    /// How many runs.
    pub runs: u64,
    /// Of the program.
    pub version: String,
    /// By their names in the report, in alphabetical order.
    pub figures: BTreeMap<String, Kept>,
}

/// A figure of a baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Decides which tolerance is applied.
    pub kind: Kind,
    /// Of both numbers.
    pub unit: Unit,
    /// Which side is better.
    pub bound: Bound,
    /// The middle one of the runs that have the figure; the worse of two.
    pub median: Number,
    /// The worst of them.
    pub worst: Number,
}

/// What a run is to be compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// In its file.
    pub name: String,
    /// How much worse a run may be.
    pub tolerance: Tolerance,
    /// As it was saved.
    pub baseline: Baseline,
}

impl Reference {
    /// Holds a run's figures against the baseline's, row by row.
    pub fn compare(&self, figures: &Figures) -> Comparison {
        compare(&self.name, &self.baseline, &self.tolerance, figures)
    }
}

impl Baseline {
    /// Of the figures of one run or more, of one scenario.
    pub fn of(scenario: &str, backend: &str, runs: &[Figures]) -> Self {
        let mut values: BTreeMap<&str, (Figure, Vec<Number>)> = BTreeMap::new();
        for (name, figure) in runs.iter().flatten() {
            let (_, values) = values.entry(name).or_insert((*figure, Vec::new()));
            values.push(figure.value);
        }
        let kept = |(name, (figure, mut values)): (&str, (Figure, Vec<Number>))| {
            values.sort_unstable();
            if figure.bound == Bound::AtLeast {
                values.reverse();
            }
            let kept = Kept {
                kind: figure.kind,
                unit: figure.unit,
                bound: figure.bound,
                median: values[values.len() / 2],
                worst: *values.last().expect("made with its first value"),
            };
            (name.to_owned(), kept)
        };
        Self {
            scenario: scenario.into(),
            backend: backend.into(),
            runs: runs.len() as u64,
            version: env!("CARGO_PKG_VERSION").into(),
            figures: values.into_iter().map(kept).collect(),
        }
    }
}

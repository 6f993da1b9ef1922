//! Two sides by the same measures: a run or many, simulated or on containers.
//!
//! A side is a run directory, a directory of run directories, or a sweep; all of them are
//! [`SeedResult`]s in the end ([`side`]), so one sample is compared with a distribution, or
//! a distribution with another, by the same code. [`figure`] says what is compared,
//! [`render`] lays it out. What one side does not show stays open; it is never a zero.
//!
//! Not here: any judgement of whether the difference is good.

mod figure;
mod render;
mod side;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use figure::Unit;
pub use render::{markdown, text};
pub use side::{Side, SideError};

use crate::measure::distribution::nearest_rank;
use crate::report::{Fixed, Percent};
use crate::sweep::SeedResult;

/// Both sides' figures of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    pub a: Head,
    pub b: Head,
    /// Why the figures may not be comparable; empty if nothing speaks against it.
    pub warnings: Vec<String>,
    pub rows: Vec<Row>,
}

/// What a side is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// As it was given.
    pub path: String,
    pub scenario: String,
    /// `sim` or `docker`.
    pub backend: String,
    /// Path of the hardware profile, if there was one.
    pub profile: Option<String>,
    /// Runs with a report, and runs without.
    pub runs: u64,
    pub without_report: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub figure: String,
    pub unit: Unit,
    /// `None`: this side does not show it.
    pub a: Option<Values>,
    pub b: Option<Values>,
    /// Median of B by median of A; `None` when one is missing, or A's is zero.
    pub ratio: Option<Fixed<1_000>>,
    /// Where B's median lies among A's values: the share of them that do not exceed it.
    /// `None` when A is a single run.
    pub percentile: Option<Percent>,
}

/// Exact quantiles, by nearest rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    pub count: u64,
    pub min: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub max: u64,
}

impl Values {
    fn of(sorted: &[u64]) -> Option<Self> {
        Some(Self {
            count: sorted.len() as u64,
            min: *sorted.first()?,
            p50: nearest_rank(sorted, 500)?,
            p90: nearest_rank(sorted, 900)?,
            p99: nearest_rank(sorted, 990)?,
            max: *sorted.last()?,
        })
    }
}

/// Compares every scenario that both sides have. Sides with one scenario each are compared
/// even if it is not the same.
///
/// # Errors
/// There is nothing to compare, in words.
pub fn compare(a: &Side, b: &Side) -> Result<Vec<Comparison>, String> {
    let (of_a, of_b) = (a.scenarios(), b.scenarios());
    let common: Vec<&str> = of_a.iter().filter(|s| of_b.contains(s)).copied().collect();
    match (common.is_empty(), &of_a[..], &of_b[..]) {
        (false, ..) => Ok(common.iter().map(|name| pair(a, name, b, name)).collect()),
        (true, [name_a], [name_b]) => Ok(vec![pair(a, name_a, b, name_b)]),
        (true, ..) => Err(format!(
            "no scenario in common: {} has {}, {} has {}",
            a.path,
            of_a.join(", "),
            b.path,
            of_b.join(", ")
        )),
    }
}

fn pair(a: &Side, scenario_a: &str, b: &Side, scenario_b: &str) -> Comparison {
    let (runs_a, runs_b) = (a.of(scenario_a), b.of(scenario_b));
    let mut warnings = Vec::new();
    let mut differ = |what: &str, differs: bool| {
        if differs {
            warnings.push(format!("{what}; the figures may not be comparable"));
        }
    };
    match scenario_a == scenario_b {
        true => {
            let differs = a.text(scenario_a) != b.text(scenario_b);
            differ(&format!("the texts of {scenario_a} differ"), differs);
        }
        false => differ(
            &format!("A is {scenario_a}, B is {scenario_b}: not the same scenario"),
            true,
        ),
    }
    differ("the overrides (--set) differ", a.settings != b.settings);
    if let Some(backend) = [a, b].into_iter().find(|side| side.backend == "mixed") {
        let path = &backend.path;
        differ(&format!("{path} holds runs of several backends"), true);
    }
    let figures = figure::all(runs_a.iter().chain(&runs_b).copied());
    Comparison {
        a: head(a, scenario_a, &runs_a),
        b: head(b, scenario_b, &runs_b),
        warnings,
        rows: figures
            .iter()
            .map(|figure| row(figure, &runs_a, &runs_b))
            .collect(),
    }
}

fn head(side: &Side, scenario: &str, runs: &[&SeedResult]) -> Head {
    let reported = runs.iter().filter(|result| result.run.is_some()).count();
    Head {
        path: side.path.clone(),
        scenario: scenario.into(),
        backend: side.backend.clone(),
        profile: side.profile.clone(),
        runs: reported as u64,
        without_report: (runs.len() - reported) as u64,
    }
}

fn row(figure: &figure::Figure, runs_a: &[&SeedResult], runs_b: &[&SeedResult]) -> Row {
    let (values_a, values_b) = (figure.values(runs_a), figure.values(runs_b));
    let (a, b) = (Values::of(&values_a), Values::of(&values_b));
    let both = a.zip(b);
    let ratio = both.filter(|(a, _)| a.p50 > 0).map(|(a, b)| {
        let thousandths = u128::from(b.p50) * 1_000 / u128::from(a.p50);
        Fixed::of(u64::try_from(thousandths).unwrap_or(u64::MAX))
    });
    let percentile = both.filter(|_| runs_a.len() > 1).map(|(_, b)| {
        let below = values_a.partition_point(|value| *value <= b.p50) as u64;
        Percent::of(below * 1_000_000 / values_a.len() as u64)
    });
    Row {
        figure: figure.name(),
        unit: figure.unit(),
        a,
        b,
        ratio,
        percentile,
    }
}

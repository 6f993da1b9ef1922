//! Two sides by the same measures: a run or many, simulated or on containers.
//!
//! A side is a run directory, a directory of run directories, or a sweep; all of them are
//! [`SeedResult`]s in the end (`side`), so one sample is compared with a distribution, or
//! a distribution with another, by the same code. Variants are compared each by itself.
//! `figure` says what is compared, `render` lays it out. What one side does not show stays
//! open; it is never a zero. Whether a difference is more than chance, and whether it is
//! good, says [`ab`] alone.

pub mod ab;
pub mod ab_render;
#[cfg(test)]
mod ab_tests;
mod counts;
mod figure;
mod render;
mod side;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use figure::Unit;
pub use render::{markdown, text};
use side::Part;
pub use side::{Made, Side, SideError};

use crate::measure::distribution::nearest_rank;
use crate::report::{Fixed, Percent};
use crate::run_dir::VARIANT;
use crate::sweep::SeedResult;

/// Both sides' figures of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// What the first side is.
    pub a: Head,
    /// What the second side is.
    pub b: Head,
    /// Why the figures may not be comparable; empty if nothing speaks against it.
    pub warnings: Vec<String>,
    /// In a fixed order; figures that neither side shows are left out.
    pub rows: Vec<Row>,
}

/// What a side is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Head {
    /// As it was given.
    pub path: String,
    /// With its variant, if it has any: `NAME-VARIANT`.
    pub scenario: String,
    /// Name of the backend, as `--backend` takes it.
    pub backend: String,
    /// Path of the hardware profile, if there was one; of all, if runs had several.
    pub profile: Option<String>,
    /// Runs with a report, and runs without.
    pub runs: u64,
    /// See `runs`.
    pub without_report: u64,
}

/// One figure of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Name and, where it has several, quantile or operation.
    pub figure: String,
    /// Of the values of both sides.
    pub unit: Unit,
    /// `None`: this side does not show it.
    pub a: Option<Values>,
    /// As `a`.
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
    /// How many values.
    pub count: u64,
    /// The least.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// The most.
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
    let pairs = pairs(a, b)?;
    Ok(pairs.iter().map(|(a, b)| compared(a, b)).collect())
}

/// What is compared with what.
fn pairs<'a>(a: &'a Side, b: &'a Side) -> Result<Vec<(Part<'a>, Part<'a>)>, String> {
    let (of_a, of_b) = (a.parts(), b.parts());
    let in_b = |name: &str| of_b.iter().find(|part| part.name == name);
    let common = of_a.iter();
    let common = common.filter_map(|part| Some((*part, *in_b(part.name)?)));
    let common: Vec<_> = common.collect();
    match (common.is_empty(), &of_a[..], &of_b[..]) {
        (false, ..) => Ok(common),
        (true, [part_a], [part_b]) => Ok(vec![(*part_a, *part_b)]),
        (true, ..) => {
            let names = |parts: &[Part]| {
                let names: Vec<&str> = parts.iter().map(|part| part.name).collect();
                names.join(", ")
            };
            Err(format!(
                "no scenario in common: {} has {}, {} has {}",
                a.path,
                names(&of_a),
                b.path,
                names(&of_b)
            ))
        }
    }
}

fn compared(a: &Part, b: &Part) -> Comparison {
    let metrics = figure::all(a.results().chain(b.results()));
    let (runs_a, runs_b): (Vec<_>, Vec<_>) = (a.results().collect(), b.results().collect());
    Comparison {
        a: head(a),
        b: head(b),
        warnings: warnings(a, b),
        rows: metrics
            .iter()
            .map(|metric| row(metric, &runs_a, &runs_b))
            .collect(),
    }
}

/// Why the figures may not be comparable.
fn warnings(a: &Part, b: &Part) -> Vec<String> {
    let mut warnings = mixed(a);
    if a.path != b.path {
        warnings.extend(mixed(b));
    }
    let mut differ = |what: &str, differs: bool| {
        if differs {
            warnings.push(format!("{what}; the figures may not be comparable"));
        }
    };
    match a.name == b.name {
        true => {
            let text = |made: &Made| made.text.clone();
            let differs = a.all(text) != b.all(text);
            differ(&format!("the texts of {} differ", a.name), differs);
        }
        false => {
            let what = format!("A is {}, B is {}: not the same scenario", a.name, b.name);
            differ(&what, true);
        }
    }
    let differs = a.all(overrides) != b.all(overrides);
    differ("the overrides (--set) differ", differs);
    if let Some(side) = [a, b].into_iter().find(|side| side.backend == "mixed") {
        let path = side.path;
        differ(&format!("{path} holds runs of several backends"), true);
    }
    warnings
}

/// What was set beside the variant, which is in the name.
fn overrides(made: &Made) -> Vec<(String, String)> {
    let settings = made.settings.iter();
    let others = settings.filter(|(key, _)| key != VARIANT);
    others.cloned().collect()
}

/// Why the runs of one side are not one distribution, if they are not.
fn mixed(side: &Part) -> Vec<String> {
    let ways = [
        (
            "texts of the scenario",
            side.all(|made| made.text.clone()).len(),
        ),
        ("overrides (--set)", side.all(overrides).len()),
        (
            "hardware profiles",
            side.all(|made| made.profile.clone()).len(),
        ),
    ];
    let several = ways.iter().filter(|(_, count)| *count > 1);
    let several = several.map(|(what, _)| {
        format!(
            "{} holds runs of {} with different {what}, taken together here; keep each kind \
             in a directory of its own",
            side.path, side.name
        )
    });
    several.collect()
}

fn head(side: &Part) -> Head {
    let (reported, without): (Vec<&SeedResult>, Vec<&SeedResult>) =
        side.results().partition(|result| result.run.is_some());
    let profiles = side.all(|made| made.profile.clone());
    let is_used = profiles.iter().any(Option::is_some);
    let profiles = profiles.into_iter();
    let profiles: Vec<String> = profiles
        .map(|profile| profile.unwrap_or_else(|| "none".to_owned()))
        .collect();
    Head {
        path: side.path.into(),
        scenario: side.name.into(),
        backend: side.backend.into(),
        profile: is_used.then(|| profiles.join(", ")),
        runs: reported.len() as u64,
        without_report: without.len() as u64,
    }
}

fn row(metric: &figure::Metric, runs_a: &[&SeedResult], runs_b: &[&SeedResult]) -> Row {
    let (values_a, values_b) = (metric.values(runs_a), metric.values(runs_b));
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
        figure: metric.name.clone(),
        unit: metric.unit,
        a,
        b,
        ratio,
        percentile,
    }
}

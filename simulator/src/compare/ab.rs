//! Compares two versions: which figures differ by more than chance, and whether B is worse than A.
//!
//! Sides are read as [`super::compare`] reads them, and the figures are those of baselines
//! ([`crate::baseline::Figures`]), one value a run. Each is judged by a rank test and given a
//! bootstrap interval (`figures`); endings, and figures that not every run shows, are counted
//! (`counts`). Chances are corrected for how many figures and counts are looked at in all. The
//! conclusion is drawn in `verdict`. Methods and their sources are in `docs/trends.md`.

mod figures;
mod verdict;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::figures::Tested;
use super::counts::{self, Tested as TestedCount};
pub use super::counts::{Count, Counted};
use super::side::Part;
use super::{Head, Side, head, pairs, warnings};
use crate::report::{Bound, Chance, Number, Percent, SignedNumber, SignedPercent, Unit};
use crate::sweep::Ending;

/// How certain one wants to be, and what one does not mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certainty {
    /// Millionths; at most one minus this is the chance that any figure is wrongly called
    /// different.
    pub certainty_ppm: u32,
    /// What is different but not worse than A's median by more than this share of it (of
    /// shares: so many percentage points) does not count as worse. Zero: everything counts.
    pub margin_ppm: u32,
}

impl Default for Certainty {
    fn default() -> Self {
        Self {
            certainty_ppm: 950_000,
            margin_ppm: 0,
        }
    }
}

impl Certainty {
    fn share(self) -> f64 {
        f64::from(self.certainty_ppm) / 1e6
    }

    fn alpha(self) -> f64 {
        1.0 - self.share()
    }
}

/// Whether B is worse than A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is worse, and no figure missing, as far as these runs could tell.
    NoWorse,
    /// At least one figure is worse, or runs of B miss objectives or break promises more often,
    /// with the certainty that was asked for.
    Worse,
    /// Runs of B broke a promise or had no verdict, and none of A did.
    Broken,
    /// Too few runs to tell anything apart, or no figure in common; or one side shows a figure,
    /// or B is inconclusive, more often than the other by more than chance.
    Inconclusive,
}

/// What two versions show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ab {
    /// What it comes to.
    pub verdict: Verdict,
    /// Why, in one line.
    pub reason: String,
    /// Chance that none of the differences is by chance alone.
    pub certainty_percent: Percent,
    /// What is not minded, as a share of A's median.
    pub margin_percent: Percent,
    /// Figures of all scenarios that were looked at together, and counts.
    pub figures: u64,
    /// Endings and counts that were looked at together with the figures.
    pub counts: u64,
    /// Both versions under each scenario.
    pub scenarios: Vec<Scenario>,
}

/// Both versions under one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scenario {
    /// What A's runs were.
    pub a: Head,
    /// What B's runs were.
    pub b: Head,
    /// Why the figures may not be comparable; empty if nothing speaks against it.
    pub warnings: Vec<String>,
    /// How many runs of each ended how.
    pub endings_a: BTreeMap<Ending, u64>,
    /// See `endings_a`.
    pub endings_b: BTreeMap<Ending, u64>,
    /// Endings, and figures that not every run shows; those that could not differ by more than
    /// chance are left out.
    pub counts: Vec<Count>,
    /// What is worse first, then what is better, then by name.
    pub rows: Vec<Row>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// As in a report: `election_p99`.
    pub figure: String,
    /// Of all numbers of the row.
    pub unit: Unit,
    /// Which side of a limit is the good one.
    pub bound: Bound,
    /// Runs that show it, and their median.
    pub runs_a: u64,
    /// See `runs_a`.
    pub runs_b: u64,
    /// `null` if no run of A shows it.
    pub median_a: Option<Number>,
    /// `null` if no run of B shows it.
    pub median_b: Option<Number>,
    /// What the comparison says.
    pub standing: Standing,
    /// What was found; `null` where there were too few runs to look.
    pub found: Option<Found>,
}

/// A difference, and how sure it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// Which test it rests on.
    pub test: Test,
    /// Median of B less that of A; of pairs, the median of their differences.
    pub difference: SignedNumber,
    /// Where the true difference lies, with about the certainty that was asked for, of this
    /// figure alone; of few runs with less.
    pub low: SignedNumber,
    /// See `low`.
    pub high: SignedNumber,
    /// Of A's median; `null` if that is zero.
    pub change_percent: Option<SignedPercent>,
    /// Chance of a difference at least as clear if there is none; of this figure alone, and
    /// corrected for all that were looked at.
    pub p: Chance,
    /// See `p`.
    pub adjusted_p: Chance,
}

/// How B's figure stands to A's.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Different, and in the direction in which the figure gets worse: by its ranks, which can
    /// differ where the medians are the same.
    Worse,
    /// Different, and worse by no more than the margin.
    WithinMargin,
    /// Different, and not in that direction.
    Better,
    /// No difference was shown, which does not say that there is none.
    NotShown,
    /// Too few runs of either side show the figure.
    TooFew,
}

/// How a figure was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Mann and Whitney's, of all runs.
    RankSum,
    /// Wilcoxon's, of pairs of runs with the same seed.
    SignedRank,
}

impl Ab {
    /// With their scenarios, in order.
    pub fn rows(&self, standing: Standing) -> impl Iterator<Item = (&Scenario, &Row)> {
        let rows = self
            .scenarios
            .iter()
            .flat_map(|of_it| of_it.rows.iter().map(move |row| (of_it, row)));
        rows.filter(move |(_, row)| row.standing == standing)
    }

    /// Counts that differ, of all scenarios.
    pub fn different(&self) -> impl Iterator<Item = &Count> {
        let counts = self.scenarios.iter().flat_map(|of_it| &of_it.counts);
        counts.filter(|count| count.is_different)
    }

    /// Indented, with a line end.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data") + "\n"
    }
}

/// Judges every scenario that both sides have.
///
/// # Errors
/// There is nothing to compare, in words.
pub fn judge(a: &Side, b: &Side, asked: Certainty) -> Result<Ab, String> {
    let pairs = pairs(a, b)?;
    let collected: Vec<_> = pairs.iter().map(|(a, b)| figures::collect(a, b)).collect();
    let all = collected
        .iter()
        .flatten()
        .filter(|values| values.is_enough());
    let figures = all.count();
    let counted: Vec<Vec<TestedCount>> = pairs
        .iter()
        .map(|(a, b)| counts::tested(a, b, asked.alpha()))
        .collect();
    let counts = counted.iter().flatten().count();
    let count = figures + counts;
    let mut tested: Vec<Vec<Option<Tested>>> = collected
        .iter()
        .map(|of_it| {
            of_it
                .iter()
                .map(|values| values.test(count, asked))
                .collect()
        })
        .collect();
    let counted = figures::correct(&mut tested, counted, asked.alpha());
    let mut scenarios = Vec::new();
    let judged = collected.iter().zip(&tested).zip(counted);
    for ((part_a, part_b), ((of_it, tested), counts)) in pairs.iter().zip(judged) {
        let rows = of_it.iter().zip(tested);
        let mut rows: Vec<Row> = rows
            .map(|(values, tested)| figures::row(values, tested, asked))
            .collect();
        rows.sort_by(|x, y| (x.standing, &x.figure).cmp(&(y.standing, &y.figure)));
        scenarios.push(Scenario {
            a: head(part_a),
            b: head(part_b),
            warnings: warnings(part_a, part_b),
            endings_a: endings(part_a),
            endings_b: endings(part_b),
            counts,
            rows,
        });
    }
    let could_tell = collected
        .iter()
        .flatten()
        .any(|values| values.could_tell(count, asked));
    let mut ab = Ab {
        verdict: Verdict::NoWorse,
        reason: String::new(),
        certainty_percent: Percent::of(asked.certainty_ppm.into()),
        margin_percent: Percent::of(asked.margin_ppm.into()),
        figures: figures as u64,
        counts: counts as u64,
        scenarios,
    };
    (ab.verdict, ab.reason) = verdict::verdict(&ab, could_tell);
    Ok(ab)
}

fn endings(part: &Part<'_>) -> BTreeMap<Ending, u64> {
    let mut endings = BTreeMap::new();
    for result in part.results() {
        *endings.entry(result.ending).or_insert(0) += 1;
    }
    endings
}

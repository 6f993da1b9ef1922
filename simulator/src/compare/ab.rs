//! Two versions: which figures differ by more than chance, and whether the second one is worse.
//!
//! Sides are read as [`super::compare`] reads them, and the figures are those of baselines
//! ([`crate::baseline::Figures`]), one value a run. Each is judged by a rank test and given a
//! bootstrap interval; chances are corrected for how many figures are looked at in all.
//! Methods and their sources are in `docs/trends.md`.
//!
//! A broken promise needs no statistics: if runs of B broke one and none of A did, B is worse.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_statistics::{
    Interval, difference_of_medians, holm, least_p_rank_sum, least_p_signed_rank, median,
    median_of_differences, rank_sum, signed_rank,
};

use super::side::Part;
use super::{Head, Side, head, pairs, warnings};
use crate::baseline::{Figure, Tolerance};
use crate::fixed::chance;
use crate::report::{Bound, Chance, Number, Percent, SignedNumber, SignedPercent, Unit};
use crate::sweep::{Ending, SeedResult};

/// Values on each side below which a figure is not looked at.
const LEAST_VALUES: usize = 3;
/// Intervals are drawn with it, so that they are the same every time.
const SEED: u64 = 20;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is worse, as far as these runs could tell.
    NoWorse,
    /// At least one figure is worse, with the certainty that was asked for.
    Worse,
    /// Runs of B broke a promise or had no verdict, and none of A did.
    Broken,
    /// Too few runs to tell anything apart, or no figure in common.
    Inconclusive,
}

/// What two versions show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ab {
    pub verdict: Verdict,
    /// Why, in one line.
    pub reason: String,
    /// Chance that none of the differences is by chance alone.
    pub certainty_percent: Percent,
    /// What is not minded, as a share of A's median.
    pub margin_percent: Percent,
    /// Figures of all scenarios that were looked at together.
    pub figures: u64,
    pub scenarios: Vec<Scenario>,
}

/// Both versions under one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scenario {
    pub a: Head,
    pub b: Head,
    /// Why the figures may not be comparable; empty if nothing speaks against it.
    pub warnings: Vec<String>,
    /// How many runs of each ended how.
    pub endings_a: BTreeMap<Ending, u64>,
    pub endings_b: BTreeMap<Ending, u64>,
    /// What is worse first, then what is better, then by name.
    pub rows: Vec<Row>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    pub figure: String,
    pub unit: Unit,
    /// Which side of a limit is the good one.
    pub bound: Bound,
    /// Runs that show it, and their median.
    pub runs_a: u64,
    pub runs_b: u64,
    pub median_a: Option<Number>,
    pub median_b: Option<Number>,
    pub standing: Standing,
    /// What was found; `null` where there were too few runs to look.
    pub found: Option<Found>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    pub test: Test,
    /// Median of B less that of A; of pairs, the median of their differences.
    pub difference: SignedNumber,
    /// Where the true difference lies, with the certainty that was asked for, of this figure
    /// alone.
    pub low: SignedNumber,
    pub high: SignedNumber,
    /// Of A's median; `null` if that is zero.
    pub change_percent: Option<SignedPercent>,
    /// Chance of a difference at least as clear if there is none; of this figure alone, and
    /// corrected for all that were looked at.
    pub p: Chance,
    pub adjusted_p: Chance,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Different, and in the direction in which the figure gets worse.
    Worse,
    /// Different, and worse by no more than the margin.
    WithinMargin,
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
    pub fn rows(&self, standing: Standing) -> impl Iterator<Item = (&Scenario, &Row)> {
        let rows = self
            .scenarios
            .iter()
            .flat_map(|of_it| of_it.rows.iter().map(move |row| (of_it, row)));
        rows.filter(move |(_, row)| row.standing == standing)
    }

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
    let collected: Vec<_> = pairs.iter().map(|(a, b)| collect(a, b)).collect();
    let all = collected
        .iter()
        .flatten()
        .filter(|values| values.is_enough());
    let count = all.count();
    let mut tested: Vec<Vec<Option<Tested>>> = collected
        .iter()
        .map(|of_it| {
            of_it
                .iter()
                .map(|values| values.test(count, asked))
                .collect()
        })
        .collect();
    correct(&mut tested);
    let mut scenarios = Vec::new();
    for (((part_a, part_b), of_it), tested) in pairs.iter().zip(&collected).zip(&tested) {
        let rows = of_it.iter().zip(tested);
        let mut rows: Vec<Row> = rows
            .map(|(values, tested)| row(values, tested, asked))
            .collect();
        rows.sort_by(|x, y| (x.standing, &x.figure).cmp(&(y.standing, &y.figure)));
        scenarios.push(Scenario {
            a: head(part_a),
            b: head(part_b),
            warnings: warnings(part_a, part_b),
            endings_a: endings(part_a),
            endings_b: endings(part_b),
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
        figures: count as u64,
        scenarios,
    };
    (ab.verdict, ab.reason) = verdict(&ab, could_tell);
    Ok(ab)
}

/// Of one figure, the values of both sides, by seed.
struct Values<'a> {
    figure: &'a str,
    kind: Figure,
    a: Vec<(u64, Number)>,
    b: Vec<(u64, Number)>,
}

struct Tested {
    test: Test,
    difference: f64,
    interval: Interval,
    p: f64,
    adjusted_p: f64,
}

/// Every figure that any run of either side shows.
fn collect<'a>(a: &Part<'a>, b: &Part<'a>) -> Vec<Values<'a>> {
    let runs = |part: &Part<'a>| -> Vec<(u64, &'a crate::baseline::Figures)> {
        let shown = |result: &'a SeedResult| Some((result.seed, &result.run.as_ref()?.figures));
        part.results().filter_map(shown).collect()
    };
    let (runs_a, runs_b) = (runs(a), runs(b));
    let mut kinds: BTreeMap<&str, Figure> = BTreeMap::new();
    for (name, figure) in runs_a
        .iter()
        .chain(&runs_b)
        .flat_map(|(_, figures)| *figures)
    {
        kinds.entry(name).or_insert(*figure);
    }
    let of = |runs: &[(u64, &crate::baseline::Figures)], name: &str| -> Vec<(u64, Number)> {
        let values = runs.iter();
        values
            .filter_map(|(seed, figures)| Some((*seed, figures.get(name)?.value)))
            .collect()
    };
    let values = kinds.into_iter().map(|(figure, kind)| Values {
        figure,
        kind,
        a: of(&runs_a, figure),
        b: of(&runs_b, figure),
    });
    values.collect()
}

impl Values<'_> {
    fn is_enough(&self) -> bool {
        self.a.len().min(self.b.len()) >= LEAST_VALUES
    }

    /// The differences of runs with the same seed, if every run of either side is one of a
    /// pair.
    fn differences(&self) -> Option<Vec<f64>> {
        let of_b: BTreeMap<u64, Number> = self.b.iter().copied().collect();
        let seeds: BTreeSet<u64> = self.a.iter().map(|(seed, _)| *seed).collect();
        let is_paired = seeds.len() == self.a.len()
            && of_b.len() == self.b.len()
            && seeds.iter().eq(of_b.keys());
        is_paired.then(|| {
            let pairs = self.a.iter().map(|(seed, a)| float(of_b[seed]) - float(*a));
            pairs.collect()
        })
    }

    /// Pairs tell more, if there are enough of them to tell anything: the choice depends on
    /// how many runs and figures there are, and on no value.
    fn choose(&self, figures: usize, asked: Certainty) -> (Test, Option<Vec<f64>>) {
        let differences = self
            .differences()
            .filter(|pairs| least_p_signed_rank(pairs.len()) * figures as f64 <= asked.alpha());
        match differences {
            Some(pairs) => (Test::SignedRank, Some(pairs)),
            None => (Test::RankSum, None),
        }
    }

    /// Whether there are runs enough that a difference could show, however large.
    fn could_tell(&self, figures: usize, asked: Certainty) -> bool {
        let least = match self.choose(figures, asked) {
            (Test::SignedRank, _) => return self.is_enough(),
            (Test::RankSum, _) => least_p_rank_sum(self.a.len(), self.b.len()),
        };
        self.is_enough() && least * figures as f64 <= asked.alpha()
    }

    fn test(&self, figures: usize, asked: Certainty) -> Option<Tested> {
        if !self.is_enough() {
            return None;
        }
        let floats = |values: &[(u64, Number)]| -> Vec<f64> {
            values.iter().map(|(_, value)| float(*value)).collect()
        };
        let (test, pairs) = self.choose(figures, asked);
        let (p, (difference, interval)) = match pairs {
            Some(pairs) => {
                // Pairs that are all equal leave nothing to rank.
                let p = signed_rank(&pairs).map_or(1.0, |test| test.p);
                (p, median_of_differences(&pairs, asked.share(), SEED)?)
            }
            None => {
                let (a, b) = (floats(&self.a), floats(&self.b));
                let p = rank_sum(&a, &b)?.p;
                (p, difference_of_medians(&a, &b, asked.share(), SEED)?)
            }
        };
        Some(Tested {
            test,
            difference,
            interval,
            p,
            adjusted_p: p,
        })
    }
}

/// Exact up to 2^53, as every number of a report is.
fn float(number: Number) -> f64 {
    number.get() as f64
}

/// Over all figures of all scenarios.
fn correct(tested: &mut [Vec<Option<Tested>>]) {
    let all = || tested.iter().flatten().flatten();
    let adjusted = holm(&all().map(|tested| tested.p).collect::<Vec<f64>>());
    for (tested, adjusted) in tested.iter_mut().flatten().flatten().zip(adjusted) {
        tested.adjusted_p = adjusted;
    }
}

fn row(values: &Values<'_>, tested: &Option<Tested>, asked: Certainty) -> Row {
    let middle = |values: &[(u64, Number)]| {
        let floats: Vec<f64> = values.iter().map(|(_, value)| float(*value)).collect();
        Some(Number::of(median(&floats)?.round() as u64))
    };
    let (median_a, median_b) = (middle(&values.a), middle(&values.b));
    let found = tested.as_ref().and_then(|tested| found(tested, median_a?));
    let standing = match (&found, tested) {
        (Some(found), Some(tested)) => standing(values, found, tested, median_a, asked),
        _ => Standing::TooFew,
    };
    Row {
        figure: values.figure.to_owned(),
        unit: values.kind.unit,
        bound: values.kind.bound,
        runs_a: values.a.len() as u64,
        runs_b: values.b.len() as u64,
        median_a,
        median_b,
        standing,
        found,
    }
}

fn found(tested: &Tested, median_a: Number) -> Option<Found> {
    let difference = SignedNumber::nearest(tested.difference)?;
    let change = i128::from(difference.0) * 1_000_000;
    let change = change.checked_div(i128::from(median_a.get()));
    Some(Found {
        test: tested.test,
        difference,
        low: SignedNumber::nearest(tested.interval.low)?,
        high: SignedNumber::nearest(tested.interval.high)?,
        change_percent: change.map(|ppm| SignedPercent(ppm.clamp(-(1 << 52), 1 << 52) as i64)),
        p: chance(tested.p),
        adjusted_p: chance(tested.adjusted_p),
    })
}

fn standing(
    values: &Values<'_>,
    found: &Found,
    tested: &Tested,
    median_a: Option<Number>,
    asked: Certainty,
) -> Standing {
    let is_larger = found.difference.0 > 0;
    // A rank test can tell apart what has the same median.
    if tested.adjusted_p > asked.alpha() || found.difference.0 == 0 {
        return Standing::NotShown;
    }
    if is_larger != (values.kind.bound == Bound::AtMost) {
        return Standing::Better;
    }
    let base = median_a.unwrap_or_default();
    let moved = base.get().saturating_add_signed(found.difference.0);
    let (kind, bound) = (values.kind.kind, values.kind.bound);
    let limit = Tolerance::uniform(asked.margin_ppm).limit(kind, bound, base);
    match asked.margin_ppm > 0 && bound.is_kept(Number::of(moved), limit) {
        true => Standing::WithinMargin,
        false => Standing::Worse,
    }
}

fn endings(part: &Part<'_>) -> BTreeMap<Ending, u64> {
    let mut endings = BTreeMap::new();
    for result in part.results() {
        *endings.entry(result.ending).or_insert(0) += 1;
    }
    endings
}

/// Endings that no version may have and that need no statistics.
const BROKEN: [Ending; 5] = [
    Ending::Violation,
    Ending::NotDeterministic,
    Ending::Crashed,
    Ending::TimedOut,
    Ending::OutOfMemory,
];

fn verdict(ab: &Ab, could_tell: bool) -> (Verdict, String) {
    for of_it in &ab.scenarios {
        let count = |endings: &BTreeMap<Ending, u64>, ending| endings.get(&ending).copied();
        for ending in BROKEN {
            let (a, b) = (
                count(&of_it.endings_a, ending),
                count(&of_it.endings_b, ending),
            );
            if let (None, Some(runs)) = (a, b) {
                let all: u64 = of_it.endings_b.values().sum();
                let (name, label) = (&of_it.b.scenario, ending.label());
                let reason = format!("{label} in {runs} of {all} runs of B ({name}), in none of A");
                return (Verdict::Broken, reason);
            }
        }
    }
    let worse: Vec<_> = ab.rows(Standing::Worse).collect();
    let certainty = format!("{:.1} %", ab.certainty_percent);
    match worse.as_slice() {
        [] if !could_tell => {
            let reason = match ab.figures {
                0 => "no figure has three runs or more on both sides".to_owned(),
                figures => format!(
                    "too few runs: with {figures} figures, no difference between so few could be \
                     told from chance with a certainty of {certainty}"
                ),
            };
            (Verdict::Inconclusive, reason)
        }
        [] => {
            let figures = ab.figures;
            let reason =
                format!("none of {figures} figures is worse with a certainty of {certainty}");
            (Verdict::NoWorse, reason)
        }
        [(_, first), rest @ ..] => {
            let more = match rest.len() {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let reason = format!("{}{more}, with a certainty of {certainty}", said(first));
            (Verdict::Worse, reason)
        }
    }
}

/// `latency.lock.acquire.p50 +5.1 ms (+42.0 %)`.
fn said(row: &Row) -> String {
    let Some(found) = &row.found else {
        return row.figure.clone();
    };
    let difference = row.unit.signed_text(found.difference);
    let change = found.change_percent.map(|change| format!(" ({change})"));
    format!("{} {difference}{}", row.figure, change.unwrap_or_default())
}

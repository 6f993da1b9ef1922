//! Two versions: which figures differ by more than chance, and whether the second one is worse.
//!
//! Sides are read as [`super::compare`] reads them, and the figures are those of baselines
//! ([`crate::baseline::Figures`]), one value a run. Each is judged by a rank test and given a
//! bootstrap interval; endings, and figures that not every run shows, are counted (`counts`).
//! Chances are corrected for how many figures and counts are looked at in all.
//! Methods and their sources are in `docs/trends.md`.
//!
//! A broken promise needs no statistics: if runs of B broke one and none of A did, B is worse.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_statistics::{
    Interval, difference_of_medians, holm, least_p_rank_sum, least_p_signed_rank, median,
    median_of_differences, rank_sum, signed_rank,
};

use super::counts::{self, Tested as TestedCount};
pub use super::counts::{Count, Counted};
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
    pub verdict: Verdict,
    /// Why, in one line.
    pub reason: String,
    /// Chance that none of the differences is by chance alone.
    pub certainty_percent: Percent,
    /// What is not minded, as a share of A's median.
    pub margin_percent: Percent,
    /// Figures of all scenarios that were looked at together, and counts.
    pub figures: u64,
    pub counts: u64,
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
    /// Endings, and figures that not every run shows; those that could not differ by more than
    /// chance are left out.
    pub counts: Vec<Count>,
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
    /// Where the true difference lies, with about the certainty that was asked for, of this
    /// figure alone; of few runs with less.
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
    /// Different, and in the direction in which the figure gets worse: by its ranks, which can
    /// differ where the medians are the same.
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

    /// Counts that differ, of all scenarios.
    pub fn different(&self) -> impl Iterator<Item = &Count> {
        let counts = self.scenarios.iter().flat_map(|of_it| &of_it.counts);
        counts.filter(|count| count.is_different)
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
    let counted = correct(&mut tested, counted, asked.alpha());
    let mut scenarios = Vec::new();
    let judged = collected.iter().zip(&tested).zip(counted);
    for ((part_a, part_b), ((of_it, tested), counts)) in pairs.iter().zip(judged) {
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
    /// Whether B lies higher, by its ranks.
    leans: Ordering,
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
    // A name that has changed its unit is another figure.
    let of = |runs: &[(u64, &crate::baseline::Figures)], name: &str, unit| -> Vec<(u64, Number)> {
        let values = runs.iter();
        let shown = values.filter_map(|(seed, figures)| Some((*seed, figures.get(name)?)));
        let alike = shown.filter(|(_, figure)| figure.unit == unit);
        alike.map(|(seed, figure)| (seed, figure.value)).collect()
    };
    let values = kinds.into_iter().map(|(figure, kind)| Values {
        figure,
        kind,
        a: of(&runs_a, figure, kind.unit),
        b: of(&runs_b, figure, kind.unit),
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
    /// how many runs and questions there are, and on no value.
    fn choose(&self, questions: usize, asked: Certainty) -> (Test, Option<Vec<f64>>) {
        let differences = self
            .differences()
            .filter(|pairs| least_p_signed_rank(pairs.len()) * questions as f64 <= asked.alpha());
        match differences {
            Some(pairs) => (Test::SignedRank, Some(pairs)),
            None => (Test::RankSum, None),
        }
    }

    /// Whether there are runs enough that a difference could show, however large.
    fn could_tell(&self, questions: usize, asked: Certainty) -> bool {
        let least = match self.choose(questions, asked) {
            (Test::SignedRank, _) => return self.is_enough(),
            (Test::RankSum, _) => least_p_rank_sum(self.a.len(), self.b.len()),
        };
        self.is_enough() && least * questions as f64 <= asked.alpha()
    }

    fn test(&self, questions: usize, asked: Certainty) -> Option<Tested> {
        if !self.is_enough() {
            return None;
        }
        let floats = |values: &[(u64, Number)]| -> Vec<f64> {
            values.iter().map(|(_, value)| float(*value)).collect()
        };
        let (test, pairs) = self.choose(questions, asked);
        let ((p, leans), (difference, interval)) = match pairs {
            Some(pairs) => {
                // Pairs that are all equal leave nothing to rank.
                let rank = signed_rank(&pairs);
                let rank = rank.map_or((1.0, Ordering::Equal), |test| (test.p, test.leans));
                (rank, median_of_differences(&pairs, asked.share(), SEED)?)
            }
            None => {
                let (a, b) = (floats(&self.a), floats(&self.b));
                let rank = rank_sum(&a, &b)?;
                (
                    (rank.p, rank.leans),
                    difference_of_medians(&a, &b, asked.share(), SEED)?,
                )
            }
        };
        Some(Tested {
            test,
            leans,
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

/// Over all figures and counts of all scenarios.
fn correct(
    tested: &mut [Vec<Option<Tested>>],
    counted: Vec<Vec<TestedCount>>,
    alpha: f64,
) -> Vec<Vec<Count>> {
    let figures = tested.iter().flatten().flatten().map(|tested| tested.p);
    let counts = counted.iter().flatten().map(TestedCount::p);
    let mut adjusted = holm(&figures.chain(counts).collect::<Vec<f64>>()).into_iter();
    for (tested, adjusted) in tested.iter_mut().flatten().flatten().zip(adjusted.by_ref()) {
        tested.adjusted_p = adjusted;
    }
    let mut judged = |count: TestedCount| Some(count.judged(adjusted.next()?, alpha));
    let scenarios = counted.into_iter();
    scenarios
        .map(|of_it| of_it.into_iter().filter_map(&mut judged).collect())
        .collect()
}

fn row(values: &Values<'_>, tested: &Option<Tested>, asked: Certainty) -> Row {
    let middle = |values: &[(u64, Number)]| {
        let floats: Vec<f64> = values.iter().map(|(_, value)| float(*value)).collect();
        Some(Number::of(median(&floats)?.round() as u64))
    };
    let (median_a, median_b) = (middle(&values.a), middle(&values.b));
    let found = tested.as_ref().and_then(|tested| found(tested, median_a?));
    let standing = match (&found, tested) {
        (Some(_), Some(tested)) => standing(values, tested, median_a, asked),
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
    tested: &Tested,
    median_a: Option<Number>,
    asked: Certainty,
) -> Standing {
    // What has the same median may differ: the ranks say which way.
    if tested.adjusted_p > asked.alpha() || tested.leans == Ordering::Equal {
        return Standing::NotShown;
    }
    let is_larger = tested.leans == Ordering::Greater;
    if is_larger != (values.kind.bound == Bound::AtMost) {
        return Standing::Better;
    }
    let base = median_a.unwrap_or_default();
    let difference = SignedNumber::nearest(tested.difference).unwrap_or_default();
    let moved = base.get().saturating_add_signed(difference.0);
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

/// Endings that no version may have and that need no statistics where A has none.
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
    let worse: Vec<String> = more_often(ab, Ending::Inconclusive, false)
        .map(Count::said)
        .chain(ab.rows(Standing::Worse).map(|(_, row)| said(row)))
        .collect();
    let inconclusive: Vec<String> = ab
        .different()
        .filter(|count| matches!(count.what, Counted::Figure(_)))
        .chain(more_often(ab, Ending::Inconclusive, true))
        .map(Count::said)
        .collect();
    let certainty = format!("{:.1} %", ab.certainty_percent);
    let first_of = |found: &[String]| {
        let more = match found.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        format!("{}{more}, with a certainty of {certainty}", found[0])
    };
    match worse.as_slice() {
        [] if !inconclusive.is_empty() => {
            let reason = format!(
                "what is not there cannot be compared: {}",
                first_of(&inconclusive)
            );
            (Verdict::Inconclusive, reason)
        }
        [] if !could_tell => {
            let reason = match ab.figures {
                0 => "no figure has three runs or more on both sides".to_owned(),
                figures => format!(
                    "too few runs: with {figures} figures, no difference between so few could be \
                     distinguished from chance with a certainty of {certainty}"
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
        found => (Verdict::Worse, first_of(found)),
    }
}

/// Endings that B has more often than A: only this one, or all but this one.
fn more_often(ab: &Ab, ending: Ending, is_this: bool) -> impl Iterator<Item = &Count> {
    ab.different().filter(move |count| match count.what {
        Counted::Ending(of) => (of == ending) == is_this && count.is_more_often_in_b(),
        Counted::Figure(_) => false,
    })
}

/// `latency.lock.acquire.p50 +5.1 ms (+42.0 %)`; of a figure that is worse.
fn said(row: &Row) -> String {
    let Some(found) = &row.found else {
        return row.figure.clone();
    };
    let is_larger_worse = row.bound == Bound::AtMost;
    // The ranks say that it is worse, and the median does not.
    if found.difference.0 == 0 || (found.difference.0 > 0) != is_larger_worse {
        let way = if is_larger_worse { "higher" } else { "lower" };
        return format!("{} is {way} by its ranks, if not at its median", row.figure);
    }
    let difference = row.unit.signed_text(found.difference);
    let change = found.change_percent.map(|change| format!(" ({change})"));
    format!("{} {difference}{}", row.figure, change.unwrap_or_default())
}

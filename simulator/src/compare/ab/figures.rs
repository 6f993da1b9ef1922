//! Tests each figure that runs of both versions show, and judges what was found.
//!
//! The values of a figure are compared by a rank test, their difference gets a bootstrap interval.
//! Chances are corrected over all figures and counts of all scenarios.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use squall_statistics::{
    Interval, difference_of_medians, holm, least_p_rank_sum, least_p_signed_rank, median,
    median_of_differences, rank_sum, signed_rank,
};

use super::{Certainty, Count, Found, Row, Standing, Test};
use crate::baseline::{Figure, Tolerance};
use crate::compare::counts::Tested as TestedCount;
use crate::compare::side::Part;
use crate::fixed::chance;
use crate::report::{Bound, Number, SignedNumber, SignedPercent};
use crate::sweep::SeedResult;

/// Values on each side below which a figure is not looked at.
const LEAST_VALUES: usize = 3;
/// Intervals are drawn with it, so that they are the same every time.
const SEED: u64 = 20;

/// Of one figure, the values of both sides, by seed.
pub(super) struct Values<'a> {
    figure: &'a str,
    kind: Figure,
    a: Vec<(u64, Number)>,
    b: Vec<(u64, Number)>,
}

pub(super) struct Tested {
    test: Test,
    /// Whether B lies higher, by its ranks.
    leans: Ordering,
    difference: f64,
    interval: Interval,
    p: f64,
    adjusted_p: f64,
}

/// Every figure that any run of either side shows.
pub(super) fn collect<'a>(a: &Part<'a>, b: &Part<'a>) -> Vec<Values<'a>> {
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
    pub(super) fn is_enough(&self) -> bool {
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
    pub(super) fn could_tell(&self, questions: usize, asked: Certainty) -> bool {
        let least = match self.choose(questions, asked) {
            (Test::SignedRank, _) => return self.is_enough(),
            (Test::RankSum, _) => least_p_rank_sum(self.a.len(), self.b.len()),
        };
        self.is_enough() && least * questions as f64 <= asked.alpha()
    }

    pub(super) fn test(&self, questions: usize, asked: Certainty) -> Option<Tested> {
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
pub(super) fn correct(
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

pub(super) fn row(values: &Values<'_>, tested: &Option<Tested>, asked: Certainty) -> Row {
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

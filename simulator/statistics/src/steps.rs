//! Change points: from which value on a series lies at another level, while it may rise or
//! fall all along.
//!
//! A series is a line with steps. Steps are found one by one, each where it explains the most
//! (binary segmentation, Scott and Knott 1974, on least squares), and kept if a permutation
//! test says that chance would not explain as much: the rests of the model without it are
//! shuffled (Freedman and Lane 1983). A slow rise is therefore no step, and a step no rise. At
//! the end the slope of the line is judged beside all steps, by Student's t.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::least_squares::Basis;
use crate::sample::{Interval, are_finite};

/// Values below which there is too little to tell a step from chance.
pub const LEAST_VALUES: usize = 8;
/// Values on each side of a step: one run that went wrong is none.
const LEAST_SIDE: usize = 3;
const MOST_STEPS: usize = 8;
/// Shuffles that make a chance exact enough, and those that are made where a rare one is asked
/// for, which fewer cannot tell.
const MOST_SHUFFLES: f64 = 50_000.0;
const MOST_OF_RARE: f64 = 200_000.0;

/// A line with steps in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// In order.
    pub steps: Vec<Step>,
    /// Of the line, for each unit of x.
    pub slope: f64,
    /// With the certainty that was asked for.
    pub slope_interval: Interval,
    /// Chance of a slope at least as steep if there is none.
    pub slope_p: f64,
}

/// A lasting jump from one value to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Place of the first value at the new level.
    pub at: usize,
    /// How much higher the new level is.
    pub size: f64,
    /// With the certainty that was asked for.
    pub interval: Interval,
    /// Chance of a step that explains as much if there is none.
    pub p: f64,
}

/// Whether [`changes`] can tell a step with this chance: it shuffles so often that one of
/// 1 in 200,000 shows, and names none where less is asked for.
pub fn can_tell_steps(alpha: f64) -> bool {
    1.0 / (shuffles(alpha) + 1.0) <= alpha
}

fn shuffles(alpha: f64) -> f64 {
    let exact = (20.0 / alpha).clamp(999.0, MOST_SHUFFLES);
    exact.max((1.0 / alpha).ceil().min(MOST_OF_RARE))
}

/// The steps of a series whose chance is at most `alpha` each; intervals are of `certainty`.
/// x must rise or stand still. None are found where [`can_tell_steps`] says so.
///
/// `None` of fewer than eight values, of values that are not finite, or where x stands still.
pub fn changes(x: &[f64], y: &[f64], alpha: f64, certainty: f64, seed: u64) -> Option<Changes> {
    let count = y.len();
    let is_enough = count >= LEAST_VALUES && x.len() == count;
    if !is_enough || !are_finite(x) || !are_finite(y) || x.first() == x.last() {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut found: Vec<(usize, f64)> = Vec::new();
    while found.len() < MOST_STEPS {
        let basis = basis(x, found.iter().map(|(at, _)| *at));
        // A slope, a level and each step take a value each, and some must be left to judge by.
        if count < basis.len() + LEAST_VALUES - 3 {
            break;
        }
        let Some((at, p)) = next(&basis, y, &found, alpha, &mut rng) else {
            break;
        };
        found.push((at, p));
    }
    found.sort_unstable_by_key(|(at, _)| *at);
    Some(fit(x, y, &found, certainty))
}

/// The line, and steps at these places.
fn basis(x: &[f64], steps: impl Iterator<Item = usize>) -> Basis {
    let count = x.len();
    let mut basis = Basis::default();
    basis.add(&vec![1.0; count]);
    basis.add(x);
    for at in steps {
        basis.add(&indicator(count, at));
    }
    basis
}

fn indicator(count: usize, at: usize) -> Vec<f64> {
    (0..count).map(|i| f64::from(u8::from(i >= at))).collect()
}

/// The next step and its chance, if that is at most `alpha`.
fn next(
    basis: &Basis,
    y: &[f64],
    found: &[(usize, f64)],
    alpha: f64,
    rng: &mut ChaCha8Rng,
) -> Option<(usize, f64)> {
    let rests = basis.rests(y);
    let scale = y.iter().map(|y| y * y).sum::<f64>();
    // What is explained to the last bit leaves nothing that a step could explain.
    if rests.iter().map(|r| r * r).sum::<f64>() <= scale * 1e-20 {
        return None;
    }
    let places = places(basis, y.len(), found);
    let (at, observed) = best(&places, &rests)?;
    if !can_tell_steps(alpha) {
        return None;
    }
    let most = shuffles(alpha);
    let allowed = alpha * (most + 1.0);
    let mut shuffled = rests.clone();
    let (mut as_good, mut done) = (1.0, 1.0);
    while done <= most {
        shuffled.copy_from_slice(&rests);
        shuffled.shuffle(rng);
        let again = basis.rests(&shuffled);
        done += 1.0;
        // Rounding must not make a shuffle better than what it is equal to.
        if best(&places, &again).is_some_and(|(_, share)| share >= observed * (1.0 - 1e-9)) {
            as_good += 1.0;
            if as_good > allowed {
                return None;
            }
        }
    }
    let p = as_good / done;
    (p <= alpha).then_some((at, p))
}

/// Where a step may be, and how much of its indicator the basis leaves.
fn places(basis: &Basis, count: usize, found: &[(usize, f64)]) -> Vec<(usize, f64)> {
    let edges = |at: usize| {
        let others = found.iter().map(|(at, _)| *at).chain([0, count]);
        others.map(|other| other.abs_diff(at)).min().unwrap_or(0)
    };
    let possible = (LEAST_SIDE..=count - LEAST_SIDE).filter(|at| edges(*at) >= LEAST_SIDE);
    let with_rest = possible.map(|at| {
        let rest = basis.rests(&indicator(count, at));
        (at, rest.iter().map(|r| r * r).sum::<f64>())
    });
    with_rest.filter(|(_, rest)| *rest > 1e-9).collect()
}

/// The place that explains the largest share of the rests, and that share.
fn best(places: &[(usize, f64)], rests: &[f64]) -> Option<(usize, f64)> {
    let total: f64 = rests.iter().map(|r| r * r).sum();
    let mut after = vec![0.0; rests.len() + 1];
    for i in (0..rests.len()).rev() {
        after[i] = after[i + 1] + rests[i];
    }
    let shares = places
        .iter()
        .map(|(at, rest)| (*at, after[*at].powi(2) / rest / total));
    shares.max_by(|a, b| a.1.total_cmp(&b.1))
}

fn fit(x: &[f64], y: &[f64], found: &[(usize, f64)], certainty: f64) -> Changes {
    let count = y.len();
    let ones = vec![1.0; count];
    let indicators: Vec<Vec<f64>> = found.iter().map(|(at, _)| indicator(count, *at)).collect();
    let columns: Vec<&[f64]> = [ones.as_slice(), x]
        .into_iter()
        .chain(indicators.iter().map(Vec::as_slice))
        .collect();
    let rests = basis(x, found.iter().map(|(at, _)| *at)).rests(y);
    let freedom = (count - columns.len()).max(1) as f64;
    let variance = rests.iter().map(|r| r * r).sum::<f64>() / freedom;
    let student = StudentsT::new(0.0, 1.0, freedom).expect("a positive freedom");
    let t = student.inverse_cdf(0.5 + certainty.clamp(0.0, 0.999_999) / 2.0);
    // Each coefficient is what its column explains beyond all others.
    let of = |place: usize| {
        let mut others = Basis::default();
        let rest = columns
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place);
        rest.for_each(|(_, column)| others.add(column));
        let own = others.rests(columns[place]);
        let size: f64 = own.iter().map(|o| o * o).sum();
        let coefficient = own.iter().zip(y).map(|(o, y)| o * y).sum::<f64>() / size;
        let error = (variance / size).sqrt();
        let reach = t * error;
        let interval = Interval {
            low: coefficient - reach,
            high: coefficient + reach,
        };
        (coefficient, interval, error)
    };
    let (slope, slope_interval, error) = of(1);
    let steps = found.iter().zip(2..).map(|((at, p), place)| {
        let (size, interval, _) = of(place);
        Step {
            at: *at,
            size,
            interval,
            p: *p,
        }
    });
    let is_flat = slope == 0.0 || y.iter().all(|value| *value == y[0]);
    Changes {
        steps: steps.collect(),
        slope,
        slope_interval,
        slope_p: match is_flat {
            true => 1.0,
            false => (2.0 * student.sf((slope / error).abs())).min(1.0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Noise;

    fn x(count: u32) -> Vec<f64> {
        (0..count).map(f64::from).collect()
    }

    fn series(noise: &mut Noise, count: u32, of: impl Fn(f64) -> f64) -> Vec<f64> {
        let noise = noise.normal(count as usize);
        x(count)
            .iter()
            .zip(noise)
            .map(|(x, e)| of(*x) + e)
            .collect()
    }

    /// One hundred series of twenty equal values; five are wrongly found at most, give or take
    /// three standard deviations.
    #[test]
    fn equal_values_change_as_rarely_as_stated() {
        let mut noise = Noise::of(21);
        let (mut stepped, mut sloped) = (0, 0);
        for seed in 0..100 {
            let y = series(&mut noise, 20, |_| 100.0);
            let found = changes(&x(20), &y, 0.05, 0.95, seed).expect("enough values");
            stepped += usize::from(!found.steps.is_empty());
            sloped += usize::from(found.slope_p <= 0.05);
        }
        assert!(
            stepped <= 11 && sloped <= 14,
            "{stepped} stepped, {sloped} sloped"
        );
    }

    /// The same where more is asked for, as of one of many figures: of three hundred, three,
    /// give or take three standard deviations.
    #[test]
    fn equal_values_change_more_seldom_where_more_is_asked_for() {
        let mut noise = Noise::of(77);
        let (mut stepped, mut sloped) = (0, 0);
        for seed in 0..300 {
            let y = series(&mut noise, 20, |_| 100.0);
            let found = changes(&x(20), &y, 0.01, 0.95, seed).expect("enough values");
            stepped += usize::from(!found.steps.is_empty());
            sloped += usize::from(found.slope_p <= 0.01);
        }
        assert!(
            stepped <= 8 && sloped <= 8,
            "{stepped} stepped, {sloped} sloped of 300"
        );
    }

    #[test]
    fn a_step_and_a_slow_rise_are_distinguished() {
        let mut noise = Noise::of(4);
        for seed in 0..10 {
            let both = |x: f64| 100.0 + 0.8 * x + if x >= 13.0 { 12.0 } else { 0.0 };
            let y = series(&mut noise, 20, both);
            let found = changes(&x(20), &y, 0.001, 0.95, seed).expect("enough values");
            let [step] = found.steps[..] else {
                panic!("{:?}", found.steps);
            };
            assert_eq!(step.at, 13);
            assert!((step.size - 12.0).abs() < 4.0, "{step:?}");
            assert!(
                found.slope_p < 0.001 && (found.slope - 0.8).abs() < 0.35,
                "{found:?}"
            );

            let rise = series(&mut noise, 20, |x| 100.0 + 0.8 * x);
            let found = changes(&x(20), &rise, 0.001, 0.95, seed).expect("enough values");
            assert_eq!(found.steps, [], "a rise is no step");

            let step = series(&mut noise, 20, |x| if x < 10.0 { 100.0 } else { 88.0 });
            let found = changes(&x(20), &step, 0.001, 0.95, seed).expect("enough values");
            assert_eq!(found.steps.len(), 1, "{found:?}");
            assert!(
                found.steps[0].at.abs_diff(10) <= 1 && found.slope_p > 0.001,
                "{found:?}"
            );
        }
    }

    /// What no shuffle reaches is no step if fewer shuffles were made than would show it.
    #[test]
    fn a_chance_that_shuffles_cannot_show_is_none() {
        let clear: Vec<f64> = series(&mut Noise::of(3), 20, |x| if x < 10.0 { 0.0 } else { 90.0 });
        let found = |alpha| changes(&x(20), &clear, alpha, 0.95, 1).expect("enough values");
        let rare = found(1e-5).steps;
        assert!(can_tell_steps(1e-5) && rare.len() == 1, "{rare:?}");
        assert!(rare[0].p <= 1e-5, "{rare:?}");
        assert!(!can_tell_steps(1e-6));
        assert_eq!(found(1e-6).steps, []);
    }

    #[test]
    fn several_steps_are_found_in_order() {
        let mut noise = Noise::of(2);
        let stairs = |x: f64| {
            if x < 12.0 {
                0.0
            } else if x < 24.0 {
                20.0
            } else {
                5.0
            }
        };
        let y = series(&mut noise, 36, stairs);
        let found = changes(&x(36), &y, 0.001, 0.95, 1).expect("enough values");
        let places: Vec<usize> = found.steps.iter().map(|step| step.at).collect();
        assert_eq!(places, [12, 24]);
        assert!(found.steps[1].interval.holds(-15.0), "{found:?}");
    }

    #[test]
    fn one_outlier_is_no_step_and_equal_values_are_flat() {
        let mut y = series(&mut Noise::of(9), 20, |_| 100.0);
        y[10] = 160.0;
        let found = changes(&x(20), &y, 0.01, 0.95, 1).expect("enough values");
        assert_eq!(found.steps, []);
        let flat = changes(&x(9), &[5.0; 9], 0.05, 0.95, 1).expect("enough values");
        assert_eq!((flat.steps.len(), flat.slope_p), (0, 1.0));
        let line = changes(&x(9), &x(9), 0.05, 0.95, 1).expect("enough values");
        assert_eq!(line.steps, []);
        assert!(line.slope_p < 1e-9, "{line:?}");
    }

    #[test]
    fn nothing_is_said_of_too_little() {
        assert_eq!(changes(&x(7), &x(7), 0.05, 0.95, 1), None);
        assert_eq!(changes(&x(9), &[f64::NAN; 9], 0.05, 0.95, 1), None);
        assert_eq!(changes(&[1.0; 9], &x(9), 0.05, 0.95, 1), None);
    }
}

//! Bootstrap intervals: how far a median would move if the runs were drawn again.
//!
//! Percentile intervals of Efron (1979), from [`RESAMPLES`] samples drawn with a seed. Not
//! BCa: its acceleration comes from the jackknife, which fails for medians (Efron and
//! Tibshirani 1993).
//!
//! The certainty is about kept: of few values intervals are too narrow, and at three of them
//! nine in ten hold the true value where 95 % were asked for.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::sample::{Interval, are_finite, median, quantile_of_sorted};

const RESAMPLES: usize = 2_000;

/// Median of `b` less median of `a`, and its interval; `certainty` is 0 to 1, and about kept.
///
/// `None` of an empty sample, or of values that are not finite.
pub fn difference_of_medians(
    a: &[f64],
    b: &[f64],
    certainty: f64,
    seed: u64,
) -> Option<(f64, Interval)> {
    let difference = median(b)? - median(a)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut of_a, mut of_b) = (vec![0.0; a.len()], vec![0.0; b.len()]);
    let resampled = (0..RESAMPLES).map(|_| {
        draw(&mut rng, a, &mut of_a);
        draw(&mut rng, b, &mut of_b);
        middle(&mut of_b) - middle(&mut of_a)
    });
    Some((difference, percentiles(resampled.collect(), certainty)))
}

/// Median of the differences of pairs, and its interval, of about this certainty.
///
/// `None` without differences, or of values that are not finite.
pub fn median_of_differences(
    differences: &[f64],
    certainty: f64,
    seed: u64,
) -> Option<(f64, Interval)> {
    if !are_finite(differences) {
        return None;
    }
    let difference = median(differences)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = vec![0.0; differences.len()];
    let resampled = (0..RESAMPLES).map(|_| {
        draw(&mut rng, differences, &mut drawn);
        middle(&mut drawn)
    });
    Some((difference, percentiles(resampled.collect(), certainty)))
}

fn draw(rng: &mut ChaCha8Rng, from: &[f64], into: &mut [f64]) {
    for place in into {
        *place = from[rng.random_range(0..from.len())];
    }
}

/// The median; sorts what it is given.
fn middle(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    quantile_of_sorted(values, 0.5)
}

fn percentiles(mut values: Vec<f64>, certainty: f64) -> Interval {
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - certainty.clamp(0.0, 1.0)) / 2.0;
    Interval {
        low: quantile_of_sorted(&values, tail),
        high: quantile_of_sorted(&values, 1.0 - tail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Noise;

    /// Ten values a side: nine intervals of ten, or more, hold the true shift at 95 %.
    #[test]
    fn intervals_hold_the_true_difference_as_often_as_stated() {
        let mut noise = Noise::of(5);
        let (mut apart, mut paired) = (0, 0);
        for seed in 0..150 {
            let (a, b) = (noise.normal(10), noise.normal(10));
            let b: Vec<f64> = b.iter().map(|value| value + 2.0).collect();
            let (_, interval) = difference_of_medians(&a, &b, 0.95, seed).expect("samples");
            apart += usize::from(interval.holds(2.0));
            let (_, interval) = median_of_differences(&b, 0.95, seed).expect("differences");
            paired += usize::from(interval.holds(2.0));
        }
        assert!(apart >= 135 && paired >= 130, "{apart} and {paired} of 150");
    }

    #[test]
    fn a_seed_gives_one_interval() {
        let values = Noise::of(1).normal(9);
        let of = |seed| difference_of_medians(&values, &values, 0.9, seed);
        assert_eq!(of(1), of(1));
        let equal = difference_of_medians(&[3.0; 4], &[3.0; 4], 0.9, 1);
        let nothing = Interval {
            low: 0.0,
            high: 0.0,
        };
        assert_eq!(equal, Some((0.0, nothing)));
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!(difference_of_medians(&[], &[1.0], 0.9, 1), None);
        assert_eq!(difference_of_medians(&[1.0], &[f64::NAN], 0.9, 1), None);
        assert_eq!(median_of_differences(&[], 0.9, 1), None);
        assert_eq!(median_of_differences(&[f64::NAN], 0.9, 1), None);
    }
}

//! Slopes that a few outliers do not bend.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::rank::normal_p;
use crate::sample::{Interval, are_finite, median, quantile_of_sorted};

/// Values up to which Kendall's S is judged exactly, if none are equal.
const MOST_EXACT: usize = 10;
/// Points of which every pair is looked at.
pub(crate) const MOST_POINTS: usize = 1_000;

/// A trend that single values far off do not move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Of y for each unit of x.
    pub per_unit: f64,
    /// With the certainty that was asked for.
    pub interval: Interval,
    /// Chance of a trend at least as clear if there is none: [`mann_kendall`].
    pub p: f64,
    /// Points looked at.
    pub count: usize,
}

/// The median of the slopes of all pairs of points (Theil 1950, Sen 1968), with Sen's interval
/// of this certainty, 0 to 1. The values must be independent but for the trend.
///
/// `None` below four points, above 1,000, of values that are not finite, where x stands still,
/// or of so few points that not even the range of all slopes is that certain: four, at 95 %.
pub fn theil_sen(x: &[f64], y: &[f64], certainty: f64) -> Option<Slope> {
    let count = x.len();
    let can_be_judged = (4..=MOST_POINTS).contains(&count) && count == y.len();
    if !can_be_judged || !are_finite(x) || !are_finite(y) {
        return None;
    }
    let pairs = (0..count).flat_map(|i| (i + 1..count).map(move |j| (i, j)));
    let apart = pairs.filter(|(i, j)| x[*i] != x[*j]);
    let mut slopes: Vec<f64> = apart.map(|(i, j)| (y[j] - y[i]) / (x[j] - x[i])).collect();
    if slopes.is_empty() {
        return None;
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - certainty.clamp(0.0, 0.999_999)) / 2.0;
    let reach = match exact(x, y) {
        // The least S that is rare enough, less the two by which S steps.
        true => {
            let rare = |s: &f64| share_from(count, *s) <= tail;
            let steps = (0..=slopes.len()).rev().step_by(2).map(|s| s as f64);
            steps.take_while(rare).last()? - 2.0
        }
        false => Normal::standard().inverse_cdf(1.0 - tail) * variance_of_s(y).sqrt(),
    };
    // Half of the reach lies on each side of the middle; places count from zero, Sen's from one.
    let low = ((slopes.len() as f64 - reach) / 2.0).floor() - 1.0;
    if low < 0.0 {
        return None;
    }
    let last = slopes.len() - 1;
    let low = (low as usize).min(last / 2);
    Some(Slope {
        per_unit: quantile_of_sorted(&slopes, 0.5),
        interval: Interval {
            low: slopes[low],
            high: slopes[last - low],
        },
        p: mann_kendall(x, y)?,
        count,
    })
}

/// The chance of a rise or fall at least as steady if there is none (Mann 1945, Kendall 1975),
/// two-sided: exact of at most ten values none of which are equal, else by the normal
/// approximation with its corrections.
///
/// `None` below four points, above 1,000, or of values that are not finite.
pub fn mann_kendall(x: &[f64], y: &[f64]) -> Option<f64> {
    let count = x.len();
    if !(4..=MOST_POINTS).contains(&count) || count != y.len() || !are_finite(y) {
        return None;
    }
    let mut s = 0.0;
    for i in 0..count {
        for j in i + 1..count {
            let forward = x[j].total_cmp(&x[i]) as i32;
            let up = y[j].partial_cmp(&y[i]).map_or(0, |order| order as i32);
            s += f64::from(forward * up);
        }
    }
    if exact(x, y) {
        return Some((2.0 * share_from(count, s.abs())).min(1.0));
    }
    Some(match variance_of_s(y) {
        variance if variance > 0.0 => normal_p(s, 1.0, variance),
        _ => 1.0,
    })
}

/// Whether S can be judged exactly: few values, in order of x, and none equal.
fn exact(x: &[f64], y: &[f64]) -> bool {
    let mut sorted = y.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let all_apart = |values: &[f64]| values.windows(2).all(|pair| pair[0] < pair[1]);
    y.len() <= MOST_EXACT && all_apart(x) && all_apart(&sorted)
}

/// The share of orders of so many values in which S is at least so large: S is the number of
/// pairs less twice the inversions, of which there are as many orders as ways to put each value
/// before some of those that are there (Kendall 1975).
fn share_from(count: usize, s: f64) -> f64 {
    let mut orders = vec![1.0];
    for there in 1..count {
        let mut more = vec![0.0; orders.len() + there];
        for (inversions, number) in orders.iter().enumerate() {
            for place in &mut more[inversions..=inversions + there] {
                *place += number;
            }
        }
        orders = more;
    }
    let pairs = (count * (count - 1) / 2) as f64;
    let is_so_large = |(inversions, _): &(usize, &f64)| pairs - 2.0 * *inversions as f64 >= s;
    let large = orders.iter().enumerate().filter(is_so_large);
    large.map(|(_, number)| number).sum::<f64>() / orders.iter().sum::<f64>()
}

/// Of Kendall's S, with the correction for equal values.
fn variance_of_s(y: &[f64]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut sorted = y.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let ties = sorted.chunk_by(|a, b| a == b);
    let ties: f64 = ties.map(|group| term(group.len() as f64)).sum();
    ((term(y.len() as f64) - ties) / 18.0).max(0.0)
}

/// Means of blocks of neighbours, so that there are at most `most` of them: neighbours in time
/// depend on each other, and their means less so.
pub fn blocks(values: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let size = values.len().div_ceil(most.max(1)).max(1);
    let mean = |block: &[(f64, f64)]| {
        let count = block.len() as f64;
        let (x, y): (f64, f64) = (
            block.iter().map(|point| point.0).sum(),
            block.iter().map(|point| point.1).sum(),
        );
        (x / count, y / count)
    };
    values.chunks(size).map(mean).collect()
}

/// The value of y where the line of this slope stands at zero, through the middle of the
/// points.
pub fn intercept(x: &[f64], y: &[f64], slope: f64) -> Option<f64> {
    let rests: Vec<f64> = x.iter().zip(y).map(|(x, y)| y - slope * x).collect();
    median(&rests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Noise;

    /// The cloud seeding ratios of Hollander and Wolfe (1973), §9.1; by hand, the ten slopes
    /// in order are -0.15, -0.13, -0.08, -0.07, -0.0575, -0.055, -0.045, -0.0333, 0.01, 0.04.
    #[test]
    fn the_slope_is_the_middle_one_of_all_pairs() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0];
        let y = [1.26, 1.27, 1.12, 1.16, 1.03];
        let slope = theil_sen(&x, &y, 0.95).expect("points");
        assert!((slope.per_unit + 0.05625).abs() < 1e-9, "{slope:?}");
        // S of 10 is rare enough: the interval goes from the first to the last.
        let ends = (slope.interval.low, slope.interval.high);
        assert!((ends.0 + 0.15).abs() < 1e-9 && (ends.1 - 0.04).abs() < 1e-9);
        // S is -6, and 6 or more in 14 of 120 orders.
        assert!((slope.p - 28.0 / 120.0).abs() < 1e-9, "{slope:?}");
    }

    /// S = 55 of eleven rising values has variance 165: z = 54 / √165, p = 2.6236e-5. Of four,
    /// six and ten it is two of all orders.
    #[test]
    fn a_steady_rise_is_as_unlikely_as_kendall_says() {
        let x: Vec<f64> = (0..11).map(f64::from).collect();
        let p = mann_kendall(&x, &x).expect("points");
        assert!((p - 2.6236e-5).abs() < 1e-8, "{p}");
        for (count, orders) in [(4, 24.0), (6, 720.0), (10, 3_628_800.0)] {
            let p = mann_kendall(&x[..count], &x[..count]).expect("points");
            assert!((p * orders - 2.0).abs() < 1e-9, "{count}: {p}");
        }
        assert_eq!(mann_kendall(&x, &[2.0; 11]), Some(1.0));
    }

    #[test]
    fn intervals_hold_the_true_slope_as_often_as_stated() {
        let mut noise = Noise::of(8);
        let x: Vec<f64> = (0..20).map(f64::from).collect();
        let held = (0..300).filter(|_| {
            let noise = noise.normal(20);
            let y: Vec<f64> = x.iter().zip(noise).map(|(x, e)| 0.3 * x + e).collect();
            let slope = theil_sen(&x, &y, 0.95).expect("points");
            slope.interval.holds(0.3)
        });
        let held = held.count();
        assert!((274..=297).contains(&held), "{held} of 300");
    }

    #[test]
    fn nothing_is_said_of_too_little() {
        let few = [1.0, 2.0, 3.0];
        assert_eq!(theil_sen(&few, &few, 0.95), None);
        let x = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(theil_sen(&x, &x, 0.95), None, "no interval is that certain");
        assert!(theil_sen(&x, &x, 0.9).is_some());
        assert_eq!(theil_sen(&x, &[1.0, f64::NAN, 2.0, 3.0], 0.95), None);
        assert_eq!(theil_sen(&[1.0; 4], &x, 0.95), None);
    }

    #[test]
    fn blocks_are_means_of_neighbours() {
        let points: Vec<(f64, f64)> = (0..10).map(|i| (i.into(), 2.0)).collect();
        assert_eq!(blocks(&points, 5)[0], (0.5, 2.0));
        assert_eq!(blocks(&points, 5).len(), 5);
        assert_eq!(blocks(&points, 20), points);
        assert_eq!(blocks(&[], 3), []);
    }
}

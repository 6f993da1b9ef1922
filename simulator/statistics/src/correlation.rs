//! Tests whether two series are related.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::rank::normal_p;
use crate::sample::{Interval, are_finite, mean, midranks};

/// Independent values below which nothing is said.
const LEAST_VALUES: f64 = 8.0;

/// How two series go together, by rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// -1 to 1.
    pub coefficient: f64,
    /// With the certainty that was asked for.
    pub interval: Interval,
    /// Chance of one at least as strong if they do not go together.
    pub p: f64,
    /// Pairs of values.
    pub count: usize,
    /// How many independent values those are worth.
    pub effective: f64,
}

/// Spearman's rank correlation (1904) with the interval of Bonett and Wright (2000) on
/// Fisher's scale. Neighbours in time resemble each other, so the count is what independent
/// values there would be (Bartlett 1935, Bretherton and others 1999): without it, any two slow
/// series would seem to go together.
///
/// `None` of fewer than eight independent values, of values that are not finite, or of a
/// series that stands still.
pub fn spearman(x: &[f64], y: &[f64], certainty: f64) -> Option<Correlation> {
    let count = x.len();
    if count != y.len() || !are_finite(x) || !are_finite(y) {
        return None;
    }
    let (x, y) = (midranks(x), midranks(y));
    let coefficient = pearson(&x, &y)?;
    let resemblance = (lag_one(&x)? * lag_one(&y)?).max(0.0);
    let effective = count as f64 * (1.0 - resemblance) / (1.0 + resemblance);
    if effective < LEAST_VALUES {
        return None;
    }
    let variance = |coefficient: f64| (1.0 + coefficient.powi(2) / 2.0) / (effective - 3.0);
    // At one the scale ends.
    let fisher = coefficient.clamp(-0.999_999, 0.999_999).atanh();
    let z = Normal::standard().inverse_cdf(0.5 + certainty.clamp(0.0, 0.999_999) / 2.0);
    let reach = z * variance(coefficient).sqrt();
    Some(Correlation {
        coefficient,
        interval: Interval {
            low: (fisher - reach).tanh(),
            high: (fisher + reach).tanh(),
        },
        p: normal_p(fisher, 0.0, variance(0.0)),
        count,
        effective,
    })
}

fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let (mean_x, mean_y) = (mean(x)?, mean(y)?);
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        let pairs = x.iter().zip(y);
        pairs.map(|(x, y)| of(x - mean_x, y - mean_y)).sum()
    };
    let length = sum(&|x, _| x * x) * sum(&|_, y| y * y);
    (length > 0.0).then(|| (sum(&|x, y| x * y) / length.sqrt()).clamp(-1.0, 1.0))
}

/// How much each value resembles the one before it. A series that stands still but for its
/// first or last value resembles nothing.
fn lag_one(values: &[f64]) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    Some(pearson(&values[..last], &values[1..]).unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Noise;

    /// IQ and hours of television, the example of many textbooks: ρ = −29 / 165.
    #[test]
    fn the_coefficient_is_that_of_the_textbook() {
        let iq = [
            106.0, 100.0, 86.0, 101.0, 99.0, 103.0, 97.0, 113.0, 112.0, 110.0,
        ];
        let hours = [7.0, 27.0, 2.0, 50.0, 28.0, 29.0, 20.0, 12.0, 6.0, 17.0];
        let found = spearman(&iq, &hours, 0.95).expect("ten values");
        assert!(
            (found.coefficient + 29.0 / 165.0).abs() < 1e-12,
            "{found:?}"
        );
        assert!(found.interval.holds(0.0) && found.p > 0.5, "{found:?}");
    }

    #[test]
    fn unrelated_series_go_together_as_rarely_as_stated() {
        let mut noise = Noise::of(14);
        // Each value is mostly the one before it: two such series seem to go together.
        let mut slow = || {
            let mut level = 0.0;
            let steps = noise.normal(120);
            let values = steps.iter().map(|step| {
                level = 0.9 * level + step;
                level
            });
            values.collect::<Vec<f64>>()
        };
        let found_related = (0..300).filter(|_| {
            let found = spearman(&slow(), &slow(), 0.95);
            found.is_some_and(|found| found.p <= 0.05)
        });
        let found_related = found_related.count();
        assert!(found_related <= 30, "{found_related} of 300");
    }

    #[test]
    fn related_series_are_found() {
        let mut noise = Noise::of(6);
        let (x, e) = (noise.normal(100), noise.normal(100));
        let y: Vec<f64> = x.iter().zip(e).map(|(x, e)| -2.0 * x + e).collect();
        let found = spearman(&x, &y, 0.95).expect("enough values");
        assert!(found.interval.high < -0.7 && found.p < 1e-9, "{found:?}");
    }

    #[test]
    fn nothing_is_said_of_too_little() {
        let few = [1.0, 2.0, 3.0];
        assert_eq!(spearman(&few, &few, 0.95), None);
        let y: Vec<f64> = (0..20).map(f64::from).collect();
        assert_eq!(spearman(&[1.0; 20], &y, 0.95), None);
        assert_eq!(spearman(&[f64::NAN; 20], &y, 0.95), None);
        // Two straight lines are worth hardly a value.
        assert_eq!(spearman(&y, &y, 0.95), None);
    }
}

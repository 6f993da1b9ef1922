//! Finds where a curve that rises from nothing stops rising.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use crate::sample::{Interval, are_finite, quantile_of_sorted};

const LEAST_VALUES: usize = 6;
/// Points on the level part: fewer may be chance.
const LEAST_BEYOND: usize = 2;
const RESAMPLES: usize = 500;
const LOOKS: u32 = 200;

/// y = slope · min(x, knee).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hinge {
    /// Of the rising part, through the origin.
    pub slope: f64,
    /// The x from which on y rises no more.
    pub knee: f64,
    /// y at the knee, and beyond.
    pub level: f64,
    /// With the certainty that was asked for.
    pub level_interval: Interval,
    /// Chance that a line without a knee would fit as much worse.
    pub p: f64,
    /// Points that it rests on.
    pub count: usize,
}

/// The line from nothing that bends into a level one and fits best: two regimes that meet
/// (Hudson 1966), by least squares. Operational analysis says that throughput against load
/// lies below these two lines, and near them (Denning and Buzen 1978). Intervals are from
/// points drawn anew (Efron 1979).
///
/// `None` of fewer than six points, of values that are not finite or negative, where a line
/// without a knee leaves nothing to explain, or where fewer than two points lie beyond the knee.
pub fn hinge(points: &[(f64, f64)], certainty: f64, seed: u64) -> Option<Hinge> {
    let is_fit =
        |point: &(f64, f64)| are_finite(&[point.0, point.1]) && point.0 >= 0.0 && point.1 >= 0.0;
    if points.len() < LEAST_VALUES || !points.iter().all(is_fit) {
        return None;
    }
    let (knee, slope, rest) = best(points)?;
    let beyond = points.iter().filter(|(x, _)| *x > knee).count();
    if beyond < LEAST_BEYOND {
        return None;
    }
    let count = points.len();
    let (_, straight) = with_knee(points, f64::INFINITY)?;
    // Nothing is answered at any load, say.
    if straight <= 0.0 {
        return None;
    }
    let freedom = count as f64 - 2.0;
    let p = match rest > straight * 1e-12 {
        true => {
            let gain = (straight - rest) / (rest / freedom);
            let fisher = FisherSnedecor::new(1.0, freedom).expect("positive degrees of freedom");
            fisher.sf(gain.max(0.0))
        }
        false => 0.0,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let levels = (0..RESAMPLES).filter_map(|_| {
        let drawn: Vec<(f64, f64)> = (0..count)
            .map(|_| points[rng.random_range(0..count)])
            .collect();
        let (knee, slope, _) = best(&drawn)?;
        Some(knee * slope)
    });
    let mut levels: Vec<f64> = levels.collect();
    levels.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - certainty.clamp(0.0, 1.0)) / 2.0;
    let level = knee * slope;
    let end = |share| match levels.is_empty() {
        true => level,
        false => quantile_of_sorted(&levels, share),
    };
    Some(Hinge {
        slope,
        knee,
        level,
        level_interval: Interval {
            low: end(tail),
            high: end(1.0 - tail),
        },
        p,
        count,
    })
}

/// Knee, slope and sum of squares of the best fit.
fn best(points: &[(f64, f64)]) -> Option<(f64, f64, f64)> {
    let most = points.iter().map(|(x, _)| *x).fold(0.0, f64::max);
    let looks = (1..=LOOKS).map(|look| most * f64::from(look) / f64::from(LOOKS));
    let fits = looks.filter_map(|knee| {
        let (slope, rest) = with_knee(points, knee)?;
        Some((knee, slope, rest))
    });
    fits.min_by(|a, b| a.2.total_cmp(&b.2))
}

/// Slope and sum of squares, if the knee is there.
fn with_knee(points: &[(f64, f64)], knee: f64) -> Option<(f64, f64)> {
    let bent = || points.iter().map(|(x, y)| (x.min(knee), *y));
    let length: f64 = bent().map(|(x, _)| x * x).sum();
    if length <= 0.0 {
        return None;
    }
    let slope = bent().map(|(x, y)| x * y).sum::<f64>() / length;
    let rest = bent().map(|(x, y)| (y - slope * x).powi(2)).sum();
    Some((slope, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Noise;

    fn curve(noise: f64, of: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        let errors = Noise::of(17).normal(40);
        let points = (1..=40)
            .zip(errors)
            .map(|(x, e)| (f64::from(x), (of(f64::from(x)) + noise * e).max(0.0)));
        points.collect()
    }

    #[test]
    fn a_curve_is_bent_where_it_bends() {
        let exact = hinge(&curve(0.0, |x| 5.0 * x.min(20.0)), 0.95, 1).expect("a knee");
        assert!(
            (exact.knee - 20.0).abs() < 0.2 && (exact.level - 100.0).abs() < 1.0,
            "{exact:?}"
        );
        let rough = hinge(&curve(4.0, |x| 5.0 * x.min(20.0)), 0.95, 1).expect("a knee");
        assert!(
            (rough.level - 100.0).abs() < 4.0 && rough.p < 1e-6,
            "{rough:?}"
        );
        assert!(rough.level_interval.holds(100.0), "{rough:?}");
    }

    #[test]
    fn a_straight_line_has_no_knee() {
        let straight = hinge(&curve(4.0, |x| 5.0 * x), 0.95, 1);
        assert!(straight.is_none_or(|found| found.p > 0.001), "{straight:?}");
        assert_eq!(hinge(&curve(0.0, |_| 0.0), 0.95, 1), None);
        assert_eq!(hinge(&curve(0.0, |x| x.min(2.0))[..5], 0.95, 1), None);
        assert_eq!(hinge(&[(1.0, f64::NAN); 9], 0.95, 1), None);
        assert_eq!(hinge(&[(0.0, 1.0); 9], 0.95, 1), None);
    }
}

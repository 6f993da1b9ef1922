//! Rank tests: whether two samples, or two sides of pairs, differ in where they lie.
//!
//! Mann and Whitney (1947), or Wilcoxon (1945) for pairs; two-sided. Small samples are judged
//! exactly, ties included: given the ranks as they are, every split into two samples, and
//! every choice of signs, is as likely as any other if nothing differs, and the splits are
//! counted by dynamic programming (Streitberg and Röhmel 1986). Larger ones by the normal
//! approximation with corrections for ties and continuity (Lehmann 1975).

use std::cmp::Ordering;

use statrs::distribution::{ContinuousCDF, Normal};

use crate::sample::{are_finite, midranks};

/// Values up to which samples are judged exactly: both together, or pairs. Beyond, counts
/// would take long, and the approximation is good.
const MOST_EXACT: usize = 60;

/// What a test says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// U of the second sample, or the sum of the ranks of positive differences.
    pub statistic: f64,
    /// Whether the second sample lies higher (`Greater`) or lower, or the differences above zero
    /// or below. It may where the medians are the same.
    pub leans: Ordering,
    /// Chance of a result at least as extreme if nothing differs.
    pub p: f64,
    /// All arrangements were counted; otherwise `p` is by the normal distribution.
    pub is_exact: bool,
}

/// Whether `b` lies higher or lower than `a`. `None` of an empty sample, or of values that
/// are not finite.
pub fn rank_sum(a: &[f64], b: &[f64]) -> Option<Test> {
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    if a.is_empty() || b.is_empty() || !are_finite(&all) {
        return None;
    }
    let ranks = midranks(&all);
    let sum: f64 = ranks[a.len()..].iter().sum();
    let (n, m) = (all.len() as f64, b.len() as f64);
    let is_exact = all.len() <= MOST_EXACT;
    let p = match is_exact {
        true => {
            // Either sample tells the same; the smaller one has fewer subsets.
            let smaller: &[f64] = match a.len() < b.len() {
                true => &ranks[..a.len()],
                false => &ranks[a.len()..],
            };
            let sum: f64 = smaller.iter().sum();
            let counts = sums_of_subsets(&doubled(&ranks), smaller.len());
            extreme_share(&counts, (2.0 * sum) as usize)
        }
        false => {
            let mean = m * (n + 1.0) / 2.0;
            let variance = m * (n - m) / 12.0 * ((n + 1.0) - tie_term(&ranks) / (n * (n - 1.0)));
            normal_p(sum - mean, 0.5, variance)
        }
    };
    let statistic = sum - m * (m + 1.0) / 2.0;
    Some(Test {
        statistic,
        leans: statistic.total_cmp(&(m * (n - m) / 2.0)),
        p,
        is_exact,
    })
}

/// Whether differences of pairs lean to one side. Those that are zero tell nothing and are
/// left out, as Wilcoxon has it; `None` if none is left, or one is not finite.
pub fn signed_rank(differences: &[f64]) -> Option<Test> {
    let different: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if different.is_empty() || !are_finite(&different) {
        return None;
    }
    let sizes: Vec<f64> = different.iter().map(|d| d.abs()).collect();
    let ranks = midranks(&sizes);
    let positive = different.iter().zip(&ranks).filter(|(d, _)| **d > 0.0);
    let sum: f64 = positive.map(|(_, rank)| rank).sum();
    let n = ranks.len() as f64;
    let is_exact = ranks.len() <= MOST_EXACT;
    let p = match is_exact {
        true => extreme_share(&sums_of_signs(&doubled(&ranks)), (2.0 * sum) as usize),
        false => {
            let mean = n * (n + 1.0) / 4.0;
            let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - tie_term(&ranks) / 48.0;
            normal_p(sum - mean, 0.5, variance)
        }
    };
    Some(Test {
        statistic: sum,
        leans: sum.total_cmp(&(n * (n + 1.0) / 4.0)),
        p,
        is_exact,
    })
}

/// The least p that [`rank_sum`] can give for samples of these sizes, if no values are equal.
pub fn least_p_rank_sum(a: usize, b: usize) -> f64 {
    let steps = (1..=a.min(b)).map(|i| (a.max(b) + i) as f64 / i as f64);
    (2.0 / steps.product::<f64>()).min(1.0)
}

/// The least p that [`signed_rank`] can give for so many pairs.
pub fn least_p_signed_rank(pairs: usize) -> f64 {
    (2.0 * 0.5_f64.powf(pairs as f64)).min(1.0)
}

/// Midranks are halves, so twice of each is whole.
fn doubled(ranks: &[f64]) -> Vec<usize> {
    ranks.iter().map(|rank| (2.0 * rank) as usize).collect()
}

/// How many subsets of `size` have each sum.
fn sums_of_subsets(ranks: &[usize], size: usize) -> Vec<f64> {
    let total: usize = ranks.iter().sum();
    let mut counts = vec![vec![0.0; total + 1]; size + 1];
    counts[0][0] = 1.0;
    for rank in ranks {
        for taken in (1..=size).rev() {
            let (before, after) = counts.split_at_mut(taken);
            for sum in *rank..=total {
                after[0][sum] += before[taken - 1][sum - rank];
            }
        }
    }
    counts.pop().expect("one for each size, zero included")
}

/// How many choices of signs give each sum of the positive ranks.
fn sums_of_signs(ranks: &[usize]) -> Vec<f64> {
    let total: usize = ranks.iter().sum();
    let mut counts = vec![0.0; total + 1];
    counts[0] = 1.0;
    for rank in ranks {
        for sum in (*rank..=total).rev() {
            counts[sum] += counts[sum - rank];
        }
    }
    counts
}

/// Twice the share of the smaller tail, the observed sum included.
fn extreme_share(counts: &[f64], observed: usize) -> f64 {
    let all: f64 = counts.iter().sum();
    let below: f64 = counts[..=observed].iter().sum();
    let above: f64 = counts[observed..].iter().sum();
    (2.0 * below.min(above) / all).min(1.0)
}

/// Sum of t³ − t over groups of equal values.
fn tie_term(ranks: &[f64]) -> f64 {
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let groups = sorted
        .chunk_by(|a, b| a == b)
        .map(|group| group.len() as f64);
    groups.map(|t| t.powi(3) - t).sum()
}

/// Two-sided, of a distance from the mean.
pub(crate) fn normal_p(distance: f64, continuity: f64, variance: f64) -> f64 {
    let z = (distance.abs() - continuity).max(0.0) / variance.max(f64::MIN_POSITIVE).sqrt();
    let normal = Normal::standard();
    (2.0 * normal.sf(z)).min(1.0)
}

#[cfg(test)]
mod tests {
    use statrs::stats_tests::Alternative;
    use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};

    use super::*;
    use crate::testing::Noise;

    fn close(measured: f64, expected: f64) {
        assert!(
            (measured - expected).abs() < 1e-9 * expected.abs().max(1.0),
            "{measured} instead of {expected}"
        );
    }

    /// Permeability of the human chorioamnion: Hollander and Wolfe (1973), p. 69 f., the
    /// example of R's `wilcox.test`: W = 35, exact p = 0.2544 two-sided.
    #[test]
    fn rank_sum_agrees_with_hollander_and_wolfe() {
        let x = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let y = [1.15, 0.88, 0.90, 0.74, 1.21];
        let test = rank_sum(&y, &x).expect("two samples");
        assert_eq!((test.statistic, test.is_exact), (35.0, true));
        close((test.p * 10_000.0).round(), 2_544.0);
    }

    /// Depression scores: Hollander and Wolfe (1973), p. 29 f., the other example of R's
    /// `wilcox.test`: V = 40, one-sided p = 0.01953, which is 10 of 512 choices of signs.
    #[test]
    #[allow(clippy::approx_constant)] // one of the scores looks like π
    fn signed_rank_agrees_with_hollander_and_wolfe() {
        let x = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30];
        let y = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];
        let differences: Vec<f64> = x.iter().zip(y).map(|(x, y)| x - y).collect();
        let test = signed_rank(&differences).expect("differences");
        assert_eq!((test.statistic, test.is_exact), (40.0, true));
        close(test.p, 20.0 / 512.0);
    }

    /// By the methods of `statrs`, which follow SciPy. Its exact one counts the wrong tail
    /// unless the first sample is the larger one (0.19.1).
    #[test]
    fn rank_sum_agrees_with_statrs() {
        let mut noise = Noise::of(3);
        for size in [4, 7, 9] {
            let (a, b) = (noise.normal(size + 2), noise.normal(size));
            let exact = MannWhitneyUMethod::Exact;
            let (_, p) = mannwhitneyu(&a, &b, exact, Alternative::TwoSided).expect("no ties");
            close(rank_sum(&a, &b).expect("samples").p, p.min(1.0));
        }
        // Many equal values, and too many for counting.
        let rough = |noise: &mut Noise| -> Vec<f64> {
            let values = noise.normal(60);
            values.iter().map(|value| (value * 2.0).round()).collect()
        };
        let (a, b) = (rough(&mut noise), rough(&mut noise));
        let method = MannWhitneyUMethod::AsymptoticInclContinuityCorrection;
        let (_, p) = mannwhitneyu(&a, &b, method, Alternative::TwoSided).expect("comparable");
        let test = rank_sum(&a, &b).expect("samples");
        assert!(!test.is_exact);
        close(test.p, p);
    }

    /// With ties, against every split counted one by one.
    #[test]
    fn ties_are_judged_exactly() {
        let (a, b) = ([1.0, 2.0, 2.0, 3.0], [2.0, 3.0, 3.0, 4.0]);
        let all: Vec<f64> = a.iter().chain(&b).copied().collect();
        let ranks = midranks(&all);
        let observed: f64 = ranks[4..].iter().sum();
        let splits: Vec<f64> = (0_u32..256)
            .filter(|split| split.count_ones() == 4)
            .map(|split| {
                (0..8)
                    .filter(|i| split >> i & 1 == 1)
                    .map(|i| ranks[i])
                    .sum()
            })
            .collect();
        let above = splits.iter().filter(|sum| **sum >= observed).count();
        let expected = 2.0 * above as f64 / splits.len() as f64;
        close(rank_sum(&a, &b).expect("samples").p, expected);
    }

    #[test]
    fn the_least_chance_is_that_of_samples_apart() {
        let low: Vec<f64> = (0..10).map(f64::from).collect();
        let high: Vec<f64> = (20..30).map(f64::from).collect();
        let apart = rank_sum(&low, &high).expect("samples").p;
        close(apart, least_p_rank_sum(10, 10));
        close(apart, 2.0 / 184_756.0);
        close(
            signed_rank(&high).expect("differences").p,
            least_p_signed_rank(10),
        );
    }

    /// All medians are alike: thirty hundreds against seventeen and thirteen below.
    #[test]
    fn the_way_is_known_where_medians_are_the_same() {
        let always = [100.0; 30];
        let mut often = [100.0; 30];
        often[..13].fill(90.0);
        let test = rank_sum(&always, &often).expect("samples");
        assert!(test.p < 1e-4 && test.leans == Ordering::Less, "{test:?}");
        let back = rank_sum(&often, &always).expect("samples");
        assert_eq!((back.p, back.leans), (test.p, Ordering::Greater));
        let differences: Vec<f64> = often.iter().map(|value| value - 100.0).collect();
        let pairs = signed_rank(&differences).expect("differences");
        assert!(pairs.p < 1e-3 && pairs.leans == Ordering::Less, "{pairs:?}");
        let even = signed_rank(&[1.0, -1.0]).expect("differences");
        assert_eq!(even.leans, Ordering::Equal);
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!(rank_sum(&[], &[1.0]), None);
        assert_eq!(rank_sum(&[f64::NAN], &[1.0]), None);
        assert_eq!(signed_rank(&[0.0, 0.0]), None);
        assert_eq!(signed_rank(&[f64::INFINITY]), None);
        close(rank_sum(&[1.0; 5], &[1.0; 5]).expect("samples").p, 1.0);
    }

    /// Of a thousand equal pairs of samples at most one in twenty is called different; a discrete
    /// test stays below. The bound is three standard deviations above.
    #[test]
    fn equal_samples_are_called_different_as_rarely_as_stated() {
        let mut noise = Noise::of(11);
        let differs = |test: Option<Test>| test.expect("a sample").p <= 0.05;
        let sums = (0..1_000).filter(|_| differs(rank_sum(&noise.normal(8), &noise.normal(8))));
        let sums = sums.count();
        let signs = (0..1_000)
            .filter(|_| differs(signed_rank(&noise.normal(12))))
            .count();
        for (what, count) in [("rank sum", sums), ("signed rank", signs)] {
            assert!((20..=71).contains(&count), "{what}: {count} of 1,000");
        }
    }
}

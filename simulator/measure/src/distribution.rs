//! A small set of durations summed up: how many, and the quantiles a reader asks for.
//!
//! Exact, by nearest rank (the smallest value that at least the wanted share does not
//! exceed), as there are tens of elections in a run, not millions. Latencies, of which
//! there are millions, are kept in histograms instead (see `latency`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_objective::fixed::Ms;

/// A distribution of durations; exact values by nearest rank, `null` if there were none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    /// How many durations.
    pub count: u64,
    /// The shortest.
    pub min: Option<Ms>,
    /// The median.
    pub p50: Option<Ms>,
    /// 90th percentile.
    pub p90: Option<Ms>,
    /// 99th percentile.
    pub p99: Option<Ms>,
    /// The longest.
    pub max: Option<Ms>,
}

impl Times {
    /// Of durations in microseconds, in rising order.
    pub fn of(sorted_us: &[u64]) -> Self {
        let quantile = |per_mille| nearest_rank(sorted_us, per_mille).map(Ms::of);
        Self {
            count: sorted_us.len() as u64,
            min: sorted_us.first().copied().map(Ms::of),
            p50: quantile(500),
            p90: quantile(900),
            p99: quantile(990),
            max: quantile(1_000),
        }
    }
}

/// In rising order.
pub fn sorted(us: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let mut us: Vec<u64> = us.into_iter().collect();
    us.sort_unstable();
    us
}

/// The quantile of sorted values by nearest rank; `per_mille` is 1 to 1000.
pub fn nearest_rank(sorted: &[u64], per_mille: usize) -> Option<u64> {
    let rank = (sorted.len() * per_mille).div_ceil(1000);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank_takes_values_that_occurred() {
        let times = Times::of(&sorted((1..=200).rev()));
        assert_eq!((times.count, times.min), (200, Some(Ms::of(1))));
        assert_eq!(times.p50, Some(Ms::of(100)));
        assert_eq!(times.p90, Some(Ms::of(180)));
        assert_eq!(times.p99, Some(Ms::of(198)));
        assert_eq!(times.max, Some(Ms::of(200)));
        assert_eq!(Times::of(&[7]).p99, Some(Ms::of(7)));
    }

    #[test]
    fn nothing_measured_is_none_and_not_zero() {
        assert_eq!(Times::of(&[]), Times::default());
    }
}

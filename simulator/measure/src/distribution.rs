//! A small set of durations summed up: how many, and the quantiles a reader asks for.
//!
//! Exact, by nearest rank (the smallest value that at least the wanted share does not
//! exceed), as there are tens of elections in a run, not millions. Latencies, of which
//! there are millions, are kept in histograms instead (see `latency`).

/// Summary of durations in microseconds. All `None` when there were none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Distribution {
    pub count: u64,
    pub min_us: Option<u64>,
    pub p50_us: Option<u64>,
    pub p90_us: Option<u64>,
    pub p99_us: Option<u64>,
    pub max_us: Option<u64>,
}

impl Distribution {
    pub fn of(mut durations_us: Vec<u64>) -> Self {
        durations_us.sort_unstable();
        let quantile = |per_mille| nearest_rank(&durations_us, per_mille);
        Self {
            count: durations_us.len() as u64,
            min_us: durations_us.first().copied(),
            p50_us: quantile(500),
            p90_us: quantile(900),
            p99_us: quantile(990),
            max_us: durations_us.last().copied(),
        }
    }
}

/// Durations with their summary. They are kept because the quantiles of several runs taken
/// together cannot be had from the quantiles of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    pub times: Distribution,
    /// In rising order.
    pub all_us: Vec<u64>,
}

impl Durations {
    pub fn of(mut all_us: Vec<u64>) -> Self {
        all_us.sort_unstable();
        Self {
            times: Distribution::of(all_us.clone()),
            all_us,
        }
    }

    /// By nearest rank; `per_mille` is 1 to 1,000.
    pub fn quantile(&self, per_mille: usize) -> Option<u64> {
        nearest_rank(&self.all_us, per_mille)
    }
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
        let distribution = Distribution::of((1..=200).rev().collect());
        assert_eq!(distribution.count, 200);
        assert_eq!(distribution.min_us, Some(1));
        assert_eq!(distribution.p50_us, Some(100));
        assert_eq!(distribution.p90_us, Some(180));
        assert_eq!(distribution.p99_us, Some(198));
        assert_eq!(distribution.max_us, Some(200));
        assert_eq!(Distribution::of(vec![7]).p99_us, Some(7));
    }

    #[test]
    fn nothing_measured_is_none_and_not_zero() {
        assert_eq!(Distribution::of(Vec::new()), Distribution::default());
    }
}

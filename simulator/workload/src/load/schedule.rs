//! From a rate to the moments at which operations start.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const HOUR_US: u128 = 3_600_000_000;

/// Turns a rate into times. What is left over of an operation is kept, so that over any
/// stretch there are exactly as many operations as the rate says, but for those of one burst.
pub(super) struct Schedule {
    rng: ChaCha8Rng,
    /// What is due, in operations times [`HOUR_US`]; less than the next burst.
    due: u128,
    /// Operations that start together next.
    burst: Option<u64>,
}

impl Schedule {
    pub(super) fn new(rng: ChaCha8Rng) -> Self {
        Self {
            rng,
            due: 0,
            burst: None,
        }
    }

    /// The starts within `length_us` from `from_us` on, at a rate an hour.
    pub(super) fn advance(
        &mut self,
        from_us: u64,
        length_us: u64,
        rate: u64,
        bursts: (u64, u64),
    ) -> Vec<u64> {
        let mut starts = Vec::new();
        let rate = u128::from(rate.max(1));
        let due = self.due + u128::from(length_us) * rate;
        let mut burst = self.burst.unwrap_or_else(|| self.draw(bursts));
        let mut threshold = u128::from(burst) * HOUR_US;
        while threshold <= due {
            let after = threshold.saturating_sub(self.due).div_ceil(rate);
            let at_us = from_us + u64::try_from(after).expect("within the stretch");
            starts.extend((0..burst).map(|_| at_us));
            burst = self.draw(bursts);
            threshold += u128::from(burst) * HOUR_US;
        }
        self.due = due + u128::from(burst) * HOUR_US - threshold;
        self.burst = Some(burst);
        starts
    }

    fn draw(&mut self, (min, max): (u64, u64)) -> u64 {
        match min < max {
            true => self.rng.random_range(min..=max),
            false => min,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_plan::plan::Seed;

    fn starts(segments: &[(u64, u64)], bursts: (u64, u64)) -> Vec<u64> {
        let mut schedule = Schedule::new(Seed(1).rng());
        let mut at_us = 0;
        let mut starts = Vec::new();
        for (length_us, per_second) in segments {
            starts.extend(schedule.advance(at_us, *length_us, per_second * 3_600, bursts));
            at_us += length_us;
        }
        starts
    }

    #[test]
    fn a_rate_is_kept_exactly_however_it_is_cut_up() {
        let whole = starts(&[(1_000_000, 7)], (1, 1));
        let spaced: Vec<u64> = (1..=7u64).map(|k| (k * 1_000_000).div_ceil(7)).collect();
        assert_eq!(whole, spaced);
        let cut = starts(&[(300_000, 7), (1, 7), (699_999, 7)], (1, 1));
        assert_eq!(cut, whole);
        assert_eq!(starts(&[(100_000, 1); 3_600], (1, 1)).len(), 360);
    }

    #[test]
    fn bursts_start_together_at_the_same_mean_rate() {
        let starts = starts(&[(100_000, 1_000); 600], (50, 200));
        assert!(starts.len().abs_diff(60_000) <= 200, "{}", starts.len());
        let mut sizes = Vec::new();
        for group in starts.chunk_by(|a, b| a == b) {
            sizes.push(group.len());
        }
        assert!(
            sizes.iter().all(|size| (50..=200).contains(size)),
            "{sizes:?}"
        );
        assert!(sizes.iter().min() != sizes.iter().max());
    }
}

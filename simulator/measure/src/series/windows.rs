//! The grid of a run: windows of one length from its start to its end.
//!
//! Short enough to show an election in a short run, few enough to be drawn. Every series of
//! a run has the same windows, so that graphs beneath one another agree on the time.

/// Windows are cut into steps of this length, for what happens within one.
pub const STEP_US: u64 = 100_000;
/// A run has no more windows than this.
pub const MOST_WINDOWS: u64 = 600;

/// Lengths to choose from. Round, so that windows fall on seconds and minutes.
const LENGTHS_US: [u64; 12] = [
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];

/// Windows of a run. The last ends with the run, so it may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// A multiple of [`STEP_US`].
    pub length_us: u64,
    /// At least 1.
    pub count: usize,
    /// Of the run, and of the last window.
    pub end_us: u64,
}

impl Windows {
    /// The shortest windows that a run of this length may have.
    pub fn of(end_us: u64) -> Self {
        let fits = |length_us: &u64| end_us.div_ceil(*length_us) <= MOST_WINDOWS;
        let last = LENGTHS_US[LENGTHS_US.len() - 1];
        let length_us = LENGTHS_US.into_iter().find(fits);
        let length_us =
            length_us.unwrap_or_else(|| end_us.div_ceil(MOST_WINDOWS).next_multiple_of(last));
        Self {
            length_us,
            count: (end_us.div_ceil(length_us) as usize).max(1),
            end_us,
        }
    }

    /// The window of a moment; the end of the run belongs to the last.
    pub fn at(&self, at_us: u64) -> usize {
        ((at_us / self.length_us) as usize).min(self.count - 1)
    }

    /// Where the window begins.
    pub fn from_us(&self, window: usize) -> u64 {
        window as u64 * self.length_us
    }

    /// Where the window ends; the last one may be shorter than the others.
    pub fn to_us(&self, window: usize) -> u64 {
        (self.from_us(window) + self.length_us).min(self.end_us)
    }

    /// Thousandths a second, of so many in a window.
    pub fn per_second_milli(&self, window: usize, count: u64) -> u64 {
        let length_us = self.to_us(window) - self.from_us(window);
        let rate = (count.saturating_mul(1_000_000_000)).checked_div(length_us);
        rate.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn windows_grow_with_the_run_and_stay_round() {
        let lengths = [0, 60, 61, 600, 1_800, 36_000].map(|s| Windows::of(s * SECOND).length_us);
        assert_eq!(
            lengths,
            [100_000, 100_000, 200_000, SECOND, 5 * SECOND, 60 * SECOND]
        );
        let years = Windows::of(100_000_000 * SECOND);
        assert!(years.count as u64 <= MOST_WINDOWS);
        assert_eq!(years.length_us % STEP_US, 0);
    }

    #[test]
    fn the_last_window_ends_with_the_run() {
        let windows = Windows::of(1_250_000);
        assert_eq!((windows.count, windows.at(1_250_000)), (13, 12));
        assert_eq!(windows.to_us(12), 1_250_000);
        assert_eq!(windows.per_second_milli(11, 5), 50_000);
        assert_eq!(windows.per_second_milli(12, 5), 100_000);
    }
}

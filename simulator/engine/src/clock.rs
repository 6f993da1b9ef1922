//! The clocks of one host: how they relate to virtual time.
//!
//! A host has a monotonic clock, which may run fast or slow but never goes back, and a wall
//! clock, which runs at the same rate and may be off besides.

use crate::time::Nanos;

/// Where monotonic clocks start, so that subtracting a timeout never hits zero.
const MONOTONIC_START: Nanos = 3_600_000_000_000;
/// Where wall clocks start: 2025-01-01T00:00:00Z.
const WALL_START: Nanos = 1_735_689_600_000_000_000;

pub(crate) struct Clock {
    /// By how much the wall clock is off, microseconds.
    pub offset_us: i64,
    /// How much too fast both clocks run, parts per million.
    pub drift_ppm: i32,
    /// When the drift last changed, and what the host's own clock had counted by then.
    since: Nanos,
    counted: Nanos,
}

impl Clock {
    pub fn new(offset_us: i64, drift_ppm: i32) -> Self {
        Self {
            offset_us,
            drift_ppm,
            since: 0,
            counted: 0,
        }
    }

    /// Changes the clocks from `now` on.
    pub fn set(&mut self, now: Nanos, offset_us: i64, drift_ppm: i32) {
        self.counted = self.elapsed(now);
        self.since = now;
        self.offset_us = offset_us;
        self.drift_ppm = drift_ppm;
    }

    /// What the monotonic clock shows.
    pub fn monotonic(&self, now: Nanos) -> Nanos {
        MONOTONIC_START + self.elapsed(now)
    }

    /// What the wall clock shows, milliseconds since the Unix epoch.
    pub fn wall_ms(&self, now: Nanos) -> u64 {
        let nanos = WALL_START + self.elapsed(now);
        (nanos as i64 / 1_000_000 + self.offset_us / 1_000).max(0) as u64
    }

    /// When the monotonic clock will show `local`; rounded so that a sleep never ends early.
    pub fn when(&self, now: Nanos, local: Nanos) -> Nanos {
        let rest = local.saturating_sub(self.monotonic(now));
        // Rounding twice may cost a nanosecond.
        let rest = rest.saturating_add(Nanos::from(self.drift_ppm != 0));
        now.saturating_add(unscale(rest, self.drift_ppm))
    }

    /// What the host's clock has counted since the simulation began.
    fn elapsed(&self, now: Nanos) -> Nanos {
        self.counted + scale(now - self.since, self.drift_ppm)
    }
}

/// Virtual to local duration.
fn scale(elapsed: Nanos, drift_ppm: i32) -> Nanos {
    // Most clocks are right, and all are asked all the time.
    if drift_ppm == 0 {
        return elapsed;
    }
    let drift = i128::from(elapsed) * i128::from(drift_ppm) / 1_000_000;
    (i128::from(elapsed) + drift).max(0) as Nanos
}

/// Local to virtual duration, rounded up so that a sleep never ends early.
fn unscale(local: Nanos, drift_ppm: i32) -> Nanos {
    if drift_ppm == 0 {
        return local;
    }
    let rate = 1_000_000 + i128::from(drift_ppm);
    let elapsed = (i128::from(local) * 1_000_000 + rate - 1) / rate.max(1);
    u64::try_from(elapsed).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn a_fast_clock_reaches_its_deadline_early_in_virtual_time() {
        let clock = Clock::new(0, 100_000);
        assert_eq!(clock.monotonic(SECOND) - clock.monotonic(0), 1_100_000_000);
        let due = clock.when(0, clock.monotonic(0) + 1_100_000_000);
        assert!((SECOND..=SECOND + 2).contains(&due), "{due}");
    }

    #[test]
    fn a_wall_clock_may_jump_but_a_monotonic_one_goes_on() {
        let mut clock = Clock::new(0, 0);
        let (monotonic, wall_ms) = (clock.monotonic(SECOND), clock.wall_ms(SECOND));
        clock.set(SECOND, -5_000_000, 0);
        assert_eq!(clock.monotonic(SECOND), monotonic);
        assert_eq!(clock.wall_ms(SECOND), wall_ms - 5_000);
    }

    proptest! {
        #[test]
        fn a_sleep_never_ends_early(
            drift_ppm in -500_000i32..500_000,
            changed in 0..SECOND,
            rest in 0..100 * SECOND,
        ) {
            let mut clock = Clock::new(0, 0);
            clock.set(changed, 0, drift_ppm);
            let now = changed + 1_000;
            let local = clock.monotonic(now) + rest;
            prop_assert!(clock.monotonic(clock.when(now, local)) >= local);
        }
    }
}

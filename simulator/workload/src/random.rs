//! Draws from the random streams of clients.

use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Evenly from `min` to `max`; draws nothing if they are the same.
pub(super) fn random_duration(rng: &mut ChaCha8Rng, min: Duration, max: Duration) -> Duration {
    if min >= max {
        return min;
    }
    Duration::from_nanos(rng.random_range(min.as_nanos() as u64..=max.as_nanos() as u64))
}

/// Whether a choice with this probability, in parts per million, is taken.
pub(super) fn chance(rng: &mut ChaCha8Rng, ppm: u32) -> bool {
    rng.random_range(0..1_000_000) < ppm
}

/// As [`chance`], but draws nothing for what never happens, so that a workload without it
/// keeps its stream.
pub(super) fn sometimes(rng: &mut ChaCha8Rng, ppm: u32) -> bool {
    ppm > 0 && chance(rng, ppm)
}

//! Numbers for tests, the same every time.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub struct Noise(ChaCha8Rng);

impl Noise {
    pub fn of(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Standard normal values, by Box and Muller.
    pub fn normal(&mut self, count: usize) -> Vec<f64> {
        let mut one = || {
            let (a, b): (f64, f64) = (self.0.random(), self.0.random());
            (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
        };
        (0..count).map(|_| one()).collect()
    }
}

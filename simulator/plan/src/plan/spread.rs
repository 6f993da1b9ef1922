//! Draws sizes and keys.
//!
//! Draws are exact ratios of whole numbers. The weights of a Zipf distribution are powers,
//! and mathematical libraries differ in their last digits from machine to machine; so they
//! are made of square roots and products alone, which IEEE 754 defines to the last bit, and
//! then rounded to whole numbers. A seed draws the same keys everywhere.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Seed;
use crate::scenario::spread as written;
use squall_fault::text::{duration_text, share_text};

/// Bytes of a message or value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// All of this size.
    Fixed(u64),
    /// Any between, both included.
    Uniform {
        /// At least 0.
        min: u64,
        /// At least `min`.
        max: u64,
    },
    /// Bytes and parts per million, which add up to one million.
    Mix(Vec<(u64, u32)>),
}

impl Payload {
    pub(super) fn of(written: &written::Payload) -> Self {
        match written {
            written::Payload::Fixed(size) => Payload::Fixed(size.0),
            written::Payload::Uniform { min, max } => Payload::Uniform {
                min: min.0,
                max: max.0,
            },
            written::Payload::Mix(sizes) => {
                Payload::Mix(sizes.iter().map(|s| (s.size.0, s.share.0)).collect())
            }
        }
    }

    /// A size. Draws nothing where there is only one.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> u64 {
        match self {
            Payload::Fixed(bytes) => *bytes,
            Payload::Uniform { min, max } => rng.random_range(*min..=*max),
            Payload::Mix(sizes) => {
                let mut left = rng.random_range(0..1_000_000u32);
                for (bytes, ppm) in sizes {
                    match left.checked_sub(*ppm) {
                        Some(rest) => left = rest,
                        None => return *bytes,
                    }
                }
                unreachable!("the shares of a mix make one million")
            }
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Payload::Fixed(bytes) => format!("{bytes}B"),
            Payload::Uniform { min, max } => format!("{min}B..{max}B"),
            Payload::Mix(sizes) => {
                let sizes = sizes.iter();
                let sizes = sizes.map(|(bytes, ppm)| format!("{} {bytes}B", share_text(*ppm)));
                sizes.collect::<Vec<_>>().join(" + ")
            }
        }
    }
}

/// Which keys are used how often.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// How uneven the use is.
    pub popularity: Popularity,
    /// Every so often the popular keys are others. `None`: never.
    pub shift_us: Option<u64>,
}

/// How the uses of keys are spread over the keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Popularity {
    /// All the same.
    #[default]
    Uniform,
    /// The k-th key in proportion to 1 / k^exponent; the exponent in millionths.
    Zipf {
        /// 1,000,000 is the classic 1 / k.
        exponent_ppm: u32,
    },
    /// A share of the keys gets a share of the operations; each the same within.
    HotSet {
        /// Share of the keys that are hot.
        keys_ppm: u32,
        /// Share of the operations that they get.
        share_ppm: u32,
    },
}

impl Access {
    pub(super) fn of(written: &written::Access) -> Self {
        let popularity = match (written.zipf, written.hot, written.share) {
            (Some(exponent), ..) => Popularity::Zipf {
                exponent_ppm: exponent.0,
            },
            (None, Some(hot), Some(share)) => Popularity::HotSet {
                keys_ppm: hot.0,
                share_ppm: share.0,
            },
            _ => unreachable!("a checked access says how"),
        };
        Access {
            popularity,
            shift_us: written.shift.map(|shift| shift.us()),
        }
    }

    /// `, what` if it is not plain.
    pub(super) fn text(&self) -> String {
        let mut text = match self.popularity {
            Popularity::Uniform => String::new(),
            Popularity::Zipf { exponent_ppm } => {
                let (whole, rest) = (exponent_ppm / 1_000_000, exponent_ppm % 1_000_000);
                let digits = format!("{whole}.{rest:06}");
                format!(
                    ", zipf {}",
                    digits.trim_end_matches('0').trim_end_matches('.')
                )
            }
            Popularity::HotSet {
                keys_ppm,
                share_ppm,
            } => {
                let (share, keys) = (share_text(share_ppm), share_text(keys_ppm));
                format!(", {share} on {keys} of the keys")
            }
        };
        if let Some(shift_us) = self.shift_us {
            text += &format!(" shifting every {}", duration_text(shift_us));
        }
        text
    }
}

/// Draws keys.
#[derive(Debug, Clone)]
pub struct KeyDraw {
    keys: u64,
    access: Access,
    /// Of a Zipf distribution: sums of the weights of the first, the first two, … keys.
    sums: Vec<u64>,
    seed: Seed,
}

/// The weight of the most popular key: large enough that the least popular of a million
/// keys has a weight that is exact to a ten-thousandth at an exponent of 1.
const TOP_WEIGHT: f64 = (1u64 << 40) as f64;

impl KeyDraw {
    /// Of `keys` keys, numbered from 0, at least one. `seed` decides which are popular.
    pub fn new(keys: u64, access: &Access, seed: Seed) -> Self {
        let sums = match access.popularity {
            Popularity::Zipf { exponent_ppm } => zipf_sums(keys.max(1), exponent_ppm),
            _ => Vec::new(),
        };
        Self {
            keys: keys.max(1),
            access: access.clone(),
            sums,
            seed: seed.fork("popular"),
        }
    }

    /// A key, at `now_us` of the run.
    pub fn draw(&self, rng: &mut ChaCha8Rng, now_us: u64) -> u64 {
        let rank = match self.access.popularity {
            // The popular keys are all.
            Popularity::Uniform => return rng.random_range(0..self.keys),
            Popularity::Zipf { .. } => {
                let total = *self.sums.last().expect("at least one key");
                let point = rng.random_range(0..total);
                self.sums.partition_point(|sum| *sum <= point) as u64
            }
            Popularity::HotSet {
                keys_ppm,
                share_ppm,
            } => {
                let hot = (u128::from(self.keys) * u128::from(keys_ppm)).div_ceil(1_000_000) as u64;
                let is_hot = rng.random_range(0..1_000_000) < share_ppm || hot == self.keys;
                match is_hot {
                    true => rng.random_range(0..hot),
                    false => rng.random_range(hot..self.keys),
                }
            }
        };
        (rank + self.first(now_us)) % self.keys
    }

    /// The most popular key of the time; the others follow it.
    fn first(&self, now_us: u64) -> u64 {
        let Some(shift_us) = self.access.shift_us else {
            return 0;
        };
        let epoch = now_us / shift_us;
        self.seed.fork(&epoch.to_string()).0 % self.keys
    }
}

fn zipf_sums(keys: u64, exponent_ppm: u32) -> Vec<u64> {
    let mut sum = 0;
    (1..=keys)
        .map(|rank| {
            let weight = TOP_WEIGHT / power(rank as f64, exponent_ppm);
            // No key is impossible.
            sum += (weight as u64).max(1);
            sum
        })
        .collect()
}

/// `base` to the power of `exponent_ppm` millionths, for a base of 1 and above: square roots
/// for the binary digits of the exponent behind the point, to 1 / 2^24.
fn power(base: f64, exponent_ppm: u32) -> f64 {
    let whole = exponent_ppm / 1_000_000;
    let mut rest = u64::from(exponent_ppm % 1_000_000);
    let mut result = 1.0;
    for _ in 0..whole {
        result *= base;
    }
    let mut root = base;
    for _ in 0..24 {
        root = root.sqrt();
        rest *= 2;
        if rest >= 1_000_000 {
            rest -= 1_000_000;
            result *= root;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u64 = 200_000;

    fn counts(keys: u64, access: &Access, now_us: u64) -> Vec<u64> {
        let draw = KeyDraw::new(keys, access, Seed(7));
        let mut rng = Seed(1).rng();
        let mut counts = vec![0; keys as usize];
        for _ in 0..DRAWS {
            counts[draw.draw(&mut rng, now_us) as usize] += 1;
        }
        counts
    }

    fn zipf(exponent_ppm: u32) -> Access {
        Access {
            popularity: Popularity::Zipf { exponent_ppm },
            shift_us: None,
        }
    }

    #[test]
    fn powers_are_those_of_the_mathematical_library() {
        for base in [1.0f64, 2.0, 3.0, 10.0, 999.0, 1_000_000.0] {
            for exponent_ppm in [10_000u32, 500_000, 990_000, 1_000_000, 1_250_000, 3_999_999] {
                let exact = base.powf(f64::from(exponent_ppm) / 1e6);
                let error = (power(base, exponent_ppm) / exact - 1.0).abs();
                assert!(error < 2e-6, "{base}^{exponent_ppm}ppm is off by {error}");
            }
        }
    }

    #[test]
    fn zipf_is_as_popular_as_it_should_be() {
        let counts = counts(100, &zipf(1_000_000), 0);
        let harmonic: f64 = (1..=100).map(|k| 1.0 / f64::from(k)).sum();
        for rank in [1usize, 2, 5, 20, 100] {
            let expected = DRAWS as f64 / harmonic / rank as f64;
            let found = counts[rank - 1] as f64;
            // Five standard deviations.
            assert!(
                (found - expected).abs() < 5.0 * expected.sqrt(),
                "{rank}: {found} for {expected}"
            );
        }
    }

    #[test]
    fn a_hot_set_gets_its_share() {
        let access = Access {
            popularity: Popularity::HotSet {
                keys_ppm: 100_000,
                share_ppm: 900_000,
            },
            shift_us: None,
        };
        let counts = counts(50, &access, 0);
        let hot: u64 = counts[..5].iter().sum();
        assert!(hot.abs_diff(DRAWS * 9 / 10) < 700, "{hot}");
        assert!(
            counts.iter().all(|count| *count > 0),
            "no key is left out: {counts:?}"
        );
    }

    #[test]
    fn a_shift_changes_which_keys_are_popular_and_not_how_popular() {
        let access = Access {
            shift_us: Some(10),
            ..zipf(1_200_000)
        };
        let [before, same, after] = [0, 9, 10].map(|now_us| counts(64, &access, now_us));
        assert_eq!(before, same);
        assert_ne!(before, after);
        let sorted = |mut counts: Vec<u64>| {
            counts.sort_unstable();
            counts
        };
        assert_eq!(sorted(before), sorted(after));
    }

    #[test]
    fn sizes_keep_to_their_shares_and_bounds() {
        let mut rng = Seed(3).rng();
        let mix = Payload::Mix(vec![(100, 900_000), (5_000, 100_000)]);
        let large = (0..DRAWS).filter(|_| mix.draw(&mut rng) == 5_000).count() as u64;
        assert!(large.abs_diff(DRAWS / 10) < 700, "{large}");
        let uniform = Payload::Uniform { min: 3, max: 5 };
        let mut seen = [0; 3];
        (0..300).for_each(|_| seen[uniform.draw(&mut rng) as usize - 3] += 1);
        assert!(seen.iter().all(|count| *count > 60), "{seen:?}");
    }
}

//! One seed, and streams of randomness with names.
//!
//! Every consumer of randomness forks a stream of its own, so that drawing once more in one
//! place moves nothing in another. All steps are fixed here: names are hashed with FNV-1a
//! (Fowler, Noll, Vo), mixed with SplitMix64 (Steele, Lea, Flood, "Fast splittable
//! pseudorandom number generators", 2014), and numbers come from ChaCha8 (Bernstein,
//! 2008). A seed therefore means the same run in every release and on every machine.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What everything random is drawn from. Any number will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of the stream `name`. Forks nest, and their order matters.
    pub fn fork(&self, name: &str) -> Seed {
        Seed(mix(self.0 ^ fnv1a(name.as_bytes())))
    }

    /// A generator at the start of this seed's stream.
    pub fn rng(&self) -> ChaCha8Rng {
        let mut key = [0; 32];
        let mut word = self.0;
        for chunk in key.chunks_exact_mut(8) {
            word = word.wrapping_add(GOLDEN_GAMMA);
            chunk.copy_from_slice(&mix(word).to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The finalizer of SplitMix64: a bijection that spreads every bit.
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

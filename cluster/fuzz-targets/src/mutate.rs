//! Changes inputs: bits, bytes, numbers, words, pieces of others. All of it from one seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Most changes to one input.
const MOST_CHANGES: usize = 8;
/// Bytes that are often a boundary of something.
const ODD_BYTES: &[u8] = &[
    0, 1, 0x7F, 0x80, 0xFF, b'\r', b'\n', b'0', b'-', b'"', b'\\',
];

/// Makes inputs of a corpus.
pub struct Mutator {
    rng: ChaCha8Rng,
    words: &'static [&'static str],
    most_bytes: usize,
}

impl Mutator {
    /// No input is longer than `most_bytes`.
    pub fn new(seed: u64, words: &'static [&'static str], most_bytes: usize) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            words,
            most_bytes,
        }
    }

    /// Below `bound`, or 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u64() % (bound.max(1) as u64)) as usize
    }

    /// The next input, made of one in the corpus.
    pub fn next(&mut self, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
        input.clear();
        let chosen = self.below(corpus.len());
        input.extend_from_slice(corpus.get(chosen).map_or(&[], Vec::as_slice));
        for _ in 0..=self.below(MOST_CHANGES) {
            self.change(corpus, input);
        }
        input.truncate(self.most_bytes);
    }

    fn change(&mut self, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let length = 1 + self.below(input.len().saturating_sub(at).min(64));
        let end = (at + length).min(input.len());
        match self.below(9) {
            0 => {
                let bit = self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            1 => {
                let odd = ODD_BYTES[self.below(ODD_BYTES.len())];
                if let Some(byte) = input.get_mut(at) {
                    *byte = odd;
                }
            }
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            4 | 5 => {
                let word = self.below(self.words.len());
                let word = self.words.get(word).copied().unwrap_or_default();
                let end = if self.below(2) == 0 { at } else { end };
                input.splice(at..end, word.bytes());
            }
            6 => {
                let other = self.below(corpus.len());
                let other = corpus.get(other).map_or(&[][..], Vec::as_slice);
                let from = self.below(other.len());
                let length = self.below((other.len() - from).min(256) + 1);
                input.splice(at..end, other[from..from + length].iter().copied());
            }
            7 => self.change_number(at, input),
            _ => {
                let byte = self.rng.next_u64() as u8;
                input.insert(at, byte);
            }
        }
    }

    /// Adds a little to a number in binary, or writes a large one.
    fn change_number(&mut self, at: usize, input: &mut [u8]) {
        let width = 1 << self.below(4);
        let Some(bytes) = input.get_mut(at..at + width) else {
            return;
        };
        let mut number = [0; 8];
        number[..width].copy_from_slice(bytes);
        let number = u64::from_le_bytes(number);
        let little = self.rng.next_u64() % 33;
        let number = match self.rng.next_u64() % 4 {
            0 => number.wrapping_add(little),
            1 => number.wrapping_sub(little),
            2 => u64::MAX.wrapping_sub(little),
            _ => 1 << (self.rng.next_u64() % 64),
        };
        bytes.copy_from_slice(&number.to_le_bytes()[..width]);
    }
}

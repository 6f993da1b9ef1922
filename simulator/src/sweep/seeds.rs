//! Ranges of seeds, and shards of them, as they are written on the command line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Seeds `first` to `last`, both included. Written `1..100`, or `7` for a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SeedRange {
    /// Included.
    pub first: u64,
    /// Included; at least `first`.
    pub last: u64,
}

impl SeedRange {
    /// From the first to the last.
    pub fn iter(self) -> impl Iterator<Item = u64> {
        self.first..=self.last
    }

    /// How many there are; as many as can be counted of all 2^64.
    #[allow(clippy::len_without_is_empty)] // a range has at least one seed
    pub fn len(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl FromStr for SeedRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("`{text}`: expected seeds such as 1..100 (both included), or 7");
        let number = |digits: &str| digits.trim().parse::<u64>().map_err(|_| expected());
        let (first, last) = match text.split_once("..") {
            // As Rust writes a range with its end.
            Some((first, last)) => (
                number(first)?,
                number(last.strip_prefix('=').unwrap_or(last))?,
            ),
            None => (number(text)?, number(text)?),
        };
        if first > last {
            return Err(format!("`{text}`: the first seed is above the last"));
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for SeedRange {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}..{}", self.first, self.last),
        }
    }
}

/// Part `part` of `of`, counted from 1. Written `2/4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    /// From 1.
    pub part: u64,
    /// At least `part`.
    pub of: u64,
}

impl Shard {
    /// A sweep that is not split.
    pub const WHOLE: Shard = Shard { part: 1, of: 1 };

    /// Whether the task with this number, counted from 0, is this shard's. Dealt like
    /// cards, so that every shard gets its share of every scenario.
    pub fn has(self, task: u64) -> bool {
        task % self.of == self.part - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let parts = parts.and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((part, of)) if 1 <= part && part <= of => Ok(Self { part, of }),
            _ => Err(format!(
                "`{text}`: expected a shard such as 2/4, the second of four"
            )),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

/// Both are stored as they are written.
macro_rules! stored_as_text {
    ($name:ty) => {
        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
    };
}

stored_as_text!(SeedRange);
stored_as_text!(Shard);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_both_ends() {
        let seeds = |text: &str| {
            text.parse::<SeedRange>()
                .map(|r| (r.first, r.last, r.len()))
        };
        assert_eq!(seeds("1..100"), Ok((1, 100, 100)));
        assert_eq!(seeds("1..=100"), Ok((1, 100, 100)));
        assert_eq!(seeds("7"), Ok((7, 7, 1)));
        let all = format!("0..{}", u64::MAX);
        assert_eq!(seeds(&all), Ok((0, u64::MAX, u64::MAX)));
        for wrong in ["", "..", "1..", "5..4", "-1..2", "a..b"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shards_are_disjoint_and_miss_nothing() {
        let shards: Vec<Shard> = (1..=4).map(|part| Shard { part, of: 4 }).collect();
        for task in 0..100 {
            let owners = shards.iter().filter(|shard| shard.has(task));
            assert_eq!(owners.count(), 1, "task {task}");
        }
        for wrong in ["0/4", "5/4", "4", "a/b", "1/0"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}

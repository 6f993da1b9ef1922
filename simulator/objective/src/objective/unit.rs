//! Counts, prints and compares the values of figures: units, and the good side of a limit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fixed::{Number, SignedNumber};

/// How a figure is counted and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Small unit: microseconds.
    Ms,
    /// Small unit: one.
    Count,
    /// Small unit: parts per million.
    Percent,
    /// Small unit: thousandths.
    PerSecond,
    /// Small unit: bytes.
    Bytes,
}

/// On which side of the limit a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Smaller is better.
    AtMost,
    /// Larger is better.
    AtLeast,
}

impl Bound {
    /// Whether the value keeps the limit; the limit itself does.
    pub fn is_kept<T: PartialOrd>(self, value: T, limit: T) -> bool {
        match self {
            Bound::AtMost => value <= limit,
            Bound::AtLeast => value >= limit,
        }
    }

    /// As in tables: `≤` or `≥`.
    pub fn sign(self) -> &'static str {
        match self {
            Bound::AtMost => "≤",
            Bound::AtLeast => "≥",
        }
    }
}

impl Unit {
    /// From the small unit.
    pub fn number(self, value: u64) -> Number {
        Number::of(match self {
            Unit::Ms | Unit::PerSecond => value.saturating_mul(10),
            Unit::Count | Unit::Bytes => value.saturating_mul(10_000),
            Unit::Percent => value,
        })
    }

    /// Number and unit, without needless decimals.
    pub fn text(self, number: Number) -> String {
        let digits = number.to_string();
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        match self {
            Unit::Ms => format!("{digits} ms"),
            Unit::Count => digits.to_owned(),
            Unit::Percent => format!("{digits} %"),
            Unit::PerSecond => format!("{digits}/s"),
            Unit::Bytes => bytes(number.get() / 10_000),
        }
    }
}

impl Unit {
    /// A difference, with its sign: `+1.2 ms`.
    pub fn signed_text(self, difference: SignedNumber) -> String {
        let sign = if difference.0 < 0 { '-' } else { '+' };
        format!("{sign}{}", self.text(difference.size()))
    }
}

/// In the largest decimal unit of which there is at least one, with one decimal, cut off.
fn bytes(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB")];
    let unit = units.into_iter().find(|(size, _)| bytes >= *size);
    unit.map_or(format!("{bytes} B"), |(size, name)| {
        format!("{}.{} {name}", bytes / size, bytes % size * 10 / size)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_unit_and_no_needless_decimals() {
        let text = |unit: Unit, value| unit.text(unit.number(value));
        assert_eq!(text(Unit::Ms, 1_203_400), "1203.4 ms");
        assert_eq!(text(Unit::Percent, 999_000), "99.9 %");
        assert_eq!(text(Unit::PerSecond, 1_500), "1.5/s");
        assert_eq!(text(Unit::Count, 30), "30");
        assert_eq!(text(Unit::Bytes, 536_870_912), "536.8 MB");
        assert_eq!(text(Unit::Bytes, 12), "12 B");
    }

    #[test]
    fn a_limit_is_kept_by_itself() {
        assert!(Bound::AtMost.is_kept(5, 5) && !Bound::AtMost.is_kept(6, 5));
        assert!(Bound::AtLeast.is_kept(5, 5) && !Bound::AtLeast.is_kept(4, 5));
    }
}

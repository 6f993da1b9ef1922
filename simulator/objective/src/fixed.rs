//! Numbers with decimals that are integers inside, so that they print alike everywhere.
//!
//! Serialized as a JSON number. The float exists only for a moment while it is written:
//! the nearest double to an integer divided by a power of ten prints as exactly that
//! decimal fraction (for integers below 2^53, far beyond any run), and reads back as it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The decimal number `value / SCALE`; `SCALE` is a power of ten above one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fixed<const SCALE: u64>(pub u64);

/// Milliseconds, made of microseconds.
pub type Ms = Fixed<1_000>;
/// Seconds, made of microseconds.
pub type Seconds = Fixed<1_000_000>;
/// Percent, made of parts per million.
pub type Percent = Fixed<10_000>;
/// Per second, made of thousandths.
pub type PerSecond = Fixed<1_000>;
/// A number of whatever unit, made of ten-thousandths.
pub type Number = Fixed<10_000>;
/// How likely something is, 0 to 1, made of millionths.
pub type Chance = Fixed<1_000_000>;

impl<const SCALE: u64> Fixed<SCALE> {
    /// From the small unit.
    pub fn of(small: u64) -> Self {
        Self(small)
    }

    /// In the small unit.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// A change or a margin in percent, made of parts per million; negative ones, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedPercent(pub i64);

impl SignedPercent {
    /// How much `value` is above `base`; `None` if there is no base.
    pub fn above(value: Number, base: Number) -> Option<Self> {
        let difference = i128::from(value.get()) - i128::from(base.get());
        let share = (difference * 1_000_000).checked_div(i128::from(base.get()))?;
        // Beyond what a number in JSON holds exactly, more of it tells nothing more.
        const MOST: i128 = 1 << 52;
        Some(Self(share.clamp(-MOST, MOST) as i64))
    }
}

/// Of a share from 0 to 1; rounded up, so that nothing is said to be impossible.
pub fn chance(p: f64) -> Chance {
    Chance::of(((p * 1e6).ceil() as u64).clamp(1, 1_000_000))
}

/// The difference of two [`Number`]s, in ten-thousandths of their unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedNumber(pub i64);

impl SignedNumber {
    /// The nearest, of ten-thousandths; `None` if they are no number, or too many to be exact
    /// in JSON.
    pub fn nearest(ten_thousandths: f64) -> Option<Self> {
        let rounded = ten_thousandths.round();
        (rounded.abs() < 9e15).then_some(Self(rounded as i64))
    }

    /// Without its sign.
    pub fn size(self) -> Number {
        Number::of(self.0.unsigned_abs())
    }
}

impl Serialize for SignedNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 10_000.0)
    }
}

impl<'de> Deserialize<'de> for SignedNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        let read = Self::nearest(number * 10_000.0);
        read.ok_or_else(|| serde::de::Error::custom(format!("{number} is out of range")))
    }
}

impl JsonSchema for SignedNumber {
    fn schema_name() -> Cow<'static, str> {
        "SignedNumber".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}

/// With its sign and one decimal, or as many as asked for: `+12.5 %`.
impl fmt::Display for SignedPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "+" };
        let digits = f.precision().unwrap_or(1);
        let text = format!("{sign}{:.digits$} %", Percent::of(self.0.unsigned_abs()));
        f.pad(&text)
    }
}

impl Serialize for SignedPercent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 10_000.0)
    }
}

impl<'de> Deserialize<'de> for SignedPercent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if !(-9e11..9e11).contains(&number) {
            return Err(serde::de::Error::custom(format!(
                "{number} is out of range"
            )));
        }
        Ok(Self((number * 10_000.0).round() as i64))
    }
}

/// All decimals, or as many as the precision asks for, cut off and not rounded: 99.9999 %
/// available must not print as 100.
impl<const SCALE: u64> fmt::Display for Fixed<SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = SCALE.ilog10() as usize;
        let fraction = format!("{:0digits$}", self.0 % SCALE);
        let shown = f.precision().unwrap_or(digits).min(digits);
        let point = if shown == 0 { "" } else { "." };
        f.pad_integral(
            true,
            "",
            &format!("{}{point}{}", self.0 / SCALE, &fraction[..shown]),
        )
    }
}

impl<const SCALE: u64> Serialize for Fixed<SCALE> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / SCALE as f64)
    }
}

impl<'de, const SCALE: u64> Deserialize<'de> for Fixed<SCALE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if !(0.0..9e15).contains(&(number * SCALE as f64)) {
            return Err(serde::de::Error::custom(format!(
                "{number} is out of range"
            )));
        }
        Ok(Self((number * SCALE as f64).round() as u64))
    }
}

/// The unit stands in the name of what holds it.
impl<const SCALE: u64> JsonSchema for Fixed<SCALE> {
    fn schema_name() -> Cow<'static, str> {
        format!("Fixed{}", SCALE.ilog10()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0 })
    }
}

impl JsonSchema for SignedPercent {
    fn schema_name() -> Cow<'static, str> {
        "SignedPercent".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_shows_the_exact_decimal_fraction_and_reads_it_back() {
        for (us, json) in [
            (1_234_567, "1234.567"),
            (1_100, "1.1"),
            (5_000, "5.0"),
            (1, "0.001"),
            (0, "0.0"),
            (86_400_000_001, "86400000.001"),
        ] {
            assert_eq!(serde_json::to_string(&Ms::of(us)).unwrap(), json);
            assert_eq!(serde_json::from_str::<Ms>(json).unwrap(), Ms::of(us));
        }
        assert!(serde_json::from_str::<Ms>("-1.0").is_err());
        assert_eq!(serde_json::from_str::<Ms>("7").unwrap(), Ms::of(7_000));
    }

    #[test]
    fn changes_have_a_sign() {
        let change = |value, base| SignedPercent::above(Number::of(value), Number::of(base));
        assert_eq!(
            change(150, 100).map(|c| c.to_string()),
            Some("+50.0 %".into())
        );
        assert_eq!(
            change(75, 100).map(|c| c.to_string()),
            Some("-25.0 %".into())
        );
        assert_eq!(change(1, 0), None);
        let json = serde_json::to_string(&SignedPercent(-125_000)).unwrap();
        assert_eq!(json, "-12.5");
        let back: SignedPercent = serde_json::from_str(&json).unwrap();
        assert_eq!(back, SignedPercent(-125_000));
    }

    #[test]
    fn differences_are_read_back_with_their_sign() {
        let difference = SignedNumber::nearest(-12_345.4).expect("in range");
        assert_eq!(
            (difference, difference.size()),
            (SignedNumber(-12_345), Number::of(12_345))
        );
        let json = serde_json::to_string(&difference).unwrap();
        assert_eq!(json, "-1.2345");
        assert_eq!(
            serde_json::from_str::<SignedNumber>(&json).unwrap(),
            difference
        );
        assert_eq!(SignedNumber::nearest(f64::NAN), None);
        assert!(serde_json::from_str::<SignedNumber>("1e300").is_err());
    }

    #[test]
    fn text_cuts_off_and_never_rounds_up() {
        assert_eq!(Percent::of(999_999).to_string(), "99.9999");
        assert_eq!(format!("{:.2}", Percent::of(999_999)), "99.99");
        assert_eq!(
            format!("{:.0}|{:>6.1}", Ms::of(1_999), Ms::of(1_999)),
            "1|   1.9"
        );
    }
}

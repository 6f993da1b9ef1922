//! Quantities with a unit, as authors write them: `"100ms"`, `"1KiB"`, `"200/s"`, `"80%"`.
//!
//! A number without a unit is the classic way to be wrong by a factor of a thousand, so
//! every quantity is a string with a unit and a type of its own. Values are kept as exact
//! integers (microseconds, bytes, operations an hour, parts per million); text that is
//! finer than the type holds is refused, never rounded.
//!
//! Sizes follow SI and IEC: `KB`, `MB`, `GB` are powers of 1,000; `KiB`, `MiB`, `GiB` are
//! powers of 1,024.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

pub use crate::text::{duration_text, fine_duration_text, offset_text, share_text};

/// Declares a quantity: its newtype, how it is parsed and printed, and its serde form.
macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($inner:ty) = $dimension:expr, $text:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
        pub struct $name(pub $inner);

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let value = $dimension.parse(text)?;
                let value = <$inner>::try_from(value);
                Ok($name(value.expect("a dimension's limits fit its type")))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = deserializer.deserialize_str(Text($dimension.expected))?;
                text.parse().map_err(D::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(&$text(self.0))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $inner {
            fn from(quantity: $name) -> Self {
                quantity.0
            }
        }
    };
}

quantity!(
    /// Microseconds, zero or more, at most 1,000 hours.
    Duration(u64) = DURATION, duration_text
);
quantity!(
    /// Nanoseconds, zero or more, at most an hour: what hardware takes.
    FineDuration(u64) = FINE_DURATION, fine_duration_text
);
quantity!(
    /// Microseconds, negative ones too, at most 1,000 hours either way.
    Offset(i64) = OFFSET, offset_text
);
quantity!(
    /// Bytes, at most 1 TB.
    Size(u64) = SIZE, |bytes| format!("{bytes}B")
);
quantity!(
    /// Bytes a second, at least one, at most 1 TB/s.
    Bandwidth(u64) = BANDWIDTH, |bytes| format!("{bytes}B/s")
);
quantity!(
    /// Operations an hour, so that `/s`, `/m` and `/h` are all exact; at least one an
    /// hour and at most 100,000 a second.
    Rate(u64) = RATE, |an_hour| format!("{an_hour}/h")
);
quantity!(
    /// Parts per million, 0 to 1,000,000.
    Share(u32) = SHARE, share_text
);
quantity!(
    /// Parts per million by which a clock runs fast (or slow, when negative), at most
    /// 10% either way.
    Drift(i32) = DRIFT, |ppm| format!("{ppm}ppm")
);

/// The serde form of a bare number: the text of the quantity `Q`, as in
/// `#[serde(with = "As::<Duration>")]`.
pub struct As<Q>(PhantomData<Q>);

impl<Q> As<Q> {
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<N, S>(number: &N, serializer: S) -> Result<S::Ok, S::Error>
    where
        N: Copy,
        Q: From<N> + Serialize,
        S: Serializer,
    {
        Q::from(*number).serialize(serializer)
    }

    /// # Errors
    /// The text is no such quantity.
    pub fn deserialize<'de, N, D>(deserializer: D) -> Result<N, D::Error>
    where
        Q: Into<N> + Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Q::deserialize(deserializer).map(Q::into)
    }
}

impl Rate {
    /// Microseconds between operations, to the nearest.
    pub fn interval_us(self) -> u64 {
        let hour_us = 3_600_000_000;
        (hour_us + self.0 / 2) / self.0
    }
}

impl Duration {
    /// Microseconds.
    pub fn us(self) -> u64 {
        self.0
    }

    /// Whole milliseconds; a remainder is dropped, which the scenario's check refuses
    /// wherever milliseconds are what the cluster takes.
    pub fn ms(self) -> u64 {
        self.0 / 1_000
    }
}

/// Bounds of a quantity that is drawn: `{ min = "1ms", max = "5ms" }`, or one value for
/// both. A bound left out takes the default of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds<T> {
    /// The least; absent, the default.
    pub min: Option<T>,
    /// The most; absent, the default.
    pub max: Option<T>,
}

impl<T> Default for Bounds<T> {
    fn default() -> Self {
        Bounds {
            min: None,
            max: None,
        }
    }
}

impl<T: Copy> Bounds<T> {
    /// Both bounds, with the missing ones filled in.
    pub fn or(&self, default: (T, T)) -> (T, T) {
        (self.min.unwrap_or(default.0), self.max.unwrap_or(default.1))
    }
}

impl<'de, T: Deserialize<'de> + FromStr<Err = String> + Copy> Deserialize<'de> for Bounds<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BoundsVisitor(std::marker::PhantomData))
    }
}

struct BoundsVisitor<T>(std::marker::PhantomData<T>);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct BoundsTable<T> {
    min: Option<T>,
    max: Option<T>,
}

impl<'de, T: Deserialize<'de> + FromStr<Err = String> + Copy> Visitor<'de> for BoundsVisitor<T> {
    type Value = Bounds<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("bounds such as { min = \"1ms\", max = \"5ms\" }, or one value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bounds<T>, E> {
        let value = Some(text.parse().map_err(E::custom)?);
        Ok(Bounds {
            min: value,
            max: value,
        })
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Bounds<T>, A::Error> {
        let table = BoundsTable::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(Bounds {
            min: table.min,
            max: table.max,
        })
    }
}

/// What kind of quantity a text is, and the units it may be written in.
struct Dimension {
    noun: &'static str,
    expected: &'static str,
    /// Name and size in the base unit.
    units: &'static [(&'static str, i128)],
    /// The base unit, the finest step.
    step: &'static str,
    min: (i128, &'static str),
    max: (i128, &'static str),
}

const HOURS_1000_US: i128 = 3_600_000_000_000;
const TIME_UNITS: &[(&str, i128)] = &[
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
];

const DURATION: Dimension = Dimension {
    noun: "duration",
    expected: "a duration such as \"100ms\"",
    units: TIME_UNITS,
    step: "1us",
    min: (0, "0s"),
    max: (HOURS_1000_US, "1000h"),
};
const FINE_DURATION: Dimension = Dimension {
    noun: "duration",
    expected: "a duration such as \"2.5us\"",
    units: &[
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
    ],
    step: "1ns",
    min: (0, "0s"),
    max: (3_600_000_000_000, "3600s"),
};
const OFFSET: Dimension = Dimension {
    noun: "clock offset",
    expected: "a clock offset such as \"-50ms\"",
    min: (-HOURS_1000_US, "-1000h"),
    ..DURATION
};
const SIZE: Dimension = Dimension {
    noun: "size",
    expected: "a size such as \"1KB\"",
    units: &[
        ("B", 1),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ],
    step: "1B",
    min: (0, "0B"),
    max: (1_000_000_000_000, "1000GB"),
};
const BANDWIDTH: Dimension = Dimension {
    noun: "bandwidth",
    expected: "a bandwidth such as \"10MB/s\"",
    units: &[
        ("B/s", 1),
        ("KB/s", 1_000),
        ("MB/s", 1_000_000),
        ("GB/s", 1_000_000_000),
        ("KiB/s", 1 << 10),
        ("MiB/s", 1 << 20),
        ("GiB/s", 1 << 30),
    ],
    step: "1B/s",
    min: (1, "1B/s"),
    max: (1_000_000_000_000, "1000GB/s"),
};
const RATE: Dimension = Dimension {
    noun: "rate",
    expected: "a rate such as \"200/s\"",
    units: &[("/s", 3_600), ("/m", 60), ("/h", 1)],
    step: "1/h",
    min: (1, "1/h"),
    max: (360_000_000, "100000/s"),
};
const SHARE: Dimension = Dimension {
    noun: "share",
    expected: "a share such as \"80%\"",
    units: &[("%", 10_000), ("ppm", 1)],
    step: "1ppm",
    min: (0, "0%"),
    max: (1_000_000, "100%"),
};
const DRIFT: Dimension = Dimension {
    noun: "clock drift",
    expected: "a clock drift such as \"100ppm\" or \"-0.01%\"",
    min: (-100_000, "-10%"),
    max: (100_000, "10%"),
    ..SHARE
};

impl Dimension {
    /// The value in base units, or what is wrong with the text.
    fn parse(&self, text: &str) -> Result<i128, String> {
        let noun = self.noun;
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            // Where there are negative values, positive ones may say so.
            None if self.min.0 < 0 => (false, text.strip_prefix('+').unwrap_or(text)),
            None => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, unit) = unsigned.split_at(end.unwrap_or(unsigned.len()));
        let Some((digits, divisor)) = decimal(number) else {
            return Err(format!("`{text}` is not {}", self.expected));
        };
        let known = || self.units.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        if unit.is_empty() {
            let units = known().join(", ");
            return Err(format!(
                "{noun} `{text}` has no unit, expected one of {units}"
            ));
        }
        let Some((_, factor)) = self.units.iter().find(|(name, _)| *name == unit) else {
            let units = known().join(", ");
            return Err(format!(
                "unknown unit `{unit}` in {noun} `{text}`, expected one of {units}"
            ));
        };
        if negative && self.min.0 >= 0 {
            return Err(format!("negative {noun} `{text}`"));
        }
        let scaled = digits * factor;
        if scaled % divisor != 0 {
            return Err(format!("{noun} `{text}` is finer than {}", self.step));
        }
        let value = scaled / divisor * if negative { -1 } else { 1 };
        if value < self.min.0 {
            return Err(format!("{noun} `{text}` is below {}", self.min.1));
        }
        if value > self.max.0 {
            return Err(format!("{noun} `{text}` is above {}", self.max.1));
        }
        Ok(value)
    }
}

/// `12.5` as `(125, 10)`. Eighteen digits are enough for every unit and cannot overflow.
fn decimal(text: &str) -> Option<(i128, i128)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || fraction.is_empty() || whole.len() + fraction.len() > 18 {
        return None;
    }
    let digits = format!("{whole}{fraction}").parse().ok()?;
    Some((digits, 10_i128.pow(fraction.len() as u32)))
}

/// Reads a string, and says what was expected when it is something else.
struct Text(&'static str);

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

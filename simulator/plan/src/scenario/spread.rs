//! Reads the distributions of sizes and keys: `payload`, `access`.

use serde::Deserialize;
use serde::de::{
    Deserializer, Error, MapAccess, SeqAccess, Visitor,
    value::{MapAccessDeserializer, SeqAccessDeserializer},
};

use super::unit::{Duration, Share, Size};

/// The size of a message or value: `"1KB"`, one size; `{ min = "100B", max = "4KB" }`, any
/// between; `[{ size = "1KB", share = "90%" }, { size = "64KB", share = "10%" }]`, a mix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// All of this size.
    Fixed(Size),
    /// Any size between, each as likely.
    Uniform {
        /// Included.
        min: Size,
        /// Included.
        max: Size,
    },
    /// Shares that make 100% together.
    Mix(Vec<SizeShare>),
}

/// A size of a mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeShare {
    /// Of a message or value.
    pub size: Size,
    /// How many of all have it.
    pub share: Share,
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PayloadVisitor)
    }
}

struct PayloadVisitor;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UniformTable {
    min: Size,
    max: Size,
}

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a size such as \"1KB\", bounds, or a list of sizes with their shares")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Payload, E> {
        text.parse().map(Payload::Fixed).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Payload, A::Error> {
        let UniformTable { min, max } = UniformTable::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Payload::Uniform { min, max })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Payload, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(sequence)).map(Payload::Mix)
    }
}

/// Which keys are used how often. Absent: all the same.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// The k-th most popular key is used in proportion to 1 / k^zipf.
    pub zipf: Option<Exponent>,
    /// This share of the keys …
    pub hot: Option<Share>,
    /// … gets this share of the operations.
    pub share: Option<Share>,
    /// Every so often other keys take the place of the popular ones. Default never.
    pub shift: Option<Duration>,
}

/// Millionths, 0.01 to 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exponent(pub u32);

impl<'de> Deserialize<'de> for Exponent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let exponent = f64::deserialize(deserializer)?;
        if !(0.01..=4.0).contains(&exponent) {
            let message = format!("a zipf exponent must be 0.01 to 4, not {exponent}");
            return Err(D::Error::custom(message));
        }
        Ok(Exponent((exponent * 1e6).round() as u32))
    }
}

//! Values of `[objectives]` that are a text or a table: `"1%"`, `{ max = "1%", grace = "5s" }`.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};

use super::objectives::{AtLeast, ErrorRate, ToleranceText};
use super::unit::{Duration, Share};
use squall_objective::baseline::{Kind, Tolerance};

/// Reads a text as the value itself, or a table as `T`.
struct TextOr<T, F>(&'static str, F, std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>, O, F> Visitor<'de> for TextOr<T, F>
where
    F: FnOnce(Result<&str, T>) -> Result<O, String>,
{
    type Value = O;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<O, E> {
        (self.1)(Ok(text)).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<O, A::Error> {
        let table = T::deserialize(MapAccessDeserializer::new(map))?;
        (self.1)(Err(table)).map_err(A::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ErrorRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Table {
            max: Option<Share>,
            warmup: Option<Share>,
            chaos: Option<Share>,
            serve: Option<Share>,
            grace: Option<Duration>,
        }
        let read = |written: Result<&str, Table>| match written {
            Ok(text) => Ok(ErrorRate {
                max: Some(Share::from_str(text)?),
                ..ErrorRate::default()
            }),
            Err(table) => Ok(ErrorRate {
                max: table.max,
                warmup: table.warmup,
                chaos: table.chaos,
                serve: table.serve,
                grace: table.grace,
            }),
        };
        let expected = "a share such as \"1%\", or { max, warmup, chaos, serve, grace }";
        deserializer.deserialize_any(TextOr(expected, read, Default::default()))
    }
}

impl<'de> Deserialize<'de> for AtLeast {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            min: Share,
            grace: Option<Duration>,
        }
        let read = |written: Result<&str, Table>| match written {
            Ok(text) => Ok(AtLeast {
                min: Share::from_str(text)?,
                grace: None,
            }),
            Err(Table { min, grace }) => Ok(AtLeast { min, grace }),
        };
        let expected = "a share such as \"99%\", or { min = \"99%\", grace = \"5s\" }";
        deserializer.deserialize_any(TextOr(expected, read, Default::default()))
    }
}

impl<'de> Deserialize<'de> for ToleranceText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |written: Result<&str, BTreeMap<Kind, Share>>| match written {
            Ok(text) => Ok(ToleranceText(Tolerance::uniform(Share::from_str(text)?.0))),
            Err(table) => {
                let mut tolerance = Tolerance::default();
                for (kind, share) in table {
                    tolerance.set(kind, share.0);
                }
                Ok(ToleranceText(tolerance))
            }
        };
        let expected = "a share such as \"10%\", or a table such as { latency = \"20%\" }";
        deserializer.deserialize_any(TextOr(expected, read, Default::default()))
    }
}

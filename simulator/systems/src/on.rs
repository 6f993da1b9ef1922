//! On which nodes an entry of a system file counts.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Nodes by their numbers from 1: `"all"`, `"1"`, `"2.."` or `"1..3"`, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum On {
    /// Every node.
    #[default]
    All,
    /// From one to another; without an end, to the last.
    Some {
        /// From 1.
        from: usize,
        /// Included.
        to: Option<usize>,
    },
}

impl On {
    /// Whether it counts on the node of this index from 0.
    pub fn has(&self, index: usize) -> bool {
        match *self {
            On::All => true,
            On::Some { from, to } => index + 1 >= from && to.is_none_or(|to| index < to),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "all" {
            return Some(On::All);
        }
        let number = |text: &str| text.parse().ok().filter(|number: &usize| *number > 0);
        let (from, to) = match text.split_once("..") {
            None => (number(text)?, Some(number(text)?)),
            Some((from, "")) => (number(from)?, None),
            Some((from, to)) => (number(from)?, Some(number(to)?)),
        };
        to.is_none_or(|to| to >= from)
            .then_some(On::Some { from, to })
    }
}

impl<'de> Deserialize<'de> for On {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        On::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` names no nodes, expected `all`, `1`, `2..` or `1..3`"
            ))
        })
    }
}

impl JsonSchema for On {
    fn schema_name() -> Cow<'static, str> {
        "On".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Nodes by their numbers from 1: all, 1, 2.. or 1..3.",
            "pattern": r"^(all|[1-9][0-9]*(\.\.([1-9][0-9]*)?)?)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_named_by_numbers_and_ranges() {
        for (text, expected) in [
            ("all", Some([true, true, true])),
            ("1", Some([true, false, false])),
            ("2..", Some([false, true, true])),
            ("1..2", Some([true, true, false])),
            ("0", None),
            ("3..2", None),
            ("first", None),
        ] {
            let on = On::parse(text).map(|on| [0, 1, 2].map(|index| on.has(index)));
            assert_eq!(on, expected, "{text}");
        }
    }
}

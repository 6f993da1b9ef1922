//! `[[region]]`: where nodes stand, and how far apart.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::unit::{Bounds, Duration};

/// A place with nodes that are near each other: `[network]` says how near.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Unique; as reports show it.
    pub name: Spanned<String>,
    /// Every node is in one region.
    pub nodes: Spanned<Vec<Spanned<String>>>,
    /// Clients are here. Default: in the first region.
    #[serde(default)]
    pub clients: bool,
    /// One way to other regions, by name; the way back is the same. Written once a pair.
    #[serde(default)]
    pub latency: BTreeMap<Spanned<String>, Spanned<Bounds<Duration>>>,
}

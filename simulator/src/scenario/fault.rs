//! `[[fault]]`: when, for how long, how often, and exactly one action.
//!
//! Serde cannot say "exactly one of these keys" and keep places and unknown-key errors, so
//! the table has a field for each action and the checks count them.

use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::unit::{Bandwidth, Duration, Share};
use crate::fault::Target;

pub type Targets = Vec<Spanned<Target>>;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// From the start of the chaos phase.
    pub at: Spanned<Duration>,
    /// It heals by itself after this long; without it, at the end of the chaos phase.
    #[serde(rename = "for")]
    pub lasts: Option<Spanned<Duration>>,
    pub repeat: Option<Spanned<Repeat>>,

    /// SIGKILL; started again when it heals.
    pub kill: Option<Spanned<Targets>>,
    /// Graceful; started again when it heals.
    pub stop: Option<Spanned<Targets>>,
    /// The process stands still and then goes on.
    pub pause: Option<Spanned<Targets>>,
    /// Killed, and unsynced writes are lost; started again when it heals.
    pub power_loss: Option<Spanned<Targets>>,
    /// Cut off from every other node.
    pub isolate: Option<Spanned<Targets>>,
    /// Sides that cannot reach each other. Nodes on no side reach everyone.
    pub partition: Option<Spanned<Vec<Spanned<Targets>>>>,
    /// Of a partition: only messages from the first side to the second are lost.
    pub one_way: Option<Spanned<bool>>,
    /// Of a partition: the node that both sides still reach.
    pub bridge: Option<Spanned<Target>>,
    pub link: Option<Spanned<Link>>,
    /// Leadership is handed to this node.
    pub transfer: Option<Spanned<Target>>,
}

/// The fault happens `times` times, its starts `every` apart.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    pub every: Spanned<Duration>,
    pub times: Spanned<u64>,
}

/// Messages from each node of `from` to each of `to` get worse; the way back does not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub from: Spanned<Ends>,
    pub to: Spanned<Ends>,
    /// Added to the base latency.
    pub latency: Option<Duration>,
    /// Added at random to single packets, up to this much.
    pub jitter: Option<Duration>,
    pub loss: Option<Share>,
    pub bandwidth: Option<Bandwidth>,
}

/// One end of a link: a list of targets, or a single one such as `"all"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ends(pub Targets);

impl<'de> Deserialize<'de> for Ends {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EndsVisitor)
    }
}

struct EndsVisitor;

impl<'de> serde::de::Visitor<'de> for EndsVisitor {
    type Value = Ends;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a list of targets, or \"all\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Ends, E> {
        let target = text.parse().map_err(E::custom)?;
        Ok(Ends(vec![super::section::unwritten(target)]))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Ends, A::Error> {
        let mut targets = Vec::new();
        while let Some(target) = seq.next_element()? {
            targets.push(target);
        }
        Ok(Ends(targets))
    }
}

impl Fault {
    /// The lists of targets of actions that take just a list, with their keys.
    pub(super) fn lists(&self) -> [(&'static str, &Option<Spanned<Targets>>); 5] {
        [
            ("kill", &self.kill),
            ("stop", &self.stop),
            ("pause", &self.pause),
            ("power_loss", &self.power_loss),
            ("isolate", &self.isolate),
        ]
    }
}

//! `[[fault]]`: when, for how long, how often, and exactly one action.
//!
//! Serde cannot say "exactly one of these keys" and keep places and unknown-key errors, so
//! the table has a field for each action and the checks count them.

use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::unit::{Bandwidth, Drift, Duration, Offset, Share};
use squall_fault::{Moment, Target};

pub type Targets = Vec<Spanned<Target>>;

/// A key, where it is written, and the actions that know it.
pub(super) type Detail = (
    &'static str,
    Option<std::ops::Range<usize>>,
    &'static [&'static str],
);

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
    /// The process dies and its disk is emptied; replaced when it heals.
    pub wipe: Option<Spanned<Targets>>,
    /// The process dies again and again; see `up` and `down`.
    pub crash_loop: Option<Spanned<Targets>>,
    /// Each in turn is stopped and started again; see `up` and `down`.
    pub rolling_restart: Option<Spanned<Targets>>,
    /// Of a crash loop or a rolling restart: time between a start and the next end. Default
    /// 500 ms and 1 s.
    pub up: Option<Spanned<Duration>>,
    /// Of a crash loop or a rolling restart: time between an end and the next start. Default
    /// 500 ms and 1 s.
    pub down: Option<Spanned<Duration>>,
    /// Disks go wrong, by `slow_sync` or by what `damage` says.
    pub disk: Option<Spanned<Targets>>,
    /// Of a disk: every sync takes this much longer.
    pub slow_sync: Option<Spanned<Duration>>,
    pub damage: Option<Spanned<Damage>>,
    /// Clocks go wrong, by `offset`, `drift` or `jump`.
    pub clock: Option<Spanned<Targets>>,
    /// Of a clock: off by this much until it heals.
    pub offset: Option<Spanned<Offset>>,
    /// Of a clock: this much too fast until it heals.
    pub drift: Option<Spanned<Drift>>,
    /// Of a clock: set by this much, for good.
    pub jump: Option<Spanned<Offset>>,
    pub member: Option<Spanned<Member>>,
    pub client: Option<Spanned<Misdeed>>,
    /// Fires at the first such moment from `at` on, instead of at `at`.
    pub when: Option<Spanned<Moment>>,
    /// As if drawn by `[chaos]`: while the budget is spent it waits, within its own time; if
    /// there is never room for it, or nobody whom it could hit, the run is none the worse. It
    /// ends with the chaos phase at the latest.
    #[serde(default)]
    pub within_budget: bool,
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

/// What a disk does wrong, but for being slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    FailingSync,
    ReadError,
    WriteError,
    Full,
    BitRot,
    MisdirectedWrite,
    TornTail,
}

/// Exactly one of these.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// A spare joins, and leaves when the fault heals.
    pub add: Option<Spanned<Target>>,
    /// A member leaves, and joins again when the fault heals.
    pub remove: Option<Spanned<Target>>,
    /// A member is replaced by an empty machine.
    pub replace: Option<Spanned<Target>>,
}

impl Member {
    pub(super) fn changes(&self) -> [(&'static str, &Option<Spanned<Target>>); 3] {
        [
            ("add", &self.add),
            ("remove", &self.remove),
            ("replace", &self.replace),
        ]
    }
}

/// Exactly one of these: to how many clients it happens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Misdeed {
    /// They vanish with what they asked for; others take their places.
    pub crash: Option<Spanned<u64>>,
    /// They give up early and ask again at once.
    pub retry_storm: Option<Spanned<u64>>,
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
    /// Details that only some actions have, each with its key, its place, and the actions
    /// that it belongs to.
    pub(super) fn details(&self) -> [Detail; 9] {
        fn place<T>(value: &Option<Spanned<T>>) -> Option<std::ops::Range<usize>> {
            value.as_ref().map(Spanned::span)
        }
        const RESTARTS: &[&str] = &["crash_loop", "rolling_restart"];
        [
            ("one_way", place(&self.one_way), &["partition"]),
            ("bridge", place(&self.bridge), &["partition"]),
            ("up", place(&self.up), RESTARTS),
            ("down", place(&self.down), RESTARTS),
            ("slow_sync", place(&self.slow_sync), &["disk"]),
            ("damage", place(&self.damage), &["disk"]),
            ("offset", place(&self.offset), &["clock"]),
            ("drift", place(&self.drift), &["clock"]),
            ("jump", place(&self.jump), &["clock"]),
        ]
    }

    /// See `up`.
    pub fn up_us(&self) -> u64 {
        self.rest_us(&self.up)
    }

    /// See `down`.
    pub fn down_us(&self) -> u64 {
        self.rest_us(&self.down)
    }

    fn rest_us(&self, written: &Option<Spanned<Duration>>) -> u64 {
        let default_us = match self.rolling_restart {
            Some(_) => 1_000_000,
            None => 500_000,
        };
        written
            .as_ref()
            .map_or(default_us, |time| time.get_ref().us())
    }

    /// Whether it is over at once, so that there is nothing to wait for or to heal.
    pub(super) fn is_instant(&self) -> bool {
        let is_crash = |client: &Spanned<Misdeed>| client.get_ref().crash.is_some();
        self.transfer.is_some() || self.jump.is_some() || self.client.as_ref().is_some_and(is_crash)
    }

    /// The lists of targets of actions that take just a list, with their keys.
    pub(super) fn lists(&self) -> [(&'static str, &Option<Spanned<Targets>>); 10] {
        [
            ("kill", &self.kill),
            ("stop", &self.stop),
            ("pause", &self.pause),
            ("power_loss", &self.power_loss),
            ("isolate", &self.isolate),
            ("wipe", &self.wipe),
            ("crash_loop", &self.crash_loop),
            ("rolling_restart", &self.rolling_restart),
            ("disk", &self.disk),
            ("clock", &self.clock),
        ]
    }
}

//! `[[load]]` and `[stress]`: how much is asked of the cluster, and when.
//!
//! A load is a list of steps that follow each other through the chaos phase, which is as
//! long as they are. The unit is either virtual users, each of which asks, is answered,
//! thinks, and asks again; or a rate, at which operations start whether or not the ones
//! before them were answered. During the warm-up the load stays at the level of the first
//! step; after the last step it stays at that step's level.
//!
//! A stress test makes its steps itself, until a limit breaks.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use toml::Spanned;

use super::unit::{Bounds, Duration, Rate, Share, Size};
use super::workload::Workload;

/// `[[load]]`: one step.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadStep {
    /// Virtual users, of all workloads together. All steps have `users`, or all have `rate`.
    pub users: Option<Spanned<u64>>,
    /// Operations that start, of all workloads together.
    pub rate: Option<Spanned<Rate>>,
    /// How long the load takes from the level before to this one, in a straight line.
    /// Default: it jumps. The first step has none.
    pub ramp: Option<Spanned<Duration>>,
    /// How long it stays there. Default not at all.
    pub hold: Option<Spanned<Duration>>,
    /// With `users`: pause of each user in this step. Default: that of its workload.
    pub think: Option<Spanned<Bounds<Duration>>>,
    /// With `rate`: operations come so many at a time, at the same mean rate. Default 1.
    pub burst: Option<Spanned<Counts>>,
    /// In this step, in place of the `weight`s of the workloads: `{ cache = 8, queue-2 = 1 }`.
    #[serde(default)]
    pub weights: BTreeMap<Spanned<String>, Spanned<u64>>,
}

/// `[stress]`: steps of a load that go up until something breaks, and one that goes back.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stress {
    /// Levels of the steps. Either this or `rate`.
    pub users: Option<Spanned<Levels<u64>>>,
    /// As `users`, for operations that start.
    pub rate: Option<Spanned<Levels<Rate>>>,
    /// Length of a step. Default 10 s.
    pub hold: Option<Spanned<Duration>>,
    /// The beginning of a step that is not judged. Default a fifth of `hold`.
    pub settle: Option<Spanned<Duration>>,
    /// How long the load is back at `from` after something broke; its second half is judged.
    /// Default 20 s.
    pub recover: Option<Spanned<Duration>>,
    /// What ends the climb.
    pub limits: Spanned<Limits>,
}

/// From one level by steps of one size to another.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels<T> {
    /// Level of the first step, and of the recovery.
    pub from: T,
    /// Difference between two steps.
    pub by: T,
    /// Level of the last step at most.
    pub to: T,
}

/// What a step must keep. At least one is written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Most operations that fail or are never answered.
    pub error_rate: Option<Share>,
    /// Of all operations, from their intended start.
    pub p99: Option<Duration>,
    /// With `rate`: most of the operations that should have started and did not finish.
    pub unserved: Option<Share>,
    /// Most memory of any node; known on containers only.
    pub memory: Option<Size>,
    /// Mean load of the busiest node, of one processor; known on containers only.
    pub cpu: Option<Share>,
}

impl Limits {
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            error_rate,
            p99,
            unserved,
            memory,
            cpu,
        } = self;
        let shares = [error_rate, unserved, cpu];
        shares.iter().all(|share| share.is_none()) && p99.is_none() && memory.is_none()
    }
}

/// `100`, or `{ min = 50, max = 200 }`: drawn anew each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// At least 1.
    pub min: u64,
    /// At least `min`.
    pub max: u64,
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountsVisitor)
    }
}

struct CountsVisitor;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountsTable {
    min: u64,
    max: u64,
}

impl<'de> Visitor<'de> for CountsVisitor {
    type Value = Counts;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a number, or bounds such as { min = 50, max = 200 }")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Counts, E> {
        let count = u64::try_from(number).map_err(|_| E::custom("expected a positive number"))?;
        Ok(Counts {
            min: count,
            max: count,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Counts, A::Error> {
        let table = CountsTable::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Counts {
            min: table.min,
            max: table.max,
        })
    }
}

impl LoadStep {
    /// The weight of each workload in this step.
    pub fn shares(&self, named: &[(String, &Workload)]) -> impl Iterator<Item = u64> {
        let weight = |(name, workload): &(String, &Workload)| {
            let written = self.weights.get(name.as_str());
            written.map_or_else(|| workload.weight(), |weight| *weight.get_ref())
        };
        named.iter().map(weight)
    }

    /// As written, or none: the load jumps.
    pub fn ramp(&self) -> Duration {
        self.ramp
            .as_ref()
            .map_or(Duration(0), |ramp| *ramp.get_ref())
    }

    /// As written, or none.
    pub fn hold(&self) -> Duration {
        self.hold
            .as_ref()
            .map_or(Duration(0), |hold| *hold.get_ref())
    }
}

impl Stress {
    /// As written, or 10 s.
    pub fn hold(&self) -> Duration {
        super::workload::written(&self.hold, Duration(10_000_000))
    }

    /// As written, or a fifth of the step.
    pub fn settle(&self) -> Duration {
        super::workload::written(&self.settle, Duration(self.hold().us() / 5))
    }

    /// As written, or 20 s.
    pub fn recover(&self) -> Duration {
        super::workload::written(&self.recover, Duration(20_000_000))
    }
}

impl super::Scenario {
    /// Length of the chaos phase: as written, or as long as the load.
    pub fn chaos_length(&self) -> Duration {
        let compress = *self.phases.compress.get_ref();
        if let Some(stress) = &self.stress {
            let stress = stress.get_ref();
            let steps = stress.step_count();
            let longest = steps * stress.hold().us() + stress.recover().us();
            return Duration(longest / compress);
        }
        let steps = self.load.iter().map(Spanned::get_ref);
        let lengths = steps.map(|step| (step.ramp().us() + step.hold().us()) / compress);
        match self.load.is_empty() {
            true => *self.phases.chaos.get_ref(),
            false => Duration(lengths.sum()),
        }
    }
}

impl Stress {
    /// Steps up, at most.
    pub fn step_count(&self) -> u64 {
        let of = |from: u64, by: u64, to: u64| (to - from) / by.max(1) + 1;
        match (&self.users, &self.rate) {
            (Some(users), _) => {
                let Levels { from, by, to } = *users.get_ref();
                of(from, by, to)
            }
            (None, Some(rate)) => {
                let Levels { from, by, to } = *rate.get_ref();
                of(from.0, by.0, to.0)
            }
            (None, None) => 0,
        }
    }
}

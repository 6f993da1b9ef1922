//! Says how much worse a metric may be.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fixed::{Number, Percent};
use crate::objective::Bound;

/// Figures that are judged alike.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Quantiles of latencies.
    Latency,
    /// Operations a second.
    Throughput,
    /// Detection, election, downtime, recovery.
    Time,
    /// Success, hits, availability.
    Share,
    /// Mean time of an operation's stages.
    Stage,
}

/// Parts per million of the baseline's worst value, or, of shares, percentage points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tolerance {
    /// Parts per million, for [`Kind::Latency`].
    pub latency_ppm: u32,
    /// Parts per million, for [`Kind::Throughput`].
    pub throughput_ppm: u32,
    /// Parts per million, for [`Kind::Time`].
    pub time_ppm: u32,
    /// Millionths of the whole, for [`Kind::Share`]: 10,000 is one percentage point.
    pub share_ppm: u32,
    /// Parts per million, for [`Kind::Stage`].
    pub stage_ppm: u32,
}

/// 20 % of latencies and stages, 10 % of throughput, 50 % of times, one percentage point of
/// shares.
impl Default for Tolerance {
    fn default() -> Self {
        Self {
            latency_ppm: 200_000,
            throughput_ppm: 100_000,
            time_ppm: 500_000,
            share_ppm: 10_000,
            stage_ppm: 200_000,
        }
    }
}

impl Tolerance {
    /// The same for every kind.
    pub fn uniform(ppm: u32) -> Self {
        Self {
            latency_ppm: ppm,
            throughput_ppm: ppm,
            time_ppm: ppm,
            share_ppm: ppm,
            stage_ppm: ppm,
        }
    }

    /// Parts per million; of [`Kind::Share`], millionths of the whole.
    pub fn of(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Latency => self.latency_ppm,
            Kind::Throughput => self.throughput_ppm,
            Kind::Time => self.time_ppm,
            Kind::Share => self.share_ppm,
            Kind::Stage => self.stage_ppm,
        }
    }

    /// Parts per million; of [`Kind::Share`], millionths of the whole.
    pub fn set(&mut self, kind: Kind, ppm: u32) {
        *match kind {
            Kind::Latency => &mut self.latency_ppm,
            Kind::Throughput => &mut self.throughput_ppm,
            Kind::Time => &mut self.time_ppm,
            Kind::Share => &mut self.share_ppm,
            Kind::Stage => &mut self.stage_ppm,
        } = ppm;
    }

    /// The worst value that is still tolerated, from the worst one of the baseline.
    pub fn limit(&self, kind: Kind, bound: Bound, worst: Number) -> Number {
        let base = match kind {
            Kind::Share => 1_000_000,
            _ => worst.get(),
        };
        let share = u128::from(base) * u128::from(self.of(kind)) / 1_000_000;
        let share = u64::try_from(share).unwrap_or(u64::MAX).max(least(kind));
        Number::of(match bound {
            Bound::AtMost => worst.get().saturating_add(share),
            Bound::AtLeast => worst.get().saturating_sub(share),
        })
    }
}

/// Differences below this are nothing, whatever their share: half a millisecond of a latency
/// or a stage, a twentieth of a second of a time, an operation a second. In ten-thousandths
/// of the figure's unit.
fn least(kind: Kind) -> u64 {
    match kind {
        Kind::Latency | Kind::Stage => 5_000,
        Kind::Time => 500_000,
        Kind::Throughput => 10_000,
        Kind::Share => 0,
    }
}

/// `within 20 % of latency …`.
impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |kind| format!("{:.1} %", Percent::of(self.of(kind).into()));
        write!(
            f,
            "within {} of latency, {} of throughput, {} of times, {} of stages, {} points of shares",
            percent(Kind::Latency),
            percent(Kind::Throughput),
            percent(Kind::Time),
            percent(Kind::Stage),
            percent(Kind::Share),
        )
    }
}

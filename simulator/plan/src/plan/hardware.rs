//! Converts the costs of machines into the units of a backend: distributions to draw from,
//! and processor time in nanoseconds.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::scenario::hardware::{self, Hardware};
use squall_fault::text::fine_duration_text;

/// A distribution of durations by its quantiles, evenly spread between each two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Share in parts per million, and nanoseconds; both rising, from 0 to 1,000,000.
    points: Vec<(u32, u64)>,
}

impl Quantiles {
    pub(super) fn of(written: &hardware::Quantiles) -> Self {
        let points = written.points().into_iter();
        Self {
            points: points.map(|(_, ppm, value)| (ppm, value.0)).collect(),
        }
    }

    /// A value of the distribution, nanoseconds.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> u64 {
        self.at(rng.random_range(0..=1_000_000))
    }

    /// The value below which a share of all values lies, in parts per million.
    pub fn at(&self, ppm: u32) -> u64 {
        let above = self.points.partition_point(|(share, _)| *share < ppm);
        let (high_share, high) = self.points[above.min(self.points.len() - 1)];
        let Some((low_share, low)) = above.checked_sub(1).map(|below| self.points[below]) else {
            return high;
        };
        let (part, whole) = (ppm - low_share, high_share - low_share);
        low + (high - low) * u64::from(part) / u64::from(whole)
    }
}

/// `180us, p50 260us, max 6ms`
impl std::fmt::Display for Quantiles {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        for (index, (ppm, ns)) in self.points.iter().enumerate() {
            let name = match ppm {
                0 => "min".to_owned(),
                1_000_000 => "max".to_owned(),
                999_000 => "p999".to_owned(),
                ppm => format!("p{}", ppm / 10_000),
            };
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name} {}", fine_duration_text(*ns))?;
        }
        Ok(())
    }
}

/// Processors: how many there are, and what needs them for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessorPlan {
    /// Shared by all nodes and clients; `None`: each has its own.
    pub cores: Option<usize>,
    /// Of every node; `None`: processing takes no time.
    pub node: Option<Costs>,
    /// Of every client; `None`: processing takes no time.
    pub client: Option<Costs>,
}

/// Processor time that a process needs, nanoseconds; see [`hardware::Costs`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Costs {
    /// To go on after it had nothing to do.
    pub wakeup_ns: u64,
    /// To run a task until it waits.
    pub task_ns: u64,
    /// To read from a connection.
    pub receive_ns: u64,
    /// To write to a connection.
    pub send_ns: u64,
    /// To have the disk sync, beside waiting for it.
    pub sync_ns: u64,
    /// To make something of 1,024 bytes that were read from a connection, or are to be stored.
    #[serde(default)]
    pub kib_ns: u64,
}

impl ProcessorPlan {
    /// `None` when nothing costs anything.
    pub(super) fn of(hardware: &Hardware) -> Option<Self> {
        let costs = |written: &Option<hardware::Costs>| written.as_ref().map(Costs::of);
        let plan = Self {
            cores: (hardware.cores.as_ref()).map(|cores| *cores.get_ref() as usize),
            node: costs(&hardware.node),
            client: costs(&hardware.client),
        };
        (plan.node.is_some() || plan.client.is_some()).then_some(plan)
    }
}

impl Costs {
    fn of(written: &hardware::Costs) -> Self {
        Self {
            wakeup_ns: written.wakeup.get_ref().0,
            task_ns: written.task.get_ref().0,
            receive_ns: written.receive.get_ref().0,
            send_ns: written.send.get_ref().0,
            sync_ns: written.sync.get_ref().0,
            kib_ns: written.kib.as_ref().map_or(0, |kib| kib.get_ref().0),
        }
    }
}

impl std::fmt::Display for Costs {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(
            f,
            "wakeup {}, task {}, receive {}, send {}, sync {}, kib {}",
            fine_duration_text(self.wakeup_ns),
            fine_duration_text(self.task_ns),
            fine_duration_text(self.receive_ns),
            fine_duration_text(self.send_ns),
            fine_duration_text(self.sync_ns),
            fine_duration_text(self.kib_ns),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Seed;

    fn quantiles(points: &[(u32, u64)]) -> Quantiles {
        Quantiles {
            points: points.to_vec(),
        }
    }

    #[test]
    fn between_two_quantiles_values_are_spread_evenly() {
        let latency = quantiles(&[
            (0, 100),
            (500_000, 200),
            (990_000, 1_180),
            (1_000_000, 9_180),
        ]);
        for (ppm, ns) in [
            (0, 100),
            (1, 100),
            (250_000, 150),
            (500_000, 200),
            (500_500, 201),
            (990_000, 1_180),
            (995_000, 5_180),
            (1_000_000, 9_180),
        ] {
            assert_eq!(latency.at(ppm), ns, "{ppm}");
        }
    }

    #[test]
    fn what_is_drawn_has_the_quantiles() {
        let sync = quantiles(&[
            (0, 1_000),
            (500_000, 2_000),
            (900_000, 8_000),
            (1_000_000, 9_000),
        ]);
        let mut rng = Seed(7).rng();
        let mut drawn: Vec<u64> = (0..10_000).map(|_| sync.draw(&mut rng)).collect();
        drawn.sort_unstable();
        assert!(drawn[0] >= 1_000 && drawn[9_999] <= 9_000);
        assert!(drawn[5_000].abs_diff(2_000) < 150, "{}", drawn[5_000]);
        assert!(drawn[9_000].abs_diff(8_000) < 150, "{}", drawn[9_000]);
    }

    #[test]
    fn a_constant_is_a_distribution() {
        let constant = quantiles(&[(0, 5), (1_000_000, 5)]);
        assert_eq!([0, 400_000, 1_000_000].map(|ppm| constant.at(ppm)), [5; 3]);
    }
}

//! `[hardware]`: what a machine costs, as measured ([`super::Profile`] is a file of it).
//!
//! Distributions are quantile tables, because a disk's or a link's tail is what decides how
//! often a timeout is met. Processing costs make a node as busy as it would be in reality;
//! without them processing takes no time.

use serde::Deserialize;
use toml::Spanned;

use super::bounds::{Checked, check_count, problem};
use super::unit::{FineDuration, fine_duration_text};

/// Nothing that is charged for takes as long.
const MOST_COST: FineDuration = FineDuration(1_000_000_000);
const MOST_CORES: u64 = 1_024;

/// Takes the place of what the scenario says of latency, jitter and syncs. What is left out
/// stays as it is in the scenario.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// Cores that all nodes and the clients share. Absent: each has its own machine.
    pub cores: Option<Spanned<u64>>,
    /// Absent: disks are as `[disk]` has them.
    pub disk: Option<HardwareDisk>,
    /// Absent: links are as `[network]` has them.
    pub network: Option<HardwareNetwork>,
    /// Of every node. Absent: processing takes no time.
    pub node: Option<Costs>,
    /// Of the one process that runs all clients.
    pub client: Option<Costs>,
}

/// `[hardware.disk]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HardwareDisk {
    /// How long a sync takes.
    pub sync: Spanned<Quantiles>,
}

/// `[hardware.network]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HardwareNetwork {
    /// One way, every link; what sender and receiver need for it is theirs.
    pub latency: Spanned<Quantiles>,
}

/// Processor time that a process needs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// To go on after it had nothing to do.
    pub wakeup: Spanned<FineDuration>,
    /// To run a task until it waits.
    pub task: Spanned<FineDuration>,
    /// To read from a connection.
    pub receive: Spanned<FineDuration>,
    /// To write to a connection.
    pub send: Spanned<FineDuration>,
    /// To have the disk sync, beside waiting for it.
    pub sync: Spanned<FineDuration>,
    /// To make something of 1,024 bytes that were read from a connection, or are to be
    /// stored. Absent: nothing.
    pub kib: Option<Spanned<FineDuration>>,
}

/// A distribution by its quantiles, drawn from evenly between each two.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// The shortest.
    pub min: FineDuration,
    /// 10th percentile; absent: between its neighbours that are written.
    pub p10: Option<FineDuration>,
    /// The median.
    pub p50: Option<FineDuration>,
    /// 90th percentile.
    pub p90: Option<FineDuration>,
    /// 99th percentile.
    pub p99: Option<FineDuration>,
    /// 99.9th percentile.
    pub p999: Option<FineDuration>,
    /// The longest.
    pub max: FineDuration,
}

impl Quantiles {
    /// Those that are given: name, share in parts per million, value. Rising in share.
    pub fn points(&self) -> Vec<(&'static str, u32, FineDuration)> {
        let all = [
            ("min", 0, Some(self.min)),
            ("p10", 100_000, self.p10),
            ("p50", 500_000, self.p50),
            ("p90", 900_000, self.p90),
            ("p99", 990_000, self.p99),
            ("p999", 999_000, self.p999),
            ("max", 1_000_000, Some(self.max)),
        ];
        let given = all.into_iter();
        let given = given.filter_map(|(name, ppm, value)| Some((name, ppm, value?)));
        given.collect()
    }
}

pub(super) fn check(hardware: &Hardware) -> Checked {
    if let Some(cores) = &hardware.cores {
        check_count("cores", cores, 1, MOST_CORES)?;
    }
    if let Some(disk) = &hardware.disk {
        check_quantiles("sync", &disk.sync)?;
    }
    if let Some(network) = &hardware.network {
        check_quantiles("latency", &network.latency)?;
    }
    match (&hardware.cores, &hardware.node, &hardware.client) {
        (Some(cores), None, None) => {
            return problem(
                cores.span(),
                "`cores` mean nothing without [hardware.node] or [hardware.client]: \
                 nothing is processed on them",
            );
        }
        (_, node, client) => {
            for costs in [node, client].into_iter().flatten() {
                check_costs(costs)?;
            }
        }
    }
    Ok(())
}

fn check_quantiles(key: &str, quantiles: &Spanned<Quantiles>) -> Checked {
    let points = quantiles.get_ref().points();
    let falls = points.windows(2).find(|pair| pair[0].2 > pair[1].2);
    let Some([(low, _, above), (high, _, below)]) = falls else {
        return Ok(());
    };
    let (above, below) = (fine_duration_text(above.0), fine_duration_text(below.0));
    let message = format!("{key}: {low} {above} is above {high} {below}");
    problem(quantiles.span(), message)
}

fn check_costs(costs: &Costs) -> Checked {
    let written = [
        ("wakeup", Some(&costs.wakeup)),
        ("task", Some(&costs.task)),
        ("receive", Some(&costs.receive)),
        ("send", Some(&costs.send)),
        ("sync", Some(&costs.sync)),
        ("kib", costs.kib.as_ref()),
    ];
    for (key, cost) in written {
        let Some(cost) = cost else { continue };
        if *cost.get_ref() > MOST_COST {
            let text = fine_duration_text(cost.get_ref().0);
            return problem(cost.span(), format!("{key} must be at most 1s, not {text}"));
        }
    }
    Ok(())
}

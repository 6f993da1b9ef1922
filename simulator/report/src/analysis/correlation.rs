//! Finds which resources of nodes go together with what clients saw.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_history::resources::ResourceSample;
use squall_measure::ResponseWindow;
use squall_measure::series::{NodeResources, Windows, resources_of};
use squall_objective::fixed::{Chance, Number, SignedNumber, chance};
use squall_statistics::{holm, spearman};

use super::{CERTAINTY, STRONG_P, thousandths};
use crate::words::count;

/// A correlation is stated from this coefficient on, if its interval keeps away from zero by
/// as much as the second says, and chance explains it at most as often as [`STRONG_P`], over all
/// that were looked at.
const STRONG: f64 = 0.6;
const STRONG_LEAST: f64 = 0.3;

/// A resource of a node and what clients saw, window by window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Correlated {
    /// As in the list of nodes: `node-1`.
    pub node: String,
    /// What of the node.
    pub resource: Resource,
    /// What of the clients.
    pub with: With,
    /// Spearman's, -1 to 1.
    pub coefficient: SignedNumber,
    /// The coefficient lies above it with a certainty of 95 %.
    pub low: SignedNumber,
    /// The coefficient lies below it with a certainty of 95 %.
    pub high: SignedNumber,
    /// Windows, and how many independent ones they are worth.
    pub windows: u64,
    /// How many independent windows those are worth.
    pub effective: Number,
    /// Corrected for all pairs that were looked at.
    pub p: Chance,
    /// In one line.
    pub evidence: String,
}

/// What a node uses.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// How busy its processor is.
    Processor,
    /// Bytes in use.
    Memory,
    /// Bytes a second.
    DiskReads,
    /// Bytes a second.
    DiskWrites,
    /// Bytes a second.
    NetworkReceived,
    /// Bytes a second.
    NetworkSent,
}

/// What clients saw.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum With {
    /// p95 of the window.
    ResponseTime,
    /// Operations that failed or were never answered.
    Errors,
}

impl Resource {
    const ALL: [Resource; 6] = [
        Resource::Processor,
        Resource::Memory,
        Resource::DiskReads,
        Resource::DiskWrites,
        Resource::NetworkReceived,
        Resource::NetworkSent,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Resource::Processor => "processor",
            Resource::Memory => "memory",
            Resource::DiskReads => "disk reads",
            Resource::DiskWrites => "disk writes",
            Resource::NetworkReceived => "network received",
            Resource::NetworkSent => "network sent",
        }
    }

    fn of(self, node: &NodeResources) -> &[Option<u64>] {
        match self {
            Resource::Processor => &node.cpu_ppm,
            Resource::Memory => &node.memory_bytes,
            Resource::DiskReads => &node.disk_read,
            Resource::DiskWrites => &node.disk_written,
            Resource::NetworkReceived => &node.net_received,
            Resource::NetworkSent => &node.net_sent,
        }
    }
}

impl With {
    pub fn title(self) -> &'static str {
        match self {
            With::ResponseTime => "response time (p95)",
            With::Errors => "errors",
        }
    }

    fn of(self, window: &ResponseWindow) -> Option<u64> {
        match self {
            With::ResponseTime => window.p95_us,
            With::Errors => Some(window.errors),
        }
    }
}

/// Of windows in which no fault was in force; what happens then has another cause.
pub(super) fn correlations(
    windows: &[ResponseWindow],
    samples: &[ResourceSample],
) -> Vec<Correlated> {
    let (Some(first), Some(last)) = (windows.first(), windows.last()) else {
        return Vec::new();
    };
    let grid = Windows {
        length_us: first.span.length_us(),
        count: windows.len(),
        end_us: last.span.to_us - first.span.from_us,
    };
    let within = samples
        .iter()
        .filter(|sample| (first.span.from_us..last.span.to_us).contains(&sample.at_us));
    let shifted = within.map(|sample| ResourceSample {
        at_us: sample.at_us - first.span.from_us,
        ..sample.clone()
    });
    let nodes = resources_of(shifted, &grid);
    let mut found = Vec::new();
    for (node, used) in &nodes {
        for resource in Resource::ALL {
            for with in [With::ResponseTime, With::Errors] {
                let pairs = windows.iter().zip(resource.of(used));
                let pairs = pairs.filter(|(window, _)| !window.is_disturbed);
                let pairs = pairs
                    .filter_map(|(window, used)| Some(((*used)? as f64, with.of(window)? as f64)));
                let (x, y): (Vec<f64>, Vec<f64>) = pairs.unzip();
                if let Some(correlation) = spearman(&x, &y, CERTAINTY) {
                    found.push((node, resource, with, correlation));
                }
            }
        }
    }
    let corrected = holm(
        &found
            .iter()
            .map(|(.., found)| found.p)
            .collect::<Vec<f64>>(),
    );
    let strong = found.into_iter().zip(corrected).filter(|((.., found), p)| {
        let least = found.interval.low.abs().min(found.interval.high.abs());
        let is_one_sided = found.interval.low * found.interval.high > 0.0;
        found.coefficient.abs() >= STRONG && is_one_sided && least >= STRONG_LEAST && *p <= STRONG_P
    });
    let mut stated: Vec<Correlated> = strong
        .map(|((node, resource, with, found), p)| {
            let share = |value: f64| SignedNumber::nearest(value * 10_000.0).unwrap_or_default();
            let way = if found.coefficient > 0.0 { "rises" } else { "falls" };
            Correlated {
                node: node.clone(),
                resource,
                with,
                coefficient: share(found.coefficient),
                low: share(found.interval.low),
                high: share(found.interval.high),
                windows: found.count as u64,
                effective: Number::of(thousandths(found.effective * 10.0) * 1_000),
                p: chance(p),
                evidence: format!(
                    "{} {way} with {} of {node}: {:.2} ({:.2} to {:.2}) over {} windows, worth {:.0} \
                     independent ones",
                    with.title(),
                    resource.title(),
                    found.coefficient,
                    found.interval.low,
                    found.interval.high,
                    count(found.count as u64),
                    found.effective,
                ),
            }
        })
        .collect();
    stated.sort_by(|a, b| {
        let key = |c: &Correlated| {
            (
                Reverse(c.coefficient.0.abs()),
                c.node.clone(),
                c.resource,
                c.with,
            )
        };
        key(a).cmp(&key(b))
    });
    stated
}

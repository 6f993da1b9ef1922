//! Places nodes and clients in regions, with the latency between them beyond the network's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::scenario::Scenario;
use crate::scenario::unit::Duration;
use squall_fault::node_name;
use squall_fault::text::duration_text;

/// Where nodes are, and how far from each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionPlan {
    /// In the order of the scenario; others refer to their places here.
    pub names: Vec<String>,
    /// The region of each node, `node-1` first.
    pub of_node: Vec<usize>,
    /// The region of the clients.
    pub of_clients: usize,
    /// Latencies between two regions, in either direction.
    pub links: Vec<RegionLink>,
}

/// How long a packet takes between two regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionLink {
    /// Places in [`RegionPlan::names`].
    pub between: (usize, usize),
    /// One way.
    pub latency_min_us: u64,
    /// At least `latency_min_us`.
    pub latency_max_us: u64,
}

impl RegionPlan {
    /// The link between two regions; `None` within one.
    pub fn link(&self, a: usize, b: usize) -> Option<&RegionLink> {
        let between = (a.min(b), a.max(b));
        self.links.iter().find(|link| link.between == between)
    }

    /// The longest one-way latency between any two places.
    pub fn latency_max_us(&self) -> u64 {
        let latencies = self.links.iter().map(|link| link.latency_max_us);
        latencies.max().unwrap_or(0)
    }

    pub(super) fn text(&self) -> String {
        let nodes = |region: usize| {
            let there = self.of_node.iter().enumerate();
            let there = there.filter(|(_, of)| **of == region);
            let mut names: Vec<String> = there.map(|(node, _)| node_name(node)).collect();
            if region == self.of_clients {
                names.push("clients".into());
            }
            names.join(" ")
        };
        let regions = self.names.iter().enumerate();
        let regions = regions.map(|(number, name)| format!("{name} ({})", nodes(number)));
        let links = self.links.iter().map(|link| {
            let (a, b) = link.between;
            let (min, max) = (link.latency_min_us, link.latency_max_us);
            let (min, max) = (duration_text(min), duration_text(max));
            format!("{} to {} {min}..{max}", self.names[a], self.names[b])
        });
        regions.chain(links).collect::<Vec<_>>().join(", ")
    }
}

pub(super) fn regions(scenario: &Scenario) -> Option<RegionPlan> {
    let regions: Vec<_> = scenario.regions.iter().map(Spanned::get_ref).collect();
    if regions.is_empty() {
        return None;
    }
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, region) in regions.iter().enumerate() {
        numbers.insert(region.name.get_ref(), number);
    }
    let of_node = (0..*scenario.cluster.nodes.get_ref() as usize).map(|node| {
        let name = node_name(node);
        let has = |nodes: &Vec<Spanned<String>>| nodes.iter().any(|node| *node.get_ref() == name);
        let region = regions
            .iter()
            .position(|region| has(region.nodes.get_ref()));
        region.expect("every node of a checked scenario is in a region")
    });
    let mut links = Vec::new();
    for (number, region) in regions.iter().enumerate() {
        for (other, latency) in &region.latency {
            let other = numbers[other.get_ref().as_str()];
            let (min, max) = latency.get_ref().or((Duration(0), Duration(0)));
            links.push(RegionLink {
                between: (number.min(other), number.max(other)),
                latency_min_us: min.us(),
                latency_max_us: max.us(),
            });
        }
    }
    Some(RegionPlan {
        names: regions
            .iter()
            .map(|region| region.name.get_ref().clone())
            .collect(),
        of_node: of_node.collect(),
        of_clients: regions
            .iter()
            .position(|region| region.clients)
            .unwrap_or(0),
        links,
    })
}

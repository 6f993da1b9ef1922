//! Tracks the resource use of nodes, where it is known: now, and of the one with the most.

use std::collections::BTreeMap;

use serde::Serialize;
use squall_history::resources::ResourceSample;

/// Loads are means over at least this.
const LEAST_US: u64 = 400_000;

/// What a node uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Used {
    /// Millionths of one processor, lately.
    pub cpu_ppm: Option<u64>,
    pub memory_bytes: Option<u64>,
    /// Since the process began.
    pub disk_written_bytes: Option<u64>,
    /// Since the run began.
    pub net_sent_bytes: Option<u64>,
}

#[derive(Debug, Default)]
struct Node {
    used: Used,
    /// Time and processor time of the look that the next load counts from.
    from: Option<(u64, u64)>,
}

/// By name.
#[derive(Debug, Default)]
pub struct Nodes(BTreeMap<String, Node>);

impl Nodes {
    /// Takes in a look; the load and the memory of the node. One that is down uses nothing.
    pub(super) fn take(&mut self, sample: &ResourceSample) -> (Option<u64>, Option<u64>) {
        let node = match self.0.get_mut(&sample.node) {
            Some(node) => node,
            None => self.0.entry(sample.node.clone()).or_default(),
        };
        node.used.memory_bytes = sample.memory_bytes;
        node.used.disk_written_bytes = sample.disk_written_bytes;
        node.used.net_sent_bytes = sample.net_sent_bytes;
        match (node.from, sample.cpu_us) {
            (_, None) => (node.from, node.used.cpu_ppm) = (None, None),
            // A process that began anew counts from zero again.
            (Some((from_us, from_cpu_us)), Some(cpu_us)) if cpu_us >= from_cpu_us => {
                let length_us = sample.at_us.saturating_sub(from_us);
                if length_us >= LEAST_US {
                    node.used.cpu_ppm = Some((cpu_us - from_cpu_us) * 1_000_000 / length_us);
                    node.from = Some((sample.at_us, cpu_us));
                }
            }
            (_, Some(cpu_us)) => node.from = Some((sample.at_us, cpu_us)),
        }
        (node.used.cpu_ppm, node.used.memory_bytes)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, Used)> {
        self.0.iter().map(|(name, node)| (name.as_str(), node.used))
    }

    /// Of each figure that of the node with the most.
    pub fn most(&self) -> Used {
        let mut most = Used::default();
        for (_, used) in self.iter() {
            most.cpu_ppm = most.cpu_ppm.max(used.cpu_ppm);
            most.memory_bytes = most.memory_bytes.max(used.memory_bytes);
            most.disk_written_bytes = most.disk_written_bytes.max(used.disk_written_bytes);
            most.net_sent_bytes = most.net_sent_bytes.max(used.net_sent_bytes);
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_the_mean_since_the_last_and_a_dead_node_has_none() {
        let mut nodes = Nodes::default();
        let mut look = |at_us, cpu_us| {
            let sample = ResourceSample {
                at_us,
                node: "node-1".into(),
                cpu_us,
                memory_bytes: cpu_us.map(|_| 7),
                ..ResourceSample::default()
            };
            nodes.take(&sample)
        };
        assert_eq!(look(0, Some(1_000)), (None, Some(7)));
        assert_eq!(look(100_000, Some(21_000)), (None, Some(7)));
        assert_eq!(look(400_000, Some(101_000)), (Some(250_000), Some(7)));
        assert_eq!(look(500_000, None), (None, None));
        assert_eq!(look(600_000, Some(0)), (None, Some(7)));
        assert_eq!(nodes.most().memory_bytes, Some(7));
    }
}

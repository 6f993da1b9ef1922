//! Resources of nodes: memory and processor time, from samples that a backend took.
//!
//! Only a backend that runs real processes can know them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::resources::{ResourceSample, from_csv};
use squall_objective::fixed::Percent;

/// What nodes used. `None` where there are too few samples to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// By name.
    pub nodes: BTreeMap<String, ResourceRow>,
    /// What they are of.
    pub samples: Vec<ResourceSample>,
    /// Of the node that has the most of each.
    pub memory_max_bytes: Option<u64>,
    /// Parts per million of what it had at first.
    pub memory_growth_ppm: Option<u64>,
    /// Mean over the run, parts per million of one processor.
    pub cpu_max_ppm: Option<u64>,
}

/// What one node used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceRow {
    /// The most at any sample.
    pub memory_max_bytes: u64,
    /// From the mean of the first tenth of the samples to that of the last; a node that
    /// shrank has grown by nothing.
    pub memory_growth: Option<Percent>,
    /// Mean, of one processor.
    pub cpu: Option<Percent>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at_us: u64,
    cpu_us: u64,
    memory_bytes: u64,
}

impl Resources {
    /// Of the text of `resources.csv`.
    ///
    /// # Errors
    /// It is none: which line, and why.
    pub fn parse(csv: &str) -> Result<Self, String> {
        Ok(Self::of(&from_csv(csv)?))
    }

    /// Samples of all nodes, in order of time.
    pub fn of(samples: &[ResourceSample]) -> Self {
        let mut nodes: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
        for sample in samples {
            // A node that is down uses nothing that could be read.
            if let (Some(cpu_us), Some(memory_bytes)) = (sample.cpu_us, sample.memory_bytes) {
                nodes.entry(&sample.node).or_default().push(Sample {
                    at_us: sample.at_us,
                    cpu_us,
                    memory_bytes,
                });
            }
        }
        let nodes = nodes.into_iter();
        let nodes = nodes.map(|(node, samples)| (node.to_owned(), of_node(&samples)));
        Self {
            samples: samples.to_vec(),
            ..Self::of_nodes(nodes.collect())
        }
    }

    fn of_nodes(nodes: BTreeMap<String, ResourceRow>) -> Self {
        let all = || nodes.values();
        Self {
            memory_max_bytes: all().map(|node| node.memory_max_bytes).max(),
            memory_growth_ppm: all()
                .filter_map(|node| Some(node.memory_growth?.get()))
                .max(),
            cpu_max_ppm: all().filter_map(|node| Some(node.cpu?.get())).max(),
            nodes,
            samples: Vec::new(),
        }
    }
}

fn of_node(samples: &[Sample]) -> ResourceRow {
    // A process that starts again counts its time from zero again.
    let pairs = samples.windows(2);
    let cpu_us: u64 = pairs.map(|p| p[1].cpu_us.saturating_sub(p[0].cpu_us)).sum();
    let from_us = samples.first().map_or(0, |first| first.at_us);
    let length_us = samples
        .last()
        .map_or(0, |last| last.at_us.saturating_sub(from_us));
    let ppm = |part: u64, whole: u64| {
        let share = (u128::from(part) * 1_000_000).checked_div(whole.into())?;
        u64::try_from(share).ok()
    };
    let tenth = samples.len() / 10;
    let mean = |samples: &[Sample]| {
        let sum: u64 = samples.iter().map(|sample| sample.memory_bytes).sum();
        sum.checked_div(samples.len() as u64)
    };
    let first = mean(&samples[..tenth]);
    let last = mean(&samples[samples.len() - tenth..]);
    ResourceRow {
        memory_max_bytes: samples.iter().map(|s| s.memory_bytes).max().unwrap_or(0),
        memory_growth: first
            .zip(last)
            .and_then(|(first, last)| ppm(last.saturating_sub(first), first))
            .map(Percent::of),
        cpu: ppm(cpu_us, length_us).map(Percent::of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_with_the_most_counts() {
        let sample = |at_us, node: &str, used: Option<(u64, u64)>| ResourceSample {
            at_us,
            node: node.into(),
            cpu_us: used.map(|(cpu_us, _)| cpu_us),
            memory_bytes: used.map(|(_, bytes)| bytes),
            ..ResourceSample::default()
        };
        let mut samples = Vec::new();
        for n in 0..=20_u64 {
            let at_us = n * 100_000;
            samples.push(sample(at_us, "node-1", Some((n * 50_000, 1_000 + n * 10))));
            samples.push(sample(at_us, "node-2", Some((n * 20_000, 5_000))));
            // One that never came up.
            samples.push(sample(at_us, "node-3", None));
        }
        let resources = Resources::of(&samples);
        assert_eq!(resources.nodes.len(), 2);
        assert_eq!(resources.memory_max_bytes, Some(5_000));
        assert_eq!(resources.cpu_max_ppm, Some(500_000));
        // From a mean of 1,005 bytes to one of 1,195.
        assert_eq!(resources.memory_growth_ppm, Some(189_054));
    }
}

//! Finds the busiest node, on backends whose nodes use real machines.

use std::collections::BTreeMap;

use squall_history::resources::ResourceSample;
use squall_workload::Usage;

/// What nodes used from one moment to another: of each figure that of the node with the most.
pub fn usage(samples: &[ResourceSample], from_us: u64, to_us: u64) -> Usage {
    // In order of time: every look is at all nodes.
    let begin = samples.partition_point(|sample| sample.at_us < from_us);
    let end = samples.partition_point(|sample| sample.at_us < to_us);
    let samples = &samples[begin.min(end)..end];
    let mut spans: BTreeMap<&str, (&ResourceSample, &ResourceSample)> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.cpu_us.is_some()) {
        let (_, last) = spans.entry(&sample.node).or_insert((sample, sample));
        *last = sample;
    }
    let cpu_ppm = spans.values().filter_map(|(first, last)| {
        // A process that began anew in between counts from zero again.
        let used_us = last.cpu_us?.checked_sub(first.cpu_us?)?;
        (used_us * 1_000_000).checked_div(last.at_us - first.at_us)
    });
    Usage {
        memory_bytes: samples
            .iter()
            .filter_map(|sample| sample.memory_bytes)
            .max(),
        cpu_ppm: cpu_ppm.max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_that_uses_most_counts_within_the_stretch() {
        let sample = |at_us, node: &str, cpu_us, memory_bytes| ResourceSample {
            at_us,
            node: node.into(),
            cpu_us: Some(cpu_us),
            memory_bytes: Some(memory_bytes),
            ..ResourceSample::default()
        };
        let samples = [
            sample(0, "node-1", 0, 900),
            sample(100, "node-1", 100, 500),
            sample(100, "node-2", 7, 600),
            sample(300, "node-1", 150, 400),
            sample(300, "node-2", 107, 700),
            sample(400, "node-2", 207, 9_000),
        ];
        let used = usage(&samples, 100, 400);
        assert_eq!(used.memory_bytes, Some(700));
        assert_eq!(used.cpu_ppm, Some(500_000));
        assert_eq!(usage(&samples, 500, 900), Usage::default());
    }
}

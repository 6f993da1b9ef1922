//! What nodes use of their machines, where they use anything real.

use std::collections::BTreeMap;

use crate::workload::Usage;

/// One look at one node. Figures count from the start of its process, but those of the
/// network, which count from the start of the run. `None`: it could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceSample {
    /// Microseconds of the run.
    pub at_us: u64,
    pub node: String,
    /// Processor time, all threads.
    pub cpu_us: Option<u64>,
    /// In use at this moment, the page cache of its files included.
    pub memory_bytes: Option<u64>,
    pub disk_read_bytes: Option<u64>,
    pub disk_written_bytes: Option<u64>,
    pub net_received_bytes: Option<u64>,
    pub net_sent_bytes: Option<u64>,
}

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

/// The first line of [`to_csv`].
const HEADER: &str = "at_us,node,cpu_us,memory_bytes,disk_read_bytes,disk_written_bytes,\
                      net_received_bytes,net_sent_bytes\n";

/// A table, one sample a line; what could not be read is left empty.
pub fn to_csv(samples: &[ResourceSample]) -> String {
    let mut text = HEADER.to_owned();
    for sample in samples {
        let figures = [
            sample.cpu_us,
            sample.memory_bytes,
            sample.disk_read_bytes,
            sample.disk_written_bytes,
            sample.net_received_bytes,
            sample.net_sent_bytes,
        ];
        let figures = figures.map(|figure| figure.map_or(String::new(), |f| f.to_string()));
        text += &format!("{},{},{}\n", sample.at_us, sample.node, figures.join(","));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{ResourceSample, to_csv, usage};
    use crate::workload::Usage;

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

    #[test]
    fn what_could_not_be_read_is_left_empty() {
        let sample = ResourceSample {
            at_us: 5,
            node: "node-1".into(),
            cpu_us: Some(7),
            net_sent_bytes: Some(9),
            ..ResourceSample::default()
        };
        let csv = to_csv(&[sample]);
        let line = csv.lines().nth(1);
        assert_eq!(line, Some("5,node-1,7,,,,,9"));
        let columns = |line: &str| line.split(',').count();
        assert_eq!(columns(csv.lines().next().unwrap()), columns(line.unwrap()));
    }
}

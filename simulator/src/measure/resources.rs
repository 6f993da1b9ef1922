//! Resources of nodes: memory and processor time, from samples that a backend took.
//!
//! Only a backend that runs real processes can know them; the samples come as the text of
//! `resources.csv`, with the head [`HEAD`]: time and counters since the process began, in
//! microseconds and bytes, a row a node and sample.

use std::collections::BTreeMap;

/// The columns that are read; more may follow.
pub const HEAD: &str = "at_us,node,cpu_us,memory_bytes";

/// What nodes used. `None` where there are too few samples to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    pub nodes: BTreeMap<String, NodeResources>,
    /// Of the node that has the most of each.
    pub memory_max_bytes: Option<u64>,
    pub memory_growth_ppm: Option<u64>,
    pub cpu_max_ppm: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeResources {
    pub memory_max_bytes: u64,
    /// From the mean of the first tenth of the samples to that of the last; a node that
    /// shrank has grown by nothing.
    pub memory_growth_ppm: Option<u64>,
    /// Mean, of one processor.
    pub cpu_ppm: Option<u64>,
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
        let mut lines = csv.lines();
        let head = lines.next().unwrap_or_default();
        if !head.starts_with(HEAD) {
            return Err(format!("line 1: expected the columns {HEAD}"));
        }
        let mut samples: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
        for (number, line) in (2..).zip(lines) {
            let cells: Vec<&str> = line.split(',').collect();
            // What could not be read is left empty.
            if cells.iter().skip(2).take(2).any(|cell| cell.is_empty()) {
                continue;
            }
            let cell = |place: usize| -> Result<u64, String> {
                let text = cells.get(place).copied().unwrap_or_default();
                let parsed = text.parse();
                parsed.map_err(|_| format!("line {number}: `{text}` is no count"))
            };
            let sample = Sample {
                at_us: cell(0)?,
                cpu_us: cell(2)?,
                memory_bytes: cell(3)?,
            };
            samples.entry(cells[1]).or_default().push(sample);
        }
        let nodes = samples.into_iter();
        let nodes = nodes.map(|(node, samples)| (node.to_owned(), of_node(&samples)));
        Ok(Self::of(nodes.collect()))
    }

    fn of(nodes: BTreeMap<String, NodeResources>) -> Self {
        let all = || nodes.values();
        Self {
            memory_max_bytes: all().map(|node| node.memory_max_bytes).max(),
            memory_growth_ppm: all().filter_map(|node| node.memory_growth_ppm).max(),
            cpu_max_ppm: all().filter_map(|node| node.cpu_ppm).max(),
            nodes,
        }
    }
}

fn of_node(samples: &[Sample]) -> NodeResources {
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
    NodeResources {
        memory_max_bytes: samples.iter().map(|s| s.memory_bytes).max().unwrap_or(0),
        memory_growth_ppm: first
            .zip(last)
            .and_then(|(first, last)| ppm(last.saturating_sub(first), first)),
        cpu_ppm: ppm(cpu_us, length_us),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_with_the_most_counts() {
        let mut csv = format!("{HEAD},disk_read_bytes\n");
        for sample in 0..=20_u64 {
            let at_us = sample * 100_000;
            csv += &format!(
                "{at_us},node-1,{},{},0\n",
                sample * 50_000,
                1_000 + sample * 10
            );
            csv += &format!("{at_us},node-2,{},{},0\n", sample * 20_000, 5_000);
        }
        let resources = Resources::parse(&csv).expect("it is well-formed");
        assert_eq!(resources.memory_max_bytes, Some(5_000));
        assert_eq!(resources.cpu_max_ppm, Some(500_000));
        // From a mean of 1,005 bytes to one of 1,195.
        assert_eq!(resources.memory_growth_ppm, Some(189_054));
    }

    #[test]
    fn what_is_no_sample_is_named() {
        let wrong = Resources::parse("time,cpu\n").expect_err("the head is another");
        assert!(wrong.starts_with("line 1: expected"), "{wrong}");
        let wrong = Resources::parse(&format!("{HEAD}\n1,node-1,x,2\n")).expect_err("x");
        assert_eq!(wrong, "line 2: `x` is no count");
    }
}

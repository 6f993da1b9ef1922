//! Collects what each node used, from the samples of a container run.
//!
//! Between two samples of a node the difference of a counter, over the time between them, is
//! a rate; a counter that fell began again from zero, as it does when a container restarts.
//! While a node is down its figures are unknown, and so is what it used until the next one.
//! In a simulation machines are models, and there are no samples.

use std::collections::BTreeMap;

use squall_history::resources::{ResourceSample, from_csv};

use super::windows::Windows;

/// Longer than this without a sample, a node was away, and no rate is drawn over it.
const AWAY_US: u64 = 1_000_000;

/// One node, window by window; `None` where it was not sampled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeResources {
    /// Of one processor, in millionths; more than one processor is more than a million.
    pub cpu_ppm: Vec<Option<u64>>,
    /// The most in the window.
    pub memory_bytes: Vec<Option<u64>>,
    /// Bytes a second.
    pub disk_read: Vec<Option<u64>>,
    /// Bytes a second.
    pub disk_written: Vec<Option<u64>>,
    /// Bytes a second.
    pub net_received: Vec<Option<u64>>,
    /// Bytes a second.
    pub net_sent: Vec<Option<u64>>,
}

/// By node name.
pub type Resources = BTreeMap<String, NodeResources>;

/// Reads the samples into the windows of the run.
///
/// # Errors
/// The text is no table of samples; with the line and what is wrong.
pub fn resources(csv: &str, windows: &Windows) -> Result<Resources, String> {
    Ok(resources_of(from_csv(csv)?, windows))
}

/// The same of samples that have been read.
pub fn resources_of(
    samples: impl IntoIterator<Item = ResourceSample>,
    windows: &Windows,
) -> Resources {
    let mut nodes: BTreeMap<String, Vec<ResourceSample>> = BTreeMap::new();
    for sample in samples {
        nodes.entry(sample.node.clone()).or_default().push(sample);
    }
    let nodes = nodes.into_iter();
    nodes
        .map(|(node, samples)| (node, of_node(samples, windows)))
        .collect()
}

type Counter = fn(&ResourceSample) -> Option<u64>;

fn of_node(mut samples: Vec<ResourceSample>, windows: &Windows) -> NodeResources {
    samples.sort_by_key(|sample| sample.at_us);
    let mut memory_bytes = vec![None; windows.count];
    for sample in &samples {
        let most = &mut memory_bytes[windows.at(sample.at_us)];
        *most = (*most).max(sample.memory_bytes);
    }
    let rate = |counter: Counter| rates(&samples, windows, counter);
    NodeResources {
        cpu_ppm: rate(|sample| sample.cpu_us),
        disk_read: rate(|sample| sample.disk_read_bytes),
        disk_written: rate(|sample| sample.disk_written_bytes),
        net_received: rate(|sample| sample.net_received_bytes),
        net_sent: rate(|sample| sample.net_sent_bytes),
        memory_bytes,
    }
}

/// By how much a counter rises in a second, window by window.
fn rates(samples: &[ResourceSample], windows: &Windows, counter: Counter) -> Vec<Option<u64>> {
    // Of each window: how much, and over which time.
    let mut sums = vec![(0_u64, 0_u64); windows.count];
    for pair in samples.windows(2) {
        let length_us = pair[1].at_us - pair[0].at_us;
        let known = counter(&pair[0]).zip(counter(&pair[1]));
        let Some((before, after)) = known else {
            continue;
        };
        if length_us > AWAY_US.max(windows.length_us) {
            continue;
        }
        let (sum, over_us) = &mut sums[windows.at(pair[1].at_us)];
        *sum += after.checked_sub(before).unwrap_or(after);
        *over_us += length_us;
    }
    let rate = |(sum, over_us): (u64, u64)| {
        let rate = (u128::from(sum) * 1_000_000).checked_div(u128::from(over_us))?;
        u64::try_from(rate).ok()
    };
    sums.into_iter().map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::resources::HEADER;

    fn text(lines: &[&str]) -> String {
        format!("{HEADER}\n{}\n", lines.join("\n"))
    }

    #[test]
    fn differences_of_counters_are_rates() {
        let csv = text(&[
            "0,node-1,1000,500,0,0,0,0",
            "100000,node-1,51000,900,10,1000,0,7",
            "0,node-2,0,1,0,0,0,0",
            "200000,node-1,61000,700,10,1000,100,7",
        ]);
        let seen = resources(&csv, &Windows::of(300_000)).expect("well formed");
        let node = &seen["node-1"];
        assert_eq!(node.cpu_ppm, [None, Some(500_000), Some(100_000)]);
        assert_eq!(node.memory_bytes, [Some(500), Some(900), Some(700)]);
        assert_eq!(node.disk_written, [None, Some(10_000), Some(0)]);
        assert_eq!(node.net_received, [None, Some(0), Some(1_000)]);
        assert_eq!(node.net_sent, [None, Some(70), Some(0)]);
        assert_eq!(seen["node-2"].memory_bytes, [Some(1), None, None]);
    }

    #[test]
    fn a_restart_begins_from_zero_and_time_away_has_no_rate() {
        let csv = text(&[
            "0,node-1,900000,1,0,0,0,0",
            "100000,node-1,20000,1,0,0,0,0",
            "5000000,node-1,20000,1,0,0,0,0",
        ]);
        let seen = resources(&csv, &Windows::of(5_100_000)).expect("well formed");
        let cpu = &seen["node-1"].cpu_ppm;
        assert_eq!(cpu[1], Some(200_000));
        assert!(cpu[2..].iter().all(Option::is_none));
    }

    /// As a container run writes them when a node is killed: its network is still there.
    #[test]
    fn while_a_node_is_down_its_figures_are_unknown_and_not_zero() {
        let csv = text(&[
            "0,node-1,1000,500,0,0,0,0",
            "100000,node-1,51000,900,10,1000,0,7",
            "200000,node-1,,,,,50,7",
            "300000,node-1,20,100,0,4,50,7",
            "400000,node-1,1020,100,0,4,50,7",
        ]);
        let seen = resources(&csv, &Windows::of(500_000)).expect("well formed");
        let node = &seen["node-1"];
        assert_eq!(
            node.memory_bytes,
            [Some(500), Some(900), None, Some(100), Some(100)]
        );
        assert_eq!(
            node.cpu_ppm,
            [None, Some(500_000), None, None, Some(10_000)]
        );
        assert_eq!(node.disk_written, [None, Some(10_000), None, None, Some(0)]);
        assert_eq!(
            node.net_received,
            [None, Some(0), Some(500), Some(0), Some(0)]
        );
    }
}

//! What each node used, from the samples of a container run.
//!
//! `resources.csv` holds cumulative counters, a line a node and sample:
//! `at_us,node,cpu_us,memory_bytes,disk_read_bytes,disk_written_bytes,net_received_bytes,net_sent_bytes`.
//! Between two samples of a node the difference of a counter, over the time between them, is
//! a rate; a counter that fell began again from zero, as it does when a container restarts.
//! A simulation charges no processing time and has no such file.

use std::collections::BTreeMap;

use super::windows::Windows;

/// Longer than this without a sample, a node was away, and no rate is drawn over it.
const AWAY_US: u64 = 1_000_000;

const COLUMNS: [&str; 8] = [
    "at_us",
    "node",
    "cpu_us",
    "memory_bytes",
    "disk_read_bytes",
    "disk_written_bytes",
    "net_received_bytes",
    "net_sent_bytes",
];

/// One node, window by window; `None` where it was not sampled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeResources {
    /// Of one processor, in millionths; more than one processor is more than a million.
    pub cpu_ppm: Vec<Option<u64>>,
    /// The most in the window.
    pub memory_bytes: Vec<Option<u64>>,
    /// Bytes a second.
    pub disk_read: Vec<Option<u64>>,
    pub disk_written: Vec<Option<u64>>,
    pub net_received: Vec<Option<u64>>,
    pub net_sent: Vec<Option<u64>>,
}

/// By node name.
pub type Resources = BTreeMap<String, NodeResources>;

/// Time, memory, and the counters of processor, disk and network in the order of the file.
#[derive(Clone, Copy)]
struct Sample {
    at_us: u64,
    memory_bytes: u64,
    counters: [u64; 5],
}

/// Reads the samples into the windows of the run.
///
/// # Errors
/// The text is not such a file; with the line and what is wrong.
pub fn resources(csv: &str, windows: &Windows) -> Result<Resources, String> {
    let mut nodes: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    let mut lines = (1..).zip(csv.lines());
    let header = lines.next().map_or("", |(_, line)| line);
    if header.split(',').map(str::trim).ne(COLUMNS) {
        return Err(format!("line 1: not the columns {}", COLUMNS.join(",")));
    }
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let (node, sample) = sample(line).map_err(|e| format!("line {number}: {e}"))?;
        nodes.entry(node).or_default().push(sample);
    }
    let nodes = nodes.into_iter();
    Ok(nodes
        .map(|(node, samples)| (node, of_node(samples, windows)))
        .collect())
}

fn sample(line: &str) -> Result<(String, Sample), String> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [at, node, cpu, memory, read, written, received, sent] = fields[..] else {
        return Err(format!(
            "{} fields instead of {}",
            fields.len(),
            COLUMNS.len()
        ));
    };
    let number = |text: &str| {
        let number = text.parse::<u64>();
        number.map_err(|_| format!("`{text}` is no whole number"))
    };
    let sample = Sample {
        at_us: number(at)?,
        memory_bytes: number(memory)?,
        counters: [
            number(cpu)?,
            number(read)?,
            number(written)?,
            number(received)?,
            number(sent)?,
        ],
    };
    Ok((node.to_owned(), sample))
}

fn of_node(mut samples: Vec<Sample>, windows: &Windows) -> NodeResources {
    samples.sort_by_key(|sample| sample.at_us);
    let mut memory_bytes = vec![None; windows.count];
    for sample in &samples {
        let most = &mut memory_bytes[windows.at(sample.at_us)];
        *most = (*most).max(Some(sample.memory_bytes));
    }
    // Of each window: how much, and over which time.
    let mut sums = vec![([0_u64; 5], 0_u64); windows.count];
    for pair in samples.windows(2) {
        let length_us = pair[1].at_us - pair[0].at_us;
        if length_us > AWAY_US.max(windows.length_us) {
            continue;
        }
        let (sum, over_us) = &mut sums[windows.at(pair[1].at_us)];
        *over_us += length_us;
        for (sum, (before, after)) in sum
            .iter_mut()
            .zip(pair[0].counters.iter().zip(pair[1].counters))
        {
            *sum += after.checked_sub(*before).unwrap_or(after);
        }
    }
    let rate = |counter: usize| {
        let rates = sums.iter();
        rates
            .map(|(sum, over_us)| {
                let scaled = u128::from(sum[counter]) * 1_000_000;
                let rate = scaled.checked_div(u128::from(*over_us))?;
                u64::try_from(rate).ok()
            })
            .collect()
    };
    NodeResources {
        cpu_ppm: rate(0),
        memory_bytes,
        disk_read: rate(1),
        disk_written: rate(2),
        net_received: rate(3),
        net_sent: rate(4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[&str]) -> String {
        format!("{}\n{}\n", COLUMNS.join(","), lines.join("\n"))
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

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let error = |csv: &str| resources(csv, &Windows::of(1)).expect_err("malformed");
        assert!(error("").starts_with("line 1: not the columns at_us,node"));
        assert_eq!(
            error(&text(&["0,node-1,x,0,0,0,0,0"])),
            "line 2: `x` is no whole number"
        );
        assert_eq!(error(&text(&["0,node-1"])), "line 2: 2 fields instead of 8");
    }
}

//! What nodes use of their machines, where they use anything real.

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
    use super::{ResourceSample, to_csv};

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

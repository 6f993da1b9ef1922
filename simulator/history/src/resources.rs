//! Reads and writes the table of what nodes used of their machines, which stands beside a
//! history.

/// One look at one node. Figures count from the start of its process, but those of the
/// network, which count from the start of the run. `None`: it could not be read, as nothing
/// can while the node is down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceSample {
    /// Microseconds of the run.
    pub at_us: u64,
    /// As in the list of nodes: `node-1`.
    pub node: String,
    /// Processor time, all threads.
    pub cpu_us: Option<u64>,
    /// In use at this moment, the page cache of its files included.
    pub memory_bytes: Option<u64>,
    /// From the block device, since the node's start.
    pub disk_read_bytes: Option<u64>,
    /// To the block device, since the node's start.
    pub disk_written_bytes: Option<u64>,
    /// Since the start of the run, over the network.
    pub net_received_bytes: Option<u64>,
    /// Since the start of the run, over the network.
    pub net_sent_bytes: Option<u64>,
}

/// The first line of `resources.csv`.
pub const HEADER: &str = "at_us,node,cpu_us,memory_bytes,disk_read_bytes,disk_written_bytes,\
                          net_received_bytes,net_sent_bytes";

/// A table, one sample a line; what could not be read is left empty.
pub fn to_csv(samples: &[ResourceSample]) -> String {
    let mut text = format!("{HEADER}\n");
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

/// Reads such a table.
///
/// # Errors
/// The text is none; with the line and what is wrong.
pub fn from_csv(csv: &str) -> Result<Vec<ResourceSample>, String> {
    let mut lines = (1..).zip(csv.lines());
    let header = lines.next().map_or("", |(_, line)| line);
    if header.trim_end() != HEADER {
        return Err(format!("line 1: not the columns {HEADER}"));
    }
    let lines = lines.filter(|(_, line)| !line.is_empty());
    let samples =
        lines.map(|(number, line)| sample(line).map_err(|e| format!("line {number}: {e}")));
    samples.collect()
}

fn sample(line: &str) -> Result<ResourceSample, String> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [at, node, cpu, memory, read, written, received, sent] = cells[..] else {
        let columns = HEADER.split(',').count();
        return Err(format!("{} cells instead of {columns}", cells.len()));
    };
    let number = |cell: &str| {
        let number = cell.parse::<u64>();
        number.map_err(|_| format!("`{cell}` is no whole number"))
    };
    let figure = |cell: &str| match cell {
        "" => Ok(None),
        _ => number(cell).map(Some),
    };
    Ok(ResourceSample {
        at_us: number(at)?,
        node: node.to_owned(),
        cpu_us: figure(cpu)?,
        memory_bytes: figure(memory)?,
        disk_read_bytes: figure(read)?,
        disk_written_bytes: figure(written)?,
        net_received_bytes: figure(received)?,
        net_sent_bytes: figure(sent)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_is_left_empty_and_read_as_nothing() {
        let down = ResourceSample {
            at_us: 5,
            node: "node-1".into(),
            net_received_bytes: Some(0),
            net_sent_bytes: Some(9),
            ..ResourceSample::default()
        };
        let up = ResourceSample {
            at_us: 6,
            cpu_us: Some(7),
            memory_bytes: Some(8),
            disk_read_bytes: Some(1),
            disk_written_bytes: Some(2),
            ..down.clone()
        };
        let samples = [down, up];
        let csv = to_csv(&samples);
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines, [HEADER, "5,node-1,,,,,0,9", "6,node-1,7,8,1,2,0,9"]);
        assert_eq!(from_csv(&csv).as_deref(), Ok(&samples[..]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let error = |lines: &str| from_csv(&format!("{HEADER}\n{lines}\n")).expect_err("malformed");
        assert_eq!(
            error("0,node-1,x,0,0,0,0,0"),
            "line 2: `x` is no whole number"
        );
        assert_eq!(
            error("0,node-1,1,0,,,0,0\n,node-1,,,,,,"),
            "line 3: `` is no whole number"
        );
        assert_eq!(error("0,node-1"), "line 2: 2 cells instead of 8");
        for csv in ["", "time,cpu\n"] {
            let wrong = from_csv(csv).expect_err("the header is another");
            assert_eq!(wrong, format!("line 1: not the columns {HEADER}"));
        }
    }
}

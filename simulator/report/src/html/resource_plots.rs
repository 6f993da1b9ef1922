//! Draws what each node used, over time.

use squall_measure::series::{NodeResources, Resources};

use crate::report::Report;

use super::plot::{Line, Plot, peak};
use super::scale::{Scale, Unit};
use super::time_axis::shades;

type Pick = fn(&NodeResources) -> &[Option<u64>];

pub(super) fn plots(report: &Report, resources: &Resources) -> Vec<Plot> {
    let whole = "of one processor; more than 100 % is more than one";
    let graphs: [(&str, &str, Unit, Pick, &str); 5] = [
        ("cpu", "Processor", Unit::Share, |n| &n.cpu_ppm, whole),
        (
            "memory",
            "Memory",
            Unit::Bytes,
            |n| &n.memory_bytes,
            "the most in each window",
        ),
        (
            "disk",
            "Disk writes",
            Unit::ByteRate,
            |n| &n.disk_written,
            "bytes written a second",
        ),
        (
            "received",
            "Network in",
            Unit::ByteRate,
            |n| &n.net_received,
            "bytes received a second",
        ),
        (
            "sent",
            "Network out",
            Unit::ByteRate,
            |n| &n.net_sent,
            "bytes sent a second",
        ),
    ];
    let graphs = graphs.into_iter();
    graphs
        .map(|(id, title, unit, pick, note)| Plot {
            shades: shades(report),
            ..plot(resources, id, title, unit, pick, note)
        })
        .collect()
}

fn plot(resources: &Resources, id: &str, title: &str, unit: Unit, pick: Pick, note: &str) -> Plot {
    let most = resources
        .values()
        .flat_map(|node| pick(node).iter().flatten());
    let most = most.copied().max().unwrap_or(0);
    let line = |(place, (node, used)): (usize, (&String, &NodeResources))| {
        let rest = peak(unit, pick(used));
        Line::new(node, format!("n{place}"), pick(used).to_vec(), rest)
    };
    let note = format!("Each node's container: {note}.");
    let lines = resources.iter().enumerate().map(line).collect();
    Plot::new(id, title, note, Scale::linear(unit, most), lines)
}

//! The run at a glance: throughput over time, with phases, outages, faults and leaders
//! beneath one another on the same sixty columns.
//!
//! A column of throughput is the mean over its time, on a scale of its own for each
//! service; a dot is no acknowledgement at all.

use squall_history::FaultStatus;
use squall_history::Phase;

use crate::faults::FaultRow;
use crate::report::Report;
use crate::tables::targets;
use crate::words::{count, duration};
use squall_measure::{Gap, TimelineData};
use squall_objective::fixed::Ms;

/// Columns of the drawing, without labels.
const WIDTH: usize = 60;
/// Faults drawn one by one; more than these are only counted.
const MOST_FAULTS: usize = 8;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One line: what it shows, sixty columns, a remark.
pub(super) struct Line {
    pub(super) label: String,
    pub(super) columns: String,
    pub(super) remark: String,
}

/// Empty when the run has no length.
pub(super) fn timeline(report: &Report) -> Vec<Line> {
    let data = &report.timeline;
    if data.end_ms.get() == 0 {
        return Vec::new();
    }
    let axis = Axis {
        end_us: data.end_ms.get(),
    };
    let mut lines = vec![line("", phases(&axis, data), duration(axis.end_us))];
    lines.extend(
        data.acked
            .iter()
            .map(|(service, acked)| throughput(data, service, acked)),
    );
    if !report.gaps.is_empty() {
        lines.push(line("down", downtime(&axis, &report.gaps), String::new()));
    }
    lines.extend(
        report
            .faults
            .iter()
            .take(MOST_FAULTS)
            .map(|fault| fault_line(&axis, fault)),
    );
    if let Some(more @ 1..) = report.faults.len().checked_sub(MOST_FAULTS) {
        lines.push(line("", Vec::new(), format!("and {more} more faults")));
    }
    lines.push(line(
        "leader",
        leaders(&axis, data),
        "node and term".to_owned(),
    ));
    lines
}

/// Each line with its label, which has so many columns.
pub(super) fn drawing(report: &Report, label: usize) -> String {
    let lines = timeline(report).into_iter().map(|line| {
        let drawn = format!(
            "{:<label$} {:<60}  {}",
            line.label, line.columns, line.remark
        );
        drawn.trim_end().to_owned() + "\n"
    });
    lines.collect()
}

fn line(label: &str, columns: Vec<char>, remark: String) -> Line {
    Line {
        label: label.to_owned(),
        columns: columns.into_iter().collect(),
        remark,
    }
}

struct Axis {
    end_us: u64,
}

impl Axis {
    fn column(&self, at: Ms) -> usize {
        let column = u128::from(at.get()) * WIDTH as u128 / u128::from(self.end_us);
        usize::try_from(column).unwrap_or(WIDTH).min(WIDTH - 1)
    }

    /// Fills the columns that the stretch touches.
    fn fill(&self, columns: &mut [char], from: Ms, to: Ms, with: char) {
        columns[self.column(from)..=self.column(to)].fill(with);
    }
}

fn phases(axis: &Axis, data: &TimelineData) -> Vec<char> {
    let mut columns = vec![' '; WIDTH];
    for (index, start) in data.phases.iter().enumerate() {
        let next = data
            .phases
            .get(index + 1)
            .map_or(WIDTH, |next| axis.column(next.at_ms));
        let from = axis.column(start.at_ms);
        let text = ['|'].into_iter().chain(start.phase.name().chars());
        if start.phase != Phase::End {
            write(&mut columns, from, next.max(from + 1), text);
        }
    }
    columns
}

fn write(columns: &mut [char], from: usize, to: usize, text: impl Iterator<Item = char>) {
    for (column, char) in columns[from..to].iter_mut().zip(text) {
        *column = char;
    }
}

fn throughput(data: &TimelineData, service: &str, acked: &[u64]) -> Line {
    // Thousandths of an acknowledgement in a bucket, so that thin columns differ.
    let means: Vec<u64> = (0..WIDTH)
        .map(|column| {
            let from = column * acked.len() / WIDTH;
            let to = ((column + 1) * acked.len() / WIDTH)
                .max(from + 1)
                .min(acked.len());
            let buckets = &acked[from.min(to)..to];
            (buckets.iter().sum::<u64>() * 1_000)
                .checked_div(buckets.len() as u64)
                .unwrap_or(0)
        })
        .collect();
    let peak = means.iter().copied().max().unwrap_or(0);
    let level = |mean: u64| match mean {
        0 => '·',
        _ => LEVELS[((mean * LEVELS.len() as u64 - 1) / peak) as usize],
    };
    let per_second = (peak * 1_000)
        .checked_div(data.bucket_ms.get())
        .unwrap_or(0);
    let columns = means.iter().map(|mean| level(*mean)).collect();
    line(service, columns, format!("peak {}/s", count(per_second)))
}

fn downtime(axis: &Axis, gaps: &[Gap]) -> Vec<char> {
    let mut columns = vec![' '; WIDTH];
    for gap in gaps {
        axis.fill(&mut columns, gap.from_ms, gap.to_ms, '×');
    }
    columns
}

fn fault_line(axis: &Axis, fault: &FaultRow) -> Line {
    let mut columns = vec![' '; WIDTH];
    let is_instant = fault.kind.is_instant();
    let mark = match fault.status {
        FaultStatus::Skipped { .. } => '○',
        FaultStatus::Uncertain { .. } => '?',
        _ if is_instant => '◆',
        FaultStatus::Installed | FaultStatus::Healed => '━',
    };
    let end = match (&fault.status, fault.healed_ms) {
        (_, Some(healed)) => healed,
        (FaultStatus::Installed, None) if !is_instant => Ms::of(axis.end_us),
        _ => fault.at_ms,
    };
    axis.fill(&mut columns, fault.at_ms, end, mark);
    line(fault.kind.name(), columns, targets(fault))
}

fn leaders(axis: &Axis, data: &TimelineData) -> Vec<char> {
    let mut columns = vec!['·'; WIDTH];
    for leader in &data.leaders {
        let from = axis.column(leader.from_ms);
        let until = leader.until_ms.unwrap_or(data.end_ms);
        axis.fill(&mut columns, leader.from_ms, until, '─');
        let to = axis.column(until) + 1;
        let long = format!("├{} t{}", leader.node, leader.term);
        let short = format!("├{}", leader.term);
        let text = [long, short, "├".to_owned()]
            .into_iter()
            .find(|text| text.chars().count() <= to - from)
            .unwrap_or_default();
        write(&mut columns, from, to, text.chars());
    }
    columns
}

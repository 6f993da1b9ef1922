//! The report on a terminal: the run at a glance, the figures, and last, where the eye
//! rests, the verdict with its evidence and the command that runs it again.

use super::tables::{Table, Tone, tables};
use super::timeline::timeline;
use super::words::{count, data_loss, duration};
use super::*;

/// Lines of evidence that are printed; the rest is in `report.json`.
const MOST_EVIDENCE: usize = 20;

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// With ANSI escapes.
    pub color: bool,
}

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BOLD: &str = "1";
const DIM: &str = "2";

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The whole report. `run_dir` is where the artifacts are, if they were written.
pub fn text(report: &Report, style: Style, run_dir: Option<&str>) -> String {
    let mut out = header(report, style);
    out += &drawing(report, style);
    for table in tables(report, false) {
        out += &laid_out(&table, style);
    }
    out += &format!(
        "{}   {}\n",
        style.paint(BOLD, "data loss"),
        data_loss(&report.data_loss)
    );
    if let Some(stress) = &report.load.stress {
        out += &format!("{}      {}\n", style.paint(BOLD, "stress"), stress.summary);
    }
    let held = report
        .checks
        .iter()
        .filter(|c| c.verdict == CheckVerdict::Pass)
        .count();
    let total = report.checks.len();
    out += &format!(
        "{}      {held} of {total} hold\n",
        style.paint(BOLD, "checks")
    );
    out += &decision(report, style);
    out.push('\n');
    out += &findings(report, style);
    out + &ending(report, style, run_dir)
}

/// Bottlenecks, and what bounds the figures.
fn findings(report: &Report, style: Style) -> String {
    let mut out = String::new();
    for found in &report.bottlenecks {
        let title = format!("bottleneck  {}: {}", found.subject, found.rule.title());
        out += &format!(
            "{} ({} priority)\n",
            style.paint(YELLOW, &title),
            found.priority.label()
        );
        for evidence in &found.evidence {
            out += &format!("  {evidence}\n");
        }
        out += &format!("  cause: {}\n  do: {}\n", found.cause, found.recommendation);
    }
    if let Some(bounded_by) = &report.bounded_by {
        out += &style.paint(DIM, &format!("note        {bounded_by}"));
        out.push('\n');
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// How long the run took, as far as that is known: not when a stored one is judged again.
fn took(report: &Report) -> String {
    match report.sim.wall_seconds.get() {
        0 => String::new(),
        wall => format!(
            " in {} ({}x)",
            duration(wall),
            count(report.sim.speed.get() / 1_000)
        ),
    }
}

fn header(report: &Report, style: Style) -> String {
    let cluster = &report.cluster;
    let operations = &report.operations;
    format!(
        "{} seed {} on {}: {} nodes, heartbeat {}, election timeout {} to {}\n\
         {} of run{}: {} operations, {} acknowledged, {} failed, {} unknown\n\n",
        style.paint(BOLD, &report.scenario),
        report.seed,
        report.backend,
        cluster.nodes,
        duration(cluster.heartbeat_ms.get()),
        duration(cluster.election_timeout_ms.min.get()),
        duration(cluster.election_timeout_ms.max.get()),
        duration(report.sim.seconds.get()),
        took(report),
        count(operations.invoked),
        count(operations.acknowledged),
        count(operations.failed),
        count(operations.unknown),
    )
}

fn drawing(report: &Report, style: Style) -> String {
    let lines = timeline(report);
    let width = lines
        .iter()
        .map(|line| line.label.chars().count())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for line in &lines {
        let columns = format!("{:<60}", line.columns);
        let is_outage = line.label == "down";
        let columns = if is_outage {
            style.paint(RED, &columns)
        } else {
            columns
        };
        let drawn = format!(
            "{:<width$}  {columns}  {}",
            line.label,
            style.paint(DIM, &line.remark)
        );
        out += drawn.trim_end();
        out.push('\n');
    }
    out + if lines.is_empty() { "" } else { "\n" }
}

pub(super) fn laid_out(table: &Table, style: Style) -> String {
    let widths: Vec<usize> = (0..table.columns.len())
        .map(|column| {
            let cells = table
                .rows
                .iter()
                .map(|(_, cells)| cells[column].chars().count());
            cells
                .chain([table.columns[column]
                    .trim_start_matches('>')
                    .chars()
                    .count()])
                .max()
        })
        .map(|width| width.unwrap_or(0))
        .collect();
    let line = |cells: &[&str]| {
        let mut line = String::new();
        for ((cell, name), width) in cells.iter().zip(&table.columns).zip(&widths) {
            let cell = cell.trim_start_matches('>');
            line += &if name.starts_with('>') {
                format!("{cell:>width$}  ")
            } else {
                format!("{cell:<width$}  ")
            };
        }
        line.trim_end().to_owned()
    };
    let mut out = style.paint(BOLD, &line(&table.columns)) + "\n";
    for (tone, cells) in &table.rows {
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        out += &match tone {
            Tone::Plain => line(&cells),
            Tone::Bad => style.paint(RED, &line(&cells)),
            Tone::Doubtful => style.paint(YELLOW, &line(&cells)),
        };
        out.push('\n');
    }
    out + "\n"
}

fn ending(report: &Report, style: Style, run_dir: Option<&str>) -> String {
    let code = match report.verdict {
        RunVerdict::Pass => GREEN,
        RunVerdict::Inconclusive => YELLOW,
        RunVerdict::Violation | RunVerdict::ObjectiveMissed => RED,
    };
    let verdict = style.paint(code, &report.verdict.to_string());
    let mut out = format!("{verdict}  {}\n", report.reason);
    let failed = report
        .checks
        .iter()
        .filter(|check| check.verdict == CheckVerdict::Fail);
    let evidence: Vec<&String> = failed.flat_map(|check| &check.evidence).collect();
    for line in evidence.iter().take(MOST_EVIDENCE) {
        out += &format!("  {line}\n");
    }
    if let Some(more @ 1..) = evidence.len().checked_sub(MOST_EVIDENCE) {
        out += &format!("  and {more} more lines in report.json\n");
    }
    if let Some(run_dir) = run_dir {
        out += &format!("artifacts: {run_dir}\n");
    }
    out + &format!("again: {}\n", style.paint(BOLD, &report.reproduce))
}

/// Go, or no-go with the reasons that the verdict's own line does not say.
fn decision(report: &Report, style: Style) -> String {
    let Decision { go, reasons } = &report.decision;
    let word = if *go { "go" } else { "no-go" };
    let mut out = format!("{}    {word}\n", style.paint(BOLD, "decision"));
    for reason in reasons
        .iter()
        .filter(|reason| !report.reason.contains(*reason))
    {
        out += &format!("  {reason}\n");
    }
    out
}

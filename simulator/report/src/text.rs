//! The report on a terminal: the run at a glance, the figures, and at the end the verdict with
//! its evidence and the command that runs it again.

use crate::report::Report;
use crate::timeline::timeline;
use crate::verdict::RunVerdict;
use crate::verdict::check_counts;
use crate::words::{count, data_loss, down, duration};
use crate::write::text::{BOLD, DIM, GREEN, RED, Style, YELLOW, table};
use crate::{alerts, sections, tables};

/// Lines of evidence that are printed; the rest is in `report.json`.
const MOST_EVIDENCE: usize = 20;
/// The same of each check that is broken and was not promised.
const MOST_UNPROMISED: usize = 3;

/// The whole report. `run_dir` is where the artifacts are, if they were written.
pub fn text(report: &Report, style: Style, run_dir: Option<&str>) -> String {
    let mut out = header(report, style);
    out += &drawing(report, style);
    for shown in tables::tables(report, false) {
        out += &table(&shown, style, "");
        out.push('\n');
    }
    out += &labelled(style, "downtime", &down(report.downtime_ms.any));
    out += &labelled(style, "data loss", &data_loss(&report.data_loss));
    if let Some(stress) = &report.load.stress {
        out += &labelled(style, "stress", &stress.summary);
    }
    if let Some(counts) = alerts::action_counts(report) {
        out += &labelled(style, "alerts", &counts);
        let failed = alerts::failed_actions(report);
        if !failed.is_empty() {
            out += &table(&failed, style, "  ");
        }
    }
    out += &labelled(style, "checks", &check_counts(&report.checks));
    out += &decision(report, style);
    out.push('\n');
    out += &unpromised(report, style);
    out += &findings(report, style);
    out + &ending(report, style, run_dir)
}

fn labelled(style: Style, label: &str, text: &str) -> String {
    let gap = " ".repeat(12 - label.len());
    format!("{}{gap}{text}\n", style.paint(BOLD, label))
}

/// The first operations of what is broken and was not promised.
fn unpromised(report: &Report, style: Style) -> String {
    let mut out = String::new();
    for check in sections::unpromised(report) {
        let title = format!("not promised  {} {}", check.property, check.name);
        out += &style.paint(YELLOW, &title);
        out.push('\n');
        for line in check.evidence.iter().take(MOST_UNPROMISED) {
            out += &format!("  {line}\n");
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// Bottlenecks, and what bounds the figures.
fn findings(report: &Report, style: Style) -> String {
    let mut out = String::new();
    for found in &report.bottlenecks {
        let title = format!("bottleneck  {}: {}", found.subject, found.rule.title());
        let title = style.paint(YELLOW, &title);
        out += &format!("{title} ({} priority)\n", found.priority.label());
        for evidence in &found.evidence {
            out += &format!("  {evidence}\n");
        }
        out += &format!("  cause: {}\n  do: {}\n", found.cause, found.recommendation);
    }
    for line in sections::analysis_lines(report) {
        out += &format!("analysis    {line}\n");
    }
    if let Some(bounded_by) = &report.bounded_by {
        out += &style.paint(DIM, &format!("note        {bounded_by}"));
        out.push('\n');
    }
    if let Some(note) = sections::closed_loops(report) {
        out += &style.paint(DIM, &format!("note        {note}"));
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
    let labels = lines.iter().map(|line| line.label.chars().count());
    let width = labels.max().unwrap_or(0);
    let mut out = String::new();
    for line in &lines {
        let mut columns = format!("{:<60}", line.columns);
        if line.label == "down" {
            columns = style.paint(RED, &columns);
        }
        let remark = style.paint(DIM, &line.remark);
        let drawn = format!("{:<width$}  {columns}  {remark}", line.label);
        out += drawn.trim_end();
        out.push('\n');
    }
    if !lines.is_empty() {
        out.push('\n');
    }
    out
}

fn ending(report: &Report, style: Style, run_dir: Option<&str>) -> String {
    let code = match report.verdict {
        RunVerdict::Pass => GREEN,
        RunVerdict::Inconclusive => YELLOW,
        RunVerdict::Violation | RunVerdict::ObjectiveMissed => RED,
    };
    let verdict = style.paint(code, &report.verdict.to_string());
    let mut out = format!("{verdict}  {}\n", report.reason);
    let evidence: Vec<&str> = sections::evidence(report).collect();
    for line in evidence.iter().take(MOST_EVIDENCE) {
        out += &format!("  {line}\n");
    }
    if let Some(more @ 1..) = evidence.len().checked_sub(MOST_EVIDENCE) {
        out += &format!("  and {more} more lines in report.json\n");
    }
    if let Some(run_dir) = run_dir {
        out += &format!("artifacts: {run_dir}\n");
    }
    out + &format!("reproduce: {}\n", style.paint(BOLD, &report.reproduce))
}

/// Go, or no-go with the reasons that the verdict's own line does not say.
fn decision(report: &Report, style: Style) -> String {
    let mut out = labelled(style, "decision", report.decision.word());
    let reasons = report.decision.reasons.iter();
    for reason in reasons.filter(|reason| !report.reason.contains(*reason)) {
        out += &format!("  {reason}\n");
    }
    out
}

//! `report.md`: the report for a pull request or a wiki.
//!
//! Holds nothing of the wall clock, so it is byte-identical for a seed.

use super::tables::{Table, Tone, data_loss, duration, tables};
use super::timeline::timeline;
use super::*;

pub fn markdown(report: &Report) -> String {
    let mut out = format!(
        "# {} seed {}: {}\n\n{}\n\n",
        escaped(&report.scenario),
        report.seed,
        report.verdict,
        escaped(&report.reason)
    );
    out += &evidence(report);
    out += &format!("Run again:\n\n```sh\n{}\n```\n\n", report.reproduce);
    out += &facts(report);
    out += &drawing(report);
    for table in tables(report, true) {
        out += &laid_out(&table);
    }
    if let Some(stress) = &report.load.stress {
        out += &format!("## stress\n\n{}.\n\n", escaped(&stress.summary));
    }
    out + &format!("## data loss\n\n{}.\n", data_loss(&report.data_loss))
}

fn evidence(report: &Report) -> String {
    let failed = report
        .checks
        .iter()
        .filter(|check| check.verdict == CheckVerdict::Fail);
    let lines: Vec<&str> = failed
        .flat_map(|c| &c.evidence)
        .map(String::as_str)
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("```text\n{}\n```\n\n", lines.join("\n"))
}

fn facts(report: &Report) -> String {
    let cluster = &report.cluster;
    let operations = &report.operations;
    format!(
        "{} nodes on {}, heartbeat {}, election timeout {} to {}. {} of run, {} events, \
         {} operations: {} acknowledged, {} failed, {} unknown. History `{}`.\n\n",
        cluster.nodes,
        report.backend,
        duration(cluster.heartbeat_ms.get()),
        duration(cluster.election_timeout_ms.min.get()),
        duration(cluster.election_timeout_ms.max.get()),
        duration(report.sim.seconds.get()),
        report.sim.events,
        operations.invoked,
        operations.acknowledged,
        operations.failed,
        operations.unknown,
        report.sim.history_sha256,
    )
}

fn drawing(report: &Report) -> String {
    let lines = timeline(report);
    if lines.is_empty() {
        return String::new();
    }
    let drawn: String = lines
        .iter()
        .map(|line| format!("{:<10} {:<60}  {}", line.label, line.columns, line.remark))
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect();
    format!("```text\n{drawn}```\n\n")
}

pub(super) fn laid_out(table: &Table) -> String {
    let row = |cells: &mut dyn Iterator<Item = String>| {
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut out = format!("## {}\n\n", table.title);
    out += &row(&mut table
        .columns
        .iter()
        .map(|name| name.trim_start_matches('>').to_owned()));
    let rule = |name: &&str| if name.starts_with('>') { "---:" } else { "---" }.to_owned();
    out += &row(&mut table.columns.iter().map(rule));
    for (tone, cells) in &table.rows {
        out += &row(&mut cells.iter().enumerate().map(|(index, cell)| {
            let cell = escaped(cell);
            let is_marked = index == 0 && *tone != Tone::Plain;
            if is_marked {
                format!("**{cell}**")
            } else {
                cell
            }
        }));
    }
    out + "\n"
}

/// Keeps what clients wrote from being read as Markdown.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        if matches!(char, '\\' | '|' | '*' | '_' | '`' | '<' | '[' | ']') {
            escaped.push('\\');
        }
        escaped.push(if char == '\n' { ' ' } else { char });
    }
    escaped
}

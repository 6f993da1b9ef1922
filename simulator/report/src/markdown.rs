//! `report.md`: the report for a pull request, a wiki, or whoever has to decide.
//!
//! Its parts are those of a performance-test report: summary, environment, configuration,
//! results, errors, bottlenecks, comparison, recommendations, conclusion, appendix. What
//! depends on the wall clock or on the machine is in one part, "This execution"; all else is
//! byte-identical for a seed.

use super::parts::{self, Facts};
use super::tables::{Table, Tone, tables};
use super::timeline::timeline;
use super::words::data_loss;
use super::*;

/// Tables that have a part of their own.
const APART: [&str; 3] = ["objectives", "comparison", "checks"];

pub fn markdown(report: &Report) -> String {
    let title = format!(
        "# {} seed {}: {}\n\n",
        escaped(&report.scenario),
        report.seed,
        report.verdict
    );
    let tables = tables(report, true);
    let table = |title: &str| {
        let found = tables.iter().find(|table| table.title == title);
        found.map(laid_out).unwrap_or_default()
    };
    let results = tables.iter().filter(|table| !APART.contains(&table.title));
    let results: String = results
        .map(|table| format!("### {}\n\n{}", table.title, laid_out(table)))
        .collect();
    let parts = [
        ("Summary", summary(report)),
        ("Objectives", table("objectives")),
        ("Environment", environment(report)),
        ("This execution", facts(&parts::execution(report))),
        ("Configuration", block(&report.configuration)),
        (
            "Results",
            drawing(report) + &results + &stress(report) + &losses(report),
        ),
        ("Errors", or_words(&parts::errors(report), parts::NO_ERRORS)),
        ("Slowest operations", slowest(report)),
        ("Bottlenecks", bottlenecks(report)),
        ("Comparison", comparison(report) + &table("comparison")),
        ("Recommendations", recommendations(report)),
        ("Conclusion", conclusion(report)),
        ("Appendix: checks", table("checks")),
        ("Appendix: commands and raw data", appendix(report)),
    ];
    let parts = parts.into_iter().filter(|(_, text)| !text.is_empty());
    let parts: String = parts
        .map(|(title, text)| format!("## {title}\n\n{}\n\n", text.trim_end()))
        .collect();
    format!("{}\n", (title + &parts).trim_end())
}

/// A table of two columns without a head.
fn facts(facts: &Facts) -> String {
    let rows = facts.iter();
    let rows: String = rows
        .map(|(name, value)| format!("| {name} | {} |\n", escaped(value)))
        .collect();
    format!("| | |\n| --- | --- |\n{rows}\n")
}

fn block(text: &str) -> String {
    match text.is_empty() {
        true => String::new(),
        false => format!("```text\n{}\n```\n", text.trim_end()),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.map(|item| format!("- {item}\n")).collect()
}

fn summary(report: &Report) -> String {
    let text = format!("{}\n\n", escaped(&report.reason));
    text + &evidence(report) + &facts(&parts::summary(report))
}

fn stress(report: &Report) -> String {
    let stress = report.load.stress.as_ref();
    stress.map_or_else(String::new, |stress| {
        format!("### stress\n\n{}.\n\n", escaped(&stress.summary))
    })
}

fn evidence(report: &Report) -> String {
    let checks = report.checks.iter();
    let failed = checks.filter(|check| check.verdict == CheckVerdict::Fail);
    let lines: Vec<&str> = failed
        .flat_map(|check| &check.evidence)
        .map(String::as_str)
        .collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!("```text\n{}\n```\n\n", lines.join("\n")),
    }
}

fn environment(report: &Report) -> String {
    let bounded = report.bounded_by.iter();
    let bounded = bounded.map(|text| escaped(&parts::sentence(text)) + "\n\n");
    bounded.collect::<String>()
        + &facts(&parts::environment(report))
        + &or_words(&parts::resources(report), parts::NO_RESOURCES)
}

fn or_words(table: &Table, words: &str) -> String {
    match table.rows.is_empty() {
        true => format!("{words}\n"),
        false => laid_out(table),
    }
}

fn losses(report: &Report) -> String {
    format!("### data loss\n\n{}.\n", data_loss(&report.data_loss))
}

fn slowest(report: &Report) -> String {
    let table = parts::slowest(report);
    match table.rows.is_empty() {
        true => String::new(),
        false => laid_out(&table) + &parts::where_to_look(report) + "\n",
    }
}

fn bottlenecks(report: &Report) -> String {
    if let Some(why) = parts::no_bottleneck(report) {
        return format!("{why}\n");
    }
    let mut out = String::new();
    for found in &report.bottlenecks {
        out += &format!(
            "### {}: {} ({} priority)\n\n",
            found.subject,
            found.rule.title(),
            found.priority.label()
        );
        let evidence = found.evidence.iter();
        out += &list(evidence.map(|evidence| format!("Evidence: {}", escaped(evidence))));
        out += &format!("- Impact: {}\n", escaped(&found.impact));
        out += &format!("- Cause: {}\n\n", escaped(&found.cause));
    }
    out
}

fn comparison(report: &Report) -> String {
    let Some(comparison) = &report.comparison else {
        return format!("{}\n", parts::NO_BASELINE);
    };
    let worse: Vec<String> = comparison.regressions().map(ToString::to_string).collect();
    let told = match worse.is_empty() {
        true => format!("{}\n", parts::NO_REGRESSION),
        false => list(
            worse
                .iter()
                .map(|row| format!("**Regression**: {}", escaped(row))),
        ),
    };
    let baseline = escaped(&parts::baseline(comparison));
    format!("{baseline}\n\n{told}\n")
}

fn recommendations(report: &Report) -> String {
    match report.bottlenecks.is_empty() {
        true => format!("{}\n", parts::NO_RECOMMENDATION),
        false => list(report.bottlenecks.iter().map(|found| {
            format!(
                "**{}** ({}, {}): {}",
                found.priority.label(),
                found.subject,
                found.rule.title(),
                escaped(&found.recommendation)
            )
        })),
    }
}

fn conclusion(report: &Report) -> String {
    let go = match report.decision.go {
        true => "**Go.**",
        false => "**No-go.**",
    };
    let reasons = report.decision.reasons.iter();
    format!("{go}\n\n{}", list(reasons.map(|reason| escaped(reason))))
}

fn appendix(report: &Report) -> String {
    let commands = parts::commands(report).into_iter();
    let commands = list(commands.map(|(command, what)| format!("`{command}` {what}")));
    let files = parts::raw_data(report).into_iter();
    let files = list(files.map(|(file, what)| format!("`{file}`: {}", escaped(&what))));
    format!("{commands}\nIn the run directory:\n\n{files}")
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
    let mut out = row(&mut table
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

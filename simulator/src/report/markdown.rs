//! `report.md`: the report for a pull request, a wiki, or whoever has to decide.
//!
//! Its parts are those of a performance-test report: summary, environment, configuration,
//! results, errors, bottlenecks, comparison, recommendations, conclusion, appendix. What
//! depends on the wall clock or on the machine is in one part, "This execution"; all else is
//! byte-identical for a seed.

use super::tables::{Table, Tone, count, data_loss, duration, tables};
use super::timeline::timeline;
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
        ("This execution", execution(report)),
        ("Configuration", block(&report.configuration)),
        (
            "Results",
            drawing(report) + &results + &stress(report) + &losses(report),
        ),
        ("Errors", errors(report)),
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
fn facts(rows: &[(&str, String)]) -> String {
    let rows = rows.iter().filter(|(_, value)| !value.is_empty());
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
    let operations = &report.operations;
    let success = (operations.acknowledged * 1_000_000)
        .checked_div(operations.invoked)
        .map(|ppm| format!("{:.3} %", Percent::of(ppm)));
    let decision = if report.decision.go { "go" } else { "no-go" };
    let text = format!("{}\n\n", escaped(&report.reason));
    text + &evidence(report)
        + &facts(&[
            ("verdict", report.verdict.to_string()),
            ("decision", decision.to_owned()),
            ("length of the run", duration(report.sim.seconds.get())),
            ("nodes", report.cluster.nodes.to_string()),
            ("operations", count(operations.invoked)),
            ("acknowledged", count(operations.acknowledged)),
            ("failed", count(operations.failed)),
            ("unknown", count(operations.unknown)),
            ("success rate", success.unwrap_or_default()),
        ])
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

/// What the cluster ran on.
fn environment(report: &Report) -> String {
    let cluster = &report.cluster;
    let bounded = report.bounded_by.iter().map(|text| escaped(text) + ".\n\n");
    let backend = match report.backend.as_str() {
        "sim" => "simulation in virtual time",
        other => other,
    };
    bounded.collect::<String>()
        + &facts(&[
            ("backend", backend.to_owned()),
            ("nodes", cluster.nodes.to_string()),
            ("heartbeat", duration(cluster.heartbeat_ms.get())),
            (
                "election timeout",
                format!(
                    "{} to {}",
                    duration(cluster.election_timeout_ms.min.get()),
                    duration(cluster.election_timeout_ms.max.get())
                ),
            ),
            ("seed", report.seed.to_string()),
        ])
        + &resources(report)
}

fn resources(report: &Report) -> String {
    if report.resources.is_empty() {
        return "Processor and memory of the nodes are not known on this backend.\n".into();
    }
    let share = |share: Option<Percent>| share.map_or("-".into(), |s| format!("{s:.1} %"));
    let mut out = "| node | memory at most | grown by | processor |\n".to_owned();
    out += "| --- | ---: | ---: | ---: |\n";
    for (node, used) in &report.resources {
        let most = Unit::Bytes.text(Unit::Bytes.number(used.memory_max_bytes));
        let (grown, cpu) = (share(used.memory_growth), share(used.cpu));
        out += &format!("| {node} | {most} | {grown} | {cpu} |\n");
    }
    out
}

/// What may differ between two runs of the seed.
fn execution(report: &Report) -> String {
    let sim = &report.sim;
    let machine = sim.machine.as_ref();
    facts(&[
        ("date", sim.started.clone()),
        (
            "took",
            match sim.wall_seconds.get() {
                0 => String::new(),
                us => duration(us),
            },
        ),
        ("squall", sim.version.clone()),
        ("commit", sim.commit.clone().unwrap_or_default()),
        (
            "machine",
            machine.map(ToString::to_string).unwrap_or_default(),
        ),
    ])
}

fn losses(report: &Report) -> String {
    format!("### data loss\n\n{}.\n", data_loss(&report.data_loss))
}

fn errors(report: &Report) -> String {
    if report.errors.is_empty() {
        return "None: every operation was acknowledged.\n".into();
    }
    let mut out = "| operation | outcome | reason | count |\n".to_owned();
    out += "| --- | --- | --- | ---: |\n";
    for row in &report.errors {
        let outcome = match row.outcome {
            Class::Failed => "failed",
            Class::Unknown => "unknown",
            Class::Ok => "ok",
        };
        out += &format!(
            "| {} {} | {outcome} | {} | {} |\n",
            row.service,
            escaped(&row.operation),
            escaped(&row.why),
            count(row.count)
        );
    }
    out
}

fn slowest(report: &Report) -> String {
    if report.slowest.is_empty() {
        return String::new();
    }
    let mut out = "| operation | client | at | latency |\n| --- | --- | ---: | ---: |\n".to_owned();
    for row in &report.slowest {
        out += &format!(
            "| {} {} | {} | {:.3} s | {} |\n",
            row.service,
            escaped(&row.operation),
            escaped(&row.client),
            Seconds::of(row.at_ms.get()),
            duration(row.latency_ms.get())
        );
    }
    out
}

fn bottlenecks(report: &Report) -> String {
    if report.bottlenecks.is_empty() && report.stages_us.is_empty() {
        return "Not known: nodes did not tell where their time went.\n".into();
    }
    if report.bottlenecks.is_empty() {
        return "None: no rule of docs/bottlenecks.md applies to what was measured.\n".into();
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
        return "No baseline was named.\n".into();
    };
    let worse: Vec<String> = comparison.regressions().map(ToString::to_string).collect();
    let told = match worse.is_empty() {
        true => "No regression.\n".to_owned(),
        false => list(
            worse
                .iter()
                .map(|row| format!("**Regression**: {}", escaped(row))),
        ),
    };
    format!(
        "Baseline {} of {} runs, version {}; {}.\n\n{told}\n",
        escaped(&comparison.baseline),
        comparison.runs,
        comparison.version,
        comparison.tolerance
    )
}

fn recommendations(report: &Report) -> String {
    match report.bottlenecks.is_empty() {
        true => "None: nothing measured calls for a change.\n".into(),
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
    let go = if report.decision.go {
        "**Go.**"
    } else {
        "**No-go.**"
    };
    let reasons = report.decision.reasons.iter();
    format!("{go}\n\n{}", list(reasons.map(|reason| escaped(reason))))
}

fn appendix(report: &Report) -> String {
    format!(
        "Run again:\n\n```sh\n{}\n```\n\nRaw data: `history.jsonl` ({} events, sha256 `{}`), \
         `report.json`, and a CSV file a table or series with `squall report RUN_DIR --csv DIR`.\n",
        report.reproduce,
        count(report.sim.events),
        report.sim.history_sha256
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

//! A summary to read: `summary.md`, and the same tables on a terminal.
//!
//! One line a cause and not a seed; quantities in the units a reader thinks in; last what
//! the seeds did not exercise, because that is what a passing sweep leaves open.

use super::result::{Ending, Measure};
use super::summary::{Distribution, FailureGroup, ScenarioSummary, Summary};
use crate::report::{count, duration};

/// Failures shown in full on a terminal.
const SHOWN_CAUSES: usize = 20;

/// `summary.md`. Holds nothing of the wall clock.
pub fn markdown(summary: &Summary) -> String {
    let mut out = format!("# Sweep of seeds {}\n\n", summary.sweep.seeds);
    out += &format!("{}.\n\n", headline(summary));
    if !summary.failures.is_empty() {
        out += "## failures\n\n";
        for group in &summary.failures {
            out += &format!(
                "- **{}** `{}`: {} runs ({})\n\n  {}\n\n  ```sh\n  {}\n  ```\n\n",
                group.ending.label(),
                group.cause,
                count(group.count),
                group.first.join(", "),
                group.example.reason.replace('|', "\\|"),
                group.example.reproduce,
            );
        }
    }
    for scenario in &summary.scenarios {
        out += &format!("## {}: {}\n\n", scenario.scenario, endings(scenario));
        out += "| measure | count | min | p50 | p90 | p99 | max | worst seed | not seen |\n";
        out += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
        for row in rows(scenario) {
            out += &format!("| {} |\n", row.join(" | "));
        }
        out.push('\n');
        out += &figures(scenario);
    }
    out +=
        "## faults\n\n| fault | injected | skipped | uncertain |\n| --- | ---: | ---: | ---: |\n";
    for (kind, counts) in &summary.faults {
        let cells = [counts.injected, counts.skipped, counts.uncertain].map(count);
        out += &format!("| {kind} | {} |\n", cells.join(" | "));
    }
    out += "\n## checks\n\n| property | check | runs that judged it | judged |\n";
    out += "| --- | --- | ---: | ---: |\n";
    for check in &summary.checks {
        let cells = [check.runs, check.judged].map(count);
        out += &format!(
            "| {} | {} | {} |\n",
            check.property,
            check.check,
            cells.join(" | ")
        );
    }
    out += "\n## marks\n\n| mark | runs | times | first | meaning |\n";
    out += "| --- | ---: | ---: | --- | --- |\n";
    for mark in &summary.marks {
        out += &format!(
            "| {} | {} | {} | {} | {} |\n",
            mark.mark,
            count(mark.runs),
            count(mark.times),
            mark.first.as_deref().unwrap_or("never"),
            mark.about
        );
    }
    out
}

/// For a terminal.
pub fn text(summary: &Summary) -> String {
    let mut out = String::new();
    for scenario in &summary.scenarios {
        out += &format!("{}: {}\n", scenario.scenario, endings(scenario));
        let mut table = vec![
            [
                "",
                "count",
                "min",
                "p50",
                "p90",
                "p99",
                "max",
                "worst seed",
                "not seen",
            ]
            .map(str::to_owned),
        ];
        table.extend(rows(scenario));
        out += &laid_out(&table);
        out.push('\n');
    }
    let faults = summary.faults.iter().map(|(kind, counts)| {
        let missed = counts.skipped + counts.uncertain;
        match missed {
            0 => format!("{kind} {}", count(counts.injected)),
            _ => format!(
                "{kind} {} (and {missed} without effect)",
                count(counts.injected)
            ),
        }
    });
    out += &wrapped("faults", faults.collect());
    let (met, never): (Vec<_>, Vec<_>) = summary.marks.iter().partition(|mark| mark.runs > 0);
    let met = met
        .iter()
        .map(|mark| format!("{} {}", mark.mark, count(mark.runs)));
    out += &wrapped("marks met (runs)", met.collect());
    out += &wrapped(
        "marks never met",
        never.iter().map(|mark| mark.mark.clone()).collect(),
    );
    let unjudged = summary.checks.iter().filter(|check| check.runs == 0);
    let unjudged = unjudged.map(|check| format!("{} {}", check.property, check.check));
    out += &wrapped("checks that judged nothing in any run", unjudged.collect());
    for group in summary.failures.iter().take(SHOWN_CAUSES) {
        out += &failure(group);
    }
    if let Some(more @ 1..) = summary.failures.len().checked_sub(SHOWN_CAUSES) {
        out += &format!("\nand {more} more causes in summary.json\n");
    }
    out + &format!("\n{}\n", headline(summary))
}

fn failure(group: &FailureGroup) -> String {
    let seeds = match group.count as usize > group.first.len() {
        true => format!("{} …", group.first.join(" ")),
        false => group.first.join(" "),
    };
    let mut out = format!(
        "\n{} in {}: {}\n  {} seed {}: {}\n  {}\n  again: {}\n",
        group.ending.label().to_uppercase(),
        runs(group.count),
        group.cause,
        group.example.scenario,
        group.example.seed,
        group.example.reason,
        seeds,
        group.example.reproduce,
    );
    if let Some(dir) = group.run_dirs.first() {
        out += &format!("  run directory: {dir}\n");
    }
    out
}

/// One line for all.
pub fn headline(summary: &Summary) -> String {
    let head = &summary.sweep;
    let totals = &summary.totals;
    let endings = summary.endings.iter();
    let endings: Vec<String> = endings
        .map(|(ending, runs)| format!("{} {}", count(*runs), ending.label()))
        .collect();
    let done = match head.done < head.planned {
        true => format!("{} of {}", count(head.done), runs(head.planned)),
        false => runs(head.done),
    };
    let shard = match head.shard.as_str() {
        "1/1" => String::new(),
        shard => format!(" of shard {shard}"),
    };
    let verified = match head.verified {
        true => ", each run twice",
        false => "",
    };
    format!(
        "{done}{shard}{verified}: {}; {} operations in {} of simulated time, {} of {} \
         acknowledged writes lost",
        match endings.is_empty() {
            true => "nothing done".to_owned(),
            false => endings.join(", "),
        },
        count(totals.operations.invoked),
        duration(totals.simulated_seconds.get()),
        count(totals.lost_writes),
        count(totals.acked_writes),
    )
}

pub(super) fn runs(number: u64) -> String {
    match number {
        1 => "1 run".into(),
        _ => format!("{} runs", count(number)),
    }
}

/// Latency, throughput, stages, with the worst of all seeds.
fn figures(scenario: &ScenarioSummary) -> String {
    if scenario.figures.is_empty() {
        return String::new();
    }
    let mut out = "| figure | median | worst |\n| --- | ---: | ---: |\n".to_owned();
    for row in figure_rows(scenario) {
        out += &format!("| {} |\n", row.join(" | "));
    }
    out + "\n"
}

/// Name, median, worst.
pub(super) fn figure_rows(scenario: &ScenarioSummary) -> impl Iterator<Item = [String; 3]> {
    let figures = scenario.figures.iter();
    figures.map(|(name, kept)| {
        let [median, worst] = [kept.median, kept.worst].map(|value| kept.unit.text(value));
        [name.clone(), median, worst]
    })
}

pub(super) fn endings(scenario: &ScenarioSummary) -> String {
    let endings = Ending::ALL.iter().filter_map(|ending| {
        let number = scenario.endings.get(ending)?;
        Some(format!("{} {}", count(*number), ending.label()))
    });
    let endings: Vec<String> = endings.collect();
    format!("{}: {}", runs(scenario.runs), endings.join(", "))
}

pub(super) fn rows(scenario: &ScenarioSummary) -> Vec<[String; 9]> {
    let measures = Measure::ALL.iter().filter_map(|measure| {
        let row = scenario.measures.get(measure)?;
        (row.count + row.unseen > 0).then(|| cells(*measure, row))
    });
    measures.collect()
}

fn cells(measure: Measure, row: &Distribution) -> [String; 9] {
    let value = |value: Option<u64>| match value {
        None => "-".to_owned(),
        Some(value) if measure.is_count() => count(value),
        Some(us) => duration(us),
    };
    let seed = |seed: Option<u64>| seed.map_or_else(|| "-".to_owned(), |seed| seed.to_string());
    [
        measure.label().to_owned(),
        count(row.count),
        value(row.min),
        value(row.p50),
        value(row.p90),
        value(row.p99),
        value(row.max),
        seed(row.worst_seed),
        match row.unseen {
            0 => "-".to_owned(),
            unseen => format!("{} (seed {})", count(unseen), seed(row.unseen_seed)),
        },
    ]
}

/// The first column to the left, the others to the right.
fn laid_out(table: &[[String; 9]]) -> String {
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; 9] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let line = |row: &[String; 9]| {
        let mut line = format!("  {:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(widths).skip(1) {
            line += &format!("  {cell:>width$}");
        }
        line.trim_end().to_owned() + "\n"
    };
    table.iter().map(line).collect()
}

/// A label and a list, broken into lines.
fn wrapped(label: &str, items: Vec<String>) -> String {
    const WIDTH: usize = 96;
    if items.is_empty() {
        return String::new();
    }
    let mut out = format!("{label}: ");
    let mut used = out.len();
    for (index, item) in items.iter().enumerate() {
        let comma = if index + 1 < items.len() { ", " } else { "" };
        if used + item.len() > WIDTH && index > 0 {
            out.truncate(out.trim_end().len());
            out += "\n  ";
            used = 2;
        }
        out += &format!("{item}{comma}");
        used += item.len() + comma.len();
    }
    out + "\n"
}

//! Writes the summary of a sweep: `summary.md`, CSV files, and a terminal's text.
//!
//! One line a cause and not a seed; quantities in the units a reader thinks in; last what
//! the seeds did not exercise, because that is what a passing sweep leaves open.

use super::result::Ending;
use super::result::Results;
use super::summary::{FailureGroup, ScenarioSummary, Summary};
use super::tables;
use crate::report::document::{Block, Document, Section, Table, code, plain, strong};
use crate::report::write;
use crate::report::{Style, count, duration};

/// Failures shown in full on a terminal.
const SHOWN_CAUSES: usize = 20;

/// `summary.md`. Holds nothing of the wall clock.
pub fn markdown(summary: &Summary) -> String {
    let table = |table: Table| (!table.is_empty()).then_some(Block::Table(table));
    let failures = summary.failures.iter().flat_map(|group| {
        let first = format!(": {} ({})", runs(group.count), group.first.join(", "));
        let cause = code(group.cause.to_string());
        let head = vec![
            strong(group.ending.label()),
            plain(" "),
            cause,
            plain(first),
        ];
        let reason = Block::text(&group.example.reason);
        let again = Block::Code("sh", group.example.reproduce.clone());
        [Block::Text(head), reason, again]
    });
    let scenarios = summary.scenarios.iter().map(|scenario| {
        let title = format!("{}: {}", scenario.scenario, endings(scenario));
        let tables = [
            tables::measures([scenario], false),
            tables::objectives([scenario], true),
            tables::figures([scenario]),
        ];
        Section::new("", title, tables.into_iter().filter_map(table).collect())
    });
    let faults = table(tables::faults(summary));
    let checks = table(tables::checks(summary));
    let marks = table(tables::marks(summary));
    let failures = Section::new("", "failures", failures.collect());
    let others = [
        Section::new("", "faults", faults.into_iter().collect()),
        Section::new("", "checks", checks.into_iter().collect()),
        Section::new("", "marks", marks.into_iter().collect()),
    ];
    write::markdown::document(&Document {
        title: format!("Sweep of seeds {}", summary.sweep.seeds),
        lead: vec![Block::text(format!("{}.", headline(summary)))],
        sections: [failures]
            .into_iter()
            .chain(scenarios)
            .chain(others)
            .collect(),
    })
}

/// `summary.csv`: the distributions.
pub fn csv(summary: &Summary) -> String {
    write::csv::table(&tables::measures(&summary.scenarios, true))
}

/// `figures.csv`.
pub fn figures_csv(summary: &Summary) -> String {
    write::csv::table(&tables::figures(&summary.scenarios))
}

/// `seeds.csv`: every run.
pub fn seeds_csv(results: &Results) -> String {
    write::csv::table(&tables::seeds(results))
}

/// For a terminal.
pub fn text(summary: &Summary) -> String {
    let mut out = String::new();
    for scenario in &summary.scenarios {
        out += &format!("{}: {}\n", scenario.scenario, endings(scenario));
        let measures = tables::measures([scenario], false);
        out += &write::text::table(&measures, Style::default(), "  ");
        let objectives = tables::objectives([scenario], false);
        if !objectives.is_empty() {
            out += &write::text::table(&objectives, Style::default(), "  ");
        }
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
    let wrapped = |label: &str, items: Vec<String>| write::text::wrapped(label, &items);
    out += &wrapped("faults", faults.collect());
    let (met, never): (Vec<_>, Vec<_>) = summary.marks.iter().partition(|mark| mark.runs > 0);
    let met = met.iter();
    let met = met.map(|mark| format!("{} {}", mark.mark, count(mark.runs)));
    out += &wrapped("marks met (runs)", met.collect());
    let never = never.iter().map(|mark| mark.mark.clone());
    out += &wrapped("marks never met", never.collect());
    let unjudged = summary.checks.iter().filter(|check| check.runs == 0);
    let unjudged = unjudged.map(|check| format!("{} {}", check.property, check.check));
    let broken = summary.checks.iter().filter(|check| check.broken > 0);
    let broken = broken.map(|check| format!("{} {} {}", check.property, check.check, check.broken));
    out += &wrapped("checks broken (runs)", broken.collect());
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
    let mut seeds = group.first.join(" ");
    if group.count as usize > group.first.len() {
        seeds += " …";
    }
    let mut out = format!(
        "\n{} in {}: {}\n  {} seed {}: {}\n  {}\n  reproduce: {}\n",
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
    let done = if head.done < head.planned {
        format!("{} of {}", count(head.done), runs(head.planned))
    } else {
        runs(head.done)
    };
    let shard = match head.shard.as_str() {
        "1/1" => String::new(),
        shard => format!(" of shard {shard}"),
    };
    let verified = if head.verified {
        ", each run twice"
    } else {
        ""
    };
    let endings = if endings.is_empty() {
        "nothing done".to_owned()
    } else {
        endings.join(", ")
    };
    format!(
        "{done}{shard}{verified}: {endings}; {} operations in {} of simulated time, {} of {} \
         acknowledged writes lost",
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

pub(super) fn endings(scenario: &ScenarioSummary) -> String {
    let endings = Ending::ALL.iter().filter_map(|ending| {
        let number = scenario.endings.get(ending)?;
        Some(format!("{} {}", count(*number), ending.label()))
    });
    let endings: Vec<String> = endings.collect();
    format!("{}: {}", runs(scenario.runs), endings.join(", "))
}

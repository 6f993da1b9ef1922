//! `report.md`: the report for a pull request, a wiki, or whoever has to decide.
//!
//! Its parts are those of a performance-test report: summary, environment, configuration,
//! results, errors, bottlenecks, comparison, recommendations, conclusion, appendix. What
//! depends on the wall clock or on the machine is in one part, "This execution"; all else is
//! byte-identical for a seed.

use crate::document::{Block, Document, Section};
use crate::report::Report;
use crate::timeline::drawing;
use crate::words::{data_loss, sentence};
use crate::{alerts, sections, tables, write};

/// Tables that have a section of their own.
const APART: [&str; 3] = ["objectives", "comparison", "checks"];

/// `report.md`.
pub fn markdown(report: &Report) -> String {
    write::markdown::document(&document(report))
}

fn document(report: &Report) -> Document {
    let section = |title: &str, blocks| Section::new("", title, blocks);
    let objectives = tables::objectives(report);
    let objectives = (!objectives.is_empty()).then_some(Block::Table(objectives));
    let checks = tables::checks(report, true);
    let checks = (!checks.is_empty()).then_some(Block::Table(checks));
    let configuration = (!report.configuration.is_empty())
        .then(|| Block::Code("text", report.configuration.clone()));
    Document {
        title: format!(
            "{} seed {}: {}",
            report.scenario, report.seed, report.verdict
        ),
        lead: Vec::new(),
        sections: vec![
            section("Summary", sections::summary(report)),
            section("Objectives", objectives.into_iter().collect()),
            section("Environment", environment(report)),
            section("This execution", execution(report)),
            section("Configuration", configuration.into_iter().collect()),
            section("Results", results(report)),
            section(
                "Broken, and not promised",
                sections::findings_without_promise(report),
            ),
            section("Errors", sections::errors(report)),
            section("Slowest operations", sections::slowest(report)),
            section("Bottlenecks", sections::bottlenecks(report)),
            section("Analysis", sections::analysis(report)),
            section("Comparison", sections::comparison(report)),
            section("Recommendations", sections::recommendations(report)),
            section("Conclusion", sections::conclusion(report)),
            section("Appendix: checks", checks.into_iter().collect()),
            section(
                "Appendix: commands and raw data",
                vec![
                    sections::command_list(report),
                    Block::text("In the run directory:"),
                    sections::raw_data(report),
                ],
            ),
        ],
    }
}

fn environment(report: &Report) -> Vec<Block> {
    let resources = Block::table_or(tables::resources(report), sections::NO_RESOURCES);
    let facts = Block::Facts(sections::environment(report));
    let bounded = sections::bounded(report).into_iter();
    bounded.chain([facts, resources]).collect()
}

/// What may differ between two runs of the seed.
fn execution(report: &Report) -> Vec<Block> {
    let facts = Block::Facts(sections::execution(report));
    [facts].into_iter().chain(alerts::actions(report)).collect()
}

fn results(report: &Report) -> Vec<Block> {
    let drawn = drawing(report, 10);
    let mut blocks = Vec::new();
    if !drawn.is_empty() {
        blocks.push(Block::Code("text", drawn));
    }
    for table in tables::tables(report, true) {
        if !APART.contains(&table.title) {
            blocks.push(Block::Heading(table.title.to_owned()));
            blocks.push(Block::Table(table));
        }
    }
    let closed_loops = sections::closed_loops(report);
    blocks.extend(closed_loops.map(|note| Block::Note(sentence(&note))));
    if let Some(stress) = &report.load.stress {
        blocks.push(Block::Heading("stress".to_owned()));
        blocks.push(Block::text(format!("{}.", stress.summary)));
    }
    blocks.push(Block::Heading("data loss".to_owned()));
    blocks.push(Block::text(format!("{}.", data_loss(&report.data_loss))));
    blocks
}

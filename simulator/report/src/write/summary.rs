//! Cases as a Markdown summary, short enough for the page of a CI job: what does not hold and
//! why, how many cases hold, what had nothing to judge, and the commands that run it again.

use crate::cases::{Case, Finding, Outcome, Suite};
use crate::columns;
use crate::document::{Block, Document, Section, Severity, Table, code, plain};
use crate::write::markdown;

/// Under a title, after an introduction. `commands` run again what failed.
pub fn summary(title: &str, lead: &str, suites: &[Suite], commands: &[String]) -> String {
    type Row<'a> = (&'a str, &'a str, &'a Finding);
    let columns = columns! { row: Row<'_>;
        text "what" "" row.1;
        text "of" "" row.0;
        text "result" "" row.2.kind.label().replace('_', " ");
        text "why" "" &row.2.message;
    };
    let cases = || {
        suites
            .iter()
            .flat_map(|suite| suite.cases.iter().map(move |case| (&*suite.name, case)))
    };
    let found: Vec<Row<'_>> = cases()
        .filter_map(|(suite, case)| match &case.outcome {
            Outcome::Found(found) => Some((suite, case.name.as_str(), found)),
            _ => None,
        })
        .collect();
    let table = Table::with_severity("", &columns, &found, |_| Severity::Bad);
    let passed = |case: &Case| case.outcome == Outcome::Passed;
    let held = cases().filter(|(_, case)| passed(case)).count();
    let mut blocks = vec![Block::text(lead)];
    if !table.is_empty() {
        blocks.push(Block::Table(table));
    }
    blocks.push(Block::text(format!(
        "{held} of {} checks, objectives and demands hold.",
        cases().count()
    )));
    let skipped = cases().filter_map(|(suite, case)| match &case.outcome {
        Outcome::Skipped(why) => {
            let name = match suites.len() {
                1 => case.name.clone(),
                _ => format!("{} ({suite})", case.name),
            };
            Some(vec![code(name), plain(format!(" {why}"))])
        }
        _ => None,
    });
    let skipped: Vec<_> = skipped.collect();
    let not_judged = (!skipped.is_empty()).then_some(Block::List(skipped));
    let commands = (!commands.is_empty()).then(|| Block::Code("sh", commands.join("\n")));
    markdown::document(&Document {
        title: title.to_owned(),
        lead: blocks,
        sections: vec![
            Section::new("", "Not judged", not_judged.into_iter().collect()),
            Section::new("", "Reproduce", commands.into_iter().collect()),
        ],
    })
}

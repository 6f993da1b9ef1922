//! Renders the findings: reasons of the decision, bottlenecks with advice, and the comparison
//! with earlier runs.

use maud::{Markup, html};

use crate::bottlenecks::{Bottleneck, Priority};
use crate::document::{Block, Section};
use crate::report::Report;
use crate::{sections, tables};

/// Reasons that are shown before a reader asks for more.
const FIRST_REASONS: usize = 6;

/// Whether the verdict's reason is no more than all reasons in a row.
pub(super) fn are_all_reported(report: &Report) -> bool {
    let reasons = &report.decision.reasons;
    reasons.len() > 1 && reasons.join("; ") == report.reason
}

/// Why go or no-go, as far as the verdict's reason, which stands above, does not say it.
pub(super) fn reasons(report: &Report) -> Markup {
    let is_news =
        |reason: &&String| are_all_reported(report) || !report.reason.starts_with(*reason);
    let reasons = report.decision.reasons.iter();
    let reasons: Vec<&String> = reasons.filter(is_news).collect();
    let (first, more) = reasons.split_at(reasons.len().min(FIRST_REASONS));
    html! {
        @if !first.is_empty() {
            div.reasons {
                ul { @for reason in first { li { (reason) } } }
                @if !more.is_empty() {
                    details.more {
                        summary { (more.len()) " more" }
                        ul { @for reason in more { li { (reason) } } }
                    }
                }
            }
        }
    }
}

pub(super) fn bottlenecks(report: &Report) -> Section {
    let mut blocks: Vec<Block> = sections::no_bottleneck(report).into_iter().collect();
    let found = report.bottlenecks.iter();
    blocks.extend(found.map(|found| Block::Drawn(bottleneck(found))));
    let stages = tables::stages(report);
    if !stages.is_empty() {
        let note = "Means over the answered operations of the whole run; stages and rules are \
                    those of docs/bottlenecks.md.";
        blocks.push(Block::Heading("Where the time of an operation goes".into()));
        blocks.push(Block::Table(stages));
        blocks.push(Block::Note(note.into()));
        blocks.extend(sections::bounded(report));
    }
    Section::new("bottlenecks", "Bottlenecks", blocks)
}

fn bottleneck(found: &Bottleneck) -> Markup {
    html! {
        article.bottleneck {
            h3 {
                (found.subject) ": " (found.rule.title())
                " " span class=(format!("priority {}", severity(found.priority))) {
                    (found.priority.label()) " priority"
                }
            }
            div.share title=(format!("{:.1} %", found.share)) {
                i style=(format!("width:{:.1}%", found.share)) {}
            }
            ul { @for evidence in &found.evidence { li { (evidence) } } }
            dl.facts {
                dt { "Impact" } dd { (found.impact) }
                dt { "Cause" } dd { (found.cause) }
                dt { "Recommended" } dd { (with_code(&found.recommendation)) }
            }
        }
    }
}

/// What stands in backticks, as code.
fn with_code(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn severity(priority: Priority) -> &'static str {
    match priority {
        Priority::High => "bad",
        Priority::Medium => "doubtful",
        Priority::Low => "soft",
    }
}

/// Nothing where no comparison was asked for.
pub(super) fn comparison(report: &Report) -> Section {
    let Some(comparison) = &report.comparison else {
        return Section::new("comparison", "", Vec::new());
    };
    let worse = comparison.regressions().count();
    let none = html! { p.good { (sections::NO_REGRESSION) } };
    let none = (worse == 0).then_some(Block::Drawn(none));
    let table = Block::Table(tables::comparison(report, true));
    let baseline = [sections::baseline(comparison)].into_iter();
    let title = match worse {
        0 => "Comparison".to_owned(),
        1 => "Comparison: 1 regression".to_owned(),
        more => format!("Comparison: {more} regressions"),
    };
    Section::new(
        "comparison",
        title,
        baseline.chain(none).chain([table]).collect(),
    )
}

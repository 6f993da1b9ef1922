//! What the figures mean: the reasons of the decision, bottlenecks with what to do about
//! them, the comparison with earlier runs, errors, slowest operations.

use maud::{Markup, html};

use crate::parts;
use crate::tables;
use crate::{Priority, Report};

use super::page::{section, table};

/// Reasons that are shown before a reader asks for more.
const FIRST_REASONS: usize = 6;

/// Whether the verdict's reason is no more than all reasons in a row.
pub(super) fn are_all_told(report: &Report) -> bool {
    let reasons = &report.decision.reasons;
    reasons.len() > 1 && reasons.join("; ") == report.reason
}

/// Why go or no-go, as far as the verdict's reason, which stands above, does not say it.
pub(super) fn reasons(report: &Report) -> Markup {
    let is_news = |reason: &&String| are_all_told(report) || !report.reason.starts_with(*reason);
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

pub(super) fn bottlenecks(report: &Report) -> Markup {
    let body = html! {
        @if let Some(why) = parts::no_bottleneck(report) { p.note { (why) } }
        @for found in &report.bottlenecks {
            article.bottleneck {
                h3 {
                    (found.subject) ": " (found.rule.title())
                    " " span class=(format!("priority {}", tone(found.priority))) {
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
        @let stages = tables::stages(report);
        @if !stages.rows.is_empty() {
            h3 { "Where the time of an operation goes" }
            (table(&stages))
            p.note { "Means over the answered operations of the whole run; stages and rules are those of docs/bottlenecks.md." }
            @if let Some(bounded) = &report.bounded_by { p.note { (parts::sentence(bounded)) } }
        }
    };
    section("bottlenecks", "Bottlenecks", &body)
}

/// What stands in backticks, as code.
fn with_code(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn tone(priority: Priority) -> &'static str {
    match priority {
        Priority::High => "bad",
        Priority::Medium => "doubtful",
        Priority::Low => "soft",
    }
}

/// Nothing where no comparison was asked for.
pub(super) fn comparison(report: &Report) -> Markup {
    let Some(comparison) = &report.comparison else {
        return html! {};
    };
    let worse = comparison.regressions().count();
    let body = html! {
        p { (parts::baseline(comparison)) }
        @if worse == 0 { p.good { (parts::NO_REGRESSION) } }
        (table(&tables::comparison(report, true)))
    };
    let title = match worse {
        0 => "Comparison".to_owned(),
        1 => "Comparison: 1 regression".to_owned(),
        more => format!("Comparison: {more} regressions"),
    };
    section("comparison", &title, &body)
}

pub(super) fn errors(report: &Report) -> Markup {
    let errors = parts::errors(report);
    let body = html! {
        @match errors.rows.is_empty() {
            true => { p.note { (parts::NO_ERRORS) } }
            false => { (table(&errors)) }
        }
    };
    section("errors", "Errors", &body)
}

pub(super) fn slowest(report: &Report) -> Markup {
    let slowest = parts::slowest(report);
    let body = html! {
        (table(&slowest))
        p.note { (parts::where_to_look(report)) }
    };
    html! { @if !slowest.rows.is_empty() { (section("slowest", "Slowest operations", &body)) } }
}

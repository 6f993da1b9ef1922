//! What it ran on, and how to get at it again: environment, configuration, commands, files.

use maud::{Markup, html};

use crate::Report;
use crate::parts::{self, Facts};

use super::page::section;

pub(super) fn environment(report: &Report) -> Markup {
    let body = html! {
        div.grid {
            div { h3 { "Cluster" } (facts(&parts::environment(report))) }
            div { h3 { "This execution" } (facts(&parts::execution(report))) }
        }
        @if let Some(bounded) = &report.bounded_by { p.note { (parts::sentence(bounded)) } }
        @if !report.configuration.is_empty() {
            details.plan {
                summary { "Configuration" }
                pre tabindex="0" { (report.configuration.trim_end()) }
            }
        }
    };
    section("environment", "Environment", &body)
}

fn facts(facts: &Facts) -> Markup {
    html! { dl.facts { @for (name, value) in facts { dt { (name) } dd { (value) } } } }
}

pub(super) fn appendix(report: &Report) -> Markup {
    let body = html! {
        pre tabindex="0" { code { (report.reproduce) } }
        dl.facts.commands {
            @for (command, what) in parts::commands(report).iter().skip(1) {
                dt { code { (command) } } dd { (what) }
            }
        }
        h3 { "In the run directory" }
        dl.facts.commands {
            @for (file, what) in parts::raw_data(report) { dt { code { (file) } } dd { (what) } }
        }
    };
    section("again", "Run it again, raw data", &body)
}

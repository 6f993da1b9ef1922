//! The page of one run.

use maud::{Markup, html};

use crate::parts;
use crate::tables::{self, Table};
use crate::words::data_loss;
use crate::{CheckVerdict, Report, load};
use squall_history::History;
use squall_measure::series::{OverTime, Resources, over_time as measured, resources};

use super::page::{Graphs, graphs, page, section, table};
use super::plot::Plot;
use super::{
    appendix, findings, lanes, over_time, percentiles, resource_plots, summary, time_axis,
};

/// What a run's page is made of.
struct RunPage<'a> {
    report: &'a Report,
    over_time: &'a OverTime,
    /// `Err`: why there are none, in a sentence.
    resources: Result<&'a Resources, &'static str>,
}

/// A run as one HTML document. `samples` is the text of its `resources.csv`, if it has one.
///
/// # Errors
/// What is wrong with the samples.
pub fn run_page(
    report: &Report,
    history: &History,
    samples: Option<&str>,
) -> Result<String, String> {
    let over_time = measured(history);
    let used = samples.map(|csv| resources(csv, &over_time.windows));
    let used = used.transpose()?;
    Ok(document(&RunPage {
        report,
        over_time: &over_time,
        resources: used.as_ref().ok_or(match report.backend.as_str() {
            "sim" => parts::NO_RESOURCES,
            _ => "Not known: the run directory has no resources.csv.",
        }),
    }))
}

fn document(run: &RunPage<'_>) -> String {
    let report = run.report;
    let grid = time_axis::grid(&run.over_time.windows);
    let plots = over_time::plots(report, run.over_time);
    let mut resources = match &run.resources {
        Ok(resources) => resource_plots::plots(resources),
        Err(_) => Vec::new(),
    };
    let shades = time_axis::shades(report);
    for plot in &mut resources {
        plot.shades.clone_from(&shades);
    }
    let tails = percentiles::grid(run.over_time);
    let tail_plots = tails
        .as_ref()
        .map(|grid| percentiles::plots(run.over_time, grid));
    let tail_plots = tail_plots.unwrap_or_default();

    let time = Graphs {
        grid: &grid,
        plots: &plots,
    };
    let used = Graphs {
        grid: &grid,
        plots: &resources,
    };
    let tail = tails.as_ref().map(|grid| Graphs {
        grid,
        plots: &tail_plots,
    });
    let first_choice = plots.iter().position(|plot| plot.choice.is_some());
    let body = html! {
        (summary::summary(report))
        (evidence(report))
        section.time id="time" {
            h2 { "Over time" }
            div.moment data-grid="time" {
                output { "Point at a graph, or use the arrow keys on it. Drag to look closer." }
                button type="button" hidden { "Whole run" }
            }
            (lanes::lanes(report, &grid))
            @for (place, plot) in plots.iter().enumerate() {
                @if Some(place) == first_choice { (chosen(&plots)) }
                (plot.markup(&grid))
            }
        }
        (shown("objectives", "Objectives", &tables::objectives(report)))
        (findings::bottlenecks(report))
        (findings::comparison(report))
        (tables_of(report))
        @if let Some(tail) = &tail {
            (section("latency", "Latency", &html! { div.grid { (graphs(tail)) } (table(&tables::latencies(report))) }))
        }
        (findings::errors(report))
        (findings::slowest(report))
        (section("resources", "Resources", &html! {
            @match &run.resources {
                Ok(_) => {
                    div.time { (graphs(&used)) }
                    @let used = parts::resources(report);
                    @if !used.rows.is_empty() { (table(&used)) }
                }
                Err(why) => { p.note { (why) } }
            }
        }))
        (checks(report))
        (appendix::environment(report))
        (appendix::appendix(report))
    };
    let mut all = vec![time, used];
    all.extend(tail);
    let title = format!(
        "{} seed {}: {}",
        report.scenario, report.seed, report.verdict
    );
    page(&title, &body, &all, &footer(report))
}

/// Which service's graphs are shown, where there is a choice.
fn chosen(plots: &[Plot]) -> Markup {
    let mut labels: Vec<&str> = Vec::new();
    for (_, label) in plots.iter().filter_map(|plot| plot.choice.as_ref()) {
        if !labels.contains(&label.as_str()) {
            labels.push(label);
        }
    }
    html! {
        @if labels.len() > 1 {
            fieldset.choice hidden data-group="service" {
                legend { "Latency and errors of" }
                @for (place, label) in labels.iter().enumerate() {
                    label {
                        input type="radio" name="service" value=(label) checked[place == 0];
                        span { (label) }
                    }
                }
            }
        }
    }
}

/// What broke a promise, before anything else.
fn evidence(report: &Report) -> Markup {
    let failed = report.checks.iter();
    let failed: Vec<_> = failed
        .filter(|check| check.verdict == CheckVerdict::Fail)
        .collect();
    html! {
        @if !failed.is_empty() {
            section.evidence {
                h2 { "Evidence" }
                @for check in failed {
                    h3 { (check.property) " " (check.name) }
                    p { (check.detail) }
                    @if !check.evidence.is_empty() {
                        pre tabindex="0" { (check.evidence.join("\n")) }
                    }
                }
            }
        }
    }
}

fn tables_of(report: &Report) -> Markup {
    html! {
        (shown("faults", "Faults", &tables::faults(report)))
        (shown("services", "Services", &tables::services(report)))
        (shown("times", "Detection, election, recovery", &tables::times(report)))
        (section("loss", "Data loss", &html! { p { (data_loss(&report.data_loss)) "." } }))
        @if !report.load.is_empty() {
            (section("load", "Load", &html! {
                @if let Some(stress) = &report.load.stress { p { "Stress: " (stress.summary) "." } }
                (table(&load::steps(&report.load)))
            }))
        }
        (shown("messages", "Messages", &tables::messages(report)))
        (shown("cache", "Cache", &tables::cached(report)))
    }
}

/// A section of one table; nothing where the table has no rows.
fn shown(id: &str, title: &str, shown: &Table) -> Markup {
    html! { @if !shown.rows.is_empty() { (section(id, title, &table(shown))) } }
}

fn checks(report: &Report) -> Markup {
    let held = report.checks.iter();
    let held = held
        .filter(|check| check.verdict == CheckVerdict::Pass)
        .count();
    let title = format!("Checks: {held} of {} hold", report.checks.len());
    section("checks", &title, &table(&tables::checks(report, true)))
}

fn footer(report: &Report) -> String {
    format!("Squall {} · {}", report.sim.version, report.sim.started)
}

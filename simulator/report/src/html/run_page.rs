//! The page of one run.

use maud::{Markup, html};

use squall_history::History;
use squall_measure::series::{OverTime, Resources, over_time as measured, resources};

use crate::document::{Block, Section, Table};
use crate::report::Report;
use crate::verdict::check_counts;
use crate::words::{data_loss, sentence};
use crate::{alerts, sections, tables};

use super::page::{Graphs, facts, graphs, page, section, side_by_side};
use super::player::{self, Player};
use super::plot::Plot;
use super::{
    findings, lanes, load_curve, over_time, percentiles, resource_plots, summary, time_axis,
};

/// A run as one HTML document. `samples` is the text of its `resources.csv`, if it has one;
/// `player` is what its player plays.
///
/// # Errors
/// What is wrong with the samples.
pub fn run_page(
    report: &Report,
    history: &History,
    samples: Option<&str>,
    player: Option<&Player>,
) -> Result<String, String> {
    let over_time = measured(history);
    let used = samples.map(|csv| resources(csv, &over_time.windows));
    let used = used.transpose()?;
    Ok(document(report, &over_time, used.as_ref(), player))
}

fn document(
    report: &Report,
    seen: &OverTime,
    used: Option<&Resources>,
    player: Option<&Player>,
) -> String {
    let grid = time_axis::grid(&seen.windows);
    let plots = over_time::plots(report, seen);
    let used_plots = used.map_or(Vec::new(), |used| resource_plots::plots(report, used));
    let capacity = report.analysis.capacity.as_ref();
    let loads = capacity.and_then(load_curve::grid);
    let load_plots = capacity.zip(loads.as_ref());
    let load_plots = load_plots.map_or(Vec::new(), |(found, grid)| load_curve::plots(found, grid));
    let tails = percentiles::grid(seen);
    let tail_plots = tails.as_ref().map(|grid| percentiles::plots(seen, grid));
    let tail_plots = tail_plots.unwrap_or_default();
    let time = Graphs {
        grid: &grid,
        plots: &plots,
    };
    let used_graphs = Graphs {
        grid: &grid,
        plots: &used_plots,
    };
    let tail = tails.as_ref().map(|grid| Graphs {
        grid,
        plots: &tail_plots,
    });
    let load = loads.as_ref().map(|grid| Graphs {
        grid,
        plots: &load_plots,
    });
    let sections = [
        vec![
            table("objectives", "Objectives", tables::objectives(report)),
            Section::new("alerts", "Alerts", alerts::section(report)),
            findings::bottlenecks(report),
            analysis(report, load.as_ref()),
            findings::comparison(report),
        ],
        results(report),
        vec![
            latency(report, tail.as_ref()),
            Section::new("errors", "Errors", sections::errors(report)),
            Section::new("slowest", "Slowest operations", sections::slowest(report)),
            resources_of(report, used.is_some().then_some(&used_graphs)),
            checks(report),
            Section::new(
                "unpromised",
                "Broken, and not promised",
                sections::findings_without_promise(report),
            ),
            environment(report),
            appendix(report),
        ],
    ];
    let body = html! {
        (summary::summary(report))
        (evidence(report))
        @if let Some(player) = player { (player::section(player)) }
        (in_time(report, &time))
        @for shown in sections.iter().flatten() { (section(shown)) }
    };
    let title = format!(
        "{} seed {}: {}",
        report.scenario, report.seed, report.verdict
    );
    let footer = format!("Squall {} · {}", report.sim.version, report.sim.started);
    let all = [time, used_graphs].into_iter().chain(load).chain(tail);
    let all: Vec<Graphs<'_>> = all.collect();
    page(&title, &body, &all, &footer)
}

/// What broke a promise, before anything else.
fn evidence(report: &Report) -> Markup {
    let broken: Vec<_> = sections::broken(report).collect();
    html! {
        @if !broken.is_empty() {
            section.evidence {
                h2 { "Evidence" }
                @for check in broken {
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

fn in_time(report: &Report, time: &Graphs<'_>) -> Markup {
    let first_choice = time.plots.iter().position(|plot| plot.choice.is_some());
    html! {
        section.time id="time" {
            h2 { "Over time" }
            div.moment data-grid="time" {
                output { "Point at a graph, or use the arrow keys on it. Drag to look closer." }
                button type="button" hidden { "Whole run" }
            }
            (lanes::lanes(report, time.grid))
            @for (place, plot) in time.plots.iter().enumerate() {
                @if Some(place) == first_choice { (chosen(time.plots)) }
                (plot.markup(time.grid))
            }
        }
    }
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

fn results(report: &Report) -> Vec<Section> {
    let mut load = Vec::new();
    if !report.load.is_empty() {
        let stress = report.load.stress.iter();
        load.extend(stress.map(|stress| Block::text(format!("Stress: {}.", stress.summary))));
        load.push(Block::Table(tables::steps(&report.load)));
    }
    let lost = Block::text(format!("{}.", data_loss(&report.data_loss)));
    vec![
        table("faults", "Faults", tables::faults(report)),
        table("services", "Services", tables::services(report)),
        table(
            "times",
            "Detection, election, recovery",
            tables::times(report),
        ),
        Section::new("loss", "Data loss", vec![lost]),
        Section::new("load", "Load", load),
        table("messages", "Messages", tables::messages(report)),
        table("cache", "Cache", tables::cached(report)),
    ]
}

/// A section of one table; nothing where the table has no rows.
fn table(id: &str, title: &str, table: Table) -> Section {
    let table = (!table.is_empty()).then_some(Block::Table(table));
    Section::new(id, title, table.into_iter().collect())
}

/// Response time and throughput against load, correlations, leaks.
fn analysis(report: &Report, load: Option<&Graphs<'_>>) -> Section {
    let mut blocks = sections::analysis(report);
    if let (Some(load), false) = (load, blocks.is_empty()) {
        blocks.insert(1, Block::Drawn(side_by_side(load)));
    }
    Section::new("analysis", "Analysis", blocks)
}

fn latency(report: &Report, tail: Option<&Graphs<'_>>) -> Section {
    let shown = tail.map(|tail| {
        let graphs = Block::Drawn(side_by_side(tail));
        let note = sections::closed_loops(report);
        let note = note.map(|note| Block::Note(sentence(&note)));
        let table = Block::Table(tables::latencies(report));
        [graphs, table].into_iter().chain(note)
    });
    Section::new("latency", "Latency", shown.into_iter().flatten().collect())
}

fn resources_of(report: &Report, used: Option<&Graphs<'_>>) -> Section {
    let table = tables::resources(report);
    let blocks = match used {
        Some(used) => {
            let graphs = Block::Drawn(html! { div.time { (graphs(used)) } });
            let table = (!table.is_empty()).then_some(Block::Table(table));
            [graphs].into_iter().chain(table).collect()
        }
        None if report.cannot_know_resources() => vec![Block::Note(sections::NO_RESOURCES.into())],
        None => {
            let why = "Not known: the run directory has no resources.csv.";
            vec![Block::Note(why.into())]
        }
    };
    Section::new("resources", "Resources", blocks)
}

fn checks(report: &Report) -> Section {
    let title = format!("Checks: {}", check_counts(&report.checks));
    let table = Block::Table(tables::checks(report, true));
    Section::new("checks", title, vec![table])
}

/// What it ran on.
fn environment(report: &Report) -> Section {
    let grid = Block::Drawn(html! {
        div.grid {
            div { h3 { "Cluster" } (facts(&sections::environment(report))) }
            div { h3 { "This execution" } (facts(&sections::execution(report))) }
        }
    });
    let plan = (!report.configuration.is_empty()).then(|| {
        Block::Drawn(html! {
            details.plan {
                summary { "Configuration" }
                pre tabindex="0" { (report.configuration.trim_end()) }
            }
        })
    });
    let blocks = [grid]
        .into_iter()
        .chain(sections::bounded(report))
        .chain(plan);
    Section::new("environment", "Environment", blocks.collect())
}

/// How to get at it again: commands, files.
fn appendix(report: &Report) -> Section {
    let mut commands = sections::commands(report);
    let (again, _) = commands.remove(0);
    let blocks = vec![
        Block::Code("sh", again),
        Block::Terms(commands),
        Block::Heading("In the run directory".into()),
        sections::raw_data(report),
    ];
    Section::new("again", "Run it again, raw data", blocks)
}

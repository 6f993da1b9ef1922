//! Several runs of one scenario side by side: throughput and latency by number of nodes, or
//! by variant where the number of nodes is not what differs.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::columns;
use crate::document::{Block, Section, Table, us};
use crate::report::Report;
use crate::variants::Variants;
use crate::verdict::RunVerdict;
use squall_history::{Phase, Service};
use squall_measure::Class;
use squall_measure::Latency;

use super::page::{Graphs, graphs, page, section};
use super::plot::{Grid, Line, Plot};
use super::scale::{Scale, Unit};
use super::summary::severity;

/// The phase that is compared: the one that carries the load under test.
const PHASE: Phase = Phase::Chaos;

/// The page of several runs, each with the name of its variant, as one HTML document.
pub fn scalability_page(title: &str, variants: &[(String, Report)]) -> String {
    let mut runs: Vec<&(String, Report)> = variants.iter().collect();
    runs.sort_by_key(|(name, report)| (report.cluster.nodes, name.clone()));
    let grid = grid(&runs);
    let mut plots = vec![throughput(&runs)];
    plots.extend(latency(&runs));
    let all = [Graphs {
        grid: &grid,
        plots: &plots,
    }];
    let mut compared = Variants::of(variants);
    compared
        .variants
        .sort_by_key(|row| (row.nodes, row.name.clone()));
    let drawn = Block::Drawn(graphs(&all[0]));
    let sections = [
        Section::new("curve", curve_title(&grid), vec![drawn]),
        Section::new("figures", "Figures", vec![Block::Table(compared.table())]),
        Section::new(
            "latency",
            "Latency by operation",
            vec![Block::Table(by_operation(&runs))],
        ),
    ];
    let body = html! {
        header {
            p.eyebrow { (title) " · seed " (compared.seed) }
            h1 { (headline(&runs)) }
            (verdicts(&runs))
            @for note in compared.notes() { p.note { (note.trim_end_matches('.')) "." } }
        }
        @for shown in &sections { (section(shown)) }
    };
    let versions = runs.iter().map(|(_, report)| report.sim.version.as_str());
    let versions: BTreeSet<&str> = versions.collect();
    let versions: Vec<&str> = versions.into_iter().collect();
    page(
        title,
        &body,
        &all,
        &format!("Squall {}", versions.join(", ")),
    )
}

/// By number of nodes, if no two variants have the same; else one place a variant.
fn grid(runs: &[&(String, Report)]) -> Grid {
    let nodes: BTreeSet<u64> = runs
        .iter()
        .map(|(_, report)| report.cluster.nodes)
        .collect();
    let by_nodes = nodes.len() == runs.len();
    let places: Vec<f64> = match by_nodes {
        true => nodes.iter().map(|nodes| *nodes as f64).collect(),
        false => (0..runs.len()).map(|place| place as f64).collect(),
    };
    let label = |(name, report): &(String, Report)| match by_nodes {
        true => format!("{} nodes", report.cluster.nodes),
        false => name.clone(),
    };
    let labels: Vec<String> = runs.iter().map(|run| label(run)).collect();
    let (first, last) = (places.first(), places.last());
    Grid {
        name: "variants".into(),
        kind: if by_nodes { "nodes" } else { "label" },
        from: first.map_or(0.0, |place| place - 0.5),
        to: last.map_or(1.0, |place| place + 0.5),
        ticks: places.iter().copied().zip(labels.clone()).collect(),
        labels,
        places,
    }
}

fn curve_title(grid: &Grid) -> &'static str {
    match grid.kind {
        "nodes" => "By number of nodes",
        _ => "By variant",
    }
}

fn headline(runs: &[&(String, Report)]) -> String {
    let rate = |(_, report): &(String, Report)| per_second(report, "all").unwrap_or(0);
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
        return "Nothing to compare.".to_owned();
    };
    let of = |run: &(String, Report)| {
        format!(
            "{} with {} nodes",
            Unit::PerSecond.text(rate(run)),
            run.1.cluster.nodes
        )
    };
    match runs.len() {
        1 => format!("{}.", of(first)),
        _ => format!("{}, {}.", of(first), of(last)),
    }
}

/// One line for all that passed, and one for each that did not.
fn verdicts(runs: &[&(String, Report)]) -> Markup {
    let passed = |run: &&&(String, Report)| run.1.verdict == RunVerdict::Pass;
    let others = runs.iter().filter(|run| !passed(run));
    html! {
        @match runs.iter().filter(passed).count() {
            0 => {}
            all if all == runs.len() => { p.verdict { strong.good { "PASS" } " all " (all) " variants" } }
            some => { p.verdict { strong.good { "PASS" } " " (some) " of " (runs.len()) " variants" } }
        }
        @for (name, report) in others {
            p.verdict {
                strong class=(severity(report.verdict)) { (report.verdict.to_string()) }
                " " (name) ": " (report.reason)
            }
        }
    }
}

/// Thousandths; of all services as the table of variants has it.
fn per_second(report: &Report, service: &str) -> Option<u64> {
    let rate = match service {
        "all" => report.overall.as_ref()?.per_second,
        service => report.throughput.get(service)?.get(&PHASE)?.per_second,
    };
    Some(rate.get())
}

/// Services of any run in the order of reports, all of them first.
fn services(runs: &[&(String, Report)]) -> impl Iterator<Item = &'static str> {
    let of_runs = runs
        .iter()
        .flat_map(|(_, report)| report.downtime_ms.services.keys());
    let services: BTreeSet<Service> = of_runs.copied().collect();
    std::iter::once("all").chain(services.into_iter().map(Service::name))
}

fn throughput(runs: &[&(String, Report)]) -> Plot {
    let line = |service: &str| {
        let values = runs.iter().map(|(_, report)| per_second(report, service));
        let class = if service == "all" { "ink" } else { service };
        Line {
            dotted: true,
            ..Line::new(service, class, values.collect(), "")
        }
    };
    let lines: Vec<Line> = services(runs)
        .map(line)
        .filter(|line| line.values.iter().any(Option::is_some))
        .collect();
    let most = lines.iter().flat_map(|line| line.values.iter().flatten());
    let scale = Scale::linear(Unit::PerSecond, most.copied().max().unwrap_or(0));
    let note = "Acknowledged operations a second in the chaos phase, which carries the load; of \
                all services together without long polls.";
    Plot::new("throughput", "Throughput", note, scale, lines)
}

/// Operations that any of the runs had, as `service operation`.
fn operations(runs: &[&(String, Report)]) -> BTreeSet<(String, String)> {
    let mut operations = BTreeSet::new();
    for (_, report) in runs {
        for (service, of_service) in &report.latency_us {
            let names = of_service
                .keys()
                .filter(|name| acknowledged(report, service, name).is_some());
            operations.extend(names.map(|name| (service.clone(), name.clone())));
        }
    }
    operations
}

fn acknowledged<'a>(report: &'a Report, service: &str, operation: &str) -> Option<&'a Latency> {
    let phases = report.latency_us.get(service)?.get(operation)?;
    phases.get(&PHASE)?.get(&Class::Ok)
}

/// One graph a service, or there would be more lines than colours.
fn latency(runs: &[&(String, Report)]) -> Vec<Plot> {
    let operations = operations(runs);
    let p95 = |service: &str, operation: &str| -> Vec<Option<u64>> {
        let values = runs
            .iter()
            .map(|(_, report)| acknowledged(report, service, operation));
        values.map(|latency| Some(latency?.p95)).collect()
    };
    let all: Vec<u64> = operations
        .iter()
        .flat_map(|(service, operation)| p95(service, operation))
        .flatten()
        .collect();
    let services = services(runs).filter_map(|service| {
        let of_it = operations.iter().filter(|(of, _)| of == service);
        let line = |(place, (_, operation)): (usize, &(String, String))| Line {
            dotted: true,
            ..Line::new(
                operation.replace('_', " "),
                format!("n{place}"),
                p95(service, operation),
                "",
            )
        };
        let lines: Vec<Line> = of_it.enumerate().map(line).collect();
        let note = "Of acknowledged operations in the chaos phase; logarithmic.";
        let scale = Scale::log(Unit::Duration, all.iter().copied());
        let (id, title) = (format!("p95-{service}"), format!("p95 latency, {service}"));
        (!lines.is_empty()).then(|| Plot::new(id, title, note, scale, lines))
    });
    services.collect()
}

fn by_operation(runs: &[&(String, Report)]) -> Table {
    let columns = columns! { row: (String, &String, &Latency);
        text "operation" "" &row.0;
        text "variant" "" row.1;
        number "ok" "" row.2.count;
        number "mean" "" us(row.2.mean);
        number "p50" "" us(row.2.p50);
        number "p95" "" us(row.2.p95);
        number "p99" "" us(row.2.p99);
    };
    let mut rows = Vec::new();
    for (service, operation) in operations(runs) {
        rows.extend(runs.iter().filter_map(|(name, report)| {
            let latency = acknowledged(report, &service, &operation)?;
            Some((format!("{service} {operation}"), name, latency))
        }));
    }
    Table::of("latency", &columns, &rows)
}

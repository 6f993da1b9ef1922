//! Draws phases, faults, outages and leaders as bars on the time axis of the graphs below.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::report::Report;
use crate::tables::targets;
use crate::words::duration;
use squall_history::FaultStatus;
use squall_history::Phase;
use squall_measure::Leader;

use super::plot::{Grid, ticks, view};
use super::time_axis::{in_force, milliseconds};

struct Bar {
    from: f64,
    to: f64,
    class: &'static str,
    /// Written on it, if there is room.
    label: String,
    /// Said of it when it is pointed at.
    title: String,
}

pub(super) fn lanes(report: &Report, grid: &Grid) -> Markup {
    html! {
        figure.lanes style=(view(grid)) {
            figcaption { h3 { "What happened" } }
            (lane("phase", "phases", phases(report)))
            @for (service, bars) in outages(report) { (lane(&format!("{service} down"), "outage", bars)) }
            @for (alert, bars) in alerts(report) { (lane(&alert, "alerts", bars)) }
            @for (kind, bars) in faults(report) { (lane(&kind.replace('_', " "), "faults", bars)) }
            @for (node, bars) in leaders(report) { (lane(&node, "leaders", bars)) }
            div.lane {
                div.label {}
                div.track.axis { (ticks(grid)) }
            }
            p.note {
                span.swatch.fault {} " faults in force, " span.swatch.down {} " a service down; both are shaded in the graphs below. "
                "A bar beside a node: it led, in the term written on it."
            }
        }
    }
}

fn lane(label: &str, class: &str, bars: Vec<Bar>) -> Markup {
    html! {
        div class=(format!("lane {class}")) {
            div.label { (label) }
            div.track {
                @for bar in &bars {
                    div class=(format!("bar {}", bar.class)) title=(bar.title)
                        data-label=(bar.title)
                        style=(format!("--a:{};--b:{}", bar.from, bar.to)) {
                        span { (bar.label) }
                    }
                }
                div.cursor hidden {}
            }
        }
    }
}

fn phases(report: &Report) -> Vec<Bar> {
    let data = &report.timeline;
    let ends = data.phases.iter().skip(1).map(|phase| phase.at_ms);
    let ends = ends.chain([data.end_ms]);
    let phases = data.phases.iter().zip(ends);
    phases
        .filter(|(start, _)| start.phase != Phase::End)
        .map(|(start, end)| Bar {
            from: milliseconds(start.at_ms),
            to: milliseconds(end),
            class: "phase",
            label: start.phase.name().to_owned(),
            title: start.phase.name().to_owned(),
        })
        .collect()
}

fn outages(report: &Report) -> BTreeMap<&str, Vec<Bar>> {
    let mut services: BTreeMap<&str, Vec<Bar>> = BTreeMap::new();
    for gap in &report.gaps {
        services.entry(gap.service.name()).or_default().push(Bar {
            from: milliseconds(gap.from_ms),
            to: milliseconds(gap.to_ms),
            class: "down",
            label: String::new(),
            title: format!(
                "{} down for {}",
                gap.service.name(),
                duration(gap.length_us())
            ),
        });
    }
    services
}

/// Alerts that were on, in the order of the scenario.
fn alerts(report: &Report) -> Vec<(String, Vec<Bar>)> {
    let on = crate::alerts::stretches(report).map(|(alert, stretches)| {
        let bars = stretches.into_iter().map(|(from, to)| Bar {
            from: milliseconds(from),
            to: milliseconds(to),
            class: "alert",
            label: alert.severity.name().to_owned(),
            title: format!(
                "{}, {}: {}",
                alert.name,
                alert.severity.name(),
                alert.condition
            ),
        });
        (alert.name.clone(), bars.collect())
    });
    on.collect()
}

/// By kind, in the order in which kinds first struck.
fn faults(report: &Report) -> Vec<(&str, Vec<Bar>)> {
    let end = report.timeline.end_ms;
    let mut kinds: Vec<(&str, Vec<Bar>)> = Vec::new();
    for fault in &report.faults {
        let at = milliseconds(fault.at_ms);
        let (from, to) = in_force(fault, end).unwrap_or((at, at));
        let (class, remark) = match &fault.status {
            FaultStatus::Skipped { why } => ("skipped", format!(", skipped: {why}")),
            FaultStatus::Uncertain { why } => ("uncertain", format!(", uncertain: {why}")),
            FaultStatus::Installed | FaultStatus::Healed => ("fault", String::new()),
        };
        let title = format!(
            "{} {}{remark}",
            fault.kind.name().replace('_', " "),
            targets(fault)
        );
        let bar = Bar {
            from,
            to,
            class,
            label: targets(fault),
            title,
        };
        match kinds
            .iter_mut()
            .find(|(kind, _)| *kind == fault.kind.name())
        {
            Some((_, bars)) => bars.push(bar),
            None => kinds.push((fault.kind.name(), vec![bar])),
        }
    }
    kinds
}

fn leaders(report: &Report) -> Vec<(String, Vec<Bar>)> {
    let end = report.timeline.end_ms;
    let mut nodes: Vec<(String, Vec<Bar>)> = Vec::new();
    let all = (1..=report.cluster.nodes).map(|number| format!("node-{number}"));
    for node in all {
        nodes.push((node, Vec::new()));
    }
    for leader in &report.timeline.leaders {
        let bar = leadership(leader, leader.until_ms.unwrap_or(end));
        match nodes.iter_mut().find(|(node, _)| *node == leader.node) {
            Some((_, bars)) => bars.push(bar),
            None => nodes.push((leader.node.clone(), vec![bar])),
        }
    }
    nodes
}

fn leadership(leader: &Leader, until: crate::Ms) -> Bar {
    Bar {
        from: milliseconds(leader.from_ms),
        to: milliseconds(until),
        class: "leader",
        label: format!("{}", leader.term),
        title: format!("{} leads, term {}", leader.node, leader.term),
    }
}

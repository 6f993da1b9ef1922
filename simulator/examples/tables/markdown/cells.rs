//! Cells, rows and tables.

use super::*;

pub(super) const OPERATIONS: [&str; 8] = [
    "operation",
    ">done",
    ">per second",
    ">mean",
    ">p50",
    ">p95",
    ">p99",
    ">max",
];

/// Of the acknowledged operations that began in the chaos phase.
pub(super) fn operation_row(report: &Report, service: &str, name: &str) -> Vec<String> {
    let latency = report.latency_us.get(service);
    let latency: Option<&Latency> = latency
        .and_then(|operations| operations.get(name))
        .and_then(|phases| phases.get(&Phase::Chaos))
        .and_then(|classes| classes.get(&Class::Ok));
    let Some(latency) = latency else {
        let rest = OPERATIONS.iter().skip(1).map(|_| NOTHING.to_owned());
        return [name.to_owned()].into_iter().chain(rest).collect();
    };
    let rate = (latency.count * 1_000_000).checked_div(chaos_us(report));
    let times = [
        latency.mean,
        latency.p50,
        latency.p95,
        latency.p99,
        latency.max,
    ];
    [
        name.to_owned(),
        count(latency.count),
        or_nothing(rate, count),
    ]
    .into_iter()
    .chain(times.map(duration))
    .collect()
}

pub(super) fn or_zero(report: &Report) -> squall::report::Overall {
    report
        .overall
        .expect("a stored run came to its chaos phase")
}

/// Thousandths.
pub(super) fn per_second(report: &Report) -> u64 {
    or_zero(report).per_second.get()
}

pub(super) fn error_rate(report: &Report) -> String {
    let seen = or_zero(report);
    let all = seen.acknowledged + seen.errors;
    let ppm = (seen.errors * 1_000_000).checked_div(all);
    or_nothing(ppm, |ppm| {
        format!("{:.3} %", squall::report::Percent::of(ppm))
    })
}

/// Length of the chaos phase, microseconds; 0 if the run did not come to its end.
pub(super) fn chaos_us(report: &Report) -> u64 {
    let phases = &report.timeline.phases;
    let chaos = phases.iter().position(|start| start.phase == Phase::Chaos);
    let ends = chaos.and_then(|place| Some((phases.get(place)?, phases.get(place + 1)?)));
    ends.map_or(0, |(from, to)| to.at_ms.get() - from.at_ms.get())
}

/// What was measured for an objective.
pub(super) fn objective(report: &Report, name: &str) -> String {
    let result = report.objectives.iter().find(|result| result.name == name);
    let measured = result.and_then(|result| Some((result.unit, result.measured?)));
    or_nothing(measured, |(unit, number)| unit.text(number))
}

pub(super) fn target_row(name: &str, result: &ObjectiveResult) -> Vec<String> {
    let (sign, unit) = (result.bound.sign(), result.unit);
    let measured = match (result.measured, result.status) {
        (Some(number), _) => unit.text(number),
        (None, Status::Unsupported) => result.status.label().to_owned(),
        (None, _) => NOTHING.to_owned(),
    };
    vec![
        name.to_owned(),
        result.name.clone(),
        format!("{sign} {}", unit.text(result.limit)),
        measured,
        or_nothing(result.margin_percent, |margin| margin.to_string()),
        result.status.label().to_owned(),
    ]
}

pub(super) fn or_nothing<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), show)
}

pub(super) fn lines(commands: &[String]) -> String {
    let lines = commands.iter().map(|command| format!("- {command}\n"));
    lines.collect()
}

/// Right-aligned columns start with `>`.
pub(super) fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = columns
        .iter()
        .map(|c| c.trim_start_matches('>').to_owned())
        .collect();
    let rule = columns.iter().map(|column| match column.starts_with('>') {
        true => "---:|",
        false => "---|",
    });
    let rule: String = rule.collect();
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("{}|{rule}\n{rows}", line(&head))
}

//! The tables of a scenario, a row for each contender.

use std::fmt::Write;

use squall_statistics::{median, quantile};

use crate::SCENARIOS;
use crate::contenders::Contender;
use crate::line::Line;

/// All scenarios at a glance: the median downtime of each, and in how many trials of all there
/// was any of what should not be.
pub fn overview(contenders: &[Contender], lines: &[Line]) -> String {
    let mut text = format!("| system | {} |", SCENARIOS.join(" | "));
    text += " writes lost | messages twice | a lock held by two | stale reads |\n";
    text += &format!("|{}\n", "---|".repeat(SCENARIOS.len() + 5));
    let lines: Vec<&Line> = lines.iter().collect();
    for contender in contenders {
        let lines = of(contender, &lines);
        if lines.is_empty() {
            continue;
        }
        let downtimes = SCENARIOS.map(|scenario| {
            let of = lines.iter().filter(|line| line.trial.scenario == scenario);
            let downtimes: Vec<f64> = of.map(|line| line.downtime_ms as f64).collect();
            median(&downtimes).map_or("–".into(), |median| grouped(median, 0))
        });
        let any = |figure: fn(&Line) -> u64| match lines.iter().filter(|l| figure(l) > 0).count() {
            0 => "0".into(),
            trials => format!("in {trials} of {}", lines.len()),
        };
        let cells = [
            any(|line| line.lost),
            any(|line| line.duplicated),
            any(|line| line.held_by_two),
            any(|line| line.stale_reads),
        ];
        let cells = [downtimes.join(" | "), cells.join(" | ")].join(" | ");
        let _ = writeln!(text, "| `{}` | {cells} |", contender.name);
    }
    text
}

/// Both tables.
pub fn of_scenario(contenders: &[Contender], lines: &[&Line]) -> String {
    let mut text = "| system | trials | takeover, ms | downtime, ms | available, % |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    let rows: Vec<(&str, Vec<&Line>)> = (contenders.iter())
        .map(|contender| (contender.name.as_str(), of(contender, lines)))
        .filter(|(_, lines)| !lines.is_empty())
        .collect();
    for (name, lines) in &rows {
        let _ = writeln!(
            text,
            "| `{name}` | {} | {} | {} | {} |",
            lines.len(),
            takeover(lines),
            spread(lines.iter().map(|line| line.downtime_ms as f64), 0),
            spread(lines.iter().filter_map(|line| line.available), 1),
        );
    }
    text += "\n| system | acknowledged | lost | messages lost | messages twice | a lock held by two \
             | stale reads | verdicts |\n|---|---|---|---|---|---|---|---|\n";
    for (name, lines) in &rows {
        let acked: u64 = lines.iter().map(|line| line.acked).sum();
        let counted = |figure: fn(&Line) -> u64| counts(lines.iter().map(|line| figure(line)));
        let _ = writeln!(
            text,
            "| `{name}` | {} | {} | {} | {} | {} | {} | {} |",
            grouped(acked as f64, 0),
            counted(|line| line.lost),
            counted(|line| line.messages_lost),
            counted(|line| line.duplicated),
            counted(|line| line.held_by_two),
            counted(|line| line.stale_reads),
            verdicts(lines),
        );
    }
    text
}

/// The lines of a contender.
pub fn of<'a>(contender: &Contender, lines: &[&'a Line]) -> Vec<&'a Line> {
    let lines = lines.iter().copied();
    lines
        .filter(|line| line.trial.system == contender.name)
        .collect()
}

fn takeover(lines: &[&Line]) -> String {
    let times: Vec<f64> = lines
        .iter()
        .flat_map(|line| &line.takeover_ms)
        .map(|time| *time as f64)
        .collect();
    let lost: u64 = lines.iter().map(|line| line.leaders_lost).sum();
    match (lost, times.len()) {
        (0, _) => "no leader lost".into(),
        (lost, 0) => format!("none of {lost}"),
        (lost, seen) => format!("{} of {seen}/{lost}", spread(times.into_iter(), 0)),
    }
}

/// Fewer values than this have no quartiles worth showing.
const QUARTERED: usize = 5;

/// `median (least, lower quartile–upper quartile, most)`, or the value that all have.
fn spread(values: impl Iterator<Item = f64>, decimals: usize) -> String {
    let values: Vec<f64> = values.collect();
    let [least, lower, median, upper, most] = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
        let value = quantile(&values, share);
        value.map(|value| grouped(value, decimals))
    });
    let (Some(least), Some(lower), Some(median), Some(upper), Some(most)) =
        (least, lower, median, upper, most)
    else {
        return "–".into();
    };
    match least == most {
        true => median,
        false if values.len() < QUARTERED => format!("**{median}** ({least}, {most})"),
        false => format!("**{median}** ({least}, {lower}–{upper}, {most})"),
    }
}

/// `0`, or in how many trials there was any, and how many then.
fn counts(values: impl Iterator<Item = u64>) -> String {
    let values: Vec<u64> = values.collect();
    let some = values.iter().filter(|value| **value > 0);
    let some: Vec<f64> = some.map(|value| *value as f64).collect();
    match some.len() {
        0 => "0".into(),
        trials => format!("in {trials}: {}", spread(some.into_iter(), 0)),
    }
}

fn verdicts(lines: &[&Line]) -> String {
    let words = [
        ("pass", "pass"),
        ("objective_missed", "objective missed"),
        ("inconclusive", "inconclusive"),
        ("violation", "violation"),
    ];
    let counted = words.into_iter().filter_map(|(name, word)| {
        let count = lines.iter().filter(|line| line.verdict == name).count();
        (count > 0).then(|| format!("{count} {word}"))
    });
    counted.collect::<Vec<_>>().join(", ")
}

/// With commas between thousands.
fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match rest.trim_end_matches('0') {
        "" => grouped,
        rest => format!("{grouped}.{rest}"),
    }
}

//! The time axis of a run: the one grid that all graphs over time stand on, and the faults
//! and outages that are shaded on each of them.

use crate::faults::FaultRow;
use crate::report::Report;
use squall_history::FaultStatus;
use squall_measure::series::Windows;
use squall_objective::fixed::Ms;

use super::plot::{Grid, Shade};
use super::scale::{round_duration, round_step};

/// Lines across a graph, at most; a phone hides every second.
const MOST_TICKS: u64 = 10;

/// Milliseconds from the start of the run; each value stands in the middle of its window.
pub(super) fn grid(windows: &Windows) -> Grid {
    let end_us = windows.end_us.max(1);
    let middle = |window| (windows.from_us(window) + windows.to_us(window)) as f64 / 2_000.0;
    let step_us = step(end_us);
    let ticks = (0..=end_us / step_us).map(|i| i * step_us);
    Grid {
        name: "time".into(),
        kind: "time",
        places: (0..windows.count).map(middle).collect(),
        from: 0.0,
        to: end_us as f64 / 1_000.0,
        labels: Vec::new(),
        ticks: ticks
            .map(|us| (us as f64 / 1_000.0, round_duration(us)))
            .collect(),
    }
}

/// A round distance between ticks, minutes included.
fn step(end_us: u64) -> u64 {
    const SECOND: u64 = 1_000_000;
    let least = end_us.div_ceil(MOST_TICKS);
    let round = [10, 15, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600];
    match least {
        0..10_000_000 => round_step(least),
        _ => {
            let steps = round.map(|s| s * SECOND);
            let step = steps.into_iter().find(|step| *step >= least);
            step.unwrap_or_else(|| least.next_multiple_of(3_600 * SECOND))
        }
    }
}

/// When a fault was in force; `None` if it never was, as far as is known.
pub(super) fn in_force(fault: &FaultRow, end: Ms) -> Option<(f64, f64)> {
    let until = match (&fault.status, fault.healed_ms) {
        (FaultStatus::Skipped { .. }, _) => return None,
        (_, Some(healed)) => healed,
        (_, None) if fault.kind.is_instant() => fault.at_ms,
        (_, None) => end,
    };
    Some((milliseconds(fault.at_ms), milliseconds(until)))
}

pub(super) fn milliseconds(ms: Ms) -> f64 {
    ms.get() as f64 / 1_000.0
}

/// Faults and outages. Faults that overlap are one shade, or it would grow darker where
/// nothing grows worse.
pub(super) fn shades(report: &Report) -> Vec<Shade> {
    let end = report.timeline.end_ms;
    let faults = report
        .faults
        .iter()
        .filter_map(|fault| in_force(fault, end));
    let gaps = report.gaps.iter();
    let gaps = gaps.map(|gap| (milliseconds(gap.from_ms), milliseconds(gap.to_ms)));
    let shade = |class| move |(from, to)| Shade { class, from, to };
    let faults = merged(faults.collect()).into_iter().map(shade("fault"));
    let gaps = merged(gaps.collect()).into_iter().map(shade("down"));
    faults.chain(gaps).collect()
}

/// Stretches that overlap, taken together.
fn merged(mut stretches: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    stretches.sort_by(|a, b| a.partial_cmp(b).expect("times are numbers"));
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for (from, to) in stretches {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let ticks = |seconds: u64| {
            let grid = grid(&Windows::of(seconds * 1_000_000));
            let texts: Vec<String> = grid.ticks.into_iter().map(|(_, text)| text).collect();
            texts
        };
        assert_eq!(
            ticks(7),
            ["0", "1 s", "2 s", "3 s", "4 s", "5 s", "6 s", "7 s"]
        );
        assert_eq!(
            ticks(45),
            [
                "0", "5 s", "10 s", "15 s", "20 s", "25 s", "30 s", "35 s", "40 s", "45 s"
            ]
        );
        assert_eq!(ticks(1_800).last().map(String::as_str), Some("30 min"));
        assert!(ticks(100_000).len() <= 11);
        assert_eq!(ticks(0), ["0", "1 µs"]);
    }

    #[test]
    fn values_stand_in_the_middle_of_their_windows() {
        let grid = grid(&Windows::of(250_000));
        assert_eq!(grid.places, [50.0, 150.0, 225.0]);
        assert_eq!(grid.to, 250.0);
    }

    #[test]
    fn shades_that_overlap_are_one() {
        let stretches = vec![(5.0, 9.0), (1.0, 3.0), (2.0, 4.0), (4.0, 4.5)];
        assert_eq!(merged(stretches), [(1.0, 4.5), (5.0, 9.0)]);
    }
}

//! Judges whether the second version is worse, and gives the reason in one line.
//!
//! A broken promise needs no statistics: if runs of B broke one and none of A did, B is worse.

use std::collections::BTreeMap;

use super::{Ab, Count, Counted, Row, Standing, Verdict};
use crate::report::Bound;
use crate::sweep::Ending;

/// Endings that no version may have and that need no statistics where A has none.
const BROKEN: [Ending; 5] = [
    Ending::Violation,
    Ending::NotDeterministic,
    Ending::Crashed,
    Ending::TimedOut,
    Ending::OutOfMemory,
];

pub(super) fn verdict(ab: &Ab, could_tell: bool) -> (Verdict, String) {
    for of_it in &ab.scenarios {
        let count = |endings: &BTreeMap<Ending, u64>, ending| endings.get(&ending).copied();
        for ending in BROKEN {
            let (a, b) = (
                count(&of_it.endings_a, ending),
                count(&of_it.endings_b, ending),
            );
            if let (None, Some(runs)) = (a, b) {
                let all: u64 = of_it.endings_b.values().sum();
                let (name, label) = (&of_it.b.scenario, ending.label());
                let reason = format!("{label} in {runs} of {all} runs of B ({name}), in none of A");
                return (Verdict::Broken, reason);
            }
        }
    }
    let worse: Vec<String> = more_often(ab, Ending::Inconclusive, false)
        .map(Count::said)
        .chain(ab.rows(Standing::Worse).map(|(_, row)| said(row)))
        .collect();
    let inconclusive: Vec<String> = ab
        .different()
        .filter(|count| matches!(count.what, Counted::Figure(_)))
        .chain(more_often(ab, Ending::Inconclusive, true))
        .map(Count::said)
        .collect();
    let certainty = format!("{:.1} %", ab.certainty_percent);
    let first_of = |found: &[String]| {
        let more = match found.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        format!("{}{more}, with a certainty of {certainty}", found[0])
    };
    match worse.as_slice() {
        [] if !inconclusive.is_empty() => {
            let reason = format!(
                "what is not there cannot be compared: {}",
                first_of(&inconclusive)
            );
            (Verdict::Inconclusive, reason)
        }
        [] if !could_tell => {
            let reason = match ab.figures {
                0 => "no figure has three runs or more on both sides".to_owned(),
                figures => format!(
                    "too few runs: with {figures} figures, no difference between so few could be \
                     distinguished from chance with a certainty of {certainty}"
                ),
            };
            (Verdict::Inconclusive, reason)
        }
        [] => {
            let figures = ab.figures;
            let reason =
                format!("none of {figures} figures is worse with a certainty of {certainty}");
            (Verdict::NoWorse, reason)
        }
        found => (Verdict::Worse, first_of(found)),
    }
}

/// Endings that B has more often than A: only this one, or all but this one.
fn more_often(ab: &Ab, ending: Ending, is_this: bool) -> impl Iterator<Item = &Count> {
    ab.different().filter(move |count| match count.what {
        Counted::Ending(of) => (of == ending) == is_this && count.is_more_often_in_b(),
        Counted::Figure(_) => false,
    })
}

/// `latency.lock.acquire.p50 +5.1 ms (+42.0 %)`; of a figure that is worse.
fn said(row: &Row) -> String {
    let Some(found) = &row.found else {
        return row.figure.clone();
    };
    let is_larger_worse = row.bound == Bound::AtMost;
    // The ranks say that it is worse, and the median does not.
    if found.difference.0 == 0 || (found.difference.0 > 0) != is_larger_worse {
        let way = if is_larger_worse { "higher" } else { "lower" };
        return format!("{} is {way} by its ranks, if not at its median", row.figure);
    }
    let difference = row.unit.signed_text(found.difference);
    let change = found.change_percent.map(|change| format!(" ({change})"));
    format!("{} {difference}{}", row.figure, change.unwrap_or_default())
}

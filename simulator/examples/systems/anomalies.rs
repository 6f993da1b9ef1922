//! The first anomaly of each kind that a contender showed.

use std::collections::BTreeMap;
use std::fmt::Write;

use squall::check::CHECKS;

use crate::SCENARIOS;
use crate::contenders::Contender;
use crate::line::{Broken, Line};
use crate::tables::of;
use crate::trial::STALE;

/// A contender's section; empty if it showed none.
pub fn of_contender(contender: &Contender, lines: &[&Line]) -> String {
    let mut kinds: BTreeMap<usize, Vec<(&Line, &Broken)>> = BTreeMap::new();
    for line in of(contender, lines) {
        for (check, found) in &line.broken {
            kinds.entry(place(check)).or_default().push((line, found));
        }
    }
    let mut text = String::new();
    for (place, found) in kinds {
        let (check, property, promise) = match CHECKS.get(place) {
            Some(row) => (row.name, row.property, row.promise),
            None => (
                STALE,
                "",
                "A read shows what was acknowledged before it was sent.",
            ),
        };
        let property = match property {
            "" => String::new(),
            property => format!("{property}, "),
        };
        let promised = match found.iter().any(|(_, found)| found.promised) {
            true => "promised",
            false => "not promised",
        };
        let _ = writeln!(
            text,
            "- **{property}`{check}`** ({promised}): {promise} Broken in {}.",
            trials(&found)
        );
        let told = found.iter().filter(|(_, found)| !found.first.is_empty());
        if let Some((line, first)) = told.min_by_key(|(line, _)| order(line)) {
            let _ = writeln!(
                text,
                "  First in `{}` {}: {}",
                line.trial.scenario,
                line.trial.seed,
                escaped(&first.first)
            );
            if !first.operations.is_empty() {
                let operations = first.operations.iter().map(|line| format!("  {line}\n"));
                let operations: String = operations.collect();
                let _ = writeln!(text, "\n  ```text\n{operations}  ```");
            }
        }
    }
    match text.is_empty() {
        true => text,
        false => format!(
            "<details><summary><b>{}</b></summary>\n\n{text}\n</details>\n\n",
            contender.name
        ),
    }
}

/// In which order trials stand on the page.
fn order(line: &Line) -> (usize, u64) {
    let scenario = SCENARIOS
        .iter()
        .position(|name| *name == line.trial.scenario);
    (scenario.unwrap_or(SCENARIOS.len()), line.trial.seed)
}

/// `3 trials of leader-kill, 12 of rolling-restart`.
fn trials(found: &[(&Line, &Broken)]) -> String {
    let counted = SCENARIOS.iter().filter_map(|scenario| {
        let of = found
            .iter()
            .filter(|(line, _)| line.trial.scenario == *scenario);
        let count = of.count();
        (count > 0).then(|| format!("{count} of `{scenario}`"))
    });
    let counted: Vec<String> = counted.collect();
    format!("trials: {}", counted.join(", "))
}

/// In the order of the checks.
fn place(check: &str) -> usize {
    let place = CHECKS.iter().position(|row| row.name == check);
    place.unwrap_or(CHECKS.len())
}

/// Text of a program within Markdown.
fn escaped(text: &str) -> String {
    text.replace('<', "&lt;").replace('|', "\\|")
}

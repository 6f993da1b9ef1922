//! The parts of `systems.md` that are made of the lines. What stands around them is written by
//! hand.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use squall_statistics::median;

use crate::contenders::Contender;
use crate::document::write_between;
use crate::line::Line;
use crate::{SCENARIOS, anomalies, tables, trial};

/// Nodes of a cluster, unless its system has other numbers.
const NODES: u64 = 5;

/// Writes them; makes a page without words if there is none.
///
/// # Errors
/// The page lacks the lines between which they belong, or cannot be written.
pub fn write(page: &Path, contenders: &[Contender], lines: &[Line]) -> Result<(), String> {
    let sections = [
        ("trials", trials(lines)),
        ("overview", tables::overview(contenders, lines)),
        ("contenders", configurations(contenders, lines)),
        ("tables", scenarios(contenders, lines)),
        ("anomalies", first_anomalies(contenders, lines)),
    ];
    if !page.exists() {
        let empty = sections
            .iter()
            .map(|(name, _)| format!("\n<!-- {name}: begin -->\n<!-- {name}: end -->\n"));
        let empty: String = empty.collect();
        let made = std::fs::write(
            page,
            format!("# The same failures on several systems\n{empty}"),
        );
        made.map_err(|e| format!("{}: {e}", page.display()))?;
    }
    for (name, section) in sections {
        write_between(page, name, &section)?;
    }
    Ok(())
}

/// What was played, with what, and when.
fn trials(lines: &[Line]) -> String {
    let mut text = format!("{} trials.", lines.len());
    let days: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line.started.get(..10))
        .collect();
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        let when = match first == last {
            true => format!("on {first}"),
            false => format!("from {first} to {last}"),
        };
        let busy: Vec<f64> = lines.iter().map(|line| line.busy as f64).collect();
        let _ = write!(
            text,
            " Made {when}; the machine's processors were busy for {:.0} % of a trial in the \
             median, all that ran beside it included.",
            median(&busy).unwrap_or_default()
        );
    }
    let versions = lines.iter().flat_map(|line| line.version.split("; "));
    let versions: BTreeSet<&str> = versions.collect();
    let versions: Vec<String> = versions
        .iter()
        .map(|version| format!("`{version}`"))
        .collect();
    text + &format!(
        " Versions, as the programs say them: {}.\n",
        versions.join(", ")
    )
}

/// Those that were played, with what their first node runs.
fn configurations(contenders: &[Contender], lines: &[Line]) -> String {
    let mut text = String::new();
    for contender in contenders {
        if !lines.iter().any(|line| line.trial.system == contender.name) {
            continue;
        }
        let _ = writeln!(text, "- **`{}`**: {}", contender.name, contender.about);
        let nodes = contender.system.node_count(NODES) as usize;
        if let Ok(run) = trial::first_node(contender, nodes) {
            let run: String = run.lines().map(|line| format!("  {line}\n")).collect();
            let _ = writeln!(
                text,
                "\n  <details><summary>{nodes} of them; node 1</summary>\n\n  ```text\n{run}  \
                 ```\n\n  </details>\n"
            );
        }
    }
    text
}

fn scenarios(contenders: &[Contender], lines: &[Line]) -> String {
    let mut text = String::new();
    for scenario in SCENARIOS {
        let lines = lines.iter().filter(|line| line.trial.scenario == scenario);
        let lines: Vec<&Line> = lines.collect();
        if lines.is_empty() {
            continue;
        }
        let tables = tables::of_scenario(contenders, &lines);
        let _ = writeln!(text, "### {scenario}\n\n{tables}");
        for contender in contenders {
            doubts(contender, &tables::of(contender, &lines), &mut text);
        }
    }
    text
}

/// Faults that were not seen to work, and what nobody can tell.
fn doubts(contender: &Contender, lines: &[&Line], text: &mut String) {
    let name = &contender.name;
    let doubtful: Vec<&&Line> = lines
        .iter()
        .filter(|line| !line.doubts.is_empty())
        .collect();
    if let Some(first) = doubtful.first() {
        let _ = writeln!(
            text,
            "`{name}`: in {} of {} trials a fault was not seen to work; the first: {}.\n",
            doubtful.len(),
            lines.len(),
            first.doubts[0]
        );
    }
    let unknown: BTreeSet<&str> = lines
        .iter()
        .flat_map(|line| line.unknown.iter().map(String::as_str))
        .collect();
    if !unknown.is_empty() {
        let trials = lines.iter().filter(|line| !line.unknown.is_empty()).count();
        let unknown: Vec<String> = unknown.iter().map(|check| format!("`{check}`")).collect();
        let _ = writeln!(
            text,
            "`{name}`: in {trials} of {} trials a check cannot tell ({}).\n",
            lines.len(),
            unknown.join(", ")
        );
    }
}

fn first_anomalies(contenders: &[Contender], lines: &[Line]) -> String {
    let lines: Vec<&Line> = lines.iter().collect();
    let sections = contenders
        .iter()
        .map(|contender| anomalies::of_contender(contender, &lines));
    sections.collect()
}

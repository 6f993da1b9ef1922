//! Runs of one scenario that differ in a few values, side by side.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::columns;
use crate::document::{Block, Document, Severity, Table, Value, number, rate, share, us};
use crate::report::Report;
use crate::verdict::RunVerdict;
use crate::words::sentence;
use crate::write::text::Style;
use crate::{sections, write};
use squall_check::Verdict;
use squall_objective::fixed::{PerSecond, Percent};

/// `variants.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Variants {
    /// Without a variant's name.
    pub scenario: String,
    /// The same for all.
    pub seed: u64,
    /// As `--backend` takes it.
    pub backend: String,
    /// Whether the backend cannot say what nodes use.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) lacks_resources: bool,
    /// The worst of all.
    pub verdict: RunVerdict,
    /// In the order of the scenario.
    pub variants: Vec<VariantRow>,
    /// How throughput changes with the number of nodes, in one line; `null` if that is the
    /// same in all.
    pub scaling: Option<String>,
    /// What bounds throughput and latency, as in the reports; left out if that is the machine
    /// that ran, or not the same in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounded_by: Option<String>,
}

/// One run. Throughput and latency are those of the chaos phase, of all operations but long
/// polls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VariantRow {
    /// As in its `[[variant]]`.
    pub name: String,
    /// Its run directory, in that of all.
    pub dir: String,
    /// What the run comes to.
    pub verdict: RunVerdict,
    /// Why, in one line.
    pub reason: String,
    /// Of its cluster.
    pub nodes: u64,
    /// Operations that were answered with success.
    pub acknowledged: u64,
    /// Acknowledged operations.
    pub per_second: PerSecond,
    /// Of acknowledged operations; `null` without any.
    pub mean_us: Option<u64>,
    /// 95th percentile.
    pub p95_us: Option<u64>,
    /// 99th percentile.
    pub p99_us: Option<u64>,
    /// `null` if the run had no chaos.
    pub availability: Option<Percent>,
    /// Acknowledged operations whose effect is gone.
    pub lost: u64,
    /// Messages stored or delivered once more, and increments that count twice.
    pub duplicated: u64,
    /// Values that clients were given though nobody wrote them.
    pub phantom: u64,
    /// Mean load of one processor, of the busiest node; left out where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Percent>,
    /// Most that any node held; left out where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_max_bytes: Option<u64>,
    /// Checks that hold, and all that had something to judge.
    pub checks: (u64, u64),
}

impl Variants {
    /// Of the runs' names and reports, at least one.
    ///
    /// # Panics
    /// Without any.
    pub fn of(runs: &[(String, Report)]) -> Self {
        let (_, first) = runs.first().expect("a scenario with variants has one");
        let rows: Vec<VariantRow> = runs
            .iter()
            .map(|(name, report)| row(name, report))
            .collect();
        let worst = rows
            .iter()
            .map(|row| row.verdict)
            .max_by_key(|verdict| severity(*verdict));
        Self {
            scenario: first.scenario.clone(),
            seed: first.seed,
            backend: first.backend.clone(),
            lacks_resources: first.cannot_know_resources(),
            verdict: worst.expect("there is one"),
            scaling: scaling(&rows),
            bounded_by: bounded_by(runs),
            variants: rows,
        }
    }

    /// `variants.json`, with a line break at the end.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.expect("plain data") + "\n"
    }

    /// For a terminal.
    pub fn to_text(&self, style: Style) -> String {
        let mut out = write::text::table(&self.table(), style, "") + "\n";
        for note in self.notes() {
            out += &format!("{note}\n");
        }
        for row in self
            .variants
            .iter()
            .filter(|row| row.verdict != RunVerdict::Pass)
        {
            out += &format!("{}  {}: {}\n", row.verdict, row.name, row.reason);
        }
        out
    }

    /// `variants.md`.
    pub fn to_markdown(&self) -> String {
        let notes = self.notes().map(Block::Note);
        write::markdown::document(&Document {
            title: format!("{} seed {}: {}", self.scenario, self.seed, self.verdict),
            lead: [Block::Table(self.table())]
                .into_iter()
                .chain(notes)
                .collect(),
            sections: Vec::new(),
        })
    }

    /// What the table cannot say.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let unknown = self
            .lacks_resources
            .then(|| sections::NO_RESOURCES.to_owned());
        let bounded = self.bounded_by.iter().map(|bounded| sentence(bounded));
        let scaling = self.scaling.iter().cloned();
        scaling.chain(unknown).chain(bounded)
    }

    pub(super) fn table(&self) -> Table {
        let first = self.variants.first().map_or(0, |row| row.per_second.get());
        // With its throughput in percent of the first one's.
        let columns = columns! { row: (&VariantRow, Option<u64>);
            text "variant" "" &row.0.name;
            number "nodes" "" number(row.0.nodes);
            number "ok" "" row.0.acknowledged;
            number "op/s" "" rate(row.0.per_second);
            number "of the first" "" row.1.map(|percent| format!("{percent} %"));
            number "mean" "" us(row.0.mean_us);
            number "p95" "" us(row.0.p95_us);
            number "p99" "" us(row.0.p99_us);
            number "available" "" share(row.0.availability, 3);
            number "processor" "" share(row.0.cpu, 1);
            number "memory" "" row.0.memory_max_bytes.map_or(Value::Nothing, Value::Bytes);
            text "data" "" data(row.0);
            number "checks" "" format!("{} of {}", row.0.checks.0, row.0.checks.1);
            text "verdict" "" row.0.verdict.to_string();
        };
        let rows = self.variants.iter();
        let rows = rows.map(|row| (row, (row.per_second.get() * 100).checked_div(first)));
        let rows: Vec<_> = rows.collect();
        let table =
            Table::with_severity("variants", &columns, &rows, |(row, _)| match row.verdict {
                RunVerdict::Pass => Severity::Plain,
                RunVerdict::Inconclusive => Severity::Warning,
                RunVerdict::Violation | RunVerdict::ObjectiveMissed => Severity::Bad,
            });
        if self.variants.iter().any(|row| row.cpu.is_some()) {
            table
        } else {
            table.without(&["processor", "memory"])
        }
    }
}

fn data(row: &VariantRow) -> String {
    match row.lost + row.duplicated + row.phantom {
        0 => "nothing lost".to_owned(),
        _ => format!(
            "{} lost, {} duplicated, {} phantom",
            row.lost, row.duplicated, row.phantom
        ),
    }
}

fn severity(verdict: RunVerdict) -> u8 {
    match verdict {
        RunVerdict::Pass => 0,
        RunVerdict::Inconclusive => 1,
        RunVerdict::ObjectiveMissed => 2,
        RunVerdict::Violation => 3,
    }
}

fn row(name: &str, report: &Report) -> VariantRow {
    use Verdict::{Fail, Pass, Unknown};
    let overall = report.overall.as_ref();
    let with = |verdicts: &[Verdict]| {
        let checks = report.checks.iter();
        checks
            .filter(|check| verdicts.contains(&check.verdict))
            .count() as u64
    };
    VariantRow {
        name: name.to_owned(),
        dir: name.to_owned(),
        verdict: report.verdict,
        reason: report.reason.clone(),
        nodes: report.cluster.nodes,
        acknowledged: overall.map_or(0, |overall| overall.acknowledged),
        per_second: overall.map_or(PerSecond::of(0), |overall| overall.per_second),
        mean_us: overall.and_then(|overall| overall.mean_us),
        p95_us: overall.and_then(|overall| overall.p95_us),
        p99_us: overall.and_then(|overall| overall.p99_us),
        availability: report.availability,
        lost: report.data_loss.lost,
        duplicated: report.data_loss.duplicated,
        phantom: report.data_loss.phantom,
        cpu: report.resources.values().filter_map(|used| used.cpu).max(),
        memory_max_bytes: (report.resources.values())
            .map(|used| used.memory_max_bytes)
            .max(),
        checks: (with(&[Pass]), with(&[Pass, Fail, Unknown])),
    }
}

fn bounded_by(runs: &[(String, Report)]) -> Option<String> {
    let mut bounds = runs.iter().map(|(_, report)| &report.bounded_by);
    let first = bounds.next()?;
    bounds.all(|other| other == first).then(|| first.clone())?
}

/// Compares the fewest nodes with the most. Throughput that keeps within a tenth of growing
/// as the nodes do is linear; within a tenth of staying the same, flat.
fn scaling(rows: &[VariantRow]) -> Option<String> {
    let fewest = rows.iter().min_by_key(|row| row.nodes)?;
    let most = rows.iter().max_by_key(|row| row.nodes)?;
    if fewest.nodes == most.nodes || fewest.per_second.get() == 0 {
        return None;
    }
    let grown = u128::from(most.per_second.get()) * 100 / u128::from(fewest.per_second.get());
    let wanted = u128::from(most.nodes) * 100 / u128::from(fewest.nodes);
    let word = match grown {
        grown if grown * 10 >= wanted * 9 => "linear",
        111.. => "grows, but less than linear",
        90..=110 => "flat, not linear",
        _ => "falls, not linear",
    };
    Some(format!(
        "{} nodes have {grown} % of the throughput of {}; linear would be {wanted} %: {word}",
        most.nodes, fewest.nodes
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(nodes: u64, per_second: u64) -> VariantRow {
        VariantRow {
            name: format!("{nodes}-nodes"),
            dir: format!("{nodes}-nodes"),
            verdict: RunVerdict::Pass,
            reason: String::new(),
            nodes,
            acknowledged: 10,
            per_second: PerSecond::of(per_second * 1_000),
            mean_us: Some(1_000),
            p95_us: None,
            p99_us: None,
            availability: None,
            lost: 0,
            duplicated: 0,
            phantom: 0,
            cpu: None,
            memory_max_bytes: None,
            checks: (2, 2),
        }
    }

    #[test]
    fn scaling_is_named_by_what_was_measured() {
        let word = |rows: &[VariantRow]| {
            scaling(rows).map(|line| line.rsplit(": ").next().unwrap().to_owned())
        };
        assert_eq!(word(&[row(3, 100), row(6, 190)]).as_deref(), Some("linear"));
        assert_eq!(
            word(&[row(3, 100), row(6, 150)]).as_deref(),
            Some("grows, but less than linear")
        );
        assert_eq!(
            word(&[row(6, 95), row(3, 100)]).as_deref(),
            Some("flat, not linear")
        );
        assert_eq!(
            word(&[row(3, 100), row(6, 80)]).as_deref(),
            Some("falls, not linear")
        );
        assert_eq!(word(&[row(3, 100), row(3, 80)]), None);
    }

    #[test]
    fn the_table_says_what_a_simulation_cannot_know() {
        let variants = Variants {
            scenario: "s".into(),
            seed: 1,
            backend: "sim".into(),
            lacks_resources: true,
            verdict: RunVerdict::Pass,
            variants: vec![row(3, 1_000), row(5, 900)],
            scaling: None,
            bounded_by: Some("only its cores bound it".into()),
        };
        let text = variants.to_text(Style::default());
        assert!(text.contains("5-nodes") && text.contains("90 %"), "{text}");
        assert!(text.contains("not known on this backend"), "{text}");
        assert!(text.contains("\nOnly its cores bound it.\n"), "{text}");
        assert!(text.contains("nothing lost"), "{text}");
    }
}

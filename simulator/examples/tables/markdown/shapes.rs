//! Shapes of load, and whole applications.

use super::*;

impl Tables<'_> {
    pub(super) fn shapes(&self) -> Result<String, String> {
        let mut rows = Vec::new();
        for (name, report) in SHAPES.iter().flat_map(|shape| self.variants(shape)) {
            let seen = or_zero(report);
            rows.push(vec![
                name.to_owned(),
                duration(chaos_us(report)),
                count(seen.acknowledged),
                count(per_second(report) / 1_000),
                or_nothing(seen.p95_us, duration),
                or_nothing(seen.p99_us, duration),
                error_rate(report),
                or_nothing(report.availability, |share| format!("{share:.3} %")),
                self.memory(report),
                self.shown(report),
                report.verdict.to_string(),
            ]);
        }
        let columns = [
            "shape",
            ">length",
            ">operations",
            ">op/s",
            ">p95",
            ">p99",
            ">errors",
            ">available",
            ">memory, largest node",
            "what it asks for",
            "verdict",
        ];
        let commands: Vec<String> = SHAPES.iter().map(|name| self.command(name)).collect();
        Ok(format!(
            "\n### Load shapes\n\n{}\n{}",
            lines(&commands),
            table(&columns, &rows)
        ))
    }

    /// What a load shape is there to find out.
    fn shown(&self, report: &Report) -> String {
        let mut said = Vec::new();
        if let Some(stress) = &report.load.stress {
            said.push(stress.summary.clone());
        }
        let asked = report.objectives.iter();
        let own = asked.filter(|result| !["lost", "availability"].contains(&result.name.as_str()));
        said.extend(own.map(|result| result.to_string()));
        said.push(format!("{} lost", count(report.data_loss.lost)));
        said.join("; ")
    }

    /// Each level of each load.
    pub(super) fn levels(&self) -> String {
        let mut rows = Vec::new();
        for (name, report) in SHAPES.iter().flat_map(|shape| self.variants(shape)) {
            for step in &report.load.steps {
                let level = match (step.users, step.rate) {
                    (Some(users), _) => format!("{} users", count(users)),
                    (None, Some(rate)) => format!("{}/s", count(rate.get() / 1_000)),
                    (None, None) => NOTHING.to_owned(),
                };
                rows.push(vec![
                    name.to_owned(),
                    level,
                    duration(step.to_ms.get() - step.from_ms.get()),
                    count(step.per_second.get() / 1_000),
                    or_nothing(step.p50_us, duration),
                    or_nothing(step.p95_us, duration),
                    or_nothing(step.p99_us, duration),
                    count(step.errors),
                ]);
            }
        }
        let columns = [
            "load", ">level", ">held", ">op/s", ">p50", ">p95", ">p99", ">errors",
        ];
        format!("\nLevel by level:\n\n{}", table(&columns, &rows))
    }

    pub(super) fn composites(&self) -> Result<String, String> {
        let mut rows = Vec::new();
        let mut commands = Vec::new();
        for name in COMPOSITES {
            let runs = self.variants(name);
            if runs.is_empty() {
                continue;
            }
            commands.push(self.command(name));
            for (name, report) in runs {
                rows.extend(
                    report
                        .objectives
                        .iter()
                        .map(|result| target_row(name, result)),
                );
                use squall::report::Verdict::{NotJudged, Pass};
                let judged = report.checks.iter().filter(|c| c.verdict != NotJudged);
                let held = judged.clone().filter(|c| c.verdict == Pass);
                let checks = format!("{} of {}", held.count(), judged.count());
                let cells = [name, "checks that hold", "all", &checks, NOTHING];
                let mut row: Vec<String> = cells.map(str::to_owned).to_vec();
                row.push(report.verdict.to_string());
                rows.push(row);
            }
        }
        let columns = [
            "scenario",
            "objective",
            ">target",
            ">result",
            ">margin",
            "verdict",
        ];
        let mut text = format!(
            "\n### Composite scenarios\n\n{}\n{}",
            lines(&commands),
            table(&columns, &rows)
        );
        if self.backend == Backend::Docker {
            text += "\n`regions` is not here: the distances between its members are those of the \
                     simulated network, and containers of one machine have none.\n";
        }
        Ok(text)
    }
}

//! The same work on clusters of different sizes.

use super::*;

impl Tables<'_> {
    pub(super) fn scalability(&self) -> Result<String, String> {
        let mut runs = self.variants("scalability");
        runs.sort_by_key(|(_, report)| report.cluster.nodes);
        let first = runs.first().ok_or("no report of scalability")?.1;
        let base = per_second(first).max(1);
        let row = |report: &Report| {
            vec![
                count(report.cluster.nodes),
                count(or_zero(report).acknowledged),
                count(per_second(report) / 1_000),
                format!("{} %", per_second(report) * 100 / base),
                or_nothing(or_zero(report).mean_us, duration),
                or_nothing(or_zero(report).p95_us, duration),
                self.cpu(report),
                self.memory(report),
            ]
        };
        let rows: Vec<Vec<String>> = runs.iter().map(|(_, report)| row(report)).collect();
        let columns = [
            ">nodes",
            ">operations",
            ">op/s",
            ">of the first",
            ">mean",
            ">p95",
            ">CPU, busiest node",
            ">memory, largest node",
        ];
        let named: Vec<(String, Report)> = runs
            .iter()
            .map(|(name, report)| ((*name).to_owned(), (*report).clone()))
            .collect();
        let scaling = Variants::of(&named).scaling.ok_or("nothing to compare")?;
        let body = table(&columns, &rows) + &format!("\n{scaling}.\n");
        Ok(self.part("Scalability", "scalability", &body))
    }

    pub(super) fn single(&self) -> Result<String, String> {
        let mut runs = self.variants("single-against-cluster");
        runs.sort_by_key(|(_, report)| report.cluster.nodes);
        let row = |report: &Report| {
            let loss = report.data_loss;
            let longest = report.downtime_ms.any.map(|any| any.max.get());
            vec![
                count(report.cluster.nodes),
                count(per_second(report) / 1_000),
                or_nothing(or_zero(report).mean_us, duration),
                or_nothing(report.availability, |share| format!("{share:.3} %")),
                or_nothing(longest, duration),
                format!(
                    "{} of {} lost, {} duplicated",
                    count(loss.lost),
                    count(loss.acked),
                    count(loss.duplicated)
                ),
            ]
        };
        let rows: Vec<Vec<String>> = runs.iter().map(|(_, report)| row(report)).collect();
        let columns = [
            ">nodes",
            ">op/s",
            ">mean latency",
            ">available",
            ">longest downtime",
            "data",
        ];
        let name = "single-against-cluster";
        let title = "A single node against three and five; the leader dies for five seconds";
        Ok(self.part(title, name, &table(&columns, &rows)))
    }
}

//! A sweep as comma-separated values, for spreadsheets: `summary.csv` holds a row a scenario
//! and measure, `seeds.csv` a row a run. Durations are microseconds. Format: RFC 4180, with
//! plain line feeds.

use super::result::{Measure, SeedResult};
use super::store::Results;
use super::summary::Summary;
use crate::report::csv::line;

/// The distributions.
pub fn summary(summary: &Summary) -> String {
    let mut out = String::from(
        "scenario,measure,unit,count,min,p50,p90,p99,max,worst_seed,unseen,unseen_seed\n",
    );
    for scenario in &summary.scenarios {
        for (measure, row) in &scenario.measures {
            let unit = if measure.is_count() { "count" } else { "us" };
            let name = serde_json::to_value(measure).expect("a measure is a word");
            let cells = [
                scenario.scenario.clone(),
                name.as_str().unwrap_or_default().to_owned(),
                unit.to_owned(),
                row.count.to_string(),
                or_empty(row.min),
                or_empty(row.p50),
                or_empty(row.p90),
                or_empty(row.p99),
                or_empty(row.max),
                or_empty(row.worst_seed),
                row.unseen.to_string(),
                or_empty(row.unseen_seed),
            ];
            out += &line(&cells);
        }
    }
    out
}

/// Latency, throughput and stages: median and worst of all runs.
pub fn figures(summary: &Summary) -> String {
    let mut out = String::from("scenario,figure,unit,median,worst\n");
    for scenario in &summary.scenarios {
        for (name, kept) in &scenario.figures {
            let unit = serde_json::to_value(kept.unit).expect("a unit is a word");
            out += &line(&[
                scenario.scenario.clone(),
                name.clone(),
                unit.as_str().unwrap_or_default().to_owned(),
                kept.median.to_string(),
                kept.worst.to_string(),
            ]);
        }
    }
    out
}

/// Every run, in order of scenario and seed.
pub fn seeds(results: &Results) -> String {
    let mut out = String::from(
        "scenario,seed,ending,cause,operations,acknowledged,detection_max_us,election_max_us,\
         downtime_max_us,downtime_total_us,recovery_max_us,lost,history_sha256\n",
    );
    for result in results.values() {
        out += &line(&cells(result));
    }
    out
}

fn cells(result: &SeedResult) -> [String; 13] {
    let run = result.run.as_ref();
    let max = |measure: Measure| {
        let sampled = run.and_then(|run| run.measures.get(&measure));
        or_empty(sampled.and_then(|sampled| sampled.values.last().copied()))
    };
    [
        result.scenario.clone(),
        result.seed.to_string(),
        result.ending.label().to_owned(),
        result.cause().map(ToString::to_string).unwrap_or_default(),
        or_empty(run.map(|run| run.operations.invoked)),
        or_empty(run.map(|run| run.operations.acknowledged)),
        max(Measure::Detection),
        max(Measure::Election),
        max(Measure::Downtime),
        max(Measure::DowntimeTotal),
        max(Measure::Recovery),
        max(Measure::Lost),
        run.map(|run| run.history_sha256.clone())
            .unwrap_or_default(),
    ]
}

fn or_empty(value: Option<u64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::summary::tests::result;

    #[test]
    fn every_row_has_as_many_cells_as_the_head() {
        let runs = [result("a", 1), result("a", 2)];
        let keyed = runs.map(|run| ((run.scenario.clone(), run.seed), run));
        let text = seeds(&Results::from(keyed));
        let counts: Vec<usize> = text.lines().map(|row| row.split(',').count()).collect();
        assert_eq!(counts, [13; 3]);
        assert!(text.contains("\na,2,pass,,0,0,,102,,,,0,"), "{text}");
    }
}

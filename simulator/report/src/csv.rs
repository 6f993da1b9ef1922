//! A report as comma-separated values, a file a table or series, for spreadsheets. Names end
//! in their unit. Format: RFC 4180, with plain line feeds; an empty cell is a value that does
//! not exist, never a zero.

mod over_time;

use super::*;
use squall_measure::SpanStatus;

pub use over_time::series;

/// Names and texts of all files; those without a row have their head alone.
pub fn files(report: &Report) -> Vec<(&'static str, String)> {
    vec![
        ("latency.csv", latency(report)),
        ("payload.csv", payload(report)),
        ("throughput.csv", throughput(report)),
        ("acknowledged.csv", acknowledged(report)),
        ("faults.csv", faults(report)),
        ("downtime.csv", downtime(report)),
        ("leaders.csv", leaders(report)),
        ("objectives.csv", objectives(report)),
        ("checks.csv", checks(report)),
        ("comparison.csv", comparison(report)),
        ("stages.csv", stages(report)),
        ("errors.csv", errors(report)),
        ("slowest.csv", slowest(report)),
        ("bottlenecks.csv", bottlenecks(report)),
        ("times.csv", times(report)),
        ("load.csv", load_steps(report)),
        ("nodes.csv", nodes(report)),
    ]
}

/// One line; cells are quoted where they must be.
pub fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell.as_ref())).collect();
    cells.join(",") + "\n"
}

fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

fn or_empty<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// The word by which JSON knows a value.
fn word<T: Serialize>(value: &T) -> String {
    let written = serde_json::to_value(value).expect("a plain enum is a word");
    written.as_str().unwrap_or_default().to_owned()
}

/// Columns of [`latency_line`], behind the names.
const LATENCY: &str = "count,min_us,p50_us,p90_us,p95_us,p99_us,p999_us,max_us,mean_us";

fn latency(report: &Report) -> String {
    let mut out = format!("service,operation,phase,outcome,{LATENCY}\n");
    for (service, operations) in &report.latency_us {
        for (operation, phases) in operations {
            for (phase, outcomes) in phases {
                for (outcome, l) in outcomes {
                    out += &latency_line([service, operation, &word(phase), &word(outcome)], l);
                }
            }
        }
    }
    out
}

fn payload(report: &Report) -> String {
    let mut out = format!("service,operation,up_to_bytes,{LATENCY}\n");
    for row in &report.latency_by_payload {
        let names = [&row.service, &row.operation, &row.up_to_bytes.to_string()];
        out += &latency_line(names.map(String::as_str), &row.latency_us);
    }
    out
}

fn latency_line<const N: usize>(names: [&str; N], latency: &Latency) -> String {
    let Latency {
        count,
        min,
        p50,
        p90,
        p95,
        p99,
        p999,
        max,
        mean,
    } = *latency;
    let figures = [count, min, p50, p90, p95, p99, p999, max, mean].map(|f| f.to_string());
    line(&[names.map(str::to_owned).to_vec(), figures.to_vec()].concat())
}

fn throughput(report: &Report) -> String {
    let mut out = String::from("service,phase,acknowledged,per_second,lowest_in_a_second\n");
    for (service, phases) in &report.throughput {
        for (phase, rate) in phases {
            out += &line(&[
                service.clone(),
                word(phase),
                rate.acked.to_string(),
                rate.per_second.to_string(),
                or_empty(rate.lowest),
            ]);
        }
    }
    out
}

fn acknowledged(report: &Report) -> String {
    let TimelineData {
        bucket_ms, acked, ..
    } = &report.timeline;
    let services: Vec<&String> = acked.keys().collect();
    let head = ["from_ms".to_owned()].into_iter();
    let head = head.chain(
        services
            .iter()
            .map(|service| format!("{service}_acknowledged")),
    );
    let mut out = line(&head.collect::<Vec<_>>());
    let buckets = acked.values().map(Vec::len).max().unwrap_or(0);
    for bucket in 0..buckets {
        let from = Ms::of(bucket_ms.get() * bucket as u64).to_string();
        let counts = acked.values().map(|counts| or_empty(counts.get(bucket)));
        out += &line(&[from].into_iter().chain(counts).collect::<Vec<_>>());
    }
    out
}

fn faults(report: &Report) -> String {
    let mut out = String::from(
        "fault,targets,at_ms,healed_ms,status,why,detected_ms,elected_ms,old_leader,new_leader,\
         new_term\n",
    );
    for fault in &report.faults {
        let (status, why) = match &fault.status {
            SpanStatus::Installed => ("installed", ""),
            SpanStatus::Healed => ("healed", ""),
            SpanStatus::Skipped { why } => ("skipped", why.as_str()),
            SpanStatus::Uncertain { why } => ("uncertain", why.as_str()),
        };
        out += &line(&[
            fault.kind.to_string(),
            fault.targets.join(" "),
            fault.at_ms.to_string(),
            or_empty(fault.healed_ms),
            status.to_owned(),
            why.to_owned(),
            or_empty(fault.detected_ms),
            or_empty(fault.elected_ms),
            or_empty(fault.old_leader.as_ref()),
            or_empty(fault.new_leader.as_ref()),
            or_empty(fault.new_term),
        ]);
    }
    out
}

fn downtime(report: &Report) -> String {
    let mut out = String::from("service,from_ms,to_ms\n");
    for gap in &report.gaps {
        out += &line(&[
            gap.service.clone(),
            gap.from_ms.to_string(),
            gap.to_ms.to_string(),
        ]);
    }
    out
}

fn leaders(report: &Report) -> String {
    let mut out = String::from("node,term,from_ms,until_ms\n");
    for leader in &report.timeline.leaders {
        out += &line(&[
            leader.node.clone(),
            leader.term.to_string(),
            leader.from_ms.to_string(),
            or_empty(leader.until_ms),
        ]);
    }
    out
}

fn objectives(report: &Report) -> String {
    let mut out = String::from(
        "objective,unit,bound,limit,measured,status,margin_percent,grace_ms,missed_for_ms,note\n",
    );
    for result in &report.objectives {
        out += &line(&[
            result.name.clone(),
            word(&result.unit),
            word(&result.bound),
            result.limit.to_string(),
            or_empty(result.measured),
            word(&result.status),
            percent(result.margin_percent),
            or_empty(result.grace_ms),
            or_empty(result.missed_for_ms),
            or_empty(result.note.as_ref()),
        ]);
    }
    out
}

/// A plain number, as in JSON.
fn percent(value: Option<SignedPercent>) -> String {
    or_empty(value.map(|value| serde_json::to_string(&value).expect("a number")))
}

fn comparison(report: &Report) -> String {
    let mut out = String::from("figure,unit,median,worst,measured,change_percent,limit,standing\n");
    let rows = report
        .comparison
        .iter()
        .flat_map(|comparison| &comparison.rows);
    for row in rows {
        out += &line(&[
            row.figure.clone(),
            word(&row.unit),
            or_empty(row.median),
            or_empty(row.worst),
            or_empty(row.measured),
            percent(row.change_percent),
            or_empty(row.limit),
            word(&row.standing),
        ]);
    }
    out
}

fn stages(report: &Report) -> String {
    let mut out = String::from("service,stage,mean_us\n");
    for (service, stages) in &report.stages_us {
        for (stage, us) in stages {
            out += &line(&[service.clone(), stage.clone(), us.to_string()]);
        }
    }
    out
}

fn errors(report: &Report) -> String {
    let mut out = String::from("service,operation,outcome,why,count\n");
    for row in &report.errors {
        out += &line(&[
            row.service.clone(),
            row.operation.clone(),
            word(&row.outcome),
            row.why.clone(),
            row.count.to_string(),
        ]);
    }
    out
}

fn slowest(report: &Report) -> String {
    let mut out = String::from("service,operation,client,at_ms,latency_ms\n");
    for row in &report.slowest {
        out += &line(&[
            row.service.clone(),
            row.operation.clone(),
            row.client.clone(),
            row.at_ms.to_string(),
            row.latency_ms.to_string(),
        ]);
    }
    out
}

fn bottlenecks(report: &Report) -> String {
    let mut out =
        String::from("rule,subject,priority,share_percent,evidence,impact,cause,recommendation\n");
    for found in &report.bottlenecks {
        out += &line(&[
            word(&found.rule),
            found.subject.clone(),
            word(&found.priority),
            found.share.to_string(),
            found.evidence.join("; "),
            found.impact.clone(),
            found.cause.clone(),
            found.recommendation.clone(),
        ]);
    }
    out
}

/// Every single duration.
fn times(report: &Report) -> String {
    let samples = &report.samples_us;
    let times = [
        ("detection", &samples.detection),
        ("election", &samples.election),
        ("recovery_throughput", &samples.recovery_throughput),
        ("recovery_members", &samples.recovery_members),
        ("recovery_rejoin", &samples.recovery_rejoin),
    ];
    let mut out = String::from("time,us\n");
    for (name, all_us) in times {
        for us in all_us {
            out += &line(&[name, &us.to_string()]);
        }
    }
    out
}

fn load_steps(report: &Report) -> String {
    let mut out = String::from(
        "step,users,rate_per_second,from_ms,to_ms,acknowledged,errors,pending,per_second,p50_us,\
         p95_us,p99_us,max_us,broke\n",
    );
    for step in &report.load.steps {
        out += &line(&[
            step.step.to_string(),
            or_empty(step.users),
            or_empty(step.rate),
            step.from_ms.to_string(),
            step.to_ms.to_string(),
            step.acknowledged.to_string(),
            step.errors.to_string(),
            step.pending.to_string(),
            step.per_second.to_string(),
            or_empty(step.p50_us),
            or_empty(step.p95_us),
            or_empty(step.p99_us),
            or_empty(step.max_us),
            or_empty(step.broke.map(|broke| word(&broke.limit))),
        ]);
    }
    out
}

fn nodes(report: &Report) -> String {
    let mut out = String::from("node,memory_max_bytes,memory_growth_percent,cpu_percent\n");
    for (node, used) in &report.resources {
        out += &line(&[
            node.clone(),
            used.memory_max_bytes.to_string(),
            or_empty(used.memory_growth),
            or_empty(used.cpu),
        ]);
    }
    out
}

fn checks(report: &Report) -> String {
    let mut out = String::from("property,check,verdict,checked,detail\n");
    for check in &report.checks {
        out += &line(&[
            check.property.clone(),
            check.name.clone(),
            word(&check.verdict),
            check.checked.to_string(),
            check.detail.clone(),
        ]);
    }
    out
}

#[cfg(test)]
mod csv_tests {
    use super::*;

    #[test]
    fn commas_and_quotes_are_quoted() {
        assert_eq!(line(&["a,b", "c\"d", "e"]), "\"a,b\",\"c\"\"d\",e\n");
    }
}

//! Figures of the harness for Prometheus: what clients asked and received, who leads, which
//! faults are in force, how objectives and alerts stand.
//!
//! Families are data, written as text for a scrape and as a message for a remote write; the
//! kept crates for the text do not hand their samples out. Names and units are as Prometheus
//! has them (base units, `_total`, `_seconds`), and all begin with `squall_run_`: those of the
//! nodes begin with `squall_` alone.
//!
//! Source: "Exposition formats" and "Metric and label naming" in the Prometheus documentation.

use std::fmt::Write;

use squall_objective::objective::Unit;

use crate::sweep::SweepNow;
use crate::tally::Tally;
use crate::tally::operations::{BUCKETS_US, Latencies};
use crate::tally::standing::Standing;

/// Media type of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Labels of a sample: names and values.
pub type Labels = Vec<(&'static str, String)>;

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Behind the name of the family: `_bucket`, `_sum`, `_count`, or nothing.
    pub suffix: &'static str,
    pub labels: Labels,
    pub value: f64,
}

/// Samples of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    pub name: &'static str,
    /// `counter`, `gauge`, `histogram`.
    pub kind: &'static str,
    pub help: &'static str,
    pub samples: Vec<Sample>,
    /// Latencies with their labels, which are many samples once they are written.
    pub histograms: Vec<(Labels, Latencies)>,
}

impl Family {
    fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.histograms.is_empty()
    }

    /// Everything as samples.
    pub fn written(&self) -> impl Iterator<Item = Sample> + '_ {
        let histograms = self.histograms.iter();
        let histograms = histograms.flat_map(|(labels, latencies)| histogram(labels, latencies));
        self.samples.iter().cloned().chain(histograms)
    }
}

fn histogram(labels: &Labels, latencies: &Latencies) -> Vec<Sample> {
    let sample = |suffix, bound: Option<String>, value| {
        let bound = bound.map(|bound| ("le", bound));
        let labels = labels.iter().cloned().chain(bound).collect();
        Sample {
            suffix,
            labels,
            value,
        }
    };
    let mut sum = 0;
    let buckets = BUCKETS_US.iter().zip(latencies.buckets);
    let buckets = buckets.map(|(bound_us, count)| {
        sum += count;
        let bound = seconds(*bound_us).to_string();
        sample("_bucket", Some(bound), sum as f64)
    });
    let mut samples: Vec<Sample> = buckets.collect();
    let count = latencies.count as f64;
    samples.push(sample("_bucket", Some("+Inf".into()), count));
    samples.push(sample("_sum", None, seconds(latencies.sum_us)));
    samples.push(sample("_count", None, count));
    samples
}

/// All families, in order of their names; `run` are labels of every sample.
pub fn families(tally: &Tally, run: &Labels) -> Vec<Family> {
    let mut all = Families {
        run: run.clone(),
        families: Vec::new(),
    };
    all.operations(tally);
    all.cluster(tally);
    all.services(tally);
    all.judged(tally);
    all.nodes(tally);
    all.families.retain(|family| !family.is_empty());
    all.families.sort_by_key(|family| family.name);
    all.families
}

/// Of a sweep: runs, by how they ended.
pub fn sweep_families(sweep: &SweepNow) -> Vec<Family> {
    let mut all = Families {
        run: Labels::new(),
        families: Vec::new(),
    };
    all.gauge(
        "squall_sweep_runs_planned",
        "Runs that the sweep is of.",
        Some(sweep.planned as f64),
    );
    all.family(
        "squall_sweep_runs_total",
        "counter",
        "Runs that are over, by how they ended.",
    );
    for (ending, count) in &sweep.endings {
        let ending = ending.replace(' ', "_");
        all.sample("", &[("ending", &ending)], *count as f64);
    }
    all.families
}

/// In Prometheus's text format.
pub fn text(families: &[Family]) -> String {
    let mut text = String::new();
    for family in families {
        let Family {
            name, kind, help, ..
        } = family;
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for sample in family.written() {
            let _ = write!(text, "{name}{}", sample.suffix);
            let labels = sample.labels.iter();
            let labels: Vec<String> = labels
                .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
                .collect();
            if !labels.is_empty() {
                let _ = write!(text, "{{{}}}", labels.join(","));
            }
            let _ = writeln!(text, " {}", sample.value);
        }
    }
    text
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

struct Families {
    run: Labels,
    families: Vec<Family>,
}

impl Families {
    fn family(&mut self, name: &'static str, kind: &'static str, help: &'static str) {
        self.families.push(Family {
            name,
            kind,
            help,
            samples: Vec::new(),
            histograms: Vec::new(),
        });
    }

    /// Of the family that was begun last.
    fn sample(&mut self, suffix: &'static str, more: &[(&'static str, &str)], value: f64) {
        let more = more
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let labels = self.run.iter().cloned().chain(more).collect();
        let family = self.families.last_mut().expect("a family was begun");
        family.samples.push(Sample {
            suffix,
            labels,
            value,
        });
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, value: Option<f64>) {
        self.family(name, "gauge", help);
        if let Some(value) = value {
            self.sample("", &[], value);
        }
    }

    fn operations(&mut self, tally: &Tally) {
        self.family(
            "squall_run_operations_started_total",
            "counter",
            "Operations that clients, probes and the audit have sent.",
        );
        for (service, operation, counted) in tally.operations.iter() {
            let labels = [("service", service.name()), ("operation", operation)];
            self.sample("", &labels, counted.started as f64);
        }
        self.family(
            "squall_run_operations_total",
            "counter",
            "Operations that have ended, by outcome; at the end of the run those without an answer are unknown.",
        );
        for (service, operation, counted) in tally.operations.iter() {
            for (outcome, count) in [
                ("acknowledged", counted.acknowledged.count),
                ("failed", counted.failed.count),
                ("unknown", counted.unknown.count + counted.unanswered),
            ] {
                let labels = [
                    ("service", service.name()),
                    ("operation", operation),
                    ("outcome", outcome),
                ];
                self.sample("", &labels, count as f64);
            }
        }
        self.family(
            "squall_run_operation_duration_seconds",
            "histogram",
            "From when an operation was meant to start to its end, in the time of the run.",
        );
        for (service, operation, counted) in tally.operations.iter() {
            for (outcome, latencies) in [
                ("acknowledged", &counted.acknowledged),
                ("failed", &counted.failed),
                ("unknown", &counted.unknown),
            ] {
                if latencies.count > 0 {
                    let labels = [
                        ("service", service.name()),
                        ("operation", operation),
                        ("outcome", outcome),
                    ];
                    self.histogram(&labels, latencies);
                }
            }
        }
        self.gauge(
            "squall_run_operations_outstanding",
            "Operations that wait for an answer.",
            Some(tally.outstanding() as f64),
        );
    }

    fn histogram(&mut self, more: &[(&'static str, &str)], latencies: &Latencies) {
        let more = more
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let labels = self.run.iter().cloned().chain(more).collect();
        let family = self.families.last_mut().expect("a family was begun");
        family.histograms.push((labels, latencies.clone()));
    }

    fn cluster(&mut self, tally: &Tally) {
        self.gauge(
            "squall_run_time_seconds",
            "How far the run has come, in its own time.",
            Some(seconds(tally.at_us)),
        );
        self.family(
            "squall_run_phase",
            "gauge",
            "1 of the phase that the run is in.",
        );
        if let Some(phase) = tally.phase {
            self.sample("", &[("phase", phase.name())], 1.0);
        }
        self.family(
            "squall_run_leader",
            "gauge",
            "1 of the node that leads; absent while none does.",
        );
        if let Some((node, _)) = tally.leader() {
            self.sample("", &[("node", node)], 1.0);
        }
        let term = tally.term().map(|term| term as f64);
        self.gauge(
            "squall_run_term",
            "The last term in which a node led.",
            term,
        );
        self.family(
            "squall_run_leaders_elected_total",
            "counter",
            "How often a node became leader in a new term.",
        );
        self.sample("", &[], tally.elections as f64);
        let leaderless = Some(seconds(tally.leaderless_for_us()));
        self.gauge(
            "squall_run_leaderless_seconds",
            "For how long no node has led.",
            leaderless,
        );
        let faults = Some(tally.faults().len() as f64);
        self.gauge("squall_run_faults_in_force", "Faults in force.", faults);
        let clients = tally.clients.now(tally.at_us);
        self.gauge(
            "squall_run_clients",
            "Clients of workloads that have asked.",
            Some(clients.asked as f64),
        );
        self.gauge(
            "squall_run_clients_without_service",
            "Clients of workloads that ask and are not answered.",
            Some(clients.without as f64),
        );
    }

    fn services(&mut self, tally: &Tally) {
        self.gauge(
            "squall_run_queue_messages",
            "Messages published and not consumed.",
            tally.depth.map(|depth| depth as f64),
        );
        for (name, help, count) in [
            (
                "squall_run_cache_reads_total",
                "Reads that the cluster answered.",
                tally.reads,
            ),
            (
                "squall_run_cache_hits_total",
                "Reads that the cluster answered with a value.",
                tally.hits,
            ),
        ] {
            self.family(name, "counter", help);
            if tally.reads > 0 {
                self.sample("", &[], count as f64);
            }
        }
    }

    fn judged(&mut self, tally: &Tally) {
        self.family(
            "squall_run_objective_value",
            "gauge",
            "A figure as it stands, in the base unit that its label says.",
        );
        for watched in tally.standings.iter() {
            let figure = &watched.objective.figure;
            if let Some(value) = watched.value {
                let (unit, value) = base(figure.unit(), value);
                let name = figure.to_string();
                self.sample("", &[("objective", &name), ("unit", unit)], value);
            }
        }
        self.family(
            "squall_run_objective_limit",
            "gauge",
            "The limit of a figure, in the same unit.",
        );
        for watched in tally.standings.iter() {
            let figure = &watched.objective.figure;
            let (unit, value) = base(figure.unit(), watched.objective.limit);
            let name = figure.to_string();
            self.sample("", &[("objective", &name), ("unit", unit)], value);
        }
        self.family(
            "squall_run_objective_state",
            "gauge",
            "How an objective stands: 0 kept or not known yet, 1 at risk, 2 missed.",
        );
        for watched in tally.standings.iter() {
            let state = match watched.standing {
                Standing::Open | Standing::Kept => 0.0,
                Standing::AtRisk => 1.0,
                Standing::Missed => 2.0,
            };
            let name = watched.objective.figure.to_string();
            self.sample("", &[("objective", &name)], state);
        }
        self.family(
            "squall_run_alert_active",
            "gauge",
            "1 while an alert is on.",
        );
        for (alert, _, is_on) in tally.alerts.counts() {
            let labels = [
                ("alert", alert.name.as_str()),
                ("severity", alert.severity.name()),
            ];
            self.sample("", &labels, f64::from(u8::from(is_on)));
        }
        self.family(
            "squall_run_alerts_begun_total",
            "counter",
            "How often an alert has begun.",
        );
        for (alert, count, _) in tally.alerts.counts() {
            let labels = [
                ("alert", alert.name.as_str()),
                ("severity", alert.severity.name()),
            ];
            self.sample("", &labels, count as f64);
        }
    }

    fn nodes(&mut self, tally: &Tally) {
        self.family(
            "squall_run_node_cpu_ratio",
            "gauge",
            "Load of a node's processes, of one processor, where it is known.",
        );
        for (node, used) in tally.nodes.iter() {
            if let Some(ppm) = used.cpu_ppm {
                self.sample("", &[("node", node)], ppm as f64 / 1e6);
            }
        }
        self.family(
            "squall_run_node_memory_bytes",
            "gauge",
            "Memory of a node, where it is known.",
        );
        for (node, used) in tally.nodes.iter() {
            if let Some(bytes) = used.memory_bytes {
                self.sample("", &[("node", node)], bytes as f64);
            }
        }
    }
}

/// A value in the small unit in the base unit of Prometheus, and what that is called.
fn base(unit: Unit, value: u64) -> (&'static str, f64) {
    let value = value as f64;
    match unit {
        Unit::Ms => ("seconds", value / 1e6),
        Unit::Count => ("count", value),
        Unit::Percent => ("ratio", value / 1e6),
        Unit::PerSecond => ("per_second", value / 1e3),
        Unit::Bytes => ("bytes", value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_prometheus() {
        let mut all = Families {
            run: vec![("scenario", "a \"b\"\\\n".to_owned())],
            families: Vec::new(),
        };
        all.family("squall_run_x_seconds", "histogram", "Help.");
        let mut latencies = Latencies {
            count: 3,
            sum_us: 12_000_200,
            ..Latencies::default()
        };
        (latencies.buckets[0], latencies.buckets[3]) = (1, 1);
        all.histogram(&[], &latencies);
        let text = text(&all.families);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "# HELP squall_run_x_seconds Help.");
        assert_eq!(lines[1], "# TYPE squall_run_x_seconds histogram");
        let label = "scenario=\"a \\\"b\\\"\\\\\\n\"";
        let line = |name: &str, more: &str, value: &str| {
            format!("squall_run_x_seconds{name}{{{label}{more}}} {value}")
        };
        assert_eq!(lines[2], line("_bucket", ",le=\"0.0001\"", "1"));
        assert_eq!(lines[5], line("_bucket", ",le=\"0.001\"", "2"));
        assert_eq!(lines[18], line("_bucket", ",le=\"+Inf\"", "3"));
        assert_eq!(lines[19], line("_sum", "", "12.0002"));
        assert_eq!(lines[20], line("_count", "", "3"));
    }
}

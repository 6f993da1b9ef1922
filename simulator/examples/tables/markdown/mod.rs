//! The tables, from reports alone.

mod cells;
mod services;
mod shapes;
mod sizes;

use squall::history::Phase;
use squall::measure::Class;
use squall::report::{
    Latency, ObjectiveResult, RecoveryTimes, Report, Status, Unit, Variants, count, duration,
};

use crate::{Backend, Reports};
use cells::*;

/// All that is played, in the order of the tables.
pub const SCENARIOS: [&str; 19] = [
    "lock-performance",
    "queue-performance",
    "cache-performance",
    "failure-recovery",
    "scalability",
    "single-against-cluster",
    "baseline",
    "load",
    "spike",
    "soak",
    "stress",
    "volume",
    "burst",
    "ramp",
    "task-distribution",
    "voting",
    "records",
    "cache-warm",
    "regions",
];
const SHAPES: [&str; 8] = [
    "baseline", "load", "spike", "soak", "stress", "volume", "burst", "ramp",
];
const COMPOSITES: [&str; 5] = [
    "task-distribution",
    "voting",
    "records",
    "cache-warm",
    "regions",
];

/// What stands for a figure that there is not.
const NOTHING: &str = "-";

/// What the marks around the backend's section are called.
pub fn name(backend: Backend) -> String {
    match backend {
        Backend::Sim => "tables".to_owned(),
        Backend::Docker => format!("tables on {}", backend.name()),
    }
}

/// All tables of the backend.
///
/// # Errors
/// A report is missing.
pub fn section(backend: Backend, reports: &Reports) -> Result<String, String> {
    let tables = Tables { backend, reports };
    let parts = [
        tables.made_on()?,
        tables.lock()?,
        tables.queue()?,
        tables.cache()?,
        tables.failure_recovery()?,
        tables.scalability()?,
        tables.single()?,
        tables.shapes()?,
        tables.levels(),
        tables.composites()?,
    ];
    Ok(parts.concat())
}

struct Tables<'a> {
    backend: Backend,
    reports: &'a Reports,
}

impl<'a> Tables<'a> {
    fn report(&self, name: &str) -> Result<&'a Report, String> {
        let report = self.reports.get(name);
        report.ok_or_else(|| format!("no report of {name}"))
    }

    /// Of a scenario, every variant with its name.
    fn variants(&self, scenario: &str) -> Vec<(&'a str, &'a Report)> {
        let all = self.reports.iter();
        all.filter(|(name, _)| name.split(' ').next() == Some(scenario))
            .map(|(name, report)| (name.as_str(), report))
            .collect()
    }

    /// What plays a scenario as the tables show it.
    fn command(&self, scenario: &str) -> String {
        let mut command = format!(
            "squall run scenarios/{scenario}.toml --seed {}",
            crate::SEED
        );
        if self.backend == Backend::Docker {
            command += " --backend docker";
            let jobs = self.backend.jobs(scenario);
            // Settings beside the variant are the same in all.
            let settings = jobs.first().map_or(&[][..], |job| &job.settings);
            let is_all = jobs.len() > 1;
            for (key, value) in settings {
                if !(is_all && key == "variant") {
                    command += &format!(" --set {key}={value}");
                }
            }
        }
        format!("`{command}`")
    }

    fn made_on(&self) -> Result<String, String> {
        let report = self.report("lock-performance")?;
        let machine = report.sim.machine.as_ref();
        let machine = machine.map_or(NOTHING.to_owned(), |machine| machine.to_string());
        Ok(match self.backend {
            Backend::Sim => {
                let bounded = report.bounded_by.as_deref().unwrap_or(NOTHING);
                format!(
                    "\nMade by `cargo run --release --example tables`. In virtual time: {bounded}.\n"
                )
            }
            Backend::Docker => format!(
                "\nMade by `cargo run --release --example tables -- --backend docker` on \
                 {machine}, which all nodes and all clients share. Short forms: too short to \
                 be a benchmark, long enough to see everything work.\n"
            ),
        })
    }

    fn part(&self, title: &str, scenario: &str, body: &str) -> String {
        format!("\n### {title}\n\n{}\n\n{body}", self.command(scenario))
    }

    /// All operations of the chaos phase in one line.
    fn overall(&self, report: &Report) -> String {
        let seen = or_zero(report);
        format!(
            "{} operations in {}: {}/s, mean {}, p95 {}, p99 {}, errors {}; CPU of the busiest node \
         {}, memory of the largest {}; {}.\n\n",
            count(seen.acknowledged + seen.errors),
            duration(chaos_us(report)),
            count(per_second(report) / 1_000),
            or_nothing(seen.mean_us, duration),
            or_nothing(seen.p95_us, duration),
            or_nothing(seen.p99_us, duration),
            error_rate(report),
            self.cpu(report),
            self.memory(report),
            report.verdict,
        )
    }

    fn cpu(&self, report: &Report) -> String {
        let nodes = report.resources.values();
        let most = nodes.filter_map(|node| node.cpu).max();
        self.known(most.map(|share| format!("{share:.1} %")))
    }

    fn memory(&self, report: &Report) -> String {
        let nodes = report.resources.values();
        let most = nodes.map(|node| node.memory_max_bytes).max();
        self.known(most.map(|bytes| Unit::Bytes.text(Unit::Bytes.number(bytes))))
    }

    fn known(&self, figure: Option<String>) -> String {
        figure.unwrap_or_else(|| match self.backend {
            Backend::Sim => "not known in simulation".to_owned(),
            Backend::Docker => NOTHING.to_owned(),
        })
    }
}

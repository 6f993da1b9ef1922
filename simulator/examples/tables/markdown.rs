//! The tables, from reports alone.

use squall::history::Phase;
use squall::measure::Class;
use squall::report::{
    Latency, ObjectiveResult, Report, Spell, Status, Unit, Variants, count, duration,
};
use squall::run;

use crate::{Backend, Reports};

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
        Backend::Docker => format!("tables on {}", run::DOCKER),
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

    fn lock(&self) -> Result<String, String> {
        let report = self.report("lock-performance")?;
        let rows = ["acquire", "release"].map(|name| operation_row(report, "lock", name));
        let table = table(&OPERATIONS, &rows);
        Ok(self.part(
            "Locks",
            "lock-performance",
            &(self.overall(report) + &table),
        ))
    }

    fn queue(&self) -> Result<String, String> {
        let report = self.report("queue-performance")?;
        // A receive brings several messages; what is dequeued is acknowledged one by one.
        let rows = [
            ("enqueue: publish", "publish"),
            ("dequeue: ack", "ack"),
            ("receive, several at a time", "receive"),
        ];
        let rows = rows.map(|(role, name)| {
            let mut row = operation_row(report, "queue", name);
            row[0] = role.to_owned();
            row
        });
        let queue = report.queue.as_ref().ok_or("no message was published")?;
        let messages = [
            count(queue.published),
            count(queue.consumed),
            count(report.data_loss.lost),
            count(report.data_loss.duplicated),
            count(queue.dead_letters),
            count(queue.depth_max),
            count(queue.depth_end),
        ];
        let columns = [
            ">published",
            ">consumed",
            ">lost",
            ">duplicated",
            ">dead-lettered",
            ">most waiting",
            ">left",
        ];
        let messages = table(&columns, &[messages.to_vec()]);
        let tables = table(&OPERATIONS, &rows) + "\n" + &messages;
        Ok(self.part(
            "Queue",
            "queue-performance",
            &(self.overall(report) + &tables),
        ))
    }

    fn cache(&self) -> Result<String, String> {
        let report = self.report("cache-performance")?;
        let rows = ["get", "set"].map(|name| operation_row(report, "cache", name));
        let cache = report.cache.as_ref().ok_or("nothing was read")?;
        let heard = cache.invalidation_ms;
        let time = |ms: Option<squall::report::Ms>| or_nothing(ms, |ms| duration(ms.get()));
        let row = [
            objective(report, "hit_rate"),
            count(heard.count),
            time(heard.p50),
            time(heard.p99),
        ];
        let columns = [">hit rate", ">invalidations", ">heard after, p50", ">p99"];
        let heard = table(&columns, &[row.to_vec()]);
        let tables = table(&OPERATIONS, &rows) + "\n" + &heard;
        Ok(self.part(
            "Cache",
            "cache-performance",
            &(self.overall(report) + &tables),
        ))
    }

    fn failure_recovery(&self) -> Result<String, String> {
        let report = self.report("failure-recovery")?;
        let time = |ms: Option<squall::report::Ms>| or_nothing(ms, |ms| duration(ms.get()));
        let spell = |spell: Spell| time(spell.times.max);
        let downtime = &report.downtime_ms;
        let down = |service: Option<squall::report::ServiceDowntimeMs>| {
            or_nothing(service, |service| duration(service.max.get()))
        };
        let rows = [
            ("detection", time(report.detection_ms.max)),
            ("leader election", time(report.election_ms.max)),
            ("longest downtime: locks", down(downtime.lock)),
            ("longest downtime: queues", down(downtime.queue)),
            ("longest downtime: cache", down(downtime.cache)),
            (
                "recovery: service as before",
                spell(report.recovery_ms.throughput),
            ),
            (
                "recovery: members caught up",
                spell(report.recovery_ms.members),
            ),
            (
                "recovery: returned nodes caught up",
                spell(report.recovery_ms.rejoin),
            ),
            ("acknowledged writes", count(report.data_loss.acked)),
            ("of them lost", count(report.data_loss.lost)),
            ("duplicated", count(report.data_loss.duplicated)),
        ];
        let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
        let table = table(&["measure", ">result"], &rows);
        Ok(self.part(
            "Failure recovery, two of five nodes",
            "failure-recovery",
            &table,
        ))
    }

    fn scalability(&self) -> Result<String, String> {
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

    fn single(&self) -> Result<String, String> {
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

    fn shapes(&self) -> Result<String, String> {
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
    fn levels(&self) -> String {
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

    fn composites(&self) -> Result<String, String> {
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
                let held = report.checks.iter();
                let held = held.filter(|c| c.verdict == squall::report::CheckVerdict::Pass);
                let checks = format!("{} of {}", held.count(), report.checks.len());
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

const OPERATIONS: [&str; 8] = [
    "operation",
    ">done",
    ">per second",
    ">mean",
    ">p50",
    ">p95",
    ">p99",
    ">max",
];

/// Of the acknowledged operations that began in the chaos phase.
fn operation_row(report: &Report, service: &str, name: &str) -> Vec<String> {
    let latency = report.latency_us.get(service);
    let latency: Option<&Latency> = latency
        .and_then(|operations| operations.get(name))
        .and_then(|phases| phases.get(&Phase::Chaos))
        .and_then(|classes| classes.get(&Class::Ok));
    let Some(latency) = latency else {
        let rest = OPERATIONS.iter().skip(1).map(|_| NOTHING.to_owned());
        return [name.to_owned()].into_iter().chain(rest).collect();
    };
    let rate = (latency.count * 1_000_000).checked_div(chaos_us(report));
    let times = [
        latency.mean,
        latency.p50,
        latency.p95,
        latency.p99,
        latency.max,
    ];
    [
        name.to_owned(),
        count(latency.count),
        or_nothing(rate, count),
    ]
    .into_iter()
    .chain(times.map(duration))
    .collect()
}

fn or_zero(report: &Report) -> squall::report::Overall {
    report
        .overall
        .expect("a stored run came to its chaos phase")
}

/// Thousandths.
fn per_second(report: &Report) -> u64 {
    or_zero(report).per_second.get()
}

fn error_rate(report: &Report) -> String {
    let seen = or_zero(report);
    let all = seen.acknowledged + seen.errors;
    let ppm = (seen.errors * 1_000_000).checked_div(all);
    or_nothing(ppm, |ppm| {
        format!("{:.3} %", squall::report::Percent::of(ppm))
    })
}

/// Length of the chaos phase, microseconds; 0 if the run did not come to its end.
fn chaos_us(report: &Report) -> u64 {
    let phases = &report.timeline.phases;
    let chaos = phases.iter().position(|start| start.phase == Phase::Chaos);
    let ends = chaos.and_then(|place| Some((phases.get(place)?, phases.get(place + 1)?)));
    ends.map_or(0, |(from, to)| to.at_ms.get() - from.at_ms.get())
}

/// What was measured for an objective.
fn objective(report: &Report, name: &str) -> String {
    let result = report.objectives.iter().find(|result| result.name == name);
    let measured = result.and_then(|result| Some((result.unit, result.measured?)));
    or_nothing(measured, |(unit, number)| unit.text(number))
}

fn target_row(name: &str, result: &ObjectiveResult) -> Vec<String> {
    let (sign, unit) = (result.bound.sign(), result.unit);
    let measured = match (result.measured, result.status) {
        (Some(number), _) => unit.text(number),
        (None, Status::Unsupported) => result.status.label().to_owned(),
        (None, _) => NOTHING.to_owned(),
    };
    vec![
        name.to_owned(),
        result.name.clone(),
        format!("{sign} {}", unit.text(result.limit)),
        measured,
        or_nothing(result.margin_percent, |margin| margin.to_string()),
        result.status.label().to_owned(),
    ]
}

fn or_nothing<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), show)
}

fn lines(commands: &[String]) -> String {
    let lines = commands.iter().map(|command| format!("- {command}\n"));
    lines.collect()
}

/// Right-aligned columns start with `>`.
fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = columns
        .iter()
        .map(|c| c.trim_start_matches('>').to_owned())
        .collect();
    let rule = columns.iter().map(|column| match column.starts_with('>') {
        true => "---:|",
        false => "---|",
    });
    let rule: String = rule.collect();
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("{}|{rule}\n{rows}", line(&head))
}

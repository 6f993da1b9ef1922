//! `plan.txt`: a plan to read. Stable, because goldens and diffs are made of it.

use std::fmt::{self, Display, Formatter};

use super::{
    BaselinePlan, Budget, ChaosPlan, ClockPlan, ClusterPlan, NetworkPlan, Order, Pacing, PhasePlan,
    Plan, PlannedFault, PlannedPoint, ProbePlan, ProcessorPlan, WorkloadKind, WorkloadPlan,
};
use squall_fault::text::{duration_text, share_text};
use squall_fault::{Trigger, node_name};
use squall_objective::alert::{Alert, beyond};
use squall_objective::objective::{Bound, Metric, Objective, Unit};

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        self.write(f, Self::write_machines)
    }
}

/// A plan that is played on real machines, which are what they are.
struct OnMachines<'p>(&'p Plan);

impl Display for OnMachines<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        self.0.write(f, |_, f| {
            let text = "network, disk, processors and clocks are those of this machine";
            line(f, "machines", text.to_owned())
        })
    }
}

impl Plan {
    /// As `Self::to_string`, without what a simulation assumes of its machines.
    pub fn text_on_machines(&self) -> String {
        OnMachines(self).to_string()
    }

    fn write(
        &self,
        f: &mut Formatter,
        machines: impl FnOnce(&Plan, &mut Formatter) -> fmt::Result,
    ) -> fmt::Result {
        writeln!(f, "{}, seed {}", self.scenario, self.seed)?;
        if !self.summary.is_empty() {
            writeln!(f, "{}", self.summary)?;
        }
        writeln!(f)?;
        line(f, "cluster", cluster(&self.cluster))?;
        machines(self, f)?;
        line(f, "phases", phases(&self.phases))?;
        line(f, "probe", probe(&self.probe))?;
        if let Some(chaos) = &self.chaos {
            line(f, "chaos", chaos_text(chaos))?;
        }
        if !self.drawn.is_empty() {
            let pairs = self
                .drawn
                .iter()
                .map(|(key, value)| format!("{key}={value}"));
            section(f, "drawn", pairs)?;
        }
        section(f, "workloads", self.workloads.iter().map(workload))?;
        if let Some(load) = &self.load {
            section(f, "load", load.lines())?;
        }
        section(f, "faults", faults(&self.faults))?;
        if !self.points.is_empty() {
            section(f, "points", self.points.iter().map(PlannedPoint::text))?;
        }
        let limits = self.objectives.iter().map(objective);
        section(
            f,
            "objectives",
            limits.chain(self.baseline.iter().map(baseline)),
        )?;
        if !self.alerts.is_empty() {
            section(f, "alerts", self.alerts.iter().map(alert))?;
        }
        match self.must_judge.as_slice() {
            [] => Ok(()),
            ids => writeln!(f, "\nmust judge {}", ids.join(", ")),
        }
    }

    fn write_machines(&self, f: &mut Formatter) -> fmt::Result {
        line(f, "network", network(&self.network))?;
        if let Some(regions) = &self.network.regions {
            line(f, "regions", regions.text())?;
        }
        let sync = match &self.disk.measured_sync {
            Some(measured) => format!("{measured} (measured)"),
            None => bounds(self.disk.sync_min_us, self.disk.sync_max_us),
        };
        line(f, "disk", format!("sync {sync}"))?;
        if let Some(processors) = &self.processors {
            line(f, "cores", cores(processors))?;
            for (label, costs) in [("node", processors.node), ("client", processors.client)] {
                if let Some(costs) = costs {
                    line(f, label, costs.to_string())?;
                }
            }
        }
        line(f, "clocks", clocks(&self.clocks))?;
        match self.order {
            Order::Fifo => Ok(()),
            Order::Random => line(
                f,
                "order",
                "drawn, of what can happen at one instant".into(),
            ),
        }
    }
}

fn line(f: &mut Formatter, label: &str, text: String) -> fmt::Result {
    writeln!(f, "{label:<9} {text}")
}

fn section(f: &mut Formatter, label: &str, lines: impl IntoIterator<Item = String>) -> fmt::Result {
    writeln!(f, "\n{label}")?;
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() {
        writeln!(f, "  none")?;
    }
    for line in lines {
        writeln!(f, "  {line}")?;
    }
    Ok(())
}

fn cluster(cluster: &ClusterPlan) -> String {
    format!(
        "{}{}, heartbeat {}, election timeout {}, snapshot every {} entries{}",
        counted(cluster.nodes as u64, "node"),
        match cluster.spares {
            0 => String::new(),
            spares => format!(" and {}", counted(spares as u64, "spare")),
        },
        duration_text(cluster.heartbeat_ms * 1_000),
        bounds(
            cluster.election_min_ms * 1_000,
            cluster.election_max_ms * 1_000
        ),
        cluster.snapshot_every,
        match cluster.cache_entries {
            100_000 => String::new(),
            entries => format!(", at most {entries} keys"),
        },
    )
}

fn network(network: &NetworkPlan) -> String {
    let latency = match &network.measured_latency {
        Some(measured) => format!("{measured} (measured)"),
        None => bounds(network.latency_min_us, network.latency_max_us),
    };
    let mut text = format!("latency {latency} one way");
    if network.jitter_us > 0 && network.measured_latency.is_none() {
        text += &format!(", jitter {}", duration_text(network.jitter_us));
    }
    if network.loss_ppm > 0 {
        text += &format!(", loss {}", share_text(network.loss_ppm));
    }
    if let Some(bandwidth) = network.bandwidth_bytes_per_s {
        text += &format!(", bandwidth {bandwidth}B/s");
    }
    text
}

fn cores(processors: &ProcessorPlan) -> String {
    match processors.cores {
        Some(cores) => format!("{} for nodes and clients", counted(cores as u64, "core")),
        None => "one for each node, one for the clients".into(),
    }
}

fn clocks(clocks: &[ClockPlan]) -> String {
    let off = clocks.iter().enumerate();
    let off = off.filter(|(_, clock)| !clock.is_exact());
    let texts: Vec<String> = off
        .map(|(node, clock)| {
            let (offset, drift) = (clock.offset_us, clock.drift_ppm);
            format!("{} {offset:+}us {drift:+}ppm", node_name(node))
        })
        .collect();
    match texts.as_slice() {
        [] => "exact".to_owned(),
        _ => texts.join(", "),
    }
}

fn phases(phases: &PhasePlan) -> String {
    format!(
        "warmup {}, chaos {}, converge within {}, serve {}, audit within {}",
        duration_text(phases.warmup_us),
        duration_text(phases.chaos_us),
        duration_text(phases.converge_us),
        duration_text(phases.serve_us),
        duration_text(phases.audit_us),
    )
}

fn probe(probe: &Option<ProbePlan>) -> String {
    let Some(probe) = probe else {
        return "off".to_owned();
    };
    format!(
        "every {} around faults, every {} otherwise, timeout {}",
        duration_text(probe.dense_us),
        duration_text(probe.idle_us),
        duration_text(probe.timeout_us),
    )
}

fn workload(workload: &WorkloadPlan) -> String {
    let mut parts = match &workload.kind {
        WorkloadKind::Lock {
            clients,
            locks,
            shared_ppm,
            ttl_ms,
            wait_ms,
            hold_us,
            mix,
        } => vec![
            counted(*clients, "client"),
            counted(*locks, "lock"),
            format!("{} shared", share_text(*shared_ppm)),
            format!("ttl {}", duration_text(ttl_ms * 1_000)),
            format!("wait {}", duration_text(wait_ms * 1_000)),
            format!("hold {}{}", duration_text(*hold_us), mix.text(*ttl_ms)),
        ],
        WorkloadKind::Queue {
            producers,
            consumers,
            visibility_ms,
            queues,
            mix,
        } => vec![
            counted(*producers, "producer"),
            counted(*consumers, "consumer"),
            counted(*queues, "queue"),
            format!("payload {}", workload.payload.text()),
            format!(
                "visibility {}{}",
                duration_text(visibility_ms * 1_000),
                mix.text()
            ),
        ],
        WorkloadKind::Cache {
            clients,
            keys,
            reads_ppm,
            mix,
        } => vec![
            counted(*clients, "client"),
            counted(*keys, "key"),
            format!("{} reads", share_text(*reads_ppm)),
            format!("payload {}{}", workload.payload.text(), mix.text()),
        ],
        WorkloadKind::Own(own) => {
            let keys = counted(own.keys, "key") + &own.access.text();
            let options = own.options.iter();
            let options = options.map(|(key, value)| format!("{key} {value}"));
            let parts = [counted(own.clients, "client"), keys].into_iter();
            parts.chain(options).collect()
        }
    };
    let also = workload.also.iter();
    parts.extend(also.map(|(name, ppm)| format!("{} {name}", share_text(*ppm))));
    parts.push(match &workload.pacing {
        Pacing::Closed {
            think_min_us,
            think_max_us,
        } => format!("think {}", bounds(*think_min_us, *think_max_us)),
        Pacing::Open { interval_us } => {
            format!("one every {}", duration_text(*interval_us))
        }
        Pacing::Users {
            think_min_us,
            think_max_us,
        } => format!(
            "of the load, think {}",
            bounds(*think_min_us, *think_max_us)
        ),
        Pacing::Arrivals => "at the rate of the load".to_owned(),
    });
    parts.push(format!("timeout {}", duration_text(workload.timeout_us)));
    parts.extend(workload.operations.map(|count| counted(count, "operation")));
    format!("{:<8} {}", workload.name, parts.join(", "))
}

fn chaos_text(chaos: &ChaosPlan) -> String {
    let kinds: Vec<&str> = chaos.kinds.iter().map(|kind| kind.name()).collect();
    let kinds = kinds.join(", ");
    let nodes = |count: usize| counted(count as u64, "node");
    match chaos.budget {
        Budget::Impaired(most) => {
            format!("at most {} impaired at a time, from {kinds}", nodes(most))
        }
        Budget::Damaged(most) => {
            format!(
                "at most {} with damage at a time, from {kinds}",
                nodes(most)
            )
        }
        Budget::Unlimited => format!("without a limit, from {kinds}"),
    }
}

/// One line a fault, its columns as wide as the widest entry.
fn faults(faults: &[PlannedFault]) -> Vec<String> {
    let rows: Vec<[String; 3]> = faults
        .iter()
        .map(|fault| {
            let id = format!("#{}", fault.id);
            [id, format!("t=+{}", seconds(fault.at_us)), lasts(fault)]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let [id_width, at_width, lasts_width] = [0, 1, 2].map(width);
    let lines = rows.iter().zip(faults).map(|([id, at, lasts], fault)| {
        let action = match fault.when {
            Some(Trigger::Point(point)) => match fault.nth {
                0 | 1 => format!("{} (at {point})", fault.action),
                nth => format!("{} (at {point}, pass {nth})", fault.action),
            },
            Some(moment) => format!("{} (at the next {moment})", fault.action),
            None => fault.action.to_string(),
        };
        format!("{id:<id_width$}  {at:>at_width$}  {lasts:<lasts_width$}  {action}")
    });
    lines.collect()
}

fn lasts(fault: &PlannedFault) -> String {
    match fault.until_us - fault.at_us {
        0 => "at once".to_owned(),
        lasts_us => format!("for {}", seconds(lasts_us)),
    }
}

/// In the form in which scenarios write it, as far as there is one.
fn limit_text(figure: &Metric, limit: u64) -> String {
    match figure.unit() {
        Unit::Ms => duration_text(limit),
        Unit::Percent => share_text(u32::try_from(limit).unwrap_or(u32::MAX)),
        unit => unit.text(unit.number(limit)),
    }
}

fn alert(alert: &Alert) -> String {
    let metric = &alert.metric;
    let mut text = format!(
        "{:<14} {}: {metric} {} {}",
        alert.name,
        alert.severity.name(),
        beyond(metric.bound()),
        limit_text(metric, alert.limit)
    );
    if alert.for_us > 0 {
        text += &format!(" for {}", duration_text(alert.for_us));
    }
    if alert.clear != alert.limit {
        text += &format!(", until it is at {}", limit_text(metric, alert.clear));
    }
    for action in &alert.actions {
        text += &format!("; {action}");
    }
    text
}

fn objective(objective: &Objective) -> String {
    let Objective {
        figure,
        limit,
        grace_us,
    } = objective;
    let limit = limit_text(figure, *limit);
    let bound = match figure.bound() {
        Bound::AtMost => "at most",
        Bound::AtLeast => "at least",
    };
    let grace = grace_us.map(|us| format!(", missed for at most {}", duration_text(us)));
    let name = figure.to_string().replace('_', " ");
    format!("{name:<14} {bound} {limit}{}", grace.unwrap_or_default())
}

fn baseline(baseline: &BaselinePlan) -> String {
    let BaselinePlan {
        file,
        name,
        tolerance,
    } = baseline;
    format!("{:<14} {name} in {file}, {tolerance}", "not worse than")
}

/// `5.000s`; finer only where the time is.
fn seconds(us: u64) -> String {
    let (whole, rest) = (us / 1_000_000, us % 1_000_000);
    if rest.is_multiple_of(1_000) {
        format!("{whole}.{:03}s", rest / 1_000)
    } else {
        format!("{whole}.{rest:06}s")
    }
}

fn bounds(min_us: u64, max_us: u64) -> String {
    if min_us == max_us {
        return duration_text(min_us);
    }
    format!("{}..{}", duration_text(min_us), duration_text(max_us))
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

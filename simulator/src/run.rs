//! A scenario's way to its verdict, on one screen.
//!
//! Scenario → plan → history → measures and checks → report. Nothing flows back: checks and
//! measures see a history and never a backend, so a stored run is judged by the same code
//! ([`judge`]).

use std::sync::Arc;
use std::time::Duration;

use crate::backends::{Backend, BackendError, BackendInfo, Logs, Traced};
use crate::baseline::Reference;
use crate::check::{self, Promises};
use crate::history::jsonl::Header;
pub use crate::history::resources;
use crate::history::{EventKind, History};
use crate::measure::{self, Resources};
use crate::plan::{Budget, Pacing, Plan};
use crate::report::{
    self, ActionOutcome, AlertReport, Cluster, ElectionTimeout, Input, Machine, Ms, Report,
    WallInput,
};
use crate::scenario::{Scenario, ScenarioError};
use crate::stopwatch::Stopwatch;
use crate::workload::service::Services;
use serde::{Deserialize, Serialize};
use squall_sim::SimBackend;
use squall_sim::system::System;

/// What a report says of the throughput and latency of a simulation without a profile.
const UNMODELLED: &str = "no hardware is modelled: throughput and latency are bounded by the \
                          simulated network and disk alone, and processing takes no time";

/// When a run began that was stored before its begin was.
const UNKNOWN_START: &str = "unknown";

/// A run, judged.
pub struct Judged {
    /// What was to happen.
    pub plan: Plan,
    /// What happened.
    pub history: History,
    /// What the plan does not say of how it was played.
    pub context: Context,
    /// What it showed.
    pub report: Report,
    /// What nodes used of their machines; empty where machines are simulated.
    pub resources: Vec<resources::ResourceSample>,
    /// What nodes logged, as far as the backend was asked to keep it.
    pub logs: Logs,
    /// Messages and what else makes a trace, as far as the backend was asked to record it.
    pub traced: Traced,
}

/// When a run was made, by the clock on the wall.
#[derive(Debug, Clone, Default)]
pub struct Wall {
    /// UTC, RFC 3339; `None` where nobody wrote it down.
    pub started: Option<String>,
    /// What the run took.
    pub elapsed: Duration,
}

/// What a run is judged by beside its plan and history.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Earlier runs to compare with.
    pub reference: Option<Reference>,
    /// What nodes used, where the backend can tell.
    pub resources: Option<Resources>,
    /// What was seen and done of alerts while the run worked; without it the history tells
    /// when each was on.
    pub alerts: Option<AlertLog>,
}

/// What alerts showed while a run worked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertLog {
    /// In the order of the scenario.
    pub alerts: Vec<AlertReport>,
    /// What became of their actions, in the order in which they were notified.
    pub actions: Vec<ActionOutcome>,
}

/// Why there is nothing to judge.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The scenario cannot be used, so that nothing was run.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The harness failed, which says nothing about the cluster; or the run was interrupted.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The plan has something that the backend cannot do.
    #[error("{0}")]
    Refused(String),
}

/// Runs a scenario in simulation and judges what happened.
///
/// `reproduce` is the command that does the same again, for the report.
///
/// # Errors
/// The scenario makes no plan, or the harness failed.
pub fn run(scenario: &Scenario, seed: u64, reproduce: &str) -> Result<Judged, RunError> {
    run_system(scenario, seed, reproduce, None)
}

/// The same for another system than Squall's own cluster, if one is given.
///
/// # Errors
/// As [`run`].
pub fn run_system(
    scenario: &Scenario,
    seed: u64,
    reproduce: &str,
    system: Option<&Arc<dyn System>>,
) -> Result<Judged, RunError> {
    let system = system.cloned();
    let backend = SimBackend {
        system,
        ..SimBackend::default()
    };
    run_on(&backend, scenario, seed, reproduce, Context::default())
}

/// The same on any backend, judged in a context.
///
/// # Errors
/// As [`run`]; or the plan asks for something that the backend cannot do.
pub fn run_on(
    backend: &dyn Backend,
    scenario: &Scenario,
    seed: u64,
    reproduce: &str,
    context: Context,
) -> Result<Judged, RunError> {
    run_watched(backend, scenario, seed, reproduce, context, || None)
}

/// The same of a run that somebody watches: `ended` is called when it is over, also when it
/// failed or was interrupted, and gives what alerts showed.
///
/// # Errors
/// As [`run_on`].
pub fn run_watched(
    backend: &dyn Backend,
    scenario: &Scenario,
    seed: u64,
    reproduce: &str,
    mut context: Context,
    ended: impl FnOnce() -> Option<AlertLog>,
) -> Result<Judged, RunError> {
    let plan = plan_for(backend, scenario, seed)?;
    let began = Began::now();
    let run = backend.run(&plan);
    let wall = began.wall();
    // Every notice that an alert began is followed by one that it ended, whatever ended the run.
    let log = ended();
    let run = run?;
    if let Some(log) = log {
        context.alerts = Some(log);
    }
    if backend.info().knows_resources {
        context.resources = Some(Resources::of(&run.resources));
    }
    let origin = Origin::of(backend);
    let report = judge_on(origin, &plan, &run.history, &context, reproduce, wall);
    Ok(Judged {
        plan,
        history: run.history,
        context,
        report,
        resources: run.resources,
        logs: run.logs,
        traced: run.traced,
    })
}

/// The plan that a backend plays.
///
/// # Errors
/// The scenario makes no plan, or one that the backend cannot play.
pub fn plan_for(backend: &dyn Backend, scenario: &Scenario, seed: u64) -> Result<Plan, RunError> {
    let scenario = scenario.draw(seed)?;
    let plan = Plan::resolve(&scenario, seed)?;
    let services = backend.services();
    let mut services: Vec<_> = services.iter().map(|service| service.name()).collect();
    services.sort_unstable();
    if let Some(system) = scenario
        .system
        .as_ref()
        .map(|s| s.get_ref())
        .filter(|system| system.is_other())
        && !backend.runs_other_system()
    {
        return Err(RunError::Refused(format!(
            "the scenario is for another system ([system]: {}), and the {} backend has Squall's own \
             nodes",
            system.shown(),
            backend.info().name
        )));
    }
    scenario.check_offer(&services, backend.runs_other_system())?;
    match backend.refusal(&plan) {
        Some(why) => Err(RunError::Refused(why)),
        None => Ok(plan),
    }
}

/// The begin of a run.
struct Began {
    date: String,
    watch: Stopwatch,
}

impl Began {
    fn now() -> Self {
        Self {
            date: Stopwatch::date_and_time(),
            watch: Stopwatch::start(),
        }
    }

    /// Of the run that ends now.
    fn wall(self) -> Wall {
        Wall {
            started: Some(self.date),
            elapsed: self.watch.elapsed(),
        }
    }
}

/// What made a history.
#[derive(Clone)]
pub struct Origin {
    /// Which world it was.
    pub backend: BackendInfo,
    /// Whether the nodes were those of another system than Squall's own cluster.
    pub is_other_system: bool,
    /// What the nodes could be asked, and how that is judged.
    pub services: Services,
    /// What the nodes promise.
    pub promises: Promises,
}

impl Origin {
    /// A run of this backend.
    pub fn of(backend: &dyn Backend) -> Self {
        Self {
            backend: backend.info(),
            is_other_system: backend.runs_other_system(),
            services: backend.services(),
            promises: backend.promises(),
        }
    }
}

/// Judges a history that the simulation of Squall's own cluster has made, by its plan.
pub fn judge(
    plan: &Plan,
    history: &History,
    context: &Context,
    reproduce: &str,
    wall: Wall,
) -> Report {
    let origin = Origin::of(&SimBackend::default());
    judge_on(origin, plan, history, context, reproduce, wall)
}

/// Judges a history, whatever made it, by its plan.
///
/// Of another system, which may say nothing of a log, checks of Raft may have nothing to judge.
pub fn judge_on(
    origin: Origin,
    plan: &Plan,
    history: &History,
    context: &Context,
    reproduce: &str,
    wall: Wall,
) -> Report {
    let mut checks = if origin.is_other_system {
        check::check_system(history)
    } else {
        check::check_all(history)
    };
    for service in &origin.services {
        checks.extend(check::check_own(history, &service.checks()));
    }
    origin.promises.weigh(&mut checks);
    let input = input(origin.backend, plan, history, context, reproduce, wall);
    report::build(&input, &measure::measure(history), &checks)
}

/// The first line of the plan's history file.
pub fn header(plan: &Plan) -> Header {
    let nodes = (0..plan.cluster.nodes).map(crate::fault::node_name);
    Header::new(&plan.scenario, plan.seed, nodes.collect())
}

fn input(
    backend: BackendInfo,
    plan: &Plan,
    history: &History,
    context: &Context,
    reproduce: &str,
    wall: Wall,
) -> Input {
    Input {
        scenario: plan.scenario.clone(),
        seed: plan.seed,
        backend,
        cluster: Cluster {
            nodes: plan.cluster.nodes as u64,
            heartbeat_ms: Ms::of(plan.cluster.heartbeat_ms * 1_000),
            election_timeout_ms: ElectionTimeout {
                min: Ms::of(plan.cluster.election_min_ms * 1_000),
                max: Ms::of(plan.cluster.election_max_ms * 1_000),
            },
        },
        configuration: plan_text(backend, plan),
        services: (plan.workloads.iter())
            .map(|workload| workload.kind.service())
            .collect(),
        objectives: plan.objectives.clone(),
        alerts: match &context.alerts {
            Some(log) => log.alerts.clone(),
            None => squall_watch::alert_reports(plan, history, &[]),
        },
        completion_us: plan.is_limited().then_some(plan.phases.chaos_us),
        reference: context.reference.clone(),
        resources: context.resources.clone(),
        bounded_by: backend.simulated.then(|| bounded_by(plan)),
        closed_loops: closed_loops(plan),
        quorum_loss: quorum_loss(plan, history),
        must_judge: plan.must_judge.clone(),
        drawn_faults: (plan.faults.iter())
            .filter(|fault| fault.drawn)
            .map(|fault| fault.id)
            .collect(),
        history_sha256: history.sha256(&header(plan)),
        events: history.events.len() as u64,
        reproduce: reproduce.into(),
        wall: WallInput {
            elapsed_us: wall.elapsed.as_micros() as u64,
            started: wall.started.unwrap_or_else(|| UNKNOWN_START.into()),
            version: env!("CARGO_PKG_VERSION").into(),
            commit: crate::environment::commit(),
            machine: machine(),
            alert_actions: (context.alerts.iter())
                .flat_map(|log| log.actions.iter().cloned())
                .collect(),
        },
    }
}

/// The plan in words; machines that are real are as they are, whatever it says of them.
pub fn plan_text(backend: BackendInfo, plan: &Plan) -> String {
    if backend.simulated {
        plan.to_string()
    } else {
        plan.text_on_machines()
    }
}

/// Workloads in a closed loop.
fn closed_loops(plan: &Plan) -> Vec<String> {
    let workloads = plan.workloads.iter();
    let closed = workloads.filter(|workload| {
        matches!(
            workload.pacing,
            Pacing::Closed { .. } | Pacing::Users { .. }
        )
    });
    closed.map(|workload| workload.name.clone()).collect()
}

/// What bounds the throughput and latency of a simulation.
fn bounded_by(plan: &Plan) -> String {
    let modelled = [
        ("processors", plan.processors.is_some()),
        ("network latency", plan.network.measured_latency.is_some()),
        ("disk syncs", plan.disk.measured_sync.is_some()),
    ];
    let modelled = modelled.iter().filter(|(_, is_modelled)| *is_modelled);
    let modelled: Vec<&str> = modelled.map(|(what, _)| *what).collect();
    if modelled.is_empty() {
        return UNMODELLED.into();
    }
    let free = match plan.processors {
        Some(_) => "",
        None => ", and processing takes no time",
    };
    format!(
        "throughput and latency are bounded by simulated hardware; its profile models {}{free}",
        modelled.join(", ")
    )
}

/// Whether unavailability was legitimate, where faults may have gone beyond what a cluster
/// can bear: no cluster answers without a majority.
fn quorum_loss(plan: &Plan, history: &History) -> Option<String> {
    let mut spells = Vec::new();
    let mut since_us = None;
    for event in &history.events {
        let EventKind::Majority { is_left, .. } = event.kind else {
            continue;
        };
        if !is_left {
            since_us = Some(event.at_us);
        } else if let Some(from_us) = since_us.take() {
            spells.push(format!(
                "from {} to {} ms",
                from_us / 1_000,
                event.at_us / 1_000
            ));
        }
    }
    spells.extend(since_us.map(|from_us| format!("since {} ms", from_us / 1_000)));
    let is_lifted = plan
        .chaos
        .as_ref()
        .is_some_and(|chaos| !matches!(chaos.budget, Budget::Impaired(_)));
    match spells.is_empty() {
        false => Some(format!(
            "unavailability was legitimate {}: no majority could answer",
            spells.join(", ")
        )),
        true => is_lifted.then(|| {
            "unavailability was not legitimate: a majority could answer all the time".into()
        }),
    }
}

/// `None` where the system does not tell.
fn machine() -> Option<Machine> {
    let tells = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        let (_, value) = line.split_once(':')?;
        Some(value.trim().to_owned())
    };
    let memory_kib = tells("/proc/meminfo", "MemTotal")?;
    let memory_kib: u64 = memory_kib.split(' ').next()?.parse().ok()?;
    Some(Machine {
        processor: tells("/proc/cpuinfo", "model name").unwrap_or_else(|| "unnamed".into()),
        processors: std::thread::available_parallelism().map_or(1, |n| n.get() as u64),
        memory_bytes: memory_kib * 1_024,
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::{Lacks, RunOutput};
    use crate::fault::Capability;

    /// Every run on it is interrupted.
    struct Interrupted;

    impl Backend for Interrupted {
        fn info(&self) -> BackendInfo {
            SimBackend::default().info()
        }

        fn lacks(&self) -> Lacks {
            Lacks::default()
        }

        fn missing(&self, _: Capability) -> Option<&'static str> {
            None
        }

        fn run(&self, _: &Plan) -> Result<RunOutput, BackendError> {
            Err(BackendError::Interrupted)
        }
    }

    #[test]
    fn whoever_watches_hears_of_the_end_of_a_run_that_is_interrupted() {
        let text = "name = \"t\"\n[[workload]]\nservice = \"cache\"\n";
        let scenario = Scenario::parse(text, "t.toml").expect("a scenario");
        let heard = std::cell::Cell::new(0);
        let ended = || {
            heard.set(heard.get() + 1);
            None
        };
        let run = run_watched(&Interrupted, &scenario, 1, "", Context::default(), ended);
        assert!(matches!(
            run.err(),
            Some(RunError::Backend(BackendError::Interrupted))
        ));
        assert_eq!(heard.get(), 1);
    }
}

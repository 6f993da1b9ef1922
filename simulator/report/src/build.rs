//! Composes a report from measures, check results and what the caller knows of the run.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use squall_history::{BackendInfo, Phase, Service};
use squall_measure::{Measures, Resources};
use squall_objective::alert::{ActionOutcome, AlertReport};
use squall_objective::baseline::Reference;
use squall_objective::objective::Objective;

use crate::analysis::Analysis;
use crate::bottlenecks::bottlenecks;
use crate::faults::FaultRow;
use crate::figures::figures;
use crate::load::{Load, objectives as objectives_of_load};
use crate::objectives::{Evidence, evaluate};
use crate::report::{Cluster, Machine, Report, Sim};
use crate::verdict::{VerdictInput, verdict};
use squall_check::CheckResult;
use squall_objective::fixed::{PerSecond, Seconds};

/// What only the caller knows of a run.
#[derive(Debug, Clone)]
pub struct Input {
    /// With its variant, if it has any: `NAME-VARIANT`.
    pub scenario: String,
    /// Of the run.
    pub seed: u64,
    /// What made the history.
    pub backend: BackendInfo,
    /// Size and time limits.
    pub cluster: Cluster,
    /// The plan in words.
    pub configuration: String,
    /// Services with a workload; each must have been loaded for the run to count.
    pub services: Vec<Service>,
    /// In the order of the report.
    pub objectives: Vec<Objective>,
    /// Alerts, as far as the run showed them.
    pub alerts: Vec<AlertReport>,
    /// In which time the operations of workloads that end must be done, if all end.
    pub completion_us: Option<u64>,
    /// Earlier runs to compare with.
    pub reference: Option<Reference>,
    /// What nodes used, where the backend knows it.
    pub resources: Option<Resources>,
    /// What bounds throughput and latency, if it is not the machine that ran.
    pub bounded_by: Option<String>,
    /// Workloads in a closed loop.
    pub closed_loops: Vec<String>,
    /// Whether unavailability was legitimate, if the faults make that a question.
    pub quorum_loss: Option<String>,
    /// Properties or checks without which the run does not count.
    pub must_judge: Vec<String>,
    /// Numbers of the faults that may be skipped: nobody asked for them by name.
    pub drawn_faults: BTreeSet<usize>,
    /// Of the history file, in hexadecimal.
    pub history_sha256: String,
    /// Events of the history.
    pub events: u64,
    /// The command that runs it again.
    pub reproduce: String,
    /// Left out of comparisons.
    pub wall: WallInput,
}

/// What differs between two runs of a seed.
#[derive(Debug, Clone)]
pub struct WallInput {
    /// Microseconds that the run took.
    pub elapsed_us: u64,
    /// Date and time, in whatever form the caller likes.
    pub started: String,
    /// Of the program.
    pub version: String,
    /// `None` if it was not built from a repository.
    pub commit: Option<String>,
    /// `None` if nothing is known of it.
    pub machine: Option<Machine>,
    /// What became of the actions of alerts.
    pub alert_actions: Vec<ActionOutcome>,
}

/// Composes the report and its verdict.
pub fn build(input: &Input, measures: &Measures, checks: &[CheckResult]) -> Report {
    let faults: Vec<FaultRow> = measures.faults.iter().map(FaultRow::from).collect();
    let resources = input.resources.as_ref();
    let evidence = Evidence {
        measures,
        resources,
        backend: input.backend.name,
    };
    let load = Load::of(measures);
    let analysis = Analysis::of(measures, resources);
    let mut objectives = evaluate(&input.objectives, &evidence);
    objectives.extend(objectives_of_load(input.completion_us, &load, measures));
    let figures = figures(measures);
    let reference = input.reference.as_ref();
    let comparison = reference.map(|reference| reference.compare(&figures));
    let asked = measures.faults.iter().zip(&faults);
    let asked: Vec<FaultRow> = asked
        .filter(|(fault, _)| !input.drawn_faults.contains(&fault.span.fault))
        .map(|(_, row)| row.clone())
        .collect();
    let judged = VerdictInput {
        checks,
        must_judge: &input.must_judge,
        faults: &asked,
        objectives: &objectives,
        comparison: comparison.as_ref(),
        load: &acknowledged(input, measures),
        quorum_loss: input.quorum_loss.as_deref(),
    };
    let (verdict, reason) = verdict(&judged);
    let decision = judged.decision(verdict);
    let measured = measures.clone();
    Report {
        scenario: input.scenario.clone(),
        seed: input.seed,
        backend: input.backend.name.into(),
        made_on: Some(input.backend),
        verdict,
        reason,
        decision,
        reproduce: input.reproduce.clone(),
        cluster: input.cluster.clone(),
        configuration: input.configuration.clone(),
        faults,
        detection_ms: measured.detection,
        election_ms: measured.election,
        availability: measured.outages.downtime.any.map(|any| any.availability),
        downtime_ms: measured.outages.downtime,
        gaps: measured.outages.gaps,
        clients_down: measured.outages.clients,
        probes_ms: measured.outages.probes,
        recovery_ms: measured.recovery,
        data_loss: measured.loss,
        latency_us: measured.latency,
        latency_by_payload: measured.sizes,
        throughput: measured.throughput,
        operations: measured.operations,
        overall: measured.overall,
        load,
        checks: checks.to_vec(),
        objectives,
        alerts: input.alerts.clone(),
        comparison,
        figures,
        stages_us: stages(measures),
        bottlenecks: bottlenecks(measures, resources, &analysis.leaks),
        analysis,
        queue: measured.totals.queue,
        cache: measured.totals.cache,
        errors: measured.errors,
        slowest: measured.slowest,
        resources: resources.map_or_else(BTreeMap::new, |used| used.nodes.clone()),
        bounded_by: input.bounded_by.clone(),
        closed_loops: input.closed_loops.clone(),
        marks: measured.marks,
        samples_us: measured.samples,
        sim: sim(input, measured.timeline.end_ms.get()),
        timeline: measured.timeline,
    }
}

/// What each service with a workload acknowledged in chaos and serve.
fn acknowledged(input: &Input, measures: &Measures) -> Vec<(String, u64)> {
    let acked = |service: &Service| {
        let phases = measures.throughput.get(service.name());
        let of = |phase| {
            phases
                .and_then(|phases| phases.get(&phase))
                .map_or(0, |rate| rate.acked)
        };
        let acked = of(Phase::Chaos) + of(Phase::Serve);
        (service.name().to_owned(), acked)
    };
    input.services.iter().map(acked).collect()
}

fn sim(input: &Input, end_us: u64) -> Sim {
    let scaled = u128::from(end_us) * 1_000;
    let speed = scaled
        .checked_div(u128::from(input.wall.elapsed_us))
        .unwrap_or(0);
    Sim {
        seconds: Seconds::of(end_us),
        events: input.events,
        history_sha256: input.history_sha256.clone(),
        wall_seconds: Seconds::of(input.wall.elapsed_us),
        speed: PerSecond::of(u64::try_from(speed).unwrap_or(u64::MAX)),
        started: input.wall.started.clone(),
        version: input.wall.version.clone(),
        commit: input.wall.commit.clone(),
        machine: input.wall.machine.clone(),
        alert_actions: input.wall.alert_actions.clone(),
    }
}

fn stages(measures: &Measures) -> BTreeMap<String, BTreeMap<String, u64>> {
    let services = measures.breakdown.services.iter();
    services
        .map(|(service, stages)| {
            let means = stages.all().map(|(stage, us)| (stage.to_owned(), us));
            (service.name().to_owned(), means.into())
        })
        .collect()
}

//! From measures and check results to a report.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::{Phase, Service};
use squall_measure::latency::LatencySummary;
use squall_measure::{Distribution, FaultMeasure, Measures, Resources};
use squall_objective::baseline::Reference;
use squall_objective::objective::Objective;

use super::bottlenecks::bottlenecks;
use super::objectives::{Evidence, evaluate};
use super::verdict::{Grounds, verdict};
use super::*;

/// What only the caller knows of a run.
#[derive(Debug, Clone)]
pub struct Input {
    pub scenario: String,
    pub seed: u64,
    /// What made the history.
    pub backend: BackendInfo,
    pub cluster: Cluster,
    /// The plan in words.
    pub configuration: String,
    /// Services with a workload; each must have been loaded for the run to count.
    pub services: Vec<Service>,
    pub objectives: Vec<Objective>,
    /// In which time the operations of workloads that end must be done, if all end.
    pub completion_us: Option<u64>,
    /// Earlier runs to compare with.
    pub reference: Option<Reference>,
    /// What nodes used, where the backend knows it.
    pub resources: Option<Resources>,
    /// What bounds throughput and latency, if it is not the machine that ran.
    pub bounded_by: Option<String>,
    /// Whether unavailability was legitimate, if the faults make that a question.
    pub excuse: Option<String>,
    /// Properties or checks without which the run does not count.
    pub must_judge: Vec<String>,
    /// Numbers of the faults that may be skipped: nobody asked for them by name.
    pub drawn_faults: BTreeSet<usize>,
    pub history_sha256: String,
    /// Events of the history.
    pub events: u64,
    /// The command that runs it again.
    pub reproduce: String,
    pub wall: WallInput,
}

/// What differs between two runs of a seed.
#[derive(Debug, Clone)]
pub struct WallInput {
    pub elapsed_us: u64,
    /// Date and time, in whatever form the caller likes.
    pub started: String,
    /// Of the program.
    pub version: String,
    pub commit: Option<String>,
    pub machine: Option<Machine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cluster {
    pub nodes: u64,
    pub heartbeat_ms: Ms,
    pub election_timeout_ms: ElectionTimeout,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ElectionTimeout {
    pub min: Ms,
    pub max: Ms,
}

/// Composes the report and its verdict.
pub fn build(input: &Input, measures: &Measures, checks: &[squall_check::CheckResult]) -> Report {
    let faults: Vec<_> = measures.faults.iter().map(fault_row).collect();
    let checks: Vec<_> = checks.iter().map(check_row).collect();
    let resources = input.resources.as_ref();
    let evidence = Evidence {
        measures,
        resources,
        backend: input.backend.name,
    };
    let steps = Load::of(measures);
    let mut objectives = evaluate(&input.objectives, &evidence);
    objectives.extend(super::load::objectives(
        input.completion_us,
        &steps,
        measures,
    ));
    let figures = figures(measures);
    let reference = input.reference.as_ref();
    let comparison = reference.map(|reference| reference.compare(&figures));
    let load = load(input, measures);
    let asked = measures.faults.iter().zip(&faults);
    let asked: Vec<_> = asked
        .filter(|(fault, _)| !input.drawn_faults.contains(&fault.span.fault))
        .map(|(_, row)| row.clone())
        .collect();
    let grounds = Grounds {
        checks: &checks,
        must_judge: &input.must_judge,
        faults: &asked,
        objectives: &objectives,
        comparison: comparison.as_ref(),
        load: &load,
        excuse: input.excuse.as_deref(),
    };
    let (verdict, reason) = verdict(&grounds);
    let decision = grounds.decision(verdict);
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
        detection_ms: times(&measures.detection.times),
        election_ms: times(&measures.election.times),
        downtime_ms: downtime(measures),
        gaps: gaps(measures),
        availability: measures
            .downtime
            .any
            .map(|any| Percent::of(any.availability_ppm.into())),
        recovery_ms: recovery(measures),
        data_loss: data_loss(measures),
        latency_us: latency(measures),
        latency_by_payload: payload::rows(measures),
        throughput: throughput(measures),
        operations: operations(measures),
        overall: overall(measures),
        load: steps,
        marks: marks(measures),
        samples_us: samples(measures),
        faults,
        checks,
        objectives,
        comparison,
        figures,
        stages_us: stages(measures),
        bottlenecks: bottlenecks(measures, resources),
        queue: measures.totals.queue.map(queue),
        cache: (measures.totals.cache).map(|totals| cache(totals, &measures.misses)),
        errors: errors(measures),
        slowest: slowest(measures),
        resources: resources.map(used).unwrap_or_default(),
        bounded_by: input.bounded_by.clone(),
        timeline: timeline(measures),
        sim: sim(input, measures.end_us),
    }
}

fn load(input: &Input, measures: &Measures) -> Vec<(String, u64)> {
    let acked = |service: &Service| {
        let phases = measures.throughput.services.get(service);
        let of = |phase| {
            phases
                .and_then(|p| p.get(&phase))
                .map_or(0, |rate| rate.acked)
        };
        (
            service.name().to_owned(),
            of(Phase::Chaos) + of(Phase::Serve),
        )
    };
    input.services.iter().map(acked).collect()
}

fn overall(measures: &Measures) -> Option<Overall> {
    let overall = measures.overall.as_ref()?;
    let scaled = u128::from(overall.acknowledged) * 1_000_000_000;
    let per_second = scaled
        .checked_div(u128::from(overall.length_us))
        .unwrap_or(0);
    Some(Overall {
        acknowledged: overall.acknowledged,
        errors: overall.errors,
        per_second: PerSecond::of(u64::try_from(per_second).unwrap_or(u64::MAX)),
        mean_us: overall.mean_us,
        p50_us: overall.p50_us,
        p95_us: overall.p95_us,
        p99_us: overall.p99_us,
        max_us: overall.max_us,
    })
}

fn fault_row(fault: &FaultMeasure) -> FaultRow {
    let election = fault.election.as_ref();
    let new_leader = election.and_then(|e| e.new_leader.as_ref());
    FaultRow {
        kind: fault.span.kind,
        targets: fault.span.targets.clone(),
        at_ms: Ms::of(fault.span.installed_us.unwrap_or(fault.span.at_us)),
        healed_ms: fault.span.healed_us.map(Ms::of),
        status: fault.span.status.clone(),
        detected_ms: election.and_then(|e| e.detected_us).map(Ms::of),
        elected_ms: election.and_then(|e| e.elected_us).map(Ms::of),
        old_leader: election.map(|e| e.old_leader.clone()),
        new_leader: new_leader.map(|leader| leader.node.clone()),
        new_term: new_leader.map(|leader| leader.term),
    }
}

fn check_row(result: &squall_check::CheckResult) -> CheckRow {
    CheckRow {
        name: result.name.to_owned(),
        property: result.property.to_owned(),
        verdict: match result.verdict {
            squall_check::Verdict::Pass => CheckVerdict::Pass,
            squall_check::Verdict::Fail => CheckVerdict::Fail,
            squall_check::Verdict::Unknown => CheckVerdict::Unknown,
            squall_check::Verdict::NotJudged => CheckVerdict::NotJudged,
        },
        detail: result.detail.clone(),
        checked: result.checked,
        evidence: result.evidence.clone(),
    }
}

fn times(distribution: &Distribution) -> Times {
    Times {
        count: distribution.count,
        min: distribution.min_us.map(Ms::of),
        p50: distribution.p50_us.map(Ms::of),
        p90: distribution.p90_us.map(Ms::of),
        p99: distribution.p99_us.map(Ms::of),
        max: distribution.max_us.map(Ms::of),
    }
}

fn downtime(measures: &Measures) -> DowntimeMs {
    let of = |downtime: Option<squall_measure::ServiceDowntime>| {
        downtime.map(|d| ServiceDowntimeMs {
            total: Ms::of(d.total_us),
            max: Ms::of(d.max_us),
            count: d.count,
            availability: Percent::of(d.availability_ppm.into()),
        })
    };
    let downtime = &measures.downtime;
    DowntimeMs {
        lock: of(downtime.lock),
        queue: of(downtime.queue),
        cache: of(downtime.cache),
        any: of(downtime.any),
    }
}

fn gaps(measures: &Measures) -> Vec<GapMs> {
    let gaps = measures.downtime.gaps.iter();
    gaps.map(|gap| GapMs {
        service: gap.service.name().into(),
        from_ms: Ms::of(gap.from_us),
        to_ms: Ms::of(gap.to_us),
    })
    .collect()
}

fn recovery(measures: &Measures) -> RecoveryMs {
    let of = |spell: &squall_measure::Spell| Spell {
        times: times(&spell.seen.times),
        unseen: spell.unseen,
    };
    RecoveryMs {
        throughput: of(&measures.recovery.throughput),
        members: of(&measures.recovery.members),
        rejoin: of(&measures.recovery.rejoin),
    }
}

fn data_loss(measures: &Measures) -> Loss {
    let loss = measures.loss;
    Loss {
        acked: loss.acked,
        lost: loss.lost,
        lost_bytes: loss.lost_bytes,
        window_ms: Ms::of(loss.window_us),
        duplicated: loss.duplicated,
        phantom: loss.phantom,
        unaudited: loss.unaudited,
    }
}

fn latency(measures: &Measures) -> BTreeMap<String, BTreeMap<String, OperationLatency>> {
    let mut services: BTreeMap<String, BTreeMap<String, OperationLatency>> = BTreeMap::new();
    for row in &measures.latency {
        let latency = quantiles(&row.summary);
        let operations = services.entry(row.service.name().into()).or_default();
        let phases = operations.entry(row.operation.into()).or_default();
        phases
            .entry(row.phase)
            .or_default()
            .insert(row.class, latency);
    }
    services
}

pub(super) fn quantiles(summary: &LatencySummary) -> Latency {
    Latency {
        count: summary.count,
        min: summary.min_us,
        p50: summary.p50_us,
        p90: summary.p90_us,
        p95: summary.p95_us,
        p99: summary.p99_us,
        p999: summary.p999_us,
        max: summary.max_us,
        mean: summary.mean_us,
    }
}

fn throughput(measures: &Measures) -> BTreeMap<String, BTreeMap<Phase, Rate>> {
    let rates = |phases: &BTreeMap<Phase, squall_measure::throughput::Rate>| {
        let rate = |rate: &squall_measure::throughput::Rate| Rate {
            acked: rate.acked,
            per_second: PerSecond::of(rate.per_second_milli()),
            lowest: rate.lowest,
        };
        phases
            .iter()
            .map(|(phase, measured)| (*phase, rate(measured)))
            .collect()
    };
    let services = measures.throughput.services.iter();
    services
        .map(|(service, phases)| (service.name().to_owned(), rates(phases)))
        .chain([("all".to_owned(), rates(&measures.throughput.all))])
        .collect()
}

fn operations(measures: &Measures) -> Operations {
    let counts = measures.operations;
    Operations {
        invoked: counts.invoked,
        acknowledged: counts.acknowledged,
        failed: counts.failed,
        unknown: counts.unknown,
    }
}

fn marks(measures: &Measures) -> BTreeMap<String, u64> {
    let marks = measures.marks.iter();
    marks
        .map(|(name, times)| ((*name).to_owned(), *times))
        .collect()
}

fn samples(measures: &Measures) -> Samples {
    let recovery = &measures.recovery;
    Samples {
        detection: measures.detection.all_us.clone(),
        election: measures.election.all_us.clone(),
        recovery_throughput: recovery.throughput.seen.all_us.clone(),
        recovery_members: recovery.members.seen.all_us.clone(),
        recovery_rejoin: recovery.rejoin.seen.all_us.clone(),
    }
}

fn timeline(measures: &Measures) -> TimelineData {
    let series = measures.series.services.iter();
    let phases = measures.phases.iter();
    let leaders = measures.reigns.iter();
    TimelineData {
        end_ms: Ms::of(measures.end_us),
        bucket_ms: Ms::of(measures.series.bucket_us),
        acked: series
            .map(|(service, acked)| (service.name().into(), acked.clone()))
            .collect(),
        phases: phases
            .map(|(phase, us)| PhaseStart {
                phase: *phase,
                at_ms: Ms::of(*us),
            })
            .collect(),
        leaders: leaders
            .map(|reign| Leader {
                node: reign.node.clone(),
                term: reign.term,
                from_ms: Ms::of(reign.from_us),
                until_ms: reign.until_us.map(Ms::of),
            })
            .collect(),
    }
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

fn queue(totals: squall_measure::totals::QueueTotals) -> QueueReport {
    QueueReport {
        published: totals.published,
        delivered: totals.delivered,
        consumed: totals.consumed,
        dead_letters: totals.dead_letters,
        depth_max: totals.depth_max,
        depth_end: totals.depth_end,
        drained_ms: totals.drained_us.map(Ms::of),
    }
}

fn cache(
    totals: squall_measure::totals::CacheTotals,
    misses: &squall_measure::Misses,
) -> CacheReport {
    CacheReport {
        reads: totals.reads,
        hits: totals.hits,
        hit_rate: (totals.hits * 1_000_000)
            .checked_div(totals.reads)
            .map(Percent::of),
        invalidation_ms: times(&totals.invalidation),
        hit_ms: times(&misses.hits),
        miss_ms: times(&misses.filled),
        miss_penalty_ms: misses.penalty_us().map(Ms::of),
    }
}

fn errors(measures: &Measures) -> Vec<ErrorRow> {
    let rows = measures.errors.iter();
    rows.map(|row| ErrorRow {
        service: row.service.name().into(),
        operation: row.operation.into(),
        outcome: row.class,
        why: row.why.clone(),
        count: row.count,
    })
    .collect()
}

fn slowest(measures: &Measures) -> Vec<SlowRow> {
    let rows = measures.slowest.iter();
    rows.map(|row| SlowRow {
        service: row.service.name().into(),
        operation: row.operation.into(),
        client: row.client.clone(),
        at_ms: Ms::of(row.at_us),
        latency_ms: Ms::of(row.latency_us),
    })
    .collect()
}

fn used(resources: &Resources) -> BTreeMap<String, ResourceRow> {
    let row = |node: &squall_measure::resources::NodeResources| ResourceRow {
        memory_max_bytes: node.memory_max_bytes,
        memory_growth: node.memory_growth_ppm.map(Percent::of),
        cpu: node.cpu_ppm.map(Percent::of),
    };
    let nodes = resources.nodes.iter();
    nodes
        .map(|(name, node)| (name.clone(), row(node)))
        .collect()
}

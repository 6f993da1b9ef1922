//! Making a plan of a checked scenario.

use rand::RngExt;

use super::chaos;
use super::generator::ChaosOptions;
use super::load::load;
use super::points::{self, Delay, PlannedPoint, PointOptions};
use super::region::regions;
use super::{
    Access, BaselinePlan, Budget, CacheMix, ClockPlan, ClusterPlan, DiskPlan, ListMix, LoadPlan,
    LoadUnit, LockMix, NetworkPlan, OwnWorkload, Pacing, Payload, PhasePlan, Plan, PlannedFault,
    ProbePlan, ProcessorPlan, Quantiles, QueueMix, ReadMode, Records, Retries, Seed, WorkloadKind,
    WorkloadPlan,
};
use crate::scenario::hardware::{self, Hardware};
use crate::scenario::section;
use crate::scenario::unit::{Duration, Share};
use crate::scenario::workload::{self, Workload, written};
use crate::scenario::{Chaos, Phases, PointTable, Scenario};
use squall_fault::kind::Drawn;
use squall_fault::{FaultKind, Target};
use squall_history::Service;
use toml::Spanned;

pub(super) fn resolve(scenario: &Scenario, seed: Seed) -> Plan {
    let (sync_min, sync_max) = scenario.disk.sync();
    let phases = phases(scenario);
    let named = scenario.named_workloads();
    let load = load(scenario, &named);
    let cluster = cluster(scenario);
    let mut points = points(scenario, &phases);
    let (chaos, drawn) = match &scenario.chaos {
        Some(chaos) => {
            let options = chaos_options(chaos.get_ref(), &cluster);
            let mut drawn = chaos::draw(&options, &phases, seed.fork("chaos"));
            let at_points = PointOptions {
                on_ppm: chaos.get_ref().points.0,
                at_points_ppm: chaos.get_ref().at_points.0,
            };
            points::aim(at_points, &mut drawn.faults, seed.fork("faults at points"));
            points.extend(points::draw(at_points, &phases, seed.fork("points")));
            (Some(options.plan(&drawn.kinds)), drawn.faults)
        }
        None => (None, Vec::new()),
    };
    Plan {
        scenario: scenario.name.get_ref().clone(),
        summary: scenario.summary.clone(),
        seed: seed.0,
        cluster,
        network: network(scenario),
        disk: DiskPlan {
            sync_min_us: sync_min.us(),
            sync_max_us: sync_max.us(),
            measured_sync: measured(scenario, |hardware| {
                hardware.disk.as_ref().map(|disk| disk.sync.get_ref())
            }),
        },
        processors: scenario.hardware.as_ref().and_then(ProcessorPlan::of),
        clocks: clocks(scenario, seed),
        probe: scenario.probe.enabled.then(|| ProbePlan {
            dense_us: scenario.probe.every.get_ref().us(),
            idle_us: scenario.probe.idle.get_ref().us(),
            timeout_us: scenario.probe.timeout.get_ref().us(),
        }),
        workloads: workloads(scenario, &named, load.as_ref(), seed),
        load,
        faults: numbered(faults(scenario, &phases), drawn),
        points,
        order: scenario.schedule.order,
        chaos,
        phases,
        objectives: scenario.objectives.list(),
        alerts: (scenario.alerts.iter())
            .map(|alert| alert.get_ref().alert())
            .collect(),
        must_judge: (scenario.must_judge.iter())
            .map(|id| id.get_ref().clone())
            .collect(),
        baseline: baseline(scenario),
        drawn: scenario.drawn().to_vec(),
    }
}

fn cluster(scenario: &Scenario) -> ClusterPlan {
    let cluster = &scenario.cluster;
    let (election_min, election_max) = cluster.election_timeout();
    ClusterPlan {
        nodes: *cluster.nodes.get_ref() as usize,
        spares: *cluster.spares.get_ref() as usize,
        heartbeat_ms: cluster.heartbeat.get_ref().ms(),
        election_min_ms: election_min.ms(),
        election_max_ms: election_max.ms(),
        snapshot_every: *cluster.snapshot_every.get_ref(),
        cache_entries: *cluster.cache_entries.get_ref(),
    }
}

/// A distribution of the scenario's hardware, if it says so.
fn measured(
    scenario: &Scenario,
    what: impl Fn(&Hardware) -> Option<&hardware::Quantiles>,
) -> Option<Quantiles> {
    scenario.hardware.as_ref().and_then(what).map(Quantiles::of)
}

fn network(scenario: &Scenario) -> NetworkPlan {
    let network = &scenario.network;
    let (latency_min, latency_max) = network.latency();
    NetworkPlan {
        latency_min_us: latency_min.us(),
        latency_max_us: latency_max.us(),
        jitter_us: network.jitter.us(),
        loss_ppm: network.loss.0,
        bandwidth_bytes_per_s: network.bandwidth.map(|bandwidth| bandwidth.0),
        regions: regions(scenario),
        measured_latency: measured(scenario, |hardware| {
            hardware
                .network
                .as_ref()
                .map(|network| network.latency.get_ref())
        }),
    }
}

fn phases(scenario: &Scenario) -> PhasePlan {
    let phases: &Phases = &scenario.phases;
    PhasePlan {
        warmup_us: phases.warmup.get_ref().us(),
        chaos_us: scenario.chaos_length().us(),
        converge_us: phases.converge.get_ref().us(),
        serve_us: phases.serve.get_ref().us(),
        audit_us: phases.audit.get_ref().us(),
    }
}

/// Each node draws from a stream of its own, so that one node more changes no other.
fn clocks(scenario: &Scenario, seed: Seed) -> Vec<ClockPlan> {
    let (offset_min, offset_max) = scenario.clock.offset();
    let (drift_min, drift_max) = scenario.clock.drift();
    let nodes = 0..*scenario.cluster.nodes.get_ref() as usize;
    nodes
        .map(|node| {
            let name = squall_fault::node_name(node);
            let mut rng = seed.fork("clock").fork(&name).rng();
            ClockPlan {
                offset_us: rng.random_range(offset_min.0..=offset_max.0),
                drift_ppm: rng.random_range(drift_min.0..=drift_max.0),
            }
        })
        .collect()
}

fn workloads(
    scenario: &Scenario,
    named: &[(String, &Workload)],
    load: Option<&LoadPlan>,
    seed: Seed,
) -> Vec<WorkloadPlan> {
    let capacity = *scenario.cluster.cache_entries.get_ref();
    let plan = |(index, (name, workload)): (usize, &(String, &Workload))| {
        let mut kind = kind(workload, capacity);
        if let Some(load) = load {
            set_clients(&mut kind, workload, load, index);
        }
        WorkloadPlan {
            seed: seed.fork("workload").fork(name).0,
            name: name.clone(),
            operations: operations(workload, &kind),
            kind,
            pacing: pacing(workload, load),
            timeout_us: workload.timeout().us(),
            also: (workload.also.iter())
                .flat_map(|also| also.get_ref())
                .map(|(name, share)| (name.clone(), share.0))
                .collect(),
            payload: match workload.service() {
                Service::Lock | Service::Own(_) => Payload::Fixed(0),
                Service::Queue | Service::Cache => Payload::of(&workload.payload()),
            },
        }
    };
    named.iter().enumerate().map(plan).collect()
}

/// Operations that may be under way at a time, unless the scenario says how many.
const CLIENTS_OF_A_RATE: u64 = 100;

/// As many clients as the load needs.
fn set_clients(kind: &mut WorkloadKind, workload: &Workload, load: &LoadPlan, index: usize) {
    let written = workload.clients.is_some() || workload.producers.is_some();
    let clients = kind.clients_mut();
    match load.unit {
        LoadUnit::Users => *clients = load.most_users(index),
        LoadUnit::PerHour if !written => *clients = CLIENTS_OF_A_RATE,
        LoadUnit::PerHour => {}
    }
}

fn operations(workload: &Workload, kind: &WorkloadKind) -> Option<u64> {
    match (kind, &workload.rounds) {
        (WorkloadKind::Cache { clients, keys, .. }, Some(rounds)) => {
            Some(clients * keys * rounds.get_ref())
        }
        _ => workload.operations.as_ref().map(|count| *count.get_ref()),
    }
}

fn kind(workload: &Workload, capacity: u64) -> WorkloadKind {
    match workload.service() {
        Service::Lock => WorkloadKind::Lock {
            clients: workload.clients(),
            locks: workload.keys(),
            shared_ppm: workload.shared().0,
            ttl_ms: workload.ttl().ms(),
            wait_ms: workload.wait().ms(),
            hold_us: workload.hold().us(),
            mix: LockMix {
                retries: retries(workload),
                renew_ms: workload.renew().ms(),
                watchers: written(&workload.watchers, 0),
                crash_ppm: written(&workload.crash, Share(0)).0,
                cancel_ppm: written(&workload.cancel, Share(0)).0,
                wait_die_ppm: written(&workload.wait_die, Share(0)).0,
                numbered: workload.exactly_once.is_some(),
                access: access(workload),
            },
        },
        Service::Queue => WorkloadKind::Queue {
            producers: workload.producers(),
            consumers: workload.consumers(),
            visibility_ms: workload.visibility().ms(),
            queues: 1,
            mix: queue_mix(workload),
        },
        Service::Cache => WorkloadKind::Cache {
            clients: workload.clients(),
            keys: workload.keys(),
            reads_ppm: workload.reads().0,
            mix: cache_mix(workload, capacity),
        },
        name @ Service::Own(_) => WorkloadKind::Own(OwnWorkload {
            clients: workload.clients(),
            keys: workload.keys(),
            access: access(workload),
            options: options(workload),
            ..OwnWorkload::of(name)
        }),
    }
}

/// As data that every plan can hold.
fn options(workload: &Workload) -> serde_json::Map<String, serde_json::Value> {
    let Some(options) = &workload.options else {
        return serde_json::Map::new();
    };
    match serde_json::to_value(options.get_ref()) {
        Ok(serde_json::Value::Object(options)) => options,
        other => unreachable!("a table is an object, not {other:?}"),
    }
}

fn queue_mix(workload: &Workload) -> QueueMix {
    let (work_min, work_max) = workload.work();
    let share = |share| written(share, Share(0)).0;
    QueueMix {
        retries: retries(workload),
        exactly_once: workload.exactly_once.as_ref().map(|how| *how.get_ref()),
        batch: written(&workload.batch, 1),
        delayed_ppm: share(&workload.delayed),
        delay_ms: written(&workload.delay, Duration(500_000)).ms(),
        priorities: written(&workload.priorities, 1),
        groups: written(&workload.groups, 0),
        prefetch: written(&workload.prefetch, 10),
        work_min_us: work_min.us(),
        work_max_us: work_max.us(),
        nack_ppm: share(&workload.nack),
        crash_ppm: share(&workload.crash),
        max_depth: written(&workload.max_depth, 0),
        max_deliveries: written(&workload.max_deliveries, 0),
    }
}

fn cache_mix(workload: &Workload, capacity: u64) -> CacheMix {
    let bound_ms = written(&workload.bound, Duration(500_000)).ms();
    CacheMix {
        retries: retries(workload),
        mode: match written(&workload.mode, workload::ReadMode::Linearizable) {
            workload::ReadMode::Linearizable => ReadMode::Linearizable,
            workload::ReadMode::Lease => ReadMode::Lease,
            workload::ReadMode::Stale => ReadMode::Stale { bound_ms },
            workload::ReadMode::Local => ReadMode::Local,
        },
        cas_ppm: written(&workload.cas, Share(200_000)).0,
        multi_get: written(&workload.multi_get, 1),
        increments_ppm: written(&workload.increments, Share(0)).0,
        expiring_ppm: written(&workload.expiring, Share(0)).0,
        ttl_ms: workload.ttl().ms(),
        evicted: written(&workload.evicted, false),
        capacity,
        near: written(&workload.near, 0),
        access: access(workload),
        preload: written(&workload.preload, 0),
        fill_us: workload.fill.as_ref().map(|fill| {
            let (min, max) = fill.get_ref().or((Duration(0), Duration(0)));
            (min.us(), max.us())
        }),
        fill_ttl_ms: workload.ttl.as_ref().map(|ttl| ttl.get_ref().ms()),
        records: workload.mix.as_ref().map(|mix| {
            let mix = mix.get_ref();
            Records {
                insert_ppm: mix.insert.0,
                select_ppm: mix.select.0,
                update_ppm: mix.update.0,
                delete_ppm: mix.delete.0,
                inserts: written(&workload.inserts, 0),
            }
        }),
        rounds: written(&workload.rounds, 0),
        lists: list_mix(workload),
    }
}

fn list_mix(workload: &Workload) -> Option<ListMix> {
    let lists = workload.lists.as_ref()?.get_ref();
    let (work_min, work_max) = workload.work();
    let share = |share| written(share, Share(0)).0;
    Some(ListMix {
        push_ppm: lists.push.0,
        pop_ppm: lists.pop.0,
        move_ppm: lists.moves.0,
        length_ppm: lists.length.0,
        range_ppm: lists.range.0,
        workers: written(&workload.workers, 0),
        wait_ms: workload.wait().ms(),
        moved_ppm: share(&workload.moved),
        cancel_ppm: share(&workload.cancel),
        reversed_ppm: share(&workload.reversed),
        numbered: workload.exactly_once.is_some(),
        work_min_us: work_min.us(),
        work_max_us: work_max.us(),
    })
}

fn access(workload: &Workload) -> Access {
    let written = workload.access.as_ref();
    written.map_or_else(Access::default, |access| Access::of(access.get_ref()))
}

fn retries(workload: &Workload) -> Retries {
    let (after_min, after_max) = workload.retry_after();
    Retries {
        ppm: written(&workload.retries, Share(0)).0,
        after_min_us: after_min.us(),
        after_max_us: after_max.us(),
        session_ttl_ms: workload.session_ttl.as_ref().map(|ttl| ttl.get_ref().ms()),
        reused_ppm: written(&workload.reuse, Share(0)).0,
    }
}

fn pacing(workload: &Workload, load: Option<&LoadPlan>) -> Pacing {
    let (think_min, think_max) = workload.think();
    match load.map(|load| load.unit) {
        Some(LoadUnit::PerHour) => return Pacing::Arrivals,
        Some(LoadUnit::Users) => {
            return Pacing::Users {
                think_min_us: think_min.us(),
                think_max_us: think_max.us(),
            };
        }
        None => {}
    }
    if let Some(rate) = &workload.rate {
        let interval_us = rate.get_ref().interval_us();
        return Pacing::Open { interval_us };
    }
    Pacing::Closed {
        think_min_us: think_min.us(),
        think_max_us: think_max.us(),
    }
}

fn faults(scenario: &Scenario, phases: &PhasePlan) -> Vec<PlannedFault> {
    let mut planned: Vec<PlannedFault> = Vec::new();
    let chaos_end_us = phases.warmup_us + phases.chaos_us;
    let nodes = *scenario.cluster.nodes.get_ref() as usize;
    for fault in &scenario.faults {
        let fault = fault.get_ref();
        let action = fault.action.get_ref().map(|target| *target.get_ref());
        let targets = action.groups().concat().into_iter();
        let targets: usize = targets.map(|target| target.count(nodes)).sum();
        let (every_us, times) = fault.repeat.as_ref().map_or((0, 1), |repeat| {
            let repeat = repeat.get_ref();
            (repeat.every.get_ref().us(), *repeat.times.get_ref())
        });
        for time in 0..times {
            let at_us = phases.warmup_us + fault.at.get_ref().us() + time * every_us;
            let lasts_us = fault.lasts.as_ref().map(|lasts| lasts.get_ref().us());
            let until_us = match lasts_us.or(action.takes_us(targets)) {
                _ if action.is_instant() => at_us,
                Some(lasts_us) => at_us + lasts_us,
                None => chaos_end_us,
            };
            let until_us = match fault.within_budget {
                true => until_us.min(chaos_end_us),
                false => until_us,
            };
            planned.push(PlannedFault {
                id: 0,
                at_us,
                until_us,
                action: action.clone(),
                when: fault.when.as_ref().map(|when| *when.get_ref()),
                nth: fault.nth.as_ref().map_or(0, |nth| *nth.get_ref()),
                drawn: fault.within_budget,
            });
        }
    }
    planned
}

/// Those that are written out: for all of the chaos phase.
fn points(scenario: &Scenario, phases: &PhasePlan) -> Vec<PlannedPoint> {
    let plan = |point: &Spanned<PointTable>| {
        let point = point.get_ref();
        let (every_min, every_max) = point.every.get_ref().bounds();
        PlannedPoint {
            point: *point.name.get_ref(),
            does: match (point.wait(), &point.turns) {
                (Some((min, max)), _) => Delay::Wait {
                    min_us: min.us(),
                    max_us: max.us(),
                },
                (None, turns) => Delay::Yield {
                    turns: turns.as_ref().map_or(1, |turns| *turns.get_ref()),
                },
            },
            node: *point.node.get_ref(),
            every_min,
            every_max,
            times: point.times.as_ref().map(|times| *times.get_ref()),
            from_us: phases.warmup_us,
            until_us: phases.warmup_us + phases.chaos_us,
        }
    };
    scenario.points.iter().map(plan).collect()
}

fn chaos_options(chaos: &Chaos, cluster: &ClusterPlan) -> ChaosOptions {
    let us = |(min, max): (Duration, Duration)| (min.us(), max.us());
    ChaosOptions {
        nodes: cluster.nodes,
        spares: cluster.spares,
        kinds: match &chaos.kinds {
            Some(kinds) => kinds.get_ref().iter().map(|kind| *kind.get_ref()).collect(),
            None => {
                let kinds = FaultKind::ALL.iter().copied();
                let kinds = kinds.filter(|kind| kind.info().drawn == Drawn::Always);
                kinds.collect()
            }
        },
        kept_ppm: match chaos.swarm {
            true => chaos.kept.0,
            false => 1_000_000,
        },
        gap_us: us(chaos.gap()),
        lasts_us: us(chaos.lasts()),
        budget: match chaos.budget {
            section::Budget::Minority => Budget::Impaired(Target::Minority.count(cluster.nodes)),
            section::Budget::Damage => Budget::Damaged(Target::Minority.count(cluster.nodes)),
            section::Budget::Unlimited => Budget::Unlimited,
        },
        aimed_ppm: chaos.aimed.0,
    }
}

/// Written and drawn faults together, in order of time.
fn numbered(written: Vec<PlannedFault>, drawn: Vec<PlannedFault>) -> Vec<PlannedFault> {
    let mut planned = [written, drawn].concat();
    // Stable, so that faults of the same instant keep the order they are written in.
    planned.sort_by_key(|fault| fault.at_us);
    for (id, fault) in planned.iter_mut().enumerate() {
        fault.id = id;
    }
    planned
}

fn baseline(scenario: &Scenario) -> Option<BaselinePlan> {
    let written = scenario.objectives.baseline.as_ref()?;
    let name = written.name.clone();
    Some(BaselinePlan {
        file: written.file.clone(),
        name: name.unwrap_or_else(|| scenario.run_name()),
        tolerance: written.tolerance.0,
    })
}

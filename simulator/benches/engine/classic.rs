//! A part on classic `turmoil`: the same nodes and clients, driven tick by tick.
//!
//! Faults are the benchmark's own rule rather than the plan's: every ten seconds the leader
//! or another node in turn crashes, and starts again five seconds later, which is what the
//! plan of `kill-every-5s.toml` does.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use squall::history::Recorder;
use squall::measure;
use squall::plan::Plan;
use squall::workload::{self, Setting};
use squall_cluster::node::{Node, NodeOptions};
use squall_cluster::raft::{RaftOptions, node_name};
use squall_cluster::state::Limits;
use squall_world::World;
use turmoil::Sim;

use crate::engine;
use crate::figures::Figures;
use crate::machine::{Elapsed, Watch};
use crate::turmoil_disk::TurmoilDisk;
use crate::turmoil_world::{self, TurmoilWorld};

/// Port for clients, on every host.
const PORT: u16 = 7_000;
const TICK: Duration = Duration::from_millis(1);
/// A new cluster must have a leader within so many ticks.
const FORM_TICKS: u64 = 60_000;
/// Clients asked to stop must be done within so many ticks.
const FINISH_TICKS: u64 = 120_000;
/// From one crash to the next, and from a crash to the restart.
const CRASH_EVERY_TICKS: u64 = 10_000;
const DOWN_TICKS: u64 = 5_000;
/// Segments under way on a connection; `turmoil` resets it when there are more.
const TCP_SEGMENTS: usize = 4_096;

type Nodes = Rc<RefCell<Vec<Option<Node<TurmoilWorld>>>>>;

/// Runs nodes and load of a scenario for `seconds` of virtual time, after the cluster has
/// formed.
///
/// # Errors
/// The scenario is not valid, or the cluster does not form.
pub fn run(text: &str, seconds: u64) -> Result<Figures, String> {
    let plan = engine::plan(text, &[])?;
    turmoil_world::seed(plan.seed);
    let mut sim = builder(&plan).build();
    let nodes: Nodes = Rc::new(RefCell::new(vec![None; plan.cluster.nodes]));
    add_hosts(&mut sim, &plan, &nodes);
    step_until(&mut sim, FORM_TICKS, || leader(&nodes).is_some())?;

    let clock = || turmoil::sim_elapsed().unwrap_or_default().as_micros() as u64;
    let addresses = (0..plan.cluster.nodes).map(address_of).collect();
    let setting = Setting::new::<TurmoilWorld>(Recorder::new(clock), addresses);
    add_clients(&mut sim, &plan, &setting);
    let before = sim.elapsed();
    let watch = Watch::start();
    let mut down = None;
    for tick in 1..=seconds * 1_000 {
        if !plan.faults.is_empty() {
            crash_and_restart(&mut sim, &nodes, tick, &mut down);
        }
        sim.step().map_err(|e| e.to_string())?;
    }
    setting.stop();
    if let Some(host) = down {
        sim.bounce(node_name(host as u64 + 1));
    }
    step_until(&mut sim, FINISH_TICKS, || setting.is_finished())?;
    let simulate = watch.elapsed();
    let simulated = sim.elapsed() - before;

    nodes.borrow_mut().fill(None);
    let operations = measure::measure(&setting.recorder.take()).operations;
    Ok(Figures {
        simulated_ns: simulated.as_nanos() as u64,
        total: simulate,
        simulate,
        measure: Elapsed::default(),
        check: Elapsed::default(),
        events: 0,
        operations: operations.acknowledged,
        checks_passed: 0,
        checks: 0,
        peak_bytes: 0,
    })
}

fn builder(plan: &Plan) -> turmoil::Builder {
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(plan.seed)
        .tick_duration(TICK)
        .simulation_duration(Duration::MAX)
        .tcp_capacity(TCP_SEGMENTS)
        .min_message_latency(Duration::from_micros(plan.network.latency_min_us))
        .max_message_latency(Duration::from_micros(plan.network.latency_max_us));
    builder
}

fn address_of(node: usize) -> String {
    format!("{}:{PORT}", node_name(node as u64 + 1))
}

fn add_hosts(sim: &mut Sim<'_>, plan: &Plan, nodes: &Nodes) {
    for node in 0..plan.cluster.nodes {
        let (options, nodes) = (options(plan, node), nodes.clone());
        let disk = TurmoilDisk::new(&plan.disk);
        sim.host(node_name(options.id), move || {
            let (options, disk, nodes) = (options.clone(), disk.clone(), nodes.clone());
            async move {
                let started = Node::<TurmoilWorld>::start(options, disk).await?;
                nodes.borrow_mut()[node] = Some(started.clone());
                started.ended().await;
                Ok(())
            }
        });
    }
}

fn options(plan: &Plan, node: usize) -> NodeOptions {
    NodeOptions {
        id: node as u64 + 1,
        address: address_of(node),
        bind_host: Some("0.0.0.0".into()),
        members: (0..plan.cluster.nodes)
            .map(|node| (node as u64 + 1, address_of(node)))
            .collect(),
        raft: RaftOptions {
            heartbeat_ms: plan.cluster.heartbeat_ms,
            election_min_ms: plan.cluster.election_min_ms,
            election_max_ms: plan.cluster.election_max_ms,
            snapshot_every: plan.cluster.snapshot_every,
        },
        limits: Limits::default(),
    }
}

fn add_clients(sim: &mut Sim<'_>, plan: &Plan, setting: &Rc<Setting>) {
    let (plan, setting) = (plan.clone(), setting.clone());
    sim.client("clients", async move {
        workload::start(&setting, &plan);
        while !setting.is_finished() {
            TurmoilWorld::sleep(TICK).await;
        }
        Ok(())
    });
}

fn leader(nodes: &Nodes) -> Option<usize> {
    let nodes = nodes.borrow();
    let leads = |node: &Option<Node<_>>| node.as_ref().is_some_and(Node::is_leading);
    nodes.iter().position(leads)
}

/// Crashes the leader and another node in turn, and starts what is down again.
fn crash_and_restart(sim: &mut Sim<'_>, nodes: &Nodes, tick: u64, down: &mut Option<usize>) {
    if tick % CRASH_EVERY_TICKS == DOWN_TICKS
        && let Some(host) = down.take()
    {
        sim.bounce(node_name(host as u64 + 1));
    } else if tick.is_multiple_of(CRASH_EVERY_TICKS) {
        let round = (tick / CRASH_EVERY_TICKS) as usize;
        let count = nodes.borrow().len();
        let host = match leader(nodes) {
            Some(leader) if round % 2 == 1 => leader,
            _ => round % count,
        };
        // The handle must be gone before the host's runtime drops what it refers to.
        nodes.borrow_mut()[host] = None;
        sim.crash(node_name(host as u64 + 1));
        *down = Some(host);
    }
}

fn step_until(sim: &mut Sim<'_>, ticks: u64, done: impl Fn() -> bool) -> Result<(), String> {
    for _ in 0..ticks {
        if done() {
            return Ok(());
        }
        sim.step().map_err(|e| e.to_string())?;
    }
    Err(format!("nothing came of it within {ticks} ticks"))
}

//! The deterministic simulation: one plan, one history, to the byte.
//!
//! All hosts run on one thread under the virtual clock of [`squall_engine`]. `turmoil-net` gives
//! them sockets ([`network`]), `link` says when packets arrive, `turmoil-fs` gives them
//! disks ([`disk`]); no other part of Squall names turmoil's types. [`cluster`] holds the
//! machines, `site` shows them to the harness, which is the same for every backend.

#![warn(missing_docs)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use squall_cluster::raft::node_name;

pub mod address;
mod backend;
pub mod cluster;
pub mod disk;
mod disk_damage;
mod disk_fault;
pub mod log;
mod machines;
pub mod network;
mod open_files;
mod points;
mod process;
mod site;
mod stream;
pub mod system;
pub mod trace;
pub mod world;

pub use backend::{INFO, SimBackend};
use cluster::Cluster;
use network::Network;
use site::SimSite;
use system::System;
use world::SimWorld;

use squall_backend::contract::{self, Abilities};
use squall_backend::nemesis::Nemesis;
use squall_backend::phases::Stage;
use squall_backend::points::Then;
use squall_engine::executor::scheduler::{Scheduler, Usage};
use squall_engine::executor::{Executor, HostId, Nanos};
use squall_engine::processor::Processors;
use squall_history::{EventKind, History, Recorder};
use squall_plan::plan::{Costs, Order, Plan, ProcessorPlan};
use squall_workload::{Drivers, RunContext};

/// More task switches than this at one instant mean that time will never move again.
const LIVELOCK_POLLS: u64 = 20_000_000;

/// A finished simulation.
#[derive(Debug)]
pub struct SimRun {
    /// What happened.
    pub history: History,
    /// Virtual time, forming the cluster included, nanoseconds.
    pub simulated_ns: u64,
    /// Task switches and packets: the work done.
    pub events: u64,
    /// What each process has done, nodes first and the clients last; empty where work costs
    /// no time.
    pub usage: Vec<Usage>,
}

/// The simulation itself failed; says nothing about the cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimError {
    /// No leader was elected at the start; the state of the nodes.
    #[error("{0}")]
    NotFormed(String),
    /// Nothing can run any more, and the run is not over.
    #[error("nothing can happen any more at {at_us} us: every task waits")]
    Deadlock {
        /// Microseconds of virtual time.
        at_us: u64,
    },
    /// Tasks wake each other without end, and time stands still.
    #[error("time stands still at {at_us} us: tasks keep waking each other")]
    Livelock {
        /// Microseconds of virtual time.
        at_us: u64,
    },
}

thread_local! {
    static NET_HOSTS: RefCell<Vec<turmoil_net::HostId>> = const { RefCell::new(Vec::new()) };
}

/// Lets sockets be those of `host`.
fn switch_network(host: HostId) {
    NET_HOSTS.with_borrow(|hosts| {
        // Helpers have no sockets.
        if let Some(host) = hosts.get(host.0) {
            turmoil_net::set_current(*host);
        }
    });
}

/// Executes the plan.
///
/// # Errors
/// The harness failed: no leader was ever elected, or the simulation got stuck.
pub fn run(plan: &Plan) -> Result<SimRun, SimError> {
    run_system(plan, None)
}

/// Executes the plan on another system than Squall's own cluster, if one is given.
///
/// # Errors
/// As [`run`].
pub fn run_system(plan: &Plan, system: Option<&Arc<dyn System>>) -> Result<SimRun, SimError> {
    run_with(plan, system, async |stage| stage.play().await)
}

/// Forms the plan's cluster and holds it to the contract of backends, in place of the plan.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// If the contract is broken.
pub fn keep_contract(plan: &Plan) -> Result<SimRun, SimError> {
    run_with(plan, None, async |stage| {
        contract::check(&*stage.site, Abilities { pauses: true }).await;
    })
}

/// As [`run_system`], with what is done with the cluster once it has formed.
fn run_with(
    plan: &Plan,
    system: Option<&Arc<dyn System>>,
    play: impl AsyncFnOnce(Stage<SimSite>) + 'static,
) -> Result<SimRun, SimError> {
    let plan = Rc::new(plan.clone());
    let nodes = plan.cluster.nodes + plan.cluster.spares;
    trace::begin(nodes, system.is_none());
    // One host for all clients, one without sockets for the harness.
    let (clients, controller) = (HostId(nodes), HostId(nodes + 1));
    let processors = plan.processors.as_ref();
    let scheduler = processors
        .map(|plan| -> Box<dyn Scheduler> { Box::new(processors_of(plan, nodes, clients)) });
    let (executor, entered) = Executor::enter_with(scheduler, switch_network);
    let rng = plan.stream("network").rng();
    let network = Network::new(nodes + 2, &plan.network, rng);
    NET_HOSTS.with_borrow_mut(|hosts| *hosts = network.net_hosts().to_vec());
    let network = Rc::new(RefCell::new(network));
    if plan.processors.is_some() {
        (network.borrow_mut()).mind_processors(executor.clone());
    }
    add_hosts(&executor, &plan);
    if plan.order == Order::Random {
        executor.draw_order(plan.stream("order of tasks").rng());
        let rng = plan.stream("order of packets").rng();
        network.borrow_mut().draw_order(rng);
    }

    let start_ns = Rc::new(Cell::new(0));
    let recorder = {
        let (executor, start_ns) = (executor.clone(), start_ns.clone());
        Recorder::new(move || executor.now().saturating_sub(start_ns.get()) / 1_000)
    };
    start_ns.set(u64::MAX);
    let addresses = (0..plan.cluster.nodes).map(cluster::node_address);
    let addresses: Vec<String> = addresses.collect();
    let drivers = system.map(|system| drivers(system, &addresses));
    let services = backend::services(system);
    let context = RunContext::with_drivers::<SimWorld>(recorder, addresses, drivers);
    record_node_events(&context);

    let cluster = Cluster::new(
        executor.clone(),
        network.clone(),
        context.clone(),
        &plan,
        system.cloned(),
    );
    let site = Rc::new(SimSite {
        executor: executor.clone(),
        network: network.clone(),
        cluster: cluster.clone(),
        context: context.clone(),
        clients,
    });
    let stage = Stage {
        nemesis: Nemesis::new(site.clone(), context.clone(), &plan),
        site,
        context: context.clone(),
        services,
        plan: plan.clone(),
    };
    points::ask(at_points(&stage.nemesis));
    let outcome = Rc::new(RefCell::new(None));
    executor.spawn_on(controller, {
        let (executor, outcome) = (executor.clone(), outcome.clone());
        async move {
            let formed = stage.form().await;
            if formed.is_ok() {
                start_ns.set(executor.now());
                log::run_starts(executor.now());
                trace::run_starts(executor.now());
                play(stage).await;
            }
            *outcome.borrow_mut() = Some(formed);
        }
    });
    let driven = drive(&executor, &network, &cluster, &outcome);

    let simulated_ns = executor.now();
    let events = executor.polls() + network.borrow().delivered();
    let usage = (0..=nodes).filter_map(|host| executor.usage(HostId(host)));
    let usage = usage.collect();
    // Sockets must go before the network that they belong to.
    for host in 0..nodes + 2 {
        cluster.discard(HostId(host));
    }
    world::set_event_sink(None);
    points::ask(None);
    context.recorder.watch(None);
    drop(entered);
    driven?;
    Ok(SimRun {
        history: context.recorder.take(),
        simulated_ns,
        events,
        usage,
    })
}

/// Processors on which the nodes and the clients run.
fn processors_of(plan: &ProcessorPlan, nodes: usize, clients: HostId) -> Processors {
    let mut processors = Processors::default();
    processors.set_cores(plan.cores);
    // Whoever costs nothing is still one thread, if the other is not.
    let of_node = plan.node.unwrap_or_default();
    for node in 0..nodes {
        processors.charge(HostId(node), of_node);
        let of_helper = Costs {
            sync_ns: of_node.sync_ns,
            ..Costs::default()
        };
        processors.charge(background_of(node, nodes), of_helper);
    }
    processors.charge(clients, plan.client.unwrap_or_default());
    processors
}

/// The thread of a node that has its disk sync, of `nodes` nodes: after the nodes, the clients
/// and the harness.
fn background_of(node: usize, nodes: usize) -> HostId {
    HostId(nodes + 2 + node)
}

fn drivers(system: &Arc<dyn System>, addresses: &[String]) -> Drivers {
    let (system, addresses) = (system.clone(), addresses.to_vec());
    Box::new(move |number| system.client(&addresses, number))
}

fn add_hosts(executor: &Executor, plan: &Plan) {
    let nodes = plan.cluster.nodes + plan.cluster.spares;
    for node in 0..nodes {
        let rng = plan.stream("node").fork(&node_name(node as u64 + 1)).rng();
        // Spares have exact clocks.
        let clock = plan.clocks.get(node);
        let (offset_us, drift_ppm) = clock.map_or((0, 0), |c| (c.offset_us, c.drift_ppm));
        let host = executor.add_host(offset_us, drift_ppm, rng);
        executor.contain_panics(host);
    }
    executor.add_host(0, 0, plan.stream("clients").rng());
    executor.add_host(0, 0, plan.stream("controller").rng());
    if plan.processors.is_some() {
        for node in 0..nodes {
            let background = executor.add_host(0, 0, plan.stream("helper").rng());
            assert_eq!(
                background,
                background_of(node, nodes),
                "hosts are added in order"
            );
            executor.set_background(HostId(node), background);
        }
    }
}

fn record_node_events(context: &Rc<RunContext>) {
    let context = context.clone();
    world::set_event_sink(Some(Rc::new(move |host, event| {
        log::observe(host, &event);
        context.recorder.record(EventKind::Node {
            node: node_name(host.0 as u64 + 1),
            event,
        });
    })));
}

/// Notes where the nodes stand, if a trace wants to know it at a time before `next`.
fn look_at_nodes(cluster: &Cluster, next: Nanos) {
    loop {
        let mut wanted = None;
        trace::with(|tap| wanted = tap.look_before(next));
        let Some((at_us, with_contents)) = wanted else {
            return;
        };
        let states = cluster.states(at_us, with_contents);
        trace::with(|tap| states.into_iter().for_each(|state| tap.note_state(state)));
    }
}

/// The event loop: runs until the controller has its outcome.
fn drive(
    executor: &Rc<Executor>,
    network: &Rc<RefCell<Network>>,
    cluster: &Rc<Cluster>,
    outcome: &RefCell<Option<Result<(), String>>>,
) -> Result<(), SimError> {
    let mut polls_at_instant = executor.polls();
    stream::mark_dirty();
    loop {
        while executor.run_ready() {
            if executor.polls() - polls_at_instant > LIVELOCK_POLLS {
                let at_us = executor.now() / 1_000;
                return Err(SimError::Livelock { at_us });
            }
            cluster.reap();
        }
        if stream::take_dirty() {
            network.borrow_mut().collect(executor.now());
            if executor.has_ready() {
                continue;
            }
        }
        if let Some(formed) = outcome.borrow_mut().take() {
            return formed.map_err(SimError::NotFormed);
        }
        let arrival = network.borrow().next_arrival();
        let next = match (arrival, executor.next_timer()) {
            (Some(packet), Some(timer)) => packet.min(timer),
            (Some(at), None) | (None, Some(at)) => at,
            (None, None) => {
                let at_us = executor.now() / 1_000;
                return Err(SimError::Deadlock { at_us });
            }
        };
        if next > executor.now() {
            polls_at_instant = executor.polls();
        }
        let now = next.max(executor.now());
        look_at_nodes(cluster, now);
        executor.set_time(now);
        if network.borrow_mut().deliver_due(now) {
            stream::mark_dirty();
        }
        executor.fire_due();
    }
}

/// What the nemesis does at points, if it does anything.
fn at_points(nemesis: &Rc<Nemesis<SimSite>>) -> Option<points::Asked> {
    let points = nemesis.points()?.clone();
    let nemesis = nemesis.clone();
    Some(Rc::new(move |node, point| {
        let then = points.meet(nemesis.now_us(), node.0, point, |target| {
            nemesis.is_meant(node.0, target)
        });
        if matches!(then, Then::Stand(_)) {
            nemesis.site().cluster.set_held(node.0, true);
        }
        then
    }))
}

//! The classic `turmoil` engine: a second opinion on our own.
//!
//! The same nodes, plan, nemesis, clients and history as in simulation, on
//! [`turmoil::Sim`]: hosts run tick by tick of a millisecond on tokio's paused clock
//! ([`world`]), and links are as `turmoil` models them (`links`). What it does not model is
//! refused when a run is planned (`backend`). A seed gives the same history every time.
//!
//! Whoever leads the run is a task on the clients' host; what only the outside of a `turmoil`
//! simulation can do happens between two ticks (`cluster`).

#![warn(missing_docs)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use squall_cluster::raft::node_name;
use turmoil::Sim;

mod backend;
mod cluster;
pub mod disk;
mod host;
mod links;
mod site;
pub mod world;

pub use backend::{INFO, TurmoilBackend};

use cluster::Cluster;
use host::Entered;
use links::Links;
use site::TurmoilSite;
use world::TurmoilWorld;

use squall_backend::contract::{self, Abilities};
use squall_backend::nemesis::Nemesis;
use squall_backend::phases::Stage;
use squall_history::{EventKind, History, Recorder};
use squall_plan::plan::Plan;
use squall_workload::RunContext;

const TICK: Duration = Duration::from_millis(1);
/// Segments under way on a connection; a writer waits when there are more.
const TCP_SEGMENTS: usize = 4_096;
/// What a run may take beyond its planned phases: forming, healing, finishing and comparing
/// are each bounded, and take less together.
const SLACK: Duration = Duration::from_secs(3_600);
/// Name of the host of clients and harness.
const CLIENTS: &str = "clients";

/// The simulation itself failed; says nothing about the cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TurmoilError {
    /// No leader was ever elected.
    #[error("{0}")]
    NotFormed(String),
    /// `turmoil` gave up.
    #[error("turmoil: {0}")]
    Engine(String),
    /// The run did not come to its end in `limit` of virtual time.
    #[error("the run did not end within {} s of virtual time", limit.as_secs())]
    Stuck {
        /// Virtual time that it had.
        limit: Duration,
    },
}

/// A finished simulation.
#[derive(Debug)]
pub struct TurmoilRun {
    /// What happened.
    pub history: History,
    /// Virtual time, forming the cluster included.
    pub simulated: Duration,
}

/// Executes the plan, which [`TurmoilBackend`] does not refuse.
///
/// # Errors
/// The harness failed: no leader was ever elected, or the simulation got stuck.
pub fn run(plan: &Plan) -> Result<TurmoilRun, TurmoilError> {
    run_with(plan, async |stage| stage.play().await)
}

/// Forms the plan's cluster and holds it to the contract of backends, in place of the plan.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// If the contract is broken.
pub fn keep_contract(plan: &Plan) -> Result<TurmoilRun, TurmoilError> {
    run_with(plan, async move |stage| {
        contract::check(&*stage.site, Abilities { pauses: false }).await;
    })
}

/// As [`run`], with what is done with the cluster once it has formed.
fn run_with(
    plan: &Plan,
    play: impl AsyncFnOnce(Stage<TurmoilSite>) + 'static,
) -> Result<TurmoilRun, TurmoilError> {
    let plan = Rc::new(plan.clone());
    let nodes = plan.cluster.nodes + plan.cluster.spares;
    let start_us = Rc::new(Cell::new(u64::MAX));
    let recorder = {
        let start_us = start_us.clone();
        Recorder::new(move || (host::elapsed().as_micros() as u64).saturating_sub(start_us.get()))
    };
    let addresses = (0..plan.cluster.nodes).map(cluster::node_address);
    let context = RunContext::new::<TurmoilWorld>(recorder, addresses.collect());
    let entered = enter(&plan, nodes, &context);
    let mut sim = builder(&plan).build();

    let names = (0..nodes).map(|node| node_name(node as u64 + 1));
    let names = names.chain([CLIENTS.to_owned()]).collect();
    let cluster = Cluster::new(&plan, &context, Links::new(names, &plan.network));
    cluster.add_hosts(&mut sim);
    let outcome = Rc::new(RefCell::new(None));
    add_clients(
        &mut sim,
        &plan,
        &context,
        &cluster,
        start_us,
        outcome.clone(),
        play,
    );
    cluster.links.borrow_mut().set(&mut sim);
    let driven = drive(&mut sim, &plan, &cluster, &entered, &outcome);

    let simulated = sim.elapsed();
    cluster.discard(&mut sim, &entered);
    drop(sim);
    context.recorder.watch(None);
    drop(entered);
    driven?;
    // Hosts run a tick one after the other: this puts what they recorded in its place.
    let history = context.recorder.take();
    Ok(TurmoilRun { history, simulated })
}

fn builder(plan: &Plan) -> turmoil::Builder {
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(plan.stream("turmoil").0)
        .tick_duration(TICK)
        .simulation_duration(Duration::MAX)
        .tcp_capacity(TCP_SEGMENTS);
    builder
}

/// Makes this thread the simulation's: random numbers as on our own engine, and events of
/// nodes for the history.
fn enter(plan: &Plan, nodes: usize, context: &Rc<RunContext>) -> Entered {
    let of_node = |node| plan.stream("node").fork(&node_name(node as u64 + 1)).rng();
    let streams = (0..nodes).map(of_node);
    let streams = streams.chain([plan.stream("clients").rng()]);
    let context = context.clone();
    Entered::new(
        streams.collect(),
        Rc::new(move |host, event| {
            let node = node_name(host as u64 + 1);
            context.recorder.record(EventKind::Node { node, event });
        }),
    )
}

fn add_clients(
    sim: &mut Sim<'_>,
    plan: &Rc<Plan>,
    context: &Rc<RunContext>,
    cluster: &Rc<Cluster>,
    start_us: Rc<Cell<u64>>,
    outcome: Rc<RefCell<Option<Result<(), String>>>>,
    play: impl AsyncFnOnce(Stage<TurmoilSite>) + 'static,
) {
    let site = Rc::new(TurmoilSite {
        cluster: cluster.clone(),
        context: context.clone(),
    });
    let stage = Stage {
        nemesis: Nemesis::new(site.clone(), context.clone(), plan),
        site,
        context: context.clone(),
        services: squall_workload::shipped(),
        plan: plan.clone(),
    };
    let lead = async move {
        let formed = stage.form().await;
        if formed.is_ok() {
            start_us.set(host::elapsed().as_micros() as u64);
            play(stage).await;
        }
        *outcome.borrow_mut() = Some(formed);
        Ok(())
    };
    sim.client(CLIENTS, host::on_host(cluster.len(), lead));
}

/// Ticks until the run has its outcome.
fn drive(
    sim: &mut Sim<'_>,
    plan: &Plan,
    cluster: &Cluster,
    entered: &Entered,
    outcome: &RefCell<Option<Result<(), String>>>,
) -> Result<(), TurmoilError> {
    let phases = &plan.phases;
    let planned_us =
        phases.warmup_us + phases.chaos_us + phases.converge_us + phases.serve_us + phases.audit_us;
    let limit = Duration::from_micros(planned_us) + SLACK;
    loop {
        entered.set_between_ticks(None);
        let stepped = sim.step();
        entered.set_between_ticks(Some(sim.elapsed()));
        stepped.map_err(|error| TurmoilError::Engine(error.to_string()))?;
        cluster.between_ticks(sim, entered);
        if let Some(formed) = outcome.borrow_mut().take() {
            return formed.map_err(TurmoilError::NotFormed);
        }
        if sim.elapsed() > limit {
            return Err(TurmoilError::Stuck { limit });
        }
    }
}

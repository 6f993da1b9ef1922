//! Real containers on this machine's Docker engine: one plan, one history, in real time.
//!
//! The clients, the probes and the clock of record are in this process and in the real
//! [`World`]; the nodes are `squall-node` processes in containers (`machine`, `run_resources`).
//! Faults hit real processes (`process`) and real packets ([`squall_linux::links`]), and count
//! only when they have been seen to work. Nothing here is deterministic. A cluster without
//! faults and workload can be measured from outside ([`with_idle_cluster`]). All types of
//! Docker stop in `engine`.
//!
//! Everything that a run makes has the run's label and is removed at its end, however it ends;
//! what a killed run has left behind, the next one removes ([`squall_linux::run_owner`]).

#![warn(missing_docs)]

use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use squall_world::{RealWorld, World};
use tokio::task::LocalSet;

mod backend;
mod cluster;
mod engine;
mod idle_cluster;
mod image;
mod machine;
mod node_status;
mod process;
mod run_resources;
mod site;

pub use backend::{DockerBackend, INFO};
use cluster::Cluster;
use engine::Engine;
pub use idle_cluster::{IdleNode, with_idle_cluster};
use machine::Machine;
use run_resources::RunResources;
pub use squall_linux::links_can_be_broken;

use squall_backend::resources;
use squall_history::History;
use squall_history::resources::ResourceSample;
use squall_linux::sampler::{self, Metered};
use squall_plan::plan::Plan;

/// How often a wish to end the run is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// How to run, beside the plan.
#[derive(Default)]
pub struct Options {
    /// A static `squall-node`; found by itself if none is named.
    pub node_binary: Option<PathBuf>,
    /// Bug that all nodes are to make; their binary must have it compiled in.
    pub planted: Option<String>,
    /// Whether the run is to end early.
    pub interrupted: Option<Box<dyn Fn() -> bool>>,
}

/// A finished run.
#[derive(Debug)]
pub struct DockerRun {
    /// What happened.
    pub history: History,
    /// What nodes used of their machines, in order of time.
    pub resources: Vec<ResourceSample>,
}

/// The harness failed; says nothing about the cluster.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// The engine cannot be reached, or refused a request.
    #[error("{0}")]
    Engine(String),
    /// The image of the nodes could not be built.
    #[error("{0}")]
    Image(String),
    /// The cluster did not form, or the harness failed.
    #[error("{0}")]
    Run(String),
    /// The run was interrupted.
    #[error("interrupted; what the run had made is removed")]
    Interrupted,
}

/// Executes the plan, which [`DockerBackend`] does not refuse.
///
/// # Errors
/// The engine cannot be used, or the cluster did not form; or the run was interrupted.
/// Whatever the run had made is removed also then.
pub fn run(plan: &Plan, options: &Options) -> Result<DockerRun, DockerError> {
    in_run(plan, options, async |resources| {
        play(plan, options, resources).await
    })
}

/// Has a lab set up, works in it until that is done or somebody wants it to end, and removes
/// all that was made.
#[allow(clippy::disallowed_methods)] // real time begins here
fn in_run<T>(
    plan: &Plan,
    options: &Options,
    work: impl AsyncFnOnce(Rc<RunResources>) -> Result<T, DockerError>,
) -> Result<T, DockerError> {
    block_on(async {
        let engine = Engine::connect().await?;
        run_resources::sweep(&engine).await?;
        if backend::has_link_faults(plan) {
            squall_linux::links_can_be_broken().map_err(|why| {
                DockerError::Run(format!("faults of links are not possible: {why}"))
            })?;
        }
        let image = image::ensure(&engine, options.node_binary.as_deref()).await?;
        let resources = Rc::new(RunResources::new(engine, image));
        let worked = {
            let wish = pin!(wish_to_end(options.interrupted.as_deref()));
            let work = pin!(work(resources.clone()));
            match select(work, wish).await {
                Either::Left((worked, _)) => worked,
                Either::Right(((), _)) => Err(DockerError::Interrupted),
            }
        };
        let removed = resources.tear_down().await;
        let result = worked?;
        removed.map(|()| result)
    })
}

/// Removes what runs that were killed have left behind; how many there were.
///
/// # Errors
/// The engine cannot be used.
pub fn clean() -> Result<usize, DockerError> {
    block_on(async {
        let engine = Engine::connect().await?;
        run_resources::sweep(&engine).await
    })
}

fn block_on<T>(work: impl Future<Output = Result<T, DockerError>>) -> Result<T, DockerError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| DockerError::Run(format!("no event loop: {e}")))?;
    LocalSet::new().block_on(&runtime, work)
}

async fn wish_to_end(interrupted: Option<&dyn Fn() -> bool>) {
    while !interrupted.is_some_and(|is_asked| is_asked()) {
        RealWorld::sleep(LOOK).await;
    }
}

/// Sets the machines up and plays all phases on them.
async fn play(
    plan: &Plan,
    options: &Options,
    resources: Rc<RunResources>,
) -> Result<DockerRun, DockerError> {
    let cluster = Cluster::set_up(plan, options, resources).await?;
    let samples = cluster
        .unless_it_fails(async {
            cluster.form().await?;
            let samples = sampler::start(&cluster.clock, metered(&cluster.machines));
            let seen = samples.clone();
            let gauge = move |from_us, to_us| resources::usage(&seen.borrow(), from_us, to_us);
            cluster.stage.context.measure_by(Box::new(gauge));
            cluster.stage.play().await;
            Ok(samples)
        })
        .await?;
    Ok(DockerRun {
        // What nodes say arrives a little after it happened: this puts it in its place.
        history: cluster.stage.context.recorder.take(),
        resources: samples.take(),
    })
}

/// The nodes, as whoever reads the kernel's accounts must know them.
fn metered(machines: &[Rc<Machine>]) -> impl Fn() -> Vec<Metered> + 'static {
    let machines = machines.to_vec();
    move || {
        let machines = machines.iter().map(|machine| Metered {
            name: machine.name(),
            network_pid: machine.holder.pid,
            pid: machine.pid(),
        });
        machines.collect()
    }
}

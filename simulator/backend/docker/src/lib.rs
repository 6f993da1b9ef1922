//! Real containers on this machine's Docker engine: one plan, one history, in real time.
//!
//! The clients, the probes and the clock of record are in this process and in the real
//! [`RealWorld`](squall_world::RealWorld); the nodes are `squall-node` processes in containers
//! (`host`, `run_resources`), led through the run by [`squall_linux::cluster`]. Faults hit real
//! processes (`process`) and real packets ([`squall_linux::links`]), and count only when they
//! have been seen to work. Nothing here is deterministic. A cluster without
//! faults and workload can be measured from outside ([`with_idle_cluster`]). All types of
//! Docker stop in `engine`.
//!
//! Everything that a run makes has the run's label and is removed at its end, however it ends;
//! what a killed run has left behind, the next one removes ([`squall_linux::run_owner`]).

#![warn(missing_docs)]

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

mod backend;
mod engine;
mod host;
mod idle_cluster;
mod image;
mod process;
mod run_resources;

pub use backend::{DockerBackend, INFO};
use engine::Engine;
use host::Containers;
pub use idle_cluster::{IdleNode, with_idle_cluster};
use run_resources::{Holder, RunResources};
pub use squall_linux::links_can_be_broken;

use squall_backend::backend::{RunOutput, has_link_faults};
use squall_linux::cluster::{Cluster, Parts, block_on, unless_interrupted};
use squall_linux::links::Links;
use squall_linux::netns::NetNs;
use squall_linux::squall_node::NodeArguments;
use squall_plan::plan::Plan;

/// Port for clients, on every machine.
const PORT: u16 = 7_000;

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
pub fn run(plan: &Plan, options: &Options) -> Result<RunOutput, DockerError> {
    in_run(plan, options, async |resources| {
        let cluster = set_up(plan, options, resources).await?;
        cluster.play().await.map_err(DockerError::Run)
    })
}

/// Has a lab set up, works in it until that is done or somebody wants it to end, and removes
/// all that was made.
fn in_run<T>(
    plan: &Plan,
    options: &Options,
    work: impl AsyncFnOnce(Rc<RunResources>) -> Result<T, DockerError>,
) -> Result<T, DockerError> {
    let work = async {
        let engine = Engine::connect().await?;
        run_resources::sweep(&engine).await?;
        if has_link_faults(plan) {
            squall_linux::links_can_be_broken().map_err(|why| {
                DockerError::Run(format!("faults of links are not possible: {why}"))
            })?;
        }
        let image = image::ensure(&engine, options.node_binary.as_deref()).await?;
        let resources = Rc::new(RunResources::new(engine, image));
        let interrupted = options.interrupted.as_deref();
        let worked = unless_interrupted(interrupted, work(resources.clone())).await;
        let removed = resources.tear_down().await;
        let result = worked.unwrap_or(Err(DockerError::Interrupted))?;
        removed.map(|()| result)
    };
    block_on(work, DockerError::Run)
}

/// Removes what runs that were killed have left behind; how many there were.
///
/// # Errors
/// The engine cannot be used.
pub fn clean() -> Result<usize, DockerError> {
    let work = async {
        let engine = Engine::connect().await?;
        run_resources::sweep(&engine).await
    };
    block_on(work, DockerError::Run)
}

/// Has the machines made. No node runs yet.
async fn set_up(
    plan: &Plan,
    options: &Options,
    resources: Rc<RunResources>,
) -> Result<Cluster<Containers>, DockerError> {
    let count = plan.cluster.nodes + plan.cluster.spares;
    let holders = resources.set_up(count).await?;
    let address = |holder: &Holder| format!("{}:{PORT}", holder.ip);
    let addresses: Vec<String> = holders.iter().map(address).collect();
    let links = open_links(plan, &holders).await?;
    let members = &addresses[..plan.cluster.nodes];
    let host = Containers {
        resources,
        holders,
        arguments: NodeArguments::new(&plan.cluster, members, options.planted.as_deref()),
        addresses: addresses.clone(),
        created: RefCell::new(vec![None; count]),
    };
    let parts = Parts {
        host,
        addresses,
        links,
        polled: None,
        drivers: None,
        services: squall_workload::shipped(),
    };
    Ok(Cluster::new(plan, parts))
}

async fn open_links(plan: &Plan, holders: &[Holder]) -> Result<Option<Links>, DockerError> {
    if !has_link_faults(plan) {
        return Ok(None);
    }
    let ips = holders.iter().map(|holder| holder.ip.clone()).collect();
    let opened = async {
        let namespaces = holders.iter().map(|holder| NetNs::of(holder.pid));
        let namespaces = namespaces.collect::<Result<_, _>>()?;
        Links::open(namespaces, ips, plan.stream("links")).await
    };
    let links = opened.await.map_err(|e| {
        DockerError::Run(format!(
            "faults of links need to enter the networks of containers, as root: {e}"
        ))
    })?;
    links.must_work().await.map_err(DockerError::Run)?;
    Ok(Some(links))
}

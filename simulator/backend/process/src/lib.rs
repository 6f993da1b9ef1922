//! Ordinary processes of this machine: one plan, one history, in real time.
//!
//! A system ([`launch`]) says which processes make a node. As root, each node has a network of
//! its own (`network`), so that links between nodes are broken as containers' are; without
//! root, nodes share the loopback, and only processes can be broken. Everything else (signals,
//! packets, probes, meters, what is recorded) is [`squall_linux`]'s, as for containers. Nothing
//! here is deterministic.
//!
//! Everything that a run makes is removed at its end, however it ends; what a killed run has
//! left behind, the next one removes: processes (`ledger`, `leftovers`), with them their
//! networks, and files (`lab`).

#![warn(missing_docs)]

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

mod backend;
mod host;
mod lab;
pub mod launch;
mod ledger;
mod leftovers;
mod network;
mod node_processes;
mod squall_system;

pub use backend::{INFO, ProcessBackend};

use host::Processes;
use lab::Lab;
use launch::{NodeSystem, Observer};
use ledger::Ledger;
use leftovers::{Mark, Networks};
use network::Network;
use squall_backend::backend::{RunOutput, has_link_faults};
use squall_linux::cluster::{Cluster, Parts, block_on, unless_interrupted};
use squall_linux::links::Links;
use squall_linux::run_owner::{Life, Owner};
use squall_plan::plan::Plan;
use squall_system::SquallNode;

/// Port for clients, on every node.
const PORT: u16 = 7_000;

/// How to run, beside the plan.
#[derive(Default)]
pub struct Options {
    /// What the nodes run; `None`: Squall's own node.
    pub system: Option<Rc<dyn NodeSystem>>,
    /// A `squall-node`; found by itself if none is named.
    pub node_binary: Option<PathBuf>,
    /// Bug that all nodes are to make; their binary must have it compiled in.
    pub planted: Option<String>,
    /// Whether the run is to end early.
    pub interrupted: Option<Box<dyn Fn() -> bool>>,
}

/// The harness failed; says nothing about the cluster.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The cluster did not form, or the harness failed.
    #[error("{0}")]
    Run(String),
    /// The run was interrupted.
    #[error("interrupted; what the run had made is removed")]
    Interrupted,
}

/// Whether nodes have networks of their own here, and links between them can be broken.
///
/// # Errors
/// Why they cannot.
pub fn links_can_be_broken() -> Result<(), String> {
    network::can_be_isolated()?;
    squall_linux::links_can_be_broken()
}

/// Executes the plan, which [`ProcessBackend`] does not refuse.
///
/// # Errors
/// Nodes cannot be started, or the cluster did not form; or the run was interrupted. Whatever
/// the run had made is removed also then.
pub fn run(plan: &Plan, options: &Options) -> Result<RunOutput, ProcessError> {
    in_run(plan, options, async |cluster| {
        cluster.play().await.map_err(ProcessError::Run)
    })
}

/// Removes what runs that were killed have left behind; how many there were.
///
/// # Errors
/// Something cannot be removed.
pub fn clean() -> Result<usize, ProcessError> {
    block_on(sweep(), ProcessError::Run)
}

/// Has the machines made, works with them until that is done or somebody wants it to end, and
/// removes all that was made.
fn in_run<T>(
    plan: &Plan,
    options: &Options,
    work: impl AsyncFnOnce(Cluster<Processes>) -> Result<T, ProcessError>,
) -> Result<T, ProcessError> {
    let work = async {
        sweep().await?;
        if has_link_faults(plan) {
            links_can_be_broken().map_err(|why| {
                ProcessError::Run(format!("faults of links are not possible: {why}"))
            })?;
        }
        let system = system(options)?;
        let count = plan.cluster.nodes + plan.cluster.spares;
        let network = Rc::new(Network::open(count, PORT).await?);
        let lab = Lab::make(count);
        let lab = Rc::new(lab.map_err(|e| failed("no directory for nodes", &e))?);
        let mark = Mark {
            run: lab.run.clone(),
            owner: Owner::me(),
            network: network.bridge_id(),
        };
        system.mark(mark.variables());
        let ledger = Ledger::new(lab.record());
        let worked = {
            let entered = network.enter();
            let _inside = entered.map_err(|e| failed("the network of nodes", &e))?;
            let play = async {
                let cluster = set_up(plan, system, &lab, &network, &ledger).await?;
                work(cluster).await
            };
            unless_interrupted(options.interrupted.as_deref(), play).await
        };
        let removed = tear_down(&lab, &network, &ledger).await;
        match (worked.unwrap_or(Err(ProcessError::Interrupted)), removed) {
            (worked, Ok(())) => worked,
            (Ok(_), Err(left)) => Err(left),
            (Err(why), Err(left)) => Err(ProcessError::Run(format!("{why}; and {left}"))),
        }
    };
    block_on(work, ProcessError::Run)
}

fn system(options: &Options) -> Result<Rc<dyn NodeSystem>, ProcessError> {
    if let Some(system) = &options.system {
        return Ok(system.clone());
    }
    let node = SquallNode::find(options.node_binary.as_deref(), options.planted.as_deref());
    Ok(Rc::new(node.map_err(ProcessError::Run)?))
}

/// Puts the cluster together. No node runs yet.
async fn set_up(
    plan: &Plan,
    system: Rc<dyn NodeSystem>,
    lab: &Rc<Lab>,
    network: &Rc<Network>,
    ledger: &Arc<Ledger>,
) -> Result<Cluster<Processes>, ProcessError> {
    let count = network.ips.len();
    let host = Processes {
        lab: lab.clone(),
        network: network.clone(),
        system: system.clone(),
        cluster: plan.cluster.clone(),
        port: PORT,
        ledger: ledger.clone(),
        started: RefCell::new(vec![None; count]),
    };
    let address = |node| {
        let launch = host.launch(node, node >= plan.cluster.nodes)?;
        Ok(launch.address)
    };
    let addresses: Result<Vec<String>, String> = (0..count).map(address).collect();
    let addresses = addresses.map_err(ProcessError::Run)?;
    let polled = match system.observer(&addresses) {
        Observer::Events => None,
        Observer::Polled(polled) => Some(polled),
    };
    let parts = Parts {
        links: open_links(plan, network).await?,
        polled,
        drivers: system.drivers(&addresses[..plan.cluster.nodes]),
        services: system.services(),
        addresses,
        host,
    };
    Ok(Cluster::new(plan, parts))
}

async fn open_links(plan: &Plan, network: &Network) -> Result<Option<Links>, ProcessError> {
    if !has_link_faults(plan) {
        return Ok(None);
    }
    let ips = network.ips.iter().map(|ip| ip.to_string()).collect();
    let opened = async {
        let namespaces = network
            .namespaces
            .iter()
            .map(|namespace| namespace.try_clone());
        let namespaces = namespaces.collect::<Result<_, _>>()?;
        Links::open(namespaces, ips, plan.stream("links")).await
    };
    let links = opened.await.map_err(|e| failed("faults of links", &e))?;
    links.must_work().await.map_err(ProcessError::Run)?;
    Ok(Some(links))
}

/// Removes what this run has made.
async fn tear_down(lab: &Lab, network: &Network, ledger: &Ledger) -> Result<(), ProcessError> {
    // While the leaders of groups have not been waited for, groups are known for certain.
    let groups = ledger.end().await;
    let made = network
        .made()
        .map_err(|e| failed("the networks of nodes", &e))?;
    let rest = leftovers::end(|mark| mark.run == lab.run, Networks::of(made), &[]).await;
    groups.and(rest).map_err(ProcessError::Run)?;
    lab.remove().map_err(|e| failed("the run's directory", &e))
}

/// Removes what runs have left behind whose process is dead; how many there were.
async fn sweep() -> Result<usize, ProcessError> {
    let failed = |e| failed("what earlier runs have left", &e);
    let is_dead = |owner: &Owner| owner.life() == Life::Dead;
    let records = lab::dead().map_err(failed)?;
    let ended = leftovers::end(|mark| is_dead(&mark.owner), Networks::default(), &records).await;
    let mut runs = ended.map_err(ProcessError::Run)?;
    // Only now: what they have written down is all that is known of some.
    lab::sweep(&records).map_err(failed)?;
    runs.extend(records.into_iter().map(|record| record.run));
    Ok(runs.len())
}

fn failed(what: &str, error: &std::io::Error) -> ProcessError {
    ProcessError::Run(format!("{what}: {error}"))
}

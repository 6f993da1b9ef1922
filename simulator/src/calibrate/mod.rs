//! Measures what a simulation assumes, on a cluster that really runs, and writes it as a
//! `[hardware]` profile.
//!
//! ```text
//! Target ──▶ disk, wire, load ──▶ Measurements ──▶ fit (the same load, simulated) ──▶ profile
//! ```
//!
//! The times of a sync and of a message are measured directly. The cost of a message to a
//! processor is not: of each process only its whole processor time is known, at several
//! loads. So the same loads are simulated, which counts what every process did, and the
//! costs are those that explain the measured times by these counts (`fit`).
//!
//! The caller decides where the nodes run, as long as their processes are visible on this
//! machine; [`measure_containers`] has some of its own.

mod containers;
mod disk;
mod fit;
mod load;
mod processor;
mod profile;
mod scenario;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use crate::plan::Costs;
use squall_docker::DockerError;

pub use containers::measure_containers;
pub use load::Load;
pub use processor::cores;
pub use profile::profile;
pub use scenario::Shape;
pub use wire::Questions;

/// Clients of the closed loops.
pub const CLIENTS: [u64; 3] = [1, 8, 32];

/// A cluster that runs, with nothing else to do.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where clients reach each node, `host:port`.
    pub addresses: Vec<String>,
    /// The process of each node, as this machine numbers it.
    pub processes: Vec<u32>,
    /// A directory on each node's disk that files may be made in.
    pub directories: Vec<PathBuf>,
    /// Cores that all nodes and the clients share; `None`: each has its own machine.
    pub cores: Option<u64>,
}

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Of each disk.
    pub syncs: usize,
    /// To each node.
    pub questions: usize,
    /// Of each closed loop.
    pub load: Duration,
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct Measurements {
    /// As in [`Target`].
    pub cores: Option<u64>,
    /// How many nodes there were.
    pub nodes: usize,
    /// Nanoseconds, in rising order.
    pub syncs_ns: Vec<u64>,
    /// Questions asked of one node, one at a time.
    pub questions: Questions,
    /// Of each number of [`CLIENTS`], one that sets and one that gets.
    pub loads: Vec<Load>,
    /// Of each closed loop.
    pub length: Duration,
}

/// What was measured, and what explains it.
#[derive(Debug, Clone)]
pub struct Calibration {
    /// What the rest was made from.
    pub measured: Measurements,
    /// Processor time that a node needs.
    pub node: Costs,
    /// Processor time that a client needs.
    pub client: Costs,
    /// One way, without what sender and receiver do; nanoseconds, in rising order.
    pub latencies_ns: Vec<u64>,
    /// The loads again, simulated with the costs above.
    pub simulated: Vec<Load>,
}

/// Why there is no calibration.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// A directory cannot be written or synced.
    #[error("{path}: {source}")]
    Disk {
        /// As it was given.
        path: String,
        /// As the operating system has it.
        source: std::io::Error,
    },
    /// A node does not answer as it should.
    #[error("{address}: {why}")]
    Node {
        /// `host:port`, as it was given.
        address: String,
        /// In words.
        why: String,
    },
    /// What a process uses cannot be read.
    #[error("process {pid}: {why}; it must run on this machine")]
    Process {
        /// Its id.
        pid: u32,
        /// In words.
        why: String,
    },
    /// No operation of a load was acknowledged.
    #[error("a closed loop of {clients} clients got no answer; do the nodes form a cluster?")]
    NoAnswer {
        /// How many the load had.
        clients: u64,
    },
    /// Numbers that do not go together.
    #[error("a calibration needs as many processes and directories as nodes: {0}")]
    Target(String),
    /// Why, in words.
    #[error("the simulation of a load failed: {0}")]
    Simulation(String),
    /// As the operating system has it.
    #[error("the machine's event loop cannot be set up: {0}")]
    EventLoop(std::io::Error),
    /// Why, in words.
    #[error("the containers failed: {0}")]
    Containers(#[from] DockerError),
}

/// Measures the target. `tell` hears about progress.
///
/// # Errors
/// A node, its process or its disk cannot be reached.
pub fn measure(
    target: &Target,
    effort: Effort,
    tell: &dyn Fn(&str),
) -> Result<Measurements, CalibrateError> {
    let nodes = target.addresses.len();
    if nodes == 0 || target.processes.len() != nodes || target.directories.len() != nodes {
        let (processes, directories) = (target.processes.len(), target.directories.len());
        return Err(CalibrateError::Target(format!(
            "{nodes} nodes, {processes} processes, {directories} directories"
        )));
    }
    tell("syncing the disk of every node …");
    let syncs_ns = disk::syncs(&target.directories, effort.syncs)?;
    tell("asking every node and waiting for the answer …");
    let questions = wire::questions(&target.addresses, &target.processes, effort.questions)?;
    let mut loads = Vec::new();
    for reads in [false, true] {
        for clients in CLIENTS {
            let what = if reads { "get" } else { "set" };
            tell(&format!(
                "a closed loop of {clients} clients that {what} keys …"
            ));
            let shape = Shape { clients, reads };
            loads.push(load::measured(target, shape, effort.load)?);
        }
    }
    Ok(Measurements {
        cores: target.cores,
        nodes,
        syncs_ns,
        questions,
        loads,
        length: effort.load,
    })
}

/// Finds the costs that explain what was measured.
///
/// # Errors
/// The same loads cannot be simulated.
pub fn explain(measured: Measurements) -> Result<Calibration, CalibrateError> {
    let fitted = fit::fit(&measured)?;
    Ok(Calibration {
        node: fitted.node,
        client: fitted.client,
        latencies_ns: fitted.latencies_ns,
        simulated: fitted.simulated,
        measured,
    })
}

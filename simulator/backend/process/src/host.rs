//! This machine as a [`Host`]: nodes are processes of ours.

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use squall_fault::node_name;
use squall_linux::host::{Host, HostProcess, Started};
use squall_linux::run_owner::Owner;
use squall_linux::sampler::Network as Meter;
use squall_plan::plan::ClusterPlan;
use squall_world::{RealWorld, World, timeout};

use super::lab::{self, Lab};
use super::launch::{Launch, NodeContext, NodeSystem, Program, Ready};
use super::ledger::Ledger;
use super::leftovers::Mark;
use super::network::Network;
use super::node_processes::{self, NodeProcesses};

/// Nodes can be asked within this time of their first start.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks whether one can be.
const LOOK: Duration = Duration::from_millis(20);
/// A look that takes longer has seen nothing.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// The processes of one run.
pub(super) struct Processes {
    pub lab: Rc<Lab>,
    pub network: Rc<Network>,
    pub system: Rc<dyn NodeSystem>,
    pub cluster: ClusterPlan,
    pub port: u16,
    pub ledger: Arc<Ledger>,
    /// The number of each node's main process that was started last.
    pub started: RefCell<Vec<Option<i32>>>,
}

/// Whether the kernel has an entry of a process, be it that of one that has ended and has not
/// been waited for.
fn has_entry(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

impl Processes {
    /// What makes a node.
    pub(super) fn launch(&self, node: usize, is_newcomer: bool) -> Result<Launch, String> {
        let name = node_name(node);
        let context = NodeContext {
            index: node,
            id: node as u64 + 1,
            name: name.clone(),
            ip: self.network.ips[node],
            port: self.port,
            peers: self.network.ips.clone(),
            is_newcomer,
            dir: self.lab.node_dir(node),
            cluster: self.cluster.clone(),
        };
        let launch = self.system.launch(&context);
        launch.map_err(|why| format!("{name} of {}: {why}", self.system.name()))
    }

    async fn start_processes(
        &self,
        node: usize,
        launch: Launch,
    ) -> Result<Started<NodeProcesses>, String> {
        let dir = self.lab.node_dir(node);
        let written = lab::is_empty(&dir).and_then(|is_new| match is_new {
            true => lab::write(&dir, &launch.files),
            false => Ok(()),
        });
        written.map_err(|e| format!("its files: {e}"))?;
        let namespace = self.network.namespace(node);
        let network = namespace.map(|namespace| namespace.id()).transpose();
        let mark = Mark {
            run: self.lab.run.clone(),
            owner: Owner::me(),
            network: network.map_err(|e| format!("its network: {e}"))?,
        };
        let programs = [launch.main].into_iter().chain(launch.sides);
        let programs: Result<Vec<Command>, String> = programs
            .map(|program| command(program, &dir, &mark))
            .collect();
        node_processes::start(programs?, namespace, &self.ledger).await
    }

    /// Waits until a node can be asked.
    async fn until_ready(&self, node: usize) -> Result<(), String> {
        let launch = self.launch(node, false)?;
        let name = node_name(node);
        let pid = self.started.borrow()[node].ok_or_else(|| format!("{name} did not start"))?;
        let deadline = RealWorld::now() + READY_LIMIT;
        let mut looked = timeout::<RealWorld, _>(LOOK_LIMIT, is_ready(&launch)).await;
        while looked != Ok(true) {
            if !has_entry(pid) {
                return Err(format!("{name} ended before it could be asked"));
            }
            if RealWorld::now() > deadline {
                let limit = READY_LIMIT.as_secs();
                return Err(format!("{name} cannot be asked {limit} s after its start"));
            }
            RealWorld::sleep(LOOK).await;
            looked = timeout::<RealWorld, _>(LOOK_LIMIT, is_ready(&launch)).await;
        }
        Ok(())
    }
}

impl Host for Processes {
    type Process = NodeProcesses;

    async fn start(
        &self,
        node: usize,
        is_newcomer: bool,
    ) -> Result<Started<NodeProcesses>, String> {
        let launch = self.launch(node, is_newcomer)?;
        let started = self.start_processes(node, launch).await;
        let started = started.map_err(|why| format!("{}: {why}", node_name(node)))?;
        let pid = started.process.pid();
        self.started.borrow_mut()[node] = Some(pid);
        Ok(started)
    }

    async fn renew(&self, node: usize) -> Result<(), String> {
        let emptied = self.lab.empty(node);
        emptied.map_err(|e| format!("the directory of {}: {e}", node_name(node)))
    }

    fn network(&self, node: usize) -> Meter {
        self.network.meter(node)
    }

    async fn settle(&self) -> Result<(), String> {
        let nodes = 0..self.network.ips.len();
        try_join_all(nodes.map(|node| self.until_ready(node))).await?;
        let members = 0..self.cluster.nodes;
        let addresses = members.map(|node| Ok(self.launch(node, false)?.address));
        let addresses: Vec<String> = addresses.collect::<Result<_, String>>()?;
        let made = self.system.initiate(&addresses).await;
        made.map_err(|why| format!("no cluster of {} was made: {why}", self.system.name()))
    }
}

async fn is_ready(launch: &Launch) -> bool {
    match &launch.ready {
        Ready::Connects => RealWorld::connect(&launch.address).await.is_ok(),
        Ready::Probe(probe) => probe().await,
    }
}

fn command(program: Program, dir: &Path, mark: &Mark) -> Result<Command, String> {
    let (name, arguments) = program
        .argv
        .split_first()
        .ok_or("a process has no program")?;
    let mut command = Command::new(name);
    command
        .args(arguments)
        .envs(program.env)
        .envs(mark.variables())
        .current_dir(program.cwd.as_deref().unwrap_or(dir));
    Ok(command)
}

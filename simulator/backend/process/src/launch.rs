//! The seam to what runs on the nodes: Squall's own `squall-node`, or any other system.
//!
//! A [`NodeSystem`] says which processes make a node ([`Launch`]), how one learns who leads
//! ([`Observer`]), how clients ask it and how a cluster is made of nodes that have started. Where
//! the nodes run, how they are broken and what is recorded is the same for every system.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::rc::Rc;

use squall_check::Promises;
use squall_plan::plan::ClusterPlan;
use squall_workload::service::Services;
use squall_workload::{Drivers, LocalFuture};

pub use squall_linux::poll::{Connect, Polled, Role, Status, StatusSource};

/// A replicated system whose nodes are processes of this machine.
pub trait NodeSystem: 'static {
    /// What it is called, for errors.
    fn name(&self) -> &str;

    /// The processes of a node. A plain function of the node: it is asked before anything
    /// runs, and again whenever the node starts.
    ///
    /// # Errors
    /// The system cannot run so; why.
    fn launch(&self, node: &NodeContext) -> Result<Launch, String>;

    /// How one learns who leads, and how far nodes have come, given the address of every node.
    fn observer(&self, addresses: &[String]) -> Observer;

    /// Whether its nodes take the commands of Squall's own for changes of leader and members.
    fn takes_commands(&self) -> bool {
        false
    }

    /// How clients ask it, given the address of every node that is a member from the start;
    /// `None`: as they ask Squall's own cluster.
    fn drivers(&self, addresses: &[String]) -> Option<Drivers>;

    /// What clients can ask.
    fn services(&self) -> Services;

    /// What is promised; unless said otherwise, all that there are checks for.
    fn promises(&self) -> Promises {
        Promises::default()
    }

    /// Told before a run starts anything: what the system itself starts, such as clients and
    /// commands, must have these variables in its environment, so that it is found and ended
    /// with the run.
    fn mark(&self, _variables: Vec<(String, String)>) {}

    /// Makes a cluster of nodes that have started for the first time and are ready, whose
    /// addresses are given in order; systems whose nodes find each other do nothing.
    fn initiate<'a>(&'a self, _addresses: &'a [String]) -> LocalFuture<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

/// A node that is to be started.
#[derive(Debug, Clone)]
pub struct NodeContext {
    /// Counted from 0.
    pub index: usize,
    /// Counted from 1.
    pub id: u64,
    /// `node-1` is the first.
    pub name: String,
    /// Its own address, on which every port is free. Nobody but this machine can reach it.
    pub ip: Ipv4Addr,
    /// Port for clients, the same on all nodes. What else a node listens on is the system's to
    /// choose, except for 7999.
    pub port: u16,
    /// The address of every node, its own included, in order; spare ones come last.
    pub peers: Vec<Ipv4Addr>,
    /// Whether it belongs to no cluster and waits to be added to one: a spare node, or one in
    /// place of another.
    pub is_newcomer: bool,
    /// Its directory, which is there: the only place that survives its process. Empty when
    /// the node starts for the first time, and when another takes its place.
    pub dir: PathBuf,
    /// How the scenario wants the cluster.
    pub cluster: ClusterPlan,
}

impl NodeContext {
    /// Where clients reach the node, `ip:port`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.ip, self.port)
    }

    /// The same of every node that is a member from the start.
    pub fn members(&self) -> Vec<String> {
        let members = self.peers.iter().take(self.cluster.nodes);
        members.map(|ip| format!("{ip}:{}", self.port)).collect()
    }
}

/// What makes a node.
#[derive(Clone)]
pub struct Launch {
    /// Written before its first process starts in an empty directory, and left alone after
    /// that: a process may keep its own notes in them.
    pub files: Vec<LaunchFile>,
    /// The process whose end is the node's end.
    pub main: Program,
    /// Processes in the same network beside it: paused, killed and started together with it.
    pub sides: Vec<Program>,
    /// Where clients reach the node, `ip:port`.
    pub address: String,
    /// How one knows that it can be asked.
    pub ready: Ready,
}

/// A file for a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchFile {
    /// Below the node's directory, by plain names: no `..`, no root.
    pub path: PathBuf,
    /// What is in it.
    pub content: Vec<u8>,
    /// Whether it is a program.
    pub is_executable: bool,
}

/// A program to start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// The program, looked up in `PATH` if it is a plain name, and its arguments.
    pub argv: Vec<String>,
    /// Added to the environment that this process has.
    pub env: Vec<(String, String)>,
    /// Where it starts; `None`: in the node's directory.
    pub cwd: Option<PathBuf>,
}

/// Asks a node once whether it can be asked.
pub type Probe = Rc<dyn Fn() -> LocalFuture<'static, bool>>;

/// How one knows that a node can be asked.
#[derive(Clone)]
pub enum Ready {
    /// Its address takes connections.
    Connects,
    /// The probe says yes.
    Probe(Probe),
}

/// How one learns who leads.
pub enum Observer {
    /// Nodes tell it on their standard output, a JSON object a line, as `squall-node` does:
    /// `{"monotonic_us":12,"is":"leader","term":3}`.
    Events,
    /// They are asked.
    Polled(Polled),
}

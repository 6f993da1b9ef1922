//! The simulated machines and the processes on them.
//!
//! A machine has a network, a disk and a clock; a process is a [`Node`] running on it. The
//! difference matters when things break: a killed process leaves its page cache and lets
//! the kernel reset its connections, a machine without power takes all of that with it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use squall_cluster::node::{ClientOptions, Node, NodeOptions, StartError};
use squall_cluster::raft::{Members, RaftOptions, node_name};
use squall_cluster::state::Limits;
use squall_cluster::storage::OpenError;
use tokio::sync::Notify;

use super::address::{PORT, address_of};
use super::disk::SimDisk;
use super::network::Network;
use super::process::Handle;
use super::system::{NodeContext, Status, System};
use super::world::SimWorld;
use squall_backend::trace::{NodeState, ProcessState};
use squall_engine::executor::{Executor, HostId, Nanos};
use squall_history::{EventKind, NodeEvent};
use squall_plan::plan::{DiskPlan, Plan, Seed};
use squall_workload::RunContext;

/// Client address of a node, counted from 0.
pub fn node_address(node: usize) -> String {
    format!("{}:{PORT}", address_of(HostId(node)))
}

/// The state of a node's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// It runs, be it paused.
    Running,
    /// It does not run.
    Down,
}

struct Machine {
    disk: RefCell<SimDisk>,
    process: Cell<Process>,
    /// Why what the node had stored is gone: it must not start again before it is replaced.
    lost: RefCell<Option<String>>,
    /// Waits to be added instead of forming a cluster.
    is_newcomer: Cell<bool>,
    /// How many disks it has had before this one.
    replaced: Cell<u64>,
    /// How many processes have been started on it.
    started: Cell<u64>,
    /// Stopped by a fault.
    is_paused: Cell<bool>,
    /// Stands at a point, and waits for a fault.
    is_held: Cell<bool>,
    /// Set once the node serves.
    node: RefCell<Option<Handle>>,
}

/// All nodes of the simulated cluster. Hosts `0..nodes` are theirs.
pub struct Cluster {
    executor: Rc<Executor>,
    network: Rc<RefCell<Network>>,
    context: Rc<RunContext>,
    machines: Vec<Machine>,
    /// How many form the cluster; the machines after them are spares.
    members: usize,
    /// Who belonged to the cluster when that was last known.
    voters: RefCell<Vec<bool>>,
    raft: RaftOptions,
    disks: DiskPlan,
    disk_seed: Seed,
    limits: Limits,
    /// What runs instead of Squall's own nodes.
    system: Option<Arc<dyn System>>,
    /// Processes that ended by themselves.
    exited: RefCell<Vec<usize>>,
    /// Rings when a node refuses to start because its storage is damaged.
    refused: Notify,
}

impl Cluster {
    /// Machines for the nodes of the plan, none of which runs yet.
    pub fn new(
        executor: Rc<Executor>,
        network: Rc<RefCell<Network>>,
        context: Rc<RunContext>,
        plan: &Plan,
        system: Option<Arc<dyn System>>,
    ) -> Rc<Self> {
        let members = plan.cluster.nodes;
        let count = members + plan.cluster.spares;
        let disk_seed = plan.stream("disk");
        let machines = (0..count)
            .map(|node| Machine {
                disk: RefCell::new(new_disk(&plan.disk, disk_seed, node, 0)),
                process: Cell::new(Process::Down),
                lost: RefCell::default(),
                is_newcomer: Cell::new(node >= members),
                replaced: Cell::new(0),
                started: Cell::new(0),
                is_paused: Cell::default(),
                is_held: Cell::default(),
                node: RefCell::default(),
            })
            .collect();
        Rc::new(Self {
            executor,
            network,
            context,
            machines,
            members,
            voters: RefCell::new((0..count).map(|node| node < members).collect()),
            disks: plan.disk.clone(),
            disk_seed,
            refused: Notify::new(),
            raft: RaftOptions {
                heartbeat_ms: plan.cluster.heartbeat_ms,
                election_min_ms: plan.cluster.election_min_ms,
                election_max_ms: plan.cluster.election_max_ms,
                snapshot_every: plan.cluster.snapshot_every,
                ..RaftOptions::default()
            },
            limits: Limits {
                cache_entries: plan.cluster.cache_entries,
                ..Limits::default()
            },
            system,
            exited: RefCell::default(),
        })
    }

    /// How many nodes form the cluster when nothing is wrong with it.
    pub fn members(&self) -> usize {
        self.members
    }

    /// Machines, spare ones included.
    #[allow(clippy::len_without_is_empty)] // a plan has at least one node
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// Whether the node's process runs, be it paused.
    pub fn is_up(&self, node: usize) -> bool {
        self.machines[node].process.get() == Process::Running
    }

    /// How many processes have been started on the machine.
    pub fn starts(&self, node: usize) -> u64 {
        self.machines[node].started.get()
    }

    /// The node that leads and serves writes, as far as nodes know themselves: where two
    /// think so, the one in the later term is right.
    pub fn leader(&self) -> Option<usize> {
        (0..self.len())
            .filter_map(|index| {
                let node = self.machines[index].node.borrow();
                Some((node.as_ref()?.leading_term()?, index))
            })
            .max()
            .map(|(_, index)| index)
    }

    /// Which nodes have a vote, as far as is known now.
    pub fn voters(&self) -> Vec<bool> {
        let node = self.leader().map(|leader| self.node(leader));
        if let Some(membership) = node.flatten().map(|node| node.membership()) {
            let has_vote = |node| membership.voters.contains(&(node as u64 + 1));
            *self.voters.borrow_mut() = (0..self.len()).map(has_vote).collect();
        }
        self.voters.borrow().clone()
    }

    /// A handle to the node, while it serves; `None` for nodes of another system.
    pub fn node(&self, node: usize) -> Option<Node<SimWorld>> {
        self.machines[node]
            .node
            .borrow()
            .as_ref()
            .and_then(Handle::node)
    }

    /// The disk of the node's machine.
    pub fn disk(&self, node: usize) -> SimDisk {
        self.machines[node].disk.borrow().clone()
    }

    /// Why what the node had stored is gone, if it is.
    pub fn lost(&self, node: usize) -> Option<String> {
        self.machines[node].lost.borrow().clone()
    }

    /// How often the node has been replaced.
    pub fn lives(&self, node: usize) -> u64 {
        self.machines[node].replaced.get()
    }

    /// Resolves when, from now on, a node refuses to start.
    pub async fn startup_failure(&self) {
        self.refused.notified().await;
    }

    /// Index of the last entry that a node has applied; `None` while it is down.
    pub fn applied(&self, node: usize) -> Option<u64> {
        let node = self.machines[node].node.borrow();
        node.as_ref().and_then(Handle::applied)
    }

    /// Where every node stands, for a trace, and what it holds.
    pub fn states(&self, at_us: i64, with_contents: bool) -> Vec<NodeState> {
        let state = |(index, machine): (usize, &Machine)| NodeState {
            at_us,
            node: node_name(index as u64 + 1),
            process: match machine.process.get() {
                Process::Down => ProcessState::Down,
                Process::Running if self.executor.is_paused(HostId(index)) => ProcessState::Paused,
                Process::Running => ProcessState::Up,
            },
            standing: self.node(index).map(|node| node.standing()),
            held: (self.node(index).filter(|_| with_contents)).map(|node| node.held()),
        };
        self.machines.iter().enumerate().map(state).collect()
    }

    /// Has every running node report its digest.
    pub fn emit_digests(&self) {
        for (index, machine) in self.machines.iter().enumerate() {
            if let Some(node) = machine.node.borrow().as_ref() {
                self.executor.as_host(HostId(index), || node.emit_digest());
            }
        }
    }

    /// Boots the process of `node`.
    pub fn start(self: &Rc<Self>, node: usize) {
        let machine = &self.machines[node];
        assert_eq!(
            machine.process.get(),
            Process::Down,
            "a process starts once"
        );
        assert!(
            machine.lost.borrow().is_none(),
            "a node that forgot its votes is replaced before it starts"
        );
        machine.process.set(Process::Running);
        machine.started.set(machine.started.get() + 1);
        self.network.borrow_mut().set_dark(HostId(node), false);
        if let Some(system) = &self.system {
            return self.start_other(system, node);
        }
        let options = NodeOptions {
            id: node as u64 + 1,
            address: node_address(node),
            bind_host: None,
            members: match machine.is_newcomer.get() {
                true => Members::new(),
                false => self.first_members(),
            },
            raft: self.raft.clone(),
            limits: self.limits,
            clients: ClientOptions::default(),
            tls: None,
        };
        let (cluster, disk) = (self.clone(), self.disk(node));
        self.executor.spawn_on(HostId(node), async move {
            let why = match Node::<SimWorld>::start(options, disk).await {
                Ok(started) => {
                    *cluster.machines[node].node.borrow_mut() = Some(Handle::Node(started.clone()));
                    started.ended().await
                }
                Err(e) => {
                    let lost = match &e {
                        StartError::Storage(OpenError::Io(_)) => None,
                        StartError::Storage(damage) => Some(damage.to_string()),
                        // Its log is missing, or has lost all that was in it.
                        StartError::Identity(why) => Some(why.clone()),
                        _ => None,
                    };
                    if lost.is_some() {
                        *cluster.machines[node].lost.borrow_mut() = lost;
                        cluster.refused.notify_one();
                    }
                    format!("does not start: {e}")
                }
            };
            cluster.note_end(node, &why);
            // Its other tasks cannot be dropped from within one of them.
            cluster.exited.borrow_mut().push(node);
        });
    }

    /// Boots a node of another system than Squall's own.
    fn start_other(self: &Rc<Self>, system: &Arc<dyn System>, node: usize) {
        let machine = &self.machines[node];
        let status = Rc::new(Status::default());
        *machine.node.borrow_mut() = Some(Handle::Other(status.clone()));
        let context = NodeContext {
            id: node,
            addresses: self.context.addresses.clone(),
            disk: self.disk(node),
            status,
        };
        let (cluster, system) = (self.clone(), system.clone());
        self.executor.spawn_on(HostId(node), async move {
            let why = system.run_node(context).await;
            cluster.note_end(node, &why);
            cluster.exited.borrow_mut().push(node);
        });
    }

    fn note_end(&self, node: usize, why: &str) {
        self.context.recorder.record(EventKind::Node {
            node: node_name(node as u64 + 1),
            event: NodeEvent::Stopped { why: why.into() },
        });
    }

    /// Cleans up after processes that ended by themselves, panics included.
    pub fn reap(&self) {
        for (host, text) in self.executor.take_panics() {
            if self.is_up(host.0) {
                self.note_end(host.0, &format!("panicked: {text}"));
                self.exited.borrow_mut().push(host.0);
            }
        }
        let exited = std::mem::take(&mut *self.exited.borrow_mut());
        for node in exited {
            self.end_process(node);
            let now = self.executor.now();
            (self.network.borrow_mut()).reset_connections(now, HostId(node));
        }
    }

    /// The disk of `node`, whose process is down, is gone for good.
    pub fn lose_disk(&self, node: usize, why: &str) {
        assert!(!self.is_up(node), "a process would not notice");
        *self.machines[node].lost.borrow_mut() = Some(why.into());
    }

    /// Puts a machine with an empty disk in the place of `node`, whose process is down. It
    /// waits to be added; that the old one is no member any more is the caller's to know.
    pub fn replace(&self, node: usize) {
        assert!(!self.is_up(node), "the old machine is switched off");
        let machine = &self.machines[node];
        machine.replaced.set(machine.replaced.get() + 1);
        let disk = new_disk(&self.disks, self.disk_seed, node, machine.replaced.get());
        *machine.disk.borrow_mut() = disk;
        *machine.lost.borrow_mut() = None;
        machine.is_newcomer.set(true);
        self.context.recorder.record(EventKind::Node {
            node: node_name(node as u64 + 1),
            event: NodeEvent::Replaced,
        });
    }

    fn first_members(&self) -> Members {
        (0..self.members)
            .map(|node| (node as u64 + 1, node_address(node)))
            .collect()
    }

    /// SIGKILL: the process is gone, the machine goes on.
    pub fn kill(&self, node: usize) {
        if self.is_up(node) {
            self.note_end(node, "killed");
        }
        self.end_process(node);
        let now = self.executor.now();
        self.network
            .borrow_mut()
            .reset_connections(now, HostId(node));
    }

    /// The machine loses power: nothing leaves it any more, and its disk keeps what was
    /// synced, and perhaps a part of what was not.
    pub fn lose_power(&self, node: usize) {
        // What was sent before is on the wire.
        let now = self.executor.now();
        self.network.borrow_mut().collect(now);
        self.network.borrow_mut().set_dark(HostId(node), true);
        if self.is_up(node) {
            self.note_end(node, "lost power");
        }
        self.end_process(node);
        self.network
            .borrow_mut()
            .reset_connections(now, HostId(node));
        self.disk(node).lose_power();
    }

    /// As [`Self::lose_power`], in the middle of a write to the log. Says what stays.
    pub fn tear_write(&self, node: usize) -> Result<String, String> {
        let disk = self.disk(node);
        // The disk stops first: what was under way must not be dropped with the process.
        let torn = disk.tear();
        self.lose_power(node);
        torn
    }

    fn end_process(&self, node: usize) {
        let machine = &self.machines[node];
        machine.process.set(Process::Down);
        self.exited.borrow_mut().retain(|exited| *exited != node);
        machine.is_paused.set(false);
        machine.is_held.set(false);
        self.executor.set_paused(HostId(node), false);
        let handle = machine.node.borrow_mut().take();
        self.executor.kill(HostId(node));
        self.executor.as_host(HostId(node), || drop(handle));
    }

    /// Drops everything on a host, for the end of the simulation.
    pub fn discard(&self, host: HostId) {
        match host.0 < self.len() {
            true => self.end_process(host.0),
            false => self.executor.kill(host),
        }
    }

    /// SIGTERM: the node hands over and stops; killed if that takes longer than `limit`. What
    /// runs in its place, when another fault has ended and started it meanwhile, goes on.
    pub async fn stop(&self, node: usize, limit: Nanos) {
        let handle = self.machines[node].node.borrow().clone();
        if let Some(handle) = handle.and_then(|handle| handle.node()) {
            let done = Rc::new(Cell::new(false));
            let stopped = done.clone();
            self.executor.spawn_on(HostId(node), async move {
                handle.stop("asked to by the nemesis").await;
                stopped.set(true);
            });
            let deadline = self.executor.now() + limit;
            let started = self.machines[node].started.get();
            let is_another = || self.machines[node].started.get() != started;
            let goes_on = || !done.get() && self.is_up(node) && !is_another();
            while goes_on() && self.executor.now() < deadline {
                self.rest(Duration::from_millis(1)).await;
            }
            if is_another() {
                return;
            }
            if done.get() {
                // It said so itself; what is left of it ends without a report.
                self.end_process(node);
            }
        }
        self.kill(node);
    }

    /// SIGSTOP and SIGCONT: the process is not scheduled; its kernel still answers.
    pub fn set_paused(&self, node: usize, paused: bool) {
        self.machines[node].is_paused.set(paused);
        self.set_scheduled(node);
    }

    /// Nothing of the process goes on while it is held at a point of its code.
    pub fn set_held(&self, node: usize, held: bool) {
        self.machines[node].is_held.set(held);
        self.set_scheduled(node);
    }

    fn set_scheduled(&self, node: usize) {
        let machine = &self.machines[node];
        let stands = machine.is_paused.get() || machine.is_held.get();
        self.executor.set_paused(HostId(node), stands);
    }

    /// The leader, if there is one, transfers leadership to `to`.
    pub fn transfer_leader(&self, to: usize) -> Result<(), String> {
        let leader = self.leader().ok_or("no node leads")?;
        let handle = self.machines[leader].node.borrow().clone();
        let handle = handle.ok_or("the leader is gone")?;
        let handle = handle.node().ok_or("this system has no leader transfer")?;
        self.executor.spawn_on(HostId(leader), async move {
            // Whether it worked shows in who leads next.
            let _ = handle.transfer_leader(to as u64 + 1).await;
        });
        Ok(())
    }

    async fn rest(&self, duration: Duration) {
        let until = self.executor.now() + duration.as_nanos() as Nanos;
        self.executor.sleep_until(until).await;
    }
}

fn new_disk(plan: &DiskPlan, seed: Seed, node: usize, replaced: u64) -> SimDisk {
    let mut stream = seed.fork(&node_name(node as u64 + 1));
    if replaced > 0 {
        stream = stream.fork(&format!("replacement {replaced}"));
    }
    SimDisk::new(plan, stream.fork("tears").0, stream.rng())
}

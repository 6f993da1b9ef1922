//! The hosts of the simulation and the nodes on them.
//!
//! `turmoil` crashes and starts hosts only between two ticks, from outside. So whoever leads
//! the run, itself a task inside, places an [`Order`] and waits; the driver carries it out
//! after the tick ([`Cluster::between_ticks`]).

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;

use squall_cluster::node::{ClientOptions, Node, NodeOptions, StartError};
use squall_cluster::raft::{Members, RaftOptions, node_name};
use squall_cluster::state::Limits;
use squall_cluster::storage::OpenError;
use squall_world::World;
use tokio::sync::{Notify, oneshot};
use turmoil::Sim;

use super::disk::TurmoilDisk;
use super::host::{Entered, as_host, on_host};
use super::links::Links;
use super::world::TurmoilWorld;
use squall_history::{EventKind, NodeEvent};
use squall_plan::plan::{DiskPlan, Plan};
use squall_workload::RunContext;

/// Port for clients, on every host.
const PORT: u16 = 7_000;

/// Address of a node, counted from 0.
pub(super) fn node_address(node: usize) -> String {
    format!("{}:{PORT}", node_name(node as u64 + 1))
}

type Job = Pin<Box<dyn Future<Output = ()>>>;

struct Machine {
    disk: RefCell<TurmoilDisk>,
    is_up: Cell<bool>,
    /// How many processes have been started on it.
    starts: Cell<u64>,
    /// Why what the node had stored is gone: it must not start again before it is replaced.
    lost: RefCell<Option<String>>,
    /// Waits to be added instead of forming a cluster.
    is_newcomer: Cell<bool>,
    /// Set once the node serves.
    node: RefCell<Option<Node<TurmoilWorld>>>,
    /// To be spawned on the host.
    jobs: RefCell<Vec<Job>>,
    has_job: Notify,
}

/// What can only be done between two ticks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Start(usize),
    Kill(usize),
    /// Sets latencies and losses as [`Links`] has them.
    SetLinks,
}

/// All nodes. Hosts `0..len` are theirs; the clients and the harness share the one after.
pub(super) struct Cluster {
    machines: Vec<Machine>,
    /// How many form the cluster; the machines after them are spares.
    pub members: usize,
    /// Which nodes had a vote when that was last known.
    voters: RefCell<Vec<bool>>,
    raft: RaftOptions,
    limits: Limits,
    disks: DiskPlan,
    context: Rc<RunContext>,
    pub links: RefCell<Links>,
    orders: RefCell<Vec<(Vec<Order>, oneshot::Sender<()>)>>,
    /// Nodes that ended by themselves.
    exited: RefCell<Vec<usize>>,
    /// Notified when a node refuses to start because its storage is damaged.
    pub refused: Notify,
}

impl Cluster {
    pub(super) fn new(plan: &Plan, context: &Rc<RunContext>, links: Links) -> Rc<Self> {
        let members = plan.cluster.nodes;
        let count = members + plan.cluster.spares;
        let machine = |node| Machine {
            disk: RefCell::new(TurmoilDisk::new(&plan.disk)),
            is_up: Cell::new(false),
            starts: Cell::default(),
            lost: RefCell::default(),
            is_newcomer: Cell::new(node >= members),
            node: RefCell::default(),
            jobs: RefCell::default(),
            has_job: Notify::new(),
        };
        Rc::new(Self {
            machines: (0..count).map(machine).collect(),
            members,
            voters: RefCell::new((0..count).map(|node| node < members).collect()),
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
            disks: plan.disk.clone(),
            context: context.clone(),
            links: RefCell::new(links),
            orders: RefCell::default(),
            exited: RefCell::default(),
            refused: Notify::new(),
        })
    }

    /// Registers the hosts; no node runs yet.
    pub(super) fn add_hosts(self: &Rc<Self>, sim: &mut Sim<'_>) {
        for node in 0..self.len() {
            let (name, cluster) = (node_name(node as u64 + 1), self.clone());
            sim.host(name.as_str(), move || {
                let cluster = cluster.clone();
                on_host(node, async move {
                    cluster.run_process(node).await;
                    Ok(())
                })
            });
            // A host that is registered would run from the first tick on.
            sim.crash(name.as_str());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.machines.len()
    }

    pub(super) fn is_up(&self, node: usize) -> bool {
        self.machines[node].is_up.get()
    }

    pub(super) fn starts(&self, node: usize) -> u64 {
        self.machines[node].starts.get()
    }

    /// A handle to the node, while it serves.
    pub(super) fn node(&self, node: usize) -> Option<Node<TurmoilWorld>> {
        self.machines[node].node.borrow().clone()
    }

    /// The node that leads and serves writes, of several that in the latest term.
    pub(super) fn leader(&self) -> Option<usize> {
        let leading = (0..self.len()).filter_map(|index| {
            let node = self.node(index)?;
            node.is_leading().then(|| (node.leading_term(), index))
        });
        leading.max().map(|(_, index)| index)
    }

    /// Which nodes had a vote when that was last known.
    pub(super) fn voters(&self) -> Vec<bool> {
        let leader = self.leader().and_then(|leader| self.node(leader));
        if let Some(membership) = leader.map(|leader| leader.membership()) {
            let has_vote = |node| membership.voters.contains(&(node as u64 + 1));
            *self.voters.borrow_mut() = (0..self.len()).map(has_vote).collect();
        }
        self.voters.borrow().clone()
    }

    /// Why what the node had stored is gone, if it is.
    pub(super) fn data_loss(&self, node: usize) -> Option<String> {
        self.machines[node].lost.borrow().clone()
    }

    /// The disk of `node`, whose process is down, is gone for good.
    pub(super) fn lose_disk(&self, node: usize, why: &str) {
        assert!(!self.is_up(node), "a process would not notice");
        *self.machines[node].lost.borrow_mut() = Some(why.into());
    }

    /// Puts a machine with an empty disk in the place of `node`, whose process is down.
    pub(super) fn replace(&self, node: usize) {
        assert!(!self.is_up(node), "the old machine is switched off");
        let machine = &self.machines[node];
        *machine.disk.borrow_mut() = TurmoilDisk::new(&self.disks);
        *machine.lost.borrow_mut() = None;
        machine.is_newcomer.set(true);
        self.record(node, NodeEvent::Replaced);
    }

    /// Has things done between the same two ticks, and waits for that.
    pub(super) async fn order(&self, orders: Vec<Order>) {
        for order in &orders {
            if let Order::Start(node) = order {
                let machine = &self.machines[*node];
                machine.is_up.set(true);
                machine.starts.set(machine.starts.get() + 1);
            }
        }
        let (done, is_done) = oneshot::channel();
        self.orders.borrow_mut().push((orders, done));
        // A driver that is gone has ended the simulation.
        let _ = is_done.await;
    }

    /// Runs a task on the host of a node that is up, and gives its result, when there is one.
    pub(super) fn run_on<T: 'static>(
        &self,
        node: usize,
        task: impl Future<Output = T> + 'static,
    ) -> Rc<Cell<Option<T>>> {
        let result = Rc::new(Cell::new(None));
        let (machine, into) = (&self.machines[node], result.clone());
        let job = async move { into.set(Some(task.await)) };
        machine.jobs.borrow_mut().push(Box::pin(job));
        machine.has_job.notify_one();
        result
    }

    /// Has every running node report its digest.
    pub(super) fn emit_digests(&self) {
        for index in 0..self.len() {
            if let Some(node) = self.node(index) {
                as_host(index, || node.emit_digest());
            }
        }
    }

    /// The process of a node, from its start until it is killed.
    async fn run_process(self: Rc<Self>, node: usize) {
        let cluster = self.clone();
        TurmoilWorld::spawn(async move { cluster.run_jobs(node).await });
        let machine = &self.machines[node];
        let disk = machine.disk.borrow().clone();
        let why = match Node::<TurmoilWorld>::start(self.options(node), disk).await {
            Ok(started) => {
                *machine.node.borrow_mut() = Some(started.clone());
                started.ended().await
            }
            Err(error) => {
                if let StartError::Storage(damage) = &error
                    && !matches!(damage, OpenError::Io(_))
                {
                    *machine.lost.borrow_mut() = Some(damage.to_string());
                    self.refused.notify_one();
                }
                format!("does not start: {error}")
            }
        };
        self.note_end(node, &why);
        self.exited.borrow_mut().push(node);
        // The driver ends what is left.
        pending::<()>().await;
    }

    async fn run_jobs(&self, node: usize) {
        let machine = &self.machines[node];
        loop {
            let jobs = machine.jobs.take();
            jobs.into_iter().for_each(TurmoilWorld::spawn);
            machine.has_job.notified().await;
        }
    }

    fn options(&self, node: usize) -> NodeOptions {
        let first = || (0..self.members).map(|node| (node as u64 + 1, node_address(node)));
        let is_newcomer = self.machines[node].is_newcomer.get();
        NodeOptions {
            id: node as u64 + 1,
            address: node_address(node),
            bind_host: Some("0.0.0.0".into()),
            members: if is_newcomer {
                Members::new()
            } else {
                first().collect()
            },
            raft: self.raft.clone(),
            limits: self.limits,
            clients: ClientOptions::default(),
            tls: None,
        }
    }

    fn record(&self, node: usize, event: NodeEvent) {
        let node = node_name(node as u64 + 1);
        self.context
            .recorder
            .record(EventKind::Node { node, event });
    }

    pub(super) fn note_end(&self, node: usize, why: &str) {
        self.record(node, NodeEvent::Stopped { why: why.into() });
    }

    /// Does what waits for the end of a tick: buries nodes that ended, and carries out orders
    /// in the order in which they came.
    pub(super) fn between_ticks(&self, sim: &mut Sim<'_>, entered: &Entered) {
        for (host, panic) in entered.take_panics() {
            if host >= self.len() {
                std::panic::resume_unwind(panic);
            }
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let text = text.unwrap_or("without a message");
            self.note_end(host, &format!("panicked: {text}"));
            self.exited.borrow_mut().push(host);
        }
        for node in self.exited.take() {
            self.end_process(sim, entered, node);
        }
        for (orders, done) in self.orders.take() {
            (orders.into_iter()).for_each(|order| self.carry_out(sim, entered, order));
            // Who ordered it may have stopped waiting.
            let _ = done.send(());
        }
        self.links.borrow().assert_cuts(sim);
    }

    fn carry_out(&self, sim: &mut Sim<'_>, entered: &Entered, order: Order) {
        match order {
            // `run_process` is called anew.
            Order::Start(node) => sim.bounce(node_name(node as u64 + 1)),
            Order::Kill(node) => {
                if self.is_up(node) {
                    self.note_end(node, "killed");
                }
                self.end_process(sim, entered, node);
            }
            Order::SetLinks => self.links.borrow_mut().set(sim),
        }
    }

    fn end_process(&self, sim: &mut Sim<'_>, entered: &Entered, node: usize) {
        let machine = &self.machines[node];
        if !machine.is_up.replace(false) {
            return;
        }
        let (handle, jobs) = (machine.node.take(), machine.jobs.take());
        as_host(node, || drop((handle, jobs)));
        sim.crash(node_name(node as u64 + 1));
        machine.disk.borrow().process_ended();
        entered.clear_halt(node);
    }

    /// Ends all nodes, for the end of the simulation.
    pub(super) fn discard(&self, sim: &mut Sim<'_>, entered: &Entered) {
        (0..self.len()).for_each(|node| self.end_process(sim, entered, node));
    }
}

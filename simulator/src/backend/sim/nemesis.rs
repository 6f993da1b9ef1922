//! The nemesis: does to the simulated cluster what the plan says, when it says so.
//!
//! Roles are resolved when a fault fires. A fault that needs someone who is not there, the
//! leader say, waits for it within the fault's own time; if nobody turns up it is skipped,
//! and the history says why. A fault counts as installed when its effect can be seen.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use squall_cluster::raft::node_name;
use tokio::sync::Notify;

use super::cluster::Cluster;
use super::executor::{Executor, HostId, Nanos};
use super::network::Network;
use crate::fault::{FaultAction, ResolvedAction, Roles, resolve};
use crate::history::{EventKind, FaultEvent, FaultStatus, Recorder};
use crate::plan::{Plan, PlannedFault};
use crate::workload::Setting;

/// How often a fault that waits for its target looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// An instant fault waits this long for its target.
const INSTANT_PATIENCE_US: u64 = 5_000_000;
/// A node asked to stop is killed after this long.
const STOP_LIMIT: Nanos = 10_000_000_000;

pub struct Nemesis {
    executor: Rc<Executor>,
    network: Rc<RefCell<Network>>,
    cluster: Rc<Cluster>,
    setting: Rc<Setting>,
    rng: RefCell<ChaCha8Rng>,
    /// Faults that are not over.
    active: Cell<usize>,
    all_over: Notify,
}

impl Nemesis {
    pub fn new(
        executor: Rc<Executor>,
        network: Rc<RefCell<Network>>,
        cluster: Rc<Cluster>,
        setting: Rc<Setting>,
        plan: &Plan,
    ) -> Rc<Self> {
        Rc::new(Self {
            executor,
            network,
            cluster,
            setting,
            rng: RefCell::new(plan.stream("nemesis").rng()),
            active: Cell::new(0),
            all_over: Notify::new(),
        })
    }

    /// Sets every fault of the plan on its way.
    pub fn unleash(self: &Rc<Self>, plan: &Plan) {
        for fault in plan.faults.clone() {
            let nemesis = self.clone();
            self.active.set(self.active.get() + 1);
            self.executor.spawn(async move {
                nemesis.live(&fault).await;
                nemesis.active.set(nemesis.active.get() - 1);
                if nemesis.active.get() == 0 {
                    nemesis.all_over.notify_one();
                }
            });
        }
    }

    /// Resolves when every fault is over.
    pub async fn over(&self) {
        while self.active.get() > 0 {
            self.all_over.notified().await;
        }
    }

    fn recorder(&self) -> &Recorder {
        &self.setting.recorder
    }

    /// One fault from its beginning to its end.
    async fn live(&self, fault: &PlannedFault) {
        self.sleep_until_us(fault.at_us).await;
        let action = match self.await_targets(fault).await {
            Ok(action) => action,
            Err(why) => {
                self.report(fault, Vec::new(), FaultStatus::Skipped { why });
                return;
            }
        };
        let targets = action.targets();
        let seen = self.install(fault.id, &action).await;
        self.report(
            fault,
            targets.clone(),
            match seen {
                Ok(()) => FaultStatus::Installed,
                Err(why) => FaultStatus::Uncertain { why },
            },
        );
        if fault.action.is_instant() {
            return;
        }
        self.sleep_until_us(fault.until_us).await;
        self.heal(fault.id, &action);
        self.report(fault, targets, FaultStatus::Healed);
    }

    fn report(&self, fault: &PlannedFault, targets: Vec<String>, status: FaultStatus) {
        self.recorder().record(EventKind::Fault(FaultEvent {
            fault: fault.id,
            kind: fault.action.kind().into(),
            targets,
            status,
        }));
    }

    async fn await_targets(&self, fault: &PlannedFault) -> Result<ResolvedAction, String> {
        let deadline_us = match fault.action.is_instant() {
            true => fault.at_us + INSTANT_PATIENCE_US,
            false => fault.until_us,
        };
        loop {
            match self.resolve(&fault.action) {
                Ok(action) => return Ok(action),
                Err(why) => {
                    let next_us = self.recorder().now_us() + LOOK_AGAIN.as_micros() as u64;
                    if next_us >= deadline_us {
                        return Err(why);
                    }
                    self.sleep_until_us(next_us).await;
                }
            }
        }
    }

    fn resolve(&self, action: &FaultAction) -> Result<ResolvedAction, String> {
        let nodes = self.cluster.len();
        let roles = Roles {
            leader: self.cluster.leader(),
            up: (0..nodes).map(|node| self.cluster.is_up(node)).collect(),
            nodes,
        };
        resolve(action, &roles, &mut *self.rng.borrow_mut())
    }

    /// Does it, and looks whether it took.
    async fn install(&self, fault: usize, action: &ResolvedAction) -> Result<(), String> {
        match action {
            ResolvedAction::Kill { nodes } => {
                nodes.iter().for_each(|node| self.cluster.kill(*node));
                self.all_down(nodes)
            }
            ResolvedAction::PowerLoss { nodes } => {
                nodes.iter().for_each(|node| self.cluster.lose_power(*node));
                self.all_down(nodes)
            }
            ResolvedAction::Stop { nodes } => {
                for node in nodes {
                    self.cluster.stop(*node, STOP_LIMIT).await;
                }
                self.all_down(nodes)
            }
            ResolvedAction::Pause { nodes } => {
                for node in nodes {
                    self.cluster.set_paused(*node, true);
                }
                match nodes.iter().all(|n| self.executor.is_paused(HostId(*n))) {
                    true => Ok(()),
                    false => Err("a paused process is still scheduled".into()),
                }
            }
            ResolvedAction::Isolate { .. }
            | ResolvedAction::Partition { .. }
            | ResolvedAction::Bridge { .. } => {
                let mut network = self.network.borrow_mut();
                let links = action.cut_links(self.cluster.len());
                for (from, to) in &links {
                    network.cut(*from, *to, true);
                }
                match links.iter().all(|(from, to)| network.is_cut(*from, *to)) {
                    true => Ok(()),
                    false => Err("a cut link still carries packets".into()),
                }
            }
            ResolvedAction::Link { links, change } => {
                let mut network = self.network.borrow_mut();
                network.degrade(fault, links.clone(), *change);
                Ok(())
            }
            ResolvedAction::Transfer { to } => self.transfer(*to).await,
        }
    }

    fn all_down(&self, nodes: &[usize]) -> Result<(), String> {
        match nodes.iter().find(|node| self.cluster.is_up(**node)) {
            None => Ok(()),
            Some(node) => Err(format!("{} still runs", node_name(*node as u64 + 1))),
        }
    }

    async fn transfer(&self, to: usize) -> Result<(), String> {
        self.cluster.transfer_leader(to)?;
        let deadline_us = self.recorder().now_us() + INSTANT_PATIENCE_US;
        while self.cluster.leader() != Some(to) {
            if self.recorder().now_us() >= deadline_us {
                return Err(format!("{} did not take over", node_name(to as u64 + 1)));
            }
            let next_us = self.recorder().now_us() + LOOK_AGAIN.as_micros() as u64;
            self.sleep_until_us(next_us).await;
        }
        Ok(())
    }

    fn heal(&self, fault: usize, action: &ResolvedAction) {
        match action {
            ResolvedAction::Kill { nodes }
            | ResolvedAction::PowerLoss { nodes }
            | ResolvedAction::Stop { nodes } => {
                for node in nodes {
                    self.revive(*node);
                }
            }
            ResolvedAction::Pause { nodes } => {
                for node in nodes {
                    self.cluster.set_paused(*node, false);
                }
            }
            ResolvedAction::Isolate { .. }
            | ResolvedAction::Partition { .. }
            | ResolvedAction::Bridge { .. } => {
                let mut network = self.network.borrow_mut();
                for (from, to) in action.cut_links(self.cluster.len()) {
                    network.cut(from, to, false);
                }
            }
            ResolvedAction::Link { .. } => self.network.borrow_mut().restore(fault),
            ResolvedAction::Transfer { .. } => {}
        }
    }

    /// Starts the node's process unless it runs.
    pub fn revive(&self, node: usize) {
        if !self.cluster.is_up(node) {
            self.cluster.start(node);
        }
    }

    async fn sleep_until_us(&self, at_us: u64) {
        let rest_us = at_us.saturating_sub(self.recorder().now_us());
        let until = self.executor.now() + rest_us * 1_000;
        self.executor.sleep_until(until).await;
    }
}

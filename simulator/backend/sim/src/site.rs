//! The simulated machines as the harness sees them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use squall_cluster::node::NodeError;

use super::cluster::{Cluster, node_address};
use super::network::Network;
use super::world::SimWorld;
use squall_backend::site::{
    Change, Configuration, Direction, InstallError, Installed, LinkEffect, Links, Membership,
    Observation, Processes, Site,
};
use squall_engine::executor::{Executor, HostId, Nanos};
use squall_fault::node_name;
use squall_workload::RunContext;

/// How often to look whether a leader has answered.
const LOOK: Nanos = 20_000_000;
/// A leader gets this long for one step before the step is tried again.
const STEP: Nanos = 5_000_000_000;
/// A node asked to stop is killed after this long.
const STOP_LIMIT: Nanos = 10_000_000_000;

pub struct SimSite {
    pub(super) executor: Rc<Executor>,
    pub(super) network: Rc<RefCell<Network>>,
    pub(super) cluster: Rc<Cluster>,
    pub(super) context: Rc<RunContext>,
    /// Where the clients are.
    pub(super) clients: HostId,
}

impl SimSite {
    fn now(&self) -> Installed {
        Installed {
            at_us: self.context.recorder.now_us(),
        }
    }
}

impl Processes for SimSite {
    fn members(&self) -> usize {
        self.cluster.members()
    }

    fn len(&self) -> usize {
        self.cluster.len()
    }

    fn is_up(&self, node: usize) -> bool {
        self.cluster.is_up(node)
    }

    fn data_loss(&self, node: usize) -> Option<String> {
        self.cluster.lost(node)
    }

    async fn startup_failure(&self) {
        self.cluster.startup_failure().await;
    }

    async fn start(&self, node: usize) {
        self.cluster.start(node);
    }

    async fn kill(&self, nodes: &[usize]) -> Installed {
        nodes.iter().for_each(|node| self.cluster.kill(*node));
        self.now()
    }

    async fn stop(&self, node: usize) {
        self.cluster.stop(node, STOP_LIMIT).await;
    }

    fn starts(&self, node: usize) -> u64 {
        self.cluster.starts(node)
    }

    fn go_on(&self, node: usize) {
        self.cluster.set_held(node, false);
    }

    async fn set_paused(&self, nodes: &[usize], paused: bool) -> Result<(), InstallError> {
        for node in nodes {
            self.cluster.set_paused(*node, paused);
        }
        let is_done = |node: &usize| self.executor.is_paused(HostId(*node)) == paused;
        if paused && !nodes.iter().all(is_done) {
            return Err(InstallError::uncertain(
                "a paused process is still scheduled",
            ));
        }
        Ok(())
    }

    fn lose_disk(&self, node: usize, why: &str) {
        self.cluster.lose_disk(node, why);
    }

    async fn replace(&self, node: usize) {
        self.cluster.replace(node);
    }
}

impl Links for SimSite {
    async fn apply(
        &self,
        fault: usize,
        links: &[Direction],
        effect: LinkEffect,
    ) -> Result<Installed, InstallError> {
        let mut network = self.network.borrow_mut();
        network.apply(fault, links, effect);
        let is_cut = |(from, to): &Direction| network.is_cut(*from, *to);
        if effect == LinkEffect::Cut && !links.iter().all(is_cut) {
            return Err(InstallError::uncertain("a cut link still carries packets"));
        }
        Ok(self.now())
    }

    async fn remove(&self, fault: usize) -> Result<(), String> {
        self.network.borrow_mut().remove(fault);
        Ok(())
    }
}

impl Membership for SimSite {
    fn leader(&self) -> Option<usize> {
        self.cluster.leader()
    }

    fn configuration(&self) -> Option<Configuration> {
        let leader = self.cluster.leader().and_then(|l| self.cluster.node(l));
        let membership = leader?.membership();
        Some(Configuration {
            voters: membership
                .voters
                .iter()
                .map(|id| *id as usize - 1)
                .collect(),
            learners: (membership.learners.iter())
                .map(|id| *id as usize - 1)
                .collect(),
            is_changing: membership.is_changing,
        })
    }

    fn voters(&self) -> Vec<bool> {
        self.cluster.voters()
    }

    async fn transfer_leader(&self, to: usize) -> Result<(), String> {
        self.cluster.transfer_leader(to)
    }

    async fn change_member(
        &self,
        leader: usize,
        node: usize,
        change: Change,
    ) -> Result<(), String> {
        let handle = self.cluster.node(leader).ok_or("the leader is gone")?;
        let answer: Rc<Cell<Option<Result<(), NodeError>>>> = Rc::default();
        self.executor.spawn_on(HostId(leader), {
            let answer = answer.clone();
            async move {
                let id = node as u64 + 1;
                answer.set(Some(match change {
                    Change::Add => handle.add_member(id, &node_address(node)).await,
                    Change::Remove => handle.remove_member(id).await,
                }));
            }
        });
        let deadline = self.executor.now() + STEP;
        while self.executor.now() < deadline && self.cluster.leader() == Some(leader) {
            if let Some(answer) = answer.take() {
                return answer.map_err(|e| e.to_string());
            }
            let until = self.executor.now() + LOOK;
            self.executor.sleep_until(until).await;
        }
        Err(format!("{} did not answer", node_name(leader)))
    }
}

impl Observation for SimSite {
    fn applied(&self, node: usize) -> Option<u64> {
        self.cluster.applied(node)
    }

    async fn emit_digests(&self) {
        self.cluster.emit_digests();
    }
}

impl Site for SimSite {
    type World = SimWorld;

    fn among_clients<R>(&self, work: impl FnOnce() -> R) -> R {
        self.executor.as_host(self.clients, work)
    }
}

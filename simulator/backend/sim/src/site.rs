//! The simulated machines as the harness sees them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use squall_cluster::node::NodeError;

use super::cluster::{Cluster, node_address};
use super::executor::{Executor, HostId, Nanos};
use super::install::SimFaults;
use super::network::Network;
use super::world::SimWorld;
use squall_backend::nemesis::Nemesis;
use squall_backend::site::{Change, Configuration, Miss, Site, uncertain};
use squall_fault::{Action, LinkChange, node_name};

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
    /// Where the clients are.
    pub(super) clients: HostId,
}

impl Site for SimSite {
    type World = SimWorld;

    fn members(&self) -> usize {
        self.cluster.members()
    }

    fn len(&self) -> usize {
        self.cluster.len()
    }

    fn is_up(&self, node: usize) -> bool {
        self.cluster.is_up(node)
    }

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

    fn applied(&self, node: usize) -> Option<u64> {
        self.cluster.applied(node)
    }

    fn lost(&self, node: usize) -> Option<String> {
        self.cluster.lost(node)
    }

    async fn refusal(&self) {
        self.cluster.refusal().await;
    }

    async fn start(&self, node: usize) {
        self.cluster.start(node);
    }

    async fn kill(&self, nodes: &[usize]) -> Option<u64> {
        nodes.iter().for_each(|node| self.cluster.kill(*node));
        None
    }

    async fn stop(&self, node: usize) {
        self.cluster.stop(node, STOP_LIMIT).await;
    }

    async fn set_paused(&self, nodes: &[usize], paused: bool) -> Result<(), Miss> {
        for node in nodes {
            self.cluster.set_paused(*node, paused);
        }
        let is_done = |node: &usize| self.executor.is_paused(HostId(*node)) == paused;
        match !paused || nodes.iter().all(is_done) {
            true => Ok(()),
            false => Err(uncertain("a paused process is still scheduled")),
        }
    }

    fn lose_disk(&self, node: usize, why: &str) {
        self.cluster.lose_disk(node, why);
    }

    async fn replace(&self, node: usize) {
        self.cluster.replace(node);
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

    async fn cut(&self, _fault: usize, links: &[(usize, usize)]) -> Result<Option<u64>, Miss> {
        let mut network = self.network.borrow_mut();
        for (from, to) in links {
            network.cut(*from, *to, true);
        }
        match links.iter().all(|(from, to)| network.is_cut(*from, *to)) {
            true => Ok(None),
            false => Err(uncertain("a cut link still carries packets")),
        }
    }

    async fn join(&self, links: &[(usize, usize)]) -> Result<(), String> {
        let mut network = self.network.borrow_mut();
        for (from, to) in links {
            network.cut(*from, *to, false);
        }
        Ok(())
    }

    async fn degrade(
        &self,
        fault: usize,
        links: &[(usize, usize)],
        change: LinkChange,
    ) -> Result<Option<u64>, Miss> {
        let mut network = self.network.borrow_mut();
        network.degrade(fault, links.to_vec(), change);
        Ok(None)
    }

    async fn restore(&self, fault: usize) -> Result<(), String> {
        self.network.borrow_mut().restore(fault);
        Ok(())
    }

    async fn install_special(
        nemesis: &Nemesis<Self>,
        fault: usize,
        action: &Action<usize>,
        ends_us: u64,
    ) -> Result<Option<u64>, Miss> {
        let faults = SimFaults(nemesis);
        let done = faults.install_in_simulation(fault, action, ends_us);
        done.await.map(|()| None)
    }

    async fn heal_special(
        nemesis: &Nemesis<Self>,
        fault: usize,
        action: &Action<usize>,
    ) -> Result<(), String> {
        SimFaults(nemesis).heal_in_simulation(fault, action).await
    }

    async fn emit_digests(&self) {
        self.cluster.emit_digests();
    }

    fn among_clients<R>(&self, work: impl FnOnce() -> R) -> R {
        self.executor.as_host(self.clients, work)
    }
}

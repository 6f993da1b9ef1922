//! The hosts of `turmoil` as the harness sees them.

use std::rc::Rc;
use std::time::Duration;

use squall_world::World;

use super::cluster::{Cluster, Order, node_address};
use super::links::Links;
use super::world::{TurmoilWorld, as_host};
use squall_backend::nemesis::Nemesis;
use squall_backend::site::{Change, Configuration, Miss, Site};
use squall_fault::{LinkChange, ResolvedAction, node_name};
use squall_workload::Setting;

/// How often to look whether a node has answered.
const LOOK: Duration = Duration::from_millis(20);
/// A leader gets this long for one step before the step is tried again.
const STEP: Duration = Duration::from_secs(5);
/// A node asked to stop is killed after this long.
const STOP_LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct TurmoilSite {
    pub(super) cluster: Rc<Cluster>,
    pub(super) setting: Rc<Setting>,
}

impl Site for TurmoilSite {
    type World = TurmoilWorld;

    fn members(&self) -> usize {
        self.cluster.members
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
        let membership = self.cluster.node(self.cluster.leader()?)?.membership();
        let numbers =
            |ids: &std::collections::BTreeSet<u64>| ids.iter().map(|id| *id as usize - 1).collect();
        Some(Configuration {
            voters: numbers(&membership.voters),
            learners: numbers(&membership.learners),
            is_changing: membership.is_changing,
        })
    }

    fn voters(&self) -> Vec<bool> {
        self.cluster.voters()
    }

    fn applied(&self, node: usize) -> Option<u64> {
        self.cluster.node(node).map(|node| node.applied_index())
    }

    fn lost(&self, node: usize) -> Option<String> {
        self.cluster.lost(node)
    }

    async fn refusal(&self) {
        self.cluster.refused.notified().await;
    }

    async fn start(&self, node: usize) {
        self.cluster.order(Order::Start(node)).await;
    }

    async fn kill(&self, nodes: &[usize]) -> Option<u64> {
        let was_up = nodes.iter().any(|node| self.is_up(*node));
        for node in nodes {
            self.cluster.order(Order::Kill(*node)).await;
        }
        was_up.then(|| self.setting.recorder.now_us())
    }

    async fn stop(&self, node: usize) {
        if let Some(handle) = self.cluster.node(node) {
            let done = self.cluster.run_on(node, async move {
                handle.stop("asked to by the nemesis").await;
            });
            let deadline = TurmoilWorld::now() + STOP_LIMIT;
            while done.take().is_none() && self.is_up(node) && TurmoilWorld::now() < deadline {
                TurmoilWorld::sleep(Duration::from_millis(1)).await;
            }
        }
        self.cluster.order(Order::Kill(node)).await;
    }

    async fn set_paused(&self, _nodes: &[usize], _paused: bool) -> Result<(), Miss> {
        unreachable!("a plan that pauses is refused")
    }

    fn lose_disk(&self, node: usize, why: &str) {
        self.cluster.lose_disk(node, why);
    }

    async fn replace(&self, node: usize) {
        self.cluster.replace(node);
    }

    async fn transfer_leader(&self, to: usize) -> Result<(), String> {
        let leader = self.leader().ok_or("no node leads")?;
        let handle = self.cluster.node(leader).ok_or("the leader is gone")?;
        // Whether it worked shows in who leads next.
        self.cluster.run_on(leader, async move {
            let _ = handle.transfer_leader(to as u64 + 1).await;
        });
        Ok(())
    }

    async fn change_member(
        &self,
        leader: usize,
        node: usize,
        change: Change,
    ) -> Result<(), String> {
        let handle = self.cluster.node(leader).ok_or("the leader is gone")?;
        let id = node as u64 + 1;
        let answer = self.cluster.run_on(leader, async move {
            match change {
                Change::Add => handle.add_member(id, &node_address(node)).await,
                Change::Remove => handle.remove_member(id).await,
            }
        });
        let deadline = TurmoilWorld::now() + STEP;
        while TurmoilWorld::now() < deadline && self.leader() == Some(leader) {
            if let Some(answer) = answer.take() {
                return answer.map_err(|e| e.to_string());
            }
            TurmoilWorld::sleep(LOOK).await;
        }
        Err(format!("{} did not answer", node_name(leader)))
    }

    async fn cut(&self, _fault: usize, links: &[(usize, usize)]) -> Result<Option<u64>, Miss> {
        let mut all = self.cluster.links.borrow_mut();
        links.iter().for_each(|(from, to)| all.cut(*from, *to));
        Ok(None)
    }

    async fn join(&self, links: &[(usize, usize)]) -> Result<(), String> {
        let mut all = self.cluster.links.borrow_mut();
        links.iter().for_each(|(from, to)| all.join(*from, *to));
        Ok(())
    }

    async fn degrade(
        &self,
        fault: usize,
        links: &[(usize, usize)],
        change: LinkChange,
    ) -> Result<Option<u64>, Miss> {
        for (from, to) in Links::one_way(links) {
            let (from, to) = (node_name(from), node_name(to));
            let text = format!("fault {fault}: {to}->{from} as well, links are symmetric");
            self.setting.recorder.note(text);
        }
        (self.cluster.links.borrow_mut()).degrade(fault, links, change);
        self.cluster.order(Order::ApplyLinks).await;
        Ok(None)
    }

    async fn restore(&self, fault: usize) -> Result<(), String> {
        self.cluster.links.borrow_mut().restore(fault);
        self.cluster.order(Order::ApplyLinks).await;
        Ok(())
    }

    async fn install_special(
        _nemesis: &Nemesis<Self>,
        _fault: usize,
        action: &ResolvedAction,
        _ends_us: u64,
    ) -> Result<Option<u64>, Miss> {
        unreachable!("{action:?} is refused before a run")
    }

    async fn heal_special(
        _nemesis: &Nemesis<Self>,
        _fault: usize,
        action: &ResolvedAction,
    ) -> Result<(), String> {
        unreachable!("{action:?} is refused before a run")
    }

    async fn emit_digests(&self) {
        self.cluster.emit_digests();
    }

    fn among_clients<R>(&self, work: impl FnOnce() -> R) -> R {
        as_host(self.cluster.len(), work)
    }
}

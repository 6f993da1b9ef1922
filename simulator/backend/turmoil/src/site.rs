//! The hosts of `turmoil` as the harness sees them.

use std::rc::Rc;
use std::time::Duration;

use squall_world::World;

use super::cluster::{Cluster, Order, node_address};
use super::host::as_host;
use super::links::Links;
use super::world::TurmoilWorld;
use squall_backend::site::{
    Change, Configuration, Direction, InstallError, Installed, LinkEffect, Machines, Membership,
    Observation, Processes, Site,
};
use squall_fault::node_name;
use squall_workload::RunContext;

/// How often to look whether a node has answered.
const LOOK: Duration = Duration::from_millis(20);
/// A leader gets this long for one step before the step is tried again.
const STEP: Duration = Duration::from_secs(5);
/// A node asked to stop is killed after this long.
const STOP_LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct TurmoilSite {
    pub(super) cluster: Rc<Cluster>,
    pub(super) context: Rc<RunContext>,
}

impl TurmoilSite {
    fn now(&self) -> Installed {
        Installed {
            at_us: self.context.recorder.now_us(),
        }
    }
}

impl Processes for TurmoilSite {
    fn members(&self) -> usize {
        self.cluster.members
    }

    fn len(&self) -> usize {
        self.cluster.len()
    }

    fn is_up(&self, node: usize) -> bool {
        self.cluster.is_up(node)
    }

    fn data_loss(&self, node: usize) -> Option<String> {
        self.cluster.data_loss(node)
    }

    async fn startup_failure(&self) {
        self.cluster.refused.notified().await;
    }

    async fn start(&self, node: usize) {
        self.cluster.order(vec![Order::Start(node)]).await;
    }

    async fn kill(&self, nodes: &[usize]) -> Installed {
        let kills = nodes.iter().map(|node| Order::Kill(*node));
        self.cluster.order(kills.collect()).await;
        self.now()
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
        self.cluster.order(vec![Order::Kill(node)]).await;
    }

    fn starts(&self, node: usize) -> u64 {
        self.cluster.starts(node)
    }

    async fn set_paused(&self, _nodes: &[usize], _paused: bool) -> Result<(), InstallError> {
        unreachable!("a plan that pauses is refused")
    }

    fn lose_disk(&self, node: usize, why: &str) {
        self.cluster.lose_disk(node, why);
    }

    async fn replace(&self, node: usize) {
        self.cluster.replace(node);
    }
}

impl squall_backend::site::Links for TurmoilSite {
    async fn apply(
        &self,
        fault: usize,
        links: &[Direction],
        effect: LinkEffect,
    ) -> Result<Installed, InstallError> {
        self.cluster.links.borrow_mut().apply(fault, links, effect);
        if let LinkEffect::Degrade(_) = effect {
            for (from, to) in Links::one_way(links) {
                let (from, to) = (node_name(from), node_name(to));
                let text = format!("fault {fault}: {to}->{from} as well, links are symmetric");
                self.context.recorder.note(text);
            }
            self.cluster.order(vec![Order::SetLinks]).await;
        }
        Ok(self.now())
    }

    async fn remove(&self, fault: usize) -> Result<(), String> {
        self.cluster.links.borrow_mut().remove(fault);
        self.cluster.order(vec![Order::SetLinks]).await;
        Ok(())
    }
}

impl Membership for TurmoilSite {
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
}

impl Observation for TurmoilSite {
    fn applied(&self, node: usize) -> Option<u64> {
        self.cluster.node(node).map(|node| node.applied_index())
    }

    async fn emit_digests(&self) {
        self.cluster.emit_digests();
    }
}

/// Power, disks and clocks do not fail here.
impl Machines for TurmoilSite {}

impl Site for TurmoilSite {
    type World = TurmoilWorld;

    fn among_clients<R>(&self, work: impl FnOnce() -> R) -> R {
        as_host(self.cluster.len(), work)
    }
}

//! The nodes as the harness sees them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use squall_cluster::client::operate;
use squall_world::{RealWorld, World};

use super::host::Host;
use super::links::Links as LinuxLinks;
use super::machine::{Common, Machine};
use super::poll;
use squall_backend::site::{
    Change, Configuration, Direction, InstallError, Installed, LinkEffect, Links, Machines,
    Membership, Observation, Processes, Site,
};
use squall_fault::node_name;

/// A leader gets this long for one step before the step is tried again.
const STEP: Duration = Duration::from_secs(5);
/// How often nodes are asked how they stand, while somebody wants to know.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// An answer to that takes less.
const ASK_LIMIT: Duration = Duration::from_millis(400);
/// A report of a digest takes less.
const DIGEST_LIMIT: Duration = Duration::from_secs(10);

/// Nodes on this machine, wherever a [`Host`] runs them.
pub struct NodeSite<H: Host> {
    pub(super) common: Rc<Common<H>>,
    pub(super) machines: Vec<Rc<Machine<H>>>,
    /// Only where the plan has faults of links.
    pub(super) links: Option<LinuxLinks>,
    pub(super) members: usize,
    pub(super) voters: RefCell<Vec<bool>>,
}

impl<H: Host> NodeSite<H> {
    /// Asks every machine how it stands, for ever: all the time where nodes tell nothing by
    /// themselves, else while somebody wants to know.
    pub(super) fn watch(&self) {
        for machine in &self.machines {
            let machine = machine.clone();
            let common = self.common.clone();
            RealWorld::spawn(async move {
                if let Some(polled) = &common.polled {
                    let mut source = (polled.connect)(machine.index, &machine.address);
                    let seen = &common.leaderships;
                    return poll::watch(polled, &mut *source, seen, &*machine).await;
                }
                loop {
                    RealWorld::sleep(ASK_EVERY).await;
                    if machine.is_up() && !machine.is_paused() && machine.is_asked_for() {
                        ask(&machine).await;
                    }
                }
            });
        }
    }

    /// The configuration that the node which has heard most knows to be in force.
    fn newest(&self) -> Option<Configuration> {
        let known = self
            .machines
            .iter()
            .filter_map(|m| m.node_status.configuration());
        known.max_by_key(|(index, _)| *index).map(|(_, now)| now)
    }

    fn links(&self) -> &LinuxLinks {
        let links = self.links.as_ref();
        links.expect("a plan with faults of links has them opened")
    }

    /// Writes down what was seen of a fault.
    fn note(&self, fault: usize, seen: &str) {
        let recorder = &self.common.context.recorder;
        recorder.note(format!("fault {fault}: {seen}"));
    }

    async fn tell(&self, node: usize, words: &[&str]) -> Result<Vec<String>, String> {
        if self.common.polled.is_some() {
            let command = words[0];
            return Err(format!("nodes of this system do not understand {command}"));
        }
        let address = &self.machines[node].address;
        operate::<RealWorld>(address, words, RealWorld::now() + STEP).await
    }
}

async fn ask<H: Host>(machine: &Machine<H>) {
    let deadline = RealWorld::now() + ASK_LIMIT;
    // A node that does not answer is not known to stand anywhere.
    let answer = operate::<RealWorld>(&machine.address, &["RAFT.STATUS"], deadline).await;
    let lines = answer.unwrap_or_default();
    let applied = lines.iter().find_map(|line| line.strip_prefix("applied:"));
    if let Some(index) = applied.and_then(|text| text.parse().ok()) {
        machine.note_answer(Some(index));
    }
}

impl<H: Host> Processes for NodeSite<H> {
    fn members(&self) -> usize {
        self.members
    }

    fn len(&self) -> usize {
        self.machines.len()
    }

    fn is_up(&self, node: usize) -> bool {
        self.machines[node].is_up()
    }

    fn data_loss(&self, node: usize) -> Option<String> {
        self.machines[node].lost.borrow().clone()
    }

    async fn startup_failure(&self) {
        // No fault of this world damages what is stored.
        std::future::pending().await
    }

    async fn start(&self, node: usize) {
        self.machines[node].start().await;
    }

    async fn kill(&self, nodes: &[usize]) -> Installed {
        let machines = || nodes.iter().map(|node| &self.machines[*node]);
        let running: Vec<&Rc<Machine<H>>> = machines().filter(|machine| machine.is_up()).collect();
        join_all(running.iter().map(|machine| machine.strike())).await;
        join_all(running.iter().map(|machine| machine.gone())).await;
        let killed = running.iter().map(|machine| machine.killed_at_us()).min();
        Installed {
            at_us: killed.unwrap_or_else(|| self.common.context.recorder.now_us()),
        }
    }

    async fn stop(&self, node: usize) {
        self.machines[node].stop().await;
    }

    fn starts(&self, node: usize) -> u64 {
        self.machines[node].starts()
    }

    async fn set_paused(&self, nodes: &[usize], paused: bool) -> Result<(), InstallError> {
        let running = nodes.iter().filter(|node| paused || self.is_up(**node));
        let done = running.map(|node| self.machines[*node].set_paused(paused));
        let done: Result<Vec<()>, String> = join_all(done).await.into_iter().collect();
        done.map(drop).map_err(InstallError::Uncertain)
    }

    fn lose_disk(&self, node: usize, why: &str) {
        *self.machines[node].lost.borrow_mut() = Some(why.into());
    }

    async fn replace(&self, node: usize) {
        self.machines[node].renew().await;
    }
}

impl<H: Host> Links for NodeSite<H> {
    async fn apply(
        &self,
        fault: usize,
        links: &[Direction],
        effect: LinkEffect,
    ) -> Result<Installed, InstallError> {
        let now_us = || self.common.context.recorder.now_us();
        let seen = self.links().apply(fault, links, effect, now_us).await;
        let seen = seen.map_err(InstallError::Uncertain)?;
        self.note(fault, &seen.text);
        Ok(Installed { at_us: seen.at_us })
    }

    async fn remove(&self, fault: usize) -> Result<(), String> {
        self.links().remove(fault).await
    }
}

impl<H: Host> Membership for NodeSite<H> {
    /// Nodes that tell nothing by themselves take no commands of Squall's.
    fn can_be_changed(&self) -> bool {
        self.common.polled.is_none()
    }

    fn leader(&self) -> Option<usize> {
        (self.machines.iter())
            .filter(|machine| machine.is_up())
            .filter_map(|machine| Some((machine.node_status.leads()?, machine.index)))
            .max()
            .map(|(_, index)| index)
    }

    fn configuration(&self) -> Option<Configuration> {
        self.leader().and_then(|_| self.newest())
    }

    fn voters(&self) -> Vec<bool> {
        if let Some(now) = self.configuration() {
            let has_vote = |node| now.voters.contains(&node);
            *self.voters.borrow_mut() = (0..self.len()).map(has_vote).collect();
        }
        self.voters.borrow().clone()
    }

    async fn transfer_leader(&self, to: usize) -> Result<(), String> {
        let leader = self.leader().ok_or("no node leads")?;
        let id = (to + 1).to_string();
        self.tell(leader, &["RAFT.TRANSFER", &id]).await.map(drop)
    }

    async fn change_member(
        &self,
        leader: usize,
        node: usize,
        change: Change,
    ) -> Result<(), String> {
        let id = (node + 1).to_string();
        let address = &self.machines[node].address;
        let reply = match change {
            Change::Add => self.tell(leader, &["RAFT.ADD", &id, address]).await,
            Change::Remove => self.tell(leader, &["RAFT.REMOVE", &id]).await,
        };
        reply.map(drop)
    }
}

impl<H: Host> Observation for NodeSite<H> {
    fn applied(&self, node: usize) -> Option<u64> {
        self.machines[node].applied()
    }

    fn is_untold(&self, node: usize) -> bool {
        self.machines[node].is_untold()
    }

    async fn emit_digests(&self) {
        if self.common.polled.is_some() {
            return;
        }
        let running = self.machines.iter().filter(|machine| machine.is_up());
        join_all(running.map(async |machine| {
            let before = machine.node_status.digests();
            let reply = self.tell(machine.index, &["RAFT.DIGEST"]).await;
            let deadline = RealWorld::now() + DIGEST_LIMIT;
            let reported = || machine.node_status.digests() > before;
            while reply.is_ok() && !reported() && RealWorld::now() < deadline {
                RealWorld::sleep(Duration::from_millis(5)).await;
            }
            if !reported() {
                let name = node_name(machine.index);
                let why = reply.err().unwrap_or_else(|| "nothing came".into());
                let note = format!("{name} reported no digest: {why}");
                self.common.context.recorder.note(note);
            }
        }))
        .await;
    }
}

/// Nodes share this machine's power, disk and clock.
impl<H: Host> Machines for NodeSite<H> {}

impl<H: Host> Site for NodeSite<H> {
    type World = RealWorld;

    fn among_clients<R>(&self, work: impl FnOnce() -> R) -> R {
        work()
    }
}

//! What the nemesis does for each kind of fault: begin it, see that it took, end it.
//!
//! A fault of a process or a link is seen at once. A fault of a disk, a clock or a client is
//! seen when something met it: an operation on the disk, a reading of the clock, a request.
//! One that nothing met within its time was not there, and is reported as skipped. Disks have
//! a file of their own, [`super::install_disk`].

use rand::RngExt;

use super::executor::{HostId, Nanos};
use super::nemesis::{INSTANT_PATIENCE_US, LOOK_AGAIN, Miss, Nemesis};
use crate::fault::{ClientFault, ClockFault, MemberChange, ResolvedAction, node_name};
use crate::plan::PlannedFault;

/// A node asked to stop is killed after this long.
const STOP_LIMIT: Nanos = 10_000_000_000;

impl Nemesis {
    /// Does it, and looks whether it took.
    pub(super) async fn install(
        &self,
        fault: usize,
        action: &ResolvedAction,
        ends_us: u64,
    ) -> Result<(), Miss> {
        match action {
            ResolvedAction::Kill { nodes } | ResolvedAction::CrashLoop { nodes, .. } => {
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
                    false => Err(uncertain("a paused process is still scheduled")),
                }
            }
            ResolvedAction::Wipe { nodes } => {
                for node in nodes {
                    self.operator.speak_for(*node, true);
                    self.cluster.kill(*node);
                    self.cluster.lose_disk(*node, "its disk was wiped");
                }
                self.all_down(nodes)
            }
            ResolvedAction::RollingRestart { .. } => Ok(()),
            ResolvedAction::Isolate { .. }
            | ResolvedAction::Partition { .. }
            | ResolvedAction::Bridge { .. } => self.cut(action),
            ResolvedAction::Link { links, change } => {
                let mut network = self.network.borrow_mut();
                network.degrade(fault, links.clone(), *change);
                Ok(())
            }
            ResolvedAction::Transfer { to } => self.transfer(*to).await,
            ResolvedAction::Disk {
                nodes,
                fault: damage,
            } => {
                for node in nodes {
                    self.break_disk(fault, *node, *damage, ends_us).await?;
                }
                Ok(())
            }
            ResolvedAction::Clock {
                nodes,
                fault: change,
            } => nodes
                .iter()
                .try_for_each(|node| self.set_clock(*node, *change)),
            ResolvedAction::Member { node, change } => {
                let done = match change {
                    MemberChange::Add => self.operator.add(*node).await,
                    MemberChange::Remove => self.operator.remove(*node).await,
                    MemberChange::Replace => self.operator.replace(*node).await,
                };
                done.map_err(Miss::Skipped)
            }
            ResolvedAction::Client { fault: misdeed } => {
                self.bother_clients(fault, *misdeed, ends_us).await
            }
        }
    }

    /// Keeps the fault in force until its end.
    pub(super) async fn hold(&self, fault: &PlannedFault, action: &ResolvedAction, ends_us: u64) {
        match action {
            ResolvedAction::CrashLoop {
                nodes,
                up_us,
                down_us,
            } => self.crash_loop(nodes, *up_us, *down_us, ends_us).await,
            ResolvedAction::RollingRestart {
                nodes,
                up_us,
                down_us,
            } => self.restart_in_turn(fault, nodes, *up_us, *down_us).await,
            // Over when it is done.
            ResolvedAction::Member {
                change: MemberChange::Replace,
                ..
            } => {}
            _ => self.sleep_until_us(ends_us).await,
        }
    }

    /// Ends it. What it takes to be rid of it is awaited.
    ///
    /// # Errors
    /// What could not be undone; the harness tries again when all faults are over.
    pub(super) async fn heal(&self, fault: usize, action: &ResolvedAction) -> Result<(), String> {
        match action {
            ResolvedAction::Kill { nodes }
            | ResolvedAction::PowerLoss { nodes }
            | ResolvedAction::Stop { nodes }
            | ResolvedAction::CrashLoop { nodes, .. }
            | ResolvedAction::RollingRestart { nodes, .. } => {
                nodes.iter().for_each(|node| self.revive(*node));
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
            ResolvedAction::Wipe { nodes } => return self.repair(nodes).await,
            ResolvedAction::Disk {
                nodes,
                fault: damage,
            } => return self.mend_disks(fault, nodes, *damage).await,
            ResolvedAction::Clock {
                nodes,
                fault: change,
            } => self.unset_clocks(nodes, *change),
            ResolvedAction::Member { node, change } => match change {
                MemberChange::Add => return self.operator.remove(*node).await,
                MemberChange::Remove => return self.operator.add(*node).await,
                MemberChange::Replace => {}
            },
            ResolvedAction::Client { .. } => {
                let clients = self.storms.borrow_mut().remove(&fault);
                if let (Some(clients), ResolvedAction::Client { fault: misdeed }) =
                    (clients, action)
                    && matches!(misdeed, ClientFault::RetryStorm { .. })
                {
                    clients.iter().for_each(|client| client.storm(false));
                }
            }
            ResolvedAction::Transfer { .. } => {}
        }
        Ok(())
    }

    pub(super) fn all_down(&self, nodes: &[usize]) -> Result<(), Miss> {
        match nodes.iter().find(|node| self.cluster.is_up(**node)) {
            None => Ok(()),
            Some(node) => Err(uncertain(format!("{} still runs", node_name(*node)))),
        }
    }

    fn cut(&self, action: &ResolvedAction) -> Result<(), Miss> {
        let mut network = self.network.borrow_mut();
        let links = action.cut_links(self.cluster.len());
        for (from, to) in &links {
            network.cut(*from, *to, true);
        }
        match links.iter().all(|(from, to)| network.is_cut(*from, *to)) {
            true => Ok(()),
            false => Err(uncertain("a cut link still carries packets")),
        }
    }

    async fn transfer(&self, to: usize) -> Result<(), Miss> {
        self.cluster.transfer_leader(to).map_err(Miss::Skipped)?;
        let deadline_us = self.recorder().now_us() + INSTANT_PATIENCE_US;
        let leads = || self.cluster.leader() == Some(to);
        match self.wait_until(deadline_us, LOOK_AGAIN, leads).await {
            true => Ok(()),
            // Other faults may be in its way, and then nothing has changed.
            false => Err(Miss::Skipped(format!(
                "{} did not take over",
                node_name(to)
            ))),
        }
    }

    async fn crash_loop(&self, nodes: &[usize], up_us: u64, down_us: u64, ends_us: u64) {
        loop {
            self.sleep_until_us((self.recorder().now_us() + down_us).min(ends_us))
                .await;
            nodes.iter().for_each(|node| self.revive(*node));
            self.sleep_until_us((self.recorder().now_us() + up_us).min(ends_us))
                .await;
            if self.recorder().now_us() >= ends_us {
                return;
            }
            nodes.iter().for_each(|node| self.cluster.kill(*node));
        }
    }

    /// Stops and starts one node after the other. A drawn one waits before each node until
    /// the budget allows for it, and leaves out whom it cannot afford in time.
    async fn restart_in_turn(
        &self,
        fault: &PlannedFault,
        nodes: &[usize],
        up_us: u64,
        down_us: u64,
    ) {
        for node in nodes {
            let is_affordable = || !fault.drawn || self.afford(&[*node].into()).is_ok();
            let deadline_us = self.recorder().now_us() + up_us;
            if !self
                .wait_until(deadline_us, LOOK_AGAIN, is_affordable)
                .await
            {
                let name = node_name(*node);
                let text = format!("fault {}: {name} is left out, too many are away", fault.id);
                self.recorder().note(text);
                continue;
            }
            self.impair(fault.id, &[*node]);
            self.cluster.stop(*node, STOP_LIMIT).await;
            self.sleep_until_us(self.recorder().now_us() + down_us)
                .await;
            self.revive(*node);
            self.relieve(fault.id, *node);
            self.sleep_until_us(self.recorder().now_us() + up_us).await;
        }
    }

    /// Has nodes replaced that have lost what they had stored.
    pub(super) async fn repair(&self, nodes: &[usize]) -> Result<(), String> {
        let mut failed = Ok(());
        for node in nodes {
            let done = self.operator.repair(*node).await;
            self.operator.speak_for(*node, false);
            failed = failed.and(done);
        }
        failed
    }

    /// Changes a clock, and reads it.
    fn set_clock(&self, node: usize, change: ClockFault) -> Result<(), Miss> {
        let host = HostId(node);
        let (offset_us, drift_ppm) = self.executor.clock(host);
        let (more_us, more_ppm) = parts(change);
        let read_ms = || {
            let executor = &self.executor;
            executor.as_host(host, || executor.local_wall_ms()) as i64
        };
        let before_ms = read_ms();
        (self.executor).set_clock(host, offset_us + more_us, drift_ppm + more_ppm);
        let moved_ms = read_ms() - before_ms;
        let drifts = self.executor.clock(host).1 == drift_ppm + more_ppm;
        match (moved_ms - more_us / 1_000).abs() <= 1 && drifts {
            true => Ok(()),
            false => Err(uncertain(format!("the clock moved by {moved_ms} ms"))),
        }
    }

    fn unset_clocks(&self, nodes: &[usize], change: ClockFault) {
        let (more_us, more_ppm) = parts(change);
        for node in nodes {
            let (offset_us, drift_ppm) = self.executor.clock(HostId(*node));
            self.executor
                .set_clock(HostId(*node), offset_us - more_us, drift_ppm - more_ppm);
        }
    }

    async fn bother_clients(
        &self,
        fault: usize,
        misdeed: ClientFault,
        ends_us: u64,
    ) -> Result<(), Miss> {
        let mut pool = self.setting.clients();
        let mut picked = Vec::new();
        while !pool.is_empty() && (picked.len() as u64) < misdeed.clients() {
            let index = self.rng.borrow_mut().random_range(0..pool.len() as u64) as usize;
            picked.push(pool.remove(index));
        }
        if picked.is_empty() {
            return Err(Miss::Skipped("there is no client".into()));
        }
        self.storms.borrow_mut().insert(fault, picked.clone());
        match misdeed {
            ClientFault::Crash { .. } => {
                picked.iter().for_each(|client| client.crash());
                Ok(())
            }
            ClientFault::RetryStorm { .. } => {
                let sent = || picked.iter().map(|c| c.stormed()).sum::<u64>();
                let before = sent();
                picked.iter().for_each(|client| client.storm(true));
                match self
                    .wait_until(ends_us, LOOK_AGAIN, || sent() > before)
                    .await
                {
                    true => Ok(()),
                    false => Err(Miss::Skipped("no client sent anything".into())),
                }
            }
        }
    }
}

/// Change of the wall clock in microseconds, and of its rate in parts per million.
fn parts(change: ClockFault) -> (i64, i32) {
    match change {
        ClockFault::Offset { by_us } | ClockFault::Jump { by_us } => (by_us, 0),
        ClockFault::Drift { by_ppm } => (0, by_ppm),
    }
}

pub(super) fn uncertain(why: impl Into<String>) -> Miss {
    Miss::Uncertain(why.into())
}

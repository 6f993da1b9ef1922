//! What the nemesis does for each kind of fault: begin it, see that it took, end it.
//!
//! A fault of a process or a link is seen at once. A fault of a client is seen when it met a
//! request. One that nothing met within its time was not there, and is reported as skipped.
//! Faults that only some worlds have are theirs to do ([`Site::install_special`]).

use futures_util::future::join_all;
use rand::RngExt;

use super::nemesis::{INSTANT_PATIENCE_US, LOOK_AGAIN, Nemesis};
use super::site::{Miss, Site, uncertain};
use squall_fault::{ClientFault, MemberChange, ResolvedAction, node_name};
use squall_plan::plan::PlannedFault;

impl<S: Site> Nemesis<S> {
    /// Does it, and looks whether it took. When it took effect, microseconds of the run;
    /// `None`: just now.
    pub async fn install(
        &self,
        fault: usize,
        action: &ResolvedAction,
        ends_us: u64,
    ) -> Result<Option<u64>, Miss> {
        match action {
            ResolvedAction::Kill { nodes } | ResolvedAction::CrashLoop { nodes, .. } => {
                let at_us = self.site.kill(nodes).await;
                return self.all_down(nodes).map(|()| at_us);
            }
            ResolvedAction::Stop { nodes } => {
                for node in nodes {
                    self.site.stop(*node).await;
                }
                self.all_down(nodes)?;
            }
            ResolvedAction::Pause { nodes } => self.site.set_paused(nodes, true).await?,
            ResolvedAction::Wipe { nodes } => {
                for node in nodes {
                    self.operator.speak_for(*node, true);
                    self.site.kill(&[*node]).await;
                    self.site.lose_disk(*node, "its disk was wiped");
                }
                self.all_down(nodes)?;
            }
            ResolvedAction::RollingRestart { .. } => {}
            ResolvedAction::Isolate { .. }
            | ResolvedAction::Partition { .. }
            | ResolvedAction::Bridge { .. } => {
                let links = action.cut_links(self.site.len());
                return self.site.cut(fault, &links).await;
            }
            ResolvedAction::Link { links, change } => {
                return self.site.degrade(fault, links, *change).await;
            }
            ResolvedAction::Transfer { to } => self.transfer(*to).await?,
            ResolvedAction::PowerLoss { .. }
            | ResolvedAction::Disk { .. }
            | ResolvedAction::Clock { .. } => {
                return S::install_special(self, fault, action, ends_us).await;
            }
            ResolvedAction::Member { node, change } => {
                let done = match change {
                    MemberChange::Add => self.operator.add(*node).await,
                    MemberChange::Remove => self.operator.remove(*node).await,
                    MemberChange::Replace => self.operator.replace(*node).await,
                };
                done.map_err(Miss::Skipped)?;
            }
            ResolvedAction::Client { fault: misdeed } => {
                self.bother_clients(fault, *misdeed, ends_us).await?;
            }
        }
        Ok(None)
    }

    /// Keeps the fault in force until its end.
    pub async fn hold(&self, fault: &PlannedFault, action: &ResolvedAction, ends_us: u64) {
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
    pub async fn heal(&self, fault: usize, action: &ResolvedAction) -> Result<(), String> {
        match action {
            ResolvedAction::Kill { nodes }
            | ResolvedAction::Stop { nodes }
            | ResolvedAction::CrashLoop { nodes, .. }
            | ResolvedAction::RollingRestart { nodes, .. } => self.revive_all(nodes).await,
            ResolvedAction::Pause { nodes } => {
                let undone = self.site.set_paused(nodes, false).await;
                return undone.map_err(Miss::into_text);
            }
            ResolvedAction::Isolate { .. }
            | ResolvedAction::Partition { .. }
            | ResolvedAction::Bridge { .. } => {
                return self.site.join(&action.cut_links(self.site.len())).await;
            }
            ResolvedAction::Link { .. } => return self.site.restore(fault).await,
            ResolvedAction::Wipe { nodes } => return self.repair(nodes).await,
            ResolvedAction::PowerLoss { .. }
            | ResolvedAction::Disk { .. }
            | ResolvedAction::Clock { .. } => return S::heal_special(self, fault, action).await,
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

    pub fn all_down(&self, nodes: &[usize]) -> Result<(), Miss> {
        match nodes.iter().find(|node| self.site.is_up(**node)) {
            None => Ok(()),
            Some(node) => Err(uncertain(format!("{} still runs", node_name(*node)))),
        }
    }

    pub async fn revive_all(&self, nodes: &[usize]) {
        // Real machines take a while to start, and do so at the same time.
        join_all(nodes.iter().map(|node| self.revive(*node))).await;
    }

    async fn transfer(&self, to: usize) -> Result<(), Miss> {
        (self.site.transfer_leader(to).await).map_err(Miss::Skipped)?;
        let deadline_us = self.recorder().now_us() + INSTANT_PATIENCE_US;
        let leads = || self.site.leader() == Some(to);
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
            self.revive_all(nodes).await;
            self.sleep_until_us((self.recorder().now_us() + up_us).min(ends_us))
                .await;
            if self.recorder().now_us() >= ends_us {
                return;
            }
            self.site.kill(nodes).await;
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
            self.site.stop(*node).await;
            self.sleep_until_us(self.recorder().now_us() + down_us)
                .await;
            self.revive(*node).await;
            self.relieve(fault.id, *node);
            self.sleep_until_us(self.recorder().now_us() + up_us).await;
        }
    }

    /// Has nodes replaced that have lost what they had stored.
    pub async fn repair(&self, nodes: &[usize]) -> Result<(), String> {
        let mut failed = Ok(());
        for node in nodes {
            let done = self.operator.repair(*node).await;
            self.operator.speak_for(*node, false);
            failed = failed.and(done);
        }
        failed
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

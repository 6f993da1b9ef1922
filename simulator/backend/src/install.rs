//! Begins each kind of fault, makes sure that it took effect, and ends it.
//!
//! A fault of a process or a link is seen at once. A fault of a client is seen when it met a
//! request. One that nothing met within its time was not there, and is reported as skipped.
//! How machines, links and clocks are broken is the backend's matter ([`super::site`]).

use futures_util::future::join_all;
use rand::RngExt;

use super::nemesis::{INSTANT_PATIENCE_US, LOOK_AGAIN, Nemesis};
use super::site::{InstallError, Installed, LinkEffect, Site, all_down};
use squall_fault::{Action, ClientFault, Cycle, DiskFault, MemberChange, NodeFault, node_name};
use squall_plan::plan::PlannedFault;

impl<S: Site> Nemesis<S> {
    /// Does it, and looks whether it took effect.
    ///
    /// # Errors
    /// It is not seen to be in force.
    pub async fn install(
        &self,
        fault: usize,
        action: &Action<usize>,
        ends_us: u64,
    ) -> Result<Installed, InstallError> {
        match action {
            Action::Nodes {
                does,
                targets: nodes,
            } => match does {
                NodeFault::Kill | NodeFault::CrashLoop(_) => {
                    let installed = self.site.kill(nodes).await;
                    return all_down(&*self.site, nodes).map(|()| installed);
                }
                NodeFault::Stop => {
                    for node in nodes {
                        self.site.stop(*node).await;
                    }
                    all_down(&*self.site, nodes)?;
                }
                NodeFault::Pause => self.site.set_paused(nodes, true).await?,
                NodeFault::Wipe => {
                    for node in nodes {
                        self.operator.reserve(*node, true);
                        self.site.kill(&[*node]).await;
                        self.site.lose_disk(*node, "its disk was wiped");
                    }
                    all_down(&*self.site, nodes)?;
                }
                NodeFault::RollingRestart(_) => {}
                NodeFault::Isolate => return self.cut(fault, action).await,
                NodeFault::Disk(what) => {
                    for node in nodes {
                        if what.loses_data() {
                            self.operator.reserve(*node, true);
                        }
                        self.site.break_disk(fault, *node, *what, ends_us).await?;
                    }
                }
                few_worlds_can => self.site.inflict(fault, nodes, *few_worlds_can)?,
            },
            Action::Partition { .. } => return self.cut(fault, action).await,
            Action::Link { change, .. } => {
                let effect = LinkEffect::Degrade(*change);
                return self.site.apply(fault, &action.links(), effect).await;
            }
            Action::Transfer(to) => self.transfer(*to).await?,
            Action::Member(change) => {
                let done = match change {
                    MemberChange::Add(node) => self.operator.add(*node).await,
                    MemberChange::Remove(node) => self.operator.remove(*node).await,
                    MemberChange::Replace(node) => self.operator.replace(*node).await,
                };
                done.map_err(InstallError::Skipped)?;
            }
            Action::Client(client_fault) => {
                self.inject_client_fault(fault, *client_fault, ends_us)
                    .await?;
            }
        }
        Ok(Installed {
            at_us: self.recorder().now_us(),
        })
    }

    /// Keeps the fault in force until its end.
    pub async fn keep_in_force(&self, fault: &PlannedFault, action: &Action<usize>, ends_us: u64) {
        match action {
            Action::Nodes {
                does: NodeFault::CrashLoop(cycle),
                targets,
            } => self.crash_loop(targets, *cycle, ends_us).await,
            Action::Nodes {
                does: NodeFault::RollingRestart(cycle),
                targets,
            } => self.restart_in_turn(fault, targets, *cycle).await,
            // Over when it is done.
            Action::Member(MemberChange::Replace(_)) => {}
            _ => self.sleep_until_us(ends_us).await,
        }
    }

    /// Ends it. What it takes to be rid of it is awaited.
    ///
    /// # Errors
    /// What could not be undone; the harness tries again when all faults are over.
    pub async fn heal(&self, fault: usize, action: &Action<usize>) -> Result<(), String> {
        match action {
            Action::Nodes {
                does,
                targets: nodes,
            } => match does {
                NodeFault::Kill
                | NodeFault::Stop
                | NodeFault::PowerLoss
                | NodeFault::CrashLoop(_)
                | NodeFault::RollingRestart(_) => self.restart_all(nodes).await,
                NodeFault::Pause => {
                    let undone = self.site.set_paused(nodes, false).await;
                    return undone.map_err(InstallError::into_text);
                }
                NodeFault::Wipe => return self.repair(nodes).await,
                NodeFault::Isolate => return self.site.remove(fault).await,
                NodeFault::Disk(what) => return self.mend_disks(fault, nodes, *what).await,
                few_worlds_can => self.site.undo(nodes, *few_worlds_can),
            },
            Action::Partition { .. } | Action::Link { .. } => {
                return self.site.remove(fault).await;
            }
            Action::Member(change) => match change {
                MemberChange::Add(node) => return self.operator.remove(*node).await,
                MemberChange::Remove(node) => return self.operator.add(*node).await,
                MemberChange::Replace(_) => {}
            },
            Action::Client(ClientFault::RetryStorm(_)) => {
                let clients = self.storms.borrow_mut().remove(&fault);
                let clients = clients.into_iter().flatten();
                clients.for_each(|client| client.storm(false));
            }
            Action::Client(ClientFault::Crash(_)) | Action::Transfer(_) => {}
        }
        Ok(())
    }

    async fn restart_all(&self, nodes: &[usize]) {
        // Real machines take a while to start, and do so at the same time.
        join_all(nodes.iter().map(|node| self.site.restart(*node))).await;
    }

    async fn cut(&self, fault: usize, action: &Action<usize>) -> Result<Installed, InstallError> {
        let links = action.cut_links(self.site.len());
        self.site.apply(fault, &links, LinkEffect::Cut).await
    }

    async fn mend_disks(
        &self,
        fault: usize,
        nodes: &[usize],
        what: DiskFault,
    ) -> Result<(), String> {
        for node in nodes {
            let mut rng = self.rng.borrow_mut();
            self.site.mend_disk(fault, *node, what, &mut rng);
        }
        if what.loses_data() {
            self.repair(nodes).await?;
        }
        if !matches!(what, DiskFault::SlowSync(_)) {
            self.restart_all(nodes).await;
        }
        Ok(())
    }

    async fn transfer(&self, to: usize) -> Result<(), InstallError> {
        (self.site.transfer_leader(to).await).map_err(InstallError::Skipped)?;
        let deadline_us = self.recorder().now_us() + INSTANT_PATIENCE_US;
        let leads = || self.site.leader() == Some(to);
        match self.wait_until(deadline_us, LOOK_AGAIN, leads).await {
            true => Ok(()),
            // Other faults may be in its way, and then nothing has changed.
            false => Err(InstallError::Skipped(format!(
                "{} did not take over",
                node_name(to)
            ))),
        }
    }

    async fn crash_loop(&self, nodes: &[usize], cycle: Cycle, ends_us: u64) {
        loop {
            self.sleep_until_us((self.recorder().now_us() + cycle.down_us).min(ends_us))
                .await;
            self.restart_all(nodes).await;
            self.sleep_until_us((self.recorder().now_us() + cycle.up_us).min(ends_us))
                .await;
            if self.recorder().now_us() >= ends_us {
                return;
            }
            self.site.kill(nodes).await;
        }
    }

    /// Stops and starts one node after the other. A drawn fault waits before each node until
    /// the budget allows for it, and leaves out a node that it does not allow in time.
    async fn restart_in_turn(&self, fault: &PlannedFault, nodes: &[usize], cycle: Cycle) {
        for node in nodes {
            let is_affordable = || !fault.drawn || self.check_budget(&[*node].into()).is_ok();
            let deadline_us = self.recorder().now_us() + cycle.up_us;
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
            self.sleep_until_us(self.recorder().now_us() + cycle.down_us)
                .await;
            self.site.restart(*node).await;
            self.mark_available(fault.id, *node);
            self.sleep_until_us(self.recorder().now_us() + cycle.up_us)
                .await;
        }
    }

    /// Has nodes replaced that have lost what they had stored.
    pub async fn repair(&self, nodes: &[usize]) -> Result<(), String> {
        let mut failed = Ok(());
        for node in nodes {
            let done = self.operator.repair(*node).await;
            self.operator.reserve(*node, false);
            failed = failed.and(done);
        }
        failed
    }

    async fn inject_client_fault(
        &self,
        fault: usize,
        misdeed: ClientFault,
        ends_us: u64,
    ) -> Result<(), InstallError> {
        let mut pool = self.context.clients();
        let mut picked = Vec::new();
        while !pool.is_empty() && (picked.len() as u64) < misdeed.clients() {
            let index = self.rng.borrow_mut().random_range(0..pool.len() as u64) as usize;
            picked.push(pool.remove(index));
        }
        if picked.is_empty() {
            return Err(InstallError::Skipped("there is no client".into()));
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
                    false => Err(InstallError::Skipped("no client sent anything".into())),
                }
            }
        }
    }
}

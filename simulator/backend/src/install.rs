//! Begins each kind of fault, makes sure that it took effect, and ends it.
//!
//! A fault of a process or a link is seen at once. A fault of a client is seen when it met a
//! request. One that nothing met within its time was not there, and is reported as skipped.
//! The backend breaks machines, links and clocks ([`super::site`]).

use futures_util::future::join_all;
use rand::RngExt;

use super::nemesis::{INSTANT_PATIENCE_US, LOOK_AGAIN, Nemesis};
use super::site::{InstallError, Installed, LinkEffect, Site, all_down};
use squall_fault::{Action, ClientFault, Cycle, DiskFault, MemberChange, NodeFault, node_name};
use squall_history::FaultStatus;
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
                    // It takes effect when it is asked for: leaders hand over first.
                    let at_us = self.recorder().now_us();
                    let mut restarted = Vec::new();
                    for node in nodes {
                        let starts = self.site.starts(*node);
                        self.site.stop(*node).await;
                        // Another fault may have ended it first, and started it again when it
                        // healed: what was asked to stop is gone then as well.
                        match self.site.starts(*node) == starts {
                            true => all_down(&*self.site, &[*node])?,
                            false => restarted.push(node_name(*node)),
                        }
                    }
                    if restarted.len() == nodes.len() {
                        let names = restarted.join(", ");
                        return Err(InstallError::Skipped(format!(
                            "another fault ended {names} first, and started it again"
                        )));
                    }
                    return Ok(Installed { at_us });
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
                NodeFault::RollingRestart(_) => unreachable!("it is done in turns"),
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
            Action::Transfer(to) => return self.transfer(*to).await,
            Action::Member(change) => {
                let done = match change {
                    MemberChange::Add(node) => self.operator.add(*node).await,
                    MemberChange::Remove(node) => self.operator.remove(*node).await,
                    MemberChange::Replace(node) => self.operator.replace(*node).await,
                };
                let at_us = done?;
                return Ok(Installed { at_us });
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

    /// Keeps the fault in force until its end. Whether it still is, then: one in turns is
    /// healed with each of them.
    pub async fn keep_in_force(
        &self,
        fault: &PlannedFault,
        action: &Action<usize>,
        ends_us: u64,
    ) -> bool {
        match action {
            Action::Nodes {
                does: NodeFault::CrashLoop(cycle),
                targets,
            } => self.crash_loop(fault, targets, *cycle, ends_us).await,
            // Over when it is done.
            Action::Member(MemberChange::Replace(_)) => true,
            _ => {
                self.sleep_until_us(ends_us).await;
                true
            }
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
                | NodeFault::CrashLoop(_) => self.restart_all(nodes).await,
                NodeFault::RollingRestart(_) => unreachable!("its turns healed"),
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
            Action::Member(change) => {
                let undone = match change {
                    MemberChange::Add(node) => self.operator.remove(*node).await,
                    MemberChange::Remove(node) => self.operator.add(*node).await,
                    MemberChange::Replace(_) => return Ok(()),
                };
                return undone.map(drop).map_err(InstallError::into_text);
            }
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

    /// Has the leader hand over, and takes effect when it was asked to. If `to` leads already
    /// there is nothing to do.
    async fn transfer(&self, to: usize) -> Result<Installed, InstallError> {
        let installed = Installed {
            at_us: self.recorder().now_us(),
        };
        let old = self.site.leader();
        if old == Some(to) {
            return Ok(installed);
        }
        (self.site.transfer_leader(to).await).map_err(InstallError::Skipped)?;
        let deadline_us = installed.at_us + INSTANT_PATIENCE_US;
        let new = || self.site.leader().filter(|leader| Some(*leader) != old);
        let is_led = || new().is_some();
        self.wait_until(deadline_us, LOOK_AGAIN, is_led).await;
        match new() {
            Some(leader) if leader == to => Ok(installed),
            // Other faults may be in its way.
            Some(other) => Err(InstallError::Skipped(format!(
                "{} took over, not {}",
                node_name(other),
                node_name(to)
            ))),
            None => Err(InstallError::Skipped(format!(
                "{} did not take over",
                node_name(to)
            ))),
        }
    }

    /// Ends nodes that are down and starts nodes that are, until the time is over. Whether
    /// they are down then.
    async fn crash_loop(
        &self,
        fault: &PlannedFault,
        nodes: &[usize],
        cycle: Cycle,
        ends_us: u64,
    ) -> bool {
        let now_us = || self.recorder().now_us();
        let names = || nodes.iter().copied().map(node_name).collect();
        loop {
            let up_at_us = now_us() + cycle.down_us;
            self.sleep_until_us(up_at_us.min(ends_us)).await;
            if up_at_us >= ends_us {
                return true;
            }
            self.restart_all(nodes).await;
            self.report(fault, names(), FaultStatus::Healed);
            let down_at_us = now_us() + cycle.up_us;
            self.sleep_until_us(down_at_us.min(ends_us)).await;
            if now_us() >= ends_us {
                return false;
            }
            let Installed { at_us } = self.site.kill(nodes).await;
            self.report_at(at_us, fault, names(), FaultStatus::Installed);
        }
    }

    /// A rolling restart, whose every turn is a fault of its own under one number.
    pub async fn roll(&self, fault: &PlannedFault, nodes: &[usize], cycle: Cycle) {
        let turns = self.restart_in_turn(fault, nodes, cycle).await;
        if turns == 0 {
            let why = "too many nodes were away in every turn".into();
            let names = nodes.iter().copied().map(node_name).collect();
            self.report(fault, names, FaultStatus::Skipped { why });
        }
        self.restart_all(nodes).await;
        self.look_for_majority();
    }

    /// Stops and starts one node after the other; how many. A drawn one waits before each node
    /// until the budget allows for it, and leaves out a node for which it does not in time.
    async fn restart_in_turn(&self, fault: &PlannedFault, nodes: &[usize], cycle: Cycle) -> usize {
        let mut turns = 0;
        for node in nodes {
            let is_affordable = || {
                !fault.drawn
                    || self
                        .check_budget(fault.action.kind(), &[*node].into())
                        .is_ok()
            };
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
            turns += 1;
            let name = vec![node_name(*node)];
            self.report(fault, name.clone(), FaultStatus::Installed);
            self.site.stop(*node).await;
            self.sleep_until_us(self.recorder().now_us() + cycle.down_us)
                .await;
            self.site.restart(*node).await;
            self.mark_available(fault.id, *node);
            self.report(fault, name, FaultStatus::Healed);
            self.sleep_until_us(self.recorder().now_us() + cycle.up_us)
                .await;
        }
        turns
    }

    /// Has nodes replaced that have lost what they had stored.
    pub async fn repair(&self, nodes: &[usize]) -> Result<(), String> {
        let mut failed = Ok(());
        for node in nodes {
            let done = self.operator.repair(*node).await;
            self.operator.reserve(*node, false);
            failed = failed.and(done.map_err(InstallError::into_text));
        }
        failed
    }

    async fn inject_client_fault(
        &self,
        fault: usize,
        client_fault: ClientFault,
        ends_us: u64,
    ) -> Result<(), InstallError> {
        let mut pool = self.context.clients();
        let mut picked = Vec::new();
        while !pool.is_empty() && (picked.len() as u64) < client_fault.clients() {
            let index = self.rng.borrow_mut().random_range(0..pool.len() as u64) as usize;
            picked.push(pool.remove(index));
        }
        if picked.is_empty() {
            return Err(InstallError::Skipped("there is no client".into()));
        }
        self.storms.borrow_mut().insert(fault, picked.clone());
        match client_fault {
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

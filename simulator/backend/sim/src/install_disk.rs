//! What the nemesis does to disks, and how it sees that it took.
//!
//! Errors and delays are installed and wait for an operation to meet them. Damage to what is
//! stored shows when a node reads its disk, which it does when it starts: so the process is
//! ended and started again, and must refuse. Whom that happens to is replaced when the fault
//! heals.

use std::time::Duration;

use rand::RngExt;

use super::install::SimFaults;
use super::world::SimWorld;
use squall_backend::nemesis::LOOK_AGAIN;
use squall_backend::site::{Miss, uncertain};
use squall_fault::{DiskFault, node_name};

/// Starting takes less than this.
const START_LIMIT_US: u64 = 2_000_000;
/// How often to look for a write under way: a sync takes a few of these.
const LOOK_CLOSELY: Duration = Duration::from_micros(100);

impl SimFaults<'_> {
    /// Breaks one disk, and waits until an operation has met the fault.
    pub(super) async fn break_disk(
        &self,
        fault: usize,
        node: usize,
        damage: DiskFault,
        ends_us: u64,
    ) -> Result<(), Miss> {
        let disk = self.site.cluster.disk(node);
        let (name, lives) = (node_name(node), self.site.cluster.lives(node));
        if damage.loses_data() {
            self.operator.speak_for(node, true);
        }
        match damage {
            // That a failure ends the process, as it must, is for the check of faults to see.
            DiskFault::SlowSync { .. }
            | DiskFault::FailingSync
            | DiskFault::WriteError
            | DiskFault::Full => {
                disk.install(fault, damage);
                self.until_met(fault, node, ends_us).await
            }
            DiskFault::ReadError => {
                disk.install(fault, damage);
                self.site.cluster.kill(node);
                self.revive(node).await;
                self.until_met(fault, node, ends_us).await
            }
            DiskFault::BitRot => {
                self.site.cluster.kill(node);
                match disk.rot() {
                    Ok(what) => self.recorder().note(format!("{name}: {what} rot")),
                    Err(why) => {
                        self.revive(node).await;
                        return Err(Miss::Skipped(why));
                    }
                }
                self.until_refused(node, lives).await
            }
            DiskFault::MisdirectedWrite => {
                disk.install(fault, damage);
                self.until_met(fault, node, ends_us).await?;
                let synced = || !disk.is_writing();
                self.wait_until(ends_us, LOOK_CLOSELY, synced).await;
                self.until_refused(node, lives).await
            }
            DiskFault::TornTail => {
                let writes = || disk.is_writing();
                if !self.wait_until(ends_us, LOOK_CLOSELY, writes).await {
                    return Err(Miss::Skipped(format!("{name} wrote nothing")));
                }
                let torn = self.site.cluster.tear_write(node);
                let what = torn.map_err(Miss::Uncertain)?;
                self.recorder().note(format!("{name}: {what}"));
                self.all_down(&[node])
            }
        }
    }

    async fn until_met(&self, fault: usize, node: usize, ends_us: u64) -> Result<(), Miss> {
        let disk = self.site.cluster.disk(node);
        while disk.met(fault) == 0 {
            let rest_us = ends_us.saturating_sub(self.recorder().now_us());
            let rest = Duration::from_micros(rest_us);
            if squall_world::timeout::<SimWorld, _>(rest, disk.meeting())
                .await
                .is_err()
            {
                let name = node_name(node);
                return Err(Miss::Skipped(format!("no operation of {name} met it")));
            }
        }
        Ok(())
    }

    /// Starts a node with damage, which must notice and refuse. Another fault may have been
    /// quicker: then the node has refused already, or has even been replaced since `lives`.
    async fn until_refused(&self, node: usize, lives: u64) -> Result<(), Miss> {
        let (cluster, name) = (&self.site.cluster, node_name(node));
        let refused = || cluster.lost(node).is_some();
        let replaced = || cluster.lives(node) > lives;
        if !refused() && !replaced() {
            cluster.kill(node);
            self.revive(node).await;
        }
        let deadline_us = self.recorder().now_us() + START_LIMIT_US;
        let noticed = || refused() || replaced();
        match self.wait_until(deadline_us, LOOK_AGAIN, noticed).await {
            true if replaced() => Err(Miss::Skipped(format!("{name} was replaced meanwhile"))),
            true => Ok(()),
            // Another fault holds it down; what is damaged will show when it starts.
            false if cluster.node(node).is_none() => {
                Err(Miss::Skipped(format!("{name} could not start meanwhile")))
            }
            false => Err(uncertain(format!("{name} starts with a damaged disk"))),
        }
    }

    pub(super) async fn mend_disks(
        &self,
        fault: usize,
        nodes: &[usize],
        damage: DiskFault,
    ) -> Result<(), String> {
        for node in nodes {
            let disk = self.site.cluster.disk(*node);
            let met = disk.lift(fault);
            let forgets = || self.rng.borrow_mut().random_range(0..2_u32) == 0;
            if damage == DiskFault::FailingSync
                && met > 0
                && !self.site.cluster.is_up(*node)
                && forgets()
            {
                // The system took the pages that it could not write for clean, and dropped
                // them (Rebello et al., 2020).
                disk.lose_power();
            }
        }
        if damage.loses_data() {
            self.repair(nodes).await?;
        }
        if !matches!(damage, DiskFault::SlowSync { .. }) {
            self.revive_all(nodes).await;
        }
        Ok(())
    }
}

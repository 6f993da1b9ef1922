//! Power, disks and clocks of the simulated machines, and how it is seen that they went wrong.
//!
//! A fault of a clock is seen by reading it. Errors and delays of a disk are installed and
//! wait for an operation to meet them. Damage to what is stored shows when a node reads its
//! disk, which it does when it starts: so the process is ended and started again, and must
//! refuse. Such a node is replaced when the fault heals.

use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::disk::LOG_NAME;
use super::site::SimSite;
use super::world::SimWorld;
use squall_backend::nemesis::LOOK_AGAIN;
use squall_backend::site::{InstallError, Machines, Processes, Site, all_down};
use squall_backend::wait::wait_until;
use squall_cluster::storage::{MemoryDisk, Recovered, Wal};
use squall_engine::executor::HostId;
use squall_fault::{ClockFault, DiskFault, NodeFault, Peers, node_name};
use squall_history::Recorder;

/// Starting takes less than this.
const START_LIMIT_US: u64 = 2_000_000;
/// How often to look for a write under way: a sync takes a few of these.
const LOOK_CLOSELY: Duration = Duration::from_micros(100);

impl Machines for SimSite {
    fn inflict(&self, fault: usize, nodes: &[usize], what: NodeFault) -> Result<(), InstallError> {
        match what {
            NodeFault::PowerLoss => {
                (nodes.iter()).for_each(|node| self.cluster.lose_power(*node));
                all_down(self, nodes)
            }
            NodeFault::Clock(what) => {
                let mut nodes = nodes.iter();
                nodes.try_for_each(|node| self.set_clock(*node, what))
            }
            NodeFault::Reset { with } => self.reset(fault, nodes, with),
            NodeFault::Disk(_)
            | NodeFault::Kill
            | NodeFault::Stop
            | NodeFault::Pause
            | NodeFault::Isolate
            | NodeFault::Wipe
            | NodeFault::CrashLoop(_)
            | NodeFault::RollingRestart(_) => unreachable!("{what:?} is done in another way"),
        }
    }

    fn undo(&self, nodes: &[usize], what: NodeFault) {
        if let NodeFault::Clock(what) = what {
            (nodes.iter()).for_each(|node| self.reset_clock(*node, what));
        }
    }

    async fn break_disk(
        &self,
        fault: usize,
        node: usize,
        damage: DiskFault,
        ends_us: u64,
    ) -> Result<(), InstallError> {
        let disk = self.cluster.disk(node);
        let (name, lives) = (node_name(node), self.cluster.lives(node));
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
                self.cluster.kill(node);
                self.restart(node).await;
                self.until_met(fault, node, ends_us).await
            }
            DiskFault::BitRot => {
                self.cluster.kill(node);
                match disk.rot() {
                    Ok(what) => self.recorder().note(format!("{name}: {what} rot")),
                    Err(why) => {
                        self.restart(node).await;
                        return Err(InstallError::Skipped(why));
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
                    return Err(InstallError::Skipped(format!("{name} wrote nothing")));
                }
                let torn = self.cluster.tear_write(node);
                let what = torn.map_err(InstallError::Uncertain)?;
                self.recorder().note(format!("{name}: {what}"));
                all_down(self, &[node])
            }
            DiskFault::LostTail(most) => {
                self.cluster.lose_power(node);
                let cut = disk.lose_tail(most).map_err(|e| e.to_string());
                let lost = match cut {
                    Ok([before, after]) => lost_between(&before, &after).await,
                    Err(why) => Err(why),
                };
                match lost {
                    Ok(what) => self.recorder().note(format!("{name}: {what}")),
                    Err(why) => {
                        self.restart(node).await;
                        return Err(InstallError::Skipped(format!("{name}: {why}")));
                    }
                }
                all_down(self, &[node])
            }
        }
    }

    fn mend_disk(&self, fault: usize, node: usize, what: DiskFault, rng: &mut ChaCha8Rng) {
        let disk = self.cluster.disk(node);
        let met = disk.lift(fault);
        if what == DiskFault::FailingSync
            && met > 0
            && !self.is_up(node)
            && rng.random_range(0..2_u32) == 0
        {
            // The system took the pages that it could not write for clean, and dropped
            // them (Rebello et al., 2020).
            disk.lose_power();
        }
    }
}

impl SimSite {
    /// Resets connections of the nodes, and counts them.
    fn reset(&self, fault: usize, nodes: &[usize], with: Peers) -> Result<(), InstallError> {
        let is_target = |host: HostId| nodes.contains(&host.0);
        let is_meant = |host: HostId, peer: HostId| match with {
            Peers::Nodes => peer != host && peer.0 < self.cluster.len(),
            Peers::Targets => peer != host && is_target(peer),
            Peers::Clients => peer == self.clients,
        };
        let now = self.executor.now();
        let count = self.network.borrow_mut().reset_between(now, |a, b| {
            (is_target(a) && is_meant(a, b)) || (is_target(b) && is_meant(b, a))
        });
        if count == 0 {
            let why = "there was no such connection".to_owned();
            return Err(InstallError::Skipped(why));
        }
        let text = format!("fault {fault}: {count} connections were reset");
        self.recorder().note(text);
        Ok(())
    }

    /// Sets a clock wrong, and reads it.
    fn set_clock(&self, node: usize, what: ClockFault) -> Result<(), InstallError> {
        let host = HostId(node);
        let (offset_us, drift_ppm) = self.executor.clock(host);
        let (more_us, more_ppm) = parts(what);
        let read_ms = || {
            let executor = &self.executor;
            executor.as_host(host, || executor.local_wall_ms()) as i64
        };
        let before_ms = read_ms();
        (self.executor).set_clock(host, offset_us + more_us, drift_ppm + more_ppm);
        let moved_ms = read_ms() - before_ms;
        let drifts = self.executor.clock(host).1 == drift_ppm + more_ppm;
        if (moved_ms - more_us / 1_000).abs() > 1 || !drifts {
            let why = format!("the clock moved by {moved_ms} ms");
            return Err(InstallError::uncertain(why));
        }
        Ok(())
    }

    fn reset_clock(&self, node: usize, what: ClockFault) {
        let host = HostId(node);
        let (more_us, more_ppm) = parts(what);
        let (offset_us, drift_ppm) = self.executor.clock(host);
        (self.executor).set_clock(host, offset_us - more_us, drift_ppm - more_ppm);
    }

    fn recorder(&self) -> &Recorder {
        &self.context.recorder
    }

    async fn wait_until(
        &self,
        deadline_us: u64,
        every: Duration,
        condition: impl Fn() -> bool,
    ) -> bool {
        wait_until::<SimWorld>(self.recorder(), deadline_us, every, condition).await
    }

    async fn until_met(&self, fault: usize, node: usize, ends_us: u64) -> Result<(), InstallError> {
        let disk = self.cluster.disk(node);
        while disk.met(fault) == 0 {
            let rest_us = ends_us.saturating_sub(self.recorder().now_us());
            let rest = Duration::from_micros(rest_us);
            if squall_world::timeout::<SimWorld, _>(rest, disk.meeting())
                .await
                .is_err()
            {
                let name = node_name(node);
                return Err(InstallError::Skipped(format!(
                    "no operation of {name} met it"
                )));
            }
        }
        Ok(())
    }

    /// Starts a node with damage, which must notice and refuse. Another fault may have been
    /// quicker: then the node has refused already, or has even been replaced since `lives`.
    async fn until_refused(&self, node: usize, lives: u64) -> Result<(), InstallError> {
        let (cluster, name) = (&self.cluster, node_name(node));
        let refused = || cluster.lost(node).is_some();
        let replaced = || cluster.lives(node) > lives;
        if !refused() && !replaced() {
            cluster.kill(node);
            self.restart(node).await;
        }
        let deadline_us = self.recorder().now_us() + START_LIMIT_US;
        let noticed = || refused() || replaced();
        match self.wait_until(deadline_us, LOOK_AGAIN, noticed).await {
            true if replaced() => Err(InstallError::Skipped(format!(
                "{name} was replaced meanwhile"
            ))),
            true => Ok(()),
            // Another fault holds it down; what is damaged will show when it starts.
            false if cluster.node(node).is_none() => Err(InstallError::Skipped(format!(
                "{name} could not start meanwhile"
            ))),
            false => Err(InstallError::uncertain(format!(
                "{name} starts with a damaged disk"
            ))),
        }
    }
}

/// What a log has forgotten of which an end was cut off.
async fn lost_between(before: &[u8], after: &[u8]) -> Result<String, String> {
    let read = async |bytes: &[u8]| {
        let disk = MemoryDisk::new();
        disk.put(LOG_NAME, bytes);
        let opened = Wal::open(disk).await.map_err(|e| e.to_string())?;
        Ok::<Recovered, String>(opened.1)
    };
    let (had, has) = (read(before).await?, read(after).await?);
    let (entries, votes) = (had.entries.len(), had.vote != has.vote);
    let lost = had
        .entries
        .keys()
        .filter(|index| !has.entries.contains_key(index));
    let vote = if votes { ", and the last vote" } else { "" };
    match lost.count() {
        0 if !votes => Err("nothing was to be lost at the end of its log".into()),
        lost => Ok(format!(
            "{lost} of {entries} entries that were synced are gone{vote}"
        )),
    }
}

/// Change of the wall clock in microseconds, and of its rate in parts per million.
fn parts(what: ClockFault) -> (i64, i32) {
    match what {
        ClockFault::Offset(by_us) | ClockFault::Jump(by_us) => (by_us, 0),
        ClockFault::Drift(by_ppm) => (0, by_ppm),
    }
}

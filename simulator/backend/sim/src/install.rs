//! What only the simulation can do to machines: power loss, and clocks that go wrong.
//!
//! A fault of a clock is seen by reading it. Disks have a file of their own,
//! [`super::install_disk`].

use std::ops::Deref;

use super::executor::HostId;
use super::site::SimSite;
use squall_backend::nemesis::Nemesis;
use squall_backend::site::{Miss, uncertain};
use squall_fault::{Action, ClockFault, NodeFault};

/// The nemesis of a simulation, with the faults that no other world has.
pub(super) struct SimFaults<'a>(pub(super) &'a Nemesis<SimSite>);

impl Deref for SimFaults<'_> {
    type Target = Nemesis<SimSite>;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl SimFaults<'_> {
    /// Does a fault that no other world has, and looks whether it took.
    pub(super) async fn install_in_simulation(
        &self,
        fault: usize,
        action: &Action<usize>,
        ends_us: u64,
    ) -> Result<(), Miss> {
        let Action::Nodes { does, targets } = action else {
            unreachable!("every world has the others")
        };
        match does {
            NodeFault::PowerLoss => {
                (targets.iter()).for_each(|node| self.site.cluster.lose_power(*node));
                self.all_down(targets)
            }
            NodeFault::Disk(damage) => {
                for node in targets {
                    self.break_disk(fault, *node, *damage, ends_us).await?;
                }
                Ok(())
            }
            NodeFault::Clock(change) => {
                let mut nodes = targets.iter();
                nodes.try_for_each(|node| self.set_clock(*node, *change))
            }
            NodeFault::Kill
            | NodeFault::Stop
            | NodeFault::Pause
            | NodeFault::Isolate
            | NodeFault::Wipe
            | NodeFault::CrashLoop(_)
            | NodeFault::RollingRestart(_) => unreachable!("every world has the others"),
        }
    }

    /// Ends such a fault.
    pub(super) async fn heal_in_simulation(
        &self,
        fault: usize,
        action: &Action<usize>,
    ) -> Result<(), String> {
        let Action::Nodes { does, targets } = action else {
            unreachable!("every world has the others")
        };
        match does {
            NodeFault::PowerLoss => self.revive_all(targets).await,
            NodeFault::Disk(damage) => return self.mend_disks(fault, targets, *damage).await,
            NodeFault::Clock(change) => self.unset_clocks(targets, *change),
            _ => unreachable!("every world has the others"),
        }
        Ok(())
    }

    /// Changes a clock, and reads it.
    fn set_clock(&self, node: usize, change: ClockFault) -> Result<(), Miss> {
        let host = HostId(node);
        let (offset_us, drift_ppm) = self.site.executor.clock(host);
        let (more_us, more_ppm) = parts(change);
        let read_ms = || {
            let executor = &self.site.executor;
            executor.as_host(host, || executor.local_wall_ms()) as i64
        };
        let before_ms = read_ms();
        (self.site.executor).set_clock(host, offset_us + more_us, drift_ppm + more_ppm);
        let moved_ms = read_ms() - before_ms;
        let drifts = self.site.executor.clock(host).1 == drift_ppm + more_ppm;
        match (moved_ms - more_us / 1_000).abs() <= 1 && drifts {
            true => Ok(()),
            false => Err(uncertain(format!("the clock moved by {moved_ms} ms"))),
        }
    }

    fn unset_clocks(&self, nodes: &[usize], change: ClockFault) {
        let (more_us, more_ppm) = parts(change);
        for node in nodes {
            let (offset_us, drift_ppm) = self.site.executor.clock(HostId(*node));
            self.site
                .executor
                .set_clock(HostId(*node), offset_us - more_us, drift_ppm - more_ppm);
        }
    }
}

/// Change of the wall clock in microseconds, and of its rate in parts per million.
fn parts(change: ClockFault) -> (i64, i32) {
    match change {
        ClockFault::Offset(by_us) | ClockFault::Jump(by_us) => (by_us, 0),
        ClockFault::Drift(by_ppm) => (0, by_ppm),
    }
}

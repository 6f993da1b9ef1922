//! R4: while some nodes are gone, a majority that is left alone serves in time: within
//! [`WITHIN_US`], or [`WITHIN_TIMEOUTS`] of the longest election timeouts if that is longer.
//!
//! In plain words: that is what the others are there for.
//!
//! Source: availability as Raft promises it (Ongaro & Ousterhout, 2014, §2): fully functional as
//! long as any majority of the servers is operational and can communicate with each other and
//! with clients. Judged are stretches in which nothing changed: no fault began or ended, no
//! process started or ended. The faults in force in one must be of those that silence whole
//! nodes, and leave a majority of the voters that runs. Of the operations that clients sent in
//! it after the time for an election, one answered is enough.
//!
//! Not checked: stretches with faults that make links, disks or clocks worse, or that leave a
//! bridge, since what a majority can do in them is a matter of degree; two configurations at
//! once; and time after the last heal, which is for other checks.

use std::collections::{BTreeMap, BTreeSet};

use super::quorum_loss::Members;
use super::result::Judge;
use super::view::View;
use super::words::{self, seconds};
use squall_fault::kind::{Ends, FaultKind, Silence};
use squall_history::{Action, EventKind, FaultEvent, FaultStatus, Operation, Outcome};

/// Far more than it takes to miss a leader and to elect another with the usual timers …
const WITHIN_US: u64 = 4_000_000;
/// … and so many of the longest election timeouts with slower ones.
const WITHIN_TIMEOUTS: u64 = 7;
/// Fewer operations may all have been unlucky.
const LEAST_ASKED: usize = 10;

pub(super) fn check(view: &View, judge: &mut Judge) {
    let timeout_us = view.lease_us().unwrap_or(0);
    let within_us = WITHIN_US.max(WITHIN_TIMEOUTS.saturating_mul(timeout_us));
    let mut standing = Standing::default();
    let mut since_us = None;
    for event in &view.history.events {
        if !standing.note(&event.kind) {
            continue;
        }
        if let Some(since_us) = since_us.take() {
            judge_stretch(view, judge, (since_us, event.at_us), within_us);
        }
        since_us = standing.leaves_a_majority().then_some(event.at_us);
    }
}

fn judge_stretch(view: &View, judge: &mut Judge, (since_us, until_us): (u64, u64), within_us: u64) {
    let from_us = since_us.saturating_add(within_us);
    if from_us >= until_us {
        return;
    }
    let is_within = |o: &&Operation| {
        let returned_us = o.returned_us.filter(|&us| us < until_us);
        let is_heard = o.outcome.is_some_and(|outcome| !outcome.is_unheard());
        // A single node answers a read of its own state, whoever else is there.
        let is_of_many = o.action.is_remote() && !matches!(o.action, Action::GetFrom { .. });
        is_of_many && o.invoked_us >= from_us && returned_us.is_some() && is_heard
    };
    let asked: Vec<&Operation> = view.operations.iter().filter(is_within).collect();
    if asked.len() < LEAST_ASKED {
        return;
    }
    judge.count_checked();
    let mut outcomes = asked.iter().filter_map(|o| o.outcome);
    if !outcomes.any(Outcome::is_answer) {
        judge.violation(
            format!(
                "a majority was left alone from {} to {}, and served nobody",
                seconds(since_us),
                seconds(until_us)
            ),
            asked.into_iter().map(words::operation),
        );
    }
}

/// Which nodes run, and which faults are in force.
#[derive(Debug, Default)]
struct Standing<'a> {
    members: Members<'a>,
    faults: BTreeMap<usize, &'a FaultEvent>,
}

impl<'a> Standing<'a> {
    /// Whether the event changed anything.
    fn note(&mut self, event: &'a EventKind) -> bool {
        match event {
            EventKind::Phase { .. } => true,
            EventKind::Fault(fault) => {
                match fault.status {
                    FaultStatus::Skipped { .. } => return false,
                    FaultStatus::Healed => drop(self.faults.remove(&fault.fault)),
                    FaultStatus::Installed | FaultStatus::Uncertain { .. } => {
                        if fault.kind.info().ends != Ends::AtOnce {
                            self.faults.insert(fault.fault, fault);
                        }
                    }
                }
                true
            }
            EventKind::Node { node, event } => self.members.note(node, event),
            _ => false,
        }
    }

    /// Whether some fault silences nodes, and those that it leaves are a majority.
    fn leaves_a_majority(&self) -> bool {
        let mut gone: BTreeSet<&str> = BTreeSet::new();
        for fault in self.faults.values() {
            let silenced = match fault.kind.info().silence {
                _ if fault.kind == FaultKind::Bridge => return false,
                Silence::None => return false,
                // Which links it cuts is not recorded, so neither is which nodes are left alone.
                Silence::Minority if fault.cut_off.is_empty() => return false,
                Silence::Process | Silence::CutOff => &fault.targets,
                Silence::Minority => &fault.cut_off,
            };
            gone.extend(silenced.iter().map(String::as_str));
        }
        let Members {
            running, voters, ..
        } = &self.members;
        let left = voters.iter().map(String::as_str);
        let left = left.filter(|voter| running.contains(voter) && !gone.contains(voter));
        !gone.is_empty() && 2 * left.count() > voters.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{LEAST_ASKED, check};
    use crate::testing::*;
    use squall_history::{FaultStatus, Outcome};

    /// One of three is cut off for eight seconds, and clients ask all the while.
    fn cut_off(kind: &str, also_stops: Option<&str>, answer: fn() -> Outcome) -> Run {
        let mut run = Run::new();
        run.members(&["node-1", "node-2", "node-3"]);
        run.at(1_000).fault(kind, "node-1", FaultStatus::Installed);
        also_stops.map(|node| run.stopped(node));
        for nth in 0..2 * LEAST_ASKED as u64 {
            run.at(6_000 + 100 * nth)
                .call("cache-1", set("k", &format!("v{nth}")), answer());
        }
        run.at(9_000).fault(kind, "node-1", FaultStatus::Healed);
        run
    }

    #[test]
    fn a_majority_that_serves_nobody() {
        let mut run = cut_off("isolate", None, unknown);
        fails(check, &run.end(), "a majority was left alone from");
        let mut run = cut_off("kill", None, || failed("CLUSTERDOWN"));
        fails(check, &run.end(), "served nobody");
    }

    /// With election timeouts of two seconds, an election may take longer than that.
    #[test]
    fn slow_timers_have_more_time() {
        let mut run = cut_off("isolate", None, unknown);
        run.setup(Some(2_000), &[]);
        not_judged(check, &run.end(), "no stretches");
    }

    #[test]
    fn a_majority_that_serves() {
        passes(check, &cut_off("isolate", None, || stored(5)).end());
    }

    /// Too few are left, or what is left is not known.
    #[test]
    fn no_majority_to_judge() {
        for (kind, also_stops) in [
            ("isolate", Some("node-2")),
            ("latency", None),
            ("bridge", None),
        ] {
            let mut run = cut_off(kind, also_stops, unknown);
            not_judged(check, &run.end(), "no stretches");
        }
        let mut run = Run::new();
        run.members(&["node-1"]);
        run.at(9_000).call("cache-1", set("k", "v"), unknown());
        not_judged(check, &run.end(), "no stretches");
    }
}

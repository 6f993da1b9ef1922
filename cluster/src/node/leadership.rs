//! What a leader owes its term: an announcement, a clock, and the expiry of deadlines.
//!
//! A new leader's first entry is [`Command::NewLeader`], which gives every lease its full
//! length again; until it is applied the node refuses writes, so no entry of the term comes
//! before it. Stamps are the wall clock at that moment plus the monotonic time since, so a
//! clock that jumps in the middle of a term shortens nobody's lease. Log time runs slow by
//! [`DRIFT_PPM`], so that a lease is a lower bound also under a clock that runs fast.

use std::time::Duration;

use super::Node;
use crate::planted::{self, Bug};
use crate::raft::RaftWorld;
use crate::state::command::Command;
use crate::world::{self, Instant};

/// How much faster than real time a machine's clock may run without shortening a lease: twice
/// what NTP corrects by slewing. Expiry comes late by as much, which nobody is promised
/// otherwise (Gray & Cheriton, "Leases", 1989, have the server allow for its clock's drift).
const DRIFT_PPM: u64 = 1_000;

/// How much real time has surely passed when a clock has counted `elapsed_us`.
fn certain_us(elapsed_us: u64) -> u64 {
    elapsed_us - elapsed_us / (1_000_000 / DRIFT_PPM)
}

/// Log time while this node leads.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogClock {
    base_ms: u64,
    since: Instant,
}

impl LogClock {
    /// Starts from the wall clock, but never before what the log has already seen.
    fn start<W: RaftWorld>(state_clock_ms: u64) -> Self {
        Self {
            base_ms: W::wall_clock_ms().max(state_clock_ms),
            since: W::now(),
        }
    }

    /// Goes on from what the log has seen meanwhile, if that is later: entries of earlier
    /// terms that were not applied yet when the term began. Behind them log time would stand
    /// still, and no deadline pass, for as long as their leader's clock was ahead.
    fn caught_up<W: RaftWorld>(self, state_clock_ms: u64) -> Self {
        match state_clock_ms > self.now_ms::<W>() {
            true => Self {
                base_ms: state_clock_ms,
                since: W::now(),
            },
            false => self,
        }
    }

    pub(super) fn now_ms<W: RaftWorld>(&self) -> u64 {
        if planted::active(Bug::StampFromMachineClock) {
            return machine_clock_ms();
        }
        let elapsed_us = (W::now() - self.since).as_micros() as u64;
        self.base_ms + certain_us(elapsed_us) / 1_000
    }
}

/// The mistake of bug DET-01.
#[allow(clippy::disallowed_methods)]
fn machine_clock_ms() -> u64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |elapsed| elapsed.as_micros() as u64)
}

/// Commits `NewLeader` at the start of every term this node leads, and sends waiting clients
/// away when it no longer does.
pub(super) async fn announce<W: RaftWorld>(node: Node<W>) {
    let inner = &node.inner;
    let retry = Duration::from_millis(inner.options.raft.heartbeat_ms / 4).max(MIN_RETRY);
    while !inner.stopping.get() {
        let term = inner.machine.leading_term();
        if term == 0 {
            inner.machine.abandon_waiters();
        }
        if term == 0 || inner.machine.leader_ready_term() == term {
            let seen_ms = inner.machine.state().clock_ms();
            let clock = inner.log_clock.get();
            inner.log_clock.set(clock.caught_up::<W>(seen_ms));
            inner.leading_changed.notified().await;
            continue;
        }
        let clock = LogClock::start::<W>(inner.machine.state().clock_ms());
        inner.log_clock.set(clock);
        if node.propose(None, Command::NewLeader).await.is_err() {
            // Without a quorum's acknowledgement yet, or about to learn of a newer leader.
            W::sleep(retry).await;
        }
    }
}

const MIN_RETRY: Duration = Duration::from_millis(5);
/// How long the leader rests when nothing has a deadline.
const IDLE: Duration = Duration::from_secs(60);

/// Proposes what is due while this node leads.
pub(super) async fn expire<W: RaftWorld>(node: Node<W>) {
    let inner = &node.inner;
    while !inner.stopping.get() {
        #[cfg(feature = "planted")]
        node.publish_dead_letters().await;
        if !node.is_leading() {
            inner.machine.applied_some().await;
            continue;
        }
        let now_ms = inner.log_clock.get().now_ms::<W>();
        let due = inner.machine.state().due(now_ms);
        if let Some(command) = due {
            if node.propose(None, command).await.is_err() {
                W::sleep(MIN_RETRY).await;
            }
            continue;
        }
        let next_ms = inner.machine.state().next_due_ms();
        let rest = next_ms.map_or(IDLE, |at| Duration::from_millis(at.saturating_sub(now_ms)));
        // An entry applied meanwhile may bring an earlier deadline.
        let _ = world::timeout::<W, _>(rest, inner.machine.applied_some()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{DRIFT_PPM, LogClock, certain_us};
    use crate::world::{RealWorld, World};

    /// Entries of the former leader, whose clock was an hour ahead, are applied only after
    /// this node's term began. Until it went on from them, no deadline passed for an hour
    /// (`chaos`, seed 675).
    #[test]
    fn log_time_goes_on_from_entries_that_were_applied_late() {
        let clock = LogClock {
            base_ms: 1_000,
            since: RealWorld::now(),
        };
        let hour_ms = 3_600_000;
        let caught_up = clock.caught_up::<RealWorld>(hour_ms);
        assert_eq!(caught_up.base_ms, hour_ms);
        assert!(caught_up.now_ms::<RealWorld>() >= hour_ms);
        let undisturbed = caught_up.caught_up::<RealWorld>(2_000);
        assert_eq!(undisturbed.base_ms, hour_ms);
        assert_eq!(undisturbed.since, caught_up.since);
    }

    #[test]
    fn log_time_never_overtakes_real_time_and_never_goes_back() {
        let mut before = 0;
        for real_us in (0..20_000_000).step_by(997) {
            let fast_us = real_us + real_us * DRIFT_PPM / 1_000_000;
            assert!(certain_us(fast_us) <= real_us + 1, "after {real_us} us");
            assert!(certain_us(real_us) >= before, "at {real_us} us");
            before = certain_us(real_us);
        }
        assert_eq!(certain_us(10_000_000), 9_990_000);
    }
}

//! Log time: the clock by which a leader stamps its entries.
//!
//! It starts from the wall clock when a term begins and goes on with the monotonic one, so a
//! wall clock that jumps in the middle of a term shortens nobody's lease. It runs slow by
//! [`DRIFT_PPM`], so that a lease is a lower bound also under a clock that runs fast. It
//! stands still while no quorum follows, and a new leader's way to its first commit does not
//! count either: nobody could have renewed anything.

use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;

use super::Node;
use crate::planted::{self, Bug};
use crate::raft::RaftWorld;
use crate::world::{Instant, World};

/// How much faster than real time a machine's clock may run without shortening a lease: twice
/// what NTP corrects by slewing. Expiry comes late by as much, which nobody is promised
/// otherwise (Gray & Cheriton, "Leases", 1989, have the server allow for its clock's drift).
const DRIFT_PPM: u64 = 1_000;

/// How much real time has surely passed when a clock has counted `elapsed_us`.
fn certain_us(elapsed_us: u64) -> u64 {
    elapsed_us - elapsed_us / (1_000_000 / DRIFT_PPM)
}

/// Log time while this node leads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LogClock {
    base_ms: u64,
    since: Instant,
    /// When the last call was sent that a quorum has answered.
    quorum_at: Instant,
}

impl LogClock {
    /// Starts from the wall clock, but never before what the log has already seen.
    pub(super) fn start<W: World>(state_clock_ms: u64) -> Self {
        Self::at(W::wall_clock_ms().max(state_clock_ms), W::now())
    }

    /// Shows `base_ms` at the instant `now`, when a quorum follows.
    pub(super) fn at(base_ms: u64, now: Instant) -> Self {
        Self {
            base_ms,
            since: now,
            quorum_at: now,
        }
    }

    /// Whether the clock runs: some quorum has answered within the `lease`.
    pub(super) fn runs(&self, now: Instant, lease: Duration) -> bool {
        now - self.quorum_at <= lease
    }

    /// Whether the time until `now` counts.
    fn counts(&self, now: Instant, lease: Duration) -> bool {
        self.runs(now, lease) || planted::active(Bug::TimeWithoutQuorum)
    }

    /// The first entry of the term was applied at `ready_at`, nothing of the term was stamped
    /// since, and the log has come to `state_clock_ms`: by entries of earlier terms perhaps,
    /// whose leader's clock was ahead and behind which log time would stand still.
    fn go_on_from(&mut self, ready_at: Instant, state_clock_ms: u64) {
        if ready_at > self.since {
            *self = Self::at(state_clock_ms, ready_at);
        }
    }

    /// A quorum has answered what was sent at `acked_at`. If that is more than a `lease`
    /// after the last time, what passed in between does not count.
    fn note_quorum(&mut self, acked_at: Instant, lease: Duration) {
        if acked_at <= self.quorum_at {
            return;
        }
        if !self.counts(acked_at, lease) {
            *self = Self::at(self.reading_ms(self.quorum_at), acked_at);
        }
        self.quorum_at = acked_at;
    }

    fn now_ms(&self, now: Instant, lease: Duration) -> u64 {
        if planted::active(Bug::StampFromMachineClock) {
            return machine_clock_ms();
        }
        let counts = self.counts(now, lease);
        self.reading_ms(if counts { now } else { self.quorum_at })
    }

    fn reading_ms(&self, at: Instant) -> u64 {
        let elapsed_us = (at - self.since).as_micros() as u64;
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

impl<W: RaftWorld> Node<W> {
    /// The stamp for an entry that is proposed now, milliseconds since the Unix epoch.
    pub(super) fn log_time_ms(&self) -> u64 {
        let state_clock_ms = self.inner.machine.state().clock_ms();
        let ready_at = self.inner.machine.leader_ready_at();
        let mut clock = self.inner.log_clock.get();
        clock.go_on_from(ready_at, state_clock_ms);
        self.inner.log_clock.set(clock);
        if self.is_only_voter() {
            clock.quorum_at = W::now();
            self.inner.log_clock.set(clock);
        }
        clock.now_ms(W::now(), self.lease())
    }

    /// Whether a quorum has answered this leader within a lease.
    pub(super) fn has_quorum(&self) -> bool {
        self.is_only_voter() || self.inner.log_clock.get().runs(W::now(), self.lease())
    }

    /// How long a leader may take an answer for allegiance, and a follower a call for life.
    pub(super) fn lease(&self) -> Duration {
        Duration::from_millis(self.inner.options.raft.election_max_ms)
    }

    fn is_only_voter(&self) -> bool {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let mut voters = metrics.membership_config.membership().voter_ids();
        voters.next() == Some(self.id()) && voters.next().is_none()
    }
}

/// Tells the log clock about every answer of a quorum.
pub(super) async fn watch_quorum<W: RaftWorld>(node: Node<W>) {
    let mut metrics = node.inner.raft.data_metrics();
    while metrics.changed().await.is_ok() {
        let acked = metrics.borrow_and_update().last_quorum_acked;
        if let Some(acked) = acked {
            let mut clock = node.inner.log_clock.get();
            clock.note_quorum(acked.0, node.lease());
            node.inner.log_clock.set(clock);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_millis(600);

    fn at_ms(ms: u64) -> Instant {
        Instant(ms * 1_000_000)
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

    #[test]
    fn log_time_without_a_quorum_stands_still() {
        let mut clock = LogClock::at(50_000, at_ms(1_000));
        clock.note_quorum(at_ms(2_000), LEASE * 2);
        assert_eq!(clock.now_ms(at_ms(2_500), LEASE), 51_498);
        assert_eq!(
            clock.now_ms(at_ms(2_601), LEASE),
            50_999,
            "the lease is over"
        );
        assert_eq!(clock.now_ms(at_ms(9_000), LEASE), 50_999);
        clock.note_quorum(at_ms(9_000), LEASE);
        assert_eq!(clock.now_ms(at_ms(9_000), LEASE), 50_999);
        assert_eq!(clock.now_ms(at_ms(9_200), LEASE), 51_198);
    }

    /// Entries of the former leader, whose clock was an hour ahead, are applied only after
    /// this node's term began. Until it went on from them, no deadline passed for an hour
    /// (`chaos`, seed 675).
    #[test]
    fn log_time_goes_on_from_what_was_applied_with_the_first_entry() {
        let hour_ms = 3_600_000;
        let mut clock = LogClock::at(1_000, at_ms(5_000));
        clock.go_on_from(at_ms(5_500), hour_ms);
        assert_eq!(clock.now_ms(at_ms(5_500), LEASE), hour_ms);
        // What is applied later in the term was stamped by this very clock.
        clock.go_on_from(at_ms(5_500), hour_ms * 2);
        assert_eq!(clock.now_ms(at_ms(6_000), LEASE), hour_ms + 499);
    }

    #[test]
    fn log_time_with_answers_in_time_counts_all_of_it() {
        let mut clock = LogClock::at(0, at_ms(0));
        for ms in (0..=10_000).step_by(100) {
            clock.note_quorum(at_ms(ms), LEASE);
        }
        assert_eq!(clock.now_ms(at_ms(10_000), LEASE), 9_990);
        let before = clock;
        clock.note_quorum(at_ms(4_000), LEASE);
        assert_eq!(clock, before, "an older answer says nothing new");
    }
}

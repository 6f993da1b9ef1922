//! L6: what a dead session holds is free within its TTL and a grace, once the service is
//! available.
//!
//! In plain words: a client that vanishes takes its lock with it for a bounded time only.
//!
//! Source: Gray & Cheriton, "Leases" (1989). A session that was renewed last at t must be
//! gone by t + TTL + [`GRACE_US`]. Time without a leader counts for nobody, and a new leader
//! gives every session its TTL again, so the bound counts from the last change of leader or
//! fault at the earliest. Evidence is a look at the lock that shows the session as holder or
//! waiter after that.
//!
//! Not checked: sessions whose TTL the history does not tell, and clock faults, which
//! lengthen log time. That a session is not ended too early is `session_ttl`.

use super::locks::Session;
use super::result::{CheckResult, Judge};
use super::view::{View, certain};
use super::words::{self, seconds};
use squall_history::{Action, Operation};

/// For the leader to notice, and to commit the end.
const GRACE_US: u64 = 2_000_000;
/// A node gives up on a request after this long; until then it may take effect.
const IN_DOUBT_US: u64 = 10_000_000;

pub(super) fn check(view: &View) -> CheckResult {
    let mut judge = Judge::new("dead_sessions", "L6");
    if view.has_clock_faults() {
        return judge.finish("looks");
    }
    let disturbances_us = view.disturbances_us();
    let renewals = Renewals::new(view);
    for (name, lines) in &view.locks.lines {
        for line in lines {
            judge.looked();
            let look = &view.operations[line.index];
            let calm = disturbances_us.partition_point(|&at_us| at_us <= look.invoked_us);
            let calm_us = disturbances_us[..calm].last().copied().unwrap_or(0);
            let holders = line.holders.iter().map(|holder| (holder.session, "holds"));
            let waiters = line.waiters.iter().map(|&session| (session, "waits for"));
            for (number, how) in holders.chain(waiters) {
                let Some(session) = view.locks.sessions.get(&number) else {
                    continue;
                };
                let Some((ttl_us, renewed_us)) = renewals.last(session, number) else {
                    continue;
                };
                let gone_us = renewed_us.max(calm_us).saturating_add(ttl_us + GRACE_US);
                if look.invoked_us > gone_us {
                    judge.violation(
                        format!(
                            "session {number} {how} lock {name}, \
                            though it must have been gone by {}",
                            seconds(gone_us)
                        ),
                        [words::operation(look)],
                    );
                }
            }
        }
    }
    judge.finish("looks")
}

/// When each session can have been renewed last.
struct Renewals {
    last_us: std::collections::BTreeMap<u64, u64>,
}

impl Renewals {
    fn new(view: &View) -> Self {
        let mut last_us = std::collections::BTreeMap::new();
        for operation in &view.operations {
            let session = match (operation.action, operation.outcome) {
                (Action::KeepAlive { session }, _) => *session,
                (
                    Action::OpenSession { .. },
                    Some(squall_history::Outcome::Session { session }),
                ) => *session,
                _ => continue,
            };
            let at_us = last_us.entry(session).or_insert(0);
            *at_us = latest_us(operation).max(*at_us);
        }
        Self { last_us }
    }

    /// TTL and time of the last renewal.
    fn last(&self, session: &Session, number: u64) -> Option<(u64, u64)> {
        let ttl_us = session.ttl_ms?.saturating_mul(1_000);
        Some((ttl_us, *self.last_us.get(&number)?))
    }
}

/// The latest time at which the operation can have taken effect.
fn latest_us(operation: &Operation) -> u64 {
    match (operation.returned_us, certain(operation)) {
        (Some(returned_us), true) => returned_us,
        (Some(returned_us), false) => returned_us.saturating_add(IN_DOUBT_US),
        (None, _) => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Action::KeepAlive;
    use squall_history::NodeEvent::FirstCommit;
    use squall_history::Outcome::Alive;

    /// Session 5 of one second takes the lock and is not heard of again.
    fn vanished() -> Run {
        let mut run = Run::new();
        run.call("lock-1", open(1000), opened(5));
        run.call("lock-1", acquire("a", 5), granted(10));
        run
    }

    #[test]
    fn a_dead_session_still_holds_or_waits() {
        let mut run = vanished();
        run.at(3100);
        run.call("w", inspect("a"), line(&[holder(5, 10, false)], &[]));
        fails(
            check,
            &run.end(),
            "session 5 holds lock a, though it must have been gone",
        );
        let mut run = vanished();
        run.at(3100);
        run.call("w", inspect("b"), line(&[holder(9, 10, false)], &[5]));
        fails(check, &run.end(), "session 5 waits for lock b");
    }

    /// It may still live, was renewed, or a new leader has given it its time again.
    #[test]
    fn in_time_renewed_or_extended() {
        let look = |run: &mut Run| {
            run.call("w", inspect("a"), line(&[holder(5, 10, false)], &[]));
            passes(check, &run.end());
        };
        look(vanished().at(2900));
        look(
            vanished()
                .call("lock-1", KeepAlive { session: 5 }, unknown())
                .at(9000),
        );
        look(
            vanished()
                .at(500)
                .call("lock-1", KeepAlive { session: 5 }, Alive)
                .at(3200),
        );
        let commit = FirstCommit { term: 2, index: 50 };
        look(vanished().at(2500).node("node-2", commit).at(5000));
    }
}

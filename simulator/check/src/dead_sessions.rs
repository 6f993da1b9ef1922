//! L6: what a dead session holds is free within its TTL and a grace, once the service is
//! available.
//!
//! In plain words: a client that vanishes takes its lock with it for a bounded time only.
//!
//! Source: Gray & Cheriton, "Leases" (1989). A session that was renewed last at t must be
//! gone by t + TTL + [`GRACE_US`]. Time without a leader counts for nobody, and a new leader
//! gives every session its TTL again, so the bound counts from the last change of leader or
//! fault at the earliest, if only one during a look that was on its way. Evidence is a look at the lock that shows the session as holder or
//! waiter after that.
//!
//! Judged are sessions that may have left a lock held or waited for, if there is evidence
//! after they had to be gone: such a look, or a grant to another session.
//!
//! Only a look can show that a lock stays held, so without any look nothing is judged.
//!
//! A clock that runs slow lengthens the bound by as much.
//!
//! Not checked: sessions whose TTL the history does not tell. That a session is not ended too
//! early is `session_ttl`.

use std::collections::BTreeMap;

use super::locks::{Line, Session};
use super::result::Judge;
use super::view::{View, certain};
use super::words::{self, seconds};
use squall_history::{Action, Operation, Outcome};

/// For the leader to notice, and to commit the end.
const GRACE_US: u64 = 2_000_000;
/// A node gives up on a request after this long; until then it may take effect.
const IN_DOUBT_US: u64 = 10_000_000;

pub(super) fn check(view: &View, judge: &mut Judge) {
    if view.locks.lines.is_empty() {
        judge.pass_over(|| "nobody could look at a lock".into());
        return;
    }
    let renewals = Renewals::new(view);
    for (name, lines) in &view.locks.lines {
        for line in lines {
            judge_look(view, judge, &renewals, name, line);
        }
    }
    count_freed(view, judge, &renewals);
}

/// Nobody holds the lock or waits for it who must be gone.
fn judge_look(view: &View, judge: &mut Judge, renewals: &Renewals, name: &str, line: &Line) {
    let look = &view.operations[line.index];
    let holders = line.holders.iter().map(|holder| (holder.session, "holds"));
    let waiters = line.waiters.iter().map(|&session| (session, "waits for"));
    for (number, how) in holders.chain(waiters) {
        if let Some(gone_us) = gone_before(view, renewals, number, look) {
            judge.count_checked();
            judge.violation(
                format!(
                    "session {number} {how} lock {name}, though it must have been gone by {}",
                    seconds(gone_us)
                ),
                [words::operation(look)],
            );
        }
    }
}

/// By when the session must have been gone, if that was before `operation` was sent.
fn gone_before(
    view: &View,
    renewals: &Renewals,
    number: u64,
    operation: &Operation,
) -> Option<u64> {
    let session = view.locks.sessions.get(&number)?;
    let (ttl_us, renewed_us) = renewals.last(session, number)?;
    let answered_us = operation.returned_us.unwrap_or(operation.invoked_us);
    let from_us = renewed_us.max(view.calm_since_us(answered_us));
    let lives_us = view.longest_us(from_us, operation.invoked_us, ttl_us);
    let gone_us = from_us.saturating_add(lives_us).saturating_add(GRACE_US);
    (operation.invoked_us > gone_us).then_some(gone_us)
}

/// Counts the locks that a session left held or waited for, and that were looked at, or
/// granted to another, after it had to be gone.
fn count_freed(view: &View, judge: &mut Judge, renewals: &Renewals) {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for (&name, lines) in &view.locks.lines {
        last.extend(lines.last().map(|line| (name, line.index)));
    }
    for &name in view.locks.names.keys() {
        if let Some((_, grant)) = view.locks.tokens(name).pop_last() {
            let last = last.entry(name).or_insert(grant);
            *last = grant.max(*last);
        }
    }
    for (&(name, number), acquires) in &view.locks.acquires {
        let last_acquire = acquires.last().map(|&index| &view.operations[index]);
        let is_left = last_acquire.is_some_and(|acquire| is_left(view, name, acquire));
        if let Some(&evidence) = last.get(name).filter(|_| is_left) {
            let evidence = &view.operations[evidence];
            if gone_before(view, renewals, number, evidence).is_some() {
                judge.count_checked();
            }
        }
    }
}

/// Whether the session may hold the lock, or wait for it, until its end.
fn is_left(view: &View, name: &str, acquire: &Operation) -> bool {
    match acquire.outcome {
        Some(Outcome::Granted { token }) => {
            let hold = view
                .locks
                .names
                .get(name)
                .and_then(|holds| holds.get(token));
            let mut releases = hold.into_iter().flat_map(|hold| &hold.releases);
            !releases.any(|&index| view.operations[index].outcome == Some(&Outcome::Released))
        }
        _ => !certain(acquire),
    }
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
    use squall_history::FaultStatus;
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
            not_judged(check, &run.end(), "no locks that dead sessions left");
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
        let commit = || FirstCommit { term: 2, index: 50 };
        look(vanished().at(2500).node("node-2", commit()).at(5000));
        let mut run = vanished();
        let waiting = run.at(5000).invoke("w", inspect("a"));
        run.at(5500).node("node-2", commit());
        run.at(5510)
            .returns(waiting, line(&[holder(5, 10, false)], &[]));
        not_judged(check, &run.end(), "no locks that dead sessions left");
    }

    #[test]
    fn what_it_left_is_free_or_granted_to_another() {
        let mut run = vanished();
        run.at(3100).call("w", inspect("a"), line(&[], &[]));
        passes(check, &run.end());
        let mut run = vanished();
        run.at(3100).call("lock-2", acquire("a", 6), granted(20));
        not_judged(check, &run.end(), "nobody could look");
        run.call("w", inspect("b"), line(&[], &[]));
        passes(check, &run.end());
    }

    /// Only a clock that runs slow moves the bound, and by no more than that.
    #[test]
    fn clocks_that_go_wrong() {
        let look = |run: &mut Run| {
            run.at(3200);
            run.call("w", inspect("a"), line(&[holder(5, 10, false)], &[]));
            run.end()
        };
        let drift = |ppm, status| look(vanished().drift(Some(ppm), status));
        let installed = || FaultStatus::Installed;
        not_judged(check, &drift(-400_000, installed()), "no locks that dead");
        for ppm in [-1_000, 400_000] {
            fails(check, &drift(ppm, installed()), "holds lock a");
        }
        let why = String::from("no leader");
        let skipped = FaultStatus::Skipped { why };
        fails(check, &drift(-400_000, skipped), "holds lock a");
        let mut run = vanished();
        run.fault("clock_offset", "node-1", FaultStatus::Installed);
        fails(check, &look(&mut run), "holds lock a");
    }
}

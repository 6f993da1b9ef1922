//! L4: first come, first served. While a session waits for a lock, nobody who came later is
//! granted it, in whatever mode; so nobody starves.
//!
//! In plain words: the line is a line. A reader may not slip past a waiting writer either.
//!
//! Source: the fair (queued) locks of Mellor-Crummey & Scott, "Scalable reader-writer
//! synchronization" (1991); Burrows, "The Chubby lock service" (2006), for why a lock service
//! wants them. When a request joined the line cannot be seen from outside, but two things
//! can: a look at the lock shows the order of the line, and a wait of W that ran out at r began
//! before r - W. From the first follows which tokens may come before a waiter's own; from
//! the second, that a request made after r - W and granted before the wait can have ended
//! has overtaken it. Both times rest on the wait's being a lower bound, which a clock
//! shortens only if it runs faster than the cluster bears.
//!
//! Not checked: sessions that have asked without an answer, which may be in line at any
//! time.

use std::collections::BTreeMap;

use super::locks::Line;
use super::result::Judge;
use super::view::{RunningMax, STAMP_RESOLUTION_US, View};
use super::words;
use squall_history::{Action, Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (name, lines) in &view.locks.lines {
        let tokens = view.locks.tokens(name);
        for line in lines {
            judge_line(view, judge, name, &tokens, line);
        }
    }
    for name in view.locks.names.keys() {
        judge_waits(view, judge, name);
    }
}

/// Every token granted before a waiter's own must go to somebody ahead of it.
fn judge_line(
    view: &View,
    judge: &mut Judge,
    name: &str,
    tokens: &BTreeMap<u64, usize>,
    line: &Line,
) {
    let look = &view.operations[line.index];
    for (place, &session) in line.waiters.iter().enumerate() {
        let granted = granted_after(view, name, session, look);
        let Some((wait, token)) = granted.filter(|(_, token)| *token > line.last_token) else {
            continue;
        };
        judge.count_checked();
        let ahead = &line.waiters[..place];
        let between = tokens.range(line.last_token + 1..token);
        let overtaker = between
            .map(|(_, &index)| &view.operations[index])
            .find(|grant| {
                let other = super::locks::session_of(grant.action);
                other.is_some_and(|other| other != session && !ahead.contains(&other))
            });
        if let Some(grant) = overtaker {
            judge.violation(
                format!("lock {name}: session {session} was in line, and another went first"),
                [look, wait, grant].map(words::operation),
            );
        }
    }
}

/// The acquire that a waiter had under way during `look`, and the token it was granted.
fn granted_after<'v, 'a>(
    view: &'v View<'a>,
    name: &str,
    session: u64,
    look: &Operation,
) -> Option<(&'v Operation<'a>, u64)> {
    if view.locks.unanswered.contains_key(&(name, session)) {
        return None;
    }
    let acquires = view.locks.acquires.get(&(name, session))?;
    let acquires = acquires.iter().map(|&index| &view.operations[index]);
    let mut under_way = acquires
        .filter(|o| Some(o.invoke_pos) < look.return_pos && o.return_pos > Some(look.invoke_pos));
    // Of two, the first may have been granted and given back before the look took place.
    let (Some(wait), None) = (under_way.next(), under_way.next()) else {
        return None;
    };
    match wait.outcome {
        Some(Outcome::Granted { token }) => Some((wait, *token)),
        _ => None,
    }
}

/// A grant that was asked for and given while somebody else surely waited.
fn judge_waits(view: &View, judge: &mut Judge, name: &str) {
    let mut grants: Vec<&Operation> = Vec::new();
    for &index in view.locks.tokens(name).values() {
        let grant = &view.operations[index];
        let session = super::locks::session_of(grant.action);
        if session.is_some_and(|s| !view.locks.unanswered.contains_key(&(name, s))) {
            grants.push(grant);
        }
    }
    // By time of return, the latest invocation among those that have returned.
    let latest = RunningMax::new(
        (grants.iter().enumerate())
            .filter_map(|(nth, o)| Some((o.returned_us? as usize, o.invoked_us, nth)))
            .collect(),
    );
    for wait in waits(view, name) {
        judge.count_checked();
        let (from_us, until_us) = (wait.from_us, wait.until_us);
        if let Some((invoked_us, nth)) = latest.before(until_us as usize)
            && invoked_us > from_us
        {
            judge.violation(
                format!("lock {name} was granted to somebody who came after one who still waited"),
                [wait.operation, grants[nth]].map(words::operation),
            );
        }
    }
}

/// A wait that ran out, and between which times the waiter was surely in line.
pub(super) struct Wait<'v, 'a> {
    pub(super) operation: &'v Operation<'a>,
    pub(super) from_us: u64,
    pub(super) until_us: u64,
}

/// The waits for a lock that ran out, of sessions of which every request was answered and
/// none was cancelled.
pub(super) fn waits<'v, 'a>(view: &'v View<'a>, name: &str) -> Vec<Wait<'v, 'a>> {
    let of_name = view.locks.acquires.iter().filter(|((n, _), _)| *n == name);
    let certain = of_name.filter(|(key, _)| !view.locks.unanswered.contains_key(key));
    let uncancelled = certain.filter(|(key, _)| !view.locks.cancelled.contains(key));
    let acquires = uncancelled.flat_map(|(_, indexes)| indexes);
    let wait = |&index: &usize| {
        let operation = &view.operations[index];
        let Action::Acquire { wait_ms, .. } = operation.action else {
            return None;
        };
        let ran_out = operation.outcome == Some(&Outcome::NotGranted) && *wait_ms > 0;
        let (invoked_us, returned_us) = (operation.invoked_us, operation.returned_us?);
        let wait_us = wait_ms.saturating_mul(1_000);
        let wait_us = view.shortest_us(invoked_us, returned_us, wait_us);
        let from_us = returned_us.saturating_sub(wait_us) + STAMP_RESOLUTION_US;
        let until_us = (invoked_us + wait_us).saturating_sub(STAMP_RESOLUTION_US);
        (ran_out && from_us < until_us).then_some(Wait {
            operation,
            from_us,
            until_us,
        })
    };
    acquires.filter_map(wait).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::FaultStatus;
    use squall_history::Outcome::{NotGranted, Released};

    #[test]
    fn the_second_in_line_goes_first() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        let first = run.invoke("lock-2", acquire_waiting("a", 2, 500));
        let second = run.invoke("lock-3", acquire_waiting("a", 3, 500));
        run.call("w", inspect("a"), line(&[holder(1, 10, false)], &[2, 3]));
        run.call("lock-1", release("a", 1, 10), Released);
        run.returns(second, granted(20)).at(300);
        run.call("lock-3", release("a", 3, 20), Released);
        run.returns(first, granted(30));
        fails(
            check,
            &run.end(),
            "session 2 was in line, and another went first",
        );
    }

    #[test]
    fn a_newcomer_overtakes_one_who_waits() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10)).at(10);
        let wait = run.invoke("lock-2", acquire_waiting("a", 2, 500));
        run.at(200).call("lock-1", release("a", 1, 10), Released);
        run.at(300).call("lock-3", acquire("a", 3), granted(20));
        run.fault("clock_jump", "node-1", FaultStatus::Installed);
        run.at(515).returns(wait, NotGranted);
        fails(check, &run.end(), "who came after one who still waited");
    }

    /// While somebody looked, session 2 gave the lock back and stood in line again.
    #[test]
    fn in_line_for_the_second_time() {
        let mut run = Run::new();
        let first = run.invoke("lock-2", acquire("a", 2));
        let look = run.invoke("w", inspect("a"));
        run.returns(first, granted(10));
        run.call("lock-2", release("a", 2, 10), Released);
        run.call("lock-3", acquire("a", 3), granted(20));
        let second = run.invoke("lock-2", acquire_waiting("a", 2, 500));
        run.returns(look, line(&[holder(3, 20, false)], &[2]));
        run.call("lock-3", release("a", 3, 20), Released);
        run.returns(second, granted(30));
        not_judged(check, &run.end(), "no waits");
    }

    /// The other was ahead in line, or came while the wait may not have begun or have ended.
    #[test]
    fn in_order_or_perhaps_so() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10)).at(10);
        let first = run.invoke("lock-2", acquire_waiting("a", 2, 500));
        let second = run.invoke("lock-3", acquire_waiting("a", 3, 500));
        run.call("w", inspect("a"), line(&[holder(1, 10, false)], &[2, 3]));
        run.call("lock-1", release("a", 1, 10), Released);
        run.returns(first, granted(20)).at(200);
        run.call("lock-2", release("a", 2, 20), Released);
        run.returns(second, granted(30)).at(300);
        let slow = run.invoke("lock-4", acquire_waiting("a", 4, 200));
        run.at(400).call("lock-3", release("a", 3, 30), Released);
        run.call("lock-5", acquire("a", 5), granted(40));
        run.at(650).returns(slow, NotGranted);
        passes(check, &run.end());
    }
}

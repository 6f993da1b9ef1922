//! L8: no lost wake-up. A lock that nobody holds has nobody waiting; whoever waits when the
//! last holder lets go is granted it; and a session that got the end of its wait neither
//! waits nor holds.
//!
//! In plain words: the line moves whenever it can, and nobody stands in it who has gone home.
//!
//! Source: the classic lost wake-up of condition variables (Birrell, "An introduction to
//! programming with threads", 1989). Grants happen in the very entry that frees the lock, so
//! a linearizable look can never fall in between.
//!
//! Not checked: sessions with a request that was never answered, which may be in line at any
//! time, and the head of a line whose mode is not known.

use super::lock_fairness::waits;
use super::locks::Line;
use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::{Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (name, lines) in &view.locks.lines {
        for line in lines {
            judge_line(view, judge, name, line);
        }
    }
    for name in view.locks.names.keys() {
        judge_waits(view, judge, name);
    }
}

fn judge_line(view: &View, judge: &mut Judge, name: &str, line: &Line) {
    judge.count_checked();
    let look = &view.operations[line.index];
    if line.holders.is_empty() && !line.waiters.is_empty() {
        judge.violation(
            format!(
                "lock {name} is free, and {} wait for it",
                line.waiters.len()
            ),
            [words::operation(look)],
        );
    }
    let holders = line.holders.iter().map(|holder| (holder.session, "holds"));
    let waiters = line.waiters.iter().map(|&session| (session, "waits for"));
    for (session, how) in holders.chain(waiters) {
        if let Some(end) = gave_up(view, name, session, look) {
            judge.violation(
                format!("session {session} {how} lock {name}, though its wait had ended"),
                [end, look].map(words::operation),
            );
        }
    }
}

/// The answer by which the session knew before `look` that it neither has the lock nor waits
/// for it, if no other request of it can be the reason.
fn gave_up<'v, 'a>(
    view: &'v View<'a>,
    name: &str,
    session: u64,
    look: &Operation,
) -> Option<&'v Operation<'a>> {
    let key = (name, session);
    if view.locks.unanswered.contains_key(&key) {
        return None;
    }
    let asked = view.locks.acquires.get(&key)?.iter();
    let mut asked = asked.map(|&index| &view.operations[index]);
    let last = asked.rfind(|o| Some(o.invoke_pos) < look.return_pos)?;
    let ended = last.outcome == Some(&Outcome::NotGranted);
    (ended && last.return_pos < Some(look.invoke_pos)).then_some(last)
}

/// A wait that ran out although the lock had been given back and nobody else had got it.
fn judge_waits(view: &View, judge: &mut Judge, name: &str) {
    if view
        .locks
        .unanswered
        .keys()
        .any(|(other, _)| *other == name)
    {
        // Somebody who was never answered may have it.
        return;
    }
    let tokens = view.locks.tokens(name);
    let mut releases: Vec<(u64, u64, &Operation)> = Vec::new();
    for (&token, hold) in view.locks.names.get(name).into_iter().flatten() {
        let exclusive = matches!(hold.holder(&view.operations), Some((_, false)));
        let released = hold.releases.iter().map(|&index| &view.operations[index]);
        let mut released = released.filter(|o| o.outcome == Some(&Outcome::Released));
        if let Some(release) = released.next().filter(|_| exclusive) {
            let returned_us = release.returned_us.expect("a released lock was answered");
            releases.push((returned_us, token, release));
        }
    }
    releases.sort_unstable_by_key(|&(returned_us, ..)| returned_us);
    for wait in waits(view, name) {
        judge.count_checked();
        let before = releases.partition_point(|&(returned_us, ..)| returned_us < wait.until_us);
        let Some(&(returned_us, token, release)) = releases[..before].last() else {
            continue;
        };
        let ended = wait.operation.return_pos;
        let mut later = tokens
            .range(token + 1..)
            .map(|(_, &index)| &view.operations[index]);
        let taken = later.any(|grant| Some(grant.invoke_pos) < ended);
        if returned_us > wait.from_us && !taken {
            judge.violation(
                format!("lock {name} was given back, and a waiter was not answered"),
                [release, wait.operation].map(words::operation),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::FaultStatus;
    use squall_history::Outcome::{NotGranted, Released};

    #[test]
    fn a_free_lock_with_a_line() {
        let mut run = Run::new();
        run.call("w", inspect("a"), line(&[], &[2, 3]));
        fails(check, &run.end(), "lock a is free, and 2 wait for it");
    }

    #[test]
    fn in_line_or_holding_after_giving_up() {
        let mut run = Run::new();
        run.call("lock-2", acquire_waiting("a", 2, 100), NotGranted);
        run.call("w", inspect("a"), line(&[holder(1, 10, false)], &[2]));
        fails(
            check,
            &run.end(),
            "session 2 waits for lock a, though its wait had ended",
        );
        let mut run = Run::new();
        run.call("lock-2", acquire_waiting("a", 2, 100), NotGranted);
        run.call("w", inspect("a"), line(&[holder(2, 10, false)], &[]));
        fails(check, &run.end(), "session 2 holds lock a");
    }

    #[test]
    fn given_back_without_a_wakeup() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10)).at(10);
        let wait = run.invoke("lock-2", acquire_waiting("a", 2, 500));
        run.at(200).call("lock-1", release("a", 1, 10), Released);
        run.at(515).returns(wait, NotGranted);
        fails(check, &run.end(), "a waiter was not answered");
    }

    #[test]
    fn no_clock_fault_excuses_a_lost_wake_up() {
        let mut run = Run::new();
        run.fault("clock_jump", "node-1", FaultStatus::Installed);
        run.call("lock-1", acquire("a", 1), granted(10)).at(10);
        let wait = run.invoke("lock-2", acquire_waiting("a", 2, 500));
        run.at(200).call("lock-1", release("a", 1, 10), Released);
        run.at(515).returns(wait, NotGranted);
        fails(check, &run.end(), "a waiter was not answered");
    }

    /// Another may have had it, asked again, or had asked without an answer.
    #[test]
    fn others_may_have_it() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10)).at(10);
        let next = run.invoke("lock-3", acquire_waiting("a", 3, 500));
        let wait = run.invoke("lock-2", acquire_waiting("a", 2, 500));
        run.at(200).call("lock-1", release("a", 1, 10), Released);
        run.returns(next, granted(20));
        run.at(515).returns(wait, NotGranted);
        let again = run.invoke("lock-2", acquire_waiting("a", 2, 500));
        run.call("w", inspect("a"), line(&[holder(3, 20, false)], &[2]));
        run.returns(again, unknown());
        run.call("w", inspect("a"), line(&[holder(3, 20, false)], &[2]));
        passes(check, &run.end());
    }
}

//! L7: acquire and release take effect exactly once, however often they are asked. A hold is
//! released once, and a session has one place at a lock: it holds it once or waits once.
//!
//! In plain words: a client that asks again because it got no answer must find what its
//! first request did, and must not stand in line behind itself.
//!
//! Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), §6.3, read for locks.
//! Not checked: grants, whose tokens are judged by `lock_tokens`.

use std::collections::BTreeSet;

use super::locks::{Hold, Line};
use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::Outcome;

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (name, holds) in &view.locks.names {
        for (&token, hold) in holds {
            judge_releases(view, judge, name, token, hold);
        }
    }
    for (name, lines) in &view.locks.lines {
        for line in lines {
            judge_places(view, judge, name, line);
        }
    }
}

fn judge_releases(view: &View, judge: &mut Judge, name: &str, token: u64, hold: &Hold) {
    let releases = hold.releases.iter().map(|&index| &view.operations[index]);
    let mut released = releases.filter(|o| o.outcome == Some(&Outcome::Released));
    let Some(first) = released.next() else {
        return;
    };
    judge.count_checked();
    for again in released {
        judge.count_checked();
        judge.violation(
            format!("lock {name}: token {token} was released twice"),
            [first, again].map(words::operation),
        );
    }
}

fn judge_places(view: &View, judge: &mut Judge, name: &str, line: &Line) {
    judge.count_checked();
    let holders = line.holders.iter().map(|holder| holder.session);
    let mut seen = BTreeSet::new();
    for session in holders.chain(line.waiters.iter().copied()) {
        if !seen.insert(session) {
            judge.violation(
                format!("lock {name}: session {session} has two places"),
                [words::operation(&view.operations[line.index])],
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Outcome::{NotHeld, Released};

    #[test]
    fn released_twice() {
        let mut run = Run::new();
        run.call("lock-1", acquire_shared("a", 1), granted(10));
        run.call("lock-1", release("a", 1, 10), Released);
        run.call("lock-1", release("a", 1, 10), Released);
        fails(check, &run.end(), "token 10 was released twice");
    }

    #[test]
    fn in_line_behind_itself() {
        let mut run = Run::new();
        run.call("w", inspect("a"), line(&[holder(1, 10, false)], &[2, 3, 2]));
        fails(check, &run.end(), "session 2 has two places");
        let mut run = Run::new();
        run.call("w", inspect("a"), line(&[holder(1, 10, false)], &[1]));
        fails(check, &run.end(), "session 1 has two places");
    }

    /// The second release is refused; and two sessions of one client are two sessions.
    #[test]
    fn a_refused_repeat_and_two_waiters() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        run.call("lock-1", release("a", 1, 10), unknown());
        run.call("lock-1", release("a", 1, 10), Released);
        run.call("lock-1", release("a", 1, 10), NotHeld);
        run.call("w", inspect("a"), line(&[holder(1, 10, false)], &[2, 3]));
        passes(check, &run.end());
    }
}

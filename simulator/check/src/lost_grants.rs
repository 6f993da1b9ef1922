//! L9: an acknowledged grant is durable. A session that provably lives on keeps its hold
//! until it gives it up.
//!
//! Source: Raft §5.4 (committed entries survive), read for locks. Two answers show a lost
//! hold: its release is answered "not held" although nothing released it and the session is
//! answered as alive afterwards; or the holder asks again and gets a new token. Sessions
//! never come back, so a session that is alive later was alive in between.
//!
//! Not checked: holds whose session is not heard of again, which may have expired
//! (`session_ttl` judges whether too early), and holds taken from their owner by a grant
//! to another session (`lock_exclusion`).

use std::collections::BTreeMap;

use super::locks::Hold;
use super::result::Judge;
use super::session_ttl::hold_was_given_up;
use super::view::{View, may_have_effect};
use super::words;
use squall_history::unordered::is_ordered;
use squall_history::{Action, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (name, holds) in &view.locks.names {
        // The hold that each session was granted last, in order of tokens.
        let mut last: BTreeMap<u64, (u64, &Hold)> = BTreeMap::new();
        let mut by_token: Vec<(u64, &Hold)> = holds.iter().map(|(&t, hold)| (t, hold)).collect();
        by_token.sort_unstable_by_key(|&(token, hold)| match is_ordered(token) {
            true => (0, token),
            // A session asks for one thing after the other.
            false => (1, hold.grants.first().map_or(0, |&grant| grant as u64)),
        });
        for (token, hold) in by_token {
            let Some((session, _)) = hold.holder(&view.operations) else {
                continue;
            };
            judge.count_checked();
            judge_refusals(view, judge, name, token, session, hold);
            if let Some((before, held)) = last.insert(session, (token, hold)) {
                judge_new_token(view, judge, name, (before, held), (token, hold));
            }
        }
    }
}

fn judge_refusals(
    view: &View,
    judge: &mut Judge,
    name: &str,
    token: u64,
    session: u64,
    hold: &Hold,
) {
    let proof = view.locks.sessions.get(&session).and_then(|s| s.last_proof);
    let Some(proof) = proof.map(|index| &view.operations[index]) else {
        return;
    };
    for refused in hold.releases.iter().map(|&index| &view.operations[index]) {
        let lives_on = refused
            .return_pos
            .is_some_and(|returned| returned < proof.invoke_pos);
        let refusal = refused.outcome == Some(&Outcome::NotHeld);
        if refusal && lives_on && !hold_was_given_up(view, refused) {
            let grant = &view.operations[hold.grants[0]];
            judge.violation(
                format!(
                    "lock {name}: the hold of token {token} is lost, but session {session} lives"
                ),
                [grant, refused, proof].map(words::operation),
            );
        }
    }
}

fn judge_new_token(
    view: &View,
    judge: &mut Judge,
    name: &str,
    (before, held): (u64, &Hold),
    (token, hold): (u64, &Hold),
) {
    let [old, new] = [held, hold].map(|hold| &view.operations[hold.grants[0]]);
    let mut releases = held.releases.iter().map(|&index| &view.operations[index]);
    let given_up = releases.any(|o| may_have_effect(o) && Some(o.invoke_pos) < new.return_pos);
    if !given_up && old.return_pos < Some(new.invoke_pos) && same_mode(old.action, new.action) {
        judge.violation(
            format!(
                "lock {name}: the hold of token {before} is lost, \
                its holder was granted token {token}"
            ),
            [old, new].map(words::operation),
        );
    }
}

fn same_mode(old: &Action, new: &Action) -> bool {
    match (old, new) {
        (Action::Acquire { shared: a, .. }, Action::Acquire { shared: b, .. }) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Action::KeepAlive;
    use squall_history::Outcome::{Alive, NotHeld, Released};

    #[test]
    fn a_hold_lost_while_its_session_lives() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 5), granted(10));
        run.call("lock-1", release("a", 5, 10), NotHeld);
        run.call("lock-1", KeepAlive { session: 5 }, Alive);
        fails(
            check,
            &run.end(),
            "the hold of token 10 is lost, but session 5 lives",
        );
    }

    #[test]
    fn a_holder_gets_a_new_token() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 5), granted(10));
        run.call("lock-1", acquire("a", 5), granted(20));
        fails(check, &run.end(), "its holder was granted token 20");
    }

    #[test]
    fn an_expired_session_may_lose_its_hold() {
        let mut run = Run::new();
        run.call("lock-1", KeepAlive { session: 5 }, Alive);
        run.call("lock-1", acquire("a", 5), granted(10));
        run.call("lock-1", release("a", 5, 10), NotHeld);
        run.call("lock-1", KeepAlive { session: 5 }, NotHeld);
        passes(check, &run.end());
    }

    /// The unknown release may have taken effect, so "not held" and a new token are right.
    #[test]
    fn a_release_without_answer_may_have_given_it_up() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 5), granted(10));
        run.call("lock-1", release("a", 5, 10), unknown());
        run.call("lock-1", release("a", 5, 10), NotHeld);
        run.call("lock-1", acquire("a", 5), granted(20));
        run.call("lock-1", release("a", 5, 20), Released);
        passes(check, &run.end());
    }
}

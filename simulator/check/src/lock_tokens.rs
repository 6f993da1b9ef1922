//! L2: tokens strictly rise per lock name and are never reused. An acquire that begins
//! after another has been granted gets a larger token; one token never goes to two
//! sessions, nor twice to one that has released it in between.
//!
//! Source: fencing tokens in Kleppmann, "How to do distributed locking" (2016), and
//! Burrows, "The Chubby lock service" (2006), §2.4 (sequencers). A holder that asks again
//! gets its token again; that is no reuse. Not checked: order between acquires that ran at
//! the same time, in which either may come first.

use super::locks::Hold;
use super::result::Judge;
use super::view::{RunningMax, View};
use super::words;
use squall_history::unordered::is_ordered;
use squall_history::{Action, Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (name, holds) in &view.locks.names {
        let grants = holds.iter().flat_map(|(&token, hold)| {
            let known = move |&index: &usize| (returned(&view.operations[index]), token, index);
            hold.grants.iter().map(known)
        });
        let largest = RunningMax::new(grants.collect());
        for (&token, hold) in holds {
            judge_reuse(view, judge, name, token, hold);
            if is_ordered(token) {
                judge_order(view, judge, name, token, hold, &largest);
            } else {
                judge.pass_over(|| "the tokens of the system tell no order".into());
            }
        }
    }
}

fn judge_reuse(view: &View, judge: &mut Judge, name: &str, token: u64, hold: &Hold) {
    for pair in hold.grants.windows(2) {
        let [first, second] = [pair[0], pair[1]].map(|index| &view.operations[index]);
        let released = hold.releases.iter().map(|&index| &view.operations[index]);
        let gone = released
            .filter(|release| release.outcome == Some(&Outcome::Released))
            .any(|release| returned(release) < second.invoke_pos);
        let what = if session(first) != session(second) {
            "was granted to two sessions"
        } else if gone {
            "was granted again after its release"
        } else {
            continue;
        };
        judge.violation(
            format!("lock {name}: token {token} {what}"),
            [first, second].map(words::operation),
        );
    }
}

fn judge_order(
    view: &View,
    judge: &mut Judge,
    name: &str,
    token: u64,
    hold: &Hold,
    largest: &RunningMax,
) {
    let Some(&first) = hold.grants.first() else {
        return;
    };
    // Later grants of a token repeat the first, which alone is judged.
    hold.grants.iter().for_each(|_| judge.count_checked());
    let grant = &view.operations[first];
    // An acquire that was never answered may be the one that was granted.
    let unanswered = session(grant).and_then(|session| view.locks.unanswered.get(&(name, session)));
    let asked = unanswered.map_or(grant.invoke_pos, |&index| {
        view.operations[index].invoke_pos.min(grant.invoke_pos)
    });
    if let Some((before, earlier)) = largest.before(asked)
        && before >= token
    {
        judge.violation(
            format!("lock {name}: token {token} was granted after token {before}"),
            [&view.operations[earlier], grant].map(words::operation),
        );
    }
}

fn session(operation: &Operation) -> Option<u64> {
    match operation.action {
        Action::Acquire { session, .. } => Some(*session),
        _ => None,
    }
}

fn returned(operation: &Operation) -> usize {
    operation
        .return_pos
        .expect("an answered operation has returned")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Outcome::Released;

    #[test]
    fn a_token_below_an_older_one() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        run.call("lock-1", release("a", 1, 10), Released);
        run.call("lock-2", acquire("a", 2), granted(9));
        fails(check, &run.end(), "token 9 was granted after token 10");
    }

    #[test]
    fn tokens_that_only_name_a_grant_have_no_order() {
        let mut run = Run::new();
        let [first, second] = [9, 4].map(squall_history::unordered::name_of_number);
        run.call("lock-1", acquire("a", 1), granted(first));
        run.call("lock-1", release("a", 1, first), Released);
        run.call("lock-2", acquire("a", 2), granted(second));
        not_judged(check, &run.end(), "tell no order");
        run.call("lock-3", acquire("a", 3), granted(first));
        fails(check, &run.end(), "was granted to two sessions");
    }

    #[test]
    fn a_token_for_two_sessions_or_again_after_release() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        run.call("lock-2", acquire("a", 2), granted(10));
        fails(check, &run.end(), "to two sessions");

        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        run.call("lock-1", release("a", 1, 10), Released);
        run.call("lock-1", acquire("a", 1), granted(10));
        fails(check, &run.end(), "again after its release");
    }

    #[test]
    fn asking_again_while_holding_repeats_the_token() {
        let mut run = Run::new();
        run.call("lock-1", acquire_shared("a", 1), granted(10));
        run.call("lock-2", acquire_shared("a", 2), granted(20));
        run.call("lock-1", acquire_shared("a", 1), granted(10));
        passes(check, &run.end());
    }

    /// The first acquire was granted token 10, only its answer was lost.
    #[test]
    fn an_unanswered_acquire_may_be_the_one_that_was_granted() {
        let mut run = Run::new();
        run.call("lock-1", acquire_shared("a", 1), unknown());
        run.call("lock-2", acquire_shared("a", 2), granted(20));
        run.call("lock-1", acquire_shared("a", 1), granted(10));
        passes(check, &run.end());
    }

    #[test]
    fn a_slow_answer_and_another_lock_prove_nothing() {
        let mut run = Run::new();
        let op = run.invoke("lock-1", acquire("a", 1));
        run.call("lock-2", acquire("a", 2), granted(20));
        run.call("lock-3", acquire("b", 3), granted(15));
        run.returns(op, granted(10));
        passes(check, &run.end());
    }
}

//! L9: a look at a lock shows every grant, release and end of a session that was acknowledged
//! before it was asked for.
//!
//! In plain words: an answer that names the holder of a lock is never out of date.
//!
//! Source: linearizability (Herlihy & Wing, 1990) of a read, of which no order need be searched:
//! tokens rise, sessions never come back, and a token that was given back is not given again.
//! So a look shows a last token no smaller than any that a client had received, and neither
//! holds that were given back nor sessions that were closed.
//!
//! Not checked: what ended by itself, which `dead_sessions` judges.

use std::collections::BTreeMap;

use super::locks::Line;
use super::result::Judge;
use super::view::{RunningMax, View};
use super::words;
use squall_history::{Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let closed = closed(view);
    for (name, lines) in &view.locks.lines {
        let tokens = view.locks.tokens(name);
        let granted = tokens.iter().map(|(&token, &index)| {
            let returned = view.operations[index].return_pos;
            (returned.expect("its token was received"), token, index)
        });
        let granted = RunningMax::new(granted.collect());
        for line in lines {
            judge.count_checked();
            let look = &view.operations[line.index];
            if let Some((token, index)) = granted.before(look.invoke_pos)
                && token > line.last_token
            {
                judge.violation(
                    format!("a look at lock {name} does not know of token {token}"),
                    [&view.operations[index], look].map(words::operation),
                );
            }
            judge_ended(view, judge, name, line, &closed);
        }
    }
}

/// The acknowledged end of each session that was closed.
fn closed<'v, 'a>(view: &'v View<'a>) -> BTreeMap<u64, &'v Operation<'a>> {
    let closes = view.operations.iter().filter_map(|operation| {
        let session = super::locks::session_of(operation.action)?;
        (operation.outcome == Some(&Outcome::Closed)).then_some((session, operation))
    });
    closes.collect()
}

/// Nothing is shown that was over before the look was asked for.
fn judge_ended(
    view: &View,
    judge: &mut Judge,
    name: &str,
    line: &Line,
    closed: &BTreeMap<u64, &Operation>,
) {
    let look = &view.operations[line.index];
    let is_before = |o: &&Operation| o.return_pos < Some(look.invoke_pos);
    for holder in line.holders {
        let hold = view.locks.names.get(name);
        let hold = hold.and_then(|holds| holds.get(&holder.token));
        let releases = hold.into_iter().flat_map(|hold| &hold.releases);
        let mut releases = releases.map(|&index| &view.operations[index]);
        let released = releases.find(|o| o.outcome == Some(&Outcome::Released) && is_before(o));
        if let Some(release) = released {
            let token = holder.token;
            judge.violation(
                format!("a look at lock {name} shows token {token}, which had been given back"),
                [release, look].map(words::operation),
            );
        }
    }
    let holders = line.holders.iter().map(|holder| holder.session);
    for session in holders.chain(line.waiters.iter().copied()) {
        if let Some(close) = closed.get(&session).copied().filter(is_before) {
            judge.violation(
                format!("a look at lock {name} shows session {session}, which had been closed"),
                [close, look].map(words::operation),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Action::CloseSession;
    use squall_history::Outcome::{Closed, Released};

    #[test]
    fn a_look_that_missed_a_grant() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        run.call("lock-1", release("a", 1, 10), Released);
        run.call("w", inspect("a"), line(&[], &[]));
        fails(check, &run.end(), "does not know of token 10");
    }

    #[test]
    fn a_look_that_missed_a_release_or_an_end() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        run.call("lock-1", release("a", 1, 10), Released);
        run.call("w", inspect("a"), line(&[holder(1, 10, false)], &[]));
        fails(
            check,
            &run.end(),
            "shows token 10, which had been given back",
        );
        let mut run = Run::new();
        run.call("lock-2", CloseSession { session: 2 }, Closed);
        run.call("w", inspect("a"), line(&[holder(1, 10, false)], &[2]));
        fails(check, &run.end(), "shows session 2, which had been closed");
    }

    /// Both were under way when somebody looked.
    #[test]
    fn a_look_at_the_same_time() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        let look = run.invoke("w", inspect("a"));
        run.call("lock-1", release("a", 1, 10), Released);
        run.call("lock-2", acquire("a", 2), granted(20));
        run.returns(look, line(&[holder(1, 10, false)], &[]));
        passes(check, &run.end());
    }

    #[test]
    fn a_lock_that_nobody_looked_at() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        not_judged(check, &run.end(), "no looks at locks");
    }
}

//! L5: a session never expires before its TTL after the last acknowledged keep-alive.
//!
//! Source: Gray & Cheriton, "Leases" (1989): a TTL is a promise of the server, counted
//! here from when the client sent the renewal, the earliest moment at which the server
//! can have granted it. A client that is told "not held" or "no such session" before then
//! was cheated, unless the session was closed, or the refused release named a hold that
//! was already given up or never granted. Times are the run's clock with no tolerance for
//! drift, only for the millisecond resolution of log time: a scenario that makes clocks
//! drift must choose its TTLs accordingly.
//!
//! A new leader gives every session its TTL again. So a session that was alive when the last
//! leader's process ended lives for a TTL from when the next one took over. That is judged
//! where the old leader is known to have ended: one that was cut off may have gone on.
//!
//! Not checked: that a dead session ends in time (L6), and a hold that is lost although
//! its session provably lives on, which is `lost_grants`.

use super::locks::Session;
use super::result::Judge;
use super::view::{STAMP_RESOLUTION_US, View, may_have_effect};
use super::words;
use squall_history::{Action, NodeEvent, Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let leaderships = leaderships(view);
    for (&number, session) in &view.locks.sessions {
        let (Some(ttl_ms), Some(renewal)) = (session.ttl_ms, session.last_renewal) else {
            continue;
        };
        let renewal = &view.operations[renewal];
        let ttl_us = ttl_ms.saturating_mul(1_000);
        judge.count(session.proofs);
        for operation in expiries(view, session) {
            judge.count_checked();
            let Some(returned_us) = operation.returned_us else {
                continue;
            };
            let lives_until_us = lives_until_us(&leaderships, renewal, ttl_us, operation);
            if returned_us + STAMP_RESOLUTION_US < lives_until_us {
                judge.violation(
                    format!(
                        "session {number} of {ttl_ms} ms was gone at {}, {} us too early",
                        words::seconds(returned_us),
                        lives_until_us - returned_us
                    ),
                    [renewal, operation].map(words::operation),
                );
            }
        }
    }
}

/// A change of leader after which sessions have their full TTL again.
struct Leadership {
    /// When the process of the leader before ended.
    ended_us: u64,
    /// When the new leader had committed its first entry.
    began_us: u64,
}

/// The changes of leader, in order, where the old one is known to have ended.
fn leaderships(view: &View) -> Vec<Leadership> {
    let mut leaderships = Vec::new();
    let mut leader: Option<&str> = None;
    let mut ended_us = None;
    for (_, at_us, node, what) in view.nodes() {
        match what {
            NodeEvent::Leader { .. } => {
                // One that was elected while the other still ran may have overlapped with it.
                if leader.is_some() && ended_us.is_none() {
                    ended_us = Some(u64::MAX);
                }
                leader = Some(node);
            }
            NodeEvent::Stopped { .. } if leader == Some(node) => {
                ended_us.get_or_insert(at_us);
                leader = None;
            }
            NodeEvent::FirstCommit { .. } if leader == Some(node) => {
                if let Some(ended_us) = ended_us.take() {
                    leaderships.push(Leadership {
                        ended_us,
                        began_us: at_us,
                    });
                }
            }
            _ => {}
        }
    }
    leaderships
}

/// Until when the session surely lives, as far as it matters for `refused`.
fn lives_until_us(
    leaderships: &[Leadership],
    renewal: &Operation,
    ttl_us: u64,
    refused: &Operation,
) -> u64 {
    let mut until_us = renewal.invoked_us.saturating_add(ttl_us);
    for leadership in leaderships {
        let known = Some(leadership.began_us) < refused.returned_us;
        let after = renewal
            .returned_us
            .is_some_and(|at_us| at_us <= leadership.ended_us);
        if known && after && leadership.ended_us < until_us {
            until_us = until_us.max(leadership.began_us.saturating_add(ttl_us));
        }
    }
    until_us
}

/// The refusals of a session that only its expiry can explain.
fn expiries<'v, 'a>(
    view: &'v View<'a>,
    session: &'v Session,
) -> impl Iterator<Item = &'v Operation<'a>> {
    let close = session.close.map(|index| view.operations[index].invoke_pos);
    let refusals = session
        .refusals
        .iter()
        .map(|&index| &view.operations[index]);
    refusals.filter(move |operation| {
        let closed = close.is_some_and(|close| Some(close) < operation.return_pos);
        !closed
            && !shown_alive_later(view, session, operation)
            && !hold_was_given_up(view, operation)
    })
}

/// A hold refused by a session that still lives is not an expiry; `lost_grants` judges it.
fn shown_alive_later(view: &View, session: &Session, refused: &Operation) -> bool {
    let is_release = matches!(refused.action, Action::Release { .. });
    let was_refused = refused.outcome != Some(&Outcome::NotHeld);
    let proof = session
        .last_proof
        .map(|index| view.operations[index].invoke_pos);
    is_release && !was_refused && proof > refused.return_pos
}

/// Whether a refused release names a hold that the session may no longer have had, or
/// never had.
pub(super) fn hold_was_given_up(view: &View, refused: &Operation) -> bool {
    let (
        Action::Release {
            name,
            token,
            session,
        },
        Some(Outcome::NotHeld),
    ) = (refused.action, refused.outcome)
    else {
        return false;
    };
    let hold = view
        .locks
        .names
        .get(name.as_str())
        .and_then(|holds| holds.get(token));
    let Some(hold) = hold else {
        return true;
    };
    let owned = hold
        .holder(&view.operations)
        .is_some_and(|(owner, _)| owner == *session);
    let attempts = hold.releases.iter().map(|&index| &view.operations[index]);
    let mut earlier = attempts.filter(|o| o.op != refused.op && may_have_effect(o));
    !owned || earlier.any(|o| Some(o.invoke_pos) < refused.return_pos)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Action::{self, CloseSession, KeepAlive};
    use squall_history::NodeEvent::{FirstCommit, Leader, Stopped};
    use squall_history::Outcome::{Alive, NotHeld, Released, Session};

    fn open() -> Action {
        Action::OpenSession { ttl_ms: 1000 }
    }

    /// The leader ends at 600 ms; its successor takes over at 3 s.
    fn led_anew(run: &mut Run) {
        let why = "killed".to_owned();
        run.node("node-1", Leader { term: 1 });
        run.at(600).node("node-1", Stopped { why });
        run.at(2990).node("node-2", Leader { term: 2 });
        let commit = FirstCommit { term: 2, index: 9 };
        run.at(3000).node("node-2", commit);
    }

    #[test]
    fn not_extended_by_a_new_leader() {
        let mut run = kept_alive();
        led_anew(&mut run);
        run.at(3010)
            .call("lock-1", KeepAlive { session: 5 }, NotHeld);
        fails(check, &run.end(), "was gone at 3.011000 s");
    }

    /// It had its second under the new leader; or it was dead before the old one ended.
    #[test]
    fn expired_under_a_new_leader_or_before() {
        let mut run = kept_alive();
        led_anew(&mut run);
        run.at(4100)
            .call("lock-1", KeepAlive { session: 5 }, NotHeld);
        passes(check, &run.end());
        let mut run = kept_alive();
        run.node("node-1", Leader { term: 1 }).at(1600);
        let why = "killed".to_owned();
        run.node("node-1", Stopped { why });
        run.node("node-2", Leader { term: 2 });
        run.node("node-2", FirstCommit { term: 2, index: 9 });
        run.call("lock-1", KeepAlive { session: 5 }, NotHeld);
        passes(check, &run.end());
    }

    /// Session 5 of 1000 ms, kept alive at 501 ms.
    fn kept_alive() -> Run {
        let mut run = Run::new();
        run.call("lock-1", open(), Session { session: 5 }).at(501);
        run.call("lock-1", KeepAlive { session: 5 }, Alive);
        run
    }

    #[test]
    fn expired_too_early() {
        let mut run = kept_alive();
        run.at(1400);
        run.call("lock-1", KeepAlive { session: 5 }, NotHeld);
        fails(
            check,
            &run.end(),
            "session 5 of 1000 ms was gone at 1.401000 s, 100000 us",
        );
    }

    #[test]
    fn an_end_reported_in_other_words_or_by_a_release() {
        let mut run = kept_alive();
        run.call("lock-1", acquire("a", 5), failed("no such session"));
        fails(check, &run.end(), "was gone");

        let mut run = kept_alive();
        run.call("lock-1", acquire("a", 5), granted(10));
        run.call("lock-1", release("a", 5, 10), NotHeld);
        fails(check, &run.end(), "was gone");
    }

    #[test]
    fn expired_in_time() {
        let mut run = kept_alive();
        run.at(1500);
        run.call("lock-1", KeepAlive { session: 5 }, NotHeld);
        passes(check, &run.end());
    }

    /// Only an acknowledged keep-alive counts: the unknown one may never have arrived.
    #[test]
    fn an_unknown_keep_alive_promises_nothing() {
        let mut run = kept_alive();
        run.at(1400)
            .call("lock-1", KeepAlive { session: 5 }, unknown());
        run.at(1600)
            .call("lock-1", KeepAlive { session: 5 }, NotHeld);
        passes(check, &run.end());
    }

    #[test]
    fn closed_perhaps_is_no_expiry() {
        let mut run = kept_alive();
        run.call("lock-1", CloseSession { session: 5 }, unknown());
        run.call("lock-1", KeepAlive { session: 5 }, NotHeld);
        passes(check, &run.end());
    }

    #[test]
    fn other_failures_and_holds_given_up_are_no_expiry() {
        let mut run = kept_alive();
        run.call("lock-1", acquire("a", 5), failed("no leader"));
        run.call("lock-1", acquire("a", 5), granted(10));
        run.call("lock-1", release("a", 5, 10), Released);
        run.call("lock-1", release("a", 5, 10), NotHeld);
        passes(check, &run.end());
    }
}

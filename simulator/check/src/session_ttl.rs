//! L5: a session never expires before its TTL after the last acknowledged keep-alive.
//!
//! Source: Gray & Cheriton, "Leases" (1989): a TTL is a promise of the server, counted
//! here from when the client sent the renewal, the earliest moment at which the server
//! can have granted it. A client that gets "not held" or "no such session" before then
//! was cheated, unless the session was closed, or the refused release named a hold that
//! was already given up or never granted. The millisecond resolution of log time is allowed
//! for, and a clock that runs faster than the cluster bears.
//!
//! While the processes of a majority are down, log time stands still for the others: no session
//! could be renewed. It may have gone on for a lease before it stood, and may have begun anew
//! from when the first call was sent that was answered.
//!
//! A new leader gives every session its TTL again. So a session that was alive when the last
//! leader's process ended lives for a TTL from when the next one took over. That is judged
//! where the old leader is known to have ended: one that was cut off may have gone on.
//!
//! Not checked: that a dead session ends in time (L6), and a hold that is lost although
//! its session provably lives on, which is `lost_grants`.

use super::locks::Session;
use super::quorum_loss::{QuorumLoss, quorum_losses};
use super::result::Judge;
use super::view::{STAMP_RESOLUTION_US, View, may_have_effect};
use super::words;
use squall_history::{Action, NodeEvent, Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let pauses = pauses(view);
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
            let lives_until_us = lives_until_us(view, &pauses, renewal, ttl_us, operation);
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

/// A time that does not count against sessions that were alive when it began.
enum Pause {
    Leadership(Leadership),
    QuorumLoss { spell: QuorumLoss, lease_us: u64 },
}

impl Pause {
    fn begins_us(&self) -> u64 {
        match self {
            Pause::Leadership(change) => change.ended_us,
            Pause::QuorumLoss { spell, .. } => spell.from_us,
        }
    }

    /// Until when a session lives at least that would have lived until `until_us`, if it was
    /// alive when this began, as far as that is known at `now_us`.
    fn prolonged_us(&self, view: &View, until_us: u64, ttl_us: u64, now_us: u64) -> u64 {
        match self {
            Pause::Leadership(change) if change.began_us < now_us => {
                let lives_us = view.shortest_us(change.began_us, now_us, ttl_us);
                until_us.max(change.began_us.saturating_add(lives_us))
            }
            Pause::Leadership(_) => until_us,
            Pause::QuorumLoss { spell, lease_us } => {
                let over_us = spell.until_us.min(now_us);
                let lease_ends_us = spell.from_us.saturating_add(view.longest_us(
                    spell.from_us,
                    over_us,
                    *lease_us,
                ));
                if until_us <= lease_ends_us {
                    // Its time may have been over before log time stood, and the leader may have
                    // had that in its log, which the next one then commits.
                    return until_us;
                }
                // For a lease at its beginning, and from when the first call was sent that was
                // answered: it may have been on its way for nearly as long.
                let ran_us = view.longest_us(spell.from_us, over_us, 2 * lease_us);
                let stood_us = over_us.saturating_sub(spell.from_us.saturating_add(ran_us));
                until_us.saturating_add(stood_us)
            }
        }
    }
}

/// In the order in which they began.
fn pauses(view: &View) -> Vec<Pause> {
    let leaderships = leaderships(view);
    let mut pauses = Vec::new();
    if let Some(lease_us) = view.lease_us() {
        let spells = quorum_losses(view).into_iter();
        let spells = spells.filter_map(|spell| clipped(spell, &leaderships));
        pauses.extend(spells.map(|spell| Pause::QuorumLoss { spell, lease_us }));
    }
    pauses.extend(leaderships.into_iter().map(Pause::Leadership));
    pauses.sort_by_key(Pause::begins_us);
    pauses
}

/// What is left of a loss of the quorum that begins while a leader is looked for: the new one
/// gives sessions their full TTL, and what was before is made up for by that.
fn clipped(mut spell: QuorumLoss, leaderships: &[Leadership]) -> Option<QuorumLoss> {
    let covers =
        |change: &&Leadership| change.ended_us <= spell.from_us && spell.from_us < change.began_us;
    if let Some(change) = leaderships.iter().find(covers) {
        spell.from_us = change.began_us;
    }
    (spell.from_us < spell.until_us).then_some(spell)
}

/// Until when the session surely lives, as far as it matters for `refused`.
fn lives_until_us(
    view: &View,
    pauses: &[Pause],
    renewal: &Operation,
    ttl_us: u64,
    refused: &Operation,
) -> u64 {
    let now_us = refused.returned_us.unwrap_or(u64::MAX);
    let lives_us = view.shortest_us(renewal.invoked_us, now_us, ttl_us);
    let mut until_us = renewal.invoked_us.saturating_add(lives_us);
    let renewed_us = renewal.returned_us.unwrap_or(u64::MAX);
    for pause in pauses {
        if renewed_us <= pause.begins_us() && pause.begins_us() < until_us {
            until_us = pause.prolonged_us(view, until_us, ttl_us, now_us);
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
    use squall_history::{FaultStatus, History};

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

    /// Both followers are away for five seconds, and the leader stays.
    fn without_followers(lease_ms: Option<u64>) -> Run {
        let mut run = Run::new();
        run.setup(lease_ms, &[]);
        run.members(&["node-1", "node-2", "node-3"]);
        let opening = Action::OpenSession { ttl_ms: 2000 };
        run.at(100).call("lock-1", opening, Session { session: 5 });
        run.at(500).stopped("node-2").stopped("node-3");
        run
    }

    fn gone_at(mut run: Run, asked_ms: u64, back_ms: u64, ms: u64) -> History {
        let asked = run.at(asked_ms);
        let asked = asked.invoke("lock-1", KeepAlive { session: 5 });
        run.at(back_ms).started("node-2");
        run.at(ms).returns(asked, NotHeld).end()
    }

    #[test]
    fn time_without_a_quorum_counts_for_nobody() {
        let gone_at = |ms, lease_ms| gone_at(without_followers(lease_ms), 5500, 5500, ms);
        // Log time stood from 1.1 s on, when a second of the TTL was left.
        fails(check, &gone_at(5510, Some(600)), "too early");
        fails(check, &gone_at(5890, Some(600)), "too early");
        passes(check, &gone_at(5910, Some(600)));
        // It had not come to a stand, or nobody knows.
        passes(check, &gone_at(5510, Some(6000)));
        passes(check, &gone_at(5510, None));
    }

    /// Log time went on for a lease, and the session ended before it stood.
    #[test]
    fn a_session_that_ends_within_the_lease_of_a_leader_without_a_quorum() {
        let gone = |lost_ms| {
            let mut run = Run::new();
            run.setup(Some(600), &[]);
            run.members(&["node-1", "node-2", "node-3"]);
            let opening = Action::OpenSession { ttl_ms: 2000 };
            run.at(100).call("lock-1", opening, Session { session: 5 });
            run.at(lost_ms).stopped("node-2").stopped("node-3");
            gone_at(run, 5500, 5500, 5510)
        };
        passes(check, &gone(1600));
        fails(check, &gone(500), "too early");
    }

    /// The leader goes with the quorum, and the next one gives sessions their TTL again.
    #[test]
    fn a_quorum_that_is_lost_with_the_leader_counts_once() {
        let gone_at = |ms| {
            let mut run = Run::new();
            run.setup(Some(600), &[]);
            run.members(&["node-1", "node-2", "node-3"]);
            run.node("node-1", Leader { term: 1 });
            let opening = Action::OpenSession { ttl_ms: 2000 };
            run.at(100).call("lock-1", opening, Session { session: 5 });
            run.at(600).stopped("node-1").stopped("node-2");
            run.at(3000).started("node-2");
            run.at(3050).node("node-2", Leader { term: 2 });
            let first = FirstCommit { term: 2, index: 9 };
            run.at(3100).node("node-2", first);
            run.at(ms)
                .call("lock-1", KeepAlive { session: 5 }, NotHeld)
                .end()
        };
        fails(check, &gone_at(5000), "too early");
        passes(check, &gone_at(5110));
    }

    /// A clock runs fast when what is left of the TTL runs out.
    #[test]
    fn a_clock_that_runs_fast_after_a_pause() {
        let gone_at = |ms| {
            let mut run = without_followers(Some(600));
            run.at(5450).drift(Some(101_000), FaultStatus::Installed);
            gone_at(run, 5460, 5500, ms)
        };
        passes(check, &gone_at(5810));
        fails(check, &gone_at(5600), "too early");
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

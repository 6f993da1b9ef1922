//! Indexes what a history says about locks and sessions: holds by name and token, sessions
//! by number. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::certainty::{certain, may_have_effect};
use squall_history::{Action, Holder, Operation, Outcome};

#[derive(Debug, Default)]
pub(super) struct Locks<'a> {
    /// Holds by lock name, then by token; in order of first mention.
    pub(super) names: IndexMap<&'a str, IndexMap<u64, Hold>>,
    /// Acknowledged checks of fenced resources by name, as positions in the operations.
    pub(super) checks: IndexMap<&'a str, Vec<usize>>,
    pub(super) sessions: IndexMap<u64, Session>,
    /// The first acquire without an answer, by lock name and session. It may have been
    /// granted, at any later time, the token that a later acquire receives.
    pub(super) unanswered: BTreeMap<(&'a str, u64), usize>,
    /// Every acquire, by lock name and session.
    pub(super) acquires: BTreeMap<(&'a str, u64), Vec<usize>>,
    /// Lock names and sessions for which a wait was cancelled.
    pub(super) cancelled: BTreeSet<(&'a str, u64)>,
    /// Answered looks at who holds a lock and who waits, by name.
    pub(super) lines: IndexMap<&'a str, Vec<Line<'a>>>,
}

/// One look at a lock.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// Position of the operation.
    pub(super) index: usize,
    pub(super) holders: &'a [Holder],
    pub(super) waiters: &'a [u64],
    pub(super) last_token: u64,
}

/// Everything said about one token of one lock. Operations are positions in the list of
/// operations, in order of invocation.
#[derive(Debug, Default)]
pub(super) struct Hold {
    /// Acknowledged grants; more than one when a holder asked again.
    pub(super) grants: Vec<usize>,
    /// Every attempt to release, whatever its outcome.
    pub(super) releases: Vec<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Session {
    /// From the acknowledged opening; `None` if that is not in the history.
    pub(super) ttl_ms: Option<u64>,
    /// The acknowledged opening or keep-alive invoked last.
    pub(super) last_renewal: Option<usize>,
    /// The operation invoked last that proves, by its answer, that the session lived.
    pub(super) last_proof: Option<usize>,
    /// Operations that prove so.
    pub(super) proofs: u64,
    /// The first close that may have taken effect.
    pub(super) close: Option<usize>,
    /// Operations that were answered that the session, or its hold, is gone.
    pub(super) refusals: Vec<usize>,
}

impl<'a> Locks<'a> {
    pub(super) fn new(operations: &[Operation<'a>]) -> Self {
        let mut locks = Self::default();
        for (index, operation) in operations.iter().enumerate() {
            locks.note_hold(index, operation);
            locks.note_session(index, operation);
        }
        locks
    }

    fn note_hold(&mut self, index: usize, operation: &Operation<'a>) {
        if let Action::Acquire { name, session, .. } = operation.action {
            let acquires = self.acquires.entry((name, *session)).or_default();
            acquires.push(index);
        }
        if let Action::Cancel { name, session } = operation.action {
            self.cancelled.insert((name, *session));
        }
        match (operation.action, operation.outcome) {
            (Action::Acquire { name, .. }, Some(Outcome::Granted { token })) => {
                self.hold(name, *token).grants.push(index);
            }
            (Action::Acquire { name, session, .. }, _) if !certain(operation) => {
                self.unanswered.entry((name, *session)).or_insert(index);
            }
            (Action::Release { name, token, .. }, _) => {
                self.hold(name, *token).releases.push(index);
            }
            (
                Action::Inspect { name },
                Some(Outcome::Line {
                    holders,
                    waiters,
                    last_token,
                }),
            ) => self.lines.entry(name).or_default().push(Line {
                index,
                holders,
                waiters,
                last_token: *last_token,
            }),
            (Action::Check { name, .. }, Some(Outcome::Checked { .. })) => {
                self.checks.entry(name).or_default().push(index);
            }
            _ => {}
        }
    }

    fn hold(&mut self, name: &'a str, token: u64) -> &mut Hold {
        let holds = self.names.entry(name).or_default();
        holds.entry(token).or_default()
    }

    fn note_session(&mut self, index: usize, operation: &Operation<'a>) {
        if let Action::OpenSession { ttl_ms } = operation.action {
            if let Some(Outcome::Session { session }) = operation.outcome {
                let session = self.sessions.entry(*session).or_default();
                session.ttl_ms.get_or_insert(*ttl_ms);
                session.last_renewal = Some(index);
                session.last_proof = Some(index);
            }
            return;
        }
        let Some(number) = session_of(operation.action) else {
            return;
        };
        let session = self.sessions.entry(number).or_default();
        match operation.outcome {
            Some(outcome @ (Outcome::Alive | Outcome::Granted { .. })) => {
                session.last_proof = Some(index);
                session.proofs += 1;
                if *outcome == Outcome::Alive {
                    session.last_renewal = Some(index);
                }
            }
            Some(Outcome::NotHeld) => session.refusals.push(index),
            Some(Outcome::Failed { why }) if says_session_gone(why) => session.refusals.push(index),
            _ => {}
        }
        if matches!(operation.action, Action::CloseSession { .. }) && may_have_effect(operation) {
            session.close.get_or_insert(index);
        }
    }
}

impl Locks<'_> {
    /// The tokens of a lock that are known to have been granted, in order, with the first
    /// grant of each.
    pub(super) fn tokens(&self, name: &str) -> BTreeMap<u64, usize> {
        let holds = self.names.get(name).into_iter().flatten();
        let granted = holds.filter_map(|(&token, hold)| Some((token, *hold.grants.first()?)));
        granted.collect()
    }
}

impl Hold {
    /// The session, and whether the hold is shared, as its first grant says.
    pub(super) fn holder(&self, operations: &[Operation]) -> Option<(u64, bool)> {
        match operations[*self.grants.first()?].action {
            Action::Acquire {
                session, shared, ..
            } => Some((*session, *shared)),
            action => unreachable!("only an acquire is granted, not {action:?}"),
        }
    }

    /// The position before which the hold surely had not been given up, if a release was
    /// acknowledged. An earlier attempt without an answer may be what gave it up (the
    /// acknowledgement is then its repeated reply), so the first such attempt counts.
    pub(super) fn surely_held_until(&self, operations: &[Operation]) -> Option<usize> {
        let (session, _) = self.holder(operations)?;
        let attempts = || {
            let releases = self.releases.iter().map(|&index| &operations[index]);
            releases.filter(|operation| {
                session_of(operation.action) == Some(session) && may_have_effect(operation)
            })
        };
        attempts().find(|operation| certain(operation))?;
        attempts().map(|operation| operation.invoke_pos).min()
    }
}

/// The session that an action names.
pub(super) fn session_of(action: &Action) -> Option<u64> {
    use Action::*;
    match action {
        Acquire { session, .. }
        | Cancel { session, .. }
        | Release { session, .. }
        | KeepAlive { session }
        | CloseSession { session } => Some(*session),
        _ => None,
    }
}

/// Whether a refusal says that the session does not exist (any more).
fn says_session_gone(why: &str) -> bool {
    let why = why.to_ascii_lowercase();
    let gone = [
        "gone",
        "no session",
        "nosession",
        "no such session",
        "expired",
        "unknown session",
    ];
    why.contains("session") && gone.iter().any(|word| why.contains(word))
}

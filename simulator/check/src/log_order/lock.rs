//! One lock by its tokens.
//!
//! Tokens are log indexes of grants, so grants took effect in the order of their tokens.
//! A release that was acknowledged took effect after its grant and before the next grant
//! that its hold excludes. An operation that was answered that a hold is gone comes after the
//! release, if there was one. Accepted checks of the fenced resource come in the order of
//! their tokens. A hold may also end by itself, with its session.
//!
//! Sources: those of [`super::super::linearizability::models::lock`].

use std::collections::BTreeMap;

use super::{Answer, Order, call_of, in_operations};
use crate::linearizability::models::lock::{Lock, LockCall};
use crate::linearizability::{Bounds, Call, Verdict, search_until};
use crate::view::{certain, end};
use squall_history::{Action, Operation, Outcome};

/// The operations of each lock, as positions in the list: those that name it, and the
/// endings of the sessions that asked for it.
pub(crate) fn objects<'a>(operations: &[Operation<'a>]) -> BTreeMap<&'a str, Vec<usize>> {
    let mut locks: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut sessions: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for (index, operation) in operations.iter().enumerate() {
        match operation.action {
            Action::Acquire { name, session, .. } => {
                locks.entry(name).or_default().push(index);
                let names = sessions.entry(*session).or_default();
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
            Action::Release { name, .. } | Action::Check { name, .. } => {
                locks.entry(name).or_default().push(index);
            }
            Action::CloseSession { session } => {
                for name in sessions.get(session).into_iter().flatten() {
                    locks.entry(name).or_default().push(index);
                }
            }
            _ => {}
        }
    }
    locks
}

/// The operation as the lock knows it; `None` if it tells nothing. An attempt to release or
/// to close that was not answered explains nothing that a lease does not.
fn call(operation: &Operation) -> Option<LockCall> {
    match (operation.action, operation.outcome) {
        (
            Action::Acquire {
                session, shared, ..
            },
            outcome,
        ) => match outcome {
            Some(Outcome::Granted { token }) => Some(LockCall::Grant {
                owner: *session,
                shared: *shared,
                token: Some(*token),
            }),
            Some(Outcome::NotHeld) => Some(LockCall::Close { owner: *session }),
            _ if !certain(operation) => Some(LockCall::Grant {
                owner: *session,
                shared: *shared,
                token: None,
            }),
            _ => None,
        },
        (Action::Release { session, token, .. }, Some(Outcome::Released)) => {
            Some(LockCall::Release {
                owner: *session,
                token: Some(*token),
            })
        }
        (Action::Release { session, token, .. }, Some(Outcome::NotHeld)) => {
            Some(LockCall::NotHeld {
                owner: *session,
                token: Some(*token),
            })
        }
        (Action::CloseSession { session }, Some(Outcome::Closed | Outcome::NotHeld)) => {
            Some(LockCall::Close { owner: *session })
        }
        (Action::Check { token, .. }, Some(Outcome::Checked { accepted: true })) => {
            Some(LockCall::Accepted { token: *token })
        }
        _ => None,
    }
}

/// Searches for an order of one lock's operations.
pub(crate) fn search(
    operations: &[Operation],
    lock_operations: &[usize],
    bounds: Bounds,
    interrupted: &dyn Fn() -> bool,
) -> Verdict {
    let (indexes, calls) = calls(operations, lock_operations);
    let verdict = search_until(&Lock { leases: true }, &calls, bounds, interrupted);
    in_operations(&indexes, verdict)
}

/// The calls that the search orders, and the operations they belong to.
fn calls(operations: &[Operation], lock_operations: &[usize]) -> (Vec<usize>, Vec<Call<LockCall>>) {
    let calls = lock_operations.iter().filter_map(|&index| {
        let operation = &operations[index];
        Some((index, call_of(call(operation)?, operation)))
    });
    calls.unzip()
}

/// Everything said about one token.
#[derive(Default)]
struct Hold {
    owner: u64,
    shared: bool,
    /// The grant, and further answers to asking again.
    grants: Vec<usize>,
    release: Option<usize>,
    /// Operations that were answered that the hold is gone.
    ends: Vec<usize>,
}

/// Judges one lock by its operations.
pub(crate) fn judge(operations: &[Operation], lock_operations: &[usize]) -> Answer {
    let mut story = Story::default();
    let answered = story
        .note_grants(operations, lock_operations)
        .and_then(|()| story.note_ends(operations, lock_operations));
    match answered {
        Ok(()) => story.order(operations).answer(),
        Err(answer) => answer,
    }
}

#[derive(Default)]
struct Story {
    /// By token.
    holds: BTreeMap<u64, Hold>,
    tokens_of: BTreeMap<u64, Vec<u64>>,
    accepted: BTreeMap<u64, Vec<usize>>,
    /// Where a session first asked without being answered.
    unanswered: BTreeMap<u64, usize>,
}

impl Story {
    fn note_grants(
        &mut self,
        operations: &[Operation],
        lock_operations: &[usize],
    ) -> Result<(), Answer> {
        for &index in lock_operations {
            match call(&operations[index]) {
                Some(LockCall::Grant {
                    owner,
                    shared,
                    token: Some(token),
                }) => self.note_grant(index, owner, shared, token)?,
                Some(LockCall::Grant { owner, .. }) => {
                    let asked = operations[index].invoke_pos;
                    self.unanswered.entry(owner).or_insert(asked);
                }
                _ => {}
            }
        }
        // What was not answered may have been granted the token that was received later.
        let confirms = |hold: &Hold| {
            let asked = self.unanswered.get(&hold.owner);
            let last = hold.grants.iter().map(|&grant| end(&operations[grant]));
            asked.is_some_and(|&asked| last.max().is_some_and(|last| last > asked))
        };
        match self.holds.values().any(confirms) {
            true => Err(Answer::NotApplicable),
            false => Ok(()),
        }
    }

    fn note_grant(
        &mut self,
        index: usize,
        owner: u64,
        shared: bool,
        token: u64,
    ) -> Result<(), Answer> {
        let hold = self.holds.entry(token).or_default();
        if let Some(&first) = hold.grants.first()
            && (hold.owner, hold.shared) != (owner, shared)
        {
            let what = format!("token {token} was granted twice");
            return Err(Answer::Violation(what, vec![first, index]));
        }
        if hold.grants.is_empty() {
            (hold.owner, hold.shared) = (owner, shared);
            self.tokens_of.entry(owner).or_default().push(token);
        }
        hold.grants.push(index);
        Ok(())
    }

    fn note_ends(
        &mut self,
        operations: &[Operation],
        lock_operations: &[usize],
    ) -> Result<(), Answer> {
        for &index in lock_operations {
            match call(&operations[index]) {
                Some(LockCall::Release { owner, token }) => {
                    self.note_release(index, owner, token.expect("our releases name one"))?;
                }
                Some(LockCall::NotHeld { owner, token }) => {
                    let token = token.expect("our releases name one");
                    if self.holds.get(&token).is_some_and(|h| h.owner == owner) {
                        self.note_end(operations, index, token)?;
                    }
                }
                Some(LockCall::Close { owner }) => {
                    for token in self.tokens_of.get(&owner).cloned().unwrap_or_default() {
                        self.note_end(operations, index, token)?;
                    }
                }
                Some(LockCall::Accepted { token }) => {
                    self.accepted.entry(token).or_default().push(index);
                }
                Some(LockCall::Grant { .. }) | None => {}
            }
        }
        Ok(())
    }

    fn note_release(&mut self, index: usize, owner: u64, token: u64) -> Result<(), Answer> {
        let hold = self.holds.get_mut(&token).filter(|h| h.owner == owner);
        let Some(hold) = hold else {
            if self.unanswered.contains_key(&owner) {
                return Err(Answer::NotApplicable);
            }
            let what = format!("token {token} was released by a session that never had it");
            return Err(Answer::Violation(what, vec![index]));
        };
        match hold.release.replace(index) {
            None => Ok(()),
            Some(first) => {
                let what = format!("token {token} was released twice");
                Err(Answer::Violation(what, vec![first, index]))
            }
        }
    }

    /// The operation was answered that the hold is gone, or was not there yet.
    fn note_end(
        &mut self,
        operations: &[Operation],
        index: usize,
        token: u64,
    ) -> Result<(), Answer> {
        let hold = self.holds.get_mut(&token).expect("only known tokens end");
        let ended = &operations[index];
        let granted = |&grant: &usize| end(&operations[grant]) < ended.invoke_pos;
        let asked_later = |&grant: &usize| operations[grant].invoke_pos > end(ended);
        if hold.grants.iter().any(granted) {
            hold.ends.push(index);
            Ok(())
        } else if hold.grants.iter().all(asked_later) {
            Ok(())
        } else {
            Err(Answer::NotApplicable)
        }
    }

    /// Everything that the tokens say about what came before what.
    fn order(&self, operations: &[Operation]) -> Order {
        let mut order = Order::default();
        // From the newest token down: the grants that end a hold, of any kind and exclusive.
        let mut next: Option<usize> = None;
        let mut next_exclusive: Option<usize> = None;
        // A session has a lock once.
        let mut next_own: BTreeMap<u64, usize> = BTreeMap::new();
        for hold in self.holds.values().rev() {
            // The first to ask got it; the others got the same answer.
            let first = hold.grants.iter().copied();
            let first = first.min_by_key(|&grant| operations[grant].invoke_pos);
            let first = first.expect("a hold has a grant");
            let granted = order.call(operations, first);
            let excluding = if hold.shared { next_exclusive } else { next };
            if let Some(next) = next {
                order.before(granted, next);
            }
            // All that needs the hold, then its end.
            let ended = order.moment();
            order.before(granted, ended);
            for &grant in hold.grants.iter().filter(|&&grant| grant != first) {
                let again = order.call(operations, grant);
                order.before(granted, again);
                order.before(again, ended);
            }
            let mut gone = ended;
            if let Some(release) = hold.release {
                gone = order.call(operations, release);
                order.before(ended, gone);
            }
            for &index in &hold.ends {
                let answered = order.call(operations, index);
                order.before(gone, answered);
            }
            let own = next_own.insert(hold.owner, granted);
            for excluding in excluding.into_iter().chain(own) {
                order.before(gone, excluding);
            }
            next = Some(granted);
            if !hold.shared {
                next_exclusive = Some(granted);
            }
        }
        self.order_checks(operations, &mut order);
        order
    }

    fn order_checks(&self, operations: &[Operation], order: &mut Order) {
        let mut passed: Option<usize> = None;
        for checks in self.accepted.values() {
            let all = order.moment();
            for &index in checks {
                let check = order.call(operations, index);
                if let Some(passed) = passed {
                    order.before(passed, check);
                }
                order.before(check, all);
            }
            passed = Some(all);
        }
    }
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;

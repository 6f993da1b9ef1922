//! The lock table: acquire, release, cancel, check, and what ends with a session.
//!
//! Waiting is strictly first come, first served (the rules of one lock are in [`rules`]).
//! Wherever several waiters leave at once, because their time is up or their sessions have
//! ended, all of them leave before anyone is granted: nobody is granted a lock in the
//! entry that ends its own wait.
//!
//! A name that was ever locked keeps a small record for good, because its tokens
//! must keep rising. This file does not decide when sessions end.
//!
//! Sources: fencing tokens, Kleppmann, "How to do distributed locking" (2016); wait-die,
//! Rosenkrantz, Stearns and Lewis, "System level concurrency control for distributed
//! database systems", TODS 3(2), 1978.

mod rules;

use super::command::{LockCommand, LockInfo, LockMode, Refusal, Reply, Row, SessionId};
use super::limits::LONGEST_MS;
use super::session::Sessions;
use super::snapshot::{DecodeError, ensure};
use super::{Effects, Moment};
use crate::planted::{self, Bug};
use rules::{Lock, Waiter};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a name that was ever locked takes beside its letters, and what one that holds it or
/// waits for it takes.
const LOCK_BYTES: u64 = 240;
const CLAIM_BYTES: u64 = 240;

/// All names ever locked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Locks {
    locks: BTreeMap<String, Lock>,
    /// (deadline, waiter) and the name it waits for, an index over `locks`.
    #[serde(skip)]
    waits: BTreeMap<(u64, u64), String>,
    /// The names that a session holds or waits for, an index over `locks`.
    #[serde(skip)]
    names: BTreeMap<SessionId, BTreeSet<String>>,
    /// Memory taken, by our account.
    #[serde(skip)]
    bytes: u64,
}

impl Locks {
    pub(super) fn apply(
        &mut self,
        now: Moment,
        sessions: &Sessions,
        command: &LockCommand,
        effects: &mut Effects,
    ) -> Reply {
        match command {
            LockCommand::Acquire { wait_ms, .. } if *wait_ms > LONGEST_MS => {
                Reply::Refused(Refusal::OutOfRange)
            }
            LockCommand::Acquire { session, .. } if !sessions.lives(*session) => {
                Reply::Refused(Refusal::NoSession)
            }
            LockCommand::Acquire {
                name,
                session,
                mode,
                wait_ms,
                wait_die,
            } => self.acquire(now, name, *session, *mode, *wait_ms, *wait_die),
            LockCommand::Release {
                name,
                session,
                token,
            } => {
                let lock = self.locks.get_mut(name);
                if !lock.is_some_and(|lock| lock.release(*session, *token)) {
                    return Reply::Refused(Refusal::NotHeld);
                }
                self.forget(*session, name);
                self.grant_waiters(now, name, effects);
                Reply::Released
            }
            LockCommand::Cancel { name, session } => {
                self.cancel(now, name, *session, effects);
                Reply::Done
            }
            LockCommand::Check { name, token } => {
                if now.level == 0 {
                    return Reply::TokenAccepted(self.lock_mut(name).accept(*token));
                }
                // A name that was never locked has no token to accept, and gets no record.
                let lock = self.locks.get_mut(name);
                Reply::TokenAccepted(
                    lock.is_some_and(|lock| lock.has_granted(*token) && lock.accept(*token)),
                )
            }
        }
    }

    /// Ends the waits whose time is up, then grants what they were in the way of.
    pub(super) fn run_due(&mut self, now: Moment, effects: &mut Effects) {
        let mut over: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        while let Some(first) = self.waits.first_entry() {
            if first.key().0 > now.served_ms {
                break;
            }
            let ((_, id), name) = first.remove_entry();
            effects.wake(id, Reply::NotGranted);
            if !planted::active(Bug::TimeoutStaysQueued) {
                over.entry(name).or_default().insert(id);
            }
        }
        for (name, ids) in &over {
            let lock = self.locks.get_mut(name).expect("a wait names a lock");
            for waiter in lock.leave_together(ids) {
                self.forget(waiter.session, name);
            }
        }
        for name in over.into_keys() {
            self.grant_waiters(now, &name, effects);
        }
    }

    /// Frees all that the `ended` sessions held or waited for. Their waiters are answered
    /// [`Refusal::NoSession`].
    pub(super) fn end(
        &mut self,
        now: Moment,
        sessions: &Sessions,
        ended: &[SessionId],
        effects: &mut Effects,
    ) {
        let mut freed = BTreeSet::new();
        for session in ended {
            let claimed = self.names.remove(session).unwrap_or_default();
            self.bytes -= claimed.iter().map(|name| claim_bytes(name)).sum::<u64>();
            freed.extend(claimed);
        }
        for name in &freed {
            let lock = self
                .locks
                .get_mut(name)
                .expect("a session's name is a lock");
            let lives = |session| match planted::active(Bug::GrantToTheDead) {
                // Only what ends now is looked for.
                true => !ended.contains(&session),
                false => sessions.lives(session),
            };
            for waiter in lock.drop_dead(lives) {
                self.waits.remove(&(waiter.deadline_ms, waiter.id));
                effects.wake(waiter.id, Reply::Refused(Refusal::NoSession));
            }
        }
        for name in freed {
            self.grant_waiters(now, &name, effects);
        }
    }

    /// Served time at which the first wait is up.
    pub(super) fn first_deadline(&self) -> Option<u64> {
        self.waits
            .first_key_value()
            .map(|(&(deadline_ms, _), _)| deadline_ms)
    }

    pub(super) fn info(&self, name: &str) -> LockInfo {
        self.locks.get(name).map(Lock::info).unwrap_or_default()
    }

    /// How many hold it or wait for it.
    pub(super) fn claims_on(&self, name: &str) -> usize {
        let counts = self.locks.get(name).map(Lock::counts);
        counts.map_or(0, |counts| counts.iter().sum::<u64>() as usize)
    }

    /// Names behind `after`, in order, with how many hold them and how many wait.
    pub(super) fn list(&self, after: Option<&str>) -> impl Iterator<Item = Row> {
        super::listing::behind(&self.locks, after).map(|(name, lock)| Row {
            name: name.clone().into(),
            figures: lock.counts().to_vec(),
        })
    }

    /// Memory taken, by our account.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Rebuilds the indexes of a decoded table, and refuses what no log can have produced.
    pub(super) fn reindex(
        &mut self,
        applied_index: u64,
        sessions: &Sessions,
    ) -> Result<(), DecodeError> {
        for (name, lock) in &self.locks {
            lock.validate()?;
            self.bytes += lock_bytes(name);
            for session in lock.sessions() {
                ensure(sessions.lives(session), "a lock of a session that ended")?;
                let is_new = self.names.entry(session).or_default().insert(name.clone());
                ensure(is_new, "a session twice at one lock")?;
                self.bytes += claim_bytes(name);
            }
            for waiter in lock.waiters() {
                ensure(waiter.id <= applied_index, "a waiter of a later entry")?;
                let before = self
                    .waits
                    .insert((waiter.deadline_ms, waiter.id), name.clone());
                ensure(before.is_none(), "a waiter in two lines")?;
            }
        }
        Ok(())
    }

    fn acquire(
        &mut self,
        now: Moment,
        name: &str,
        session: SessionId,
        mode: LockMode,
        wait_ms: u64,
        wait_die: bool,
    ) -> Reply {
        let lock = self.lock_mut(name);
        if let Some(claim) = lock.claim(session) {
            return claim.reply_to(mode, wait_ms);
        }
        let reply = if lock.admits(mode) {
            Reply::Granted {
                token: lock.grant(now.index, session, mode),
            }
        } else if wait_ms == 0 {
            return Reply::NotGranted;
        } else if wait_die && lock.has_older_ahead(session, mode) {
            return Reply::Refused(Refusal::WouldDeadlock);
        } else {
            let waiter = Waiter {
                id: now.index,
                session,
                mode,
                deadline_ms: now.served_after(wait_ms),
            };
            lock.join(waiter);
            self.waits
                .insert((waiter.deadline_ms, waiter.id), name.to_owned());
            Reply::Waiting { waiter: waiter.id }
        };
        let names = self.names.entry(session).or_default();
        if names.insert(name.to_owned()) {
            self.bytes += claim_bytes(name);
        }
        reply
    }

    fn cancel(&mut self, now: Moment, name: &str, session: SessionId, effects: &mut Effects) {
        let Some(lock) = self.locks.get_mut(name) else {
            return;
        };
        let Some(id) = lock.waiter_of(session) else {
            return;
        };
        let waiter = lock.leave(id).expect("the waiter was just found");
        self.waits.remove(&(waiter.deadline_ms, id));
        self.forget(session, name);
        effects.wake(id, Reply::NotGranted);
        self.grant_waiters(now, name, effects);
    }

    /// Grants from the head of the line as far as the rules allow.
    fn grant_waiters(&mut self, now: Moment, name: &str, effects: &mut Effects) {
        let Some(lock) = self.locks.get_mut(name) else {
            return;
        };
        if planted::active(Bug::DeadHeadNotSkipped)
            && lock
                .next()
                .is_some_and(|session| !self.names.contains_key(&session))
        {
            return;
        }
        while let Some((waiter, token)) = lock.grant_next(now.index) {
            self.waits.remove(&(waiter.deadline_ms, waiter.id));
            effects.wake(waiter.id, Reply::Granted { token });
        }
    }

    /// The mistake of ML-11: the counters of fencing are not written to the snapshot.
    #[cfg(feature = "planted")]
    pub(super) fn forget_tokens(&mut self) {
        self.locks.values_mut().for_each(Lock::forget_tokens);
    }

    fn lock_mut(&mut self, name: &str) -> &mut Lock {
        if !self.locks.contains_key(name) {
            self.bytes += lock_bytes(name);
            self.locks.insert(name.to_owned(), Lock::default());
        }
        self.locks
            .get_mut(name)
            .expect("the lock was just inserted")
    }

    /// Notes that the session neither holds nor waits for `name` any more.
    fn forget(&mut self, session: SessionId, name: &str) {
        if let Some(names) = self.names.get_mut(&session) {
            if names.remove(name) {
                self.bytes -= claim_bytes(name);
            }
            if names.is_empty() {
                self.names.remove(&session);
            }
        }
    }
}

fn lock_bytes(name: &str) -> u64 {
    LOCK_BYTES + name.len() as u64
}

fn claim_bytes(name: &str) -> u64 {
    // Once by session, once by deadline.
    CLAIM_BYTES + 2 * name.len() as u64
}

//! The rules of one lock: who may hold it together, who is next, and which token is due.
//!
//! Holders are either any number in shared mode or one in exclusive mode. A request joins
//! the end of the line whenever it conflicts with a holder *or anyone is waiting*, so a
//! stream of shared requests cannot overtake a waiting exclusive one.
//!
//! Tokens rise strictly per name: the index of the granting entry, or one more than the
//! last token where that index was already used, as when one entry grants several shared
//! holds. This file keeps no index and wakes nobody.

use crate::planted::{self, Bug};
use crate::state::command::{LockInfo, LockMode, Refusal, Reply, SessionId, Token};
use crate::state::snapshot::{DecodeError, LARGEST_COUNTER, ensure};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// One name: its holders, its line, and its fencing record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lock {
    /// In grant order, so tokens rise.
    holders: Vec<Hold>,
    /// In order of arrival, so waiter ids rise.
    queue: VecDeque<Waiter>,
    last_token: Token,
    /// The largest token that a check accepted.
    accepted_token: Token,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Hold {
    session: SessionId,
    token: Token,
    mode: LockMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiter {
    /// Index of the entry that joined the line.
    pub(super) id: u64,
    pub(super) session: SessionId,
    pub(super) mode: LockMode,
    /// In served time.
    pub(super) deadline_ms: u64,
}

/// What a session already has to do with a lock.
#[derive(Debug, Clone, Copy)]
pub(super) enum Claim {
    Holds { token: Token, mode: LockMode },
    Waits { waiter: u64, mode: LockMode },
}

impl Claim {
    /// The answer to asking again. Nothing changes: a holder keeps its token, a waiter its
    /// place and deadline. A try never waits, even where an earlier request still does.
    pub(super) fn reply_to(self, asked: LockMode, wait_ms: u64) -> Reply {
        match self {
            Self::Holds { mode, .. } | Self::Waits { mode, .. } if mode != asked => {
                Reply::Refused(Refusal::WrongMode)
            }
            Self::Holds { token, .. } => Reply::Granted { token },
            Self::Waits { .. } if wait_ms == 0 => Reply::NotGranted,
            Self::Waits { waiter, .. } => Reply::Waiting { waiter },
        }
    }
}

impl Lock {
    pub(super) fn claim(&self, session: SessionId) -> Option<Claim> {
        if let Some(hold) = self.holders.iter().find(|hold| hold.session == session) {
            return Some(Claim::Holds {
                token: hold.token,
                mode: hold.mode,
            });
        }
        if planted::active(Bug::RetryQueuesTwice) {
            return None;
        }
        let waiter = self.queue.iter().find(|waiter| waiter.session == session)?;
        Some(Claim::Waits {
            waiter: waiter.id,
            mode: waiter.mode,
        })
    }

    /// Whether a newcomer is granted at once: nobody waits and no holder conflicts.
    pub(super) fn admits(&self, mode: LockMode) -> bool {
        let overtakes = mode == LockMode::Shared && planted::active(Bug::SharedOvertakes);
        (self.queue.is_empty() || overtakes) && self.is_compatible(mode)
    }

    /// Wait-die: whether the newcomer would have to wait for an older session.
    pub(super) fn has_older_ahead(&self, session: SessionId, mode: LockMode) -> bool {
        if planted::active(Bug::VictimDrawn) {
            return planted::random().is_multiple_of(2);
        }
        let held = self.holders.iter().map(|hold| (hold.session, hold.mode));
        let ahead = self
            .queue
            .iter()
            .map(|waiter| (waiter.session, waiter.mode));
        held.chain(ahead)
            .any(|(other, other_mode)| other < session && conflicts(mode, other_mode))
    }

    /// Adds a holder that the rules allow.
    pub(super) fn grant(&mut self, index: u64, session: SessionId, mode: LockMode) -> Token {
        let token = match planted::active(Bug::CounterNotInSnapshot) {
            true => self.last_token + 1,
            false => index.max(self.last_token.saturating_add(1)),
        };
        self.last_token = token;
        self.holders.push(Hold {
            session,
            token,
            mode,
        });
        token
    }

    pub(super) fn join(&mut self, waiter: Waiter) {
        self.queue.push_back(waiter);
    }

    /// Grants the lock to the head of the line, if the rules allow.
    pub(super) fn grant_next(&mut self, index: u64) -> Option<(Waiter, Token)> {
        let next = *self.queue.front()?;
        if !self.is_compatible(next.mode) {
            return None;
        }
        self.queue.pop_front();
        Some((next, self.grant(index, next.session, next.mode)))
    }

    /// Takes the hold away if both session and token are its own.
    pub(super) fn release(&mut self, session: SessionId, token: Token) -> bool {
        if planted::active(Bug::ReleaseUnchecked) {
            return self.holders.pop().is_some();
        }
        let Ok(at) = self.holders.binary_search_by_key(&token, |hold| hold.token) else {
            // The mistake: readers are counted, whoever they are.
            return planted::active(Bug::SharedReleasedTwice)
                && self.is_compatible(LockMode::Shared)
                && self.holders.pop().is_some();
        };
        if self.holders[at].session != session {
            return false;
        }
        self.holders.remove(at);
        true
    }

    /// The id under which the session waits.
    pub(super) fn waiter_of(&self, session: SessionId) -> Option<u64> {
        self.queue
            .iter()
            .find(|waiter| waiter.session == session)
            .map(|waiter| waiter.id)
    }

    /// Takes one out of the line.
    pub(super) fn leave(&mut self, id: u64) -> Option<Waiter> {
        let at = self.queue.binary_search_by_key(&id, |waiter| waiter.id);
        self.queue.remove(at.ok()?)
    }

    /// Takes these out of the line, in one go: each alone would move all that are behind it.
    pub(super) fn leave_together(&mut self, ids: &BTreeSet<u64>) -> Vec<Waiter> {
        let mut left = Vec::with_capacity(ids.len());
        self.queue.retain(|waiter| {
            let leaves = ids.contains(&waiter.id);
            left.extend(leaves.then_some(*waiter));
            !leaves
        });
        left
    }

    /// Takes away the holds and places of sessions that have ended; returns the waiters.
    pub(super) fn drop_dead(&mut self, lives: impl Fn(SessionId) -> bool) -> Vec<Waiter> {
        self.holders.retain(|hold| lives(hold.session));
        if planted::active(Bug::GrantToTheDead) {
            return Vec::new();
        }
        let dead = self.queue.iter().filter(|waiter| !lives(waiter.session));
        let dead: Vec<Waiter> = dead.copied().collect();
        if !planted::active(Bug::DeadHeadNotSkipped) {
            self.queue.retain(|waiter| lives(waiter.session));
        }
        dead
    }

    /// Whether the token may have been granted: none was that is larger than the last one.
    pub(super) fn has_granted(&self, token: Token) -> bool {
        token <= self.last_token
    }

    /// A fenced resource's check: accepts `token` unless it accepted a larger one before.
    pub(super) fn accept(&mut self, token: Token) -> bool {
        if token < self.accepted_token {
            return false;
        }
        self.accepted_token = token;
        true
    }

    /// The session that is next in line.
    pub(super) fn next(&self) -> Option<SessionId> {
        self.queue.front().map(|waiter| waiter.session)
    }

    /// After a restart, the counters start from what is held.
    #[cfg(feature = "planted")]
    pub(super) fn forget_tokens(&mut self) {
        self.last_token = self.holders.last().map_or(0, |hold| hold.token);
        self.accepted_token = 0;
    }

    pub(super) fn waiters(&self) -> impl Iterator<Item = &Waiter> {
        self.queue.iter()
    }

    /// Sessions that hold or wait, with repeats if there are any.
    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        let held = self.holders.iter().map(|hold| hold.session);
        held.chain(self.queue.iter().map(|waiter| waiter.session))
    }

    /// How many hold the lock, and how many wait.
    pub(super) fn counts(&self) -> [u64; 2] {
        [self.holders.len() as u64, self.queue.len() as u64]
    }

    pub(super) fn info(&self) -> LockInfo {
        LockInfo {
            holders: self
                .holders
                .iter()
                .map(|hold| (hold.session, hold.token, hold.mode == LockMode::Shared))
                .collect(),
            waiters: self.queue.iter().map(|waiter| waiter.session).collect(),
            last_token: self.last_token,
        }
    }

    /// Refuses a decoded lock that breaks the rules.
    pub(super) fn validate(&self) -> Result<(), DecodeError> {
        ensure(
            self.holders.is_sorted_by(|a, b| a.token < b.token),
            "tokens that do not rise",
        )?;
        ensure(
            self.holders
                .last()
                .is_none_or(|hold| hold.token <= self.last_token),
            "a token beyond the last one",
        )?;
        ensure(
            self.last_token <= LARGEST_COUNTER,
            "an implausibly large token",
        )?;
        ensure(
            self.holders.len() <= 1 || self.holders.iter().all(|h| h.mode == LockMode::Shared),
            "holders that exclude each other",
        )?;
        ensure(
            self.queue.iter().is_sorted_by(|a, b| a.id < b.id),
            "a line out of order",
        )?;
        ensure(
            self.queue
                .front()
                .is_none_or(|next| !self.is_compatible(next.mode)),
            "a waiter that nothing holds up",
        )
    }

    /// Whether no holder conflicts. The first speaks for all: holders are all shared, or one.
    fn is_compatible(&self, mode: LockMode) -> bool {
        self.holders
            .first()
            .is_none_or(|hold| !conflicts(hold.mode, mode))
    }
}

fn conflicts(a: LockMode, b: LockMode) -> bool {
    a == LockMode::Exclusive || b == LockMode::Exclusive
}

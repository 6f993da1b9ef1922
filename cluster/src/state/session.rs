//! Client sessions: who is alive, and the last reply of each for exactly-once execution.
//!
//! A session lives until an entry ends it: `Close`, or an `Expire` whose guard holds. A
//! passed deadline alone ends nothing, so a keep-alive that reaches the log before the
//! expiry always wins. Only the last reply is kept, because a client has one request
//! outstanding; a reply that was `Waiting` is replaced when the wait ends. With it is kept what was
//! asked, as a hash: a client that sends another command under the same sequence is told so.
//!
//! This file does not know what sessions hold; the lock table frees that.
//!
//! Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), §6.3.

use super::Moment;
use super::command::{
    Command, ListCommand, LockCommand, Once, Refusal, Reply, Row, SessionId, Wake,
};
use super::limits::{LARGEST_EXPIRE, LONGEST_MS, SHORTEST_SESSION_MS};
use super::snapshot::{DecodeError, ensure};
use crate::encode;
use crate::planted::{self, Bug};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a session takes beside the last reply.
const SESSION_BYTES: u64 = 376;

/// All sessions that have not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sessions {
    sessions: BTreeMap<SessionId, Session>,
    /// (deadline, session), an index over `sessions`.
    #[serde(skip)]
    deadlines: BTreeSet<(u64, SessionId)>,
    /// (waiter, session) for each recorded `Waiting`, an index over `sessions`.
    #[serde(skip)]
    waiting: BTreeSet<(u64, SessionId)>,
    /// Memory taken, by our account.
    #[serde(skip)]
    bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    ttl_ms: u64,
    /// By the clock, not by served time.
    deadline_ms: u64,
    last: Option<Record>,
}

/// The last executed request of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    sequence: u64,
    reply: Reply,
    /// What was asked; `None` if it was recorded by the rules of level 0. In the snapshot it
    /// stands behind the level.
    #[serde(skip)]
    asked: Option<Fingerprint>,
}

/// Tells commands apart that are sent under one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    /// Of a command as it is proposed. How long it waits, and which of its lists a pop is to look
    /// at, may differ from one proposal of a command to the next, and count for nothing.
    pub(super) fn of(command: &Command) -> Self {
        let alike = match command {
            Command::Lock(LockCommand::Acquire {
                name,
                session,
                mode,
                wait_die,
                ..
            }) => Some(Command::Lock(LockCommand::Acquire {
                name: name.clone(),
                session: *session,
                mode: *mode,
                wait_ms: 0,
                wait_die: *wait_die,
            })),
            Command::List(ListCommand::Pop { end, count, .. }) => {
                Some(Command::List(ListCommand::Pop {
                    keys: Vec::new(),
                    end: *end,
                    count: *count,
                }))
            }
            _ => None,
        };
        Self(encode::hash(alike.as_ref().unwrap_or(command), 0))
    }
}

/// A pop from no list at all asks what a sequence was answered with, whatever was asked under it.
fn asks_for_record(command: &Command) -> bool {
    matches!(command, Command::List(ListCommand::Pop { keys, .. }) if keys.is_empty())
}

impl Sessions {
    pub(super) fn lives(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// The TTL that the session was opened with, if it lives.
    pub(super) fn ttl_ms(&self, session: SessionId) -> Option<u64> {
        self.sessions.get(&session).map(|session| session.ttl_ms)
    }

    pub(super) fn open(&mut self, now: Moment, ttl_ms: u64) -> Reply {
        if !(SHORTEST_SESSION_MS..=LONGEST_MS).contains(&ttl_ms) {
            return Reply::Refused(Refusal::OutOfRange);
        }
        let session = now.index;
        let deadline_ms = deadline_ms(now, ttl_ms);
        self.deadlines.insert((deadline_ms, session));
        let opened = Session {
            ttl_ms,
            deadline_ms,
            last: None,
        };
        self.bytes += opened.bytes();
        self.sessions.insert(session, opened);
        Reply::SessionOpened { session, ttl_ms }
    }

    pub(super) fn keep_alive(&mut self, now: Moment, session: SessionId) -> Reply {
        match self.renew(now, session) {
            Some(session) => Reply::SessionAlive {
                ttl_ms: session.ttl_ms,
            },
            None => Reply::Refused(Refusal::NoSession),
        }
    }

    /// Ends the session; false if it does not live.
    pub(super) fn close(&mut self, id: SessionId) -> bool {
        let Some(session) = self.sessions.remove(&id) else {
            return false;
        };
        self.bytes -= session.bytes();
        self.deadlines.remove(&(session.deadline_ms, id));
        if let Some(waiter) = session.awaited() {
            self.waiting.remove(&(waiter, id));
        }
        true
    }

    /// Ends those of the proposed sessions whose deadline is still the one seen by the
    /// proposer and has come. Returns the ended ones.
    pub(super) fn expire(&mut self, now: Moment, seen: &[(SessionId, u64)]) -> Vec<SessionId> {
        let mut ended = Vec::new();
        for &(id, seen_ms) in seen {
            let guard_holds = self.sessions.get(&id).is_some_and(|session| {
                session.deadline_ms == seen_ms && now.clock_ms >= session.deadline_ms
            });
            let guard_holds = guard_holds || planted::active(Bug::ExpireUnguarded);
            if guard_holds && self.close(id) {
                ended.push(id);
            }
        }
        ended
    }

    /// Gives every session its full TTL again.
    pub(super) fn renew_all(&mut self, now: Moment) {
        if planted::active(Bug::DeadlinesNotExtended) {
            return;
        }
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            self.renew(now, id);
        }
    }

    /// Decides whether a request is to be executed. `Some` is the answer of one that is
    /// not: its session has ended, it is a repeat, or it is too old, or, from level 1 on, another
    /// command had its sequence. The session is renewed in any case, since its client is
    /// evidently alive.
    pub(super) fn admit(&mut self, now: Moment, once: Once, command: &Command) -> Option<Reply> {
        if planted::active(Bug::SessionRevived) && !self.lives(once.session) {
            // Under its number, with the usual time to live.
            let index = once.session;
            self.open(Moment { index, ..now }, 10_000);
        }
        let Some(session) = self.renew(now, once.session) else {
            return Some(Reply::Refused(Refusal::NoSession));
        };
        let last = session.last.as_ref()?;
        if once.sequence == last.sequence {
            let is_other = now.level > 0 && !asks_for_record(command) && last.is_other(command);
            return Some(match is_other {
                true => Reply::Refused(Refusal::SequenceReused),
                false => last.reply.clone(),
            });
        }
        (once.sequence < last.sequence).then_some(Reply::Refused(Refusal::StaleSequence {
            last: last.sequence,
        }))
    }

    /// Whether the sequence was answered already, and what was asked under it was another command.
    pub(super) fn is_reused(&self, once: Once, command: &Command) -> bool {
        let session = self.sessions.get(&once.session);
        let last = session.and_then(|session| session.last.as_ref());
        last.is_some_and(|last| last.sequence == once.sequence && last.is_other(command))
    }

    /// Keeps the reply of an executed request, in place of the one before.
    pub(super) fn record(&mut self, now: Moment, once: Once, command: &Command, reply: Reply) {
        let Some(session) = self.sessions.get_mut(&once.session) else {
            return;
        };
        if let Some(waiter) = session.awaited() {
            self.waiting.remove(&(waiter, once.session));
        }
        self.bytes -= session.bytes();
        session.last = Some(Record {
            sequence: once.sequence,
            reply,
            asked: (now.level > 0).then(|| Fingerprint::of(command)),
        });
        self.bytes += session.bytes();
        if let Some(waiter) = session.awaited() {
            self.waiting.insert((waiter, once.session));
        }
    }

    /// Replaces every recorded `Waiting` whose wait has ended, so that a retry gets the end.
    pub(super) fn settle(&mut self, wakes: &[Wake]) {
        if planted::active(Bug::EndNotRecorded) {
            return;
        }
        for wake in wakes {
            let of_waiter = (wake.waiter, SessionId::MIN)..=(wake.waiter, SessionId::MAX);
            while let Some(&(waiter, id)) = self.waiting.range(of_waiter.clone()).next() {
                self.waiting.remove(&(waiter, id));
                let session = self.sessions.get_mut(&id);
                if let Some(last) = session.and_then(|session| session.last.as_mut()) {
                    self.bytes -= last.reply.bytes();
                    last.reply = wake.reply.clone();
                    self.bytes += last.reply.bytes();
                }
            }
        }
    }

    pub(super) fn first_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|&(deadline_ms, _)| deadline_ms)
    }

    /// Sessions whose deadline has come at `clock_ms`, with that deadline; the earliest
    /// [`LARGEST_EXPIRE`] of them.
    pub(super) fn due(&self, clock_ms: u64) -> Vec<(SessionId, u64)> {
        self.deadlines
            .iter()
            .take_while(|&&(deadline_ms, _)| deadline_ms <= clock_ms)
            .take(LARGEST_EXPIRE)
            .map(|&(deadline_ms, id)| (id, deadline_ms))
            .collect()
    }

    /// Rebuilds the indexes of a decoded table, and refuses what no log can have produced.
    pub(super) fn reindex(&mut self, applied_index: u64) -> Result<(), DecodeError> {
        for (&id, session) in &self.sessions {
            ensure(id <= applied_index, "a session of a later entry")?;
            self.bytes += session.bytes();
            self.deadlines.insert((session.deadline_ms, id));
            if let Some(waiter) = session.awaited() {
                self.waiting.insert((waiter, id));
            }
        }
        Ok(())
    }

    /// What was asked under the last sequence of each session, where that is known.
    pub(super) fn asked(&self) -> Vec<(SessionId, Fingerprint)> {
        let sessions = self.sessions.iter();
        sessions
            .filter_map(|(id, session)| Some((*id, session.last.as_ref()?.asked?)))
            .collect()
    }

    /// The counterpart of [`Self::asked`], on a table that knows nothing of it.
    pub(super) fn set_asked(
        &mut self,
        asked: Vec<(SessionId, Fingerprint)>,
    ) -> Result<(), DecodeError> {
        ensure(
            asked.is_sorted_by(|a, b| a.0 < b.0),
            "sessions out of order",
        )?;
        for (id, asked) in asked {
            let session = self.sessions.get_mut(&id);
            let last = session.and_then(|session| session.last.as_mut());
            ensure(last.is_some(), "a command of a session that had none")?;
            if let Some(last) = last {
                last.asked = Some(asked);
            }
        }
        Ok(())
    }

    /// Sessions behind `after`, in order, with their time to live and what is left of it by the
    /// clock.
    pub(super) fn list(
        &self,
        clock_ms: u64,
        after: Option<SessionId>,
    ) -> impl Iterator<Item = Row> {
        super::listing::behind(&self.sessions, after.as_ref()).map(move |(id, session)| Row {
            name: id.to_string().into(),
            figures: vec![session.ttl_ms, session.deadline_ms.saturating_sub(clock_ms)],
        })
    }

    /// Memory taken, by our account.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The mistake of MR-04: replies are not written to the snapshot.
    #[cfg(feature = "planted")]
    pub(super) fn forget_replies(&mut self) {
        for session in self.sessions.values_mut() {
            session.last = None;
        }
    }

    fn renew(&mut self, now: Moment, id: SessionId) -> Option<&Session> {
        let session = self.sessions.get_mut(&id)?;
        let deadline_ms = deadline_ms(now, session.ttl_ms);
        if deadline_ms > session.deadline_ms {
            self.deadlines.remove(&(session.deadline_ms, id));
            self.deadlines.insert((deadline_ms, id));
            session.deadline_ms = deadline_ms;
        }
        Some(session)
    }
}

/// When a session renewed now is due, by the clock.
fn deadline_ms(now: Moment, ttl_ms: u64) -> u64 {
    let clock_ms = match planted::active(Bug::LeaseByLocalClock) {
        true => planted::clock_ms(),
        false => now.clock_ms,
    };
    clock_ms.saturating_add(ttl_ms)
}

impl Record {
    /// Whether something else was asked, as far as that is known.
    fn is_other(&self, command: &Command) -> bool {
        if planted::active(Bug::SequenceUncompared) {
            return false;
        }
        self.asked
            .is_some_and(|asked| asked != Fingerprint::of(command))
    }
}

impl Session {
    fn bytes(&self) -> u64 {
        SESSION_BYTES + self.last.as_ref().map_or(0, |last| last.reply.bytes())
    }

    /// The waiter whose end the recorded reply awaits.
    fn awaited(&self) -> Option<u64> {
        match self.last.as_ref()?.reply {
            Reply::Waiting { waiter } => Some(waiter),
            _ => None,
        }
    }
}

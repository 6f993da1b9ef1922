//! The replicated state: sessions, locks, queues and a cache, as one pure function of the log.
//!
//! Every node applies the same entries in the same order and must reach the same state, so
//! nothing here reads a clock, draws a random number, iterates in hash order, or does I/O.
//! Time is what the leaders stamped into the entries. Two clocks are derived from it: the
//! *clock* is the largest stamp applied, and *served time* is the clock less all the time
//! that passed without a leader. Sessions expire by the clock, because every new leader
//! renews them; every other deadline is kept in served time, which makes "a new leader
//! moves all deadlines on" a single addition instead of a walk over the state.
//!
//! It does not know how entries are agreed on, how requests arrive, or who waits for a
//! reply; long polls and blocked connections are served by the node from [`Applied`].
//!
//! Exactly-once execution follows Ongaro, "Consensus: Bridging Theory and Practice" (2014),
//! §6.3.

mod cache;
mod class;
pub mod command;
pub(crate) mod glob;
mod limits;
mod listing;
mod lists;
mod lock;
mod queue;
mod session;
mod snapshot;
mod strings;
#[cfg(test)]
mod tests;
mod transaction;
mod walk;

pub use cache::CacheStats;
pub use glob::Effort;
pub use limits::{
    DEDUP_WINDOW, LARGEST_BATCH, LARGEST_EXPIRE, LARGEST_LIST_BYTES, LARGEST_RECEIVE_BYTES, LEVEL,
    LONGEST_LIST, LONGEST_MS, LONGEST_NAME_BYTES, Limits, SHORTEST_SESSION_MS, USUAL_LEVEL,
};
pub use snapshot::DecodeError;
pub use transaction::LARGEST_REPLY;

#[cfg(feature = "planted")]
use crate::planted::{self, Bug};
use cache::Cache;
use command::{
    Applied, Changed, Command, Kind, Once, Query, Refusal, Reply, Request, SessionCommand, Stamp,
    Wake,
};
use lock::Locks;
use queue::Queues;
use serde::{Deserialize, Serialize};
use session::Sessions;
use walk::Walk;

/// Everything that is replicated, as it is after the entry [`State::applied_index`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    limits: Limits,
    applied_index: u64,
    clock_ms: u64,
    /// The part of the clock that passed without a leader.
    unserved_ms: u64,
    sessions: Sessions,
    locks: Locks,
    queues: Queues,
    cache: Cache,
    /// Of the rules; see [`LEVEL`]. In the snapshot it stands behind all the rest, and only
    /// above 0, so that a node of the release before reads what it knows.
    #[serde(skip)]
    level: u32,
}

impl State {
    /// The empty state, before the first entry.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            applied_index: 0,
            clock_ms: 0,
            unserved_ms: 0,
            sessions: Sessions::default(),
            locks: Locks::default(),
            queues: Queues::default(),
            cache: Cache::default(),
            level: 0,
        }
    }

    /// Applies one log entry: the clock moves on, what is due by it happens, then the
    /// command is executed. Deterministic and total; bad requests are [`Reply::Refused`].
    ///
    /// The time of the entry is `stamp.time_ms`; `request.time_ms` is not looked at. Indexes
    /// start at 1 and rise. An entry that is not after [`State::applied_index`] was applied
    /// before: it changes nothing and is answered with [`Reply::Done`].
    pub fn apply(&mut self, stamp: Stamp, request: &Request) -> Applied {
        let mut effects = Effects::default();
        if stamp.index <= self.applied_index {
            return effects.into_applied(Reply::Done);
        }
        let led_anew = matches!(request.command, Command::NewLeader);
        let now = self.advance_clock(stamp, led_anew);
        self.run_due(now, &mut effects);
        let reply = match request.once {
            Some(once) if request.command.is_recorded() => {
                self.execute_once(now, once, &request.command, &mut effects)
            }
            _ => self.execute(now, &request.command, &mut effects),
        };
        self.sessions.settle(&effects.wakes);
        effects.into_applied(reply)
    }

    /// Answers from the state as it is. Keys that the clock has expired are invisible.
    pub fn read(&self, query: &Query) -> Reply {
        self.read_within(query, &mut Effort::any())
    }

    /// The same, unless it takes more work to match a pattern than it may:
    /// [`Refusal::TooMuchWork`]. Not for entries, which must come to the same on every replica
    /// and in every release.
    pub fn read_within(&self, query: &Query, effort: &mut Effort) -> Reply {
        let served_ms = self.served_ms();
        match query {
            Query::Get { keys } => self.cache.get(served_ms, keys),
            Query::Ttl { key } => Reply::Lifetime(self.cache.lifetime(served_ms, key)),
            Query::CacheSize => Reply::Size(self.cache.len(served_ms)),
            Query::Lock { name } => Reply::LockInfo(self.locks.info(name)),
            Query::Queue { queue } => Reply::QueueInfo(self.queues.info(queue)),
            Query::Session { session } => Reply::SessionInfo {
                ttl_ms: self.sessions.ttl_ms(*session),
            },
            Query::ExpireTime { key } => {
                Reply::Lifetime(self.cache.expire_time(served_ms, self.unserved_ms, key))
            }
            Query::Keys { pattern } => (self.cache.keys(served_ms, pattern, effort))
                .map_or(Reply::Refused(Refusal::TooMuchWork), Reply::Keys),
            Query::Scan {
                cursor,
                count,
                pattern,
            } => {
                let walk = Walk::of(*cursor, *count, pattern.as_deref());
                self.cache.scan(served_ms, walk, None, effort)
            }
            Query::ScanOf {
                cursor,
                count,
                pattern,
                kind,
            } => {
                let walk = Walk::of(*cursor, *count, pattern.as_deref());
                self.cache.scan(served_ms, walk, Some(*kind), effort)
            }
            Query::RandomKey { salt } => Reply::Text(self.cache.random_key(served_ms, *salt)),
            Query::List {
                of,
                after,
                count,
                pattern,
            } => {
                let walk = Walk::of(after.as_deref(), *count, pattern.as_deref());
                self.list(*of, walk, effort)
            }
            Query::ListLength { .. }
            | Query::ListRange { .. }
            | Query::ListIndex { .. }
            | Query::ListFind { .. } => self.cache.read_list(served_ms, query),
        }
    }

    /// Memory that the state takes, by its own account: keys, values, payloads and names, and
    /// what a thing of each kind takes beside them.
    pub fn bytes(&self) -> u64 {
        self.cache.bytes() + self.queues.bytes() + self.locks.bytes() + self.sessions.bytes()
    }

    /// Log time: the largest stamp applied, milliseconds since the Unix epoch; 0 at first.
    pub fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    /// Index of the last entry applied; 0 at first.
    pub fn applied_index(&self) -> u64 {
        self.applied_index
    }

    /// Leaves out so many log indexes: for a state that goes on apart from the log it was of, and
    /// must give out no index that the log may have given since.
    pub fn skip_indexes(&mut self, count: u64) {
        self.applied_index += count;
    }

    /// Level of the rules that are in force; see [`LEVEL`].
    pub fn level(&self) -> u32 {
        self.level
    }

    /// What the state was created with.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Counters of the cache since the first entry.
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }

    /// Whether another command was executed under the sequence.
    pub fn is_reused(&self, once: Once, command: &Command) -> bool {
        self.sessions.is_reused(once, command)
    }

    /// How many keys there are that fit.
    pub fn count_keys(&self, fits: impl Fn(&[u8]) -> bool) -> u64 {
        self.cache.count(self.served_ms(), fits)
    }

    /// How many keys end by themselves.
    pub fn keys_with_lifetime(&self) -> u64 {
        self.cache.with_lifetime()
    }

    /// Log time of the earliest deadline of anything, sessions included. It may already have
    /// passed: sessions end only by an entry of their own.
    pub fn next_due_ms(&self) -> Option<u64> {
        let other = self
            .first_served_deadline()
            .map(|served_ms| served_ms.saturating_add(self.unserved_ms));
        let session = self.sessions.first_deadline();
        [session, other].into_iter().flatten().min()
    }

    /// Whether the queue has a message to hand out.
    pub fn has_deliverable(&self, queue: &str) -> bool {
        self.queues.has_deliverable(queue)
    }

    /// What a key holds, if it is there.
    pub fn kind_of(&self, key: &[u8]) -> Option<Kind> {
        self.cache.kind_of(self.served_ms(), key)
    }

    /// How many values the list of a key has; 0 if it has none.
    pub fn list_length(&self, key: &[u8]) -> usize {
        let list = self.cache.visible_list(self.served_ms(), key);
        list.ok().flatten().map_or(0, cache::List::len)
    }

    /// Whether any deadline is kept in served time, which a new leader's first entry moves on
    /// by all the time since the entry before it.
    pub fn counts_served_time(&self) -> bool {
        self.first_served_deadline().is_some()
    }

    /// The entry that a leader should propose at its log time `now_ms`, if anything is due
    /// by then. It names at most [`LARGEST_EXPIRE`] sessions; the rest stay due.
    pub fn due(&self, now_ms: u64) -> Option<Command> {
        let clock_ms = self.clock_ms.max(now_ms);
        let sessions = self.sessions.due(clock_ms);
        let other_due = self
            .first_served_deadline()
            .is_some_and(|deadline_ms| deadline_ms <= clock_ms - self.unserved_ms);
        (other_due || !sessions.is_empty()).then_some(Command::Expire { sessions })
    }

    /// Dead letters taken out and not yet published anew: the mistake of MQ-03.
    #[cfg(feature = "planted")]
    pub(crate) fn take_dead_letters(&mut self) -> Vec<(String, command::NewMessage)> {
        self.queues.take_dead_letters()
    }

    /// Moves both clocks, or only the clock when the time passed without a leader.
    fn advance_clock(&mut self, stamp: Stamp, led_anew: bool) -> Moment {
        let jump_ms = stamp.time_ms.saturating_sub(self.clock_ms);
        self.applied_index = stamp.index;
        self.clock_ms += jump_ms;
        if led_anew {
            self.unserved_ms += jump_ms;
        }
        Moment {
            index: stamp.index,
            clock_ms: self.clock_ms,
            served_ms: self.served_ms(),
            level: self.level,
        }
    }

    /// Everything that the clock alone decides. Recorded replies are settled here and not
    /// only after the command, so that a retry in this very entry sees how its wait ended.
    fn run_due(&mut self, now: Moment, effects: &mut Effects) {
        self.locks.run_due(now, effects);
        self.queues.run_due(now, effects);
        self.cache.run_due(now, effects);
        self.sessions.settle(&effects.wakes);
    }

    fn execute_once(
        &mut self,
        now: Moment,
        once: Once,
        command: &Command,
        effects: &mut Effects,
    ) -> Reply {
        if let Some(answer) = self.sessions.admit(now, once, command) {
            return answer;
        }
        let reply = self.execute(now, command, effects);
        // What found nothing had no effect, and a long poll proposes it again under the same
        // sequence.
        let found_nothing = match &reply {
            Reply::Messages(messages) => messages.is_empty(),
            Reply::Popped(popped) => popped.is_none(),
            _ => false,
        };
        if !found_nothing {
            self.sessions.record(now, once, command, reply.clone());
        }
        reply
    }

    fn execute(&mut self, now: Moment, command: &Command, effects: &mut Effects) -> Reply {
        match command {
            Command::NewLeader => {
                self.sessions.renew_all(now);
                #[cfg(feature = "planted")]
                if planted::active(Bug::TimersInMemory) {
                    self.queues.forget_timers();
                }
                #[cfg(feature = "planted")]
                if planted::active(Bug::ChangeCountsAsDelivery) {
                    self.queues.count_again();
                }
                Reply::Done
            }
            Command::Expire { sessions } => {
                let ended = self.sessions.expire(now, sessions);
                self.locks.end(now, &self.sessions, &ended, effects);
                Reply::Done
            }
            Command::Raise { level, limits } => {
                self.level = self.level.max(*level);
                self.limits = *limits;
                self.cache.evict_down_to(limits.cache_entries, effects);
                Reply::Done
            }
            Command::Session(command) => self.execute_session(now, command, effects),
            Command::Lock(command) => self.locks.apply(now, &self.sessions, command, effects),
            Command::Queue(command) => self.queues.apply(now, command, effects),
            Command::Cache(command) => self.cache.apply(now, &self.limits, command, effects),
            Command::String(command) => {
                (self.cache).apply_string(now, &self.limits, command, effects)
            }
            Command::List(command) => (self.cache).apply_list(now, &self.limits, command, effects),
            Command::Transaction { watched, steps } => {
                self.execute_transaction(now, watched, steps, effects)
            }
        }
    }

    fn execute_session(
        &mut self,
        now: Moment,
        command: &SessionCommand,
        effects: &mut Effects,
    ) -> Reply {
        match *command {
            SessionCommand::Open { ttl_ms } => self.sessions.open(now, ttl_ms),
            SessionCommand::KeepAlive { session } => self.sessions.keep_alive(now, session),
            SessionCommand::Close { session } => {
                if !self.sessions.close(session) {
                    return Reply::Refused(Refusal::NoSession);
                }
                self.locks.end(now, &self.sessions, &[session], effects);
                Reply::SessionClosed
            }
        }
    }

    fn served_ms(&self) -> u64 {
        self.clock_ms - self.unserved_ms
    }

    fn first_served_deadline(&self) -> Option<u64> {
        [
            self.locks.first_deadline(),
            self.queues.first_deadline(),
            self.cache.first_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

impl Command {
    /// Whether exactly-once bookkeeping applies. Session commands are idempotent, and what
    /// leaders propose belongs to no session.
    fn is_recorded(&self) -> bool {
        matches!(
            self,
            Self::Lock(_) | Self::Queue(_) | Self::Cache(_) | Self::String(_) | Self::List(_)
        )
    }
}

/// The entry being applied, and the clocks after it.
#[derive(Debug, Clone, Copy)]
struct Moment {
    index: u64,
    clock_ms: u64,
    served_ms: u64,
    /// Of the rules.
    level: u32,
}

impl Moment {
    /// The served time `ms` from now.
    fn served_after(self, ms: u64) -> u64 {
        self.served_ms.saturating_add(ms)
    }
}

/// What an entry does besides its reply.
#[derive(Debug, Default)]
struct Effects {
    wakes: Vec<Wake>,
    /// In order of happening, with repeats.
    ready_queues: Vec<String>,
    changed: Changed,
}

impl Effects {
    fn wake(&mut self, waiter: u64, reply: Reply) {
        self.wakes.push(Wake { waiter, reply });
    }

    fn into_applied(mut self, reply: Reply) -> Applied {
        self.ready_queues.sort_unstable();
        self.ready_queues.dedup();
        Applied {
            reply,
            wakes: self.wakes,
            ready_queues: self.ready_queues,
            changed: self.changed,
        }
    }
}

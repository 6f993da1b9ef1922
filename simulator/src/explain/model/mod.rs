//! A small model of what the log implies: sessions, locks, queues and keys after each entry, and
//! which entry made each of them so.
//!
//! It is written from what commands promise, apart from the cluster's own code, so that a
//! mistake there is none here. Of what it does not model, commands for strings and transactions,
//! it stops having an opinion about keys, and about queues if they are touched.

mod keys;
mod locks;
mod queues;
mod sessions;

use std::collections::BTreeMap;

use squall_cluster::state::Limits;
use squall_cluster::state::command::{
    Changed, Command, Refusal, Reply, Request, SessionCommand, Step, Wake,
};

use keys::Keys;
pub(super) use locks::Left;
use locks::Locks;
use queues::Queues;
pub(super) use queues::{Place, Queue};
use sessions::Sessions;

/// What an entry must have done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Implied {
    /// `None`: the model does not know.
    pub(super) reply: Option<Reply>,
    pub(super) wakes: Vec<Wake>,
    /// `None`: the model does not know.
    pub(super) changed: Option<Changed>,
}

/// When an entry is applied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) index: u64,
    /// Log time.
    pub(super) clock_ms: u64,
    /// Log time less what passed without a leader.
    pub(super) served_ms: u64,
    pub(super) level: u32,
}

pub(super) struct Model {
    pub(super) clock_ms: u64,
    unserved_ms: u64,
    level: u32,
    limits: Limits,
    pub(super) sessions: Sessions,
    pub(super) locks: Locks,
    /// `None`: something touched them that is not modelled.
    pub(super) queues: Option<Queues>,
    pub(super) keys: Option<Keys>,
    /// Of each session the last request that was executed: its sequence, its entry and what it
    /// is answered.
    last: BTreeMap<u64, Last>,
    /// Entries by which leaders took over.
    leaders: Vec<u64>,
}

struct Last {
    sequence: u64,
    index: u64,
    reply: Reply,
}

impl Model {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            clock_ms: 0,
            unserved_ms: 0,
            level: 0,
            limits,
            sessions: Sessions::default(),
            locks: Locks::default(),
            queues: Some(Queues::default()),
            keys: Some(Keys::default()),
            last: BTreeMap::new(),
            leaders: Vec::new(),
        }
    }

    pub(super) fn served_ms(&self) -> u64 {
        self.clock_ms - self.unserved_ms
    }

    /// Applies an entry. `said` is what a node answered: of a refusal for a size or a range, of
    /// which the model knows nothing, it takes the node's word.
    pub(super) fn apply(&mut self, index: u64, request: &Request, said: &Reply) -> Implied {
        let jump_ms = request.time_ms.saturating_sub(self.clock_ms);
        self.clock_ms += jump_ms;
        if matches!(request.command, Command::NewLeader) {
            self.unserved_ms += jump_ms;
        }
        let now = Now {
            index,
            clock_ms: self.clock_ms,
            served_ms: self.served_ms(),
            level: self.level,
        };
        let mut implied = Implied {
            changed: Some(Changed::default()),
            ..Implied::default()
        };
        self.locks.run_due(now, &mut implied.wakes);
        if let Some(queues) = &mut self.queues {
            queues.run_due(now);
        }
        if let (Some(keys), Some(changed)) = (&mut self.keys, &mut implied.changed) {
            keys.run_due(now, changed);
        }
        self.settle(&implied.wakes);
        implied.reply = match request.once {
            Some(once) if is_recorded(&request.command) => {
                match self.repeated(now, once.session, once.sequence) {
                    // Whether it was the same command is not judged here.
                    Some(_) if *said == Reply::Refused(Refusal::SequenceReused) => {
                        Some(said.clone())
                    }
                    Some(reply) => Some(reply),
                    None => {
                        let reply = self.execute(now, &request.command, said, &mut implied);
                        let kept = reply.clone().unwrap_or_else(|| said.clone());
                        // What found nothing is proposed again under the same sequence.
                        let found_nothing = match &kept {
                            Reply::Messages(messages) => messages.is_empty(),
                            Reply::Popped(popped) => popped.is_none(),
                            _ => false,
                        };
                        if !found_nothing {
                            let last = Last {
                                sequence: once.sequence,
                                index,
                                reply: kept,
                            };
                            self.last.insert(once.session, last);
                        }
                        reply
                    }
                }
            }
            _ => self.execute(now, &request.command, said, &mut implied),
        };
        self.settle(&implied.wakes);
        if self.keys.is_none() {
            implied.changed = None;
        }
        implied
    }

    /// What is answered to a request that is not executed: its session has ended, or it has had
    /// its answer.
    fn repeated(&mut self, now: Now, session: u64, sequence: u64) -> Option<Reply> {
        if !self.sessions.renew(now, session) {
            return Some(Reply::Refused(Refusal::NoSession));
        }
        let last = self.last.get(&session)?;
        if sequence == last.sequence {
            return Some(last.reply.clone());
        }
        let stale = Refusal::StaleSequence {
            last: last.sequence,
        };
        (sequence < last.sequence).then_some(Reply::Refused(stale))
    }

    /// Whether the request of an entry had been executed before, by the entry that is given.
    pub(super) fn executed_by(&self, session: u64, sequence: u64, index: u64) -> Option<u64> {
        let last = self.last.get(&session)?;
        (last.sequence == sequence && last.index < index).then_some(last.index)
    }

    /// The last entry between two by which a leader took over.
    pub(super) fn led_between(&self, after: u64, before: u64) -> Option<u64> {
        let mut leaders = self.leaders.iter().rev().copied();
        leaders.find(|index| (after + 1..before).contains(index))
    }

    /// A session that asks again after a wait has ended is answered how it ended.
    fn settle(&mut self, wakes: &[Wake]) {
        for wake in wakes {
            for last in self.last.values_mut() {
                if matches!(last.reply, Reply::Waiting { waiter } if waiter == wake.waiter) {
                    last.reply = wake.reply.clone();
                }
            }
        }
    }

    fn execute(
        &mut self,
        now: Now,
        command: &Command,
        said: &Reply,
        implied: &mut Implied,
    ) -> Option<Reply> {
        if matches!(
            said,
            Reply::Refused(Refusal::OutOfRange | Refusal::TooLarge)
        ) {
            return Some(said.clone());
        }
        match command {
            Command::NewLeader => {
                self.sessions.renew_all(now);
                self.leaders.push(now.index);
                Some(Reply::Done)
            }
            Command::Expire { sessions } => {
                let ended = self.sessions.expire(now, sessions);
                self.end(now, &ended, &mut implied.wakes);
                Some(Reply::Done)
            }
            Command::Raise { level, limits } => {
                self.level = self.level.max(*level);
                self.limits = *limits;
                if let (Some(keys), Some(changed)) = (&mut self.keys, &mut implied.changed) {
                    keys.evict_down_to(now, limits.cache_entries, changed);
                }
                Some(Reply::Done)
            }
            Command::Session(SessionCommand::Open { ttl_ms }) => {
                Some(self.sessions.open(now, *ttl_ms))
            }
            Command::Session(SessionCommand::KeepAlive { session }) => {
                Some(match self.sessions.renew(now, *session) {
                    true => Reply::SessionAlive {
                        ttl_ms: self.sessions.ttl_ms(*session).unwrap_or(0),
                    },
                    false => Reply::Refused(Refusal::NoSession),
                })
            }
            Command::Session(SessionCommand::Close { session }) => {
                if !self.sessions.close(now, *session) {
                    return Some(Reply::Refused(Refusal::NoSession));
                }
                self.end(now, &[*session], &mut implied.wakes);
                Some(Reply::SessionClosed)
            }
            Command::Lock(command) => {
                let lives = |session| self.sessions.lives(session);
                Some(self.locks.apply(now, lives, command, &mut implied.wakes))
            }
            Command::Queue(command) => {
                let queues = self.queues.as_mut()?;
                Some(queues.apply(now, command))
            }
            Command::Cache(command) => {
                let (keys, changed) = (self.keys.as_mut()?, implied.changed.as_mut()?);
                Some(keys.apply(now, self.limits.cache_entries, command, changed))
            }
            Command::String(_) | Command::List(_) => {
                self.keys = None;
                None
            }
            Command::Transaction { steps, .. } => {
                self.keys = None;
                if steps.iter().any(|step| matches!(step, Step::Queue(_))) {
                    self.queues = None;
                }
                None
            }
        }
    }

    fn end(&mut self, now: Now, ended: &[u64], wakes: &mut Vec<Wake>) {
        for session in ended {
            self.last.remove(session);
        }
        self.locks.end(now, ended, wakes);
    }
}

/// Whether exactly-once bookkeeping applies.
fn is_recorded(command: &Command) -> bool {
    matches!(
        command,
        Command::Lock(_)
            | Command::Queue(_)
            | Command::Cache(_)
            | Command::String(_)
            | Command::List(_)
    )
}

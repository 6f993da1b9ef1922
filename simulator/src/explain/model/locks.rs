//! Locks as the log implies them: holders and lines, and which entry put each there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use squall_cluster::state::command::{LockCommand, LockInfo, LockMode, Refusal, Reply, Wake};

use super::Now;

#[derive(Debug, Clone)]
pub(in crate::explain) struct Hold {
    pub(in crate::explain) session: u64,
    pub(in crate::explain) token: u64,
    mode: LockMode,
    /// The entry that granted it.
    pub(in crate::explain) since: u64,
}

#[derive(Debug, Clone)]
pub(in crate::explain) struct Waiter {
    /// The entry that put it into the line.
    pub(in crate::explain) id: u64,
    pub(in crate::explain) session: u64,
    mode: LockMode,
    deadline_ms: u64,
}

/// Why one is in the line no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::explain) enum Left {
    Granted,
    TimeUp,
    Cancelled,
    SessionEnded,
}

#[derive(Debug, Default)]
pub(in crate::explain) struct Lock {
    pub(in crate::explain) holders: Vec<Hold>,
    pub(in crate::explain) line: VecDeque<Waiter>,
    last_token: u64,
    accepted_token: u64,
}

/// One that is in a line no more.
#[derive(Debug, Clone)]
pub(in crate::explain) struct Departed {
    pub(in crate::explain) name: String,
    pub(in crate::explain) session: u64,
    /// The entry with which it left.
    pub(in crate::explain) by: u64,
    pub(in crate::explain) why: Left,
}

#[derive(Debug, Default)]
pub(in crate::explain) struct Locks {
    locks: BTreeMap<String, Lock>,
    /// By the entry that put them into the line.
    pub(in crate::explain) departed: BTreeMap<u64, Departed>,
    /// By name and token, the entry with which a hold was given up, and the session that held it.
    pub(in crate::explain) released: BTreeMap<(String, u64), (u64, u64)>,
}

impl Locks {
    pub(super) fn apply(
        &mut self,
        now: Now,
        lives: impl Fn(u64) -> bool,
        command: &LockCommand,
        wakes: &mut Vec<Wake>,
    ) -> Reply {
        match command {
            LockCommand::Acquire { session, .. } if !lives(*session) => {
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
                let is_its = |hold: &Hold| hold.session == *session && hold.token == *token;
                let lock = self.locks.get_mut(name);
                let held = lock.and_then(|lock| {
                    let at = lock.holders.iter().position(is_its)?;
                    Some(lock.holders.remove(at))
                });
                if held.is_none() {
                    return Reply::Refused(Refusal::NotHeld);
                }
                let of = (name.clone(), *token);
                self.released.insert(of, (now.index, *session));
                self.grant(now, name, wakes);
                Reply::Released
            }
            LockCommand::Cancel { name, session } => {
                let lock = self.locks.get_mut(name);
                let left = lock.and_then(|lock| {
                    let at = lock.line.iter().position(|w| w.session == *session)?;
                    lock.line.remove(at)
                });
                if let Some(waiter) = left {
                    self.leaves(now, name, &waiter, Left::Cancelled);
                    wakes.push(wake(waiter.id, Reply::NotGranted));
                    self.grant(now, name, wakes);
                }
                Reply::Done
            }
            LockCommand::Check { name, token } => {
                let level = now.level;
                let known = self.locks.contains_key(name);
                if level > 0 && !known {
                    return Reply::TokenAccepted(false);
                }
                let lock = self.locks.entry(name.clone()).or_default();
                let is_granted = level == 0 || *token <= lock.last_token;
                let accepts = is_granted && *token >= lock.accepted_token;
                if accepts {
                    lock.accepted_token = *token;
                }
                Reply::TokenAccepted(accepts)
            }
        }
    }

    fn acquire(
        &mut self,
        now: Now,
        name: &str,
        session: u64,
        mode: LockMode,
        wait_ms: u64,
        wait_die: bool,
    ) -> Reply {
        let lock = self.locks.entry(name.to_owned()).or_default();
        if let Some(hold) = lock.holders.iter().find(|hold| hold.session == session) {
            return match hold.mode == mode {
                true => Reply::Granted { token: hold.token },
                false => Reply::Refused(Refusal::WrongMode),
            };
        }
        if let Some(waiter) = lock.line.iter().find(|waiter| waiter.session == session) {
            return match (waiter.mode == mode, wait_ms) {
                (false, _) => Reply::Refused(Refusal::WrongMode),
                (true, 0) => Reply::NotGranted,
                (true, _) => Reply::Waiting { waiter: waiter.id },
            };
        }
        if lock.line.is_empty() && lock.admits(mode) {
            let token = lock.give(now, session, mode);
            return Reply::Granted { token };
        }
        let others = lock.holders.iter().map(|hold| (hold.session, hold.mode));
        let others = others.chain(lock.line.iter().map(|w| (w.session, w.mode)));
        let mut older = others.filter(|(other, held)| *other < session && conflict(mode, *held));
        if wait_ms == 0 {
            return Reply::NotGranted;
        }
        if wait_die && older.next().is_some() {
            return Reply::Refused(Refusal::WouldDeadlock);
        }
        drop(older);
        lock.line.push_back(Waiter {
            id: now.index,
            session,
            mode,
            deadline_ms: now.served_ms + wait_ms,
        });
        Reply::Waiting { waiter: now.index }
    }

    /// Ends the waits whose time is up.
    pub(super) fn run_due(&mut self, now: Now, wakes: &mut Vec<Wake>) {
        let due = self.locks.iter().flat_map(|(name, lock)| {
            let due = lock.line.iter().filter(|w| w.deadline_ms <= now.served_ms);
            due.map(move |waiter| (waiter.deadline_ms, waiter.id, name.clone()))
        });
        let mut due: Vec<(u64, u64, String)> = due.collect();
        due.sort_unstable();
        let mut freed = BTreeSet::new();
        for (_, id, name) in due {
            self.drop_from_line(now, &name, Left::TimeUp, |waiter| waiter.id == id);
            wakes.push(wake(id, Reply::NotGranted));
            freed.insert(name);
        }
        for name in freed {
            self.grant(now, &name, wakes);
        }
    }

    /// Frees what the sessions that have ended held or waited for.
    pub(super) fn end(&mut self, now: Now, ended: &[u64], wakes: &mut Vec<Wake>) {
        let mut freed = Vec::new();
        for (name, lock) in &self.locks {
            let held = lock.holders.iter().map(|hold| hold.session);
            let mut all = held.chain(lock.line.iter().map(|waiter| waiter.session));
            if all.any(|session| ended.contains(&session)) {
                freed.push(name.clone());
            }
        }
        for name in &freed {
            if let Some(lock) = self.locks.get_mut(name) {
                for hold in lock.holders.iter().filter(|h| ended.contains(&h.session)) {
                    let of = (name.clone(), hold.token);
                    self.released.insert(of, (now.index, hold.session));
                }
                lock.holders.retain(|hold| !ended.contains(&hold.session));
            }
            let left = self.drop_from_line(now, name, Left::SessionEnded, |waiter| {
                ended.contains(&waiter.session)
            });
            let no_session = || Reply::Refused(Refusal::NoSession);
            wakes.extend(left.into_iter().map(|id| wake(id, no_session())));
        }
        for name in freed {
            self.grant(now, &name, wakes);
        }
    }

    fn drop_from_line(
        &mut self,
        now: Now,
        name: &str,
        why: Left,
        leaves: impl Fn(&Waiter) -> bool,
    ) -> Vec<u64> {
        let Some(lock) = self.locks.get_mut(name) else {
            return Vec::new();
        };
        let waiters = lock.line.drain(..);
        let (left, stay): (Vec<Waiter>, Vec<Waiter>) = waiters.partition(|waiter| leaves(waiter));
        lock.line = stay.into();
        for waiter in &left {
            self.leaves(now, name, waiter, why);
        }
        left.into_iter().map(|waiter| waiter.id).collect()
    }

    fn leaves(&mut self, now: Now, name: &str, waiter: &Waiter, why: Left) {
        let departed = Departed {
            name: name.to_owned(),
            session: waiter.session,
            by: now.index,
            why,
        };
        self.departed.insert(waiter.id, departed);
    }

    /// Grants from the head of the line as far as it goes.
    fn grant(&mut self, now: Now, name: &str, wakes: &mut Vec<Wake>) {
        loop {
            let Some(lock) = self.locks.get_mut(name) else {
                return;
            };
            let next = lock.line.front().filter(|next| lock.admits(next.mode));
            let Some(next) = next.cloned() else {
                return;
            };
            lock.line.pop_front();
            let token = lock.give(now, next.session, next.mode);
            self.leaves(now, name, &next, Left::Granted);
            wakes.push(wake(next.id, Reply::Granted { token }));
        }
    }

    pub(in crate::explain) fn get(&self, name: &str) -> Option<&Lock> {
        self.locks.get(name)
    }

    pub(in crate::explain) fn info(&self, name: &str) -> LockInfo {
        let Some(lock) = self.locks.get(name) else {
            return LockInfo::default();
        };
        let holders = lock.holders.iter();
        let holders = holders.map(|h| (h.session, h.token, h.mode == LockMode::Shared));
        LockInfo {
            holders: holders.collect(),
            waiters: lock.line.iter().map(|waiter| waiter.session).collect(),
            last_token: lock.last_token,
        }
    }
}

impl Lock {
    fn admits(&self, mode: LockMode) -> bool {
        !self.holders.iter().any(|hold| conflict(hold.mode, mode))
    }

    fn give(&mut self, now: Now, session: u64, mode: LockMode) -> u64 {
        let token = now.index.max(self.last_token + 1);
        self.last_token = token;
        self.holders.push(Hold {
            session,
            token,
            mode,
            since: now.index,
        });
        token
    }
}

fn conflict(one: LockMode, other: LockMode) -> bool {
    one == LockMode::Exclusive || other == LockMode::Exclusive
}

fn wake(waiter: u64, reply: Reply) -> Wake {
    Wake { waiter, reply }
}

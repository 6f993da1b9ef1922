//! Sessions as the log implies them: until when each lives, and which entry said so.

use std::collections::BTreeMap;

use squall_cluster::state::command::Reply;

use super::Now;

#[derive(Debug, Clone)]
pub(in crate::explain) struct Session {
    pub(in crate::explain) ttl_ms: u64,
    /// By log time.
    pub(in crate::explain) deadline_ms: u64,
    /// The entry that renewed it last.
    pub(in crate::explain) renewed_by: u64,
}

#[derive(Debug, Default)]
pub(in crate::explain) struct Sessions {
    living: BTreeMap<u64, Session>,
    /// By which entry a session ended.
    ended: BTreeMap<u64, u64>,
}

impl Sessions {
    pub(super) fn open(&mut self, now: Now, ttl_ms: u64) -> Reply {
        let session = Session {
            ttl_ms,
            deadline_ms: now.clock_ms + ttl_ms,
            renewed_by: now.index,
        };
        self.living.insert(now.index, session);
        Reply::SessionOpened {
            session: now.index,
            ttl_ms,
        }
    }

    /// Gives it its whole time to live; false if it does not live.
    pub(super) fn renew(&mut self, now: Now, id: u64) -> bool {
        let Some(session) = self.living.get_mut(&id) else {
            return false;
        };
        session.deadline_ms = session.deadline_ms.max(now.clock_ms + session.ttl_ms);
        session.renewed_by = now.index;
        true
    }

    pub(super) fn renew_all(&mut self, now: Now) {
        let ids: Vec<u64> = self.living.keys().copied().collect();
        for id in ids {
            self.renew(now, id);
        }
    }

    pub(super) fn close(&mut self, now: Now, id: u64) -> bool {
        let lived = self.living.remove(&id).is_some();
        if lived {
            self.ended.insert(id, now.index);
        }
        lived
    }

    /// Ends those whose deadline is still the one that was seen, and has come.
    pub(super) fn expire(&mut self, now: Now, seen: &[(u64, u64)]) -> Vec<u64> {
        let mut ended = Vec::new();
        for (id, seen_ms) in seen {
            let is_due = self.living.get(id).is_some_and(|session| {
                session.deadline_ms == *seen_ms && session.deadline_ms <= now.clock_ms
            });
            if is_due && self.close(now, *id) {
                ended.push(*id);
            }
        }
        ended
    }

    pub(super) fn lives(&self, id: u64) -> bool {
        self.living.contains_key(&id)
    }

    pub(super) fn ttl_ms(&self, id: u64) -> Option<u64> {
        self.get(id).map(|session| session.ttl_ms)
    }

    pub(in crate::explain) fn get(&self, id: u64) -> Option<&Session> {
        self.living.get(&id)
    }

    /// The entry that ended it.
    pub(in crate::explain) fn ended_by(&self, id: u64) -> Option<u64> {
        self.ended.get(&id).copied()
    }
}

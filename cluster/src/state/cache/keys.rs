//! Looking for keys: by pattern, step by step, at random.
//!
//! A cursor is an order of insertion, and a key that is written again keeps its own, so a walk
//! meets every key that is there from its beginning to its end, and none twice.

use bytes::Bytes;

use super::{Cache, Entry, Value};
use crate::state::command::{Kind, Lifetime, Refusal, Reply};
use crate::state::glob::{self, Effort};
use crate::state::walk::Walk;

impl Cache {
    pub(in crate::state) fn expire_time(
        &self,
        served_ms: u64,
        unserved_ms: u64,
        key: &[u8],
    ) -> Lifetime {
        match self.lifetime(served_ms, key) {
            Lifetime::Remaining { ms } => Lifetime::Remaining {
                ms: served_ms.saturating_add(unserved_ms).saturating_add(ms),
            },
            lifetime => lifetime,
        }
    }

    pub(in crate::state) fn keys(
        &self,
        served_ms: u64,
        pattern: &[u8],
        effort: &mut Effort,
    ) -> Option<Vec<Bytes>> {
        let mut keys = Vec::new();
        for (_, entry) in self.entries.iter() {
            if lives(entry, served_ms) && glob::matches_within(pattern, &entry.key, effort).ok()? {
                keys.push(entry.key.clone());
            }
        }
        Some(keys)
    }

    pub(in crate::state) fn scan(
        &self,
        served_ms: u64,
        walk: Walk<'_, u64>,
        kind: Option<Kind>,
        effort: &mut Effort,
    ) -> Reply {
        let mut entries = self.entries.iter_from(walk.from);
        let mut keys = Vec::new();
        for _ in 0..walk.count {
            let Some((_, entry)) = entries.next() else {
                break;
            };
            let Ok(is_wanted) = walk.wants(&entry.key, effort) else {
                return Reply::Refused(Refusal::TooMuchWork);
            };
            let is_of_kind = kind.is_none_or(|kind| kind == kind_of(entry));
            if is_wanted && is_of_kind && lives(entry, served_ms) {
                keys.push(entry.key.clone());
            }
        }
        Reply::Scanned {
            cursor: entries.next().map_or(0, |(order, _)| order),
            keys,
        }
    }

    pub(in crate::state) fn kind_of(&self, served_ms: u64, key: &[u8]) -> Option<Kind> {
        self.living(served_ms, key).map(kind_of)
    }

    /// Keys that are there and fit.
    pub(in crate::state) fn count(&self, served_ms: u64, fits: impl Fn(&[u8]) -> bool) -> u64 {
        let all = self.entries.iter();
        all.filter(|(_, entry)| lives(entry, served_ms) && fits(&entry.key))
            .count() as u64
    }

    pub(in crate::state) fn with_lifetime(&self) -> u64 {
        self.deadlines.len() as u64
    }

    pub(in crate::state) fn random_key(&self, served_ms: u64, salt: u64) -> Option<Bytes> {
        let (oldest, _) = self.entries.iter().next()?;
        let newest = self.entries.next_order(0);
        // Fibonacci hashing: near salts lead far apart.
        let spread = salt.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
        let start = oldest + spread % (newest - oldest);
        let after = self.entries.iter_from(start);
        let mut living = after.chain(self.entries.iter());
        living
            .find(|(_, entry)| lives(entry, served_ms))
            .map(|(_, entry)| entry.key.clone())
    }
}

fn kind_of(entry: &Entry) -> Kind {
    match entry.value {
        Value::Text(_) => Kind::Text,
        Value::List(_) => Kind::List,
    }
}

fn lives(entry: &Entry, served_ms: u64) -> bool {
    entry.deadline_ms.is_none_or(|ends_ms| served_ms < ends_ms)
}

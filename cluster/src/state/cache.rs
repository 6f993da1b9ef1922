//! The cache: versioned values with lifetimes, bounded in number. A value is a string, or a list
//! of strings ([`value`]).
//!
//! The version of a value is the log index of its write, so it is never reused and
//! compare-and-set has no ABA problem. A lifetime ends exactly when served time reaches its
//! deadline; each entry first drops what has ended, so commands see only what lives. Which
//! key is evicted is part of the replicated state ([`eviction`]); reads therefore leave no
//! mark of their own, leaders report them with `Touch`.
//!
//! Every entry tells which keys' values it changed ([`Changed`](super::command::Changed)), by
//! whatever way, so that copies of them can be dropped. It does not know who keeps copies,
//! and counts its bytes, but leaves it to the node to bound them.

mod eviction;
mod keys;
mod value;

use super::command::{CacheCommand, Found, Lifetime, Refusal, Reply, SetCondition, Versioned};
use super::limits::{LARGEST_LIST_BYTES, LONGEST_LIST, Limits};
use super::snapshot::{DecodeError, LARGEST_COUNTER, ensure};
use super::{Effects, Moment};
use crate::planted::{self, Bug};
use bytes::Bytes;
use eviction::{Entry, Sieve};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
pub(super) use value::{List, Value};

/// What a lifetime takes.
const DEADLINE_BYTES: u64 = 50;

/// Counters of the cache; part of the replicated state, equal on all replicas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStats {
    /// Keys present.
    pub entries: u64,
    /// Keys evicted to make room, since the first entry.
    pub evicted: u64,
    /// Keys that reached the end of their lifetime, since the first entry.
    pub expired: u64,
}

/// All keys, their lifetimes, and the counters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cache {
    entries: Sieve,
    /// (deadline, order) of the entries with a lifetime, an index over `entries`.
    #[serde(skip)]
    deadlines: BTreeSet<(u64, u64)>,
    evicted: u64,
    expired: u64,
}

impl Cache {
    pub(super) fn apply(
        &mut self,
        now: Moment,
        limits: &Limits,
        command: &CacheCommand,
        effects: &mut Effects,
    ) -> Reply {
        match command {
            CacheCommand::Set {
                key,
                value,
                ttl_ms,
                keep_ttl,
                condition,
            } => {
                if value.len() as u64 > limits.cache_value_bytes {
                    return Reply::Refused(Refusal::TooLarge);
                }
                if *ttl_ms == Some(0) {
                    return Reply::Refused(Refusal::OutOfRange);
                }
                if !self.holds(key, *condition) {
                    return Reply::Stored { version: None };
                }
                let deadline_ms = match ttl_ms {
                    Some(ttl_ms) if planted::active(Bug::TtlByLocalClock) => {
                        let unserved_ms = now.clock_ms - now.served_ms;
                        Some(planted::clock_ms() + ttl_ms - unserved_ms)
                    }
                    Some(ttl_ms) => Some(now.served_after(*ttl_ms)),
                    None if *keep_ttl => self.deadline(key).flatten(),
                    None => None,
                };
                let value = value.clone();
                match self.write(now, limits, key, value, deadline_ms, effects) {
                    Ok(version) => Reply::Stored {
                        version: Some(version),
                    },
                    Err(refusal) => Reply::Refused(refusal),
                }
            }
            CacheCommand::Delete { keys } => {
                let present = keys.iter().filter(|key| self.remove(key, effects));
                Reply::Deleted(present.count() as u64)
            }
            CacheCommand::Increment { key, by } => {
                match self.increment(now, limits, key, *by, effects) {
                    Ok((value, version)) => Reply::Integer { value, version },
                    Err(refusal) => Reply::Refused(refusal),
                }
            }
            CacheCommand::Expire { key, ttl_ms } => {
                Reply::LifetimeSet(self.set_lifetime(now, key, *ttl_ms, effects))
            }
            CacheCommand::Touch { keys } => {
                for key in keys {
                    self.entries.touch(key);
                }
                Reply::Done
            }
            CacheCommand::Flush => {
                self.entries = Sieve::default();
                self.deadlines.clear();
                effects.changed.all = true;
                Reply::Done
            }
        }
    }

    /// Drops the keys whose lifetime has ended.
    pub(super) fn run_due(&mut self, now: Moment, effects: &mut Effects) {
        while let Some(&(deadline_ms, order)) = self.deadlines.first() {
            if deadline_ms > now.served_ms {
                break;
            }
            self.deadlines.pop_first();
            let ended = self.entries.remove_at(order);
            let ended = ended.filter(|_| !planted::active(Bug::ExpiryNotPushed));
            effects.changed.keys.extend(ended.map(|entry| entry.key));
            self.expired += 1;
        }
    }

    /// The values of keys, [`Reply::Values`] if none of them is a list.
    pub(super) fn get(&self, served_ms: u64, keys: &[Bytes]) -> Reply {
        let mut has_lists = false;
        let values = keys.iter().map(|key| {
            let found = Found::of(self.living(served_ms, key)?);
            has_lists |= found.text().is_none();
            found.text().cloned()
        });
        let values = values.collect();
        if !has_lists {
            return Reply::Values(values);
        }
        let found = keys.iter().map(|key| self.living(served_ms, key));
        Reply::Found(found.map(|entry| entry.map(Found::of)).collect())
    }

    /// The list of a key that is visible, if there is one.
    pub(super) fn visible_list(
        &self,
        served_ms: u64,
        key: &[u8],
    ) -> Result<Option<&List>, Refusal> {
        self.living(served_ms, key).map(Entry::list).transpose()
    }

    pub(super) fn lifetime(&self, served_ms: u64, key: &[u8]) -> Lifetime {
        match self.living(served_ms, key).map(|entry| entry.deadline_ms) {
            None => Lifetime::Absent,
            Some(None) => Lifetime::Forever,
            Some(Some(deadline_ms)) => Lifetime::Remaining {
                ms: deadline_ms - served_ms,
            },
        }
    }

    /// Number of keys that are visible.
    pub(super) fn len(&self, served_ms: u64) -> u64 {
        let ended = self.deadlines.range(..=(served_ms, u64::MAX)).count();
        (self.entries.len() - ended) as u64
    }

    /// Memory taken, by our account.
    pub(super) fn bytes(&self) -> u64 {
        self.entries.bytes() + self.deadlines.len() as u64 * DEADLINE_BYTES
    }

    pub(super) fn stats(&self) -> CacheStats {
        CacheStats {
            entries: self.entries.len() as u64,
            evicted: self.evicted,
            expired: self.expired,
        }
    }

    /// Served time at which the first key is gone.
    pub(super) fn first_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|&(deadline_ms, _)| deadline_ms)
    }

    /// Rebuilds the indexes of a decoded cache, and refuses what no log can have produced.
    pub(super) fn reindex(
        &mut self,
        applied_index: u64,
        limits: &Limits,
    ) -> Result<(), DecodeError> {
        self.entries.reindex(applied_index, limits.cache_entries)?;
        ensure(
            self.evicted.max(self.expired) <= LARGEST_COUNTER,
            "an implausibly large count of evictions",
        )?;
        for (order, entry) in self.entries.iter() {
            self.deadlines
                .extend(entry.deadline_ms.map(|deadline_ms| (deadline_ms, order)));
        }
        Ok(())
    }

    fn living(&self, served_ms: u64, key: &[u8]) -> Option<&Entry> {
        let entry = self.entries.get(key)?;
        let lives = entry.deadline_ms.is_none_or(|ends_ms| served_ms < ends_ms);
        lives.then_some(entry)
    }

    /// The version of a key, 0 if it is absent. Only within an entry, which has dropped what
    /// has ended before.
    pub(super) fn version(&self, key: &[u8]) -> u64 {
        self.entries.get(key).map_or(0, |entry| entry.version)
    }

    /// The string of a key, if there is one.
    pub(super) fn text(&self, key: &[u8]) -> Result<Option<Bytes>, Refusal> {
        match self.entries.get(key).map(|entry| &entry.value) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.clone())),
            Some(Value::List(_)) => Err(Refusal::WrongType),
        }
    }

    /// The list of a key, if there is one.
    pub(super) fn list(&self, key: &[u8]) -> Result<Option<&List>, Refusal> {
        self.entries.get(key).map(Entry::list).transpose()
    }

    /// The served time at which a key that is there is gone.
    pub(super) fn deadline(&self, key: &[u8]) -> Option<Option<u64>> {
        self.entries.get(key).map(|entry| entry.deadline_ms)
    }

    /// What a key holds, for another key, and the served time at which it is gone.
    pub(super) fn value_and_deadline(&self, key: &[u8]) -> Option<(Value, Option<u64>)> {
        let entry = self.entries.get(key)?;
        Some((entry.value.for_another_key(), entry.deadline_ms))
    }

    pub(super) fn holds(&self, key: &[u8], condition: SetCondition) -> bool {
        match condition {
            SetCondition::Always => true,
            SetCondition::IfAbsent => self.version(key) == 0,
            SetCondition::IfPresent => self.version(key) != 0,
            SetCondition::IfVersion(expected) => self.version(key) == expected,
        }
    }

    /// Stores a value under a new version. `deadline_ms` replaces whatever the key had.
    pub(super) fn write(
        &mut self,
        now: Moment,
        limits: &Limits,
        key: &Bytes,
        value: impl Into<Value>,
        deadline_ms: Option<u64>,
        effects: &mut Effects,
    ) -> Result<u64, Refusal> {
        let version = now.index;
        let value = match self.entries.set_value(key, value.into()) {
            Ok((order, entry)) => {
                entry.version = version;
                entry.visited = true;
                let before = std::mem::replace(&mut entry.deadline_ms, deadline_ms);
                self.move_deadline(order, before, deadline_ms);
                effects.changed.keys.push(key.clone());
                return Ok(version);
            }
            Err(value) => value,
        };
        if limits.cache_entries == 0 {
            return Err(Refusal::TooLarge);
        }
        let before_insert = u64::from(planted::active(Bug::EvictedBeforeInsert));
        self.evict_down_to(limits.cache_entries - 1 + before_insert, effects);
        let order = self.entries.next_order(now.index);
        let entry = Entry {
            key: key.clone(),
            value,
            version,
            deadline_ms,
            visited: false,
        };
        self.entries.insert(order, entry);
        self.move_deadline(order, None, deadline_ms);
        effects.changed.keys.push(key.clone());
        Ok(version)
    }

    pub(super) fn remove(&mut self, key: &[u8], effects: &mut Effects) -> bool {
        self.take(key, effects).is_some()
    }

    /// Removes a key; what it held, and the served time at which it would have been gone.
    pub(super) fn take(
        &mut self,
        key: &[u8],
        effects: &mut Effects,
    ) -> Option<(Value, Option<u64>)> {
        let (order, entry) = self.entries.remove(key)?;
        self.move_deadline(order, entry.deadline_ms, None);
        effects.changed.keys.push(entry.key);
        Some((entry.value, entry.deadline_ms))
    }

    /// Changes the list of a key, which is gone if that empties it; `None` if there is none.
    pub(super) fn change_list<R>(
        &mut self,
        now: Moment,
        key: &Bytes,
        effects: &mut Effects,
        change: impl FnOnce(&mut List) -> R,
    ) -> Option<R> {
        let (entry, (result, is_empty)) = self.entries.change_list(key, |list| {
            let result = change(list);
            (result, list.len() == 0)
        })?;
        entry.version = now.index;
        entry.visited = true;
        if is_empty {
            self.remove(key, effects);
        } else {
            effects.changed.keys.push(key.clone());
        }
        Some(result)
    }

    /// All lists with the orders of their entries: what a snapshot has of them.
    pub(super) fn lists(&self) -> Vec<(u64, &VecDeque<Bytes>)> {
        let lists = self.entries.iter().filter_map(|(order, entry)| {
            let list = entry.list().ok()?;
            Some((order, list.values()))
        });
        lists.collect()
    }

    /// Completes decoded entries by what stands elsewhere in the snapshot.
    pub(super) fn set_lists(&mut self, lists: Vec<(u64, Vec<Bytes>)>) -> Result<(), DecodeError> {
        for (order, values) in lists {
            let list = List::of(values);
            let fits = list.len() <= LONGEST_LIST && list.value_bytes() <= LARGEST_LIST_BYTES;
            ensure(list.len() > 0 && fits, "a list of no possible length")?;
            let is_placed = self.entries.restore_list(order, list);
            ensure(is_placed, "a list without a key of its own")?;
        }
        Ok(())
    }

    fn increment(
        &mut self,
        now: Moment,
        limits: &Limits,
        key: &Bytes,
        by: i64,
        effects: &mut Effects,
    ) -> Result<(i64, u64), Refusal> {
        let (before, deadline_ms) = match self.entries.get(key) {
            Some(entry) => {
                let Value::Text(text) = &entry.value else {
                    return Err(Refusal::WrongType);
                };
                let value = parse_integer(text).ok_or(Refusal::NotAnInteger)?;
                (value, entry.deadline_ms)
            }
            None => (0, None),
        };
        let value = before.checked_add(by).ok_or(Refusal::Overflow)?;
        let text = Bytes::from(value.to_string());
        let version = self.write(now, limits, key, text, deadline_ms, effects)?;
        Ok((value, version))
    }

    /// Sets or removes the lifetime; one of 0 ms ends at once. False if the key is absent.
    pub(super) fn set_lifetime(
        &mut self,
        now: Moment,
        key: &[u8],
        ttl_ms: Option<u64>,
        effects: &mut Effects,
    ) -> bool {
        if ttl_ms == Some(0) {
            let existed = self.remove(key, effects);
            self.expired += u64::from(existed);
            return existed;
        }
        let Some((order, entry)) = self.entries.get_mut(key) else {
            return false;
        };
        let deadline_ms = ttl_ms.map(|ttl_ms| now.served_after(ttl_ms));
        let before = std::mem::replace(&mut entry.deadline_ms, deadline_ms);
        self.move_deadline(order, before, deadline_ms);
        true
    }

    /// Evicts until there are at most so many keys.
    pub(super) fn evict_down_to(&mut self, most_keys: u64, effects: &mut Effects) {
        while self.entries.len() as u64 > most_keys {
            let (order, evicted) = self.entries.evict();
            self.move_deadline(order, evicted.deadline_ms, None);
            self.evicted += 1;
            effects.changed.keys.push(evicted.key);
        }
    }

    fn move_deadline(&mut self, order: u64, before: Option<u64>, after: Option<u64>) {
        if before == after {
            return;
        }
        let before = before.filter(|_| !planted::active(Bug::OldExpiryKept));
        if let Some(deadline_ms) = before {
            self.deadlines.remove(&(deadline_ms, order));
        }
        self.deadlines
            .extend(after.map(|deadline_ms| (deadline_ms, order)));
    }
}

impl Entry {
    fn list(&self) -> Result<&List, Refusal> {
        match &self.value {
            Value::Text(_) => Err(Refusal::WrongType),
            Value::List(list) => Ok(list),
        }
    }
}

impl Found {
    fn of(entry: &Entry) -> Self {
        let version = entry.version;
        match &entry.value {
            Value::Text(value) => Self::Text(Versioned {
                value: value.clone(),
                version,
            }),
            Value::List(list) => Self::List {
                version,
                is_small: list.is_small(),
            },
        }
    }
}

/// Reads a decimal integer as Redis does: no spaces, no plus sign, no leading zeros.
fn parse_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_canonical = match digits {
        b"0" => digits.len() == text.len(),
        [first, ..] => (b'1'..=b'9').contains(first),
        [] => false,
    };
    let text = std::str::from_utf8(text).ok()?;
    is_canonical.then(|| text.parse().ok())?
}

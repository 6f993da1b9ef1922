//! Keys of the cache as the log implies them: values, lifetimes, and which is evicted next.
//!
//! Eviction is SIEVE (Zhang et al., NSDI 2024): a hand walks from the oldest key to the newest,
//! takes the mark of each that was used, and stops at the first without one.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use squall_cluster::state::command::{
    CacheCommand, Changed, Lifetime, Refusal, Reply, SetCondition, Versioned,
};

use super::Now;

#[derive(Debug, Clone)]
pub(in crate::explain) struct Key {
    value: Bytes,
    /// The entry that set it.
    pub(in crate::explain) version: u64,
    /// In served time.
    pub(in crate::explain) deadline_ms: Option<u64>,
    /// The entry that gave it this deadline, or none.
    pub(in crate::explain) deadline_by: u64,
    order: u64,
    is_marked: bool,
}

/// A deadline that an entry gave and another one took back.
#[derive(Debug, Clone, Copy)]
pub(in crate::explain) struct FormerDeadline {
    pub(in crate::explain) at_ms: u64,
    pub(in crate::explain) by: u64,
    pub(in crate::explain) replaced_by: u64,
}

#[derive(Debug, Default)]
pub(in crate::explain) struct Keys {
    keys: BTreeMap<Bytes, Key>,
    by_order: BTreeMap<u64, Bytes>,
    /// With the order of each key that has a deadline.
    deadlines: BTreeSet<(u64, u64)>,
    hand: Option<u64>,
    /// By key, the last deadline that was replaced.
    pub(in crate::explain) former: BTreeMap<Bytes, FormerDeadline>,
    /// By key, which entry it was evicted in last.
    pub(in crate::explain) evicted: BTreeMap<Bytes, u64>,
}

impl Keys {
    pub(super) fn apply(
        &mut self,
        now: Now,
        capacity: u64,
        command: &CacheCommand,
        changed: &mut Changed,
    ) -> Reply {
        match command {
            CacheCommand::Set {
                key,
                value,
                ttl_ms,
                keep_ttl,
                condition,
            } => {
                let version = self.keys.get(key).map_or(0, |key| key.version);
                let holds = match condition {
                    SetCondition::Always => true,
                    SetCondition::IfAbsent => version == 0,
                    SetCondition::IfPresent => version != 0,
                    SetCondition::IfVersion(wanted) => version == *wanted,
                };
                if !holds {
                    return Reply::Stored { version: None };
                }
                let deadline_ms = match ttl_ms {
                    Some(ttl_ms) => Some(now.served_ms + ttl_ms),
                    None if *keep_ttl => self.keys.get(key).and_then(|key| key.deadline_ms),
                    None => None,
                };
                self.write(now, capacity, key, value.clone(), deadline_ms, changed);
                Reply::Stored {
                    version: Some(now.index),
                }
            }
            CacheCommand::Delete { keys } => {
                let mut deleted = 0;
                for key in keys {
                    if self.remove(key) {
                        changed.keys.push(key.clone());
                        deleted += 1;
                    }
                }
                Reply::Deleted(deleted)
            }
            CacheCommand::Increment { key, by } => {
                let before = self.keys.get(key);
                let deadline_ms = before.and_then(|key| key.deadline_ms);
                let number = match before {
                    None => Some(0),
                    Some(key) => integer(&key.value),
                };
                let Some(number) = number else {
                    return Reply::Refused(Refusal::NotAnInteger);
                };
                let Some(sum) = number.checked_add(*by) else {
                    return Reply::Refused(Refusal::Overflow);
                };
                let value = Bytes::from(sum.to_string());
                self.write(now, capacity, key, value, deadline_ms, changed);
                Reply::Integer {
                    value: sum,
                    version: now.index,
                }
            }
            CacheCommand::Expire { key, ttl_ms } => {
                if *ttl_ms == Some(0) {
                    let was_there = self.remove(key);
                    if was_there {
                        changed.keys.push(key.clone());
                    }
                    return Reply::LifetimeSet(was_there);
                }
                let deadline_ms = ttl_ms.map(|ttl_ms| now.served_ms + ttl_ms);
                Reply::LifetimeSet(self.set_deadline(now, key, deadline_ms))
            }
            CacheCommand::Touch { keys } => {
                for key in keys {
                    if let Some(key) = self.keys.get_mut(key) {
                        key.is_marked = true;
                    }
                }
                Reply::Done
            }
            CacheCommand::Flush => {
                self.keys.clear();
                self.by_order.clear();
                self.deadlines.clear();
                self.hand = None;
                changed.all = true;
                Reply::Done
            }
        }
    }

    fn write(
        &mut self,
        now: Now,
        capacity: u64,
        key: &Bytes,
        value: Bytes,
        deadline_ms: Option<u64>,
        changed: &mut Changed,
    ) {
        if self.keys.contains_key(key) {
            self.set_deadline(now, key, deadline_ms);
            if let Some(known) = self.keys.get_mut(key) {
                (known.value, known.version, known.is_marked) = (value, now.index, true);
            }
        } else {
            self.evict_down_to(now, capacity.saturating_sub(1), changed);
            let newest = self.by_order.last_key_value().map(|(order, _)| *order);
            let order = newest.map_or(now.index, |newest| now.index.max(newest + 1));
            self.by_order.insert(order, key.clone());
            self.deadlines
                .extend(deadline_ms.map(|at_ms| (at_ms, order)));
            self.keys.insert(
                key.clone(),
                Key {
                    value,
                    version: now.index,
                    deadline_ms,
                    deadline_by: now.index,
                    order,
                    is_marked: false,
                },
            );
        }
        changed.keys.push(key.clone());
    }

    fn set_deadline(&mut self, now: Now, key: &Bytes, deadline_ms: Option<u64>) -> bool {
        let Some(known) = self.keys.get_mut(key) else {
            return false;
        };
        if let Some(at_ms) = known
            .deadline_ms
            .filter(|_| known.deadline_ms != deadline_ms)
        {
            let former = FormerDeadline {
                at_ms,
                by: known.deadline_by,
                replaced_by: now.index,
            };
            self.former.insert(key.clone(), former);
        }
        if let Some(at_ms) = known.deadline_ms {
            self.deadlines.remove(&(at_ms, known.order));
        }
        self.deadlines
            .extend(deadline_ms.map(|at_ms| (at_ms, known.order)));
        (known.deadline_ms, known.deadline_by) = (deadline_ms, now.index);
        true
    }

    /// Drops what has lived its time.
    pub(super) fn run_due(&mut self, now: Now, changed: &mut Changed) {
        while let Some((at_ms, order)) = self.deadlines.first().copied() {
            if at_ms > now.served_ms {
                return;
            }
            let key = self.by_order[&order].clone();
            self.remove(&key);
            changed.keys.push(key);
        }
    }

    pub(super) fn evict_down_to(&mut self, now: Now, most: u64, changed: &mut Changed) {
        while self.keys.len() as u64 > most {
            let Some(order) = self.victim() else {
                return;
            };
            self.hand = Some(order);
            let key = self.by_order[&order].clone();
            self.remove(&key);
            self.evicted.insert(key.clone(), now.index);
            changed.keys.push(key);
        }
    }

    /// Where the hand stops, taking marks on its way; in its second round nothing is marked.
    fn victim(&mut self) -> Option<u64> {
        let start = self.hand.unwrap_or(0);
        for from in [start, 0] {
            for (order, name) in self.by_order.range(from..) {
                let key = self.keys.get_mut(name)?;
                if !key.is_marked {
                    return Some(*order);
                }
                key.is_marked = false;
            }
        }
        None
    }

    fn remove(&mut self, key: &Bytes) -> bool {
        let Some(known) = self.keys.remove(key) else {
            return false;
        };
        self.by_order.remove(&known.order);
        if let Some(at_ms) = known.deadline_ms {
            self.deadlines.remove(&(at_ms, known.order));
        }
        if self.hand == Some(known.order) {
            let next = self.by_order.range(known.order..).next();
            self.hand = next.map(|(order, _)| *order);
        }
        true
    }

    pub(in crate::explain) fn get(&self, key: &Bytes) -> Option<&Key> {
        self.keys.get(key)
    }

    /// What a read of the key gives at a served time.
    pub(in crate::explain) fn read(
        &self,
        served_ms: u64,
        key: &Bytes,
    ) -> (Option<Versioned>, Lifetime) {
        let Some(known) = self.keys.get(key) else {
            return (None, Lifetime::Absent);
        };
        let value = Versioned {
            value: known.value.clone(),
            version: known.version,
        };
        let lifetime = match known.deadline_ms {
            None => Lifetime::Forever,
            Some(at_ms) => Lifetime::Remaining {
                ms: at_ms.saturating_sub(served_ms),
            },
        };
        (Some(value), lifetime)
    }
}

/// A decimal number without spaces, plus sign or leading zeros.
fn integer(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

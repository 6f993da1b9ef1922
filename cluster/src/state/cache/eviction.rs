//! The entries of the cache in SIEVE order, and the choice of the one to evict.
//!
//! SIEVE keeps entries in order of insertion. A hand walks from the oldest towards the
//! newest and then starts over; it clears the mark of each visited entry it passes and
//! evicts the first one without a mark. A use sets the mark and moves nothing.
//!
//! The order of an entry is the log index of its insertion, or the next larger number if an
//! entry inserted several keys, so the list of the paper is an
//! ordered map here: position, hand and marks are plain data, equal on every replica and
//! written to the snapshot as they are.
//!
//! Source: Zhang et al., "SIEVE is Simpler than LRU: an Efficient Turn-Key Eviction
//! Algorithm for Web Caches", NSDI 2024, algorithm 1.

use super::value::{List, Value};
use crate::planted::{self, Bug};
use crate::state::snapshot::{DecodeError, LARGEST_COUNTER, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// What an entry takes beside its key and value: in the maps below, and for allocating it.
const ENTRY_BYTES: u64 = 320;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) key: Bytes,
    pub(super) value: Value,
    /// Log index of the last write.
    pub(super) version: u64,
    /// Served time at which the entry is gone.
    pub(super) deadline_ms: Option<u64>,
    /// Used since the hand last passed.
    pub(super) visited: bool,
}

impl Entry {
    fn bytes(&self) -> u64 {
        ENTRY_BYTES + self.key.len() as u64 + self.value.bytes()
    }
}

/// Entries by order of insertion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sieve {
    entries: BTreeMap<u64, Entry>,
    /// The entry that the next eviction looks at first; `None` is the oldest.
    hand: Option<u64>,
    /// (hash of the key, order), an index over `entries`. Keys themselves would be compared
    /// through a pointer at each step of a look-up, which costs several times as much.
    #[serde(skip)]
    orders: BTreeSet<(u64, u64)>,
    /// Memory that the entries take, by our account.
    #[serde(skip)]
    bytes: u64,
}

impl Sieve {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Memory that the entries take, by our account.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Entry> {
        let order = self.order_of(key)?;
        self.entries.get(&order)
    }

    /// An entry to change; its value only by [`Sieve::set_value`].
    pub(super) fn get_mut(&mut self, key: &[u8]) -> Option<(u64, &mut Entry)> {
        let order = self.order_of(key)?;
        let entry = self.entries.get_mut(&order)?;
        Some((order, entry))
    }

    /// Gives a key that is present another value; hands the value back if the key is absent.
    pub(super) fn set_value(
        &mut self,
        key: &[u8],
        value: Value,
    ) -> Result<(u64, &mut Entry), Value> {
        let Some(order) = self.order_of(key) else {
            return Err(value);
        };
        let entry = self.entries.get_mut(&order);
        let entry = entry.expect("the index names an entry");
        self.bytes -= entry.bytes();
        entry.value = value;
        self.bytes += entry.bytes();
        Ok((order, entry))
    }

    /// Changes the list of a key; `None` if there is none.
    pub(super) fn change_list<R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut List) -> R,
    ) -> Option<(&mut Entry, R)> {
        let order = self.order_of(key)?;
        let entry = self.entries.get_mut(&order)?;
        self.bytes -= entry.bytes();
        let result = match &mut entry.value {
            Value::Text(_) => None,
            Value::List(list) => {
                let list = Arc::make_mut(list);
                let result = change(list);
                list.give_back();
                Some(result)
            }
        };
        self.bytes += entry.bytes();
        Some((entry, result?))
    }

    /// Puts a list in its place in decoded entries; false if that is not free.
    pub(super) fn restore_list(&mut self, order: u64, list: List) -> bool {
        let place = self.entries.get_mut(&order).map(|entry| &mut entry.value);
        let free = place.filter(|value| **value == Value::Text(Bytes::new()));
        let is_free = free.is_some();
        if let Some(value) = free {
            *value = list.into();
        }
        is_free
    }

    /// Marks the key as used, if present.
    pub(super) fn touch(&mut self, key: &[u8]) {
        if let Some((_, entry)) = self.get_mut(key) {
            entry.visited = true;
        }
    }

    /// The order of a key inserted by the log entry `index`: larger than that of any other.
    pub(super) fn next_order(&self, index: u64) -> u64 {
        let newest = self.entries.last_key_value();
        newest.map_or(index, |(&order, _)| index.max(order + 1))
    }

    /// Entries from the order `from` on.
    pub(super) fn iter_from(&self, from: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let range = self.entries.range(from..);
        range.map(|(&order, entry)| (order, entry))
    }

    /// Adds an absent key as the newest entry.
    pub(super) fn insert(&mut self, order: u64, entry: Entry) {
        self.orders.insert((xxh3_64(&entry.key), order));
        self.bytes += entry.bytes();
        self.entries.insert(order, entry);
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<(u64, Entry)> {
        let order = self.order_of(key)?;
        let entry = self.remove_at(order)?;
        Some((order, entry))
    }

    /// Removes an entry; a hand that pointed to it moves on to the next newer one.
    pub(super) fn remove_at(&mut self, order: u64) -> Option<Entry> {
        let entry = self.entries.remove(&order)?;
        self.orders.remove(&(xxh3_64(&entry.key), order));
        self.bytes -= entry.bytes();
        if self.hand == Some(order) {
            self.hand = self.newer(order);
        }
        Some(entry)
    }

    /// Takes out the entry that SIEVE gives up. On average the hand moves a constant number
    /// of steps, since each mark it clears was set by one use.
    ///
    /// # Panics
    ///
    /// If there is no entry: the caller evicts only when full.
    pub(super) fn evict(&mut self) -> (u64, Entry) {
        if planted::active(Bug::RandomEviction) {
            let nth = planted::random() as usize % self.entries.len();
            let order = self.entries.keys().nth(nth).copied();
            let order = order.expect("the caller evicts only when full");
            let entry = self.remove_at(order);
            return (order, entry.expect("the order was just found"));
        }
        let start = self.hand.unwrap_or(u64::MIN);
        let order = self
            .sweep(start)
            .or_else(|| self.sweep(u64::MIN))
            .expect("the second round finds an entry that the first unmarked");
        self.hand = Some(order);
        let entry = self.remove_at(order);
        (order, entry.expect("the sweep found an entry"))
    }

    /// All entries with their order, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(&order, entry)| (order, entry))
    }

    /// Rebuilds the index of decoded entries, and refuses what no log can have produced.
    pub(super) fn reindex(&mut self, applied_index: u64, capacity: u64) -> Result<(), DecodeError> {
        ensure(
            self.entries.len() as u64 <= capacity,
            "more keys than the limit",
        )?;
        let newest = self.entries.last_key_value();
        ensure(
            newest.is_none_or(|(&order, entry)| {
                order <= LARGEST_COUNTER && entry.version <= applied_index
            }),
            "a key of a later entry",
        )?;
        ensure(
            self.hand
                .is_none_or(|hand| self.entries.contains_key(&hand)),
            "an eviction hand that points nowhere",
        )?;
        for (&order, entry) in &self.entries {
            let hash = xxh3_64(&entry.key);
            let is_new = self.find(hash, &entry.key).is_none();
            ensure(is_new, "a key twice")?;
            self.orders.insert((hash, order));
            self.bytes += entry.bytes();
        }
        Ok(())
    }

    fn order_of(&self, key: &[u8]) -> Option<u64> {
        self.find(xxh3_64(key), key)
    }

    /// The order of the key among those with its hash.
    fn find(&self, hash: u64, key: &[u8]) -> Option<u64> {
        let of_hash = self.orders.range((hash, u64::MIN)..=(hash, u64::MAX));
        of_hash.map(|&(_, order)| order).find(|order| {
            self.entries
                .get(order)
                .is_some_and(|entry| entry.key == key)
        })
    }

    /// Clears marks from `start` up to the first entry without one.
    fn sweep(&mut self, start: u64) -> Option<u64> {
        for (&order, entry) in self.entries.range_mut(start..) {
            if !entry.visited {
                return Some(order);
            }
            entry.visited = false;
        }
        None
    }

    fn newer(&self, order: u64) -> Option<u64> {
        let after = (Bound::Excluded(order), Bound::Unbounded);
        self.entries.range(after).next().map(|(&order, _)| order)
    }
}

//! Defines the value of a key: a string, or a list of strings.
//!
//! An entry is written to a snapshot as it was before there were lists, with the string in its
//! place; a list is empty there, and its values stand behind all the rest
//! ([`super::Cache::lists`]).

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::state::command::End;

/// What a value of a list takes beside its bytes: its place, and for allocating it.
const ELEMENT_BYTES: u64 = 96;
/// A list of so few bytes Redis keeps in one piece.
const SMALL_LIST_BYTES: u64 = 8 * 1024;
/// Places that a list may leave empty, however few values it has.
const SPARE_PLACES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::state) enum Value {
    Text(Bytes),
    /// Never empty. Shared with copies of the whole state, as snapshots are written from, until
    /// either changes.
    List(Arc<List>),
}

impl Value {
    /// The value for another key. A list is copied here and now: were it shared, one later entry
    /// could have to copy the lists of many keys.
    pub(super) fn for_another_key(&self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text.clone()),
            Self::List(list) => List::clone(list).into(),
        }
    }

    /// Memory taken, by our account.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::List(list) => list.bytes + list.len() as u64 * ELEMENT_BYTES,
        }
    }
}

impl From<Bytes> for Value {
    fn from(text: Bytes) -> Self {
        Self::Text(text)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(Arc::new(list))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::List(_) => Bytes::new().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bytes::deserialize(deserializer).map(Self::Text)
    }
}

/// The values of a list, from left to right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::state) struct List {
    values: VecDeque<Bytes>,
    /// Of all values together.
    bytes: u64,
}

impl List {
    pub(in crate::state) fn of(values: Vec<Bytes>) -> Self {
        Self {
            bytes: values.iter().map(|value| value.len() as u64).sum(),
            values: values.into(),
        }
    }

    pub(in crate::state) fn len(&self) -> usize {
        self.values.len()
    }

    /// Bytes of all values together.
    pub(in crate::state) fn value_bytes(&self) -> u64 {
        self.bytes
    }

    /// Places for values, taken or free.
    #[cfg(test)]
    pub(in crate::state) fn capacity(&self) -> usize {
        self.values.capacity()
    }

    /// Gives back memory when most of it is unused.
    pub(super) fn give_back(&mut self) {
        let capacity = self.values.capacity();
        if capacity > SPARE_PLACES && self.len() < capacity / 4 {
            self.values.shrink_to(2 * self.len());
        }
    }

    pub(in crate::state) fn is_small(&self) -> bool {
        self.bytes <= SMALL_LIST_BYTES
    }

    pub(in crate::state) fn values(&self) -> &VecDeque<Bytes> {
        &self.values
    }

    /// Positions from `first` to `last`, both included; negative ones count from the end.
    pub(in crate::state) fn range(&self, first: i64, last: i64) -> Range<usize> {
        let length = self.len() as i64;
        let from_left = |at: i64| match at {
            ..0 => length.saturating_add(at),
            _ => at,
        };
        let first = from_left(first).max(0);
        let end = from_left(last).saturating_add(1).min(length);
        if first < end {
            first as usize..end as usize
        } else {
            0..0
        }
    }

    /// The position that `index` means, if there is one.
    pub(in crate::state) fn position(&self, index: i64) -> Option<usize> {
        let range = self.range(index, index);
        (!range.is_empty()).then_some(range.start)
    }

    pub(in crate::state) fn push(&mut self, end: End, value: Bytes) {
        self.bytes += value.len() as u64;
        match end {
            End::Left => self.values.push_front(value),
            End::Right => self.values.push_back(value),
        }
    }

    pub(in crate::state) fn pop(&mut self, end: End) -> Option<Bytes> {
        let popped = match end {
            End::Left => self.values.pop_front(),
            End::Right => self.values.pop_back(),
        };
        self.bytes -= popped.as_ref().map_or(0, |value| value.len() as u64);
        popped
    }

    /// The first `count` values from an end on.
    pub(in crate::state) fn first(
        &self,
        end: End,
        count: u64,
    ) -> impl ExactSizeIterator<Item = &Bytes> {
        let count = usize::try_from(count).map_or(self.len(), |count| count.min(self.len()));
        let range = match end {
            End::Left => 0..count,
            End::Right => self.len() - count..self.len(),
        };
        self.values.range(range)
    }

    pub(in crate::state) fn insert(&mut self, at: usize, value: Bytes) {
        self.bytes += value.len() as u64;
        self.values.insert(at, value);
    }

    /// Replaces the value at a position that there is.
    pub(in crate::state) fn set(&mut self, at: usize, value: Bytes) {
        self.bytes += value.len() as u64;
        let before = std::mem::replace(&mut self.values[at], value);
        self.bytes -= before.len() as u64;
    }

    /// Keeps the values at these positions.
    pub(in crate::state) fn trim(&mut self, kept: Range<usize>) {
        let cut = self.values.range(..kept.start);
        let cut = cut.chain(self.values.range(kept.end..));
        self.bytes -= cut.map(|value| value.len() as u64).sum::<u64>();
        self.values.truncate(kept.end);
        self.values.drain(..kept.start);
    }

    /// Takes out up to `most` values that equal this one; how many there were.
    pub(in crate::state) fn remove(&mut self, from: End, most: u64, value: &Bytes) -> u64 {
        let mut positions = self.find(from, 0, most, 0, value);
        positions.sort_unstable();
        let taken = positions.len() as u64;
        let mut next = positions.into_iter().peekable();
        let mut at = 0;
        self.values.retain(|_| {
            let is_taken = next.next_if_eq(&at).is_some();
            at += 1;
            !is_taken
        });
        self.bytes -= taken * value.len() as u64;
        taken
    }

    /// Positions of values that equal this one, in the order in which they are met from an end:
    /// not the first `skipped` of them, then `count` (0: all), among the first `most` values
    /// (0: all).
    pub(in crate::state) fn find(
        &self,
        from: End,
        skipped: u64,
        count: u64,
        most: u64,
        value: &Bytes,
    ) -> Vec<u64> {
        let all = |limit: u64| match limit {
            0 => usize::MAX,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let equal = |(_, found): &(usize, &Bytes)| *found == value;
        let position = |(at, _): (usize, &Bytes)| at as u64;
        let (skipped, count) = (usize::try_from(skipped).unwrap_or(usize::MAX), all(count));
        let numbered = self.values.iter().enumerate();
        match from {
            End::Left => {
                let equal = numbered.take(all(most)).filter(equal);
                equal.skip(skipped).take(count).map(position).collect()
            }
            End::Right => {
                let equal = numbered.rev().take(all(most)).filter(equal);
                equal.skip(skipped).take(count).map(position).collect()
            }
        }
    }
}

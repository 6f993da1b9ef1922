//! The latest changes of the cache, in log order: what a client needs to resume where its
//! stream of invalidations broke off.
//!
//! A bounded ring, filled as entries are applied. It knows from which index on it is
//! complete; a client that asks for more must forget every copy. It is no part of
//! the replicated state: a node that restarts or installs a snapshot begins again at the
//! snapshot's index. Who listens, and whether this node may speak for the cluster, is the
//! business of `node/tracking.rs`.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::state::command::Changed;

/// Changed keys that are remembered. At a few thousand writes a second this bridges some
/// seconds, longer than an election, in about a megabyte.
const KEYS: usize = 16 * 1024;
/// Bytes of keys that are remembered, however few they are.
const BYTES: usize = 4 * 1024 * 1024;

/// Changes by log index, without a gap after `floor`.
#[derive(Debug)]
pub struct Invalidations {
    /// Every change of an entry after this index is here.
    floor: u64,
    entries: VecDeque<(u64, Changed)>,
    /// Keys in `entries`; an entry that changes every key counts as one.
    keys: usize,
    most_keys: usize,
    /// Bytes of the keys in `entries`.
    bytes: usize,
}

impl Invalidations {
    /// Empty, and complete after the entry `floor`.
    pub fn after(floor: u64) -> Self {
        Self {
            floor,
            entries: VecDeque::new(),
            keys: 0,
            most_keys: KEYS,
            bytes: 0,
        }
    }

    /// Notes what the entry `index` changed. Indexes rise.
    pub fn push(&mut self, index: u64, changed: Changed) {
        if changed.keys.is_empty() && !changed.all {
            return;
        }
        let last = self.entries.back().map_or(self.floor, |(last, _)| *last);
        assert!(index > last, "entries are applied in order");
        self.keys += size(&changed);
        self.bytes += bytes(&changed);
        self.entries.push_back((index, changed));
        while self.keys > self.most_keys || self.bytes > BYTES {
            let oldest = self.entries.pop_front();
            let (index, changed) = oldest.expect("it holds keys, so it holds an entry");
            self.floor = index;
            self.keys -= size(&changed);
            self.bytes -= bytes(&changed);
        }
    }

    /// The changes of all entries after `index`, or `None` if some may be missing.
    pub fn since(&self, index: u64) -> Option<impl Iterator<Item = &(u64, Changed)>> {
        if index < self.floor {
            return None;
        }
        let first = self.entries.partition_point(|(at, _)| *at <= index);
        Some(self.entries.range(first..))
    }
}

fn size(changed: &Changed) -> usize {
    changed.keys.len().max(1)
}

fn bytes(changed: &Changed) -> usize {
    changed.keys.iter().map(Bytes::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(key: &str) -> Changed {
        Changed {
            keys: vec![Bytes::copy_from_slice(key.as_bytes())],
            all: false,
        }
    }

    fn indexes(ring: &Invalidations, since: u64) -> Option<Vec<u64>> {
        Some(ring.since(since)?.map(|(index, _)| *index).collect())
    }

    #[test]
    fn changes_come_in_order_and_exactly_after_the_index() {
        let mut ring = Invalidations::after(10);
        ring.push(11, changed("a"));
        ring.push(12, Changed::default());
        ring.push(14, changed("b"));
        assert_eq!(indexes(&ring, 10), Some(vec![11, 14]));
        assert_eq!(indexes(&ring, 11), Some(vec![14]));
        assert_eq!(indexes(&ring, 13), Some(vec![14]));
        assert_eq!(indexes(&ring, 14), Some(vec![]));
        assert_eq!(indexes(&ring, 9), None, "before its beginning");
    }

    #[test]
    fn few_large_keys_are_forgotten_by_their_bytes() {
        let mut ring = Invalidations::after(0);
        let half = "k".repeat(BYTES / 2);
        for index in 1..=3 {
            ring.push(index, changed(&half));
        }
        assert_eq!(indexes(&ring, 0), None);
        assert_eq!(indexes(&ring, 1), Some(vec![2, 3]));
        ring.push(4, changed(&half.repeat(3)));
        assert_eq!(indexes(&ring, 3), None, "larger than all that is kept");
        assert_eq!(indexes(&ring, 4), Some(vec![]));
    }

    #[test]
    fn what_is_forgotten_is_not_served() {
        let mut ring = Invalidations::after(0);
        ring.most_keys = 2;
        for index in 1..=4 {
            ring.push(index, changed("k"));
        }
        assert_eq!(indexes(&ring, 1), None);
        assert_eq!(indexes(&ring, 2), Some(vec![3, 4]));
        let all = Changed {
            keys: Vec::new(),
            all: true,
        };
        ring.push(5, all);
        assert_eq!(indexes(&ring, 2), None, "a flush takes room, too");
        assert_eq!(indexes(&ring, 3), Some(vec![4, 5]));
    }
}

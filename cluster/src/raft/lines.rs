//! Clients of this node that wait for something to take from a list, in the order in which they
//! came.
//!
//! A line for each key. Of a list with n values, the first n in its line may take one: they are
//! called when there is something for them, and again when somebody before them has left. What
//! they then get is decided by the log.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use tokio::sync::Notify;

/// All lines.
#[derive(Default)]
pub struct Lines {
    lines: RefCell<BTreeMap<Bytes, Line>>,
    last: Cell<u64>,
}

/// The wake-ups of waiting clients, by their numbers, which are in the order of coming.
type Line = BTreeMap<u64, Rc<Notify>>;

/// A place in the lines of some keys, until it is given up with [`Lines::leave`].
pub struct Place {
    number: u64,
    keys: Vec<Bytes>,
    wake: Rc<Notify>,
}

impl Place {
    pub fn keys(&self) -> &[Bytes] {
        &self.keys
    }

    /// Resolves when there may be something to take, or to wait for no longer; also if that was
    /// so since the last time.
    pub async fn called(&self) {
        self.wake.notified().await;
    }
}

impl Lines {
    /// A place at the end of the lines of these keys.
    pub fn join(&self, keys: &[Bytes]) -> Place {
        let number = self.last.get() + 1;
        self.last.set(number);
        let wake = Rc::new(Notify::new());
        let mut joined = BTreeSet::new();
        let each_once = keys.iter().filter(|key| joined.insert(*key));
        let keys: Vec<Bytes> = each_once.cloned().collect();
        let mut lines = self.lines.borrow_mut();
        for key in &keys {
            let line = lines.entry(key.clone()).or_default();
            line.insert(number, wake.clone());
        }
        Place { number, keys, wake }
    }

    pub fn leave(&self, place: &Place) {
        let mut lines = self.lines.borrow_mut();
        for key in &place.keys {
            let Some(line) = lines.get_mut(key) else {
                continue;
            };
            line.remove(&place.number);
            if line.is_empty() {
                lines.remove(key);
            }
        }
    }

    /// Whether this place is among the first `count` in the line of a key.
    pub fn is_among(&self, place: &Place, key: &Bytes, count: usize) -> bool {
        let lines = self.lines.borrow();
        let Some(line) = lines.get(key) else {
            return count > 0;
        };
        line.range(..place.number).take(count).count() < count
    }

    /// Whether nobody waits for anything.
    pub fn is_empty(&self) -> bool {
        self.lines.borrow().is_empty()
    }

    /// Calls the first so many that wait for a key.
    pub fn call(&self, key: &Bytes, count: usize) {
        let lines = self.lines.borrow();
        let line = lines.get(key).into_iter().flat_map(Line::values);
        line.take(count).for_each(|wake| wake.notify_one());
    }

    /// Calls everybody.
    pub fn call_all(&self) {
        let lines = self.lines.borrow();
        let all = lines.values().flat_map(Line::values);
        all.for_each(|wake| wake.notify_one());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn keys(keys: &[&'static str]) -> Vec<Bytes> {
        keys.iter()
            .map(|key| Bytes::from_static(key.as_bytes()))
            .collect()
    }

    fn is_called(place: &Place) -> bool {
        place.called().now_or_never().is_some()
    }

    #[test]
    fn as_many_are_called_as_there_is_something_for_and_the_first_first() {
        let lines = Lines::default();
        let [a, b] = &keys(&["a", "b"])[..] else {
            unreachable!("there are two");
        };
        let first = lines.join(&keys(&["a"]));
        let second = lines.join(&keys(&["b", "a", "b"]));
        let third = lines.join(&keys(&["a"]));
        assert_eq!(second.keys(), keys(&["b", "a"]));
        assert!(!lines.is_among(&third, a, 2) && lines.is_among(&third, a, 3));
        assert!(!lines.is_among(&second, b, 0) && lines.is_among(&second, b, 1));
        lines.call(a, 2);
        assert!(is_called(&first) && is_called(&second));
        assert!(!is_called(&third) && !is_called(&first));
        lines.leave(&first);
        assert!(lines.is_among(&second, a, 1) && !lines.is_among(&third, a, 1));
        lines.leave(&second);
        lines.call(b, 9);
        assert!(!is_called(&second));
        lines.call_all();
        assert!(is_called(&third));
        lines.leave(&third);
        assert!(lines.is_empty());
    }
}

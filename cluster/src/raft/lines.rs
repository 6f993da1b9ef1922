//! Clients of this node that wait for something to take from a list, in the order in which they
//! came.
//!
//! A line for each key. Of a list with n values, the first n in its line may take one: they are
//! called when there is something for them, and again when somebody before them has left. What
//! they then get is decided by the log.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use tokio::sync::Notify;

/// All lines.
#[derive(Default)]
pub struct Lines {
    lines: RefCell<BTreeMap<Bytes, VecDeque<Waiter>>>,
    last: Cell<u64>,
}

struct Waiter {
    number: u64,
    bell: Rc<Notify>,
}

/// A place in the lines of some keys, until it is given up with [`Lines::leave`].
pub struct Place {
    number: u64,
    keys: Vec<Bytes>,
    bell: Rc<Notify>,
}

impl Place {
    pub fn keys(&self) -> &[Bytes] {
        &self.keys
    }

    /// Resolves when there may be something to take, or to wait for no longer; also if that was
    /// so since the last time.
    pub async fn called(&self) {
        self.bell.notified().await;
    }
}

impl Lines {
    /// A place at the end of the lines of these keys.
    pub fn join(&self, keys: &[Bytes]) -> Place {
        let number = self.last.get() + 1;
        self.last.set(number);
        let bell = Rc::new(Notify::new());
        let mut joined = BTreeSet::new();
        let each_once = keys.iter().filter(|key| joined.insert(*key));
        let keys: Vec<Bytes> = each_once.cloned().collect();
        let mut lines = self.lines.borrow_mut();
        for key in &keys {
            lines.entry(key.clone()).or_default().push_back(Waiter {
                number,
                bell: bell.clone(),
            });
        }
        Place { number, keys, bell }
    }

    pub fn leave(&self, place: &Place) {
        let mut lines = self.lines.borrow_mut();
        for key in &place.keys {
            let Some(line) = lines.get_mut(key) else {
                continue;
            };
            line.retain(|waiter| waiter.number != place.number);
            if line.is_empty() {
                lines.remove(key);
            }
        }
    }

    /// How many are before this place in the line of a key.
    pub fn ahead(&self, place: &Place, key: &Bytes) -> usize {
        let lines = self.lines.borrow();
        let line = lines.get(key).into_iter().flatten();
        line.take_while(|waiter| waiter.number != place.number)
            .count()
    }

    /// Whether nobody waits for anything.
    pub fn is_empty(&self) -> bool {
        self.lines.borrow().is_empty()
    }

    /// Calls the first so many that wait for a key.
    pub fn call(&self, key: &Bytes, count: usize) {
        let lines = self.lines.borrow();
        let line = lines.get(key).into_iter().flatten();
        line.take(count).for_each(|waiter| waiter.bell.notify_one());
    }

    /// Calls everybody.
    pub fn call_all(&self) {
        let lines = self.lines.borrow();
        let all = lines.values().flatten();
        all.for_each(|waiter| waiter.bell.notify_one());
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
        assert_eq!((lines.ahead(&third, a), lines.ahead(&second, b)), (2, 0));
        lines.call(a, 2);
        assert!(is_called(&first) && is_called(&second));
        assert!(!is_called(&third) && !is_called(&first));
        lines.leave(&first);
        assert_eq!(lines.ahead(&second, a), 0);
        lines.leave(&second);
        lines.call(b, 9);
        assert!(!is_called(&second));
        lines.call_all();
        assert!(is_called(&third));
        lines.leave(&third);
        assert!(lines.is_empty());
    }
}

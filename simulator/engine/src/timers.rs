//! Deadlines that wakers wait for, soonest first; of equal ones, the one set first.
//!
//! Most timers never fire: they bound a call that is answered in time. So a timer that is
//! no longer wanted leaves the heap at once, which keeps the heap as small as what is really
//! under way. An indexed binary heap (Sedgewick & Wayne, *Algorithms*, 4th edition, 2.4).

use std::task::Waker;

use crate::time::Nanos;

/// Names a timer; useless once it has fired or was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerId {
    slot: usize,
    /// Slots are used again; numbers are not.
    number: u64,
}

struct Slot {
    deadline: Nanos,
    number: u64,
    /// Where in the heap this slot stands.
    position: usize,
    /// `None` while the slot is free.
    waker: Option<Waker>,
}

/// All timers of a simulation.
#[derive(Default)]
pub(crate) struct Timers {
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Slots, as a binary heap by (deadline, number).
    heap: Vec<usize>,
    next_number: u64,
}

impl Timers {
    /// Wakes `waker` once `deadline` is due.
    pub fn add(&mut self, deadline: Nanos, waker: Waker) -> TimerId {
        let number = self.next_number;
        self.next_number += 1;
        let position = self.heap.len();
        let filled = Slot {
            deadline,
            number,
            position,
            waker: Some(waker),
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = filled;
                slot
            }
            None => {
                self.slots.push(filled);
                self.slots.len() - 1
            }
        };
        self.heap.push(slot);
        self.rise(position);
        TimerId { slot, number }
    }

    /// Has the timer wake another waker; nothing if it has fired.
    pub fn rewake(&mut self, timer: TimerId, waker: &Waker) {
        if let Some(slot) = self.live(timer) {
            let held = slot.waker.as_mut().expect("a live timer has its waker");
            held.clone_from(waker);
        }
    }

    /// Forgets the timer; nothing if it has fired. The waker is the caller's to drop: that
    /// may run code which sets timers.
    pub fn remove(&mut self, timer: TimerId) -> Option<Waker> {
        let position = self.live(timer)?.position;
        self.take(position)
    }

    /// The soonest deadline.
    pub fn next(&self) -> Option<Nanos> {
        self.heap.first().map(|slot| self.slots[*slot].deadline)
    }

    /// The next waker whose deadline is due at `now`.
    pub fn pop_due(&mut self, now: Nanos) -> Option<Waker> {
        match self.next() {
            Some(deadline) if deadline <= now => self.take(0),
            _ => None,
        }
    }

    fn live(&mut self, timer: TimerId) -> Option<&mut Slot> {
        let slot = &mut self.slots[timer.slot];
        (slot.number == timer.number && slot.waker.is_some()).then_some(slot)
    }

    fn take(&mut self, position: usize) -> Option<Waker> {
        let slot = self.heap.swap_remove(position);
        if let Some(moved) = self.heap.get(position) {
            self.slots[*moved].position = position;
            self.rise(position);
            self.sink(position);
        }
        self.free.push(slot);
        self.slots[slot].waker.take()
    }

    fn before(&self, left: usize, right: usize) -> bool {
        let key = |position: usize| {
            let slot = &self.slots[self.heap[position]];
            (slot.deadline, slot.number)
        };
        key(left) < key(right)
    }

    fn rise(&mut self, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / 2;
            if !self.before(position, parent) {
                return;
            }
            self.swap(position, parent);
            position = parent;
        }
    }

    fn sink(&mut self, mut position: usize) {
        loop {
            let left = 2 * position + 1;
            if left >= self.heap.len() {
                return;
            }
            let right = left + 1;
            let smaller = match right < self.heap.len() && self.before(right, left) {
                true => right,
                false => left,
            };
            if !self.before(smaller, position) {
                return;
            }
            self.swap(smaller, position);
            position = smaller;
        }
    }

    fn swap(&mut self, left: usize, right: usize) {
        self.heap.swap(left, right);
        self.slots[self.heap[left]].position = left;
        self.slots[self.heap[right]].position = right;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Wake;

    use proptest::prelude::*;

    use super::*;

    /// Tells which timer fired.
    struct Mark(Arc<AtomicU64>, u64);

    impl Wake for Mark {
        fn wake(self: Arc<Self>) {
            self.0.store(self.1, Ordering::Relaxed);
        }
    }

    proptest! {
        /// Timers set, removed and fired in any order fire as a sorted list would.
        #[test]
        fn fires_as_a_sorted_list_would(
            steps in prop::collection::vec((0u8..3, 0u64..20, any::<prop::sample::Index>()), 0..200),
        ) {
            let fired = Arc::new(AtomicU64::new(0));
            let mut timers = Timers::default();
            let mut model: Vec<(Nanos, u64, TimerId)> = Vec::new();
            for (number, (what, deadline, which)) in steps.into_iter().enumerate() {
                let number = number as u64;
                match what {
                    0 => {
                        let waker = Waker::from(Arc::new(Mark(fired.clone(), number)));
                        model.push((deadline, number, timers.add(deadline, waker)));
                        model.sort_by_key(|(deadline, number, _)| (*deadline, *number));
                    }
                    1 if !model.is_empty() => {
                        let (_, _, id) = model.remove(which.index(model.len()));
                        prop_assert!(timers.remove(id).is_some());
                        prop_assert!(timers.remove(id).is_none(), "removed once");
                    }
                    _ => {
                        let due = model.first().filter(|(at, _, _)| *at <= deadline).copied();
                        match (timers.pop_due(deadline), due) {
                            (Some(waker), Some((_, number, _))) => {
                                waker.wake();
                                prop_assert_eq!(fired.load(Ordering::Relaxed), number);
                                model.remove(0);
                            }
                            (None, None) => {}
                            (popped, due) => prop_assert!(false, "{} {due:?}", popped.is_some()),
                        }
                    }
                }
                prop_assert_eq!(timers.next(), model.first().map(|(at, _, _)| *at));
            }
        }
    }
}

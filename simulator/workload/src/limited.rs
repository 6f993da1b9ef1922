//! Workloads that end after so many operations, and how it is known that they have ended.
//!
//! Operations count from the start of the chaos phase on, so that what is measured is as many
//! as were asked for. The warm-up of a closed loop does a tenth of that beside what it
//! preloads, and then rests, so that it leaves no backlog behind; an open loop keeps its rate,
//! which is what it is there for. A workload has ended when every client has been answered
//! its last operation; a queue, when also all that was published has been consumed, or nothing
//! more is to be had. What was not begun by the end of the chaos phase is not begun at all:
//! what comes after it is measured without that load.

use std::cell::Cell;

/// Of the operations, the warm-up of a closed loop does one in so many.
const WARMUP_PART: u64 = 10;

#[derive(Default)]
pub(super) struct Limited {
    limit: Option<u64>,
    /// Operations of the warm-up, most and so far.
    warmup_limit: u64,
    warmed_up: Cell<u64>,
    closed: Cell<bool>,
    /// Operations that counted.
    begun: Cell<u64>,
    /// Clients that have not ended.
    clients: Cell<u64>,
    published: Cell<u64>,
    consumed: Cell<u64>,
    /// Receives in a row that found nothing, since the last client ended.
    empty: Cell<u64>,
}

fn add(cell: &Cell<u64>, count: u64) {
    cell.set(cell.get() + count);
}

impl Limited {
    /// Of so many operations, after `preload` others that the warm-up does.
    pub(super) fn new(limit: Option<u64>, preload: u64) -> Self {
        Self {
            limit,
            warmup_limit: limit.map_or(0, |limit| limit / WARMUP_PART + preload),
            ..Self::default()
        }
    }

    pub(super) fn enter(&self, clients: u64) {
        add(&self.clients, clients);
    }

    pub(super) fn leave(&self) {
        let left = self.clients.get().checked_sub(1);
        self.clients
            .set(left.expect("only a client that began ends"));
    }

    /// Whether one more operation of a closed loop may begin in the warm-up.
    pub(super) fn warm_up(&self) -> bool {
        let is_left = self.limit.is_none() || self.warmed_up.get() < self.warmup_limit;
        add(&self.warmed_up, u64::from(is_left));
        is_left
    }

    /// No operation begins from now on.
    pub(super) fn close(&self) {
        self.closed.set(true);
    }

    /// Whether one more operation may begin.
    pub(super) fn begin(&self, is_counting: bool) -> bool {
        if self.closed.get() {
            return false;
        }
        let Some(limit) = self.limit.filter(|_| is_counting) else {
            return true;
        };
        if self.begun.get() >= limit {
            return false;
        }
        add(&self.begun, 1);
        true
    }

    /// Messages were acknowledged to their producer.
    pub(super) fn published(&self, count: u64) {
        add(&self.published, count);
    }

    /// A message was acknowledged by its consumer.
    pub(super) fn consumed(&self) {
        add(&self.consumed, 1);
    }

    /// A receive found so many messages.
    pub(super) fn received(&self, count: usize) {
        match (count, self.clients.get()) {
            (0, 0) => add(&self.empty, 1),
            _ => self.empty.set(0),
        }
    }

    pub(super) fn is_done(&self, consumers: u64) -> bool {
        let is_drained = self.consumed.get() >= self.published.get();
        self.clients.get() == 0 && (is_drained || consumers == 0 || self.empty.get() >= consumers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_as_many_as_asked_for_and_none_after_the_end() {
        let limited = Limited::new(Some(20), 3);
        let in_warmup = (0..9).filter(|_| limited.warm_up()).count();
        assert_eq!(in_warmup, 5, "a tenth, and what is preloaded");
        assert!((0..15).all(|_| limited.begin(true)));
        limited.close();
        assert!(!limited.begin(true) && !limited.begin(false));
        let counted = Limited::new(Some(20), 0);
        assert_eq!((0..30).filter(|_| counted.begin(true)).count(), 20);
        let endless = Limited::new(None, 0);
        assert!((0..99).all(|_| endless.warm_up() && endless.begin(true)));
    }
}

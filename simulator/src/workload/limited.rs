//! Workloads that end after so many operations, and how it is known that they have ended.
//!
//! Operations count from the start of the chaos phase on, so that what is measured is as many
//! as were asked for, however much the warm-up did. A workload has ended when every client
//! has been answered its last operation; a queue, when also all that was published has been
//! consumed, or nothing more is to be had.

use std::cell::Cell;

#[derive(Default)]
pub(super) struct Limited {
    limit: Option<u64>,
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
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
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

    /// Whether one more operation may begin.
    pub(super) fn begin(&self, is_counting: bool) -> bool {
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

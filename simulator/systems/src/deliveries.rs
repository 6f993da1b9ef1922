//! What the clients of a run know of messages in their hands, of systems that know messages by
//! words and not by numbers: receipts are names, and any client of the run may acknowledge.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use squall_history::unordered::name_of;

use crate::outcome::Trouble;

/// Shared by the clients of a run.
#[derive(Default)]
pub(crate) struct Deliveries {
    /// Queue, and what the system knows the message by, until it is settled.
    receipts: RefCell<BTreeMap<u64, (String, String)>>,
    visibility_ms: RefCell<BTreeMap<String, u64>>,
    handed_out: Cell<u64>,
}

impl Deliveries {
    /// The visibility timeout of a queue is that of the first who received from it, whose
    /// workload it is: an audit asks for a longer one.
    pub(crate) fn visibility_ms(&self, queue: &str, wanted_ms: u64) -> u64 {
        let mut usual = self.visibility_ms.borrow_mut();
        *usual.entry(queue.to_owned()).or_insert(wanted_ms)
    }

    /// The receipt of a delivery. No two are the same: a system that has forgotten a delivery may
    /// call the next by the same words.
    pub(crate) fn hand_out(&self, queue: &str, handle: &str) -> u64 {
        let count = self.handed_out.get() + 1;
        self.handed_out.set(count);
        let receipt = name_of(format!("{queue} {handle} {count}").as_bytes());
        let of = (queue.to_owned(), handle.to_owned());
        self.receipts.borrow_mut().insert(receipt, of);
        receipt
    }

    /// What the system knows the message by.
    ///
    /// # Errors
    /// Nobody was handed out this receipt, or it has been settled.
    pub(crate) fn handle(&self, queue: &str, receipt: u64) -> Result<String, Trouble> {
        let receipts = self.receipts.borrow();
        let known = receipts.get(&receipt).filter(|(of, _)| of == queue);
        known
            .map(|(_, handle)| handle.clone())
            .ok_or_else(|| Trouble::Failed("no message has this receipt, or no longer".to_owned()))
    }

    /// It has been answered.
    pub(crate) fn settle(&self, receipt: u64) {
        self.receipts.borrow_mut().remove(&receipt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_deliveries_have_the_same_receipt() {
        let deliveries = Deliveries::default();
        let first = deliveries.hand_out("q", "5-0");
        let again = deliveries.hand_out("q", "5-0");
        assert_ne!(first, again);
        deliveries.settle(first);
        assert!(matches!(
            deliveries.handle("q", first),
            Err(Trouble::Failed(_))
        ));
        assert_eq!(deliveries.handle("q", again), Ok("5-0".to_owned()));
        assert!(deliveries.handle("other", again).is_err());
    }

    #[test]
    fn the_first_who_receives_sets_the_visibility_of_a_queue() {
        let deliveries = Deliveries::default();
        let asked = [(30, "q"), (600, "q"), (600, "other")];
        let kept = asked.map(|(ms, queue)| deliveries.visibility_ms(queue, ms));
        assert_eq!(kept, [30, 30, 600]);
    }
}

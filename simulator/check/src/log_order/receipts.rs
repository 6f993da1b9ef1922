//! A queue with receipts as a sequential object, for the search.
//!
//! Ids and receipts only rise. A receipt is good from its delivery until it is settled, the
//! message is delivered again, or a client is answered that it is void; when exactly a message
//! becomes visible again, no history shows. The rules are those of [`super::queue`].

use std::collections::BTreeMap;

use crate::linearizability::Specification;
use squall_history::Delivered;

/// What an operation of the queue was, with all ids known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum QueueCall {
    Publish {
        id: u64,
    },
    Receive(Vec<Delivery>),
    /// Acknowledged or given back.
    Settle {
        delivery: Delivery,
        ack: bool,
    },
    /// The receipt was void.
    Refused(Delivery),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(super) id: u64,
    pub(super) receipt: u64,
    pub(super) deliveries: u32,
}

impl From<&Delivered> for Delivery {
    fn from(delivered: &Delivered) -> Self {
        Self {
            id: delivered.id,
            receipt: delivered.receipt,
            deliveries: delivered.deliveries,
        }
    }
}

pub(super) struct Receipts;

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct QueueState {
    last_id: u64,
    last_receipt: u64,
    /// By id: the receipt that is good, 0 for none, and how often it was delivered.
    live: BTreeMap<u64, (u64, u32)>,
}

impl QueueState {
    /// What is known of the message while `delivery`'s receipt is good.
    fn held(&mut self, delivery: &Delivery) -> Option<&mut (u64, u32)> {
        let message = self.live.get_mut(&delivery.id)?;
        (message.0 == delivery.receipt).then_some(message)
    }
}

impl Specification for Receipts {
    type Operation = QueueCall;
    type State = QueueState;

    fn initial(&self) -> QueueState {
        QueueState::default()
    }

    fn apply(&self, state: &QueueState, call: &QueueCall) -> Option<QueueState> {
        let mut state = state.clone();
        match call {
            QueueCall::Publish { id } => {
                if *id <= state.last_id {
                    return None;
                }
                state.last_id = *id;
                state.live.insert(*id, (0, 0));
            }
            QueueCall::Receive(deliveries) => {
                let mut sorted: Vec<&Delivery> = deliveries.iter().collect();
                sorted.sort_unstable_by_key(|delivery| delivery.receipt);
                for delivery in sorted {
                    let message = state.live.get_mut(&delivery.id)?;
                    if delivery.receipt <= state.last_receipt || delivery.deliveries <= message.1 {
                        return None;
                    }
                    *message = (delivery.receipt, delivery.deliveries);
                    state.last_receipt = delivery.receipt;
                }
            }
            QueueCall::Settle { delivery, ack } => {
                state.held(delivery)?.0 = 0;
                if *ack {
                    state.live.remove(&delivery.id);
                }
            }
            QueueCall::Refused(delivery) => {
                if let Some(message) = state.held(delivery) {
                    message.0 = 0;
                }
            }
        }
        Some(state)
    }

    fn is_read(&self, _call: &QueueCall) -> bool {
        false
    }

    fn state_bytes(&self, state: &QueueState) -> usize {
        state.live.len() * size_of::<(u64, (u64, u32))>() * 3 / 2
    }

    fn cost(&self, state: &QueueState, _call: &QueueCall) -> u64 {
        1 + state.live.len() as u64 / 16
    }
}

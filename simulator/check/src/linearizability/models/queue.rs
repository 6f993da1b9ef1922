//! A first-in, first-out queue: enqueue, dequeue.
//!
//! Source: the queue of Herlihy & Wing, "Linearizability" (1990), §1. A dequeue that found
//! nothing saw the queue empty; one of unknown outcome may have taken the head with it.
//! Left out: receipts and redelivery; a queue that has them is judged by its receipts.

use super::super::Specification;
use super::Symbol;

#[derive(Debug, Clone, Copy)]
pub struct Queue;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueCall {
    Enqueue(Symbol),
    /// `None`: found nothing.
    Dequeue(Option<Symbol>),
    /// A dequeue whose answer never came.
    LostDequeue,
}

impl Specification for Queue {
    type Operation = QueueCall;
    /// From head to tail.
    type State = Box<[Symbol]>;

    fn initial(&self) -> Box<[Symbol]> {
        Box::default()
    }

    fn apply(&self, state: &Box<[Symbol]>, call: &QueueCall) -> Option<Box<[Symbol]>> {
        match *call {
            QueueCall::Enqueue(value) => Some(state.iter().copied().chain([value]).collect()),
            QueueCall::Dequeue(None) => state.is_empty().then(Box::default),
            QueueCall::Dequeue(Some(value)) => {
                let (head, rest) = state.split_first()?;
                (*head == value).then(|| rest.into())
            }
            QueueCall::LostDequeue => Some(state.get(1..).unwrap_or_default().into()),
        }
    }

    fn is_read(&self, call: &QueueCall) -> bool {
        matches!(call, QueueCall::Dequeue(None))
    }

    fn state_bytes(&self, state: &Box<[Symbol]>) -> usize {
        size_of_val(&**state)
    }

    fn cost(&self, state: &Box<[Symbol]>, _call: &QueueCall) -> u64 {
        1 + state.len() as u64 / 64
    }
}

//! A counter: add, and read. An add may be told the sum.
//!
//! Source: the fetch-and-add object of Herlihy, "Wait-free synchronization" (1991), §3.2.
//! Sums are kept in 128 bits, so that no history of 64-bit amounts overflows; wrapping
//! counters are left out.

use super::super::Specification;

#[derive(Debug, Clone, Copy)]
pub struct Counter;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterCall {
    Add {
        by: i64,
        /// `None` where the client was not told.
        sum: Option<i64>,
    },
    Read(i64),
}

impl Specification for Counter {
    type Operation = CounterCall;
    type State = i128;

    fn initial(&self) -> i128 {
        0
    }

    fn apply(&self, state: &i128, call: &CounterCall) -> Option<i128> {
        match *call {
            CounterCall::Add { by, sum } => {
                let now = state + i128::from(by);
                sum.is_none_or(|told| i128::from(told) == now)
                    .then_some(now)
            }
            CounterCall::Read(value) => (i128::from(value) == *state).then_some(*state),
        }
    }

    fn is_read(&self, call: &CounterCall) -> bool {
        matches!(call, CounterCall::Read(_))
    }
}

//! A counter: add, and read. An add may return the sum.
//!
//! Source: the fetch-and-add object of Herlihy, "Wait-free synchronization" (1991), §3.2.
//! Sums are kept in 128 bits, so that no history of 64-bit amounts overflows; wrapping
//! counters are left out.

use super::super::{Call, Specification};

#[derive(Debug, Clone, Copy)]
pub struct Counter;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterCall {
    Add {
        by: i64,
        /// `None` where the client did not receive it.
        sum: Option<i64>,
    },
    Read(i64),
}

/// The reads that no order of the adds can explain, as positions in the list of calls: each
/// lies between the sum of what had surely been added when it was sent and of what may have
/// been added when it was answered. In linear time after sorting; a counter that keeps these
/// bounds need not be linearizable.
///
/// Source: `counter` of Jepsen (`jepsen.checker`).
pub fn out_of_bounds(calls: &[Call<CounterCall>]) -> Vec<usize> {
    let mut events: Vec<(usize, usize, bool)> = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        events.push((call.invoked, place, false));
        events.extend(call.returned.map(|returned| (returned, place, true)));
    }
    events.sort_unstable();
    let (mut lower, mut upper) = (0i128, 0i128);
    let mut lower_when_sent = vec![0i128; calls.len()];
    let mut wrong = Vec::new();
    for (_, place, is_return) in events {
        match calls[place].operation {
            CounterCall::Add { by, .. } => {
                let (least, most) = if is_return == (by > 0) {
                    (i128::from(by), 0)
                } else {
                    (0, i128::from(by))
                };
                lower += least;
                upper += most;
            }
            CounterCall::Read(_) if !is_return => lower_when_sent[place] = lower,
            CounterCall::Read(value) => {
                if !(lower_when_sent[place]..=upper).contains(&i128::from(value)) {
                    wrong.push(place);
                }
            }
        }
    }
    wrong.sort_unstable();
    wrong
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
                sum.is_none_or(|answered| i128::from(answered) == now)
                    .then_some(now)
            }
            CounterCall::Read(value) => (i128::from(value) == *state).then_some(*state),
        }
    }

    fn is_read(&self, call: &CounterCall) -> bool {
        matches!(call, CounterCall::Read(_))
    }
}

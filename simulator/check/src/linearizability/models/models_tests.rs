//! Every model, on random small histories, against a brute-force enumeration.
//!
//! A history is made by playing random calls on the object itself, each at a moment between
//! its invocation and its return, and then spoiling some answers; so both verdicts are
//! common, and unknown outcomes too.

use proptest::prelude::*;

use super::counter::{Counter, CounterCall};
use super::kv::{Kv, KvCall};
use super::lock::{Lock, LockCall};
use super::queue::{Queue, QueueCall};
use super::register::{Register, RegisterCall};
use crate::linearizability::brute_force::{agree, agree_within};
use crate::linearizability::{Call, Specification};

/// One random call: when, what, and how its answer is bent.
#[derive(Debug, Clone, Copy)]
struct Draw {
    start: usize,
    length: usize,
    moment: usize,
    kind: u32,
    argument: u32,
    other: u32,
    bend: u32,
    fate: u8,
}

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    let draw = (
        (0usize..12, 1usize..8, 0usize..8),
        (0u32..12, 0u32..3, 0u32..3),
        (0u32..8, 0u8..6),
    );
    let draw = draw.prop_map(
        |((start, length, moment), (kind, argument, other), (bend, fate))| Draw {
            start,
            length,
            moment: moment % length,
            kind,
            argument,
            other,
            bend,
            fate,
        },
    );
    prop::collection::vec(draw, 1..9)
}

/// Plays the draws. `ask` gives the call of a draw with the answer that the object in this
/// state gives; `forget` the same without an answer, `None` where that tells nothing.
fn played<S: Specification>(
    specification: &S,
    draws: &[Draw],
    ask: impl Fn(&S::State, Draw) -> S::Operation,
    forget: impl Fn(S::Operation) -> Option<S::Operation>,
) -> Vec<Call<S::Operation>> {
    let mut order: Vec<usize> = (0..draws.len()).collect();
    order.sort_by_key(|&n| draws[n].start + draws[n].moment);
    let mut state = specification.initial();
    let mut calls = Vec::new();
    for n in order {
        let draw = draws[n];
        let honest = ask(&state, Draw { bend: 7, ..draw });
        // Of the unknown calls, some take effect.
        if draw.fate != 0
            && let Some(next) = specification.apply(&state, &honest)
        {
            state = next;
        }
        let answer = ask(&state, draw);
        let answer = if draw.bend < 2 { answer } else { honest };
        let is_answered = draw.fate > 1;
        let operation = match is_answered {
            true => Some(answer),
            false => forget(answer),
        };
        // Distinct positions, as in a history.
        calls.extend(operation.map(|operation| Call {
            operation,
            invoked: draw.start * 20 + n * 2,
            returned: is_answered.then_some((draw.start + draw.length) * 20 + n * 2 + 1),
        }));
    }
    calls
}

fn register_call(state: &u32, draw: Draw) -> RegisterCall {
    let (old, new) = (draw.argument, draw.other);
    match draw.kind % 4 {
        0 | 1 => RegisterCall::Read((state + u32::from(draw.bend < 2)) % 4),
        2 => RegisterCall::Write(new),
        _ if (old == *state) == (draw.bend > 1) => RegisterCall::Swap { old, new },
        _ => RegisterCall::Mismatch { old },
    }
}

fn counter_call(state: &i128, draw: Draw) -> CounterCall {
    let wrong = i64::from(draw.bend < 2);
    let now = i64::try_from(*state).expect("eight small steps") + wrong;
    let by = i64::from(draw.argument) - 1;
    match draw.kind % 3 {
        0 => CounterCall::Read(now),
        1 => CounterCall::Add {
            by,
            sum: Some(now + by),
        },
        _ => CounterCall::Add { by, sum: None },
    }
}

fn queue_call(state: &[u32], draw: Draw) -> QueueCall {
    match draw.kind % 2 {
        0 => QueueCall::Enqueue(draw.argument),
        _ if draw.bend == 0 => QueueCall::Dequeue(None),
        _ if draw.bend == 1 => QueueCall::Dequeue(Some(draw.argument)),
        _ => QueueCall::Dequeue(state.first().copied()),
    }
}

fn lock_call(lock: Lock, draw: Draw, tokens: u64) -> LockCall {
    let (owner, shared) = (u64::from(draw.argument), draw.kind.is_multiple_of(2));
    let token = Some(tokens + u64::from(draw.bend));
    match draw.kind % 6 {
        0 | 1 => LockCall::Grant {
            owner,
            shared,
            token: token.filter(|_| draw.other > 0),
        },
        2 | 3 => LockCall::Release {
            owner,
            token: token.filter(|_| draw.other > 1 && lock.leases),
        },
        4 if draw.other == 0 => LockCall::Close { owner },
        4 => LockCall::NotHeld { owner, token: None },
        _ => LockCall::Accepted {
            token: tokens / 2 + u64::from(draw.other),
        },
    }
}

/// Texts "", "a", "b", "aa", … so that appends meet puts.
fn texts() -> Vec<Box<str>> {
    let texts = ["", "a", "b", "aa", "ab", "ba", "aab", "aba", "abab"];
    texts.map(Into::into).into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_register_agrees_with_brute_force(draws in draws()) {
        let register = Register { initial: 0 };
        let calls = played(&register, &draws, register_call, |call| match call {
            RegisterCall::Read(_) => None,
            RegisterCall::Mismatch { old } => Some(RegisterCall::Swap { old, new: 1 }),
            write => Some(write),
        });
        agree(&register, &calls)?;
    }

    /// What nobody answered takes effect within its time, or at any time, or never.
    #[test]
    fn calls_without_an_answer_within_their_time(
        draws in draws(),
        times in prop::collection::vec(prop::option::of(0_usize..60), 8),
    ) {
        let register = Register { initial: 0 };
        let forget = |call| Some(call).filter(|call| !matches!(call, RegisterCall::Read(_)));
        let calls = played(&register, &draws, register_call, forget);
        let calls = calls.iter().zip(times);
        let latest: Vec<Option<usize>> = calls
            .clone()
            .map(|(call, time)| time.map(|time| call.invoked + time))
            .collect();
        let calls: Vec<_> = calls.map(|(call, _)| call.clone()).collect();
        agree_within(&register, &calls, &latest)?;
    }

    #[test]
    fn a_counter_agrees_with_brute_force(draws in draws()) {
        let calls = played(&Counter, &draws, counter_call, |call| match call {
            CounterCall::Read(_) => None,
            CounterCall::Add { by, .. } => Some(CounterCall::Add { by, sum: None }),
        });
        agree(&Counter, &calls)?;
    }

    #[test]
    fn a_queue_agrees_with_brute_force(draws in draws()) {
        let calls = played(&Queue, &draws, |state, draw| queue_call(state, draw), |call| {
            Some(match call {
                QueueCall::Dequeue(_) => QueueCall::LostDequeue,
                enqueue => enqueue,
            })
        });
        agree(&Queue, &calls)?;
    }

    #[test]
    fn a_lock_agrees_with_brute_force(draws in draws(), leases in any::<bool>()) {
        let lock = Lock { leases };
        let granted = std::cell::Cell::new(0);
        let ask = |_: &_, draw: Draw| {
            granted.set(granted.get() + 1);
            lock_call(lock, draw, granted.get())
        };
        let calls = played(&lock, &draws, ask, |call| match call {
            LockCall::Grant { owner, shared, .. } => {
                Some(LockCall::Grant { owner, shared, token: None })
            }
            LockCall::NotHeld { .. } => None,
            other => Some(other),
        });
        agree(&lock, &calls)?;
    }

    #[test]
    fn appended_keys_agree_with_brute_force(draws in draws()) {
        let kv = Kv::new(texts());
        let by_node = Kv::new(texts());
        // The answer of a get is the text whose node is the state, if a text has it.
        let ask = |state: &u32, draw: Draw| match draw.kind % 4 {
            0 => KvCall::Put(draw.argument),
            1 | 2 => KvCall::Append(draw.argument),
            _ if draw.bend < 2 => KvCall::Get(draw.argument + draw.other),
            _ => {
                let texts = 0..texts().len() as u32;
                let mut gets = texts.map(KvCall::Get);
                gets.find(|get| by_node.apply(state, get).is_some()).unwrap_or(KvCall::Append(1))
            }
        };
        let calls = played(&by_node, &draws, ask, |call| match call {
            KvCall::Get(_) => None,
            write => Some(write),
        });
        agree(&kv, &calls)?;
    }
}

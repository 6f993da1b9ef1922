//! Tests of the search: small cases by hand, and against brute force.

use proptest::prelude::*;

use super::*;

/// A register of one small number, initially 0.
struct Register;

#[derive(Debug, Clone, Copy)]
enum Op {
    Read(u8),
    Write(u8),
    Swap(u8, u8),
}

impl Specification for Register {
    type Operation = Op;
    type State = u8;

    fn initial(&self) -> u8 {
        0
    }

    fn apply(&self, state: &u8, operation: &Op) -> Option<u8> {
        match *operation {
            Op::Read(value) => (value == *state).then_some(value),
            Op::Write(value) => Some(value),
            Op::Swap(old, new) => (old == *state).then_some(new),
        }
    }

    fn is_read(&self, operation: &Op) -> bool {
        matches!(operation, Op::Read(_))
    }
}

fn call(operation: Op, invoked: usize, returned: usize) -> Call<Op> {
    Call {
        operation,
        invoked,
        returned: Some(returned),
    }
}

fn unknown(operation: Op, invoked: usize) -> Call<Op> {
    Call {
        operation,
        invoked,
        returned: None,
    }
}

fn judge(calls: &[Call<Op>]) -> Verdict {
    search(&Register, calls, 10_000)
}

#[test]
fn a_stale_read_is_named() {
    let calls = [call(Op::Write(1), 0, 1), call(Op::Read(0), 2, 3)];
    let Verdict::Violation(stuck) = judge(&calls) else {
        panic!("a read after the write returned the old value");
    };
    assert_eq!((stuck.tail, stuck.call, stuck.ordered), (vec![0], 1, 1));
}

#[test]
fn concurrent_calls_may_take_any_order() {
    let calls = [
        call(Op::Write(1), 0, 9),
        call(Op::Read(1), 1, 2),
        call(Op::Swap(1, 2), 3, 8),
        call(Op::Read(1), 4, 5),
    ];
    assert_eq!(judge(&calls), Verdict::Linearizable);
}

#[test]
fn an_unknown_write_may_show_late_or_never_but_not_early_or_twice() {
    let write = unknown(Op::Write(1), 2);
    let late = [
        write.clone(),
        call(Op::Read(0), 3, 4),
        call(Op::Read(1), 5, 6),
    ];
    assert_eq!(judge(&late), Verdict::Linearizable);
    let never = [write.clone(), call(Op::Read(0), 3, 4)];
    assert_eq!(judge(&never), Verdict::Linearizable);
    let early = [call(Op::Read(1), 0, 1), write.clone()];
    assert!(matches!(judge(&early), Verdict::Violation(_)));
    let twice = [
        write,
        call(Op::Read(1), 3, 4),
        call(Op::Read(0), 5, 6),
        call(Op::Read(1), 7, 8),
    ];
    assert!(matches!(judge(&twice), Verdict::Violation(_)));
}

#[test]
fn a_bound_too_small_cannot_tell() {
    let calls = [call(Op::Write(1), 0, 1), call(Op::Read(1), 2, 3)];
    assert_eq!(search(&Register, &calls, 1), Verdict::GaveUp { steps: 1 });
}

#[test]
fn long_histories_stay_cheap() {
    let write = |n: usize| {
        let value = (n % 200) as u8;
        [
            call(Op::Write(value), n * 4, n * 4 + 3),
            call(Op::Read(value), n * 4 + 1, n * 4 + 6),
        ]
    };
    let calls: Vec<_> = (0..20_000).flat_map(write).collect();
    let verdict = search(&Register, &calls, 10 * calls.len() as u64);
    assert!(!matches!(verdict, Verdict::GaveUp { .. }), "{verdict:?}");
}

/// Decides by trying every order of every subset that holds the answered calls.
fn brute_force(calls: &[Call<Op>], ordered: &mut Vec<usize>, state: u8) -> bool {
    let open = |call: &usize| !ordered.contains(call);
    let rest: Vec<usize> = (0..calls.len()).filter(open).collect();
    if rest.iter().all(|&call| calls[call].returned.is_none()) {
        return true;
    }
    rest.iter().any(|&next| {
        let preceded = rest.iter().any(|&other| {
            calls[other]
                .returned
                .is_some_and(|returned| returned < calls[next].invoked)
        });
        let Some(state) = Register
            .apply(&state, &calls[next].operation)
            .filter(|_| !preceded)
        else {
            return false;
        };
        ordered.push(next);
        let found = brute_force(calls, ordered, state);
        ordered.pop();
        found
    })
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0u8..3).prop_map(Op::Read),
        (0u8..3).prop_map(Op::Write),
        (0u8..3, 0u8..3).prop_map(|(old, new)| Op::Swap(old, new)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn agrees_with_brute_force(
        spans in prop::collection::vec((any_op(), 0usize..12, 1usize..8, 0u8..5), 1..7)
    ) {
        let calls: Vec<Call<Op>> = spans
            .into_iter()
            .enumerate()
            .map(|(n, (operation, start, length, kind))| Call {
                operation,
                // Distinct positions, as in a history.
                invoked: start * 20 + n * 2,
                returned: (kind > 0).then_some((start + length) * 20 + n * 2 + 1),
            })
            .collect();
        let expected = brute_force(&calls, &mut Vec::new(), 0);
        prop_assert_eq!(judge(&calls) == Verdict::Linearizable, expected);
    }
}

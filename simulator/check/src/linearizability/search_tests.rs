//! Tests of the search: small cases by hand. Against brute force it is tested with the
//! models.

use super::*;
use crate::linearizability::models::register::{Register, RegisterCall};

type Op = RegisterCall;

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

const BOUNDS: Bounds = Bounds {
    steps: 10_000,
    bytes: 1 << 20,
};

fn judge(calls: &[Call<Op>]) -> Verdict {
    search(&Register { initial: 0 }, calls, BOUNDS)
}

#[test]
fn a_stale_read_is_named() {
    let calls = [call(Op::Write(1), 0, 1), call(Op::Read(0), 2, 3)];
    let Verdict::Violation(stuck) = judge(&calls) else {
        panic!("a read after the write returned the old value");
    };
    assert_eq!((stuck.order, stuck.call), (vec![0], 1));
}

#[test]
fn concurrent_calls_may_take_any_order() {
    let calls = [
        call(Op::Write(1), 0, 9),
        call(Op::Read(1), 1, 2),
        call(Op::Swap { old: 1, new: 2 }, 3, 8),
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
    let within = |bounds| search(&Register { initial: 0 }, &calls, bounds);
    let few = Bounds { steps: 1, ..BOUNDS };
    assert_eq!(within(few), Verdict::Unknown(Limit::Steps));
    let small = Bounds { bytes: 8, ..BOUNDS };
    assert_eq!(within(small), Verdict::Unknown(Limit::Bytes));
}

#[test]
fn whoever_asks_can_stop_it() {
    let calls: Vec<_> = (0..4_000)
        .map(|n| call(Op::Write(1), 2 * n, 2 * n + 1))
        .collect();
    let bounds = Bounds {
        steps: u64::MAX,
        bytes: usize::MAX,
    };
    let verdict = search_until(&Register { initial: 0 }, &calls, bounds, &|| true);
    assert_eq!(verdict, Verdict::Unknown(Limit::Interrupted));
}

/// Every read overlaps the next write, and a slow call spans the whole history.
#[test]
fn long_histories_stay_cheap() {
    let pair = |n: usize| {
        let value = (n % 200) as u32;
        [
            call(Op::Write(value), 1 + n * 4, 1 + n * 4 + 3),
            call(Op::Read(value), 1 + n * 4 + 1, 1 + n * 4 + 6),
        ]
    };
    let mut calls: Vec<_> = (0..20_000).flat_map(pair).collect();
    calls.push(call(Op::Read(199), 0, 1_000_001));
    let bounds = Bounds {
        steps: 10 * calls.len() as u64,
        bytes: 300 * calls.len(),
    };
    let verdict = search(&Register { initial: 0 }, &calls, bounds);
    assert_eq!(verdict, Verdict::Linearizable);
}

/// Without remembering which unknown calls are as good as which, there are 2^60 ways.
#[test]
fn many_unknown_calls_stay_cheap() {
    let mut calls: Vec<_> = (0..60)
        .map(|n| unknown(Op::Write(n % 6), n as usize))
        .collect();
    for n in 0..60 {
        calls.push(call(
            Op::Read(n % 6),
            100 + 2 * n as usize,
            101 + 2 * n as usize,
        ));
    }
    assert_eq!(judge(&calls), Verdict::Linearizable);
    calls.push(call(Op::Read(7), 300, 301));
    let Verdict::Violation(stuck) = judge(&calls) else {
        panic!("nobody wrote 7");
    };
    assert_eq!(stuck.call, calls.len() - 1);
}

#[test]
fn an_unknown_write_within_its_time_is_not_put_off_by_a_read() {
    // The last read fits at once, and the time of the write ends before it.
    let calls = [
        unknown(Op::Write(1), 1),
        call(Op::Read(0), 2, 3),
        call(Op::Swap { old: 1, new: 0 }, 4, 9),
        call(Op::Read(0), 6, 7),
    ];
    let judge = |latest| {
        let register = Register { initial: 0 };
        search_within(&register, &calls, &[Some(latest)], BOUNDS, &|| false)
    };
    assert_eq!(judge(5), Verdict::Linearizable);
    assert!(matches!(judge(2), Verdict::Violation(_)));
}

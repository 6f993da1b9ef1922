//! Locks: modes, tokens, release, check.

use super::*;
use LockMode::{Exclusive, Shared};

#[test]
fn modes_exclude_each_other_as_they_should() {
    for (held, asked, is_granted) in [
        (Shared, Shared, true),
        (Shared, Exclusive, false),
        (Exclusive, Shared, false),
        (Exclusive, Exclusive, false),
    ] {
        let mut bench = Bench::new();
        let (a, b) = (bench.open(60_000), bench.open(60_000));
        bench.run(acquire("l", a, held, 0));
        let reply = bench.reply(acquire("l", b, asked, 0));
        let granted = Reply::Granted {
            token: bench.state.applied_index(),
        };
        let expected = if is_granted {
            granted
        } else {
            Reply::NotGranted
        };
        assert_eq!(reply, expected, "{asked:?} while {held:?} is held");
        assert!(bench.lock_info("l").waiters.is_empty(), "a try never waits");
    }
}

#[test]
fn asking_again_while_holding_gives_the_same_token() {
    let mut bench = Bench::new();
    let session = bench.open(60_000);
    let first = bench.reply(acquire("l", session, Shared, 0));
    assert_eq!(bench.reply(acquire("l", session, Shared, 100)), first);
    assert_eq!(
        bench.reply(acquire("l", session, Exclusive, 100)),
        refused(Refusal::WrongMode)
    );
    assert_eq!(bench.holders("l"), [session]);
}

#[test]
fn only_a_living_session_may_acquire() {
    let mut bench = Bench::new();
    let reply = bench.reply(acquire("l", 77, Exclusive, 0));
    assert_eq!(reply, refused(Refusal::NoSession));
}

#[test]
fn a_wait_has_a_range() {
    let mut bench = Bench::new();
    let session = bench.open(60_000);
    let too_long = acquire("l", session, Exclusive, crate::state::LONGEST_MS + 1);
    assert_eq!(bench.reply(too_long), refused(Refusal::OutOfRange));
    let longest = acquire("l", session, Exclusive, crate::state::LONGEST_MS);
    assert!(matches!(bench.reply(longest), Reply::Granted { .. }));
}

#[test]
fn release_needs_both_session_and_token() {
    let mut bench = Bench::new();
    let (a, b) = (bench.open(60_000), bench.open(60_000));
    bench.run(acquire("l", a, Shared, 0));
    let token_a = bench.state.applied_index();
    bench.run(acquire("l", b, Shared, 0));
    let token_b = bench.state.applied_index();
    for wrong in [
        release("l", b, token_a),
        release("l", a, token_b),
        release("l", a, token_a - 1),
        release("l", 77, token_a),
        release("other", a, token_a),
    ] {
        assert_eq!(bench.reply(wrong), refused(Refusal::NotHeld));
    }
    assert_eq!(bench.holders("l"), [a, b]);
    assert_eq!(bench.reply(release("l", a, token_a)), Reply::Released);
    // Releasing a shared hold twice must not free the hold of another session.
    let again = bench.reply(release("l", a, token_a));
    assert_eq!(again, refused(Refusal::NotHeld));
    assert_eq!(bench.holders("l"), [b]);
}

#[test]
fn the_token_outlives_its_holders() {
    let mut bench = Bench::new();
    let session = bench.open(60_000);
    bench.run(acquire("l", session, Exclusive, 0));
    let token = bench.state.applied_index();
    bench.run(release("l", session, token));
    let info = LockInfo {
        last_token: token,
        ..LockInfo::default()
    };
    assert_eq!(bench.lock_info("l"), info);
    assert_eq!(bench.lock_info("never"), LockInfo::default());
}

#[test]
fn shared_waiters_granted_together_get_rising_tokens() {
    let mut bench = Bench::new();
    let sessions: Vec<SessionId> = (0..5).map(|_| bench.open(60_000)).collect();
    bench.run(acquire("l", sessions[0], Exclusive, 0));
    let token = bench.state.applied_index();
    let mut waiters = Vec::new();
    for &session in &sessions[1..4] {
        bench.run(acquire("l", session, Shared, 1000));
        waiters.push(bench.state.applied_index());
    }
    let freed = bench.run(release("l", sessions[0], token));
    let index = bench.state.applied_index();
    let expected: Vec<Wake> = (0..3)
        .map(|at| {
            let token = index + at as u64;
            wake(waiters[at], Reply::Granted { token })
        })
        .collect();
    assert_eq!(freed.wakes, expected);
    // The next entry's own index was used up, so its token is one more than the last.
    let reply = bench.reply(acquire("l", sessions[4], Shared, 0));
    assert_eq!(reply, Reply::Granted { token: index + 3 });
    assert_eq!(bench.lock_info("l").last_token, index + 3);
}

#[test]
fn a_check_accepts_no_older_token() {
    let mut bench = Bench::new();
    let session = bench.open(60_000);
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let reply = bench.reply(acquire("l", session, Exclusive, 0));
        let Reply::Granted { token } = reply else {
            panic!("a free lock is granted: {reply:?}");
        };
        bench.run(release("l", session, token));
        tokens.push(token);
    }
    let [first, second, third] = tokens[..] else {
        unreachable!("three were granted")
    };
    for (token, is_accepted) in [
        (second, true),
        (second, true),
        (first, false),
        (third, true),
        (second, false),
        (third, true),
    ] {
        let reply = bench.reply(check("l", token));
        assert_eq!(reply, Reply::TokenAccepted(is_accepted), "token {token}");
    }
}

#[test]
fn a_check_of_a_token_that_was_never_granted_is_refused_and_leaves_no_trace() {
    let mut bench = Bench::new();
    let session = bench.open(60_000);
    let Reply::Granted { token } = bench.reply(acquire("l", session, Exclusive, 0)) else {
        panic!("a free lock is granted");
    };
    let before = bench.state.encode().len();
    for (name, invented) in [("l", token + 1), ("l", u64::MAX), ("other", 1)] {
        let reply = bench.reply(check(name, invented));
        assert_eq!(reply, Reply::TokenAccepted(false), "{name} {invented}");
    }
    assert_eq!(bench.state.encode().len(), before, "no record of the name");
    assert_eq!(bench.reply(check("l", token)), Reply::TokenAccepted(true));
}

fn check(name: &str, token: Token) -> LockCommand {
    let name = name.to_owned();
    LockCommand::Check { name, token }
}

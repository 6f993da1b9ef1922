//! Locks: the waiting line, its order, and how waits end.

use super::*;
use LockMode::{Exclusive, Shared};

/// A bench in which the first of `count` sessions holds "l" in exclusive mode.
fn held(count: usize) -> (Bench, Vec<SessionId>, Token) {
    let mut bench = Bench::new();
    let sessions: Vec<SessionId> = (0..count).map(|_| bench.open(600_000)).collect();
    bench.run(acquire("l", sessions[0], Exclusive, 0));
    let token = bench.state.applied_index();
    (bench, sessions, token)
}

/// Joins the line and returns the waiter id.
fn join(bench: &mut Bench, session: SessionId, mode: LockMode, wait_ms: u64) -> u64 {
    let reply = bench.reply(acquire("l", session, mode, wait_ms));
    let waiter = bench.state.applied_index();
    assert_eq!(reply, Reply::Waiting { waiter });
    waiter
}

#[test]
fn the_line_is_first_come_first_served() {
    let (mut bench, sessions, token) = held(4);
    let waiters: Vec<u64> = [(1, Exclusive), (2, Shared), (3, Shared)]
        .map(|(at, mode)| join(&mut bench, sessions[at], mode, 10_000))
        .to_vec();
    assert_eq!(bench.lock_info("l").waiters, sessions[1..]);

    let freed = bench.run(release("l", sessions[0], token));
    let token = bench.state.applied_index();
    assert_eq!(freed.reply, Reply::Released);
    assert_eq!(freed.wakes, [wake(waiters[0], Reply::Granted { token })]);

    let freed = bench.run(release("l", sessions[1], token));
    let woken: Vec<u64> = freed.wakes.iter().map(|wake| wake.waiter).collect();
    assert_eq!(woken, waiters[1..]);
    assert_eq!(bench.holders("l"), sessions[2..]);
}

#[test]
fn a_shared_request_does_not_overtake_a_waiting_exclusive_one() {
    let mut bench = Bench::new();
    let sessions: Vec<SessionId> = (0..3).map(|_| bench.open(60_000)).collect();
    bench.run(acquire("l", sessions[0], Shared, 0));
    join(&mut bench, sessions[1], Exclusive, 1000);
    let tried = bench.reply(acquire("l", sessions[2], Shared, 0));
    assert_eq!(tried, Reply::NotGranted);
    join(&mut bench, sessions[2], Shared, 5000);

    // When the exclusive wait is up, what it held back is granted in the same entry.
    let applied = bench.pass(1000).tick();
    assert_eq!(applied.wakes.len(), 2);
    assert_eq!(bench.holders("l"), [sessions[0], sessions[2]]);
}

#[test]
fn asking_again_while_waiting_keeps_the_place() {
    let (mut bench, sessions, _) = held(3);
    let waiter = join(&mut bench, sessions[1], Exclusive, 1000);
    join(&mut bench, sessions[2], Exclusive, 1000);
    for (mode, wait_ms, expected) in [
        (Exclusive, 9000, Reply::Waiting { waiter }),
        (Exclusive, 0, Reply::NotGranted),
        (Shared, 9000, refused(Refusal::WrongMode)),
    ] {
        let reply = bench.reply(acquire("l", sessions[1], mode, wait_ms));
        assert_eq!(reply, expected);
        assert_eq!(bench.lock_info("l").waiters, sessions[1..]);
    }
    let ended = bench.pass(1000).tick().wakes;
    assert_eq!(ended[0], wake(waiter, Reply::NotGranted), "deadline kept");
}

#[test]
fn a_wait_is_up_exactly_at_its_deadline() {
    let (mut bench, sessions, token) = held(3);
    let late = join(&mut bench, sessions[1], Exclusive, 700);
    let early = join(&mut bench, sessions[2], Exclusive, 300);
    assert!(bench.pass(299).tick().wakes.is_empty());
    let wakes = bench.pass(1).tick().wakes;
    assert_eq!(wakes, [wake(early, Reply::NotGranted)]);
    // Due and freed in the same entry: the deadline comes first.
    let applied = bench.pass(400).run(release("l", sessions[0], token));
    assert_eq!(applied.wakes, [wake(late, Reply::NotGranted)]);
    assert!(bench.lock_info("l").waiters.is_empty());
    assert!(bench.holders("l").is_empty());
}

#[test]
fn nobody_is_granted_in_the_entry_that_ends_the_own_wait() {
    let mut bench = Bench::new();
    let sessions: Vec<SessionId> = (0..3).map(|_| bench.open(60_000)).collect();
    bench.run(acquire("l", sessions[0], Shared, 0));
    let first = join(&mut bench, sessions[1], Exclusive, 100);
    let second = join(&mut bench, sessions[2], Shared, 200);
    let wakes = bench.pass(200).tick().wakes;
    let expected = [
        wake(first, Reply::NotGranted),
        wake(second, Reply::NotGranted),
    ];
    assert_eq!(wakes, expected);
    assert_eq!(bench.holders("l"), [sessions[0]]);
}

#[test]
fn cancel_leaves_the_line() {
    let mut bench = Bench::new();
    let sessions: Vec<SessionId> = (0..3).map(|_| bench.open(60_000)).collect();
    bench.run(acquire("l", sessions[0], Shared, 0));
    let first = join(&mut bench, sessions[1], Exclusive, 5000);
    let second = join(&mut bench, sessions[2], Shared, 5000);
    let cancel = |session| LockCommand::Cancel {
        name: "l".into(),
        session,
    };
    let applied = bench.run(cancel(sessions[1]));
    assert_eq!(applied.reply, Reply::Done);
    let token = bench.state.applied_index();
    let expected = [
        wake(first, Reply::NotGranted),
        wake(second, Reply::Granted { token }),
    ];
    assert_eq!(applied.wakes, expected);

    let applied = bench.run(cancel(sessions[0]));
    assert_eq!(applied.reply, Reply::Done);
    assert_eq!(bench.holders("l"), [sessions[0], sessions[2]], "holds stay");
}

#[test]
fn the_end_of_a_session_frees_all_it_had() {
    for how in ["close", "expire"] {
        let (mut bench, sessions, _) = held(4);
        let short = bench.open(1000);
        bench.run(acquire("m", short, Exclusive, 0));
        let dead = join(&mut bench, short, Exclusive, 60_000);
        let next = join(&mut bench, sessions[1], Exclusive, 60_000);
        bench.run(acquire("m", sessions[2], Shared, 60_000));
        let other = bench.state.applied_index();

        let applied = if how == "close" {
            bench.run(SessionCommand::Close { session: short })
        } else {
            bench.pass(1000).expire_due()
        };
        let token = bench.state.applied_index();
        let expected = [
            wake(dead, refused(Refusal::NoSession)),
            wake(other, Reply::Granted { token }),
        ];
        assert_eq!(applied.wakes, expected, "{how}");

        let applied = bench.run(SessionCommand::Close {
            session: sessions[0],
        });
        let token = bench.state.applied_index();
        assert_eq!(applied.wakes, [wake(next, Reply::Granted { token })]);
    }
}

#[test]
fn sessions_that_end_together_are_not_granted_what_they_free() {
    let mut bench = Bench::new();
    let (a, b) = (bench.open(1000), bench.open(1000));
    let alive = bench.open(60_000);
    bench.run(acquire("l", a, Exclusive, 0));
    let dead = join(&mut bench, b, Exclusive, 60_000);
    let next = join(&mut bench, alive, Exclusive, 60_000);
    let applied = bench.pass(1000).expire_due();
    let token = bench.state.applied_index();
    let expected = [
        wake(dead, refused(Refusal::NoSession)),
        wake(next, Reply::Granted { token }),
    ];
    assert_eq!(applied.wakes, expected);
    assert_eq!(bench.lock_info("l").last_token, token);
}

#[test]
fn wait_die_refuses_to_wait_for_an_older_session() {
    let wait_die = |session, mode, wait_ms| LockCommand::Acquire {
        name: "l".into(),
        session,
        mode,
        wait_ms,
        wait_die: true,
    };
    // (holder, its mode, asker, its mode, refused); session 0 is the oldest.
    for (holder, held, asker, asked, is_refused) in [
        (0, Exclusive, 1, Exclusive, true),
        (0, Exclusive, 1, Shared, true),
        (0, Shared, 1, Exclusive, true),
        (1, Exclusive, 0, Exclusive, false),
        (1, Shared, 0, Exclusive, false),
    ] {
        let mut bench = Bench::new();
        let sessions = [bench.open(60_000), bench.open(60_000)];
        bench.run(acquire("l", sessions[holder], held, 0));
        let reply = bench.reply(wait_die(sessions[asker], asked, 100));
        let waiter = bench.state.applied_index();
        let expected = if is_refused {
            refused(Refusal::WouldDeadlock)
        } else {
            Reply::Waiting { waiter }
        };
        assert_eq!(reply, expected, "{asker} asks {asked:?} of {holder}");
    }

    // An older waiter ahead counts like a holder, but only if it conflicts.
    let mut bench = Bench::new();
    let sessions: Vec<SessionId> = (0..4).map(|_| bench.open(60_000)).collect();
    bench.run(acquire("l", sessions[3], Exclusive, 0));
    bench.run(wait_die(sessions[1], Shared, 100));
    let reply = bench.reply(wait_die(sessions[2], Shared, 100));
    assert!(matches!(reply, Reply::Waiting { .. }));
    bench.run(LockCommand::Cancel {
        name: "l".into(),
        session: sessions[2],
    });
    let reply = bench.reply(wait_die(sessions[2], Exclusive, 100));
    assert_eq!(reply, refused(Refusal::WouldDeadlock));
    let reply = bench.reply(wait_die(sessions[2], Exclusive, 0));
    assert_eq!(reply, Reply::NotGranted, "a try waits for nobody");
}

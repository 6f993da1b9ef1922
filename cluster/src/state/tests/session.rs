//! Sessions and exactly-once execution.

use super::*;
use crate::state::LONGEST_MS;

#[test]
fn the_ttl_has_a_range() {
    let mut bench = Bench::new();
    for (ttl_ms, is_valid) in [
        (0, false),
        (99, false),
        (100, true),
        (LONGEST_MS, true),
        (LONGEST_MS + 1, false),
        (u64::MAX, false),
    ] {
        let reply = bench.reply(SessionCommand::Open { ttl_ms });
        let session = bench.state.applied_index();
        let expected = if is_valid {
            Reply::SessionOpened { session, ttl_ms }
        } else {
            refused(Refusal::OutOfRange)
        };
        assert_eq!(reply, expected, "ttl {ttl_ms}");
    }
}

#[test]
fn a_session_ends_by_a_guarded_entry_and_not_by_time_alone() {
    let mut bench = Bench::new();
    let session = bench.open(1000);
    let deadline_ms = bench.time_ms + 1000;

    bench.pass(999);
    assert_eq!(bench.state.due(bench.time_ms), None);
    bench.run(Command::Expire {
        sessions: vec![(session, deadline_ms)],
    });
    assert_eq!(
        bench.state.read(&Query::Session { session }),
        Reply::SessionInfo { ttl_ms: Some(1000) },
        "the clock has not reached the deadline"
    );

    bench.pass(1).tick();
    assert_eq!(
        bench.state.read(&Query::Session { session }),
        Reply::SessionInfo { ttl_ms: Some(1000) },
        "the deadline alone ends nothing"
    );
    bench.expire_due();
    assert_eq!(
        bench.state.read(&Query::Session { session }),
        Reply::SessionInfo { ttl_ms: None }
    );
}

#[test]
fn an_expiry_overtaken_by_a_keep_alive_does_nothing() {
    let mut bench = Bench::new();
    let session = bench.open(1000);
    bench.pass(1000);
    let stale = bench
        .state
        .due(bench.time_ms)
        .expect("the deadline has come");
    let alive = bench.reply(SessionCommand::KeepAlive { session });
    assert_eq!(alive, Reply::SessionAlive { ttl_ms: 1000 });
    bench.pass(5000).run(stale);
    let alive = bench.reply(SessionCommand::KeepAlive { session });
    assert_eq!(alive, Reply::SessionAlive { ttl_ms: 1000 });
}

#[test]
fn a_session_that_ended_is_unknown() {
    let mut bench = Bench::new();
    let session = bench.open(1000);
    let close = SessionCommand::Close { session };
    assert_eq!(bench.reply(close.clone()), Reply::SessionClosed);
    assert_eq!(bench.reply(close), refused(Refusal::NoSession));
    let keep_alive = SessionCommand::KeepAlive { session };
    assert_eq!(bench.reply(keep_alive), refused(Refusal::NoSession));
    let increment = bench.once(session, 1, increment());
    assert_eq!(increment.reply, refused(Refusal::NoSession));
    assert_eq!(bench.get("n"), None, "the request was not executed");
}

#[test]
fn a_request_is_executed_once_for_each_sequence() {
    let mut bench = Bench::new();
    let session = bench.open(1000);
    let first = bench.once(session, 5, increment()).reply;
    assert!(matches!(first, Reply::Integer { value: 1, .. }));

    assert_eq!(bench.once(session, 5, increment()).reply, first);
    assert_eq!(bench.get("n"), Some(Bytes::from("1")));

    let older = bench.once(session, 4, increment()).reply;
    assert_eq!(older, refused(Refusal::StaleSequence { last: 5 }));
    let later = bench.once(session, 9, increment()).reply;
    assert!(matches!(later, Reply::Integer { value: 2, .. }));
    let older = bench.once(session, 5, increment()).reply;
    assert_eq!(older, refused(Refusal::StaleSequence { last: 9 }));
}

#[test]
fn a_sequence_belongs_to_the_command_that_had_it() {
    let mut bench = Bench::new();
    let session = bench.open(1000);
    let reused = refused(Refusal::SequenceReused);
    let first = bench.once(session, 1, increment()).reply;
    assert_eq!(bench.once(session, 1, set("n", "9")).reply, reused);
    assert_eq!(bench.get("n"), Some(Bytes::from("1")));
    // The record stays what it was, and the session goes on.
    assert_eq!(bench.once(session, 1, increment()).reply, first);
    let next = bench.once(session, 2, set("n", "9")).reply;
    assert!(matches!(next, Reply::Stored { .. }), "{next:?}");
    assert_eq!(bench.once(session, 2, set("n", "8")).reply, reused);
    assert_eq!(bench.once(session, 2, set("n", "9")).reply, next);
}

#[test]
fn how_long_a_command_waits_and_where_a_pop_looks_makes_no_other_command() {
    let mut bench = Bench::new();
    let (holder, waiter) = (bench.open(60_000), bench.open(60_000));
    bench.run(acquire("l", holder, LockMode::Exclusive, 0));
    let waits = |ms| acquire("l", waiter, LockMode::Exclusive, ms);
    let waiting = bench.once(waiter, 1, waits(900)).reply;
    assert!(matches!(waiting, Reply::Waiting { .. }), "{waiting:?}");
    assert_eq!(bench.once(waiter, 1, waits(700)).reply, waiting);
    let reused = refused(Refusal::SequenceReused);
    let shared = acquire("l", waiter, LockMode::Shared, 900);
    assert_eq!(bench.once(waiter, 1, shared).reply, reused);

    bench.run(push("list", End::Right, &["a", "b"]));
    let pop = |keys: &[&'static str], end| ListCommand::Pop {
        keys: keys.iter().map(|&key| Bytes::from(key)).collect(),
        end,
        count: 1,
    };
    let popped = bench.once(holder, 1, pop(&["list"], End::Left)).reply;
    assert!(matches!(popped, Reply::Popped(Some(_))), "{popped:?}");
    let other_list = pop(&["other", "list"], End::Left);
    assert_eq!(bench.once(holder, 1, other_list).reply, popped);
    assert_eq!(
        bench.once(holder, 1, pop(&["list"], End::Right)).reply,
        reused
    );
    // From no list at all: whatever it was.
    bench.once(holder, 2, set("n", "1"));
    let record = bench.once(holder, 2, pop(&[], End::Left)).reply;
    assert!(matches!(record, Reply::Stored { .. }), "{record:?}");
}

#[test]
fn at_level_0_a_sequence_is_looked_at_alone() {
    let mut bench = Bench::new();
    bench.state.level = 0;
    let session = bench.open(1000);
    let first = bench.once(session, 1, increment()).reply;
    assert_eq!(bench.once(session, 1, set("n", "9")).reply, first);
    // What was recorded by those rules stays so.
    let limits = Limits::default();
    bench.run(Command::Raise { level: 1, limits });
    assert_eq!(bench.once(session, 1, set("n", "9")).reply, first);
}

#[test]
fn a_refusal_is_recorded() {
    let mut bench = Bench::new();
    let session = bench.open(1000);
    bench.reply(set("n", "text"));
    let first = bench.once(session, 1, increment()).reply;
    assert_eq!(first, refused(Refusal::NotAnInteger));
    bench.reply(set("n", "7"));
    assert_eq!(bench.once(session, 1, increment()).reply, first);
    assert_eq!(bench.get("n"), Some(Bytes::from("7")));
}

#[test]
fn an_empty_receive_is_not_recorded_and_a_full_one_is() {
    let mut bench = Bench::new();
    let session = bench.open(60_000);
    let receive = || QueueCommand::Receive {
        queue: "q".into(),
        count: 1,
        visibility_ms: None,
    };
    let empty = bench.once(session, 1, receive()).reply;
    assert_eq!(empty, Reply::Messages(vec![]));
    bench.run(publish("q", vec![message("a"), message("b")]));
    let full = bench.once(session, 1, receive()).reply;
    assert!(matches!(&full, Reply::Messages(messages) if messages[0].payload == "a"));
    assert_eq!(bench.once(session, 1, receive()).reply, full);
    assert_eq!(bench.queue_info("q").in_flight, 1);
}

#[test]
fn every_once_request_renews_its_session() {
    let mut bench = Bench::new();
    let session = bench.open(1000);
    for sequence in [3, 3, 1] {
        let before_ms = bench.state.next_due_ms();
        bench.pass(900).once(session, sequence, set("k", "v"));
        assert_eq!(before_ms, Some(bench.time_ms + 100));
        assert_eq!(bench.state.next_due_ms(), Some(bench.time_ms + 1000));
    }
}

#[test]
fn session_commands_ignore_once() {
    let mut bench = Bench::new();
    let session = bench.open(1000);
    for _ in 0..2 {
        let applied = bench.once(session, 1, SessionCommand::Open { ttl_ms: 200 });
        let opened = Reply::SessionOpened {
            session: bench.state.applied_index(),
            ttl_ms: 200,
        };
        assert_eq!(applied.reply, opened);
    }
    let executed = bench.once(session, 1, increment()).reply;
    assert!(matches!(executed, Reply::Integer { value: 1, .. }));
}

#[test]
fn a_recorded_wait_is_answered_with_its_end() {
    let waits = [
        ("granted", Reply::Granted { token: 0 }),
        ("timed out", Reply::NotGranted),
        ("cancelled", Reply::NotGranted),
    ];
    for (end, expected) in waits {
        let mut bench = Bench::new();
        let (holder, asker) = (bench.open(60_000), bench.open(60_000));
        bench.run(acquire("l", holder, LockMode::Exclusive, 0));
        let token = bench.state.applied_index();
        let ask = acquire("l", asker, LockMode::Exclusive, 500);
        let waiting = bench.once(asker, 1, ask.clone()).reply;
        let waiter = bench.state.applied_index();
        assert_eq!(waiting, Reply::Waiting { waiter });
        assert_eq!(bench.once(asker, 1, ask.clone()).reply, waiting, "{end}");

        let mut final_reply = expected;
        match end {
            "granted" => {
                bench.run(release("l", holder, token));
                let token = bench.state.applied_index();
                final_reply = Reply::Granted { token };
            }
            // No entry in between: the retry itself brings the time.
            "timed out" => drop(bench.pass(500)),
            _ => drop(bench.run(LockCommand::Cancel {
                name: "l".into(),
                session: asker,
            })),
        }
        assert_eq!(bench.once(asker, 1, ask.clone()).reply, final_reply);
        assert_eq!(bench.once(asker, 1, ask).reply, final_reply, "{end}");
    }
}

#[test]
fn an_entry_applied_before_changes_nothing() {
    let mut bench = Bench::new();
    bench.run(increment());
    let before = bench.state.clone();
    for index in [0, bench.state.applied_index()] {
        let stamp = Stamp {
            index,
            time_ms: u64::MAX,
        };
        let request = Request {
            time_ms: u64::MAX,
            once: None,
            command: increment().into(),
        };
        let applied = bench.state.apply(stamp, &request);
        assert_eq!(applied.reply, Reply::Done);
        assert_eq!(bench.state, before);
    }
}

fn increment() -> CacheCommand {
    CacheCommand::Increment {
        key: Bytes::from("n"),
        by: 1,
    }
}

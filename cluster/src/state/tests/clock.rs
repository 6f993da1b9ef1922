//! Log time: the two clocks, a new leader, and what a leader should propose.

use super::*;

#[test]
fn the_clock_is_the_largest_stamp() {
    let mut bench = Bench::new();
    bench.pass(50).tick();
    assert_eq!(bench.state.clock_ms(), START_MS + 50);
    bench.time_ms = START_MS + 20;
    bench.tick();
    assert_eq!(bench.state.clock_ms(), START_MS + 50);
    bench.time_ms = u64::MAX;
    bench.tick();
    assert_eq!(bench.state.clock_ms(), u64::MAX);
}

/// One of everything that has a deadline, each 1000 ms from now, and the session's holder.
fn everything_due_in_a_second() -> (Bench, SessionId) {
    let mut bench = Bench::new();
    let (holder, asker) = (bench.open(600_000), bench.open(600_000));
    bench.run(acquire("l", holder, LockMode::Exclusive, 0));
    bench.run(acquire("l", asker, LockMode::Exclusive, 1000));
    let delayed = NewMessage {
        delay_ms: 1000,
        ..message("delayed")
    };
    bench.run(publish("delayed", vec![delayed]));
    bench.run(publish("hidden", vec![message("hidden")]));
    bench.run(QueueCommand::Receive {
        queue: "hidden".into(),
        count: 1,
        visibility_ms: Some(1000),
    });
    bench.run(set_with("k", "v", Some(1000), false, SetCondition::Always));
    let session = bench.open(1000);
    (bench, session)
}

#[test]
fn time_without_a_leader_counts_for_nobody() {
    let (mut bench, session) = everything_due_in_a_second();
    bench.pass(400).tick();
    let applied = bench.pass(50_000).run(Command::NewLeader);
    assert_eq!((applied.wakes, applied.ready_queues), (vec![], vec![]));
    assert!(bench.get("k").is_some());
    let alive = Reply::SessionInfo { ttl_ms: Some(1000) };
    assert_eq!(bench.state.read(&Query::Session { session }), alive);

    // What had 600 ms left still has 600; the session has its full second again.
    let now_ms = bench.time_ms;
    assert_eq!(bench.state.next_due_ms(), Some(now_ms + 600));
    assert_eq!(bench.state.due(now_ms + 599), None);
    let applied = bench.pass(599).tick();
    assert_eq!((applied.wakes, applied.ready_queues), (vec![], vec![]));
    let applied = bench.pass(1).tick();
    assert_eq!(applied.wakes.len(), 1);
    assert_eq!(applied.ready_queues, ["delayed", "hidden"]);
    assert_eq!(bench.get("k"), None);
    assert_eq!(bench.state.next_due_ms(), Some(now_ms + 1000));
    assert_eq!(bench.state.due(now_ms + 999), None);
    let sessions = vec![(session, now_ms + 1000)];
    let due = bench.state.due(now_ms + 1000);
    assert_eq!(due, Some(Command::Expire { sessions }));
}

#[test]
fn a_new_leader_with_a_slow_clock_shortens_nothing() {
    let (mut bench, session) = everything_due_in_a_second();
    bench.pass(400).tick();
    let deadline_ms = bench.state.next_due_ms();
    bench.time_ms -= 350;
    bench.run(Command::NewLeader);
    assert_eq!(bench.state.next_due_ms(), deadline_ms);
    let after = bench.state.due(bench.state.clock_ms() + 1000);
    let sessions = vec![(session, bench.state.clock_ms() + 1000)];
    assert_eq!(after, Some(Command::Expire { sessions }), "renewed in full");
}

#[test]
fn a_renewal_by_a_new_leader_voids_the_expiry_of_the_old_one() {
    let mut bench = Bench::new();
    let session = bench.open(1000);
    bench.pass(1000);
    let stale = bench.state.due(bench.time_ms).expect("the session is due");
    bench.run(Command::NewLeader);
    bench.pass(5000).run(stale);
    let alive = Reply::SessionInfo { ttl_ms: Some(1000) };
    assert_eq!(bench.state.read(&Query::Session { session }), alive);
}

#[test]
fn due_names_what_next_due_promises() {
    let (bench, session) = everything_due_in_a_second();
    let at_ms = START_MS + 1000;
    assert_eq!(bench.state.next_due_ms(), Some(at_ms));
    assert_eq!(bench.state.due(at_ms - 1), None);
    let sessions = vec![(session, at_ms)];
    let expected = Some(Command::Expire { sessions });
    assert_eq!(bench.state.due(at_ms), expected);
}

#[test]
fn what_needs_no_guard_is_due_with_an_empty_list() {
    let mut bench = Bench::new();
    assert_eq!(bench.state.next_due_ms(), None);
    assert_eq!(bench.state.due(u64::MAX), None);
    bench.run(set_with("k", "v", Some(10), false, SetCondition::Always));
    let due = bench.state.due(bench.time_ms + 10);
    assert_eq!(due, Some(Command::Expire { sessions: vec![] }));
}

#[test]
fn one_expiry_ends_a_bounded_number_of_sessions() {
    let mut bench = Bench::new();
    let count = crate::state::LARGEST_EXPIRE + 5;
    for _ in 0..count {
        let stamp = Stamp {
            index: bench.state.applied_index() + 1,
            time_ms: bench.time_ms,
        };
        let request = Request {
            time_ms: bench.time_ms,
            once: None,
            command: SessionCommand::Open { ttl_ms: 100 }.into(),
        };
        bench.state.apply(stamp, &request);
    }
    bench.pass(100).expire_due();
    match bench.state.due(bench.time_ms) {
        Some(Command::Expire { sessions }) => assert_eq!(sessions.len(), 5),
        other => panic!("five sessions are still due, but got {other:?}"),
    }
}

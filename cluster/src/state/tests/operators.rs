//! Tests the commands of operators: deleting queues, re-driving messages, listings.

use super::*;

fn delete(queue: &str, if_empty: bool) -> QueueCommand {
    QueueCommand::Delete {
        queue: queue.to_owned(),
        if_empty,
    }
}

fn redrive(from: &str, to: &str, count: u32) -> QueueCommand {
    QueueCommand::Redrive {
        from: from.to_owned(),
        to: to.to_owned(),
        count,
    }
}

/// Walks the listing to its end, `count` at a time: names and figures.
fn walk(
    bench: &Bench,
    of: Listing,
    count: u64,
    pattern: Option<&'static str>,
) -> Vec<(String, Vec<u64>)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let query = Query::List {
            of,
            after,
            count,
            pattern: pattern.map(Bytes::from),
        };
        let Reply::Listed { after: next, rows } = bench.state.read(&query) else {
            panic!("a listing is answered with rows");
        };
        assert!(rows.len() as u64 <= count);
        found.extend(rows.into_iter().map(|row| {
            let name = String::from_utf8_lossy(&row.name).into_owned();
            (name, row.figures)
        }));
        after = next;
        if after.is_none() {
            return found;
        }
    }
}

#[test]
fn a_deleted_queue_is_gone_with_its_messages_settings_and_producers() {
    let mut bench = Bench::new();
    let strict = QueueSettings {
        max_depth: 2,
        ..QueueSettings::default()
    };
    bench.run(configure("q", strict));
    let numbered = NewMessage {
        dedup: Some(("p".into(), 1)),
        ..message("a")
    };
    bench.run(publish("q", vec![numbered.clone(), message("b")]));
    bench.receive("q", 1);
    assert_eq!(
        bench.reply(delete("q", true)),
        refused(Refusal::NotEmpty { messages: 2 })
    );
    assert_eq!(bench.reply(delete("q", false)), Reply::Purged(2));
    let query = Query::Queue { queue: "q".into() };
    assert_eq!(bench.state.read(&query), Reply::QueueInfo(None));
    assert_eq!(bench.reply(delete("q", false)), refused(Refusal::NoQueue));
    // Whatever was due in it is due no more.
    assert_eq!(bench.state.next_due_ms(), None);

    let batch = vec![numbered, message("b"), message("c")];
    let ids = vec![1, 2, 3];
    assert_eq!(bench.reply(publish("q", batch)), Reply::Published { ids });
    bench.run(ack("q", &[1]));
    assert_eq!(bench.queue_info("q").acked, 0);
}

/// A receipt that somebody still has must not settle what he never received.
#[test]
fn receipts_of_a_deleted_queue_are_void_for_ever() {
    let mut bench = Bench::new();
    bench.run(publish("q", vec![message("old")]));
    let old = bench.receive("q", 1).remove(0).receipt;
    bench.run(delete("q", false));
    bench.state = State::decode(&bench.state.encode()).expect("a snapshot decodes");
    bench.run(publish("q", vec![message("new")]));
    let new = bench.receive("q", 1).remove(0).receipt;
    assert!(new > old, "{new} was given before");
    assert_eq!(bench.reply(ack("q", &[old])), Reply::Settled(0));
    assert_eq!(bench.reply(ack("q", &[new])), Reply::Settled(1));
}

#[test]
fn the_queue_that_takes_the_place_of_a_deleted_one_keeps_its_deadlines() {
    let mut bench = Bench::new();
    for queue in ["first", "middle", "last"] {
        bench.run(publish(queue, vec![message("m")]));
        bench.receive(queue, 1);
    }
    bench.run(delete("first", false));
    bench.pass(30_000).tick();
    for queue in ["middle", "last"] {
        assert_eq!(bench.payloads(queue), ["m"], "{queue}");
    }
    bench.run(delete("last", false));
    bench.run(delete("middle", false));
    assert_eq!(walk(&bench, Listing::Queues, 10, None), []);
}

#[test]
fn a_dead_letter_queue_is_driven_again_in_order_and_counted_once() {
    let mut bench = Bench::new();
    let once = QueueSettings {
        max_deliveries: 1,
        ..QueueSettings::default()
    };
    bench.run(configure("q", once));
    let batch = vec![grouped("1", "g"), message("2"), grouped("3", "g")];
    bench.run(publish("q", batch));
    for _ in 0..3 {
        for delivery in bench.receive("q", 1) {
            bench.run(nack("q", delivery.receipt, 0));
        }
    }
    assert_eq!(bench.queue_info("q.dead").ready, 3);
    assert_eq!(bench.reply(redrive("q.dead", "q", 2)), Reply::Size(2));
    let dead = bench.queue_info("q.dead");
    assert_eq!((dead.ready, dead.acked, dead.published), (1, 2, 3));
    assert_eq!(bench.reply(redrive("q.dead", "q", 1_000)), Reply::Size(1));
    assert_eq!(bench.reply(redrive("q.dead", "q", 1_000)), Reply::Size(0));
    let info = bench.queue_info("q");
    assert_eq!((info.ready, info.published, info.dead_lettered), (3, 6, 3));
    let received = bench.receive("q", 3);
    assert!(received.iter().all(|delivery| delivery.deliveries == 1));
    let payloads: Vec<&[u8]> = received.iter().map(|it| &it.payload[..]).collect();
    assert_eq!(payloads, [b"1", b"2"], "one of a group at a time");
    let receipts: Vec<Receipt> = received.iter().map(|it| it.receipt).collect();
    bench.run(ack("q", &receipts));
    assert_eq!(bench.payloads("q"), ["3"]);
}

#[test]
fn only_what_can_be_delivered_is_driven_again_and_only_as_far_as_there_is_room() {
    let mut bench = Bench::new();
    let limit = QueueSettings {
        max_depth: 3,
        ..QueueSettings::default()
    };
    bench.run(configure("q", limit));
    bench.run(publish("q", vec![message("there")]));
    let delayed = NewMessage {
        delay_ms: 500,
        ..message("later")
    };
    let batch = vec![
        message("a"),
        message("b"),
        message("c"),
        message("d"),
        delayed,
    ];
    bench.run(publish("dead", batch));
    bench.receive("dead", 1);
    assert_eq!(bench.reply(redrive("dead", "q", 10)), Reply::Size(2));
    let full = Refusal::QueueFull { depth: 3, limit: 3 };
    assert_eq!(bench.reply(redrive("dead", "q", 10)), refused(full));
    let dead = bench.queue_info("dead");
    assert_eq!((dead.ready, dead.in_flight, dead.delayed), (1, 1, 1));
    for (from, to, why) in [
        ("dead", "typo", Refusal::NoQueue),
        ("typo", "q", Refusal::NoQueue),
        ("q", "q", Refusal::OutOfRange),
    ] {
        assert_eq!(
            bench.reply(redrive(from, to, 10)),
            refused(why),
            "{from} {to}"
        );
    }
    assert_eq!(
        bench.reply(redrive("dead", "q", 1_001)),
        refused(Refusal::OutOfRange)
    );
}

#[test]
fn listings_name_everything_once_in_any_number_of_steps() {
    let mut bench = Bench::new();
    let sessions: Vec<SessionId> = (0..5).map(|nth| bench.open(10_000 + nth)).collect();
    for (nth, session) in sessions.iter().enumerate() {
        let name = format!("lock-{nth}");
        bench.run(acquire(&name, *session, LockMode::Shared, 0));
        bench.run(acquire("all", *session, LockMode::Exclusive, 1_000));
        bench.run(publish(&format!("queue-{nth}"), vec![message("m"); nth]));
    }
    let Reply::Granted { token } = bench.reply(acquire("lock-2", sessions[2], LockMode::Shared, 0))
    else {
        panic!("it is held already");
    };
    bench.run(release("lock-2", sessions[2], token));
    bench.receive("queue-3", 2);
    bench.pass(4_000).tick();
    for count in [1, 2, 3, 100] {
        let queues = walk(&bench, Listing::Queues, count, None);
        let names: Vec<&str> = queues.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["queue-0", "queue-1", "queue-2", "queue-3", "queue-4"]
        );
        assert_eq!(queues[3].1, [1, 2, 0]);
        let locks = walk(&bench, Listing::Locks { held: false }, count, None);
        assert_eq!(locks.len(), 6);
        // The waits have ended.
        assert_eq!(locks[0], ("all".to_owned(), vec![1, 0]));
        let held = walk(&bench, Listing::Locks { held: true }, count, Some("lock-*"));
        assert_eq!(held.len(), 4, "{held:?}");
        let listed = walk(&bench, Listing::Sessions, count, None);
        let ids: Vec<String> = sessions.iter().map(SessionId::to_string).collect();
        let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ids);
        assert_eq!(listed[4].1, [10_004, 6_004]);
    }
    // A name that is no longer there is a place to go on from as well.
    let query = Query::List {
        of: Listing::Queues,
        after: Some(Bytes::from("queue-1x")),
        count: 1,
        pattern: None,
    };
    let Reply::Listed { rows, .. } = bench.state.read(&query) else {
        panic!("a listing is answered with rows");
    };
    assert_eq!(rows[0].name, "queue-2");
}

/// The account of memory is kept up to date by every command (the bench holds it against one
/// made from the snapshot); here, that it sees what is large and forgets what is gone.
#[test]
fn the_account_of_memory_rises_and_falls_with_what_is_there() {
    let mut bench = Bench::new();
    let empty = bench.state.bytes();
    assert_eq!(empty, 0);
    let session = bench.open(60_000);
    let opened = bench.state.bytes();
    let large = Bytes::from(vec![b'x'; 10_000]);
    let put = |key: &'static str| CacheCommand::Set {
        key: key.into(),
        value: large.clone(),
        ttl_ms: Some(50_000),
        keep_ttl: false,
        condition: SetCondition::Always,
    };
    for key in ["a", "b", "a"] {
        bench.run(put(key));
    }
    assert!((20_000..22_000).contains(&(bench.state.bytes() - opened)));
    bench.run(CacheCommand::Delete {
        keys: vec!["b".into()],
    });
    bench.pass(50_000).tick();
    assert_eq!(bench.state.bytes(), opened);

    bench.run(acquire("l", session, LockMode::Exclusive, 0));
    let letter = NewMessage {
        payload: large.clone(),
        ..message("")
    };
    bench.run(publish("q", vec![letter.clone(), letter]));
    let before = bench.state.bytes();
    // What is received stays with the session for a retry, and goes with the next reply.
    bench.once(
        session,
        1,
        QueueCommand::Receive {
            queue: "q".into(),
            count: 2,
            visibility_ms: None,
        },
    );
    assert!(bench.state.bytes() - before > 20_000);
    bench.once(session, 2, ack("q", &[1, 2]));
    assert!(bench.state.bytes() < before - 20_000);
    bench.run(SessionCommand::Close { session });
    bench.run(delete("q", true));
    // The name of a lock stays for good.
    assert!(bench.state.bytes() < 400);
}

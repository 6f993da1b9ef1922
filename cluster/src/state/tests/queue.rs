//! Queues: publish, receive, settle, visibility, limits, deduplication.

use super::*;
use crate::state::{DEDUP_WINDOW, LARGEST_BATCH, LONGEST_MS};

#[test]
fn a_missing_queue_is_empty() {
    let mut bench = Bench::new();
    assert_eq!(bench.receive("q", 1), []);
    for (command, expected) in [
        (ack("q", &[1]), Reply::Settled(0)),
        (nack("q", 1, 0), Reply::Settled(0)),
        (extend(1, 10), Reply::Settled(0)),
        (purge(), Reply::Purged(0)),
    ] {
        assert_eq!(bench.reply(command), expected);
    }
    let query = Query::Queue { queue: "q".into() };
    assert_eq!(bench.state.read(&query), Reply::QueueInfo(None));
    assert_eq!(bench.reply(configure("q", settings())), Reply::Done);
    assert_eq!(bench.queue_info("q"), QueueInfo::default());
}

#[test]
fn messages_are_delivered_in_publish_order_and_settled_by_receipt() {
    let mut bench = Bench::new();
    let applied = bench.run(publish("q", vec![message("a"), message("b")]));
    assert_eq!(applied.reply, Reply::Published { ids: vec![1, 2] });
    assert_eq!(applied.ready_queues, ["q"]);
    let received = bench.receive("q", 5);
    let seen: Vec<(MessageId, u32, &[u8])> = received
        .iter()
        .map(|each| (each.id, each.deliveries, &each.payload[..]))
        .collect();
    assert_eq!(seen, [(1, 1, &b"a"[..]), (2, 1, &b"b"[..])]);
    assert_eq!(bench.receive("q", 5), []);

    let receipts = [received[1].receipt, 999, received[1].receipt];
    assert_eq!(bench.reply(ack("q", &receipts)), Reply::Settled(1));
    let info = QueueInfo {
        in_flight: 1,
        published: 2,
        acked: 1,
        ..QueueInfo::default()
    };
    assert_eq!(bench.queue_info("q"), info);
}

#[test]
fn a_request_receives_no_more_messages_once_it_has_enough_bytes() {
    let mut bench = Bench::new();
    let large = NewMessage {
        payload: vec![b'x'; 7 * 1024 * 1024].into(),
        ..message("large")
    };
    bench.run(publish(
        "q",
        vec![large.clone(), large.clone(), large.clone(), large],
    ));
    assert_eq!(bench.receive("q", 1_000).len(), 3);
    assert_eq!(bench.receive("q", 1_000).len(), 1);
}

#[test]
fn visibility_ends_exactly_at_its_deadline_and_voids_the_receipt() {
    let mut bench = Bench::new();
    bench.run(configure("q", settings()));
    bench.run(publish("q", vec![message("a")]));
    let first = bench.receive("q", 1).remove(0);
    assert!(bench.pass(999).tick().ready_queues.is_empty());
    assert_eq!(bench.pass(1).tick().ready_queues, ["q"]);
    for late in [ack("q", &[first.receipt]), nack("q", first.receipt, 0)] {
        assert_eq!(bench.reply(late), Reply::Settled(0));
    }
    assert_eq!(bench.reply(extend(first.receipt, 10)), Reply::Settled(0));

    let second = bench.receive("q", 1).remove(0);
    assert_eq!((second.id, second.deliveries), (first.id, 2));
    assert_ne!(second.receipt, first.receipt);
    assert_eq!(bench.reply(ack("q", &[first.receipt])), Reply::Settled(0));
    assert_eq!(bench.reply(ack("q", &[second.receipt])), Reply::Settled(1));
}

#[test]
fn a_receive_may_choose_its_visibility() {
    let mut bench = Bench::new();
    bench.run(publish("q", vec![message("a")]));
    bench.run(QueueCommand::Receive {
        queue: "q".into(),
        count: 1,
        visibility_ms: Some(50),
    });
    assert_eq!(bench.state.next_due_ms(), Some(bench.time_ms + 50));
    assert_eq!(bench.pass(50).tick().ready_queues, ["q"]);
}

#[test]
fn extend_hides_from_now_on() {
    let mut bench = Bench::new();
    bench.run(configure("q", settings()));
    bench.run(publish("q", vec![message("a")]));
    let receipt = bench.receive("q", 1)[0].receipt;
    bench.pass(900);
    assert_eq!(bench.reply(extend(receipt, 500)), Reply::Settled(1));
    assert!(bench.pass(499).tick().ready_queues.is_empty());
    assert_eq!(bench.reply(extend(receipt, 10)), Reply::Settled(1));
    assert_eq!(bench.pass(10).tick().ready_queues, ["q"]);
}

#[test]
fn nack_returns_at_once_or_after_a_delay() {
    let mut bench = Bench::new();
    bench.run(publish("q", vec![message("a")]));
    let receipt = bench.receive("q", 1)[0].receipt;
    let applied = bench.run(nack("q", receipt, 0));
    assert_eq!(applied.reply, Reply::Settled(1));
    assert_eq!(applied.ready_queues, ["q"]);

    let again = bench.receive("q", 1).remove(0);
    assert_eq!(again.deliveries, 2);
    let applied = bench.run(nack("q", again.receipt, 300));
    assert_eq!(applied.reply, Reply::Settled(1));
    assert!(applied.ready_queues.is_empty());
    assert_eq!(bench.queue_info("q").delayed, 1);
    assert!(bench.pass(299).tick().ready_queues.is_empty());
    assert_eq!(bench.pass(1).tick().ready_queues, ["q"]);
}

#[test]
fn a_delayed_message_is_not_ready_before_its_time() {
    let mut bench = Bench::new();
    let delayed = NewMessage {
        delay_ms: 200,
        ..message("late")
    };
    let applied = bench.run(publish("q", vec![delayed]));
    assert!(applied.ready_queues.is_empty());
    bench.pass(199);
    assert_eq!(bench.receive("q", 1), []);
    bench.pass(1);
    assert_eq!(bench.payloads("q"), ["late"]);
}

#[test]
fn the_depth_limit_is_exact_and_a_batch_is_atomic() {
    let mut bench = Bench::new();
    bench.run(configure(
        "q",
        QueueSettings {
            max_depth: 3,
            ..settings()
        },
    ));
    bench.run(publish("q", vec![message("a"), message("b")]));
    let receipt = bench.receive("q", 1)[0].receipt;
    let full = refused(Refusal::QueueFull { depth: 2, limit: 3 });
    let two = publish("q", vec![message("c"), message("d")]);
    assert_eq!(bench.reply(two.clone()), full, "in flight counts");
    assert_eq!(bench.queue_info("q").published, 2);
    bench.run(ack("q", &[receipt]));
    assert_eq!(bench.reply(two), Reply::Published { ids: vec![3, 4] });
    let one = bench.reply(publish("q", vec![message("e")]));
    assert_eq!(one, refused(Refusal::QueueFull { depth: 3, limit: 3 }));
    let none = bench.reply(publish("q", vec![]));
    assert_eq!(none, Reply::Published { ids: vec![] });
}

#[test]
fn a_repeat_is_answered_with_the_first_id() {
    let mut bench = Bench::new();
    let batch = vec![numbered(1), numbered(2), numbered(1), message("plain")];
    let reply = bench.reply(publish("q", batch));
    let ids = vec![1, 2, 1, 3];
    assert_eq!(reply, Reply::Published { ids });
    let reply = bench.reply(publish("q", vec![numbered(2), numbered(1), numbered(3)]));
    let ids = vec![2, 1, 4];
    assert_eq!(reply, Reply::Published { ids });
    assert_eq!(bench.queue_info("q").published, 4);

    // Another queue, and another producer, are numbered apart.
    let reply = bench.reply(publish("other", vec![numbered(1)]));
    assert_eq!(reply, Reply::Published { ids: vec![1] });
    let other = NewMessage {
        dedup: Some(("other".into(), 1)),
        ..message("m")
    };
    let reply = bench.reply(publish("q", vec![other]));
    assert_eq!(reply, Reply::Published { ids: vec![5] });
}

#[test]
fn a_repeat_does_not_count_against_the_depth_limit() {
    let mut bench = Bench::new();
    bench.run(configure(
        "q",
        QueueSettings {
            max_depth: 1,
            ..settings()
        },
    ));
    let batch = vec![numbered(1), numbered(1)];
    for _ in 0..2 {
        let reply = bench.reply(publish("q", batch.clone()));
        assert_eq!(reply, Reply::Published { ids: vec![1, 1] });
    }
}

#[test]
fn a_sequence_skipped_within_the_window_is_published_late() {
    let mut bench = Bench::new();
    bench.run(publish("q", vec![numbered(5)]));
    let reply = bench.reply(publish("q", vec![numbered(3)]));
    assert_eq!(reply, Reply::Published { ids: vec![2] });
    let reply = bench.reply(publish("q", vec![numbered(3), numbered(5)]));
    assert_eq!(reply, Reply::Published { ids: vec![2, 1] });
}

#[test]
fn a_sequence_below_the_window_is_refused_and_with_it_the_batch() {
    let mut bench = Bench::new();
    let window = DEDUP_WINDOW as u64;
    for start in (1..=window + 1).step_by(LARGEST_BATCH) {
        let end = (start + LARGEST_BATCH as u64).min(window + 2);
        bench.run(publish("q", (start..end).map(numbered).collect()));
    }
    assert_eq!(bench.queue_info("q").published, window + 1);
    let reply = bench.reply(publish("q", vec![numbered(2)]));
    assert_eq!(reply, Reply::Published { ids: vec![2] }, "still known");
    let reply = bench.reply(publish("q", vec![message("fresh"), numbered(1)]));
    let stale = Refusal::StaleSequence { last: window + 1 };
    assert_eq!(reply, refused(stale));
    assert_eq!(bench.queue_info("q").published, window + 1);
}

#[test]
fn purge_drops_ready_delayed_and_in_flight() {
    let mut bench = Bench::new();
    let delayed = NewMessage {
        delay_ms: 100,
        ..grouped("c", "g")
    };
    let batch = vec![message("a"), grouped("b", "g"), delayed];
    bench.run(publish("q", batch));
    let receipt = bench.receive("q", 1)[0].receipt;
    assert_eq!(bench.reply(purge()), Reply::Purged(3));
    assert_eq!(bench.reply(ack("q", &[receipt])), Reply::Settled(0));
    let info = QueueInfo {
        published: 3,
        purged: 3,
        ..QueueInfo::default()
    };
    assert_eq!(bench.queue_info("q"), info);
    assert_eq!(bench.state.next_due_ms(), None);
    bench.run(publish("q", vec![grouped("d", "g")]));
    assert_eq!(bench.payloads("q"), ["d"]);
}

#[test]
fn durations_and_batches_have_a_range() {
    let mut bench = Bench::new();
    let delayed = NewMessage {
        delay_ms: LONGEST_MS + 1,
        ..message("m")
    };
    let receive = |count, visibility_ms| QueueCommand::Receive {
        queue: "q".into(),
        count,
        visibility_ms,
    };
    for command in [
        configure(
            "q",
            QueueSettings {
                visibility_ms: LONGEST_MS + 1,
                ..settings()
            },
        ),
        publish("q", vec![message("m"); LARGEST_BATCH + 1]),
        publish("q", vec![delayed]),
        receive(LARGEST_BATCH as u32 + 1, None),
        receive(1, Some(LONGEST_MS + 1)),
        ack("q", &vec![0; LARGEST_BATCH + 1]),
        nack("q", 1, LONGEST_MS + 1),
        extend(1, LONGEST_MS + 1),
    ] {
        assert_eq!(bench.reply(command), refused(Refusal::OutOfRange));
    }
    let query = Query::Queue { queue: "q".into() };
    let none = bench.state.read(&query);
    assert_eq!(none, Reply::QueueInfo(None), "a refusal creates no queue");

    bench.run(publish("q", vec![message("m"); LARGEST_BATCH]));
    assert_eq!(
        bench.receive("q", LARGEST_BATCH as u32).len(),
        LARGEST_BATCH
    );
}

fn settings() -> QueueSettings {
    QueueSettings {
        visibility_ms: 1000,
        ..QueueSettings::default()
    }
}

fn numbered(sequence: u64) -> NewMessage {
    NewMessage {
        dedup: Some(("producer".into(), sequence)),
        ..message("m")
    }
}

fn extend(receipt: Receipt, visibility_ms: u64) -> QueueCommand {
    QueueCommand::Extend {
        queue: "q".into(),
        receipt,
        visibility_ms,
    }
}

fn purge() -> QueueCommand {
    QueueCommand::Purge { queue: "q".into() }
}

#[test]
fn a_receive_of_large_messages_stops_after_its_bytes() {
    let mut bench = Bench::new();
    let payload = Bytes::from(vec![b'x'; crate::state::LARGEST_RECEIVE_BYTES / 4 + 1]);
    let large = NewMessage {
        payload,
        ..message("")
    };
    bench.run(publish("q", vec![large; 6]));
    assert_eq!(bench.receive("q", 6).len(), 4);
    assert_eq!(
        bench.receive("q", 6).len(),
        2,
        "the others come with the next"
    );
}

//! Queues: priority, groups, the order of redelivery, and which waiters ready messages wake.

use super::*;

#[test]
fn larger_priority_goes_first_then_publish_order() {
    let mut bench = Bench::new();
    let batch =
        [("a", 0), ("b", 255), ("c", 7), ("d", 255), ("e", 0)].map(|(name, priority)| NewMessage {
            priority,
            ..message(name)
        });
    bench.run(publish("q", batch.to_vec()));
    assert_eq!(bench.payloads("q"), ["b", "d", "c", "a", "e"]);
}

#[test]
fn redelivery_takes_the_old_place() {
    let mut bench = Bench::new();
    bench.run(publish("q", ["a", "b", "c", "d"].map(message).to_vec()));
    let received = bench.receive("q", 3);
    for at in [2, 0, 1] {
        bench.run(nack("q", received[at].receipt, 0));
    }
    assert_eq!(bench.payloads("q"), ["a", "b", "c", "d"]);
    bench.pass(30_000);
    assert_eq!(bench.payloads("q"), ["a", "b", "c", "d"]);
}

#[test]
fn a_group_has_one_in_flight_and_keeps_its_order() {
    let mut bench = Bench::new();
    let batch = [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")];
    let batch = batch.map(|(name, group)| grouped(name, group)).to_vec();
    bench.run(publish("q", batch));
    assert_eq!(bench.queue_info("q").ready, 4, "held back is still ready");
    let first = bench.receive("q", 10);
    assert_eq!(
        first.iter().map(|each| &each.payload).collect::<Vec<_>>(),
        ["a1", "b1"]
    );

    // A redelivered message goes before the later ones of its group.
    bench.run(nack("q", first[0].receipt, 0));
    let again = bench.receive("q", 10);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].payload, "a1");

    let applied = bench.run(ack("q", &[again[0].receipt]));
    assert_eq!(
        applied.ready_queues,
        ["q"],
        "the next of the group is ready"
    );
    assert_eq!(bench.payloads("q"), ["a2"]);
    assert_eq!(bench.payloads("q"), Vec::<Bytes>::new());
}

#[test]
fn a_delayed_head_holds_back_its_group() {
    let mut bench = Bench::new();
    let head = NewMessage {
        delay_ms: 100,
        ..grouped("g1", "g")
    };
    let applied = bench.run(publish("q", vec![head, grouped("g2", "g")]));
    assert!(applied.ready_queues.is_empty());
    assert_eq!(bench.receive("q", 10), []);
    bench.pass(100);
    let first = bench.receive("q", 10);
    assert_eq!(first.len(), 1);
    // Returned with a delay, it still goes first.
    bench.run(nack("q", first[0].receipt, 50));
    assert_eq!(bench.receive("q", 10), []);
    bench.pass(50);
    assert_eq!(bench.payloads("q"), ["g1"]);
}

#[test]
fn a_delayed_follower_comes_after_its_delay_and_its_turn() {
    let mut bench = Bench::new();
    let follower = NewMessage {
        delay_ms: 100,
        ..grouped("g2", "g")
    };
    bench.run(publish("q", vec![grouped("g1", "g"), follower]));
    let head = bench.receive("q", 10).remove(0);
    let applied = bench.pass(100).tick();
    assert!(applied.ready_queues.is_empty(), "held back by the head");
    let applied = bench.run(ack("q", &[head.receipt]));
    assert_eq!(applied.ready_queues, ["q"]);
    assert_eq!(bench.payloads("q"), ["g2"]);
}

#[test]
fn priority_decides_between_groups_and_never_within_one() {
    let mut bench = Bench::new();
    let urgent = NewMessage {
        priority: 9,
        ..grouped("g2", "g")
    };
    bench.run(publish("q", vec![message("x"), grouped("g1", "g"), urgent]));
    assert_eq!(bench.payloads("q"), ["x", "g1"]);
}

#[test]
fn queues_that_gained_a_message_are_named_once_and_sorted() {
    let mut bench = Bench::new();
    for queue in ["b", "a", "c"] {
        bench.run(publish(queue, vec![message("m"); 3]));
        bench.receive(queue, if queue == "c" { 1 } else { 3 });
    }
    let applied = bench.pass(30_000).tick();
    assert_eq!(applied.ready_queues, ["a", "b", "c"]);
    let applied = bench.run(publish("a", vec![]));
    assert!(applied.ready_queues.is_empty());
    // What returns by time and what the command publishes are one gain.
    bench.receive("a", 3);
    let applied = bench.pass(30_000).run(publish("a", vec![message("m")]));
    assert_eq!(applied.ready_queues, ["a"]);
}

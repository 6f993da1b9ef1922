//! Queues: what happens to a message that was delivered too often.

use super::*;

fn limited(max_deliveries: u32, dead_letter: Option<&str>) -> QueueSettings {
    QueueSettings {
        max_deliveries,
        dead_letter: dead_letter.map(str::to_owned),
        visibility_ms: 1000,
        ..QueueSettings::default()
    }
}

/// Receives one message of "q" and lets the delivery fail.
fn fail(bench: &mut Bench, by_nack: bool) -> Applied {
    let receipt = bench.receive("q", 1)[0].receipt;
    if by_nack {
        bench.run(nack("q", receipt, 10))
    } else {
        bench.pass(1000).tick()
    }
}

#[test]
fn a_message_moves_in_the_entry_of_its_last_failure() {
    for by_nack in [true, false] {
        let mut bench = Bench::new();
        bench.run(configure("q", limited(2, None)));
        let urgent = NewMessage {
            priority: 5,
            ..message("a")
        };
        bench.run(publish("q", vec![urgent, message("b")]));
        fail(&mut bench, by_nack);
        assert_eq!(bench.queue_info("q").dead_lettered, 0);
        bench.pass(10);
        let applied = fail(&mut bench, by_nack);
        assert_eq!(applied.ready_queues, ["q.dead"]);
        let info = QueueInfo {
            ready: 1,
            published: 2,
            dead_lettered: 1,
            ..QueueInfo::default()
        };
        assert_eq!(bench.queue_info("q"), info);

        let dead = bench.receive("q.dead", 10);
        assert_eq!(dead.len(), 1);
        assert_eq!(dead[0].payload, "a");
        assert_eq!((dead[0].id, dead[0].deliveries), (1, 1));
        // The dead queue has no limit of its own.
        for deliveries in 2..5 {
            bench.pass(30_000);
            assert_eq!(bench.receive("q.dead", 10)[0].deliveries, deliveries);
        }
    }
}

#[test]
fn the_target_is_configurable_and_its_depth_limit_does_not_lose_letters() {
    let mut bench = Bench::new();
    bench.run(configure("q", limited(1, Some("graveyard"))));
    bench.run(configure(
        "graveyard",
        QueueSettings {
            max_depth: 1,
            ..QueueSettings::default()
        },
    ));
    bench.run(publish("q", ["a", "b", "c"].map(message).to_vec()));
    bench.receive("q", 3);
    bench.pass(1000).tick();
    assert_eq!(bench.queue_info("graveyard").ready, 3);
    assert_eq!(bench.payloads("graveyard"), ["a", "b", "c"]);
}

#[test]
fn a_dead_queue_with_a_limit_passes_its_letters_on() {
    let mut bench = Bench::new();
    bench.run(configure("q", limited(1, None)));
    bench.run(configure("q.dead", limited(1, None)));
    bench.run(publish("q", vec![message("a")]));
    fail(&mut bench, true);
    bench.receive("q.dead", 1);
    bench.pass(1000).tick();
    assert_eq!(bench.queue_info("q.dead").dead_lettered, 1);
    assert_eq!(bench.payloads("q.dead.dead"), ["a"]);
}

#[test]
fn a_queue_may_be_its_own_target() {
    let mut bench = Bench::new();
    bench.run(configure("q", limited(1, Some("q"))));
    bench.run(publish("q", vec![message("a"), message("b")]));
    fail(&mut bench, false);
    let received = bench.receive("q", 2);
    let seen: Vec<_> = received
        .iter()
        .map(|each| (each.id, each.deliveries, &each.payload[..]))
        .collect();
    assert_eq!(seen, [(2, 1, &b"b"[..]), (3, 1, &b"a"[..])]);
    let info = bench.queue_info("q");
    assert_eq!((info.published, info.dead_lettered), (3, 1));
}

#[test]
fn a_group_goes_on_after_its_head_is_dead_and_keeps_its_order_there() {
    let mut bench = Bench::new();
    bench.run(configure("q", limited(1, None)));
    bench.run(publish("q", vec![grouped("g1", "g"), grouped("g2", "g")]));
    assert_eq!(
        fail(&mut bench, true).ready_queues,
        ["q", "q.dead"],
        "the next of the group is ready"
    );
    assert_eq!(fail(&mut bench, true).ready_queues, Vec::<String>::new());
    assert_eq!(bench.payloads("q.dead"), ["g1"]);
}

#[test]
fn a_lower_limit_applies_at_the_next_return() {
    let mut bench = Bench::new();
    bench.run(publish("q", vec![message("a")]));
    for _ in 0..3 {
        let receipt = bench.receive("q", 1)[0].receipt;
        bench.run(nack("q", receipt, 0));
    }
    bench.run(configure("q", limited(2, None)));
    assert_eq!(bench.queue_info("q").ready, 1);
    fail(&mut bench, true);
    assert_eq!(bench.queue_info("q.dead").ready, 1);
}

#[test]
fn the_default_queue_of_dead_letters_has_a_name_that_can_be_used() {
    let mut bench = Bench::new();
    let longest = "ä".repeat(crate::state::LONGEST_NAME_BYTES / 2);
    let limited = QueueSettings {
        max_deliveries: 1,
        ..QueueSettings::default()
    };
    bench.run(configure(&longest, limited));
    bench.run(publish(&longest, vec![message("a")]));
    let received = bench.receive(&longest, 1).remove(0);
    bench.run(QueueCommand::Nack {
        queue: longest,
        receipt: received.receipt,
        delay_ms: 0,
    });
    let dead = format!("{}.dead", "ä".repeat(253));
    assert_eq!(bench.queue_info(&dead).ready, 1);
    assert!(dead.len() <= crate::state::LONGEST_NAME_BYTES);
}

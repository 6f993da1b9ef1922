use super::*;
use crate::testing::{Script, failed, get, unknown, value};
use squall_history::Phase;

const SECOND: u64 = 1_000_000;

fn publish(text: &str) -> Action {
    Action::Publish {
        queue: "q".into(),
        value: text.into(),
        bytes: 1,
    }
}

fn receive(queue: &str, visibility_ms: u64) -> Action {
    Action::Receive {
        queue: queue.into(),
        max: 1,
        visibility_ms,
        wait_ms: 0,
    }
}

fn ack(text: &str) -> Action {
    Action::Ack {
        queue: "q".into(),
        receipt: 1,
        value: text.into(),
    }
}

fn published(id: u64) -> Outcome {
    Outcome::Published { id }
}

fn lasts(depths: &[Depth]) -> Vec<u64> {
    depths.iter().map(|depth| depth.last).collect()
}

#[test]
fn outcomes_count_where_the_client_learnt_them() {
    let mut script = Script::new();
    script.get(0, 150_000).get(50_000, 99_999);
    script.op(10_000, get("k"), Some((250_000, failed())));
    script.op(20_000, get("k"), Some((260_000, unknown())));
    script.op(30_000, get("k"), None);
    let seen = over_time(&script.end(350_000));
    let cache = &seen.services[&Service::Cache];
    assert_eq!(seen.windows.count, 4);
    assert_eq!(cache.acked, [1, 1, 0, 0]);
    assert_eq!(cache.failed, [0, 0, 1, 0]);
    assert_eq!(cache.unknown, [0, 0, 1, 1]);
    let errors: Vec<_> = (0..4).map(|window| cache.error_ppm(window)).collect();
    assert_eq!(errors, [Some(0), Some(0), Some(1_000_000), Some(1_000_000)]);
    assert_eq!(seen.all, *cache);
    assert_eq!(seen.outstanding, [5, 4, 3, 1]);
}

#[test]
fn what_a_long_window_hides_is_kept_as_its_extremes() {
    // Windows of 200 ms; of the second, one step is empty.
    let mut script = Script::new();
    script.gets(0, 300_000, 10_000, 1_000);
    let seen = over_time(&script.end(61 * SECOND));
    assert_eq!(seen.windows.length_us, 200_000);
    assert_eq!(seen.all.acked[..3], [20, 10, 0]);
    assert_eq!(seen.all.fewest[..3], [10, 0, 0]);
    assert_eq!(seen.all.most[..3], [10, 10, 0]);
}

#[test]
fn latency_percentiles_start_when_intended_and_leave_waiting_out() {
    let mut script = Script::new();
    for latency_us in 1..=100 {
        script.get(1_000, 1_000 + latency_us);
    }
    script.open_loop_get(10_000, 90_000, 150_000);
    let mut poll = receive("q", 1);
    if let Action::Receive { wait_ms, .. } = &mut poll {
        *wait_ms = 50;
    }
    script.received(0, 160_000, poll, &[]);
    let seen = over_time(&script.end(300_000));
    let first = WindowLatency {
        count: 100,
        p50_us: 50,
        p95_us: 95,
        p99_us: 99,
        max_us: 100,
    };
    assert_eq!(seen.all.latency[0], Some(first));
    assert_eq!(
        seen.all.latency[1].map(|l| (l.count, l.max_us)),
        Some((1, 140_000))
    );
    assert_eq!(seen.all.latency[2], None);
    assert_eq!(seen.services[&Service::Queue].latency, [None, None, None]);
}

#[test]
fn a_message_counts_from_its_publish_to_its_ack() {
    let mut script = Script::new();
    script.op(0, publish("a"), Some((10_000, published(1))));
    script.op(20_000, publish("b"), Some((110_000, published(2))));
    script.received(200_000, 210_000, receive("q", 1_000), &[(1, "a")]);
    script.op(
        220_000,
        ack("a"),
        Some((310_000, Outcome::Settled { valid: true })),
    );
    // A receipt that was no longer valid removes nothing.
    script.op(
        320_000,
        ack("b"),
        Some((330_000, Outcome::Settled { valid: false })),
    );
    let seen = over_time(&script.end(500_000));
    assert_eq!(lasts(&seen.queues["q"]), [1, 2, 2, 1, 1]);
    let during = Depth {
        lowest: 1,
        highest: 2,
        last: 1,
    };
    assert_eq!(seen.all_queues[3], during);
}

#[test]
fn where_an_answer_is_missing_the_rest_of_the_history_decides() {
    let mut script = Script::new();
    script.op(0, publish("refused"), Some((10_000, failed())));
    script.op(0, publish("never seen"), Some((10_000, unknown())));
    script.op(0, publish("seen later"), Some((10_000, unknown())));
    script.received(200_000, 210_000, receive("q", 1), &[(3, "seen later")]);
    // It took effect: nobody sees the message again.
    script.op(220_000, ack("seen later"), None);
    script.op(0, publish("stays"), Some((110_000, published(4))));
    script.received(220_000, 230_000, receive("q", 1), &[(4, "stays")]);
    // It did not: the message comes back.
    script.op(240_000, ack("stays"), Some((250_000, unknown())));
    script.received(300_000, 310_000, receive("q", 1), &[(4, "stays")]);
    let seen = over_time(&script.end(400_000));
    assert_eq!(lasts(&seen.queues["q"]), [0, 1, 1, 1]);
    assert_eq!(seen.queues["q"][2].highest, 2);
}

#[test]
fn a_dead_letter_moves_when_its_last_delivery_is_over() {
    let mut script = Script::new();
    script.op(0, publish("a"), Some((10_000, published(1))));
    script.received(20_000, 30_000, receive("q", 200), &[(1, "a")]);
    script.received(800_000, 810_000, receive("q.dead", 200), &[(1, "a")]);
    script.op(
        820_000,
        ack("a"),
        Some((830_000, Outcome::Settled { valid: true })),
    );
    let seen = over_time(&script.end(1_000_000));
    assert_eq!(lasts(&seen.queues["q"]), [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        lasts(&seen.queues["q.dead"]),
        [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]
    );
    assert_eq!(lasts(&seen.all_queues), [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
}

#[test]
fn hits_are_reads_that_found_a_value() {
    let mut script = Script::new();
    script.op(0, get("k"), Some((10_000, value(Some("v"), 3))));
    script.op(0, get("k"), Some((20_000, value(None, 0))));
    script.op(0, get("k"), Some((30_000, unknown())));
    let near = Action::GetNear {
        key: "k".into(),
        bound_ms: 10,
    };
    script.op(0, near, Some((40_000, value(Some("v"), 3))));
    let seen = over_time(&script.end(200_000));
    assert_eq!(seen.reads, [Reads { gets: 2, hits: 1 }, Reads::default()]);
}

#[test]
fn a_curve_rises_to_its_maximum() {
    let mut script = Script::new();
    script.phase(0, Phase::Warmup);
    for latency_us in 1..=1_000 {
        script.get(0, latency_us);
    }
    let curves = over_time(&script.end(2_000)).curves;
    let curve = &curves[0];
    assert_eq!(
        (curve.service, curve.operation, curve.count),
        (Service::Cache, "get", 1_000)
    );
    assert!(curve.points.is_sorted());
    assert_eq!(curve.points.last(), Some(&(1.0, 1_000)));
    let half = curve
        .points
        .iter()
        .find(|(share, _)| *share >= 0.5)
        .copied();
    assert_eq!(half, Some((0.5, 500)));
}

#[test]
fn an_empty_history_has_one_empty_window() {
    let seen = over_time(&History::default());
    assert_eq!(
        (seen.windows.count, seen.all.acked.as_slice()),
        (1, &[0][..])
    );
    assert!(seen.services.is_empty() && seen.queues.is_empty() && seen.curves.is_empty());
}

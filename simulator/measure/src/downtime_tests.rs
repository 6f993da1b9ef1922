//! Downtime of hand-built histories: what a client missed, and what it did not ask for.

use super::*;
use crate::testing::{Script, failed, get, unknown};
use squall_history::{Action, Outcome};

const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;

/// Warm-up of 2 s, chaos to 8 s, serve to 10 s, then the audit.
fn script() -> Script {
    let mut script = Script::new();
    script
        .phase(0, Phase::Warmup)
        .phase(2 * SECOND, Phase::Chaos)
        .phase(8 * SECOND, Phase::Serve);
    script.phase(10 * SECOND, Phase::Audit);
    script.by("cache-1");
    script
}

fn measured(script: &mut Script) -> Outages {
    let history = script.end(11 * SECOND);
    downtime(&history, &Timeline::of(&history))
}

/// Client, beginning of its longest gap, its length, how many it had.
fn clients(outages: &Outages) -> Vec<(&str, u64, u64, u64)> {
    let rows = outages.clients.iter();
    rows.map(|row| {
        let (from, max) = (row.from_ms.get(), row.max_ms.get());
        (row.client.as_str(), from, max, row.count)
    })
    .collect()
}

fn gaps(outages: &Outages) -> Vec<(u64, u64)> {
    let gaps = outages.gaps.iter();
    gaps.map(|gap| (gap.from_ms.get(), gap.to_ms.get()))
        .collect()
}

fn poll(wait_ms: u64) -> Action {
    Action::Receive {
        queue: "q".into(),
        max: 1,
        visibility_ms: 1,
        wait_ms,
    }
}

fn nothing() -> Outcome {
    Outcome::Received {
        messages: Vec::new(),
    }
}

#[test]
fn a_gap_runs_from_the_first_operation_in_vain_to_the_first_answer() {
    let mut script = script();
    script.gets(2 * SECOND, 4 * SECOND, 20_000, 5_000);
    script.op(4 * SECOND, get("k"), Some((4_500 * MS, unknown())));
    script.op(4_510 * MS, get("k"), Some((4_511 * MS, failed())));
    script.gets(5 * SECOND, 10 * SECOND, 20_000, 5_000);
    let outages = measured(&mut script);
    let felt = ClientsDowntime {
        max: Ms::of(1_005 * MS),
        without: 1,
        asked: 1,
        slowest: Ms::of(5 * MS),
    };
    let expected = ServiceDowntime {
        total: Ms::of(1_005 * MS),
        max: Ms::of(1_005 * MS),
        count: 1,
        availability: Percent::of(874_375),
        clients: felt,
    };
    assert_eq!(gaps(&outages), [(4 * SECOND, 5_005 * MS)]);
    assert_eq!(clients(&outages), [("cache-1", 4 * SECOND, 1_005 * MS, 1)]);
    let downtime = outages.downtime;
    assert_eq!(downtime.of(Service::Cache), Some(expected));
    assert_eq!(downtime.any, Some(expected));
    assert_eq!(downtime.of(Service::Lock), None);
    assert_eq!(downtime.of(Service::Queue), None);
}

#[test]
fn idle_time_before_between_and_after_is_no_downtime() {
    let mut script = script();
    script.get(2_500 * MS, 2_505 * MS);
    // Refused, and asks again after a pause of 1.8 s.
    script.op(4 * SECOND, get("k"), Some((4_001 * MS, failed())));
    script.get(5_801 * MS, 5_806 * MS);
    script.op(7 * SECOND, get("k"), Some((7_400 * MS, unknown())));
    let outages = measured(&mut script);
    assert_eq!(clients(&outages), [("cache-1", 7 * SECOND, 400 * MS, 2)]);
    let expected = [(4 * SECOND, 4_001 * MS), (7 * SECOND, 7_400 * MS)];
    assert_eq!(gaps(&outages), expected);
}

#[test]
fn a_slow_answer_is_slow_and_a_late_one_downtime() {
    let mut script = script();
    script.get(3 * SECOND, 3_500 * MS);
    let outages = measured(&mut script);
    assert_eq!(clients(&outages), []);
    let slowest = |outages: &Outages| outages.downtime.any.map(|any| any.clients.slowest.get());
    assert_eq!(slowest(&outages), Some(500 * MS));

    let mut script = self::script();
    script.get(3 * SECOND, 3_501 * MS);
    let outages = measured(&mut script);
    assert_eq!(clients(&outages), [("cache-1", 3 * SECOND, 501 * MS, 1)]);
    assert_eq!(slowest(&outages), Some(501 * MS));
}

#[test]
fn what_is_usual_takes_a_hundred_answers_to_say() {
    let slow = |every: usize| {
        let mut script = script();
        script.gets(0, 2 * SECOND, every, 300 * MS);
        script.get(3 * SECOND, 3_800 * MS);
        clients(&measured(&mut script)).len()
    };
    assert_eq!(slow(20_000), 0, "three times 300 ms are usual");
    assert_eq!(slow(21_000), 1, "96 answers tell nothing");
}

#[test]
fn gaps_are_clipped_and_one_without_end_reaches_the_end_of_its_operation() {
    let mut script = script();
    script.op(1_990 * MS, get("k"), Some((3 * SECOND, unknown())));
    script.get(3_100 * MS, 3_105 * MS);
    script.op(9_500 * MS, get("k"), None);
    let outages = measured(&mut script);
    let expected = [(2 * SECOND, 3_105 * MS), (9_500 * MS, 10 * SECOND)];
    assert_eq!(gaps(&outages), expected);

    let mut script = self::script();
    script.get(3 * SECOND, 3_005 * MS);
    script.op(10_600 * MS, get("k"), None);
    assert_eq!(gaps(&measured(&mut script)), [], "it was not late yet");
}

#[test]
fn waiting_on_request_is_no_downtime() {
    let mut script = script();
    script.by("queue-1");
    script.op(3 * SECOND, poll(1_000), Some((4_050 * MS, nothing())));
    script.op(4_060 * MS, poll(1_000), Some((5_560 * MS, nothing())));
    let outages = measured(&mut script);
    assert_eq!(clients(&outages), [], "500 ms beyond its wait are slow");

    let mut script = self::script();
    script.by("queue-1");
    // The leader dies while it waits; then it waits for a message again.
    script.op(3 * SECOND, poll(1_000), Some((3_600 * MS, unknown())));
    script.op(3_620 * MS, poll(1_000), Some((4_700 * MS, nothing())));
    let outages = measured(&mut script);
    assert_eq!(clients(&outages), [("queue-1", 3_600 * MS, 100 * MS, 1)]);
}

#[test]
fn answers_thrown_away_on_purpose_are_no_downtime() {
    let mut script = script();
    script.op(
        3 * SECOND,
        get("k"),
        Some((3_001 * MS, Outcome::not_awaited())),
    );
    // The first answer is thrown away; the second attempt is answered at once.
    script.get(4 * SECOND, 5_503 * MS);
    script.retry(5_500 * MS, Outcome::not_awaited());
    // Its client vanishes.
    script.by("cache-2").op(6 * SECOND, get("k"), None);
    script.fault(0, "client_crash", &["cache-2"], 6_010 * MS, None);
    // One node may be away.
    let local = Action::GetFrom {
        key: "k".into(),
        node: "node-3".into(),
        bound_ms: None,
    };
    script.op(7 * SECOND, local, Some((7_900 * MS, failed())));
    let outages = measured(&mut script);
    assert_eq!(clients(&outages), []);
    let slowest = outages.downtime.any.map(|any| any.clients.slowest.get());
    assert_eq!(slowest, Some(3 * MS));
}

#[test]
fn attempts_of_one_operation_are_in_vain_one_by_one() {
    let mut script = script();
    script.get(4 * SECOND, 6_203 * MS);
    script.retry(6_200 * MS, unknown());
    let outages = measured(&mut script);
    assert_eq!(clients(&outages), [("cache-1", 4 * SECOND, 2_203 * MS, 1)]);
}

#[test]
fn a_refusal_by_the_rules_of_the_service_is_an_answer() {
    let full = || Outcome::Failed {
        why: "QueueFull { depth: 8, limit: 8 }".into(),
    };
    let mut script = script();
    for at_ms in (3_000..5_000).step_by(50) {
        script.op(at_ms * MS, get("k"), Some((at_ms * MS + 500, full())));
    }
    assert_eq!(clients(&measured(&mut script)), []);
}

#[test]
fn attempts_that_the_service_refuses_are_answered() {
    let full = || Outcome::Failed {
        why: "QueueFull { depth: 8, limit: 8 }".into(),
    };
    let mut script = script();
    // The first attempt may have been executed, so its client asks on until it gives up.
    let given_up = Outcome::given_up(&full());
    script.op(3 * SECOND, get("k"), Some((9_005 * MS, given_up)));
    script.retry(3_500 * MS, unknown());
    for at_ms in (3_505..9_000).step_by(35) {
        script.retry(at_ms * MS, full());
    }
    let outages = measured(&mut script);
    assert_eq!(clients(&outages), [("cache-1", 3 * SECOND, 505 * MS, 1)]);
}

#[test]
fn a_service_is_down_while_nobody_who_asks_is_served() {
    let mut script = script();
    script.by("cache-1");
    script.gets(2 * SECOND, 4 * SECOND, 20_000, 5_000);
    script.op(4 * SECOND, get("k"), Some((6 * SECOND, unknown())));
    script.op(6_010 * MS, get("k"), Some((8 * SECOND, unknown())));
    script.get(8_010 * MS, 8_020 * MS);
    script.by("cache-2");
    script.gets(2 * SECOND, 4_500 * MS, 20_000, 5_000);
    script.op(4_500 * MS, get("k"), Some((5 * SECOND, unknown())));
    script.gets(5_100 * MS, 9 * SECOND, 100_000, 5_000);
    let outages = measured(&mut script);
    let expected = [
        ("cache-1", 4 * SECOND, 4_020 * MS, 1),
        ("cache-2", 4_500 * MS, 605 * MS, 1),
    ];
    assert_eq!(clients(&outages), expected);
    // One had been answered until 4.485 s, and was again at 5.105 s.
    assert_eq!(gaps(&outages), [(4_485 * MS, 5_105 * MS)]);
    let any = outages.downtime.any.expect("it was asked");
    assert_eq!(
        (any.clients.max, any.max),
        (Ms::of(4_020 * MS), Ms::of(620 * MS))
    );
    assert_eq!((any.clients.without, any.clients.asked), (2, 2));
}

#[test]
fn probes_have_a_row_of_their_own() {
    let mut script = script();
    script.op(4 * SECOND, get("k"), Some((5 * SECOND, unknown())));
    script.op(5_010 * MS, get("k"), Some((6 * SECOND, unknown())));
    script.by("probe-cache-1");
    script.gets(2 * SECOND, 9 * SECOND, 10_000, 1_000);
    script.by("probe-queue-1");
    script.op(3 * SECOND, poll(0), Some((3_050 * MS, unknown())));
    script.op(3_060 * MS, poll(0), Some((3_061 * MS, nothing())));
    let outages = measured(&mut script);
    assert_eq!(gaps(&outages), [(4 * SECOND, 6 * SECOND)]);
    let downtime = &outages.downtime;
    assert_eq!(downtime.of(Service::Queue), None);
    assert_eq!(downtime.any.map(|any| any.clients.asked), Some(1));
    let probes = outages.probes.iter();
    let probes = probes.map(|(service, row)| (service.name(), row.total.get()));
    assert_eq!(
        probes.collect::<Vec<_>>(),
        [("queue", 61 * MS), ("cache", 0)]
    );
}

#[test]
fn any_is_the_time_in_which_at_least_one_service_was_down() {
    let check = || Action::Check {
        name: "l".into(),
        token: 1,
    };
    let checked = || Outcome::Checked { accepted: true };
    let mut script = script();
    script.op(4_010 * MS, get("k"), Some((5 * SECOND, unknown())));
    script.get(5_100 * MS, 5_105 * MS);
    script.by("lock-1");
    script.op(4_600 * MS, check(), Some((5_500 * MS, checked())));
    let downtime = measured(&mut script).downtime;
    let total = |service| downtime.of(service).map(|down| down.total.get());
    assert_eq!(total(Service::Cache), Some(1_095 * MS));
    assert_eq!(total(Service::Lock), Some(900 * MS));
    let any = downtime.any.map(|any| (any.total.get(), any.count));
    assert_eq!(any, Some((1_490 * MS, 1)));
}

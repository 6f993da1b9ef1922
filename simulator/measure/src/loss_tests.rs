//! Data loss of hand-built histories.

use super::*;
use crate::testing::{Script, failed, get, unknown, value};
use squall_history::{History, ListEnd};

fn measured(history: &History) -> Loss {
    loss(&Timeline::of(history))
}

fn script() -> Script {
    let mut script = Script::new();
    script
        .phase(0, Phase::Warmup)
        .phase(100, Phase::Chaos)
        .phase(1_000, Phase::Audit);
    script
}

fn publish(value: &str) -> Action {
    Action::Publish {
        queue: "q".into(),
        value: value.into(),
        bytes: 100,
    }
}

fn receive() -> Action {
    Action::Receive {
        queue: "q".into(),
        max: 10,
        visibility_ms: 1,
        wait_ms: 0,
    }
}

fn ack(value: &str) -> Action {
    Action::Ack {
        queue: "q".into(),
        receipt: 1,
        value: value.into(),
    }
}

fn set(value: &str) -> Action {
    Action::Set {
        key: "k".into(),
        value: value.into(),
        bytes: 50,
    }
}

fn published(id: u64) -> Outcome {
    Outcome::Published { id }
}

fn stored(version: u64) -> Outcome {
    Outcome::Stored { version }
}

#[test]
fn acknowledged_messages_that_a_drained_queue_never_delivered_are_lost() {
    let mut script = script();
    for (at_us, id) in [(10, 1), (20, 2), (30, 3), (40, 4)] {
        script.op(
            at_us,
            publish(&format!("m{id}")),
            Some((at_us + 5, published(id))),
        );
    }
    script
        .op(50, publish("m5"), Some((60, unknown())))
        .op(50, publish("m6"), None);
    script.received(200, 210, receive(), &[(1, "m1")]);
    script.received(1_100, 1_110, receive(), &[(4, "m4")]);
    script.received(1_200, 1_210, receive(), &[]);
    let expected = Loss {
        acked: 4,
        lost: 2,
        lost_bytes: 200,
        window_ms: Ms::of(15),
        ..Loss::default()
    };
    assert_eq!(measured(&script.end(2_000)), expected);
}

#[test]
fn without_a_completed_drain_missing_messages_are_unaudited() {
    let mut script = script();
    script.op(10, publish("m1"), Some((15, published(1))));
    script.received(1_100, 1_110, receive(), &[(2, "m2")]).op(
        20,
        publish("m2"),
        Some((25, published(2))),
    );
    let expected = Loss {
        acked: 2,
        unaudited: 1,
        ..Loss::default()
    };
    assert_eq!(measured(&script.end(2_000)), expected);
}

#[test]
fn a_message_that_only_the_dead_letters_hold_is_not_lost() {
    let dead = |drained: bool, messages: &[(u64, &str)]| {
        let receive_dead = || Action::Receive {
            queue: "q.dead".into(),
            max: 10,
            visibility_ms: 1,
            wait_ms: 0,
        };
        let mut script = script();
        script.op(10, publish("m1"), Some((15, published(1))));
        // Its only delivery was never heard.
        script.op(20, receive(), Some((90, unknown())));
        script.received(1_100, 1_110, receive(), &[]);
        script.received(1_200, 1_210, receive_dead(), messages);
        if drained {
            script.received(1_300, 1_310, receive_dead(), &[]);
        }
        let loss = measured(&script.end(2_000));
        (loss.acked, loss.lost, loss.unaudited)
    };
    assert_eq!(dead(true, &[(1, "m1")]), (1, 0, 0));
    assert_eq!(dead(true, &[(2, "m2")]), (1, 1, 0), "it is not there");
    assert_eq!(dead(false, &[(2, "m2")]), (1, 0, 1), "more may be there");
}

#[test]
fn stored_twice_and_delivered_after_its_ack_are_duplicates_but_redelivery_is_not() {
    let mut script = script();
    for (id, name) in [(1, "twice"), (2, "late"), (3, "again")] {
        script.op(id, publish(name), Some((10 + id, published(id))));
    }
    script.received(
        100,
        110,
        receive(),
        &[(1, "twice"), (2, "late"), (3, "again")],
    );
    script.op(
        120,
        ack("late"),
        Some((130, Outcome::Settled { valid: true })),
    );
    script.op(
        120,
        ack("again"),
        Some((130, Outcome::Settled { valid: false })),
    );
    script.received(
        200,
        210,
        receive(),
        &[(9, "twice"), (2, "late"), (3, "again")],
    );
    script.received(1_200, 1_210, receive(), &[]);
    let expected = Loss {
        acked: 3,
        duplicated: 2,
        ..Loss::default()
    };
    assert_eq!(measured(&script.end(2_000)), expected);
}

#[test]
fn values_never_issued_or_certainly_failed_are_phantoms() {
    let mut script = script();
    script.op(10, publish("refused"), Some((15, failed())));
    script.op(10, publish("maybe"), Some((15, unknown())));
    script.received(
        100,
        110,
        receive(),
        &[(1, "refused"), (2, "maybe"), (3, "nobody")],
    );
    script.op(120, get("k"), Some((130, value(Some("ghost"), 7))));
    assert_eq!(
        measured(&script.end(2_000)),
        Loss {
            phantom: 3,
            ..Loss::default()
        }
    );
}

#[test]
fn an_older_version_at_the_audit_shows_the_newer_writes_lost() {
    let mut script = script();
    script
        .op(10, set("a"), Some((15, stored(5))))
        .op(20, set("b"), Some((25, stored(6))));
    script.op(30, set("c"), Some((45, stored(8))));
    let cas = |version| Action::CompareAndSet {
        key: "k".into(),
        version,
        value: "dd".into(),
    };
    script
        .op(50, cas(5), Some((55, stored(9))))
        .op(60, cas(1), Some((65, Outcome::Mismatch)));
    script.op(1_100, get("k"), Some((1_110, value(Some("b"), 6))));
    let expected = Loss {
        acked: 4,
        lost: 2,
        lost_bytes: 52,
        window_ms: Ms::of(25),
        ..Loss::default()
    };
    assert_eq!(measured(&script.end(2_000)), expected);
}

#[test]
fn a_delete_excuses_what_it_may_have_erased_and_no_later_write() {
    let delete = || Action::Delete { key: "k".into() };
    let mut script = script();
    script.op(10, set("a"), Some((15, stored(5))));
    script.op(20, delete(), Some((30, stored(0))));
    script.op(40, set("b"), Some((45, stored(7))));
    script.op(1_100, get("k"), Some((1_110, value(None, 0))));
    let expected = Loss {
        acked: 2,
        lost: 1,
        lost_bytes: 50,
        window_ms: Ms::of(5),
        ..Loss::default()
    };
    assert_eq!(measured(&script.end(2_000)), expected);

    script = self::script();
    script
        .op(10, set("a"), Some((15, stored(5))))
        .op(5, delete(), Some((7, unknown())));
    script.op(1_100, get("k"), Some((1_110, value(None, 0))));
    assert_eq!(
        measured(&script.end(2_000)),
        Loss {
            acked: 1,
            ..Loss::default()
        }
    );
}

#[test]
fn keys_the_audit_did_not_read_are_unaudited() {
    let mut script = script();
    script
        .op(10, set("a"), Some((15, stored(5))))
        .op(1_100, get("k"), Some((1_200, unknown())));
    let expected = Loss {
        acked: 1,
        unaudited: 1,
        ..Loss::default()
    };
    assert_eq!(measured(&script.end(2_000)), expected);
}

#[test]
fn a_counter_tells_lost_and_doubled_increments() {
    let counted = |value, version| Outcome::Counted { value, version };
    for (total, lost, duplicated) in [
        ("4", 2, 0),
        ("6", 1, 0),
        ("8", 0, 0),
        ("10", 0, 0),
        ("12", 0, 1),
    ] {
        let increment = || Action::Increment {
            key: "k".into(),
            by: 2,
        };
        let mut script = script();
        for at_us in 10..14 {
            let number = at_us as i64 - 9;
            script.op(
                at_us,
                increment(),
                Some((at_us + 1, counted(2 * number, at_us))),
            );
        }
        script.op(20, increment(), Some((25, unknown())));
        script.op(1_100, get("k"), Some((1_110, value(Some(total), 99))));
        let found = measured(&script.end(2_000));
        assert_eq!(
            (found.acked, found.lost, found.duplicated),
            (4, lost, duplicated),
            "{total}"
        );
    }
}

fn push(value: &str) -> Action {
    Action::ListPush {
        list: "l".into(),
        value: value.into(),
        end: ListEnd::Right,
    }
}

fn pop() -> Action {
    Action::ListPop {
        list: "l".into(),
        end: ListEnd::Left,
    }
}

fn popped(value: &str) -> Outcome {
    Outcome::Popped {
        value: Some(value.into()),
    }
}

/// Four pushes, what two pops are answered, and what the audit finds.
fn of_list(pops: [Outcome; 2], left: &[&str]) -> Loss {
    let mut script = script();
    for (at_us, value) in (10..).step_by(10).zip(["a", "b", "c", "d"]) {
        let answer = Outcome::Length { values: 1 };
        script.op(at_us, push(value), Some((at_us + 5, answer)));
    }
    for (at_us, outcome) in (60..).step_by(10).zip(pops) {
        script.op(at_us, pop(), Some((at_us + 5, outcome)));
    }
    let values = left.iter().map(|value| (*value).into()).collect();
    let range = Action::ListRange { list: "l".into() };
    script.op(1_100, range, Some((1_200, Outcome::Elements { values })));
    measured(&script.end(2_000))
}

#[test]
fn values_of_a_list_are_lost_doubled_or_not_known() {
    let found = |loss: Loss| {
        let Loss {
            acked,
            lost,
            duplicated,
            phantom,
            unaudited,
            ..
        } = loss;
        (acked, lost, duplicated, phantom, unaudited)
    };
    let all_there = of_list([popped("a"), popped("b")], &["c", "d"]);
    assert_eq!(found(all_there), (4, 0, 0, 0, 0));
    let lost = of_list([popped("a"), popped("b")], &["d"]);
    assert_eq!(found(lost), (4, 1, 0, 0, 0));
    assert_eq!(lost.lost_bytes, 1);
    let one_may_be_taken = of_list([popped("a"), unknown()], &["d"]);
    assert_eq!(found(one_may_be_taken), (4, 1, 0, 0, 0));
    let twice = of_list([popped("a"), popped("a")], &["b", "c", "d", "x"]);
    assert_eq!(found(twice), (4, 0, 1, 1, 0));
}

/// The pops of one list excuse nothing that is lost from another, and what a move may hide from
/// the audit is not known to be lost: as the checks have it.
#[test]
fn values_of_lists_are_counted_by_the_lists_that_belong_together() {
    let loss_of = |early: Option<Action>, late: Option<Action>, audited: &[&str]| {
        let mut script = script();
        if let Some(action) = early {
            script.op(5, action, Some((6, unknown())));
        }
        let answer = Outcome::Length { values: 1 };
        script.op(10, push("a"), Some((15, answer)));
        if let Some(action) = late {
            script.op(20, action, Some((25, unknown())));
        }
        // Far more than what is in doubt takes.
        for list in audited {
            let values = Vec::new();
            let range = Action::ListRange {
                list: (*list).into(),
            };
            script.op(
                60_000_000,
                range,
                Some((60_000_100, Outcome::Elements { values })),
            );
        }
        let loss = measured(&script.end(61_000_000));
        (loss.acked, loss.lost, loss.unaudited)
    };
    let pop_of = |list: &str| Action::ListPop {
        list: list.into(),
        end: ListEnd::Left,
    };
    let moving = || Action::ListMove {
        from: "l".into(),
        take: ListEnd::Left,
        to: "m".into(),
        put: ListEnd::Right,
    };
    let both = &["l", "m"];
    assert_eq!(loss_of(None, Some(pop_of("l")), both), (1, 0, 0));
    assert_eq!(loss_of(None, Some(pop_of("m")), both), (1, 1, 0));
    assert_eq!(loss_of(Some(moving()), Some(pop_of("m")), both), (1, 0, 0));
    assert_eq!(loss_of(Some(moving()), None, both), (1, 1, 0));
    assert_eq!(loss_of(None, Some(moving()), &["l"]), (1, 0, 1));
    // A list that nothing is moved to need not be read.
    assert_eq!(loss_of(None, Some(pop_of("m")), &["l"]), (1, 1, 0));
}

#[test]
fn what_a_move_may_hide_from_the_audit_is_not_lost_and_not_double() {
    let found = |in_l: &[&str], in_m: &[&str]| {
        let mut script = script();
        let answer = Outcome::Length { values: 1 };
        script.op(10, push("a"), Some((15, answer)));
        let moving = Action::ListMove {
            from: "l".into(),
            take: ListEnd::Left,
            to: "m".into(),
            put: ListEnd::Right,
        };
        script.op(900, moving, Some((950, unknown())));
        for (list, values) in [("l", in_l), ("m", in_m)] {
            let values = values.iter().map(|value| (*value).into()).collect();
            let range = Action::ListRange { list: list.into() };
            script.op(1_100, range, Some((1_200, Outcome::Elements { values })));
        }
        let loss = measured(&script.end(2_000));
        (loss.lost, loss.unaudited, loss.duplicated)
    };
    assert_eq!(found(&[], &["a"]), (0, 0, 0));
    assert_eq!(found(&[], &[]), (0, 1, 0));
    assert_eq!(found(&["a"], &["a"]), (0, 0, 0));
}

//! Tests of C1: histories by hand, and the two ways of deciding against each other.

use proptest::prelude::*;

use super::*;
use crate::linearizability::brute_force::agree;
use crate::testing::*;
use squall_history::History;

#[test]
fn a_stale_read() {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), stored(5));
    run.call("cache-1", set("k", "b"), stored(6));
    run.call("cache-2", get("k"), value("a", 5));
    fails(
        check,
        &run.end(),
        "key k: version 5 was read after version 6",
    );
}

#[test]
fn a_lost_write() {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), stored(5));
    run.call("cache-2", get("k"), absent());
    fails(check, &run.end(), "absent after version 5");
}

#[test]
fn reads_that_go_back() {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), stored(5));
    let op = run.invoke("cache-1", set("k", "b"));
    run.call("cache-2", get("k"), value("b", 6));
    run.call("cache-3", get("k"), value("a", 5));
    run.returns(op, stored(6));
    fails(check, &run.end(), "version 5 was read after version 6");
}

#[test]
fn a_value_from_nowhere_or_from_a_failed_write() {
    let mut run = Run::new();
    run.call("cache-1", get("k"), value("x", 5));
    fails(check, &run.end(), "never written");
    let mut run = Run::new();
    run.call("cache-1", set("k", "x"), failed("no leader"));
    run.call("cache-1", get("k"), value("x", 5));
    fails(check, &run.end(), "never written");
}

#[test]
fn a_read_before_its_write() {
    let mut run = Run::new();
    run.call("cache-1", get("k"), value("x", 5));
    run.call("cache-1", set("k", "x"), stored(5));
    fails(check, &run.end(), "version 5 was written after version 5");
}

/// An unknown write counted as failed would be a phantom here, counted as acknowledged a
/// lost write in the first read.
#[test]
fn an_unknown_write_may_show_late_or_never() {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), unknown());
    run.call("cache-1", set("k", "b"), unknown());
    run.call("cache-2", get("k"), absent());
    run.call("cache-2", get("k"), value("a", 5));
    passes(check, &run.end());
}

#[test]
fn an_unknown_write_does_not_show_twice() {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), unknown());
    run.call("cache-2", get("k"), value("a", 5));
    run.call("cache-2", set("k", "b"), stored(6));
    run.call("cache-2", get("k"), value("a", 7));
    fails(check, &run.end(), "never written at version 7");
}

#[test]
fn concurrent_reads_may_see_either() {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), stored(5));
    let write = run.invoke("cache-1", set("k", "b"));
    let read = run.invoke("cache-2", get("k"));
    run.call("cache-3", get("k"), value("a", 5));
    run.returns(write, stored(6)).returns(read, value("a", 5));
    passes(check, &run.end());
}

#[test]
fn compare_and_set() {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), stored(5));
    run.call("cache-1", set("k", "b"), stored(6));
    run.call("cache-2", set_if("k", 5, "c"), stored(7));
    fails(
        check,
        &run.end(),
        "expected version 5, but succeeded on version 6",
    );

    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), stored(5));
    run.call(
        "cache-2",
        set_if("k", 5, "c"),
        squall_history::Outcome::Mismatch,
    );
    run.call("cache-2", get("k"), value("a", 5));
    fails(check, &run.end(), "version 5 was there all the time");
}

/// The refused compare-and-set is explained by a write that nobody saw.
#[test]
fn an_unseen_write_may_explain_a_mismatch() {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), stored(5));
    run.call("cache-1", set("k", "b"), unknown());
    run.call(
        "cache-2",
        set_if("k", 5, "c"),
        squall_history::Outcome::Mismatch,
    );
    run.call("cache-2", set("k", "d"), stored(9));
    passes(check, &run.end());
}

#[test]
fn deletes_and_increments_are_searched() {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), stored(5));
    run.call("cache-1", delete("k"), unknown());
    run.call("cache-2", get("k"), value("a", 5));
    run.call("cache-2", get("k"), absent());
    run.call("cache-1", increment("n", 2), unknown());
    run.call("cache-1", increment("n", 3), counted(3, 8));
    run.call("cache-1", get("n"), value("5", 9));
    passes(check, &run.end());

    let mut run = Run::new();
    run.call("cache-1", increment("n", 2), counted(2, 8));
    run.call("cache-1", increment("n", 2), counted(2, 9));
    fails(check, &run.end(), "no order explains");

    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), stored(5));
    run.call("cache-1", delete("k"), stored(0));
    run.call("cache-1", get("k"), value("a", 5));
    fails(check, &run.end(), "no order explains");
}

#[test]
fn keys_are_judged_apart() {
    let mut run = Run::new();
    run.call("cache-1", set("a", "x"), stored(5));
    run.call("cache-1", set("b", "y"), stored(6));
    run.call("cache-1", get("a"), value("x", 5));
    passes(check, &run.end());
}

/// One step of a random history on one key: who, what, and how its answer is bent.
type Step = (u8, u8, u8, u8);

/// An outstanding operation: its number, kind and bend, and its answer if it took effect
/// at its invocation.
type Open = (u64, u8, u8, Option<Outcome>);

/// Plays steps against a true key, with calls overlapping: an operation takes effect at
/// its invocation or its return. `bend` sometimes spoils an answer.
fn played(steps: &[Step]) -> History {
    let mut run = Run::new();
    let (mut now, mut version) = (None::<(String, u64)>, 0u64);
    let mut open: [Option<Open>; 3] = [const { None }; 3];
    for (n, &(client, kind, late, bend)) in steps.iter().enumerate() {
        let client = usize::from(client) % open.len();
        let expected = version.saturating_sub(u64::from(bend % 2));
        let mut effect = |kind: u8, n: u64| -> Outcome {
            let old = now.clone();
            match kind % 3 {
                0 => Outcome::Value {
                    value: old.as_ref().map(|o| o.0.clone()),
                    version: old.map_or(0, |o| o.1),
                },
                2 if old.map_or(0, |o| o.1) != expected => Outcome::Mismatch,
                _ => {
                    version += 1;
                    now = Some((format!("v{n}"), version));
                    stored(version)
                }
            }
        };
        if let Some((op, kind, bend, early)) = open[client].take() {
            let outcome = early.unwrap_or_else(|| match kind % 3 {
                2 => failed("late"),
                kind => effect(kind, op),
            });
            run.returns(op, bent(outcome, bend, kind));
            continue;
        }
        let op = n as u64 + 1000;
        let action = match kind % 3 {
            0 => get("k"),
            1 => set("k", &format!("v{op}")),
            _ => set_if("k", expected, &format!("v{op}")),
        };
        let early = (late % 2 == 0).then(|| effect(kind, op));
        run.push(squall_history::EventKind::Invoke {
            op,
            client: format!("cache-{client}"),
            intended_us: None,
            action,
        });
        open[client] = Some((op, kind, bend, early));
    }
    run.end()
}

fn bent(outcome: Outcome, bend: u8, kind: u8) -> Outcome {
    match (bend, outcome) {
        (0, Outcome::Value { .. }) => absent(),
        (1, Outcome::Stored { version }) => stored(version + 1),
        (2, Outcome::Stored { .. }) if kind % 3 == 2 => Outcome::Mismatch,
        (3..8, Outcome::Stored { .. }) => unknown(),
        (_, outcome) => outcome,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Wherever the versions decide, the search decides the same.
    #[test]
    fn versions_and_search_agree(
        steps in prop::collection::vec((0u8..3, 0u8..3, 0u8..2, 0u8..40), 2..24)
    ) {
        let history = played(&steps);
        let view = View::new(&history);
        for operations in view.keys.values() {
            let fast = cache_versions::judge(&view.operations, operations);
            let slow = by_search(&view, operations).expect("two dozen calls are decided");
            prop_assume!(fast != Answer::NotApplicable);
            prop_assert_eq!(
                fast == Answer::Linearizable,
                slow == Answer::Linearizable,
                "fast: {:?}, slow: {:?}", fast, slow
            );
        }
    }

    /// The search decides as an enumeration does.
    #[test]
    fn search_agrees_with_brute_force(
        steps in prop::collection::vec((0u8..3, 0u8..3, 0u8..2, 0u8..40), 2..17)
    ) {
        let history = played(&steps);
        let view = View::new(&history);
        for indexes in view.keys.values() {
            let (_, calls) = calls(&view.operations, indexes);
            agree(&CacheKey::new(calls.iter().map(|call| &call.operation)), &calls)?;
        }
    }

    /// An honest key passes, whatever the interleaving and the unknown answers.
    #[test]
    fn an_honest_key_passes(
        steps in prop::collection::vec((0u8..3, 0u8..3, 0u8..2, 3u8..20), 2..60)
    ) {
        passes(check, &played(&steps));
    }
}

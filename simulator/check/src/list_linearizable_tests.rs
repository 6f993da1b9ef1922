//! Histories of lists, judged by hand.

use super::check;
use crate::testing::*;
use squall_history::{Action, EventKind, ListEnd, Outcome};

fn pushed() -> Run {
    let mut run = Run::new();
    run.call("cache-1", list_push("l", "a"), length(1));
    run.call("cache-1", list_push("l", "b"), length(2));
    run.call("cache-1", list_push("l", "c"), length(3));
    run
}

fn list_length(list: &str) -> Action {
    Action::ListLength { list: list.into() }
}

#[test]
fn first_in_first_out() {
    let mut run = pushed();
    run.call("cache-2", list_pop("l"), popped("a"));
    run.call("cache-2", list_wait("l", 100), popped("b"));
    run.call("cache-2", list_range("l"), elements(&["c"]));
    passes(check, &run.end());
    let mut run = pushed();
    run.call("cache-2", list_pop("l"), popped("b"));
    fails(check, &run.end(), "no order explains the last operation");
}

#[test]
fn the_last_in_is_at_the_other_end() {
    let pop_right = Action::ListPop {
        list: "l".into(),
        end: ListEnd::Right,
    };
    let mut run = pushed();
    run.call("cache-2", pop_right.clone(), popped("c"));
    passes(check, &run.end());
    let mut run = pushed();
    run.call("cache-2", pop_right, popped("a"));
    fails(check, &run.end(), "no order explains");
}

#[test]
fn lengths_and_reads_show_what_is_there() {
    for (look, answer) in [
        (list_length("l"), length(2)),
        (list_range("l"), elements(&["a", "c", "b"])),
        (list_range("l"), elements(&["a", "b"])),
        (list_pop("l"), none_popped()),
        (list_remove("l", "a"), length(0)),
    ] {
        let mut run = pushed();
        run.call("cache-2", look.clone(), answer);
        fails(check, &run.end(), "no order explains");
    }
    let mut run = pushed();
    run.call("cache-2", list_remove("l", "b"), length(1));
    run.call("cache-2", list_length("l"), length(2));
    run.call("cache-2", list_range("l"), elements(&["a", "c"]));
    passes(check, &run.end());
    let mut run = pushed();
    run.call("cache-1", list_push("l", "d"), length(3));
    fails(check, &run.end(), "no order explains");
}

#[test]
fn a_move_is_one_step() {
    let mut run = pushed();
    let moving = run.invoke("cache-2", list_move("l", "m"));
    run.call("cache-3", list_range("l"), elements(&["b", "c"]));
    run.call("cache-3", list_range("m"), elements(&["a"]));
    run.returns(moving, popped("a"));
    passes(check, &run.end());
    let mut run = pushed();
    let moving = run.invoke("cache-2", list_move("l", "m"));
    run.call("cache-3", list_range("l"), elements(&["b", "c"]));
    run.call("cache-3", list_range("m"), elements(&[]));
    run.returns(moving, popped("a"));
    fails(check, &run.end(), "lists l, m: no order explains");
}

#[test]
fn a_value_goes_round_within_a_list() {
    let mut run = pushed();
    run.call("cache-2", list_move("l", "l"), popped("a"));
    run.call("cache-2", list_range("l"), elements(&["b", "c", "a"]));
    passes(check, &run.end());
}

#[test]
fn what_is_unknown_may_have_been_or_not() {
    let mut run = pushed();
    run.call("cache-1", list_push("l", "d"), unknown());
    run.call("cache-2", list_pop("l"), unknown());
    run.call("cache-2", list_move("l", "m"), unknown());
    let look = |run: &mut Run, l: &[&str], m: &[&str]| {
        run.call("cache-3", list_range("l"), elements(l));
        run.call("cache-3", list_range("m"), elements(m));
        run.end()
    };
    passes(check, &look(&mut run, &["b", "c", "d"], &["a"]));
    let mut run = pushed();
    run.call("cache-2", list_pop("l"), unknown());
    run.call("cache-3", list_range("l"), elements(&["a", "c"]));
    fails(check, &run.end(), "no order explains");
}

/// The end of a wait says nothing of the list.
#[test]
fn a_wait_that_is_over_orders_nothing() {
    let mut run = pushed();
    run.call("cache-2", list_wait("l", 100), none_popped());
    passes(check, &run.end());
}

/// What a client was to get that has gone is put back where it was, but not for one who asks
/// without waiting.
#[test]
fn what_nobody_takes_is_put_back() {
    let put_back = |pop: Action, outcome: Outcome| {
        let mut run = pushed();
        run.call("cache-2", pop, outcome);
        run.call("cache-3", list_range("l"), elements(&["b", "c"]));
        run.call("cache-3", list_range("l"), elements(&["a", "b", "c"]));
        run.call("cache-3", list_pop("l"), popped("a"));
        run.end()
    };
    passes(check, &put_back(list_wait("l", 100), unknown()));
    fails(
        check,
        &put_back(list_pop("l"), unknown()),
        "no order explains",
    );
    let mut run = pushed();
    run.call("cache-2", list_wait("l", 100), unknown());
    run.call("cache-3", list_range("l"), elements(&["b", "c"]));
    run.call("cache-3", list_range("l"), elements(&["b", "c", "a"]));
    fails(check, &run.end(), "no order explains");
}

/// A wait that is long over takes nothing and puts nothing back.
#[test]
fn putting_back_is_over_when_the_wait_is() {
    let taken = |ms: u64| {
        let mut run = pushed();
        run.at(1_000)
            .call("cache-2", list_wait("l", 1_000), unknown());
        run.at(ms);
        run.call("cache-3", list_pop("l"), popped("b"));
        run.call("cache-3", list_pop("l"), popped("a"));
        run.end()
    };
    passes(check, &taken(5_000));
    fails(check, &taken(100_000), "no order explains");
}

/// Under a sequence the answer is kept, and nothing is put back.
#[test]
fn nothing_is_put_back_under_a_sequence() {
    let wait = |client: &str| {
        let mut run = Run::new();
        let push = run.invoke("cache-4", list_push("l", "a"));
        run.push(EventKind::retry(push, unknown()));
        run.returns(push, length(1));
        run.call("cache-1", list_push("l", "b"), length(2));
        run.call(client, list_wait("l", 1_000), unknown());
        run.call("cache-3", list_pop("l"), popped("b"));
        run.call("cache-3", list_pop("l"), popped("a"));
        run.end()
    };
    passes(check, &wait("cache-2"));
    fails(check, &wait("cache-4"), "no order explains");
}

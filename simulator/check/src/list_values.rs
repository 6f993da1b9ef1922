//! C10: a value of a list is taken at most once, and only if it was pushed.
//!
//! In plain words: no job is done twice, and none that nobody ordered.
//!
//! Source: the phantom and duplicated elements of Jepsen's total-queue checker. Every value is
//! pushed once, so whatever answers show of it is about one thing: it was sent before anybody was
//! shown it, one answer at most took it for good, and what was asked after that shows it no more.
//! A push of unknown outcome may be there; a take without an answer shows nothing, and is no
//! excuse for two that have one.
//!
//! Not checked: what was taken and never heard of again (`list_conservation`), and in which order
//! values come (`list_linearizable`).

use super::lists::Value;
use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::{Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let operation = |index: usize| &view.operations[index];
    for (name, value) in &view.lists.values {
        let shown = shown(value);
        if shown.is_empty() {
            continue;
        }
        judge.count_checked();
        let Some(push) = value.pushed(&view.operations) else {
            let why = match value.push {
                Some(_) => "whose push failed",
                None => "that nobody pushed",
            };
            let lines = value.push.into_iter().chain([shown[0]]);
            judge.violation(
                format!("value {name} is there, {why}"),
                lines.map(operation).map(words::operation),
            );
            continue;
        };
        if let [first, second, ..] = value.takes[..] {
            judge.violation(
                format!("value {name} was taken twice"),
                [push, operation(first), operation(second)].map(words::operation),
            );
        }
        let too_early = |index: &&usize| operation(**index).return_pos < Some(push.invoke_pos);
        if let Some(&index) = shown.iter().find(too_early) {
            judge.violation(
                format!("value {name} is there before it was pushed"),
                [operation(index), push].map(words::operation),
            );
        }
        let take = value.takes.iter().map(|&index| operation(index));
        let Some(take) = take.min_by_key(|take| take.return_pos) else {
            continue;
        };
        let is_later = |o: &&Operation| Some(o.invoke_pos) > take.return_pos;
        let others = value.moves.iter().chain(value.seen.iter().map(|(o, _)| o));
        if let Some(later) = others.map(|&index| operation(index)).find(is_later) {
            judge.violation(
                format!("value {name} is there after it was taken"),
                [take, later].map(words::operation),
            );
        }
    }
    judge_ranges(view, judge);
}

/// Operations whose answer shows the value, in order of invocation.
fn shown(value: &Value) -> Vec<usize> {
    let seen = value.seen.iter().map(|(index, _)| index);
    let all = value.takes.iter().chain(&value.moves).chain(seen);
    let mut all: Vec<usize> = all.copied().collect();
    all.sort_unstable();
    all
}

/// No list has a value twice.
fn judge_ranges(view: &View, judge: &mut Judge) {
    for operation in &view.operations {
        let Some(Outcome::Elements { values }) = operation.outcome else {
            continue;
        };
        let mut sorted: Vec<&str> = values.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            judge.violation(
                format!("value {} is twice in a list", twice[0]),
                [words::operation(operation)],
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;

    fn pushed() -> Run {
        let mut run = Run::new();
        run.call("cache-1", list_push("l", "a"), length(1));
        run
    }

    #[test]
    fn a_value_that_is_taken_twice() {
        let mut run = pushed();
        run.call("cache-2", list_pop("l"), popped("a"));
        run.call("cache-3", list_wait("l", 500), popped("a"));
        fails(check, &run.end(), "value a was taken twice");
        let mut run = pushed();
        run.call("cache-2", list_move("l", "m"), popped("a"));
        run.call("cache-2", list_remove("m", "a"), length(1));
        run.call("cache-3", list_pop("l"), popped("a"));
        fails(check, &run.end(), "value a was taken twice");
    }

    #[test]
    fn a_value_that_nobody_pushed_or_not_yet_or_in_vain() {
        let mut run = Run::new();
        run.call("cache-2", list_pop("l"), popped("a"));
        fails(check, &run.end(), "that nobody pushed");
        let mut run = Run::new();
        run.call("cache-2", list_pop("l"), popped("a"));
        run.call("cache-1", list_push("l", "a"), length(1));
        fails(check, &run.end(), "before it was pushed");
        let mut run = Run::new();
        run.call("cache-1", list_push("l", "a"), failed("no leader"));
        run.call("cache-2", list_pop("l"), popped("a"));
        fails(check, &run.end(), "whose push failed");
    }

    #[test]
    fn a_value_that_comes_back_or_is_there_twice() {
        let mut run = pushed();
        run.call("cache-2", list_pop("l"), popped("a"));
        run.call("cache-3", list_range("l"), elements(&["a"]));
        fails(check, &run.end(), "after it was taken");
        let mut run = pushed();
        run.call("cache-3", list_range("l"), elements(&["a", "a"]));
        fails(check, &run.end(), "twice in a list");
    }

    /// The push may be there, the take without an answer may not have been, and who looks
    /// meanwhile may see it or not.
    #[test]
    fn unknown_outcomes_and_looks_at_the_same_time() {
        let mut run = Run::new();
        run.call("cache-1", list_push("l", "a"), unknown());
        run.call("cache-2", list_pop("l"), unknown());
        let look = run.invoke("cache-3", list_range("l"));
        run.call("cache-4", list_pop("l"), popped("a"));
        run.returns(look, elements(&["a"]));
        passes(check, &run.end());
    }

    #[test]
    fn nothing_shown_is_nothing_judged() {
        not_judged(check, &pushed().end(), "no values");
    }
}

//! C11: no acknowledged value of a list is lost, and a move neither loses nor doubles one.
//!
//! In plain words: what was pushed and never taken is in exactly one list when all is over,
//! however often it was moved.
//!
//! Source: Jepsen's total-queue checker. The audit reads every list, so a value whose push was
//! acknowledged and that no answer took must be in one of those between which values are moved.
//! A pop of unknown outcome may have taken one value and no more; which one is not known, so as
//! many may be missing as there are such pops on these lists that were not over when the value was
//! pushed. A removal of unknown outcome excuses
//! its own value. A move of unknown outcome excuses nothing: its value is here or there.
//!
//! Not checked: lists that the audit did not read are `Unknown`; so is what is missing or double
//! while a move may still take effect between two of the audit's reads.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::{View, certain, may_have_effect};
use super::words;
use squall_history::lists::{ListGroup as Group, is_move_in_doubt, may_be_popped};
use squall_history::{Action, Operation, Outcome, Phase};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for group in &view.lists.groups {
        judge_group(view, judge, group);
    }
}

fn judge_group(view: &View, judge: &mut Judge, group: &Group) {
    let operations = || {
        group
            .operations
            .iter()
            .map(|&index| &view.operations[index])
    };
    let pushed = operations().filter_map(|push| match push.action {
        Action::ListPush { value, .. } => Some((value.as_str(), push)),
        _ => None,
    });
    let is_left = |value: &str| view.lists.values[value].takes.is_empty();
    let left: Vec<(&str, &Operation)> = pushed.filter(|(value, _)| is_left(value)).collect();
    let is_acknowledged = |push: &Operation| push.outcome.is_some_and(Outcome::is_acknowledged);
    let pushes = operations().filter(|o| matches!(o.action, Action::ListPush { .. }));
    let acknowledged = pushes.filter(|push| is_acknowledged(push)).count();
    if acknowledged == 0 {
        return;
    }
    let reads = match audited(view, group) {
        Ok(reads) => reads,
        Err(list) => {
            return judge.unknown(format!("list {list} was not read in the audit"));
        }
    };
    judge.count(acknowledged as u64);
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    for read in &reads {
        if let Some(Outcome::Elements { values }) = read.outcome {
            for value in values {
                *found.entry(value).or_default() += 1;
            }
        }
    }
    let first_us = reads.iter().map(|read| read.invoked_us).min().unwrap_or(0);
    let in_doubt = operations().find(|o| is_move_in_doubt(o, first_us));
    let evidence = |push: &Operation| {
        let reads = reads.iter().map(|read| words::operation(read));
        let lines: Vec<String> = [words::operation(push)].into_iter().chain(reads).collect();
        lines
    };
    let mut missing = Vec::new();
    for (value, push) in left {
        match found.get(value) {
            Some(1) => {}
            None => missing.extend(
                (is_acknowledged(push) && !may_be_removed(view, group, value))
                    .then_some((value, push)),
            ),
            Some(_) if in_doubt.is_some() => {}
            Some(count) => judge.violation(
                format!("value {value} is in lists {count} times"),
                evidence(push),
            ),
        }
    }
    let sent_us = missing.iter().map(|(_, push)| push.invoked_us).collect();
    let excused = may_be_popped(sent_us, operations());
    if missing.len() <= excused {
        return;
    }
    if let Some(moving) = in_doubt {
        return judge.unknown(format!(
            "a move without an answer may have hidden values from the audit: {}",
            words::operation(moving)
        ));
    }
    for (value, push) in &missing {
        let others = match excused {
            0 => String::new(),
            1 => format!(
                ", as are {} more; one pop without an answer may have taken one of them",
                missing.len() - 1
            ),
            _ => format!(
                ", as are {} more; {excused} pops without an answer may have taken as many",
                missing.len() - 1
            ),
        };
        judge.violation(
            format!("value {value}, whose push was acknowledged, is lost{others}"),
            evidence(push),
        );
    }
}

/// The audit's read of each list, or the list that has none.
fn audited<'v, 'a>(
    view: &'v View<'a>,
    group: &Group<'a>,
) -> Result<Vec<&'v Operation<'a>>, &'a str> {
    let read_of = |list: &'a str| {
        let operations = group.operations.iter().rev();
        let mut operations = operations.map(|&index| &view.operations[index]);
        let read = operations.find(|o| {
            let is_read = matches!(o.action, Action::ListRange { list: other } if other == list);
            let is_answered = matches!(o.outcome, Some(Outcome::Elements { .. }));
            is_read && is_answered && view.in_phase(o, Phase::Audit)
        });
        read.ok_or(list)
    };
    group.lists.iter().map(|list| read_of(list)).collect()
}

fn may_be_removed(view: &View, group: &Group, value: &str) -> bool {
    let mut operations = group
        .operations
        .iter()
        .map(|&index| &view.operations[index]);
    operations.any(|o| {
        let is_of_value =
            matches!(o.action, Action::ListRemove { value: other, .. } if other == value);
        is_of_value && !certain(o) && may_have_effect(o)
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;

    fn pushed() -> Run {
        let mut run = Run::new();
        run.call("cache-1", list_push("l", "a"), length(1));
        run.call("cache-1", list_push("l", "b"), length(2));
        run
    }

    fn audit(run: &mut Run, lists: &[(&str, &[&str])]) {
        run.at(60_000).audit();
        for (list, values) in lists {
            run.call("audit", list_range(list), elements(values));
        }
    }

    #[test]
    fn a_value_that_is_gone() {
        let mut run = pushed();
        run.call("cache-2", list_pop("l"), popped("a"));
        audit(&mut run, &[("l", &[])]);
        fails(
            check,
            &run.end(),
            "value b, whose push was acknowledged, is lost",
        );
    }

    #[test]
    fn one_pop_without_an_answer_takes_one_value() {
        let mut run = pushed();
        run.call("cache-2", list_wait("l", 100), unknown());
        audit(&mut run, &[("l", &["b"])]);
        passes(check, &run.end());
        let mut run = pushed();
        run.call("cache-2", list_pop("l"), unknown());
        audit(&mut run, &[("l", &[])]);
        fails(check, &run.end(), "is lost, as are 1 more; one pop without");
    }

    /// A pop takes what was pushed while it may still be executed, and nothing later.
    #[test]
    fn a_pop_that_was_over_takes_nothing() {
        let late = |ms: u64| {
            let mut run = Run::new();
            run.call("cache-2", list_wait("l", 5_000), unknown());
            run.at(ms).call("cache-1", list_push("l", "a"), length(1));
            audit(&mut run, &[("l", &[])]);
            run.end()
        };
        passes(check, &late(24_000));
        fails(check, &late(30_000), "value a, whose push was acknowledged");
        // Two pops, of which only one lasts until the second value is there.
        let two = |ms: u64| {
            let mut run = Run::new();
            run.call("cache-2", list_pop("l"), unknown());
            run.at(ms).call("cache-3", list_pop("l"), unknown());
            run.at(30_000);
            run.call("cache-1", list_push("l", "a"), length(1));
            run.call("cache-1", list_push("l", "b"), length(2));
            audit(&mut run, &[("l", &["b"])]);
            run.end()
        };
        passes(check, &two(15_000));
        fails(check, &two(5_000), "value a, whose push was acknowledged");
    }

    #[test]
    fn a_move_that_loses_or_doubles() {
        let mut run = pushed();
        run.call("cache-2", list_move("l", "m"), unknown());
        audit(&mut run, &[("l", &["b"]), ("m", &[])]);
        fails(
            check,
            &run.end(),
            "value a, whose push was acknowledged, is lost",
        );
        let mut run = pushed();
        run.call("cache-2", list_move("l", "m"), popped("a"));
        audit(&mut run, &[("l", &["a", "b"]), ("m", &["a"])]);
        fails(check, &run.end(), "value a is in lists 2 times");
    }

    /// The removal may have been; a push without an answer may be there or not; and a value that
    /// was moved is in the other list.
    #[test]
    fn what_may_be_gone_and_what_is_elsewhere() {
        let mut run = pushed();
        run.call("cache-1", list_push("l", "c"), unknown());
        run.call("cache-2", list_move("l", "m"), popped("a"));
        run.call("cache-2", list_move("l", "m"), unknown());
        run.call("cache-2", list_remove("m", "a"), unknown());
        audit(&mut run, &[("l", &[]), ("m", &["b"])]);
        passes(check, &run.end());
    }

    #[test]
    fn what_the_audit_cannot_tell() {
        cannot_tell(check, &pushed().end(), "list l was not read");
        let mut run = pushed();
        run.call("cache-2", list_move("l", "m"), unknown());
        run.audit();
        run.call("audit", list_range("l"), elements(&["b"]));
        run.call("audit", list_range("m"), elements(&[]));
        cannot_tell(check, &run.end(), "may have hidden values");
    }
}

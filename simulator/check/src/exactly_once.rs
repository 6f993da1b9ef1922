//! R3: exactly once per session and sequence. A counter that clients only ever count up
//! shows each increment once, and no increment twice, however often it was sent again.
//!
//! In plain words: whoever asks again because the answer got lost does not pay twice, and
//! what was acknowledged is in the sum.
//!
//! Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), §6.3. An operation that
//! was sent several times is one operation of the history (with its `Retry` events), so the
//! sum that the audit reads lies between the acknowledged increments and all that may have
//! taken effect, and every acknowledged one was answered a number of its own.
//!
//! Not checked: messages published twice (`queue_duplicates`), locks (`lock_once`), the
//! order of increments (`cache_linearizable`), and keys that other writes change too.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::{View, end, may_have_effect};
use super::words;
use squall_history::{Action, Operation, Outcome, Phase};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (key, indexes) in &view.keys {
        let operations: Vec<&Operation> = indexes.iter().map(|&i| &view.operations[i]).collect();
        if is_counter(&operations) {
            judge_answers(judge, key, &operations);
            judge_sum(view, judge, key, &operations);
        }
    }
}

/// Whether the key was only read and counted up.
fn is_counter(operations: &[&Operation]) -> bool {
    let mut counted = false;
    operations.iter().all(|operation| match operation.action {
        Action::Increment { by, .. } => {
            counted = true;
            *by > 0
        }
        _ => matches!(operation.action, Action::Get { .. }),
    }) && counted
}

fn judge_answers(judge: &mut Judge, key: &str, operations: &[&Operation]) {
    let mut answers: BTreeMap<i64, &Operation> = BTreeMap::new();
    for operation in operations {
        let Some(Outcome::Counted { value, .. }) = operation.outcome else {
            continue;
        };
        judge.count_checked();
        if let Some(other) = answers.insert(*value, operation) {
            judge.violation(
                format!("key {key}: two increments were answered {value}"),
                [other, operation].map(words::operation),
            );
        }
    }
}

fn judge_sum(view: &View, judge: &mut Judge, key: &str, operations: &[&Operation]) {
    let audited = operations.iter().rfind(|o| {
        let answered = matches!(o.outcome, Some(Outcome::Value { .. }));
        answered && view.in_phase(o, Phase::Audit)
    });
    let Some(read) = audited else {
        judge.unknown(format!("counter {key} was not read in the audit"));
        return;
    };
    let Some(Outcome::Value { value, .. }) = read.outcome else {
        unreachable!("the audit's read was answered")
    };
    let Ok(sum) = value.as_deref().unwrap_or("0").parse::<i64>() else {
        judge.violation(
            format!("counter {key} holds no number"),
            [words::operation(read)],
        );
        return;
    };
    let increments = || operations.iter().filter(|o| may_have_effect(o));
    let total = |counts: &dyn Fn(&Operation) -> bool| -> i64 {
        let counted = increments().filter(|o| counts(o));
        counted
            .filter_map(|o| match o.action {
                Action::Increment { by, .. } => Some(*by),
                _ => None,
            })
            .fold(0, i64::saturating_add)
    };
    let least =
        total(&|o| o.outcome.is_some_and(Outcome::is_acknowledged) && end(o) < read.invoke_pos);
    let most = total(&|o| Some(o.invoke_pos) < read.return_pos);
    if sum > most {
        judge.violation(
            format!("counter {key} is at {sum}, but at most {most} were ever asked for"),
            [words::operation(read)],
        );
    } else if sum < least {
        judge.violation(
            format!("counter {key} is at {sum}, but {least} were acknowledged"),
            [words::operation(read)],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::EventKind;

    /// Two increments, of which the second was sent twice.
    fn counted_twice() -> Run {
        let mut run = Run::new();
        run.call("cache-1", increment("k", 1), counted(1, 5));
        let op = run.invoke("cache-1", increment("k", 1));
        run.push(EventKind::retry(op, unknown()));
        run.returns(op, counted(2, 7));
        run
    }

    #[test]
    fn a_retry_that_counts_again() {
        let mut run = counted_twice();
        run.audit().call("audit", get("k"), value("3", 7));
        fails(
            check,
            &run.end(),
            "counter k is at 3, but at most 2 were ever asked for",
        );
    }

    #[test]
    fn an_acknowledged_increment_that_is_missing_or_answered_twice() {
        let mut run = counted_twice();
        run.audit().call("audit", get("k"), value("1", 5));
        fails(check, &run.end(), "is at 1, but 2 were acknowledged");
        let mut run = counted_twice();
        run.call("cache-2", increment("k", 1), counted(2, 9));
        run.audit().call("audit", get("k"), value("3", 9));
        fails(check, &run.end(), "two increments were answered 2");
    }

    /// The unknown one may have counted, or not.
    #[test]
    fn an_increment_without_an_answer() {
        for sum in ["2", "3"] {
            let mut run = counted_twice();
            run.call("cache-2", increment("k", 1), unknown());
            run.audit().call("audit", get("k"), value(sum, 9));
            passes(check, &run.end());
        }
    }

    #[test]
    fn a_counter_that_nobody_read() {
        cannot_tell(
            check,
            &counted_twice().end(),
            "counter k was not read in the audit",
        );
    }
}

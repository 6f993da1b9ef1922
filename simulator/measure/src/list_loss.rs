//! Loss of values of lists.
//!
//! A pushed value is lost if no answer took it and the audit, which read every list, did not find
//! it. As many as there are pops without an answer may have been taken by those, and are not
//! counted. Twice in a list, in two lists, or taken twice is duplicated; there, and never
//! pushed, is phantom.

use indexmap::IndexMap;

use squall_history::{Action, Operation, Outcome, Phase};

use super::tally::Tally;
use super::timeline::{Class, Timeline};

/// What became of one value.
#[derive(Default)]
struct Value<'a> {
    /// Whether an operation that may have taken effect pushed it.
    issued: bool,
    acked: Option<&'a Operation<'a>>,
    taken: u64,
    /// How often the audit found it.
    left: u64,
    shown: bool,
    /// A removal without an answer may have taken it.
    may_be_removed: bool,
}

pub(super) fn list_loss<'a>(timeline: &'a Timeline<'a>, tally: &mut Tally) {
    let mut values: IndexMap<&str, Value<'_>> = IndexMap::new();
    // The last answered read of each list by the audit; none yet if it was pushed to only.
    let mut audited: IndexMap<&str, Option<&[String]>> = IndexMap::new();
    let mut unheard = 0_usize;
    for (operation, sample) in timeline.asked() {
        let is_unknown = !matches!(sample.class, Class::Ok | Class::Failed);
        match (operation.action, operation.outcome) {
            (Action::ListPush { list, value, .. }, _) => {
                audited.entry(list).or_default();
                let value = values.entry(value).or_default();
                value.issued |= sample.class != Class::Failed;
                value.acked = Some(operation).filter(|_| sample.class == Class::Ok);
            }
            (Action::ListPop { .. } | Action::ListBlockingPop { .. }, outcome) => match outcome {
                Some(Outcome::Popped { value: Some(value) }) => {
                    let value = values.entry(value).or_default();
                    value.taken += 1;
                }
                _ => unheard += usize::from(is_unknown),
            },
            (Action::ListRemove { value, .. }, outcome) => {
                let value = values.entry(value).or_default();
                value.may_be_removed |= is_unknown;
                value.taken += u64::from(matches!(outcome, Some(Outcome::Length { values: 1.. })));
            }
            (Action::ListMove { to, .. } | Action::ListBlockingMove { to, .. }, outcome) => {
                audited.entry(to).or_default();
                if let Some(Outcome::Popped { value: Some(value) }) = outcome {
                    values.entry(value).or_default().shown = true;
                }
            }
            (Action::ListRange { list }, Some(Outcome::Elements { values: found })) => {
                for value in found {
                    values.entry(value).or_default().shown = true;
                }
                if sample.phase == Phase::Audit {
                    audited.insert(list, Some(found));
                }
            }
            _ => {}
        }
    }
    let is_audited = audited.values().all(Option::is_some);
    for value in audited.values().flatten().copied().flatten() {
        values.entry(value).or_default().left += 1;
    }
    let mut missing = Vec::new();
    for value in values.values() {
        let there = value.taken + value.left;
        tally.loss.phantom += u64::from((there > 0 || value.shown) && !value.issued);
        tally.loss.duplicated += u64::from(there > 1);
        if let Some(push) = value.acked {
            tally.loss.acked += 1;
            match (there > 0 || value.may_be_removed, is_audited) {
                (true, _) => {}
                (false, true) => missing.push(push),
                (false, false) => tally.loss.unaudited += 1,
            }
        }
    }
    // Which of them were taken is not known; the first ones are as likely as any.
    for push in missing.into_iter().skip(unheard) {
        tally.lose(push);
    }
}

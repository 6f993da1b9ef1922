//! Loss of values of lists.
//!
//! A pushed value is lost if no answer took it and the audit, which read every list between which
//! values are moved, did not find it. As many as pops without an answer on these lists may have
//! taken are not counted; while a move without an answer may still take effect between two of the
//! audit's reads, what is missing is unaudited. Twice in a list, in two lists, or taken twice is
//! duplicated; there, and never pushed, is phantom.

use indexmap::IndexMap;

use squall_history::lists::{ListGroup, is_move_in_doubt, list_groups, may_be_popped, taken};
use squall_history::{Action, Operation, Outcome, Phase};

use super::tally::Tally;
use super::timeline::{Class, Sample, Timeline};

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

/// What the audit says of lists between which values are moved.
struct Audit<'a> {
    operations: Vec<&'a Operation<'a>>,
    /// Whether it read every one of them.
    is_whole: bool,
    /// Whether a move may have taken effect between two of its reads.
    is_in_doubt: bool,
    found: Vec<&'a str>,
}

pub(super) fn list_loss<'a>(timeline: &'a Timeline<'a>, tally: &mut Tally) {
    let asked = timeline.asked().filter(|(o, _)| o.action.is_of_list());
    let mut values: IndexMap<&str, Value<'_>> = IndexMap::new();
    // The last answered read of each list by the audit.
    let mut reads: IndexMap<&str, &Operation<'_>> = IndexMap::new();
    for (operation, sample) in asked {
        note(operation, sample, &mut values);
        if let (Action::ListRange { list }, Some(Outcome::Elements { .. }), Phase::Audit) =
            (operation.action, operation.outcome, sample.phase)
        {
            reads.insert(list, operation);
        }
    }
    let groups = list_groups(&timeline.operations);
    let audits = groups.iter().map(|group| audit(timeline, group, &reads));
    let audits: Vec<Audit<'_>> = audits.collect();
    for audit in &audits {
        for &value in &audit.found {
            let value = values.entry(value).or_default();
            // What was moved while the audit read is here and there.
            value.left = match audit.is_in_doubt {
                true => 1,
                false => value.left + 1,
            };
        }
    }
    for value in values.values() {
        let there = value.taken + value.left;
        tally.loss.phantom += u64::from((there > 0 || value.shown) && !value.issued);
        tally.loss.duplicated += u64::from(there > 1);
        tally.loss.acked += u64::from(value.acked.is_some());
    }
    for audit in &audits {
        let missing = missing(audit, &values);
        let sent_us = missing.iter().map(|push| push.invoked_us).collect();
        let excused = may_be_popped(sent_us, audit.operations.iter().copied());
        if !audit.is_whole {
            tally.loss.unaudited += missing.len() as u64;
        } else if audit.is_in_doubt {
            tally.loss.unaudited += (missing.len() - excused) as u64;
        } else {
            // Which of them were taken is not known; the first ones are as likely as any.
            for push in missing.into_iter().skip(excused) {
                tally.lose(push);
            }
        }
    }
}

fn note<'a>(
    operation: &'a Operation<'a>,
    sample: &Sample<'a>,
    values: &mut IndexMap<&'a str, Value<'a>>,
) {
    match (operation.action, operation.outcome) {
        (Action::ListPush { value, .. }, _) => {
            let value = values.entry(value).or_default();
            value.issued |= sample.class != Class::Failed;
            value.acked = Some(operation).filter(|_| sample.class == Class::Ok);
        }
        (Action::ListPop { .. } | Action::ListBlockingPop { .. }, _) => {
            if let Some(value) = taken(operation) {
                values.entry(value).or_default().taken += 1;
            }
        }
        (Action::ListRemove { value, .. }, outcome) => {
            let value = values.entry(value).or_default();
            value.may_be_removed |= sample.class == Class::Unknown;
            value.taken += u64::from(matches!(outcome, Some(Outcome::Length { values: 1.. })));
        }
        (Action::ListMove { .. } | Action::ListBlockingMove { .. }, _) => {
            if let Some(value) = taken(operation) {
                values.entry(value).or_default().shown = true;
            }
        }
        (Action::ListRange { .. }, Some(Outcome::Elements { values: found })) => {
            for value in found {
                values.entry(value).or_default().shown = true;
            }
        }
        _ => {}
    }
}

fn audit<'a>(
    timeline: &'a Timeline<'a>,
    group: &ListGroup<'a>,
    reads: &IndexMap<&'a str, &'a Operation<'a>>,
) -> Audit<'a> {
    let operations = group.operations.iter();
    let operations: Vec<_> = operations
        .map(|&index| &timeline.operations[index])
        .collect();
    let reads: Vec<_> = group
        .lists
        .iter()
        .filter_map(|list| reads.get(list).copied())
        .collect();
    let first_us = reads.iter().map(|read| read.invoked_us).min().unwrap_or(0);
    let found = reads.iter().flat_map(|read| match read.outcome {
        Some(Outcome::Elements { values }) => values.as_slice(),
        _ => &[],
    });
    Audit {
        is_whole: reads.len() == group.lists.len(),
        is_in_doubt: operations.iter().any(|o| is_move_in_doubt(o, first_us)),
        found: found.map(String::as_str).collect(),
        operations,
    }
}

/// Acknowledged pushes to these lists of whose values nothing tells where they are.
fn missing<'a>(audit: &Audit<'a>, values: &IndexMap<&'a str, Value<'a>>) -> Vec<&'a Operation<'a>> {
    let missing = audit.operations.iter().filter_map(|o| {
        let Action::ListPush { value, .. } = o.action else {
            return None;
        };
        let value = &values[value.as_str()];
        let push = value.acked.filter(|push| push.op == o.op)?;
        (value.taken + value.left == 0 && !value.may_be_removed).then_some(push)
    });
    missing.collect()
}

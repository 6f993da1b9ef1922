//! Marks of the clients: operations, sessions, locks and messages in the middle of trouble.

use std::collections::{BTreeMap, BTreeSet};

use super::{CoverageMark, MarkInput};
use squall_history::{Action, Operation, Outcome, Phase, Service};

pub(super) const MARKS: [CoverageMark; 11] = [
    CoverageMark {
        name: "operation_across_failover",
        about: "an operation was sent under one leader and acknowledged under another",
        count: across_failover,
    },
    CoverageMark {
        name: "unknown_write_took_effect",
        about: "a write whose outcome its client never learnt was seen by a reader",
        count: |input| unknown_writes(input, true),
    },
    CoverageMark {
        name: "unknown_publish_left_no_trace",
        about: "a publish whose outcome its client never learnt was not found by the audit",
        count: |input| unknown_writes(input, false),
    },
    CoverageMark {
        name: "session_expired_during_failover",
        about: "a client found its session gone after a time without a leader",
        count: sessions_expired,
    },
    CoverageMark {
        name: "lock_held_across_failover",
        about: "a lock was granted under one leader and released under another",
        count: locks_across,
    },
    CoverageMark {
        name: "lock_wait_timed_out",
        about: "an acquire ended without the lock",
        count: |input| outcomes(input, |outcome| *outcome == Outcome::NotGranted),
    },
    CoverageMark {
        name: "message_redelivered",
        about: "a message was delivered again after its visibility timeout",
        count: |input| redeliveries(input, false),
    },
    CoverageMark {
        name: "message_redelivered_across_failover",
        about: "a message was delivered under one leader, and again under another",
        count: |input| redeliveries(input, true),
    },
    CoverageMark {
        name: "late_ack_refused",
        about: "a message was acknowledged with a receipt that was no longer valid",
        count: |input| {
            outcomes(input, |outcome| {
                *outcome == Outcome::Settled { valid: false }
            })
        },
    },
    CoverageMark {
        name: "compare_and_set_lost",
        about: "a compare-and-set found that another write had come first",
        count: |input| outcomes(input, |outcome| *outcome == Outcome::Mismatch),
    },
    CoverageMark {
        name: "every_service_down",
        about: "all services that were asked were down at the same time",
        count: all_down,
    },
];

fn outcomes(input: &MarkInput, is_it: fn(&Outcome) -> bool) -> u64 {
    let outcomes = input.timeline.operations.iter().filter_map(|op| op.outcome);
    outcomes.filter(|outcome| is_it(outcome)).count() as u64
}

fn acknowledged<'a>(input: &MarkInput<'a>) -> impl Iterator<Item = (&'a Operation<'a>, u64)> {
    let operations = input.timeline.operations.iter();
    let answered = operations.filter(|op| op.outcome.is_some_and(Outcome::is_acknowledged));
    answered.filter_map(|op| Some((op, op.returned_us?)))
}

fn across_failover(input: &MarkInput) -> u64 {
    let spanning =
        acknowledged(input).filter(|(op, at_us)| input.leader_changed(op.invoked_us, *at_us));
    spanning.count() as u64
}

/// Writes with an unknown outcome that someone saw. Of those that nobody saw, only messages
/// count, and only after an audit: a value may have been overwritten.
fn unknown_writes(input: &MarkInput, seen: bool) -> u64 {
    let mut values: BTreeSet<&str> = BTreeSet::new();
    for (operation, _) in acknowledged(input) {
        match operation.outcome {
            Some(Outcome::Value {
                value: Some(value), ..
            }) => {
                values.insert(value);
            }
            Some(Outcome::Received { messages }) => {
                values.extend(messages.iter().map(|message| message.value.as_str()));
            }
            _ => {}
        }
    }
    let is_audited = input.timeline.phase(Phase::Audit).is_some();
    let operations = input.timeline.operations.iter();
    let unknown =
        operations.filter(|op| matches!(op.outcome, None | Some(Outcome::Unknown { .. })));
    let counted = unknown.filter(|op| match (op.action, seen) {
        (Action::Set { value, .. } | Action::CompareAndSet { value, .. }, true) => {
            values.contains(value.as_str())
        }
        (Action::Publish { value, .. }, true) => values.contains(value.as_str()),
        (Action::Publish { value, .. }, false) => is_audited && !values.contains(value.as_str()),
        _ => false,
    });
    counted.count() as u64
}

fn sessions_expired(input: &MarkInput) -> u64 {
    let mut alive_us: BTreeMap<u64, u64> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    for (operation, at_us) in acknowledged(input) {
        let session = match (operation.action, operation.outcome) {
            (_, Some(Outcome::Session { session })) => *session,
            (
                Action::KeepAlive { session }
                | Action::Acquire { session, .. }
                | Action::Release { session, .. },
                _,
            ) => *session,
            _ => continue,
        };
        let is_gone = operation.outcome == Some(&Outcome::NotHeld);
        if !is_gone {
            alive_us.insert(session, at_us);
        } else if matches!(operation.action, Action::Release { .. }) {
            // Perhaps only the lock is gone: released before, by a try without an answer.
        } else if let Some(before_us) = alive_us.get(&session)
            && input.is_vacant_within(*before_us, at_us)
        {
            gone.insert(session);
        }
    }
    gone.len() as u64
}

fn locks_across(input: &MarkInput) -> u64 {
    let mut granted_us: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    let mut times = 0;
    for (operation, at_us) in acknowledged(input) {
        match (operation.action, operation.outcome) {
            (Action::Acquire { name, .. }, Some(Outcome::Granted { token })) => {
                granted_us.insert((name, *token), at_us);
            }
            (Action::Release { name, token, .. }, Some(Outcome::Released)) => {
                let granted = granted_us.get(&(name.as_str(), *token));
                times += u64::from(granted.is_some_and(|from| input.leader_changed(*from, at_us)));
            }
            _ => {}
        }
    }
    times
}

fn redeliveries(input: &MarkInput, across_failover: bool) -> u64 {
    let mut delivered_us: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    let mut times = 0;
    for (operation, at_us) in acknowledged(input) {
        let (Action::Receive { queue, .. }, Some(Outcome::Received { messages })) =
            (operation.action, operation.outcome)
        else {
            continue;
        };
        for message in messages {
            let before = delivered_us.insert((queue, message.id), at_us);
            times += u64::from(match across_failover {
                false => message.deliveries > 1,
                true => before.is_some_and(|from_us| input.leader_changed(from_us, at_us)),
            });
        }
    }
    times
}

fn all_down(input: &MarkInput) -> u64 {
    let asked = input.timeline.services();
    let is_down = |service: Service, at_us: u64| {
        let gaps = input.gaps.iter().filter(|gap| gap.service == service);
        gaps.into_iter()
            .any(|gap| (gap.from_ms.get()..gap.to_ms.get()).contains(&at_us))
    };
    // Whenever all are down, the last of them has just gone down.
    let starts: BTreeSet<u64> = input.gaps.iter().map(|gap| gap.from_ms.get()).collect();
    let all = |at_us: &&u64| asked.iter().all(|service| is_down(*service, **at_us));
    starts.iter().filter(all).count() as u64
}

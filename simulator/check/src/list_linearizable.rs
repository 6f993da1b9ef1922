//! C12: lists are linearizable. What is pushed at one end and popped at the other comes out in the
//! order in which it went in, lengths and reads show what is there, and a move is one step.
//!
//! Source: Herlihy & Wing, "Linearizability" (1990). Lists between which values are moved are one
//! object, others are judged by themselves (theorem 1 there). By search over a model of lists with
//! two ends ([`Deques`]); values are unique, and every push tells the length, so nearly every
//! answer has one place. A search that exceeds its bound is `Unknown`.
//!
//! A pop of unknown outcome can have taken for good only what no answer shows in the end. A push of
//! unknown outcome whose value somebody was shown took effect before that answer.
//!
//! A wait that ends without a value says only that its time was up, and orders nothing. What a
//! waiting pop took whose client has gone, the leader tries to put back, unless it carries a
//! sequence; where no order is found without that, the search is made again with it. Both are over
//! when the cluster has given up on the pop.
//!
//! Not checked: in which order more than two values are put back that were in hand at a time, if it
//! is neither the order of taking nor its reverse; whether who waits is given what is there
//! (`list_wakeups`), and who comes first of those who wait.

use std::collections::BTreeSet;
use std::rc::Rc;

use indexmap::IndexSet;

use super::linearizability::models::Symbol;
use super::linearizability::models::deques::{DequeCall, Deques, Place};
use super::linearizability::{Bounds, Call, Verdict, search_within};
use super::log_order::{Answer, call_of, explained, in_operations};
use super::result::Judge;
use super::view::{View, certain, may_have_effect};
use super::words;
use squall_history::lists::{ListGroup as Group, latest_us, taken, taking};
use squall_history::{Action, EventKind, ListEnd, Operation, Outcome, Phase};

/// Steps of the search that every group of lists may take, and more for each call on it.
const STEPS: u64 = 200_000;
const STEPS_PER_CALL: u64 = 2_000;
/// What the search of one group may hold.
const BYTES: usize = 1 << 30;

pub(super) fn check(view: &View, judge: &mut Judge) {
    for group in &view.lists.groups {
        judge.count(group.operations.len() as u64);
        let names = group.lists.join(", ");
        match judged(view, group) {
            Answer::Linearizable => {}
            Answer::Violation(what, lines) => judge.violation(
                format!("lists {names}: {what}"),
                lines
                    .iter()
                    .map(|&index| words::operation(&view.operations[index])),
            ),
            Answer::NotApplicable => judge.unknown(format!(
                "lists {names}: no answer within the bound for {} operations",
                group.operations.len()
            )),
        }
    }
}

/// `NotApplicable`: the search took too much.
fn judged(view: &View, group: &Group) -> Answer {
    let mut calls = Calls::new(view, group);
    let found = calls.search();
    let lost = calls.lost_waits();
    let found = match found {
        Verdict::Violation(_) | Verdict::Unknown(_) if !lost.is_empty() => {
            calls.put_back(&lost);
            calls.search()
        }
        found => found,
    };
    match in_operations(&calls.operations, found) {
        Verdict::Linearizable => Answer::Linearizable,
        Verdict::Unknown(_) => Answer::NotApplicable,
        Verdict::Violation(stuck) => explained(&stuck),
    }
}

/// The calls on a group of lists.
struct Calls<'v, 'a> {
    view: &'v View<'a>,
    lists: IndexSet<&'a str>,
    values: IndexSet<&'a str>,
    calls: Vec<Call<DequeCall>>,
    /// The operation of each call.
    operations: Vec<usize>,
    /// By call, before which position it takes effect if its outcome is unknown; empty as long as
    /// there is no such bound.
    latest: Vec<Option<usize>>,
}

impl<'v, 'a> Calls<'v, 'a> {
    fn new(view: &'v View<'a>, group: &Group<'a>) -> Self {
        let mut calls = Calls {
            view,
            lists: group.lists.iter().copied().collect(),
            values: IndexSet::new(),
            calls: Vec::new(),
            operations: Vec::new(),
            latest: Vec::new(),
        };
        for &index in &group.operations {
            let operation = &view.operations[index];
            if let Some(call) = calls.call(operation) {
                let mut call = call_of(call, operation);
                if let (None, Action::ListPush { value, .. }) = (call.returned, operation.action) {
                    call.returned = first_shown(view, value);
                }
                calls.calls.push(call);
                calls.operations.push(index);
            }
        }
        calls
    }

    fn search(&self) -> Verdict {
        let bounds = Bounds {
            steps: STEPS + STEPS_PER_CALL * self.calls.len() as u64,
            bytes: BYTES,
        };
        let deques = Deques {
            lists: self.lists.len(),
            gone: self.gone(),
        };
        search_within(&deques, &self.calls, &self.latest, bounds, &|| false)
    }

    /// Waiting pops without an answer whose value would be put back, by number of their calls, and
    /// their places. What carries a sequence is kept for who asks again.
    fn lost_waits(&self) -> Vec<(usize, Place)> {
        let numbered = numbered(self.view);
        let calls = self.calls.iter().enumerate();
        let lost = calls.filter_map(|(number, call)| {
            let operation = &self.view.operations[self.operations[number]];
            let is_waiting = operation.action.wait_ms() > 0;
            match call.operation {
                DequeCall::LostPop { at, .. }
                    if is_waiting && !numbered.contains(operation.client) =>
                {
                    Some((number, at))
                }
                _ => None,
            }
        });
        lost.collect()
    }

    /// Whether no answer tells where a value is in the end, by symbol.
    fn gone(&self) -> Box<[bool]> {
        let view = self.view;
        let is_gone = |name: &&str| {
            let Some(value) = view.lists.values.get(*name) else {
                return true;
            };
            let mut seen = value.seen.iter().map(|(index, _)| &view.operations[*index]);
            value.takes.is_empty() && !seen.any(|read| view.in_phase(read, Phase::Audit))
        };
        self.values.iter().map(is_gone).collect()
    }

    /// Lets what these took be put back, as long as the cluster may still be at it.
    fn put_back(&mut self, lost: &[(usize, Place)]) {
        self.latest = vec![None; self.calls.len()];
        let events = &self.view.history.events;
        for &(number, at) in lost {
            let index = self.operations[number];
            let latest_us = latest_us(&self.view.operations[index]);
            let latest = Some(events.partition_point(|event| event.at_us <= latest_us));
            let wait = &mut self.calls[number];
            wait.operation = DequeCall::LostPop {
                at,
                is_put_back: true,
            };
            let invoked = wait.invoked;
            self.latest[number] = latest;
            for is_last in [true, false] {
                self.calls.push(Call {
                    operation: DequeCall::PutBack { at, is_last },
                    invoked,
                    returned: None,
                });
                self.operations.push(index);
                self.latest.push(latest);
            }
        }
    }

    /// The call as the specification knows it; `None` if it tells nothing.
    fn call(&mut self, operation: &Operation<'a>) -> Option<DequeCall> {
        if !may_have_effect(operation) {
            return None;
        }
        let (action, answer) = (operation.action, operation.outcome);
        if let Some(taking) = taking(action) {
            let at = self.place(taking.list, taking.end);
            let value = taken(operation).map(|value| self.value(value));
            let is_answered = certain(operation);
            return match (taking.to, value, is_answered) {
                (_, None, true) if taking.wait_ms > 0 => None,
                (_, None, true) => Some(DequeCall::Pop { at, value: None }),
                (None, None, false) => Some(DequeCall::LostPop {
                    at,
                    is_put_back: false,
                }),
                (None, value, _) => Some(DequeCall::Pop { at, value }),
                (Some((to, put)), value, _) => Some(DequeCall::Move {
                    from: at,
                    to: self.place(to, put),
                    value,
                }),
            };
        }
        let length = match answer {
            Some(Outcome::Length { values }) => Some(*values),
            _ => None,
        };
        match (action, answer) {
            (Action::ListPush { list, value, end }, _) => Some(DequeCall::Push {
                at: self.place(list, *end),
                value: self.value(value),
                length,
            }),
            (Action::ListRemove { list, value }, _) => Some(DequeCall::Remove {
                list: self.list(list),
                value: self.value(value),
                found: length.map(|count| count > 0),
            }),
            (Action::ListLength { list }, Some(Outcome::Length { values })) => {
                Some(DequeCall::Length {
                    list: self.list(list),
                    values: *values,
                })
            }
            (Action::ListRange { list }, Some(Outcome::Elements { values })) => {
                let symbols: Rc<[Symbol]> = values.iter().map(|value| self.value(value)).collect();
                Some(DequeCall::Range {
                    list: self.list(list),
                    values: symbols,
                })
            }
            // A read without an answer tells nothing.
            _ => None,
        }
    }

    fn place(&self, list: &str, end: ListEnd) -> Place {
        Place {
            list: self.list(list),
            is_left: end == ListEnd::Left,
        }
    }

    fn list(&self, name: &str) -> usize {
        let number = self.lists.get_index_of(name);
        number.expect("a group has all lists that its operations are about")
    }

    fn value(&mut self, value: &'a str) -> Symbol {
        let (number, _) = self.values.insert_full(value);
        Symbol::try_from(number).expect("a run has fewer values")
    }
}

/// The clients whose operations on lists carry a sequence: those that sent one again.
fn numbered<'a>(view: &View<'a>) -> BTreeSet<&'a str> {
    let events = view.history.events.iter();
    let again: BTreeSet<u64> = events
        .filter_map(|event| match event.kind {
            EventKind::Retry { op, .. } => Some(op),
            _ => None,
        })
        .collect();
    let operations = view.operations.iter();
    let again = operations.filter(|o| o.action.is_of_list() && again.contains(&o.op));
    again.map(|operation| operation.client).collect()
}

/// Where the first answer stands that shows a value.
fn first_shown(view: &View, value: &str) -> Option<usize> {
    let value = view.lists.values.get(value)?;
    let seen = value.seen.iter().map(|(index, _)| index);
    let shown = value.takes.iter().chain(&value.moves).chain(seen);
    shown
        .filter_map(|&index| view.operations[index].return_pos)
        .min()
}

#[cfg(test)]
#[path = "list_linearizable_tests.rs"]
mod tests;

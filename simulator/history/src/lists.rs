//! Helps checks and measures of lists: finds which lists belong together, which operations take
//! from them, and how much unanswered ones may have taken. Judges nothing.

use std::collections::BTreeMap;

use super::{Action, ListEnd, Operation, Outcome};

/// A node gives up on a request after 10 s; what was sent that long before, and again, is over.
const IN_DOUBT_US: u64 = 20_000_000;

/// Lists that are one object, since values are moved between them.
#[derive(Debug, Default)]
pub struct ListGroup<'a> {
    /// In order of first mention.
    pub lists: Vec<&'a str>,
    /// Positions of all operations on them, in order of invocation.
    pub operations: Vec<usize>,
}

/// What an operation takes a value from, if it does.
#[derive(Debug, Clone, Copy)]
pub struct Taking<'a> {
    /// The list's key.
    pub list: &'a str,
    /// Which of its values it takes.
    pub end: ListEnd,
    /// Where it puts the value, if it keeps it.
    pub to: Option<(&'a str, ListEnd)>,
    /// How long it waits for one; 0 if it does not.
    pub wait_ms: u64,
}

/// What a pop or a move takes from.
pub fn taking<'a>(action: &'a Action) -> Option<Taking<'a>> {
    let wait_ms = action.wait_ms();
    match action {
        Action::ListPop { list, end } | Action::ListBlockingPop { list, end, .. } => Some(Taking {
            list,
            end: *end,
            to: None,
            wait_ms,
        }),
        Action::ListMove {
            from,
            take,
            to,
            put,
        }
        | Action::ListBlockingMove {
            from,
            take,
            to,
            put,
            ..
        } => Some(Taking {
            list: from,
            end: *take,
            to: Some((to, *put)),
            wait_ms,
        }),
        _ => None,
    }
}

/// The value that a pop or a move was answered with.
pub fn taken<'a>(operation: &Operation<'a>) -> Option<&'a str> {
    match operation.outcome {
        Some(Outcome::Popped { value }) => value.as_deref(),
        _ => None,
    }
}

fn is_unheard(operation: &Operation) -> bool {
    matches!(operation.outcome, None | Some(Outcome::Unknown { .. }))
}

/// Until when an operation on lists may take effect, in microseconds of the run: its return, or,
/// where nobody heard what became of it, when the cluster has given up on it; the end of time if
/// it never returned.
pub fn latest_us(operation: &Operation) -> u64 {
    let returned_us = operation.returned_us.unwrap_or(u64::MAX);
    if !is_unheard(operation) {
        return returned_us;
    }
    let wait_us = operation.action.wait_ms().saturating_mul(1_000);
    returned_us
        .saturating_add(wait_us)
        .saturating_add(IN_DOUBT_US)
}

/// Whether it is a move of unknown outcome that may take effect at `at_us` or later.
pub fn is_move_in_doubt(operation: &Operation, at_us: u64) -> bool {
    let is_move = taking(operation.action).is_some_and(|taking| taking.to.is_some());
    is_move && is_unheard(operation) && latest_us(operation) > at_us
}

/// How many of the values that were sent at these times the pops of unknown outcome among these
/// operations may have taken: each one at most, and none that was sent when it was over.
pub fn may_be_popped<'o, 'a: 'o>(
    mut sent_us: Vec<u64>,
    operations: impl Iterator<Item = &'o Operation<'a>>,
) -> usize {
    let is_pop = |o: &Operation| taking(o.action).is_some_and(|taking| taking.to.is_none());
    let pops = operations.filter(|o| is_pop(o) && is_unheard(o));
    let mut pops_us: Vec<u64> = pops.map(latest_us).collect();
    // Of those that can take the last value, each can take any: the last ones go first.
    sent_us.sort_unstable_by(|one, other| other.cmp(one));
    pops_us.sort_unstable();
    let mut count = 0;
    for sent_us in sent_us {
        if pops_us.last().is_some_and(|&until_us| until_us >= sent_us) {
            pops_us.pop();
            count += 1;
        }
    }
    count
}

/// The lists of a history, by those between which something may have been moved, in order of
/// first mention.
pub fn list_groups<'a>(operations: &[Operation<'a>]) -> Vec<ListGroup<'a>> {
    let mut groups = Groups::default();
    for (index, operation) in operations.iter().enumerate() {
        let action = operation.action;
        if !action.is_of_list() {
            continue;
        }
        let list = action.key().expect("all of these are about a list");
        let number = groups.number(list);
        groups.operations.push((index, number));
        if let Some(Taking {
            to: Some((to, _)), ..
        }) = taking(action)
        {
            let to = groups.number(to);
            if taken(operation).is_some() || is_unheard(operation) {
                groups.join(number, to);
            }
        }
    }
    groups.collect()
}

/// Lists by number, and which belong together.
#[derive(Default)]
struct Groups<'a> {
    numbers: BTreeMap<&'a str, usize>,
    /// Of each list, its name, and one that it belongs together with, or itself.
    with: Vec<(&'a str, usize)>,
    /// With the number of the list.
    operations: Vec<(usize, usize)>,
}

impl<'a> Groups<'a> {
    fn number(&mut self, list: &'a str) -> usize {
        let next = self.with.len();
        let number = *self.numbers.entry(list).or_insert(next);
        if number == next {
            self.with.push((list, next));
        }
        number
    }

    /// The one that stands for all that belong together with this one.
    fn first(&self, mut number: usize) -> usize {
        while self.with[number].1 != number {
            number = self.with[number].1;
        }
        number
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first(one), self.first(other));
        self.with[one.max(other)].1 = one.min(other);
    }

    fn collect(self) -> Vec<ListGroup<'a>> {
        // The first of a group has the lowest number, so groups come in order of first mention.
        let mut groups: BTreeMap<usize, ListGroup<'a>> = BTreeMap::new();
        for (number, (list, _)) in self.with.iter().enumerate() {
            let group = groups.entry(self.first(number)).or_default();
            group.lists.push(list);
        }
        for &(index, number) in &self.operations {
            let group = groups.get_mut(&self.first(number));
            let group = group.expect("every list is in a group");
            group.operations.push(index);
        }
        groups.into_values().collect()
    }
}

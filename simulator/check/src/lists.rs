//! Indexes what a history says about lists: by list, by value, and by the lists between which
//! values are moved. Every pushed value is unique within a run, so a value names what was pushed.
//! Judges nothing.

use indexmap::IndexMap;

use super::certainty::{certain, may_have_effect};
use squall_history::{Action, ListEnd, Operation, Outcome};

#[derive(Debug, Default)]
pub(super) struct Lists<'a> {
    /// By value, in order of first mention.
    pub(super) values: IndexMap<&'a str, Value<'a>>,
    /// Lists between which something may have been moved, in order of first mention.
    pub(super) groups: Vec<Group<'a>>,
}

/// Lists that are one object, since values are moved between them.
#[derive(Debug, Default)]
pub(super) struct Group<'a> {
    pub(super) lists: Vec<&'a str>,
    /// Positions of all operations on them, in order of invocation.
    pub(super) operations: Vec<usize>,
}

/// What became of a value. All lists hold positions in the list of operations, in order of
/// invocation.
#[derive(Debug, Default)]
pub(super) struct Value<'a> {
    pub(super) push: Option<usize>,
    /// Acknowledged pops and removals.
    pub(super) takes: Vec<usize>,
    /// Acknowledged moves.
    pub(super) moves: Vec<usize>,
    /// Reads that showed it, and of which list.
    pub(super) seen: Vec<(usize, &'a str)>,
}

/// What an operation takes a value from, if it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taking<'a> {
    pub(super) list: &'a str,
    pub(super) end: ListEnd,
    /// Where it puts the value, if it keeps it.
    pub(super) to: Option<(&'a str, ListEnd)>,
    /// How long it waits for one; 0 if it does not.
    pub(super) wait_ms: u64,
}

/// What a pop or a move takes from.
pub(super) fn taking<'a>(action: &'a Action) -> Option<Taking<'a>> {
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
pub(super) fn taken<'a>(operation: &Operation<'a>) -> Option<&'a str> {
    match operation.outcome {
        Some(Outcome::Popped { value }) => value.as_deref(),
        _ => None,
    }
}

impl<'a> Lists<'a> {
    pub(super) fn new(operations: &[Operation<'a>]) -> Self {
        let mut lists = Lists::default();
        let mut groups = Groups::default();
        for (index, operation) in operations.iter().enumerate() {
            let action = operation.action;
            if !action.is_of_list() {
                continue;
            }
            let list = action.key().expect("all of these are about a list");
            let number = groups.number(list);
            groups.operations.push((index, number));
            lists.note(index, operation);
            if let Some(Taking {
                to: Some((to, _)), ..
            }) = taking(action)
            {
                let to = groups.number(to);
                if taken(operation).is_some() || !certain(operation) {
                    groups.join(number, to);
                }
            }
        }
        lists.groups = groups.collect();
        lists
    }

    fn note(&mut self, index: usize, operation: &Operation<'a>) {
        match (operation.action, operation.outcome) {
            (Action::ListPush { value, .. }, _) => {
                self.value(value).push.get_or_insert(index);
            }
            (Action::ListRemove { value, .. }, Some(Outcome::Length { values: 1.. })) => {
                self.value(value).takes.push(index);
            }
            (Action::ListRange { list }, Some(Outcome::Elements { values })) => {
                for value in values {
                    self.value(value).seen.push((index, list));
                }
            }
            (action, _) => {
                if let (Some(taking), Some(value)) = (taking(action), taken(operation)) {
                    let value = self.value(value);
                    match taking.to {
                        None => value.takes.push(index),
                        Some(_) => value.moves.push(index),
                    }
                }
            }
        }
    }

    fn value(&mut self, value: &'a str) -> &mut Value<'a> {
        self.values.entry(value).or_default()
    }
}

impl Value<'_> {
    /// The push, if it may have had an effect.
    pub(super) fn pushed<'o, 'a>(
        &self,
        operations: &'o [Operation<'a>],
    ) -> Option<&'o Operation<'a>> {
        let push = &operations[self.push?];
        may_have_effect(push).then_some(push)
    }
}

/// Lists by number, and which belong together.
#[derive(Default)]
struct Groups<'a> {
    /// Of each list, one that it belongs together with, or itself.
    with: IndexMap<&'a str, usize>,
    /// With the number of the list.
    operations: Vec<(usize, usize)>,
}

impl<'a> Groups<'a> {
    fn number(&mut self, list: &'a str) -> usize {
        let next = self.with.len();
        let entry = self.with.entry(list);
        let number = entry.index();
        entry.or_insert(next);
        number
    }

    /// The one that stands for all that belong together with this one.
    fn first(&self, mut number: usize) -> usize {
        while self.with[number] != number {
            number = self.with[number];
        }
        number
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first(one), self.first(other));
        self.with[one.max(other)] = one.min(other);
    }

    fn collect(self) -> Vec<Group<'a>> {
        let mut groups: IndexMap<usize, Group<'a>> = IndexMap::new();
        for (number, list) in self.with.keys().enumerate() {
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

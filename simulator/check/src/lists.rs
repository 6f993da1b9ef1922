//! Indexes what a history says about lists: by list, by value, and by the lists between which
//! values are moved. Every pushed value is unique within a run, so a value names what was pushed.
//! Judges nothing.

use indexmap::IndexMap;

use super::certainty::may_have_effect;
use squall_history::lists::{ListGroup, list_groups, taken, taking};
use squall_history::{Action, Operation, Outcome};

#[derive(Debug, Default)]
pub(super) struct Lists<'a> {
    /// By value, in order of first mention.
    pub(super) values: IndexMap<&'a str, Value<'a>>,
    /// Lists between which something may have been moved, in order of first mention.
    pub(super) groups: Vec<ListGroup<'a>>,
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

impl<'a> Lists<'a> {
    pub(super) fn new(operations: &[Operation<'a>]) -> Self {
        let mut lists = Lists {
            groups: list_groups(operations),
            ..Lists::default()
        };
        for (index, operation) in operations.iter().enumerate() {
            if operation.action.is_of_list() {
                lists.note(index, operation);
            }
        }
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

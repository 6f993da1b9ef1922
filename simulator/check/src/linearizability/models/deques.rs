//! Lists with two ends, between which values are moved: push, pop, move, remove, length, range.
//!
//! Source: the lists of Redis, and the queue of Herlihy & Wing, "Linearizability" (1990), §1, with
//! both ends open. Lists between which nothing is ever moved are objects of their own, and are
//! better judged one by one. A pop or a move of unknown outcome may have taken what stood at its
//! end; what such a pop took may be put back where it was ([`DequeCall::PutBack`]), for whoever
//! judges a service that does so.

use std::rc::Rc;

use super::super::Specification;
use super::Symbol;

/// So many lists, all empty at first.
#[derive(Debug, Clone)]
pub struct Deques {
    /// How many.
    pub lists: usize,
    /// By symbol, whether no answer tells where a value is when all is over: what a pop of unknown
    /// outcome took for good is one of these.
    pub gone: Box<[bool]>,
}

/// A place at an end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// By number.
    pub list: usize,
    /// At its left end, or at its right end.
    pub is_left: bool,
}

/// What is done, and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DequeCall {
    Push {
        at: Place,
        value: Symbol,
        /// The length that it was answered with.
        length: Option<u64>,
    },
    /// `None`: found nothing.
    Pop {
        at: Place,
        value: Option<Symbol>,
    },
    /// A pop whose answer never came.
    LostPop {
        at: Place,
        /// Whether what it took may be put back, so that it may have been anything.
        is_put_back: bool,
    },
    /// What a pop without an answer took is back where it was: of several that were taken there
    /// and are not back, the last one taken or the first.
    PutBack {
        at: Place,
        is_last: bool,
    },
    /// A move without a value is one whose answer never came.
    Move {
        from: Place,
        to: Place,
        value: Option<Symbol>,
    },
    /// Takes out a value, wherever it is; whether it was there, if that was answered.
    Remove {
        list: usize,
        value: Symbol,
        found: Option<bool>,
    },
    Length {
        list: usize,
        values: u64,
    },
    /// From left to right.
    Range {
        list: usize,
        values: Rc<[Symbol]>,
    },
}

/// The lists, each from left to right, and what pops without an answer hold in their hands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Contents {
    lists: Box<[Rc<[Symbol]>]>,
    /// Those of a place in the order of taking.
    held: Rc<[(Place, Symbol)]>,
}

impl Contents {
    fn list(&self, number: usize) -> &[Symbol] {
        &self.lists[number]
    }

    fn set(&mut self, number: usize, values: impl IntoIterator<Item = Symbol>) {
        self.lists[number] = values.into_iter().collect();
    }

    fn push(&mut self, at: Place, value: Symbol) {
        let list = self.lists[at.list].clone();
        let values = list.iter().copied();
        match at.is_left {
            true => self.set(at.list, [value].into_iter().chain(values)),
            false => self.set(at.list, values.chain([value])),
        }
    }

    fn pop(&mut self, at: Place) -> Option<Symbol> {
        let list = self.lists[at.list].clone();
        let (value, rest) = match at.is_left {
            true => list.split_first()?,
            false => list.split_last()?,
        };
        self.set(at.list, rest.iter().copied());
        Some(*value)
    }

    fn hold(&mut self, at: Place, value: Symbol) {
        let mut held: Vec<_> = self.held.iter().copied().chain([(at, value)]).collect();
        held.sort_by_key(|(at, _)| *at);
        self.held = held.into();
    }

    /// One of those held that were taken there.
    fn let_go(&mut self, at: Place, is_last: bool) -> Option<Symbol> {
        let mut held = self.held.to_vec();
        let place = match is_last {
            true => held.iter().rposition(|(place, _)| *place == at)?,
            false => held.iter().position(|(place, _)| *place == at)?,
        };
        let (_, value) = held.remove(place);
        self.held = held.into();
        Some(value)
    }
}

impl Specification for Deques {
    type Operation = DequeCall;
    type State = Contents;

    fn initial(&self) -> Contents {
        Contents {
            lists: (0..self.lists).map(|_| Rc::default()).collect(),
            held: Rc::default(),
        }
    }

    fn apply(&self, state: &Contents, call: &DequeCall) -> Option<Contents> {
        // What is only looked at is copied by nobody.
        let mut after = state.clone();
        match call {
            DequeCall::Push { at, value, length } => {
                let new = state.list(at.list).len() as u64 + 1;
                if length.is_some_and(|length| length != new) {
                    return None;
                }
                after.push(*at, *value);
            }
            DequeCall::Pop { at, value: None } => {
                return state.list(at.list).is_empty().then_some(after);
            }
            DequeCall::Pop { at, value } => {
                if after.pop(*at) != *value {
                    return None;
                }
            }
            DequeCall::LostPop { at, is_put_back } => match after.pop(*at) {
                None => {}
                Some(value) if *is_put_back => after.hold(*at, value),
                Some(value) if self.gone[value as usize] => {}
                Some(_) => return None,
            },
            DequeCall::PutBack { at, is_last } => {
                let value = after.let_go(*at, *is_last)?;
                after.push(*at, value);
            }
            DequeCall::Move { from, to, value } => match (after.pop(*from), value) {
                (None, None) => {}
                (taken, Some(_)) if taken != *value => return None,
                (None, Some(_)) => return None,
                (Some(taken), _) => after.push(*to, taken),
            },
            DequeCall::Remove { list, value, found } => {
                let values = state.list(*list);
                let is_there = values.contains(value);
                if found.is_some_and(|found| found != is_there) {
                    return None;
                }
                if is_there {
                    let left = values.iter().copied().filter(|other| other != value);
                    after.set(*list, left.collect::<Vec<_>>());
                }
            }
            DequeCall::Length { list, values } => {
                return (state.list(*list).len() as u64 == *values).then_some(after);
            }
            DequeCall::Range { list, values } => {
                return (state.list(*list) == &values[..]).then_some(after);
            }
        }
        Some(after)
    }

    fn is_read(&self, call: &DequeCall) -> bool {
        matches!(
            call,
            DequeCall::Pop { value: None, .. }
                | DequeCall::Remove {
                    found: Some(false),
                    ..
                }
                | DequeCall::Length { .. }
                | DequeCall::Range { .. }
        )
    }

    fn state_bytes(&self, state: &Contents) -> usize {
        let lists = state.lists.iter();
        let lists: usize = lists.map(|list| size_of_val(&**list) + 32).sum();
        lists + size_of_val(&*state.held)
    }

    fn cost(&self, state: &Contents, _call: &DequeCall) -> u64 {
        let values: usize = state.lists.iter().map(|list| list.len()).sum();
        1 + values as u64 / 256
    }
}

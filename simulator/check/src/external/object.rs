//! One object of a history, whatever it is, and what is asked of it: is it right up to
//! here, and if not, since when?
//!
//! Linearizability is closed under prefixes: once wrong, a history stays wrong. So the
//! shortest wrong prefix is found by bisection, in as many judgements as its length has
//! binary digits. Only an answer can make a history wrong, so only prefixes that end with
//! one are tried. A prefix that cannot be decided within the bounds counts as not wrong;
//! then a shorter one may be, and the finding says so.

use super::Limits;
use super::records::Records;
use super::shown::Shown;
use crate::linearizability::zones::Conflict;
use crate::linearizability::{Call, Limit, Specification, Stuck, Verdict, search_until};

/// What is said of an object up to some position.
pub(super) enum Finding {
    Right,
    Wrong(Explanation),
    Undecided(String),
}

/// Why an object is wrong. Operations are positions in the object's own list.
#[derive(Default)]
pub(super) struct Explanation {
    /// What the log says, where the log decided.
    pub(super) what: Option<String>,
    /// The operations that show it.
    pub(super) shown: Vec<usize>,
    /// The best order, where a search found it.
    pub(super) stuck: Option<Stuck>,
}

pub(super) trait Object {
    fn name(&self) -> &str;

    /// Judges the events before position `cut`.
    fn judge(&self, cut: usize, limits: &Limits) -> Finding;

    /// Why the events before `cut` are wrong, with the best order if a search finds it.
    fn explain(&self, cut: usize, limits: &Limits) -> Option<Explanation> {
        match self.judge(cut, limits) {
            Finding::Wrong(why) => Some(why),
            Finding::Right | Finding::Undecided(_) => None,
        }
    }

    /// Positions of its answers, sorted.
    fn answers(&self) -> Vec<usize>;

    /// How many operations it has.
    fn count(&self) -> usize;

    /// Its operations, in order of invocation.
    fn operations(&self) -> Vec<Shown>;
}

/// The end of the shortest prefix of `object` that is found wrong, and whether every shorter
/// one was decided. The object is wrong up to `wrong`.
pub(super) fn shortest_wrong(object: &dyn Object, wrong: usize, limits: &Limits) -> (usize, bool) {
    let mut answers = object.answers();
    answers.retain(|&position| position < wrong);
    let mut is_shortest = true;
    // The prefix that ends with `answers[high]` is wrong; none before `low` is.
    let (mut low, mut high) = (0, answers.len().saturating_sub(1));
    while low < high {
        let middle = low + (high - low) / 2;
        match object.judge(answers[middle] + 1, limits) {
            Finding::Wrong(_) => high = middle,
            Finding::Right => low = middle + 1,
            Finding::Undecided(_) => {
                is_shortest = false;
                low = middle + 1;
            }
        }
    }
    let end = answers.get(high).map_or(wrong, |&position| position + 1);
    (end, is_shortest)
}

/// A call of a history from outside.
#[derive(Debug, Clone)]
pub(super) struct Recorded<O> {
    /// With its answer; `None` if it then tells nothing.
    pub(super) answered: Option<O>,
    /// While it is not answered; `None` if it can have no effect.
    pub(super) pending: Option<O>,
    pub(super) invoked: usize,
    /// `None` where the outcome stays unknown.
    pub(super) returned: Option<usize>,
    /// Its number among the records.
    pub(super) record: usize,
}

/// Steps of a search that only explains what was decided without one.
const STEPS_TO_EXPLAIN: u64 = 100_000;

/// Decides without a search, where it can.
pub(super) type Decide<O> = Box<dyn Fn(&[Call<O>]) -> Option<Result<(), Conflict>>>;

/// An object of a history from outside.
pub(super) struct Calls<'r, S: Specification> {
    pub(super) name: String,
    pub(super) records: &'r Records,
    pub(super) recorded: Vec<Recorded<S::Operation>>,
    pub(super) specification: Box<dyn Fn() -> S>,
    pub(super) decide: Decide<S::Operation>,
}

impl<S: Specification<Operation: Clone>> Calls<'_, S> {
    /// The calls as they stood at position `cut`, and their places in the list.
    fn before(&self, cut: usize) -> (Vec<usize>, Vec<Call<S::Operation>>) {
        let mut places = Vec::new();
        let mut calls = Vec::new();
        for (place, recorded) in self.recorded.iter().enumerate() {
            let returned = recorded.returned.filter(|&position| position < cut);
            let operation = match returned {
                Some(_) => &recorded.answered,
                None => &recorded.pending,
            };
            if let (Some(operation), true) = (operation, recorded.invoked < cut) {
                places.push(place);
                calls.push(Call {
                    operation: operation.clone(),
                    invoked: recorded.invoked,
                    returned,
                });
            }
        }
        (places, calls)
    }

    fn search(&self, cut: usize, limits: &Limits) -> Finding {
        let (places, calls) = self.before(cut);
        let bounds = limits.bounds(calls.len());
        let specification = (self.specification)();
        let verdict = search_until(&specification, &calls, bounds, limits.interrupted);
        found(verdict, |call| places[call])
    }
}

impl<S: Specification<Operation: Clone>> Object for Calls<'_, S> {
    fn name(&self) -> &str {
        &self.name
    }

    fn judge(&self, cut: usize, limits: &Limits) -> Finding {
        if !limits.search_only {
            let (places, calls) = self.before(cut);
            match (self.decide)(&calls) {
                None => {}
                Some(Ok(())) => return Finding::Right,
                Some(Err(conflict)) => {
                    return Finding::Wrong(Explanation {
                        what: Some(conflict.what.into()),
                        shown: conflict
                            .calls
                            .into_iter()
                            .map(|call| places[call])
                            .collect(),
                        stuck: None,
                    });
                }
            }
        }
        self.search(cut, limits)
    }

    fn explain(&self, cut: usize, limits: &Limits) -> Option<Explanation> {
        let Finding::Wrong(mut why) = self.judge(cut, limits) else {
            return None;
        };
        // The best order is worth a short search, and no more.
        let limits = Limits {
            steps: limits.steps.min(STEPS_TO_EXPLAIN),
            ..*limits
        };
        if why.stuck.is_none()
            && let Finding::Wrong(Explanation { stuck, .. }) = self.search(cut, &limits)
        {
            why.stuck = stuck;
        }
        Some(why)
    }

    fn answers(&self) -> Vec<usize> {
        let mut answers: Vec<usize> = self.recorded.iter().filter_map(|r| r.returned).collect();
        answers.sort_unstable();
        answers
    }

    fn count(&self) -> usize {
        self.recorded.len()
    }

    fn operations(&self) -> Vec<Shown> {
        let recorded = self.recorded.iter();
        recorded.map(|r| self.records.shown(r.record)).collect()
    }
}

/// A verdict of the search as a finding, with `place` for each of its calls.
pub(super) fn found(verdict: Verdict, place: impl Fn(usize) -> usize) -> Finding {
    match verdict {
        Verdict::Linearizable => Finding::Right,
        Verdict::Violation(stuck) => Finding::Wrong(Explanation {
            stuck: Some(Stuck {
                order: stuck.order.into_iter().map(&place).collect(),
                call: place(stuck.call),
            }),
            ..Explanation::default()
        }),
        Verdict::Unknown(limit) => Finding::Undecided(match limit {
            Limit::Steps => "the search reached its bound of steps".into(),
            Limit::Bytes => "the search reached its bound of memory".into(),
            Limit::Interrupted => "the search ran out of time".into(),
        }),
    }
}

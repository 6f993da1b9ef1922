//! The search for a linear order.
//!
//! Source: Wing & Gong, "Testing and verifying concurrent objects" (1993), with the memo
//! of visited configurations by Lowe, "Testing for linearizability" (2017), as in
//! Porcupine. Three changes keep long histories cheap:
//!
//! - A configuration is remembered as "all answered calls up to here, and these few
//!   beyond", not as a bit for every call.
//! - A read that fits is ordered at once and never reconsidered: putting it later cannot
//!   help.
//! - Calls of unknown outcome are tried after the answered ones, since most never matter.

use indexmap::IndexSet;

use super::{Call, Specification, Stuck, TAIL, Verdict};

/// Decides whether `calls` on one object are linearizable, in at most `step_limit`
/// applications of the specification.
pub fn search<S: Specification>(
    specification: &S,
    calls: &[Call<S::Operation>],
    step_limit: u64,
) -> Verdict {
    let mut search = Search::new(specification, calls);
    loop {
        match search.advance(step_limit) {
            Progress::Done => return Verdict::Linearizable,
            Progress::TooLong => {
                return Verdict::GaveUp {
                    steps: search.steps,
                };
            }
            Progress::Deeper => {}
            Progress::DeadEnd => {
                search.note_dead_end();
                if !search.backtrack() {
                    return Verdict::Violation(search.best);
                }
            }
        }
    }
}

enum Progress {
    Deeper,
    DeadEnd,
    Done,
    TooLong,
}

/// One ordered call, with what is needed to take it back.
struct Frame<State> {
    /// Position in the list of candidates, to go on from after taking it back.
    candidate: Candidate,
    /// The state before.
    state: State,
    /// Alternatives need not be tried.
    forced: bool,
}

/// A place in the lists of answered and unknown calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Candidate {
    Answered(usize),
    Unknown(usize),
}

/// Which calls are ordered, and what they left behind.
#[derive(PartialEq, Eq, Hash)]
struct Configuration<State> {
    /// Every answered call before this is ordered.
    base: usize,
    /// The answered ones ordered beyond `base`, and the unknown ones.
    beyond: Box<[u32]>,
    unknown: Box<[u32]>,
    state: State,
}

struct Search<'a, S: Specification> {
    specification: &'a S,
    calls: &'a [Call<S::Operation>],
    /// Answered calls and unknown calls, each in order of invocation.
    answered: Vec<usize>,
    unknown: Vec<usize>,
    /// Every answered call before `base` is ordered; beyond, those in `beyond` (sorted).
    base: usize,
    beyond: Vec<u32>,
    used_unknown: Vec<u32>,
    state: S::State,
    frames: Vec<Frame<S::State>>,
    seen: IndexSet<Configuration<S::State>>,
    /// Where to go on among the candidates of the current configuration.
    next: Candidate,
    steps: u64,
    best: Stuck,
}

impl<'a, S: Specification> Search<'a, S> {
    fn new(specification: &'a S, calls: &'a [Call<S::Operation>]) -> Self {
        let mut order: Vec<usize> = (0..calls.len()).collect();
        order.sort_by_key(|&call| calls[call].invoked);
        let (answered, unknown) = order
            .into_iter()
            .partition(|&call| calls[call].returned.is_some());
        Self {
            specification,
            calls,
            answered,
            unknown,
            base: 0,
            beyond: Vec::new(),
            used_unknown: Vec::new(),
            state: specification.initial(),
            frames: Vec::new(),
            seen: IndexSet::new(),
            next: Candidate::Answered(0),
            steps: 0,
            best: Stuck {
                tail: Vec::new(),
                call: 0,
                ordered: 0,
            },
        }
    }

    /// Orders one more call, the first candidate from `next` on that leads somewhere new.
    fn advance(&mut self, step_limit: u64) -> Progress {
        if self.base == self.answered.len() {
            return Progress::Done;
        }
        let Some(deadline) = self.deadline() else {
            return Progress::DeadEnd;
        };
        while let Some(candidate) = self.candidate(deadline) {
            if self.steps == step_limit {
                return Progress::TooLong;
            }
            self.steps += 1;
            let operation = &self.calls[self.call(candidate)].operation;
            if let Some(state) = self.specification.apply(&self.state, operation)
                && self.order(candidate, state)
            {
                return Progress::Deeper;
            }
            self.next = after(candidate);
        }
        Progress::DeadEnd
    }

    /// The earliest return among unordered answered calls: what is invoked after it
    /// cannot come next.
    fn deadline(&self) -> Option<usize> {
        let mut earliest: Option<usize> = None;
        for position in self.base..self.answered.len() {
            let call = &self.calls[self.answered[position]];
            if earliest.is_some_and(|deadline| deadline < call.invoked) {
                break;
            }
            if !self.is_ordered(position) {
                earliest = earliest.min(call.returned).or(call.returned);
            }
        }
        earliest
    }

    /// The first call from `next` on that may come next in real time.
    fn candidate(&self, deadline: usize) -> Option<Candidate> {
        let in_time = |call: usize| self.calls[call].invoked < deadline;
        let mut from = 0;
        match self.next {
            Candidate::Answered(start) => {
                let positions = start.max(self.base)..self.answered.len();
                let mut open = positions.take_while(|&p| in_time(self.answered[p]));
                if let Some(position) = open.find(|&p| !self.is_ordered(p)) {
                    return Some(Candidate::Answered(position));
                }
            }
            Candidate::Unknown(start) => from = start,
        }
        let mut open = (from..self.unknown.len()).take_while(|&p| in_time(self.unknown[p]));
        let position = open.find(|&p| self.used_unknown.binary_search(&number(p)).is_err())?;
        Some(Candidate::Unknown(position))
    }

    fn is_ordered(&self, position: usize) -> bool {
        position < self.base || self.beyond.binary_search(&number(position)).is_ok()
    }

    fn call(&self, candidate: Candidate) -> usize {
        match candidate {
            Candidate::Answered(position) => self.answered[position],
            Candidate::Unknown(position) => self.unknown[position],
        }
    }

    /// Orders `candidate` next, unless that leads to a configuration seen before.
    fn order(&mut self, candidate: Candidate, state: S::State) -> bool {
        let base = self.base;
        self.insert(candidate);
        let configuration = Configuration {
            base: self.base,
            beyond: self.beyond.as_slice().into(),
            unknown: self.used_unknown.as_slice().into(),
            state: state.clone(),
        };
        if !self.seen.insert(configuration) {
            self.remove(candidate, base);
            return false;
        }
        // A state that becomes better known by a read is a choice too, and not forced.
        let operation = &self.calls[self.call(candidate)].operation;
        let forced = state == self.state && self.specification.is_read(operation);
        self.frames.push(Frame {
            candidate,
            forced,
            state: std::mem::replace(&mut self.state, state),
        });
        self.next = Candidate::Answered(0);
        true
    }

    fn insert(&mut self, candidate: Candidate) {
        match candidate {
            Candidate::Answered(position) => {
                insert_sorted(&mut self.beyond, position);
                let run = self
                    .beyond
                    .iter()
                    .zip(self.base..)
                    .take_while(|(p, base)| **p == number(*base));
                let moved = run.count();
                self.beyond.drain(..moved);
                self.base += moved;
            }
            Candidate::Unknown(position) => insert_sorted(&mut self.used_unknown, position),
        }
    }

    /// Takes `candidate` back; `base` is a bound below which all stay ordered.
    fn remove(&mut self, candidate: Candidate, base: usize) {
        match candidate {
            Candidate::Answered(position) => {
                self.beyond.splice(0..0, (base..self.base).map(number));
                self.base = base;
                self.beyond.retain(|&p| p != number(position));
            }
            Candidate::Unknown(position) => self.used_unknown.retain(|&p| p != number(position)),
        }
    }

    /// Takes back the last call that has alternatives; `false` if there is none.
    fn backtrack(&mut self) -> bool {
        while let Some(frame) = self.frames.pop() {
            // Ordered calls before this one's position stay ordered when it is removed.
            let base = match frame.candidate {
                Candidate::Answered(position) => position.min(self.base),
                Candidate::Unknown(_) => self.base,
            };
            self.remove(frame.candidate, base);
            self.state = frame.state;
            self.next = after(frame.candidate);
            if !frame.forced {
                return true;
            }
        }
        false
    }

    /// Remembers the deepest dead end: the best explanation of a violation.
    fn note_dead_end(&mut self) {
        if self.frames.len() < self.best.ordered || self.base >= self.answered.len() {
            return;
        }
        let deadline = self.deadline();
        let open = (self.base..self.answered.len()).filter(|&p| !self.is_ordered(p));
        let urgent = open
            .map(|position| self.answered[position])
            .take_while(|&call| Some(self.calls[call].invoked) < deadline)
            .min_by_key(|&call| self.calls[call].returned)
            .expect("a dead end has an answered call that is not ordered");
        let skip = self.frames.len().saturating_sub(TAIL);
        let tail = self.frames[skip..].iter();
        self.best = Stuck {
            tail: tail.map(|frame| self.call(frame.candidate)).collect(),
            call: urgent,
            ordered: self.frames.len(),
        };
    }
}

fn after(candidate: Candidate) -> Candidate {
    match candidate {
        Candidate::Answered(position) => Candidate::Answered(position + 1),
        Candidate::Unknown(position) => Candidate::Unknown(position + 1),
    }
}

fn insert_sorted(list: &mut Vec<u32>, position: usize) {
    let place = list.partition_point(|&p| p < number(position));
    list.insert(place, number(position));
}

fn number(position: usize) -> u32 {
    u32::try_from(position).expect("a history has fewer than 2^32 calls on one object")
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;

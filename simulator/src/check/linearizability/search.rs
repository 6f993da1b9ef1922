//! The search for a linear order.
//!
//! Source: Wing & Gong, "Testing and verifying concurrent objects" (1993), with the memo
//! of visited configurations by Lowe, "Testing for linearizability" (2017), as in
//! Porcupine. Three changes keep long histories cheap:
//!
//! - A configuration is remembered as "all answered calls up to here, and these few
//!   beyond", not as a bit for every call.
//! - A call that fits and changes nothing is ordered at once and never reconsidered:
//!   putting it later cannot help.
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
        let answered = matches!(candidate, Candidate::Answered(_));
        self.frames.push(Frame {
            candidate,
            forced: answered && state == self.state,
            state: std::mem::replace(&mut self.state, state),
        });
        self.next = Candidate::Answered(0);
        true
    }

    fn insert(&mut self, candidate: Candidate) {
        match candidate {
            Candidate::Answered(position) => {
                insert_sorted(&mut self.beyond, position);
                let run = self.beyond.iter().zip(self.base..).take_while(|(p, base)| **p == number(*base));
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
        let open = (self.base..self.answered.len()).filter(|&p| !self.is_ordered(p));
        let urgent = open
            .map(|position| self.answered[position])
            .take_while(|&call| Some(self.calls[call].invoked) < self.deadline())
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A register of one small number, initially 0.
    struct Register;

    #[derive(Debug, Clone, Copy)]
    enum Op {
        Read(u8),
        Write(u8),
        Swap(u8, u8),
    }

    impl Specification for Register {
        type Operation = Op;
        type State = u8;

        fn initial(&self) -> u8 {
            0
        }

        fn apply(&self, state: &u8, operation: &Op) -> Option<u8> {
            match *operation {
                Op::Read(value) => (value == *state).then_some(value),
                Op::Write(value) => Some(value),
                Op::Swap(old, new) => (old == *state).then_some(new),
            }
        }
    }

    fn call(operation: Op, invoked: usize, returned: usize) -> Call<Op> {
        Call {
            operation,
            invoked,
            returned: Some(returned),
        }
    }

    fn unknown(operation: Op, invoked: usize) -> Call<Op> {
        Call {
            operation,
            invoked,
            returned: None,
        }
    }

    fn judge(calls: &[Call<Op>]) -> Verdict {
        search(&Register, calls, 10_000)
    }

    #[test]
    fn a_stale_read_is_named() {
        let calls = [call(Op::Write(1), 0, 1), call(Op::Read(0), 2, 3)];
        let Verdict::Violation(stuck) = judge(&calls) else {
            panic!("a read after the write returned the old value");
        };
        assert_eq!((stuck.tail, stuck.call, stuck.ordered), (vec![0], 1, 1));
    }

    #[test]
    fn concurrent_calls_may_take_any_order() {
        let calls = [
            call(Op::Write(1), 0, 9),
            call(Op::Read(1), 1, 2),
            call(Op::Swap(1, 2), 3, 8),
            call(Op::Read(1), 4, 5),
        ];
        assert_eq!(judge(&calls), Verdict::Linearizable);
    }

    #[test]
    fn an_unknown_write_may_show_late_or_never_but_not_early_or_twice() {
        let write = unknown(Op::Write(1), 2);
        let late = [write.clone(), call(Op::Read(0), 3, 4), call(Op::Read(1), 5, 6)];
        assert_eq!(judge(&late), Verdict::Linearizable);
        let never = [write.clone(), call(Op::Read(0), 3, 4)];
        assert_eq!(judge(&never), Verdict::Linearizable);
        let early = [call(Op::Read(1), 0, 1), write.clone()];
        assert!(matches!(judge(&early), Verdict::Violation(_)));
        let twice = [write, call(Op::Read(1), 3, 4), call(Op::Read(0), 5, 6), call(Op::Read(1), 7, 8)];
        assert!(matches!(judge(&twice), Verdict::Violation(_)));
    }

    #[test]
    fn a_bound_too_small_cannot_tell() {
        let calls = [call(Op::Write(1), 0, 1), call(Op::Read(1), 2, 3)];
        assert_eq!(search(&Register, &calls, 1), Verdict::GaveUp { steps: 1 });
    }

    #[test]
    fn long_histories_stay_cheap() {
        let write = |n: usize| {
            let value = (n % 200) as u8;
            [call(Op::Write(value), n * 4, n * 4 + 3), call(Op::Read(value), n * 4 + 1, n * 4 + 6)]
        };
        let calls: Vec<_> = (0..20_000).flat_map(write).collect();
        let verdict = search(&Register, &calls, 10 * calls.len() as u64);
        assert!(!matches!(verdict, Verdict::GaveUp { .. }), "{verdict:?}");
    }

    /// Decides by trying every order of every subset that holds the answered calls.
    fn brute_force(calls: &[Call<Op>], ordered: &mut Vec<usize>, state: u8) -> bool {
        let open = |call: &usize| !ordered.contains(call);
        let rest: Vec<usize> = (0..calls.len()).filter(open).collect();
        if rest.iter().all(|&call| calls[call].returned.is_none()) {
            return true;
        }
        rest.iter().any(|&next| {
            let preceded = rest.iter().any(|&other| {
                calls[other].returned.is_some_and(|returned| returned < calls[next].invoked)
            });
            let Some(state) = Register.apply(&state, &calls[next].operation).filter(|_| !preceded) else {
                return false;
            };
            ordered.push(next);
            let found = brute_force(calls, ordered, state);
            ordered.pop();
            found
        })
    }

    fn any_op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0u8..3).prop_map(Op::Read),
            (0u8..3).prop_map(Op::Write),
            (0u8..3, 0u8..3).prop_map(|(old, new)| Op::Swap(old, new)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn agrees_with_brute_force(
            spans in prop::collection::vec((any_op(), 0usize..12, 1usize..8, 0u8..5), 1..7)
        ) {
            let calls: Vec<Call<Op>> = spans
                .into_iter()
                .enumerate()
                .map(|(n, (operation, start, length, kind))| Call {
                    operation,
                    // Distinct positions, as in a history.
                    invoked: start * 20 + n * 2,
                    returned: (kind > 0).then_some((start + length) * 20 + n * 2 + 1),
                })
                .collect();
            let expected = brute_force(&calls, &mut Vec::new(), 0);
            prop_assert_eq!(judge(&calls) == Verdict::Linearizable, expected);
        }
    }
}

//! The search for a linear order.
//!
//! Source: Wing & Gong, "Testing and verifying concurrent objects" (1993), with the memo
//! of visited configurations by Lowe, "Testing for linearizability" (2017). What keeps long
//! histories and many unknown outcomes cheap:
//!
//! - A configuration is remembered as "all answered calls up to here, except these few",
//!   not as a bit for every call. The exceptions were all concurrent, so they are few.
//! - A read that fits is ordered at once and never reconsidered: putting it later cannot
//!   help.
//! - A call of unknown outcome need not take effect. It is tried after the answered ones;
//!   of equal ones only the oldest is; and one that would change nothing is not. A
//!   configuration is hopeless if the same one with fewer of them used up was reached.
//! - It goes on from the configuration that orders most answered calls, less some for
//!   unknown calls in a row, and does not exhaust the ways of one before it looks at others:
//!   else a wrong turn is followed by every set of unknown calls.
//!
//! Deliberately iterative: the depth of a recursion would be the length of a history.

use std::collections::BinaryHeap;
use std::mem::size_of;

use indexmap::IndexMap;

use super::{Bounds, Call, Limit, Specification, Stuck, Verdict};

/// Decides whether `calls` on one object are linearizable, within `bounds`.
pub fn search<S: Specification>(
    specification: &S,
    calls: &[Call<S::Operation>],
    bounds: Bounds,
) -> Verdict {
    search_until(specification, calls, bounds, &|| false)
}

/// As [`search`], and stops when `interrupted` says so, which is asked now and then.
pub fn search_until<S: Specification>(
    specification: &S,
    calls: &[Call<S::Operation>],
    bounds: Bounds,
    interrupted: &dyn Fn() -> bool,
) -> Verdict {
    search_within(specification, calls, &[], bounds, interrupted)
}

/// As [`search_until`], where a call of unknown outcome takes effect, if ever, before the position
/// in the history that `latest` has for it; at any time if it has none.
pub fn search_within<S: Specification>(
    specification: &S,
    calls: &[Call<S::Operation>],
    latest: &[Option<usize>],
    bounds: Bounds,
    interrupted: &dyn Fn() -> bool,
) -> Verdict {
    let mut search = Search::new(specification, calls, latest);
    let mut rounds = 0u64;
    while let Some(way) = search.ways.pop() {
        rounds += 1;
        if rounds.is_multiple_of(ROUNDS_PER_QUESTION) && interrupted() {
            return Verdict::Unknown(Limit::Interrupted);
        }
        if search.bytes + specification.bytes() > bounds.bytes {
            return Verdict::Unknown(Limit::Bytes);
        }
        match search.advance(way.node, bounds.steps) {
            Progress::Going => {}
            Progress::Done => return Verdict::Linearizable,
            Progress::TooLong => return Verdict::Unknown(Limit::Steps),
        }
    }
    Verdict::Violation(search.stuck())
}

const ROUNDS_PER_QUESTION: u64 = 1_024;

/// Numbers copied or compared that count as one step.
const NUMBERS_PER_STEP: usize = 32;

/// What the tables take for each configuration beyond its parts, roughly.
const ENTRY_OVERHEAD: usize = 64;

/// Answered calls that one more unknown call in a row weighs up.
const RUN_WEIGHT: i64 = 2;

enum Progress {
    Going,
    Done,
    TooLong,
}

/// A place in the lists of answered and unknown calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Candidate {
    Answered(usize),
    Unknown(usize),
}

/// Which answered calls are ordered, and what they left behind.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Configuration<State> {
    /// Every answered call before this is ordered, except the missing (sorted).
    end: usize,
    missing: Box<[u32]>,
    state: State,
}

/// A configuration reached in one way.
struct Node {
    /// Place in `seen`.
    configuration: usize,
    /// The unknown calls that were used (sorted).
    used: Box<[u32]>,
    /// The node before, and the call that led here; the first node has none.
    from: Option<(u32, u32)>,
    /// Unknown calls used since the last answered one.
    run: u32,
    /// Where to go on among the candidates.
    next: Candidate,
}

/// A node that may lead further. The greatest is followed first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    promise: i64,
    node: u32,
}

struct Search<'a, S: Specification> {
    specification: &'a S,
    calls: &'a [Call<S::Operation>],
    /// By call, before which position it takes effect if its outcome is unknown.
    latest: &'a [Option<usize>],
    /// Answered calls and unknown calls, each in order of invocation.
    answered: Vec<usize>,
    unknown: Vec<usize>,
    /// From each answered call on: the one that returned first.
    first_return: Vec<usize>,
    /// The last unknown call before each that equals it and may not take effect later than it.
    equal_before: Vec<Option<usize>>,
    /// With each configuration, the sets of unknown calls with which it was reached, none
    /// of which contains another.
    seen: IndexMap<Configuration<S::State>, Vec<Box<[u32]>>>,
    nodes: Vec<Node>,
    ways: BinaryHeap<Way>,
    steps: u64,
    /// Held by `seen`, `nodes` and `ways`.
    bytes: usize,
    /// Of the nodes that lead nowhere, the one that orders most answered calls, with their
    /// number.
    best: Option<(usize, u32)>,
}

impl<'a, S: Specification> Search<'a, S> {
    fn new(
        specification: &'a S,
        calls: &'a [Call<S::Operation>],
        latest: &'a [Option<usize>],
    ) -> Self {
        let mut order: Vec<usize> = (0..calls.len()).collect();
        order.sort_by_key(|&call| calls[call].invoked);
        let (answered, unknown): (Vec<usize>, Vec<usize>) = order
            .into_iter()
            .partition(|&call| calls[call].returned.is_some());
        let mut search = Self {
            specification,
            calls,
            latest,
            first_return: first_returns(calls, &answered),
            equal_before: equals_before(calls, latest, &unknown),
            answered,
            unknown,
            seen: IndexMap::new(),
            nodes: Vec::new(),
            ways: BinaryHeap::new(),
            steps: 0,
            bytes: 0,
            best: None,
        };
        let start = Configuration {
            end: 0,
            missing: Box::default(),
            state: specification.initial(),
        };
        search.visit(start, Box::default(), None, 0);
        search
    }

    /// Orders one more call after `node`: the first candidate that leads somewhere new.
    fn advance(&mut self, node: u32, step_limit: u64) -> Progress {
        let Node {
            configuration,
            used,
            next,
            run,
            ..
        } = &self.nodes[node as usize];
        let (used, mut next, run) = (used.clone(), *next, *run);
        let (here, _) = self.seen.get_index(*configuration).expect("nodes are seen");
        let here = here.clone();
        let Some(urgent) = self.urgent(&here) else {
            return Progress::Done;
        };
        let deadline = self.calls[urgent].returned.expect("answered calls return");
        while let Some(candidate) = self.candidate(&here, &used, next, deadline) {
            if self.steps >= step_limit {
                return Progress::TooLong;
            }
            let call = self.call(candidate);
            let operation = &self.calls[call].operation;
            self.steps += self.specification.cost(&here.state, operation);
            next = after(candidate);
            let Some(state) = self.specification.apply(&here.state, operation) else {
                continue;
            };
            let is_unknown = matches!(candidate, Candidate::Unknown(_));
            let changes_nothing = state == here.state;
            // What need not take effect is not tried to no effect.
            if is_unknown && changes_nothing {
                continue;
            }
            // A state that becomes better known by a read is a choice too, and not forced.
            let is_read = self.specification.is_read(operation);
            let (end, missing, used) = with(&here, &used, candidate);
            let forced = changes_nothing && is_read && !self.is_over(here.end, end, &used);
            let there = Configuration {
                end,
                missing,
                state,
            };
            let run = if is_unknown { run + 1 } else { 0 };
            let is_new = self.visit(there, used, Some((node, number(call))), run);
            if forced {
                return Progress::Going;
            }
            if is_new {
                self.nodes[node as usize].next = next;
                self.follow(node);
                return Progress::Going;
            }
        }
        let ordered = here.end - here.missing.len();
        if self.best.is_none_or(|(most, _)| ordered > most) {
            self.best = Some((ordered, node));
        }
        Progress::Going
    }

    /// Of the answered calls that are not ordered, the one that returned first: what is
    /// invoked after that cannot come next.
    fn urgent(&self, here: &Configuration<S::State>) -> Option<usize> {
        let missing = here.missing.iter().map(|&p| self.answered[p as usize]);
        let beyond = self.first_return.get(here.end).copied();
        missing
            .chain(beyond)
            .min_by_key(|&call| self.calls[call].returned)
    }

    /// The first call from `next` on that may come next in real time.
    fn candidate(
        &mut self,
        here: &Configuration<S::State>,
        used: &[u32],
        next: Candidate,
        deadline: usize,
    ) -> Option<Candidate> {
        let from = match next {
            Candidate::Answered(start) => {
                // What was passed over is concurrent with something ordered, so in time.
                let place = here.missing.partition_point(|&p| (p as usize) < start);
                if let Some(&position) = here.missing.get(place) {
                    return Some(Candidate::Answered(position as usize));
                }
                let position = start.max(here.end);
                let call = self.answered.get(position);
                if call.is_some_and(|&call| self.calls[call].invoked < deadline) {
                    return Some(Candidate::Answered(position));
                }
                0
            }
            Candidate::Unknown(start) => start,
        };
        let is_used = |p: usize| used.binary_search(&number(p)).is_ok();
        let reached = self.reached(here.end);
        let is_over = |p: usize| latest_of(self.latest, self.unknown[p]) <= reached;
        let position = (from..self.unknown.len())
            .take_while(|&p| self.calls[self.unknown[p]].invoked < deadline)
            .find(|&p| {
                let is_left = !is_used(p) && !is_over(p);
                is_left && self.equal_before[p].is_none_or(|p| is_used(p) || is_over(p))
            });
        let passed = position.unwrap_or(self.unknown.len()) - from;
        self.steps += (passed / NUMBERS_PER_STEP) as u64;
        position.map(Candidate::Unknown)
    }

    /// The invocation of the last answered call before `end`: nothing that comes next takes effect
    /// before it.
    fn reached(&self, end: usize) -> usize {
        let last = end.checked_sub(1).map(|last| self.answered[last]);
        last.map_or(0, |call| self.calls[call].invoked)
    }

    /// Whether the time of an unused call passes between these ends.
    fn is_over(&self, from: usize, to: usize, used: &[u32]) -> bool {
        if self.latest.is_empty() || from == to {
            return false;
        }
        let passed = self.reached(from) + 1..=self.reached(to);
        let mut unknown = self.unknown.iter().enumerate();
        unknown.any(|(position, &call)| {
            passed.contains(&latest_of(self.latest, call))
                && used.binary_search(&number(position)).is_err()
        })
    }

    fn call(&self, candidate: Candidate) -> usize {
        match candidate {
            Candidate::Answered(position) => self.answered[position],
            Candidate::Unknown(position) => self.unknown[position],
        }
    }

    /// Adds a node for this configuration; false if nothing new can come of it.
    fn visit(
        &mut self,
        configuration: Configuration<S::State>,
        used: Box<[u32]>,
        from: Option<(u32, u32)>,
        run: u32,
    ) -> bool {
        let own_bytes = size_of_val(&configuration)
            + size_of_val(&*configuration.missing)
            + self.specification.state_bytes(&configuration.state)
            + ENTRY_OVERHEAD;
        let copied = configuration.missing.len() + used.len();
        let entry = self.seen.entry(configuration);
        let place = entry.index();
        let sets = entry.or_insert_with(|| {
            self.bytes += own_bytes;
            Vec::new()
        });
        let compared: usize = sets.iter().map(|set| 1 + set.len()).sum();
        self.steps += ((copied + compared) / NUMBERS_PER_STEP) as u64;
        if sets.iter().any(|set| is_subset(set, &used)) {
            return false;
        }
        sets.retain(|set| !is_subset(&used, set));
        sets.push(used.clone());
        self.bytes += size_of::<Node>() + size_of::<Way>() + 2 * size_of_val(&*used);
        self.nodes.push(Node {
            configuration: place,
            used,
            from,
            run,
            next: Candidate::Answered(0),
        });
        self.follow(number(self.nodes.len() - 1));
        true
    }

    /// Queues a node by its promise.
    fn follow(&mut self, number: u32) {
        let node = &self.nodes[number as usize];
        let (here, _) = self
            .seen
            .get_index(node.configuration)
            .expect("nodes are seen");
        let run = match node.next {
            Candidate::Answered(_) => node.run,
            Candidate::Unknown(_) => node.run + 1,
        };
        let ordered = (here.end - here.missing.len()) as i64;
        self.ways.push(Way {
            promise: ordered - RUN_WEIGHT * i64::from(run),
            node: number,
        });
    }

    /// The best attempt at an order: the best explanation of a violation.
    fn stuck(&self) -> Stuck {
        let (_, best) = self.best.expect("a violation has a dead end");
        let mut order = Vec::new();
        let mut at = best;
        while let Some((before, call)) = self.nodes[at as usize].from {
            order.push(call as usize);
            at = before;
        }
        order.reverse();
        let configuration = self.nodes[best as usize].configuration;
        let (here, _) = self.seen.get_index(configuration).expect("nodes are seen");
        let call = self.urgent(here);
        Stuck {
            order,
            call: call.expect("a dead end has an answered call that is not ordered"),
        }
    }
}

/// End, missing and used calls once `candidate` is ordered after `here`.
fn with<State>(
    here: &Configuration<State>,
    used: &[u32],
    candidate: Candidate,
) -> (usize, Box<[u32]>, Box<[u32]>) {
    match candidate {
        Candidate::Answered(position) if position < here.end => {
            let others = here.missing.iter().filter(|&&p| p != number(position));
            (here.end, others.copied().collect(), used.into())
        }
        Candidate::Answered(position) => {
            let passed_over = (here.end..position).map(number);
            let missing = here.missing.iter().copied().chain(passed_over).collect();
            (position + 1, missing, used.into())
        }
        Candidate::Unknown(position) => {
            let place = used.partition_point(|&p| p < number(position));
            let (before, after) = used.split_at(place);
            let used = [before, &[number(position)], after].concat();
            (here.end, here.missing.clone(), used.into())
        }
    }
}

/// From each position on: the call that returned first.
fn first_returns<O>(calls: &[Call<O>], answered: &[usize]) -> Vec<usize> {
    let mut first: Vec<usize> = answered.to_vec();
    for position in (1..first.len()).rev() {
        let (earlier, later) = (first[position - 1], first[position]);
        if calls[later].returned < calls[earlier].returned {
            first[position - 1] = later;
        }
    }
    first
}

/// How far back an equal call is looked for. Not finding one costs time, not truth.
const EQUALS_WINDOW: usize = 1_000;

fn equals_before<O: PartialEq>(
    calls: &[Call<O>],
    latest: &[Option<usize>],
    unknown: &[usize],
) -> Vec<Option<usize>> {
    let operation = |position: usize| &calls[unknown[position]].operation;
    let latest = |position: usize| latest_of(latest, unknown[position]);
    let equal_before = |position: usize| {
        let window = position.saturating_sub(EQUALS_WINDOW)..position;
        let equals =
            |p: &usize| operation(*p) == operation(position) && latest(*p) <= latest(position);
        window.rev().find(equals)
    };
    (0..unknown.len()).map(equal_before).collect()
}

/// Before which position a call of unknown outcome takes effect.
fn latest_of(latest: &[Option<usize>], call: usize) -> usize {
    latest.get(call).copied().flatten().unwrap_or(usize::MAX)
}

fn after(candidate: Candidate) -> Candidate {
    match candidate {
        Candidate::Answered(position) => Candidate::Answered(position + 1),
        Candidate::Unknown(position) => Candidate::Unknown(position + 1),
    }
}

/// Whether all of `part` is in `whole`; both sorted.
fn is_subset(part: &[u32], whole: &[u32]) -> bool {
    let mut rest = whole.iter();
    part.len() <= whole.len() && part.iter().all(|p| rest.any(|w| w == p))
}

fn number(position: usize) -> u32 {
    u32::try_from(position).expect("a history has fewer than 2^32 calls on one object")
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;

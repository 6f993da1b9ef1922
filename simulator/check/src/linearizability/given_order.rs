//! Checks an order of calls that a replicated log has already decided against real time.
//!
//! Indexes, versions, fencing tokens and receipts of a replicated log order calls among
//! themselves ("this took effect before that"). Each call took effect at some moment between
//! its invocation and its return. Such moments exist exactly if the order has no cycle and
//! no call returned before a predecessor, direct or not, was invoked: then each can be put
//! at the latest invocation among its predecessors and itself. That is found in one pass, so
//! the time is linear in calls and pairs.
//!
//! Sources: Gibbons & Korach, "Testing shared memories" (1997), for registers whose writes
//! are ordered; Kahn, "Topological sorting of large networks" (1962).
//!
//! Deliberately not here: which pairs an object implies; that is for whoever knows it.

/// Calls, and pairs of them of which the first took effect before the second.
#[derive(Debug, Default)]
pub struct GivenOrder {
    /// When each was invoked and returned; `None` for what may take effect at any later time.
    calls: Vec<(usize, Option<usize>)>,
    pairs: Vec<(u32, u32)>,
}

/// Calls that cannot all be as they were answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contradiction {
    /// The first had to take effect before the last, through those between, and was invoked
    /// only after the last had returned.
    RealTime(Vec<usize>),
    /// Each had to take effect before the next, and the last before the first.
    Cycle(Vec<usize>),
}

impl GivenOrder {
    /// Adds a call; the number by which [`GivenOrder::before`] knows it.
    pub fn call(&mut self, invoked: usize, returned: Option<usize>) -> usize {
        self.calls.push((invoked, returned));
        self.calls.len() - 1
    }

    /// Adds a moment that no client saw, to join many pairs in.
    pub fn moment(&mut self) -> usize {
        self.call(0, None)
    }

    /// `first` took effect before `second`.
    pub fn before(&mut self, first: usize, second: usize) {
        let number = |call| u32::try_from(call).expect("fewer than 2^32 calls on one object");
        self.pairs.push((number(first), number(second)));
    }

    /// # Errors
    /// No moments of taking effect exist, and which calls show it.
    pub fn check(&self) -> Result<(), Contradiction> {
        let followers = Followers::new(self.calls.len(), &self.pairs);
        let mut waiting = vec![0u32; self.calls.len()];
        for &(_, second) in &self.pairs {
            waiting[second as usize] += 1;
        }
        // For each call: the latest invoked among it and its predecessors, and through which
        // direct predecessor that is known.
        let mut latest: Vec<usize> = (0..self.calls.len()).collect();
        let mut through: Vec<Option<u32>> = vec![None; self.calls.len()];
        let free = |&call: &usize| waiting[call] == 0;
        let mut ready: Vec<usize> = (0..self.calls.len()).filter(free).collect();
        let mut done = 0;
        while let Some(call) = ready.pop() {
            done += 1;
            let invoked = self.calls[latest[call]].0;
            if self.calls[call]
                .1
                .is_some_and(|returned| returned < invoked)
            {
                return Err(Contradiction::RealTime(path(call, &through)));
            }
            for &next in followers.of(call) {
                let next = next as usize;
                if invoked > self.calls[latest[next]].0 {
                    latest[next] = latest[call];
                    through[next] = Some(call as u32);
                }
                waiting[next] -= 1;
                if waiting[next] == 0 {
                    ready.push(next);
                }
            }
        }
        if done < self.calls.len() {
            return Err(Contradiction::Cycle(self.cycle(&waiting)));
        }
        Ok(())
    }

    /// A cycle among the calls that still wait, each of which waits for another of them.
    fn cycle(&self, waiting: &[u32]) -> Vec<usize> {
        let mut awaited: Vec<Option<usize>> = vec![None; self.calls.len()];
        for &(first, second) in &self.pairs {
            if waiting[first as usize] > 0 {
                awaited[second as usize].get_or_insert(first as usize);
            }
        }
        let before = |call: usize| awaited[call].expect("what waits has something to wait for");
        let start = waiting.iter().position(|&count| count > 0);
        let start = start.expect("a cycle waits for itself");
        // So many steps back end surely within a cycle.
        let inside = (0..self.calls.len()).fold(start, |call, _| before(call));
        let mut cycle = vec![inside];
        let mut call = before(inside);
        while call != inside {
            cycle.push(call);
            call = before(call);
        }
        cycle.reverse();
        cycle
    }
}

/// From the call that was invoked latest to `call`.
fn path(call: usize, through: &[Option<u32>]) -> Vec<usize> {
    let mut path = vec![call];
    let mut at = call;
    while let Some(before) = through[at] {
        at = before as usize;
        path.push(at);
    }
    path.reverse();
    path
}

/// The followers of each call, in one list.
struct Followers {
    starts: Vec<usize>,
    list: Vec<u32>,
}

impl Followers {
    fn new(calls: usize, pairs: &[(u32, u32)]) -> Self {
        let mut starts = vec![0; calls + 1];
        for &(first, _) in pairs {
            starts[first as usize + 1] += 1;
        }
        for call in 0..calls {
            starts[call + 1] += starts[call];
        }
        let mut next = starts.clone();
        let mut list = vec![0; pairs.len()];
        for &(first, second) in pairs {
            list[next[first as usize]] = second;
            next[first as usize] += 1;
        }
        Self { starts, list }
    }

    fn of(&self, call: usize) -> &[u32] {
        &self.list[self.starts[call]..self.starts[call + 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_real_time_allows() {
        let mut order = GivenOrder::default();
        let late = order.call(2, Some(9));
        let early = order.call(0, Some(5));
        let unanswered = order.call(1, None);
        order.before(late, early);
        order.before(early, unanswered);
        assert_eq!(order.check(), Ok(()));
    }

    #[test]
    fn an_indirect_predecessor_that_came_too_late() {
        let mut order = GivenOrder::default();
        let late = order.call(6, Some(9));
        let between = order.moment();
        let early = order.call(0, Some(5));
        order.before(late, between);
        order.before(between, early);
        let shown = Contradiction::RealTime(vec![late, between, early]);
        assert_eq!(order.check(), Err(shown));
    }

    #[test]
    fn calls_that_each_had_to_come_first() {
        let mut order = GivenOrder::default();
        let [a, b, c, d] = [0, 1, 2, 3].map(|invoked| order.call(invoked, Some(9)));
        for (first, second) in [(a, b), (b, c), (c, b), (c, d)] {
            order.before(first, second);
        }
        let Err(Contradiction::Cycle(mut cycle)) = order.check() else {
            panic!("b and c wait for each other");
        };
        cycle.sort_unstable();
        assert_eq!(cycle, [b, c]);
    }
}

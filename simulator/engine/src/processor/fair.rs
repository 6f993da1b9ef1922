//! One core's queue: who of those that could go on should, and when.
//!
//! Linux's rule since 6.6, EEVDF ("earliest eligible virtual deadline first", Stoica and
//! Abdel-Wahab 1995): time is shared evenly. Whoever has had less than its share, the
//! average of all that are here, is eligible; of the eligible, who came first goes first,
//! and keeps the core for a [`SLICE`]. Somebody who comes takes the core at once from one
//! that has had more than its share. What somebody missed is remembered until it comes again;
//! what it had too much only for as long as others catch up.
//!
//! Weights are all the same, as those of containers and processes are that nobody set.

use crate::time::{HostId, Nanos};

/// For how long one may go on while others wait: `sched_base_slice`, on two cores.
pub(super) const SLICE: Nanos = 1_400_000;
/// Nobody is owed more than that, or owes: a tick of 250 Hz.
const MOST_OWED: i64 = 4_000_000;

/// How one stood that has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lag {
    /// It is owed that much, here or elsewhere.
    Owed(i64),
    /// It has had more than its share: so much, of this queue's time.
    Ahead(i64),
}

impl Default for Lag {
    fn default() -> Self {
        Self::Owed(0)
    }
}

impl Lag {
    /// What others owe it in another queue; there it owes nobody.
    pub fn elsewhere(self) -> Self {
        match self {
            Self::Owed(_) => self,
            Self::Ahead(_) => Self::default(),
        }
    }
}

/// One that is here. Times are virtual: they pass for those alone who have the core.
#[derive(Debug, Clone, Copy)]
struct Member {
    host: HostId,
    /// How much it has had.
    had: i64,
    deadline: i64,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    running: Option<Member>,
    /// Since when the one that runs does, and until when that is in the account.
    since: Nanos,
    counted_until: Nanos,
    /// In the order of arrival.
    waiting: Vec<Member>,
    /// What the average was when somebody was here last.
    average: i64,
    /// Somebody has come who goes first.
    is_claimed: bool,
}

impl Queue {
    pub fn is_taken(&self) -> bool {
        self.running.is_some()
    }

    pub fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub fn waiting(&self) -> impl Iterator<Item = HostId> {
        self.waiting.iter().map(|member| member.host)
    }

    fn members(&self) -> i64 {
        (self.waiting.len() + usize::from(self.is_taken())) as i64
    }

    /// Brings the account up to date.
    fn count(&mut self, now: Nanos) {
        if let Some(running) = &mut self.running {
            running.had += (now - self.counted_until) as i64;
            // Who has had its slice asks for another one, behind the others.
            if running.had >= running.deadline {
                running.deadline = running.had + SLICE as i64;
            }
        }
        self.counted_until = now;
        let members = self.members();
        if members > 0 {
            let all = self.running.iter().chain(&self.waiting);
            self.average = all.map(|member| member.had).sum::<i64>() / members;
        }
    }

    /// `host` can go on and waits, with what is left from the last time.
    pub fn join(&mut self, now: Nanos, host: HostId, lag: Lag) {
        self.count(now);
        let members = self.members();
        let had = match lag {
            // Its coming moves the average by its own share of that.
            Lag::Owed(owed) => self.average - owed * (members + 1) / members.max(1),
            // Others may have caught up.
            Lag::Ahead(had) => had.max(self.average),
        };
        let deadline = had + SLICE as i64;
        let member = Member {
            host,
            had,
            deadline,
        };
        self.waiting.push(member);
        self.count(now);
        self.is_claimed |= self.running.is_some_and(|running| {
            running.had > self.average && self.first().is_some_and(|first| first.host == host)
        });
    }

    /// Who should have the core next.
    fn first(&self) -> Option<&Member> {
        let eligible = |member: &&Member| member.had <= self.average;
        let first = self.waiting.iter().filter(eligible);
        let first = first.min_by_key(|member| member.deadline);
        // Rounding, or the one that runs, may leave nobody.
        first.or_else(|| self.waiting.iter().min_by_key(|member| member.had))
    }

    /// Gives the core, which is free, to the next one, if anybody waits.
    pub fn start_next(&mut self, now: Nanos) -> Option<HostId> {
        self.count(now);
        let host = self.first()?.host;
        let index = self.waiting.iter().position(|member| member.host == host);
        self.running = index.map(|index| self.waiting.remove(index));
        (self.since, self.counted_until, self.is_claimed) = (now, now, false);
        Some(host)
    }

    /// Whether the one that runs has to let another go on.
    pub fn must_yield(&self, now: Nanos) -> bool {
        self.is_waited_for() && (self.is_claimed || now - self.since >= SLICE)
    }

    /// The one that runs waits from now on.
    pub fn preempt(&mut self, now: Nanos) {
        self.count(now);
        self.waiting.extend(self.running.take());
    }

    /// `host`, which runs or waits here, does neither any more.
    pub fn leave(&mut self, now: Nanos, host: HostId) -> Lag {
        self.count(now);
        let is_host = |member: &Member| member.host == host;
        let member = self.running.take_if(|running| is_host(running));
        let member = member.or_else(|| {
            let index = self.waiting.iter().position(is_host)?;
            Some(self.waiting.remove(index))
        });
        let had = member.expect("who leaves is here").had;
        let owed = (self.average - had).clamp(-MOST_OWED, MOST_OWED);
        let lag = match owed < 0 {
            true => Lag::Ahead(self.average - owed),
            false => Lag::Owed(owed),
        };
        match self.members() {
            // Nobody is behind any more: debts are forgiven.
            0 => self.average += MOST_OWED,
            _ => self.count(now),
        }
        lag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: HostId = HostId(0);
    const B: HostId = HostId(1);
    const C: HostId = HostId(2);

    /// A queue that `host` has had for so long.
    fn had_by(host: HostId, long: Nanos) -> Queue {
        let mut queue = Queue::default();
        queue.join(0, host, Lag::default());
        assert_eq!(queue.start_next(0), Some(host));
        queue.count(long);
        queue
    }

    #[test]
    fn those_that_always_could_go_on_take_turns() {
        let mut queue = had_by(A, 0);
        queue.join(0, B, Lag::default());
        queue.join(0, C, Lag::default());
        let mut turns = Vec::new();
        for turn in 1..=6 {
            let now = turn * SLICE;
            assert!(!queue.must_yield(now - 1) && queue.must_yield(now));
            queue.preempt(now);
            turns.extend(queue.start_next(now));
        }
        assert_eq!(turns, [B, C, A, B, C, A]);
    }

    #[test]
    fn one_that_comes_waits_for_one_that_was_alone() {
        let mut queue = had_by(A, 100);
        queue.join(100, B, Lag::default());
        assert!(!queue.must_yield(200));
        assert!(queue.must_yield(SLICE), "but not for ever");
        assert!(!had_by(A, 100).must_yield(SLICE), "nobody else is there");
    }

    #[test]
    fn who_missed_its_share_takes_the_core_when_it_comes_again() {
        let mut queue = had_by(A, 0);
        queue.join(0, B, Lag::default());
        queue.preempt(SLICE);
        assert_eq!(queue.start_next(SLICE), Some(B));
        // It needs little, and is owed the rest of half a slice.
        let now = SLICE + 1_000;
        let lag = queue.leave(now, B);
        assert_eq!(lag, Lag::Owed((SLICE as i64 - 1_000) / 2));
        assert_eq!(queue.start_next(now), Some(A));
        queue.join(now + 500, B, lag);
        assert!(queue.must_yield(now + 500));
        queue.preempt(now + 500);
        assert_eq!(queue.start_next(now + 500), Some(B));
        assert!(!queue.must_yield(now + 600));
    }

    #[test]
    fn who_had_too_much_waits_until_others_have_caught_up() {
        let mut queue = had_by(A, 1_000);
        queue.join(1_000, B, Lag::default());
        queue.count(5_000);
        let lag = queue.leave(5_000, A);
        assert_eq!(lag, Lag::Ahead(5_000));
        assert_eq!(queue.start_next(5_000), Some(B));
        queue.join(6_000, A, lag);
        queue.join(6_000, C, Lag::default());
        queue.leave(6_000, B);
        assert_eq!(queue.start_next(6_000), Some(C), "before the one that owes");
    }

    #[test]
    fn debts_end_with_a_pause() {
        let mut queue = had_by(A, 0);
        queue.join(0, B, Lag::default());
        let lag = queue.leave(1_000, A);
        assert_eq!(lag, Lag::Ahead(1_000));
        queue.leave(1_000, B);
        queue.join(2_000, C, Lag::default());
        queue.start_next(2_000);
        queue.join(2_000, A, lag);
        assert_eq!(queue.leave(2_000, A), Lag::Owed(0));
    }

    #[test]
    fn nobody_is_owed_more_than_a_tick() {
        let mut queue = had_by(A, 0);
        queue.join(0, B, Lag::default());
        queue.count(50_000_000);
        let lag = queue.leave(50_000_000, B);
        assert_eq!(lag, Lag::Owed(MOST_OWED));
        assert_eq!(lag.elsewhere(), lag);
        assert_eq!(queue.leave(50_000_000, A).elsewhere(), Lag::default());
    }
}

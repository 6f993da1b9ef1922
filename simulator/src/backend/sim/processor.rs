//! Processors: a process that works is busy until it is done.
//!
//! A process is one thread. What it does costs time ([`Costs`]): until that has passed, none
//! of its tasks runs, and what they send leaves only then. Processes share a number of cores
//! or have one each; who waits for a core gets it in the order of asking and keeps it until
//! it has nothing more to do, or for a [`SLICE`] if others wait.
//!
//! This file decides who may run when. What runs is the [`super::executor`]'s affair.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::executor::{HostId, Nanos};
use crate::plan::Costs;

/// For how long a process may go on while others wait: Linux's, on few cores.
const SLICE: Nanos = 1_500_000;

/// What a process does that costs time, beside running its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Reading from a connection.
    Receive,
    /// Writing to a connection.
    Send,
    /// Having the disk sync.
    Sync,
}

/// What a process has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub wakeups: u64,
    pub tasks: u64,
    pub receives: u64,
    pub sends: u64,
    pub syncs: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Has nothing to do.
    Idle,
    /// Has something to do, and no core.
    Waiting,
    /// Has had a core since then.
    Running { since: Nanos },
}

struct Process {
    costs: Costs,
    state: State,
    /// When it is done with what it is at; in the past, or now, if it is at nothing.
    busy_until: Nanos,
    /// What the task that runs has cost so far.
    spent: Nanos,
    /// Counts what it had to wait for; see [`Processors::ends`].
    step: u64,
    usage: Usage,
}

/// Who works, until when, and who waits for a core.
#[derive(Default)]
pub(super) struct Processors {
    /// Cores that nobody has; `None`: there is always one.
    free: Option<usize>,
    /// By host; `None` for those whose work costs nothing.
    processes: Vec<Option<Process>>,
    waiting: VecDeque<HostId>,
    /// When somebody is done: time, order of beginning, host and its step. An end whose step
    /// is not the host's own any more counts for nothing.
    #[allow(clippy::type_complexity)] // the heap's order is the tuple's
    ends: BinaryHeap<Reverse<(Nanos, u64, HostId, u64)>>,
    begun: u64,
    /// May run a task now.
    granted: VecDeque<HostId>,
}

impl Processors {
    pub fn set_cores(&mut self, cores: Option<usize>) {
        self.free = cores;
    }

    /// From now on, what `host` does costs time.
    pub fn charge(&mut self, host: HostId, costs: Costs) {
        if self.processes.len() <= host.0 {
            self.processes.resize_with(host.0 + 1, || None);
        }
        self.processes[host.0] = Some(Process {
            costs,
            state: State::Idle,
            busy_until: 0,
            spent: 0,
            step: 0,
            usage: Usage::default(),
        });
    }

    pub fn is_charged(&self, host: HostId) -> bool {
        self.processes.get(host.0).is_some_and(Option::is_some)
    }

    pub fn usage(&self, host: HostId) -> Option<Usage> {
        let process = self.processes.get(host.0)?.as_ref()?;
        Some(process.usage)
    }

    fn process(&mut self, host: HostId) -> &mut Process {
        let process = self.processes[host.0].as_mut();
        process.expect("only a host whose work costs time is asked about")
    }

    /// A task of `host` can run.
    pub fn want(&mut self, now: Nanos, host: HostId) {
        if self.process(host).state == State::Idle {
            self.process(host).state = State::Waiting;
            self.waiting.push_back(host);
            self.hand_out(now);
        }
    }

    /// Gives free cores to those who wait.
    fn hand_out(&mut self, now: Nanos) {
        while self.free != Some(0)
            && let Some(host) = self.waiting.pop_front()
        {
            self.free = self.free.map(|free| free - 1);
            let process = self.process(host);
            process.state = State::Running { since: now };
            process.usage.wakeups += 1;
            let wakeup = process.costs.wakeup_ns;
            self.begin(now, host, wakeup);
        }
    }

    /// `host` is busy for a while.
    fn begin(&mut self, now: Nanos, host: HostId, cost: Nanos) {
        let process = self.process(host);
        process.busy_until = now + cost;
        process.step += 1;
        let step = process.step;
        if cost == 0 {
            self.granted.push_back(host);
            return;
        }
        self.ends
            .push(Reverse((now + cost, self.begun, host, step)));
        self.begun += 1;
    }

    /// When the next process is done with what it is at.
    pub fn next_end(&self) -> Option<Nanos> {
        self.ends.peek().map(|Reverse((at, ..))| *at)
    }

    /// Lets those go on who are done by `now`.
    pub fn end_due(&mut self, now: Nanos) {
        while self.next_end().is_some_and(|at| at <= now) {
            let (_, _, host, step) = self.ends.pop().expect("just seen").0;
            if self.process(host).step == step {
                self.granted.push_back(host);
            }
        }
    }

    pub fn has_granted(&self) -> bool {
        !self.granted.is_empty()
    }

    /// The next process that may run a task now.
    pub fn next_granted(&mut self) -> Option<HostId> {
        self.granted.pop_front()
    }

    /// Whether a process that may go on has to let another have its core first.
    pub fn must_yield(&mut self, now: Nanos, host: HostId) -> bool {
        let State::Running { since } = self.process(host).state else {
            unreachable!("only a process with a core may go on")
        };
        if self.waiting.is_empty() || now - since < SLICE {
            return false;
        }
        self.process(host).state = State::Waiting;
        self.waiting.push_back(host);
        self.give_back(now);
        true
    }

    /// The task of `host` that is about to run costs this much at least.
    pub fn task_begins(&mut self, host: HostId) {
        let process = self.process(host);
        process.usage.tasks += 1;
        process.spent = process.costs.task_ns;
    }

    /// The task that runs does something.
    pub fn spend(&mut self, host: HostId, work: Work) {
        let Some(process) = self.processes.get_mut(host.0).and_then(Option::as_mut) else {
            return;
        };
        let (count, cost) = match work {
            Work::Receive => (&mut process.usage.receives, process.costs.receive_ns),
            Work::Send => (&mut process.usage.sends, process.costs.send_ns),
            Work::Sync => (&mut process.usage.syncs, process.costs.sync_ns),
        };
        *count += 1;
        process.spent += cost;
    }

    /// The task has run; `host` is busy until its cost has passed.
    pub fn task_ended(&mut self, now: Nanos, host: HostId) {
        let process = self.process(host);
        let spent = std::mem::take(&mut process.spent);
        // It may have been the end of its own process.
        if process.state != State::Idle {
            self.begin(now, host, spent);
        }
    }

    /// When what `host` does now is done: `now`, if it costs nothing.
    pub fn done_at(&self, now: Nanos, host: HostId) -> Nanos {
        match self.processes.get(host.0) {
            Some(Some(process)) => process.busy_until.max(now) + process.spent,
            _ => now,
        }
    }

    /// `host` has nothing to do any more, is paused, or was killed.
    pub fn rest(&mut self, now: Nanos, host: HostId) {
        if !self.is_charged(host) {
            return;
        }
        let process = self.process(host);
        let before = std::mem::replace(&mut process.state, State::Idle);
        process.step += 1;
        process.busy_until = now;
        process.spent = 0;
        self.granted.retain(|granted| *granted != host);
        match before {
            State::Idle => {}
            State::Waiting => self.waiting.retain(|waiting| *waiting != host),
            State::Running { .. } => self.give_back(now),
        }
    }

    fn give_back(&mut self, now: Nanos) {
        self.free = self.free.map(|free| free + 1);
        self.hand_out(now);
    }
}

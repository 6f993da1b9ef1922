//! Processors: a process that works is busy until it is done.
//!
//! A process is one thread. What it does costs time ([`Costs`]): until that has passed, none
//! of its tasks runs, and what they send leaves only then. Processes share a number of cores
//! or have one each. They share them as Linux has them do: who has something to do takes the
//! core that it had before if that is free; while there is little load, any that is free;
//! otherwise it waits for the one it had, in the order of asking, and another core that
//! becomes free leaves it there as long as its caches are [`HOT`]. Who has a core keeps it
//! until it has nothing more to do, or for a [`SLICE`] if others wait for the same.
//!
//! This file decides who may run when. What runs is the [`super::executor`]'s affair.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::executor::{HostId, Nanos};
use crate::plan::Costs;

/// For how long a process may go on while others wait: Linux's, on few cores.
const SLICE: Nanos = 1_500_000;
/// For how long a process that waits is not moved to another core after it ran: Linux's
/// `sched_migration_cost`.
const HOT: Nanos = 500_000;

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
    /// Bytes read from connections, and written to be stored.
    pub bytes: u64,
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

/// Load is that of the last whole span of this length.
const SPAN: Nanos = 32_000_000;

struct Process {
    costs: Costs,
    state: State,
    /// Where it runs, or ran last.
    core: usize,
    ran_until: Nanos,
    /// When it is done with what it is at; in the past, or now, if it is at nothing.
    busy_until: Nanos,
    /// What the task that runs has cost so far.
    spent: Nanos,
    /// Counts what it had to wait for; see [`Processors::ends`].
    step: u64,
    usage: Usage,
}

#[derive(Default)]
struct Core {
    is_taken: bool,
    waiting: VecDeque<HostId>,
}

/// How much the cores have been used lately.
#[derive(Default)]
struct Busy {
    span_began: Nanos,
    counted_until: Nanos,
    /// Of all cores, in this span.
    sum: Nanos,
    /// In the span before, thousandths of all that was there.
    per_mille: u64,
}

/// Who works, until when, and who waits for a core.
#[derive(Default)]
pub(super) struct Processors {
    /// None: whoever needs one has one.
    cores: Vec<Core>,
    busy: Busy,
    /// By host; `None` for those whose work costs nothing.
    processes: Vec<Option<Process>>,
    /// When somebody is done: time, order of beginning, host and its step. An end whose step
    /// is not the host's own any more counts for nothing.
    #[allow(clippy::type_complexity)] // the heap's order is the tuple's
    ends: BinaryHeap<Reverse<(Nanos, u64, HostId, u64)>>,
    begun: u64,
    /// May run a task now.
    granted: VecDeque<HostId>,
}

impl Processors {
    /// How many cores all processes share; `None`: each has its own.
    pub fn set_cores(&mut self, cores: Option<usize>) {
        self.cores.resize_with(cores.unwrap_or(0), Core::default);
    }

    /// From now on, what `host` does costs time. How many cores there are is known by then.
    pub fn charge(&mut self, host: HostId, costs: Costs) {
        if self.processes.len() <= host.0 {
            self.processes.resize_with(host.0 + 1, || None);
        }
        self.processes[host.0] = Some(Process {
            costs,
            state: State::Idle,
            core: host.0.checked_rem(self.cores.len()).unwrap_or(0),
            ran_until: 0,
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
        if self.process(host).state != State::Idle {
            return;
        }
        self.process(host).state = State::Waiting;
        let before = self.process(host).core;
        let is_free = |core: &Core| !core.is_taken;
        self.count_busy(now);
        let free = match self.cores.get(before) {
            Some(core) if is_free(core) => Some(before),
            Some(_) if self.looks_around() => self.cores.iter().position(is_free),
            Some(_) => None,
            None => Some(before),
        };
        match free {
            Some(core) => self.take(now, core, host),
            None => self.cores[before].waiting.push_back(host),
        }
    }

    /// Brings the account of what cores are used up to date; to be called before that changes.
    fn count_busy(&mut self, now: Nanos) {
        let taken = self.cores.iter().filter(|core| core.is_taken).count() as u64;
        let busy = &mut self.busy;
        busy.sum += taken * (now - busy.counted_until);
        busy.counted_until = now;
        let span = now - busy.span_began;
        if span >= SPAN {
            busy.per_mille = busy.sum * 1_000 / (span * self.cores.len().max(1) as u64);
            (busy.sum, busy.span_began) = (0, now);
        }
    }

    /// Whether load leaves a core to be found, by the rule of Linux's `update_idle_cpu_scan`:
    /// of n cores, as many are looked at as `n * (1 - (1.17 * load)^2)`.
    fn looks_around(&self) -> bool {
        let loaded = (self.busy.per_mille * 117 / 100).min(1_000);
        let looked_at = self.cores.len() as u64 * (1_000_000 - loaded * loaded) / 1_000_000;
        looked_at >= 1
    }

    /// `host` has the core from now on.
    fn take(&mut self, now: Nanos, core: usize, host: HostId) {
        if let Some(core) = self.cores.get_mut(core) {
            core.is_taken = true;
        }
        let process = self.process(host);
        process.core = core;
        process.state = State::Running { since: now };
        process.usage.wakeups += 1;
        let wakeup = process.costs.wakeup_ns;
        self.begin(now, host, wakeup);
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
        let core = self.process(host).core;
        let others_wait = (self.cores.get(core)).is_some_and(|core| !core.waiting.is_empty());
        if !others_wait || now - since < SLICE {
            return false;
        }
        let process = self.process(host);
        process.state = State::Waiting;
        process.ran_until = now;
        self.cores[core].waiting.push_back(host);
        self.give_back(now, core);
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

    /// The task that runs makes something of so many bytes.
    pub fn spend_on_bytes(&mut self, host: HostId, bytes: usize) {
        if let Some(process) = self.processes.get_mut(host.0).and_then(Option::as_mut) {
            process.usage.bytes += bytes as u64;
            process.spent += bytes as u64 * process.costs.kib_ns / 1_024;
        }
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
        let core = process.core;
        self.granted.retain(|granted| *granted != host);
        match before {
            State::Idle => {}
            State::Waiting => {
                let waiting = &mut self.cores[core].waiting;
                waiting.retain(|waiting| *waiting != host);
            }
            State::Running { .. } => {
                self.process(host).ran_until = now;
                self.give_back(now, core);
            }
        }
    }

    /// The core is free for whoever waits for it, or for another one since long ago.
    fn give_back(&mut self, now: Nanos, core: usize) {
        self.count_busy(now);
        let Some(freed) = self.cores.get_mut(core) else {
            return;
        };
        freed.is_taken = false;
        let next = freed.waiting.pop_front();
        if let Some(host) = next.or_else(|| self.pull(now)) {
            self.take(now, core, host);
        }
    }

    /// Takes one out of its queue whose caches are cold.
    fn pull(&mut self, now: Nanos) -> Option<HostId> {
        for core in 0..self.cores.len() {
            let waiting = self.cores[core].waiting.iter().copied();
            let mut cold = waiting.filter(|host| {
                let process = self.processes[host.0].as_ref();
                process.is_some_and(|process| now - process.ran_until >= HOT)
            });
            if let Some(host) = cold.next() {
                drop(cold);
                self.cores[core].waiting.retain(|waiting| *waiting != host);
                return Some(host);
            }
        }
        None
    }
}

//! Processors: a process that works is busy until it is done.
//!
//! A process is one thread. What it does costs time ([`Costs`]): until that has passed, none
//! of its tasks runs, and what they send leaves only then. Processes share a number of cores
//! or have one each. They share them as Linux has them do: who has something to do takes the
//! core that it had before if that is free; while there is little load, any that is free;
//! otherwise it waits for the one it had, and another core that becomes free leaves it there
//! as long as its caches are `HOT`. Which of the threads that want a core gets it, and for how
//! long, is decided by `fair`; it changes between two tasks only.
//!
//! This file decides who may run when. What runs is up to the [`super::executor`].

mod fair;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::executor::scheduler::Scheduler;
pub use crate::executor::scheduler::{Usage, Work};
use crate::time::{HostId, Nanos};
use fair::{Lag, Queue};
use squall_plan::plan::Costs;

/// For how long a process that waits is not moved to another core after it ran: Linux's
/// `sched_migration_cost`.
const HOT: Nanos = 500_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Has nothing to do.
    Idle,
    /// Has something to do, and no core.
    Waiting,
    /// Has a core.
    Running,
}

/// Load is that of the last whole span of this length.
const SPAN: Nanos = 32_000_000;

struct Process {
    costs: Costs,
    state: State,
    /// Where it runs, or ran last.
    core: usize,
    /// From there, when it had nothing to do.
    lag: Lag,
    ran_until: Nanos,
    /// When it is done with what it is at; in the past, or now, if it is at nothing.
    busy_until: Nanos,
    /// What the task that runs has cost so far.
    spent: Nanos,
    /// Counts what it had to wait for; see [`Processors::ends`].
    step: u64,
    usage: Usage,
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
pub struct Processors {
    /// None: whoever needs one has one.
    cores: Vec<Queue>,
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
        self.cores.resize_with(cores.unwrap_or(0), Queue::default);
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
            lag: Lag::default(),
            ran_until: 0,
            busy_until: 0,
            spent: 0,
            step: 0,
            usage: Usage::default(),
        });
    }

    fn process(&mut self, host: HostId) -> &mut Process {
        let process = self.processes[host.0].as_mut();
        process.expect("only a host whose work costs time is asked about")
    }

    fn join(&mut self, now: Nanos, core: usize, host: HostId, lag: Lag) {
        self.process(host).core = core;
        self.cores[core].join(now, host, lag);
    }

    /// Brings the account of what cores are used up to date; to be called before that changes.
    fn count_busy(&mut self, now: Nanos) {
        let taken = self.cores.iter().filter(|core| core.is_taken()).count() as u64;
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

    /// Gives a core that is free to the next one, if anybody wants it.
    fn start_next(&mut self, now: Nanos, core: usize) {
        if let Some(host) = self.cores[core].start_next(now) {
            self.take(now, host);
        }
    }

    /// `host` has its core from now on.
    fn take(&mut self, now: Nanos, host: HostId) {
        let process = self.process(host);
        process.state = State::Running;
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

    /// Has one come over that waits for another core and whose caches are cold.
    fn pull_if_idle(&mut self, now: Nanos, to: usize) {
        if self.cores[to].is_waited_for() {
            return;
        }
        let is_cold = |host: &HostId| {
            let process = self.processes[host.0].as_ref();
            process.is_some_and(|process| now - process.ran_until >= HOT)
        };
        let mut queues = self.cores.iter().enumerate();
        let cold = queues.find_map(|(from, queue)| Some((from, queue.waiting().find(is_cold)?)));
        if let Some((from, host)) = cold {
            let lag = self.cores[from].leave(now, host);
            self.join(now, to, host, lag.elsewhere());
        }
    }
}

impl Scheduler for Processors {
    fn is_charged(&self, host: HostId) -> bool {
        self.processes.get(host.0).is_some_and(Option::is_some)
    }

    fn usage(&self, host: HostId) -> Option<Usage> {
        let process = self.processes.get(host.0)?.as_ref()?;
        Some(process.usage)
    }

    fn want(&mut self, now: Nanos, host: HostId) {
        if self.process(host).state != State::Idle {
            return;
        }
        self.process(host).state = State::Waiting;
        if self.cores.is_empty() {
            return self.take(now, host);
        }
        self.count_busy(now);
        let (before, lag) = (self.process(host).core, self.process(host).lag);
        let is_free = |core: &Queue| !core.is_taken();
        let free = match is_free(&self.cores[before]) {
            true => Some(before),
            false if self.looks_around() => self.cores.iter().position(is_free),
            false => None,
        };
        match free {
            Some(core) if core != before => self.join(now, core, host, lag.elsewhere()),
            _ => self.join(now, before, host, lag),
        }
        if let Some(core) = free {
            self.start_next(now, core);
        }
    }

    fn next_end(&self) -> Option<Nanos> {
        self.ends.peek().map(|Reverse((at, ..))| *at)
    }

    fn end_due(&mut self, now: Nanos) {
        while self.next_end().is_some_and(|at| at <= now) {
            let (_, _, host, step) = self.ends.pop().expect("just seen").0;
            if self.process(host).step == step {
                self.granted.push_back(host);
            }
        }
    }

    fn has_granted(&self) -> bool {
        !self.granted.is_empty()
    }

    fn next_granted(&mut self) -> Option<HostId> {
        self.granted.pop_front()
    }

    fn must_yield(&mut self, now: Nanos, host: HostId) -> bool {
        let core = self.process(host).core;
        if !(self.cores.get(core)).is_some_and(|queue| queue.must_yield(now)) {
            return false;
        }
        let process = self.process(host);
        process.state = State::Waiting;
        process.ran_until = now;
        self.cores[core].preempt(now);
        self.start_next(now, core);
        true
    }

    fn task_begins(&mut self, host: HostId) {
        let process = self.process(host);
        process.usage.tasks += 1;
        process.spent = process.costs.task_ns;
    }

    fn spend(&mut self, host: HostId, work: Work) {
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

    fn spend_on_bytes(&mut self, host: HostId, bytes: usize) {
        if let Some(process) = self.processes.get_mut(host.0).and_then(Option::as_mut) {
            process.usage.bytes += bytes as u64;
            process.spent += bytes as u64 * process.costs.kib_ns / 1_024;
        }
    }

    fn task_ended(&mut self, now: Nanos, host: HostId) {
        let process = self.process(host);
        let spent = std::mem::take(&mut process.spent);
        // It may have been the end of its own process.
        if process.state != State::Idle {
            self.begin(now, host, spent);
        }
    }

    fn done_at(&self, now: Nanos, host: HostId) -> Nanos {
        match self.processes.get(host.0) {
            Some(Some(process)) => process.busy_until.max(now) + process.spent,
            _ => now,
        }
    }

    fn rest(&mut self, now: Nanos, host: HostId) {
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
        if before == State::Idle || self.cores.is_empty() {
            return;
        }
        self.count_busy(now);
        self.process(host).lag = self.cores[core].leave(now, host);
        if before == State::Running {
            self.process(host).ran_until = now;
            self.pull_if_idle(now, core);
            self.start_next(now, core);
        }
    }
}

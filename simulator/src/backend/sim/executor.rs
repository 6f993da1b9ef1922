//! The event loop: tasks, timers and clocks of all hosts on one thread, in virtual time.
//!
//! Time jumps to the next timer or packet when no task can run, so idle time costs nothing.
//! Whatever happens at one instant happens in a fixed order: runnable tasks first in, first
//! out; then packets; then timers, by deadline and creation. A host is a set of tasks, a
//! clock that may run fast, slow or offset, and a stream of random numbers; killing it drops
//! its tasks, pausing it leaves them unpolled.
//!
//! There is no tokio runtime here: tokio's clock has a resolution of a millisecond, this one
//! of a nanosecond. Nothing in this file knows of Raft, sockets or files.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::clock::Clock;
use super::processor::{Processors, Usage, Work};
use super::timers::{TimerId, Timers};

/// Virtual nanoseconds since the simulation began.
pub type Nanos = u64;

/// A machine: index into the executor's hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub usize);

type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    host: HostId,
    /// Taken out while the task is polled.
    future: Option<LocalFuture>,
    waker: Arc<TaskWaker>,
}

struct TaskWaker {
    slot: usize,
    /// In the ready queue already.
    queued: AtomicBool,
    /// Cleared when the task ends: a late wake-up must not reach the slot's next tenant.
    alive: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if self.alive.load(Ordering::Relaxed) && !self.queued.swap(true, Ordering::Relaxed) {
            READY.with_borrow_mut(|ready| ready.push_back(self));
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.clone().wake();
    }
}

thread_local! {
    static READY: RefCell<VecDeque<Arc<TaskWaker>>> = const { RefCell::new(VecDeque::new()) };
    static CURRENT: RefCell<Option<Rc<Executor>>> = const { RefCell::new(None) };
}

struct Host {
    clock: Clock,
    rng: ChaCha8Rng,
    /// A task that panics ends the host's process instead of the simulation.
    contains_panics: bool,
    paused: bool,
    /// Woken while paused, in order.
    parked: Vec<Arc<TaskWaker>>,
    /// Woken while the process was busy, in order.
    backlog: VecDeque<Arc<TaskWaker>>,
    /// The thread that does what would block this one; a host of its own, where work costs
    /// time.
    helper: Option<HostId>,
}

/// Tasks, timers and hosts.
pub struct Executor {
    now: Cell<Nanos>,
    current: Cell<HostId>,
    tasks: RefCell<Vec<Option<Task>>>,
    free: RefCell<Vec<usize>>,
    hosts: RefCell<Vec<Host>>,
    timers: RefCell<Timers>,
    /// `None`: work costs no time.
    processors: Option<RefCell<Processors>>,
    polls: Cell<u64>,
    on_switch: Cell<fn(HostId)>,
    /// Hosts of which a task has panicked, and what it said.
    panics: RefCell<Vec<(HostId, String)>>,
}

/// The executor of this thread.
///
/// # Panics
/// Outside a simulation.
pub fn current() -> Rc<Executor> {
    CURRENT.with_borrow(|current| current.clone().expect("inside a simulation"))
}

/// Makes `executor` the one of this thread until dropped.
pub struct Entered;

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| *current = None);
        READY.with_borrow_mut(|ready| ready.clear());
    }
}

impl Executor {
    /// `on_switch` is called before a host's tasks run or are dropped.
    pub fn enter(on_switch: fn(HostId)) -> (Rc<Self>, Entered) {
        Self::enter_with(None, on_switch)
    }

    /// The same, where work costs time.
    pub(super) fn enter_with(
        processors: Option<Processors>,
        on_switch: fn(HostId),
    ) -> (Rc<Self>, Entered) {
        let executor = Rc::new(Self {
            now: Cell::new(0),
            current: Cell::new(HostId(usize::MAX)),
            tasks: RefCell::default(),
            free: RefCell::default(),
            hosts: RefCell::default(),
            timers: RefCell::default(),
            processors: processors.map(RefCell::new),
            polls: Cell::new(0),
            on_switch: Cell::new(on_switch),
            panics: RefCell::default(),
        });
        CURRENT.with_borrow_mut(|current| {
            assert!(current.is_none(), "one simulation a thread at a time");
            *current = Some(executor.clone());
        });
        (executor, Entered)
    }

    pub fn add_host(&self, offset_us: i64, drift_ppm: i32, rng: ChaCha8Rng) -> HostId {
        let mut hosts = self.hosts.borrow_mut();
        hosts.push(Host {
            clock: Clock::new(offset_us, drift_ppm),
            rng,
            contains_panics: false,
            paused: false,
            parked: Vec::new(),
            backlog: VecDeque::new(),
            helper: None,
        });
        HostId(hosts.len() - 1)
    }

    /// From now on, `helper` is a second thread of the process of `host`.
    pub(super) fn set_helper(&self, host: HostId, helper: HostId) {
        self.hosts.borrow_mut()[host.0].helper = Some(helper);
    }

    /// The second thread of a process, if it has one.
    pub(super) fn helper(&self, host: HostId) -> Option<HostId> {
        self.hosts.borrow()[host.0].helper
    }

    /// From now on, a panic of a task of `host` is that host's affair ([`Self::take_panics`]).
    pub fn contain_panics(&self, host: HostId) {
        self.hosts.borrow_mut()[host.0].contains_panics = true;
    }

    /// Hosts of which a task has panicked since the last call, and what it said.
    pub fn take_panics(&self) -> Vec<(HostId, String)> {
        self.panics.take()
    }

    pub fn now(&self) -> Nanos {
        self.now.get()
    }

    /// How often a task was polled: the measure of work done.
    pub fn polls(&self) -> u64 {
        self.polls.get()
    }

    /// The host whose task runs.
    pub fn host(&self) -> HostId {
        self.current.get()
    }

    /// The monotonic clock of the running host.
    pub fn local_now(&self) -> Nanos {
        self.hosts.borrow()[self.current.get().0]
            .clock
            .monotonic(self.now.get())
    }

    /// The wall clock of the running host, milliseconds since the Unix epoch.
    pub fn local_wall_ms(&self) -> u64 {
        self.hosts.borrow()[self.current.get().0]
            .clock
            .wall_ms(self.now.get())
    }

    /// Sleeps until the running host's monotonic clock shows `local`.
    pub fn sleep_until_local(&self, local: Nanos) -> Sleep {
        let hosts = self.hosts.borrow();
        let clock = &hosts[self.current.get().0].clock;
        self.sleep_until(clock.when(self.now.get(), local))
    }

    /// Changes a host's clocks from now on: by how much its wall clock is off, and how much
    /// too fast both run. The monotonic clock never goes back; timers that were set before
    /// keep their time.
    pub fn set_clock(&self, host: HostId, offset_us: i64, drift_ppm: i32) {
        let clock = &mut self.hosts.borrow_mut()[host.0].clock;
        clock.set(self.now.get(), offset_us, drift_ppm);
    }

    /// Offset of the wall clock in microseconds, and drift in parts per million.
    pub fn clock(&self, host: HostId) -> (i64, i32) {
        let clock = &self.hosts.borrow()[host.0].clock;
        (clock.offset_us, clock.drift_ppm)
    }

    /// Sleeps until virtual time `deadline`.
    pub fn sleep_until(&self, deadline: Nanos) -> Sleep {
        Sleep {
            deadline,
            timer: None,
        }
    }

    /// A random number from the running host's stream.
    pub fn random_u64(&self) -> u64 {
        self.hosts.borrow_mut()[self.current.get().0].rng.next_u64()
    }

    /// Spawns onto the running host.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.spawn_on(self.current.get(), future);
    }

    pub fn spawn_on(&self, host: HostId, future: impl Future<Output = ()> + 'static) {
        let mut tasks = self.tasks.borrow_mut();
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            tasks.push(None);
            tasks.len() - 1
        });
        let waker = Arc::new(TaskWaker {
            slot,
            queued: AtomicBool::new(false),
            alive: AtomicBool::new(true),
        });
        tasks[slot] = Some(Task {
            host,
            future: Some(Box::pin(future)),
            waker: waker.clone(),
        });
        drop(tasks);
        waker.wake();
    }

    /// Drops every task of `host`, oldest slot first, with that host running.
    pub fn kill(&self, host: HostId) {
        self.kill_thread(host);
        if let Some(helper) = self.helper(host) {
            self.kill_thread(helper);
        }
    }

    fn kill_thread(&self, host: HostId) {
        let doomed: Vec<Task> = {
            let mut tasks = self.tasks.borrow_mut();
            let slots = (0..tasks.len()).filter(|slot| {
                let task = tasks[*slot].as_ref();
                task.is_some_and(|task| task.host == host)
            });
            let slots: Vec<usize> = slots.collect();
            self.free.borrow_mut().extend(slots.iter().rev());
            slots
                .iter()
                .filter_map(|slot| tasks[*slot].take())
                .collect()
        };
        {
            let host = &mut self.hosts.borrow_mut()[host.0];
            host.parked.clear();
            host.backlog.clear();
        }
        if let Some(processors) = &self.processors {
            processors.borrow_mut().rest(self.now(), host);
        }
        self.as_host(host, || {
            for task in doomed {
                task.waker.alive.store(false, Ordering::Relaxed);
                drop(task.future);
            }
        });
    }

    /// Stops or resumes polling the tasks of `host`.
    pub fn set_paused(&self, host: HostId, paused: bool) {
        self.set_thread_paused(host, paused);
        if let Some(helper) = self.helper(host) {
            self.set_thread_paused(helper, paused);
        }
    }

    fn set_thread_paused(&self, host: HostId, paused: bool) {
        let parked = {
            let host = &mut self.hosts.borrow_mut()[host.0];
            host.paused = paused;
            match paused {
                true => Vec::new(),
                false => std::mem::take(&mut host.parked),
            }
        };
        READY.with_borrow_mut(|ready| ready.extend(parked));
    }

    pub fn is_paused(&self, host: HostId) -> bool {
        self.hosts.borrow()[host.0].paused
    }

    /// Runs `work` as if a task of `host` did it.
    pub fn as_host<R>(&self, host: HostId, work: impl FnOnce() -> R) -> R {
        let before = self.switch_to(host);
        let result = work();
        self.switch_to(before);
        result
    }

    fn switch_to(&self, host: HostId) -> HostId {
        let before = self.current.replace(host);
        if before != host && host.0 != usize::MAX {
            (self.on_switch.get())(host);
        }
        before
    }

    /// Polls runnable tasks until none is left.
    pub fn run_ready(&self) -> bool {
        let mut ran = false;
        loop {
            while let Some(waker) = READY.with_borrow_mut(VecDeque::pop_front) {
                ran |= self.run_task(waker);
            }
            let Some(processors) = &self.processors else {
                return ran;
            };
            let Some(host) = processors.borrow_mut().next_granted() else {
                return ran;
            };
            ran |= self.go_on(processors, host);
        }
    }

    /// Runs the next task of a process that has a core and is done with the last one.
    fn go_on(&self, processors: &RefCell<Processors>, host: HostId) -> bool {
        let now = self.now.get();
        let mut next = None;
        {
            let machine = &mut self.hosts.borrow_mut()[host.0];
            match machine.paused {
                true => machine.parked.extend(machine.backlog.drain(..)),
                false => {
                    // Tasks that have ended since cost nothing.
                    let is_dead = |waker: &Arc<TaskWaker>| !waker.alive.load(Ordering::Relaxed);
                    while machine.backlog.front().is_some_and(is_dead) {
                        machine.backlog.pop_front();
                    }
                    let mut processors = processors.borrow_mut();
                    if !machine.backlog.is_empty() && processors.must_yield(now, host) {
                        return false;
                    }
                    next = machine.backlog.pop_front();
                }
            }
        }
        let Some(waker) = next else {
            processors.borrow_mut().rest(now, host);
            return false;
        };
        processors.borrow_mut().task_begins(host);
        waker.queued.store(false, Ordering::Relaxed);
        self.poll_task(host, waker);
        processors.borrow_mut().task_ended(now, host);
        true
    }

    fn run_task(&self, waker: Arc<TaskWaker>) -> bool {
        waker.queued.store(false, Ordering::Relaxed);
        if !waker.alive.load(Ordering::Relaxed) {
            return false;
        }
        let host = {
            let tasks = self.tasks.borrow();
            let task = tasks[waker.slot].as_ref();
            let host = task.expect("a live waker has its task").host;
            let machine = &mut self.hosts.borrow_mut()[host.0];
            if machine.paused {
                waker.queued.store(true, Ordering::Relaxed);
                machine.parked.push(waker);
                return false;
            }
            if let Some(processors) = &self.processors {
                let mut processors = processors.borrow_mut();
                if processors.is_charged(host) {
                    waker.queued.store(true, Ordering::Relaxed);
                    machine.backlog.push_back(waker);
                    processors.want(self.now.get(), host);
                    return false;
                }
            }
            host
        };
        self.poll_task(host, waker);
        true
    }

    /// Polls a live task of `host`.
    fn poll_task(&self, host: HostId, waker: Arc<TaskWaker>) {
        let slot = waker.slot;
        let mut future = {
            let mut tasks = self.tasks.borrow_mut();
            let task = tasks[slot].as_mut().expect("a live waker has its task");
            task.future.take().expect("a task is polled by one caller")
        };
        self.switch_to(host);
        self.polls.set(self.polls.get() + 1);
        let task_waker = Waker::from(waker.clone());
        // Nothing of a task is looked at again after it panicked, so no broken state is seen.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            future.as_mut().poll(&mut Context::from_waker(&task_waker))
        }));
        let poll = match polled {
            Ok(poll) => poll,
            Err(panic) => self.note_panic(host, panic),
        };
        let mut tasks = self.tasks.borrow_mut();
        match (poll, tasks[slot].as_mut()) {
            // Killed while it ran; the slot may have a new tenant.
            _ if !waker.alive.load(Ordering::Relaxed) => {}
            (Poll::Pending, Some(task)) => {
                task.future = Some(future);
                return;
            }
            (_, task) => {
                debug_assert!(task.is_some(), "a live task keeps its slot");
                waker.alive.store(false, Ordering::Relaxed);
                tasks[slot] = None;
                self.free.borrow_mut().push(slot);
            }
        }
        drop(tasks);
        drop(future);
    }

    /// Notes the panic of a task, which is over with it.
    fn note_panic(&self, host: HostId, panic: Box<dyn Any + Send>) -> Poll<()> {
        let mut hosts = self.hosts.borrow_mut();
        if !hosts[host.0].contains_panics {
            drop(hosts);
            resume_unwind(panic);
        }
        // None of its other tasks runs before whoever looks after the host has ended it.
        hosts[host.0].paused = true;
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("without a message").to_owned();
        self.panics.borrow_mut().push((host, text));
        Poll::Ready(())
    }

    /// When the next timer fires, or the next process is done with its work, if any.
    pub fn next_timer(&self) -> Option<Nanos> {
        let timer = self.timers.borrow().next();
        let Some(processors) = &self.processors else {
            return timer;
        };
        let end = processors.borrow().next_end();
        [timer, end].into_iter().flatten().min()
    }

    /// The task that runs does something that may cost time.
    pub(super) fn spend(&self, work: Work) {
        if let Some(processors) = &self.processors {
            processors.borrow_mut().spend(self.current.get(), work);
        }
    }

    /// The task that runs makes something of so many bytes, which may cost time.
    pub(super) fn spend_on_bytes(&self, bytes: usize) {
        if let Some(processors) = &self.processors {
            processors
                .borrow_mut()
                .spend_on_bytes(self.current.get(), bytes);
        }
    }

    /// When what `host` does now is done.
    pub(super) fn done_at(&self, host: HostId) -> Nanos {
        let now = self.now.get();
        match &self.processors {
            Some(processors) => processors.borrow().done_at(now, host),
            None => now,
        }
    }

    /// What `host` has done so far; `None` where work costs no time.
    pub fn usage(&self, host: HostId) -> Option<Usage> {
        let processors = self.processors.as_ref()?.borrow();
        let mut usage = processors.usage(host)?;
        // That a helper goes on and waits is part of what a sync costs.
        let helper = self
            .helper(host)
            .and_then(|helper| processors.usage(helper));
        usage.syncs += helper.map_or(0, |helper| helper.syncs);
        Some(usage)
    }

    /// Moves time on to `at`.
    pub fn set_time(&self, at: Nanos) {
        assert!(at >= self.now.get(), "time does not go back");
        self.now.set(at);
    }

    /// Whether a task can run.
    pub fn has_ready(&self) -> bool {
        let processors = self.processors.as_ref();
        READY.with_borrow(|ready| !ready.is_empty())
            || processors.is_some_and(|processors| processors.borrow().has_granted())
    }

    /// Fires the timers that are due, and lets processes go on that are done.
    pub fn fire_due(&self) {
        let now = self.now.get();
        if let Some(processors) = &self.processors {
            processors.borrow_mut().end_due(now);
        }
        loop {
            // Bound first: waking may set timers.
            let due = self.timers.borrow_mut().pop_due(now);
            match due {
                Some(waker) => waker.wake(),
                None => return,
            }
        }
    }
}

/// Ends at a point of virtual time.
pub struct Sleep {
    deadline: Nanos,
    /// Set while the simulation goes on to wake the sleeper.
    timer: Option<TimerId>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        CURRENT.with_borrow(|executor| {
            let executor = executor.as_ref().expect("inside a simulation");
            if executor.now.get() >= self.deadline {
                return Poll::Ready(());
            }
            let mut timers = executor.timers.borrow_mut();
            match self.timer {
                Some(timer) => timers.rewake(timer, cx.waker()),
                None => self.timer = Some(timers.add(self.deadline, cx.waker().clone())),
            }
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(timer) = self.timer else { return };
        let waker = CURRENT.with_borrow(|executor| {
            // What outlives the simulation has nobody left to wake it.
            let executor = executor.as_ref()?;
            executor.timers.borrow_mut().remove(timer)
        });
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Costs, Seed};

    /// Two hosts, of which the first keeps its panics to itself.
    fn two_hosts() -> (Rc<Executor>, Entered, [HostId; 2]) {
        let (executor, entered) = Executor::enter(|_| {});
        let hosts = [(); 2].map(|()| executor.add_host(0, 0, Seed(1).rng()));
        executor.contain_panics(hosts[0]);
        (executor, entered, hosts)
    }

    #[test]
    fn a_panic_ends_its_host_and_no_other() {
        let (executor, _entered, [broken, sound]) = two_hosts();
        let ran = Rc::new(Cell::new((0, 0)));
        let (here, there) = (ran.clone(), ran.clone());
        executor.spawn_on(broken, async { panic!("{} is not {}", 1, 2) });
        executor.spawn_on(
            broken,
            async move { here.set((here.get().0 + 1, here.get().1)) },
        );
        executor.spawn_on(sound, async move {
            there.set((there.get().0, there.get().1 + 1))
        });
        while executor.run_ready() {}
        assert_eq!(ran.get(), (0, 1), "no other task of the broken host runs");
        assert_eq!(executor.take_panics(), [(broken, "1 is not 2".to_owned())]);
        assert_eq!(executor.take_panics(), []);
        executor.kill(broken);
        executor.set_paused(broken, false);
        while executor.run_ready() {}
        assert_eq!(ran.get(), (0, 1), "killed, not only paused");
    }

    /// Hosts whose work costs 5 ns to wake up for, and 10 ns a task, on some cores; sending
    /// costs 100 ns, a KiB 200 ns.
    fn charged(hosts: usize, cores: Option<usize>) -> (Rc<Executor>, Entered, Vec<HostId>) {
        let costs = Costs {
            wakeup_ns: 5,
            task_ns: 10,
            send_ns: 100,
            kib_ns: 200,
            ..Costs::default()
        };
        let mut processors = Processors::default();
        processors.set_cores(cores);
        for host in 0..hosts {
            processors.charge(HostId(host), costs);
        }
        let (executor, entered) = Executor::enter_with(Some(processors), |_| {});
        let hosts = (0..hosts).map(|_| executor.add_host(0, 0, Seed(1).rng()));
        let hosts = hosts.collect();
        (executor, entered, hosts)
    }

    type Log = Rc<RefCell<Vec<(usize, Nanos)>>>;

    /// Spawns a task that notes when it runs.
    fn note(executor: &Rc<Executor>, host: HostId, log: &Log) {
        let (clock, log) = (executor.clone(), log.clone());
        executor.spawn_on(host, async move {
            log.borrow_mut().push((host.0, clock.now()));
        });
    }

    /// Runs until nothing can happen any more, or `until`.
    fn play(executor: &Executor, until: Nanos) {
        loop {
            while executor.run_ready() {}
            match executor.next_timer() {
                Some(next) if next <= until => {
                    executor.set_time(next);
                    executor.fire_due();
                }
                _ => return,
            }
        }
    }

    #[test]
    fn a_busy_process_does_one_thing_after_the_other() {
        let (executor, _entered, hosts) = charged(1, None);
        let log = Log::default();
        for _ in 0..3 {
            note(&executor, hosts[0], &log);
        }
        play(&executor, 1_000);
        assert_eq!(*log.borrow(), [(0, 5), (0, 15), (0, 25)]);
        assert_eq!(executor.now(), 35, "busy with the last one until then");
        note(&executor, hosts[0], &log);
        play(&executor, 1_000);
        assert_eq!(log.borrow()[3], (0, 40), "it has to wake up again");
        let usage = executor.usage(hosts[0]).expect("it is charged");
        assert_eq!((usage.wakeups, usage.tasks, usage.sends), (2, 4, 0));
    }

    #[test]
    fn what_a_task_does_counts_until_it_is_done() {
        let (executor, _entered, hosts) = charged(1, None);
        let done: Log = Log::default();
        let (clock, log) = (executor.clone(), done.clone());
        executor.spawn_on(hosts[0], async move {
            clock.spend(Work::Send);
            clock.spend_on_bytes(512);
            log.borrow_mut().push((0, clock.done_at(HostId(0))));
        });
        note(&executor, hosts[0], &done);
        play(&executor, 1_000);
        assert_eq!(*done.borrow(), [(0, 215), (0, 215)]);
    }

    #[test]
    fn processes_share_cores_in_the_order_of_asking() {
        let (executor, _entered, hosts) = charged(3, Some(2));
        let log = Log::default();
        for host in [2, 0, 1, 2] {
            note(&executor, hosts[host], &log);
        }
        play(&executor, 1_000);
        // The third to ask waits until the first core is free: that of host 0 at 15.
        assert_eq!(*log.borrow(), [(2, 5), (0, 5), (2, 15), (1, 20)]);
    }

    /// How long a process that has rested for a while waits to run, if the core that it had
    /// is taken for 115 ns and the other one for 15 ns.
    fn wait_after(rest: Nanos) -> Nanos {
        let (executor, _entered, hosts) = charged(3, Some(2));
        let log = Log::default();
        note(&executor, hosts[2], &log);
        play(&executor, 1_000);
        let begins = executor.now() + rest;
        executor.set_time(begins);
        let clock = executor.clone();
        executor.spawn_on(hosts[0], async move { clock.spend(Work::Send) });
        note(&executor, hosts[1], &log);
        note(&executor, hosts[2], &log);
        play(&executor, begins + 1_000);
        let ran = *log.borrow().last().expect("all ran");
        assert_eq!(ran.0, 2, "{:?}", log.borrow());
        ran.1 - begins
    }

    #[test]
    fn a_process_waits_for_its_core_while_its_caches_are_hot() {
        assert_eq!(wait_after(1_000), 115 + 5);
        assert_eq!(wait_after(600_000), 15 + 5, "it may as well go elsewhere");
    }

    /// Keeps the core of `host` busy from a time to another.
    fn spin(executor: &Rc<Executor>, host: HostId, from: Nanos, until: Nanos) {
        let clock = executor.clone();
        executor.spawn_on(host, async move {
            clock.sleep_until(from).await;
            std::future::poll_fn(move |cx| {
                clock.spend(Work::Send);
                cx.waker().wake_by_ref();
                match clock.now() < until {
                    true => Poll::Pending,
                    false => Poll::Ready(()),
                }
            })
            .await;
        });
    }

    /// How long a process waits to run whose core is taken while another is free, after both
    /// have been taken since a time.
    fn wait_beside_a_free_core(taken_since: Nanos) -> Nanos {
        const BEGINS: Nanos = 80_000_000;
        let (executor, _entered, hosts) = charged(3, Some(2));
        let log = Log::default();
        spin(&executor, hosts[0], taken_since, Nanos::MAX);
        spin(&executor, hosts[1], taken_since, BEGINS - 500);
        play(&executor, BEGINS);
        executor.set_time(BEGINS);
        note(&executor, hosts[2], &log);
        play(&executor, BEGINS + 10_000);
        log.borrow()[0].1 - BEGINS
    }

    #[test]
    fn a_process_looks_for_another_core_only_while_there_is_little_load() {
        assert_eq!(wait_beside_a_free_core(79_000_000), 5);
        let loaded = wait_beside_a_free_core(1_000_000);
        assert!((6..=115).contains(&loaded), "{loaded}");
    }

    #[test]
    fn a_process_that_never_rests_lets_others_in() {
        let (executor, _entered, hosts) = charged(2, Some(1));
        let log = Log::default();
        let spins = Rc::new(Cell::new(0));
        let counter = spins.clone();
        executor.spawn_on(
            hosts[0],
            std::future::poll_fn(move |cx| {
                counter.set(counter.get() + 1);
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            }),
        );
        play(&executor, 100);
        note(&executor, hosts[1], &log);
        play(&executor, 2_000_000);
        // It waited for a slice of 1.4 ms, and has had nearly nothing of its own: the next time
        // it waits for no more than the task that runs.
        note(&executor, hosts[1], &log);
        play(&executor, 10_000_000);
        let [(1, first), (1, second)] = log.borrow()[..] else {
            panic!("the other ran twice: {:?}", log.borrow());
        };
        assert!((1_400_000..1_400_100).contains(&first), "{first}");
        assert!((2_000_000..2_000_020).contains(&second), "{second}");
        assert!(spins.get() > 900_000, "{}", spins.get());
    }

    #[test]
    fn killed_and_paused_processes_leave_their_core() {
        let (executor, _entered, hosts) = charged(2, Some(1));
        let log = Log::default();
        note(&executor, hosts[0], &log);
        note(&executor, hosts[1], &log);
        while executor.run_ready() {}
        executor.kill(hosts[0]);
        play(&executor, 1_000);
        assert_eq!(*log.borrow(), [(1, 5)]);
        note(&executor, hosts[0], &log);
        note(&executor, hosts[0], &log);
        play(&executor, 25);
        executor.set_paused(hosts[0], true);
        note(&executor, hosts[1], &log);
        play(&executor, 1_000);
        assert_eq!(log.borrow()[1..], [(0, 20), (1, 35)]);
        executor.set_paused(hosts[0], false);
        play(&executor, 1_000);
        assert_eq!(log.borrow()[3..], [(0, 50)]);
    }

    #[test]
    #[should_panic(expected = "the harness is wrong")]
    fn a_panic_of_the_harness_is_none_of_a_host() {
        let (executor, _entered, [_, harness]) = two_hosts();
        executor.spawn_on(harness, async { panic!("the harness is wrong") });
        while executor.run_ready() {}
    }
}

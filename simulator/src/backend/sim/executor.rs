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
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Virtual nanoseconds since the simulation began.
pub type Nanos = u64;

/// Where host-local monotonic clocks start, so that subtracting a timeout never hits zero.
const MONOTONIC_START: Nanos = 3_600_000_000_000;
/// Where wall clocks start: 2025-01-01T00:00:00Z.
const WALL_START: Nanos = 1_735_689_600_000_000_000;

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
    offset_us: i64,
    drift_ppm: i32,
    rng: ChaCha8Rng,
    /// A task that panics ends the host's process instead of the simulation.
    contains_panics: bool,
    paused: bool,
    /// Woken while paused, in order.
    parked: Vec<Arc<TaskWaker>>,
}

struct Timer {
    waker: RefCell<Option<Waker>>,
    /// Fired, or its sleeper is gone.
    done: Cell<bool>,
}

/// Tasks, timers and hosts.
pub struct Executor {
    now: Cell<Nanos>,
    current: Cell<HostId>,
    tasks: RefCell<Vec<Option<Task>>>,
    free: RefCell<Vec<usize>>,
    hosts: RefCell<Vec<Host>>,
    timers: RefCell<BinaryHeap<Reverse<(Nanos, u64, TimerKey)>>>,
    timer_states: RefCell<Vec<Option<Rc<Timer>>>>,
    free_timers: RefCell<Vec<usize>>,
    next_sequence: Cell<u64>,
    polls: Cell<u64>,
    on_switch: Cell<fn(HostId)>,
    /// Hosts of which a task has panicked, and what it said.
    panics: RefCell<Vec<(HostId, String)>>,
}

type TimerKey = usize;

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
        let executor = Rc::new(Self {
            now: Cell::new(0),
            current: Cell::new(HostId(usize::MAX)),
            tasks: RefCell::default(),
            free: RefCell::default(),
            hosts: RefCell::default(),
            timers: RefCell::default(),
            timer_states: RefCell::default(),
            free_timers: RefCell::default(),
            next_sequence: Cell::new(0),
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
            offset_us,
            drift_ppm,
            rng,
            contains_panics: false,
            paused: false,
            parked: Vec::new(),
        });
        HostId(hosts.len() - 1)
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
        let drift_ppm = self.hosts.borrow()[self.current.get().0].drift_ppm;
        MONOTONIC_START + scale(self.now.get(), drift_ppm)
    }

    /// The wall clock of the running host, milliseconds since the Unix epoch.
    pub fn local_wall_ms(&self) -> u64 {
        let host = &self.hosts.borrow()[self.current.get().0];
        let nanos = WALL_START + scale(self.now.get(), host.drift_ppm);
        (nanos as i64 / 1_000_000 + host.offset_us / 1_000).max(0) as u64
    }

    /// Sleeps until the running host's monotonic clock shows `local`.
    pub fn sleep_until_local(&self, local: Nanos) -> Sleep {
        let drift_ppm = self.hosts.borrow()[self.current.get().0].drift_ppm;
        let deadline = unscale(local.saturating_sub(MONOTONIC_START), drift_ppm);
        self.sleep_until(deadline)
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
        self.hosts.borrow_mut()[host.0].parked.clear();
        self.as_host(host, || {
            for task in doomed {
                task.waker.alive.store(false, Ordering::Relaxed);
                drop(task.future);
            }
        });
    }

    /// Stops or resumes polling the tasks of `host`.
    pub fn set_paused(&self, host: HostId, paused: bool) {
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
        while let Some(waker) = READY.with_borrow_mut(VecDeque::pop_front) {
            ran |= self.run_task(waker);
        }
        ran
    }

    fn run_task(&self, waker: Arc<TaskWaker>) -> bool {
        waker.queued.store(false, Ordering::Relaxed);
        if !waker.alive.load(Ordering::Relaxed) {
            return false;
        }
        let slot = waker.slot;
        let (host, mut future) = {
            let mut tasks = self.tasks.borrow_mut();
            let task = tasks[slot].as_mut().expect("a live waker has its task");
            let host = task.host;
            let machine = &mut self.hosts.borrow_mut()[host.0];
            if machine.paused {
                waker.queued.store(true, Ordering::Relaxed);
                machine.parked.push(waker);
                return false;
            }
            let future = task.future.take().expect("a task is polled by one caller");
            (host, future)
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
                return true;
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
        true
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

    /// When the next timer fires, if any.
    pub fn next_timer(&self) -> Option<Nanos> {
        let mut timers = self.timers.borrow_mut();
        let mut states = self.timer_states.borrow_mut();
        while let Some(Reverse((at, _, key))) = timers.peek() {
            let state = states[*key].as_ref().expect("a queued timer has its state");
            if !state.done.get() {
                return Some(*at);
            }
            states[*key] = None;
            self.free_timers.borrow_mut().push(*key);
            timers.pop();
        }
        None
    }

    /// Moves time on to `at`.
    pub fn set_time(&self, at: Nanos) {
        assert!(at >= self.now.get(), "time does not go back");
        self.now.set(at);
    }

    /// Whether a task can run.
    pub fn has_ready(&self) -> bool {
        READY.with_borrow(|ready| !ready.is_empty())
    }

    /// Fires the timers that are due.
    pub fn fire_due(&self) {
        let at = self.now.get();
        while self.next_timer().is_some_and(|next| next <= at) {
            let (_, _, key) = self.timers.borrow_mut().pop().expect("just seen").0;
            let state = self.timer_states.borrow_mut()[key].take();
            self.free_timers.borrow_mut().push(key);
            let state = state.expect("a queued timer has its state");
            state.done.set(true);
            let waker = state.waker.borrow_mut().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn add_timer(&self, deadline: Nanos, waker: Waker) -> Rc<Timer> {
        let timer = Rc::new(Timer {
            waker: RefCell::new(Some(waker)),
            done: Cell::new(false),
        });
        let mut states = self.timer_states.borrow_mut();
        let key = self.free_timers.borrow_mut().pop().unwrap_or_else(|| {
            states.push(None);
            states.len() - 1
        });
        states[key] = Some(timer.clone());
        let sequence = self.next_sequence.replace(self.next_sequence.get() + 1);
        self.timers
            .borrow_mut()
            .push(Reverse((deadline, sequence, key)));
        timer
    }
}

/// Virtual to local duration.
fn scale(elapsed: Nanos, drift_ppm: i32) -> Nanos {
    let drift = i128::from(elapsed) * i128::from(drift_ppm) / 1_000_000;
    (i128::from(elapsed) + drift).max(0) as Nanos
}

/// Local to virtual duration, rounded up so that a sleep never ends early.
fn unscale(local: Nanos, drift_ppm: i32) -> Nanos {
    if drift_ppm == 0 {
        return local;
    }
    let rate = 1_000_000 + i128::from(drift_ppm);
    let elapsed = (i128::from(local) * 1_000_000 + rate - 1) / rate.max(1);
    u64::try_from(elapsed).unwrap_or(u64::MAX)
}

/// Ends at a point of virtual time.
pub struct Sleep {
    deadline: Nanos,
    timer: Option<Rc<Timer>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        CURRENT.with_borrow(|executor| {
            let executor = executor.as_ref().expect("inside a simulation");
            if executor.now.get() >= self.deadline {
                return Poll::Ready(());
            }
            match &self.timer {
                Some(timer) => match timer.waker.borrow_mut().as_mut() {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => debug_assert!(false, "an unfired timer has its waker"),
                },
                None => self.timer = Some(executor.add_timer(self.deadline, cx.waker().clone())),
            }
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = &self.timer {
            timer.done.set(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Seed;

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

    #[test]
    #[should_panic(expected = "the harness is wrong")]
    fn a_panic_of_the_harness_is_none_of_a_host() {
        let (executor, _entered, [_, harness]) = two_hosts();
        executor.spawn_on(harness, async { panic!("the harness is wrong") });
        while executor.run_ready() {}
    }
}

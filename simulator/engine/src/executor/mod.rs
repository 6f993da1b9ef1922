//! The event loop: tasks, timers and clocks of all hosts on one thread, in virtual time.
//!
//! Time jumps to the next timer or packet when no task can run, so idle time costs nothing.
//! Whatever happens at one instant happens in a fixed order: runnable tasks first in, first
//! out; then packets; then timers, by deadline and creation. Or which task runs next is drawn
//! ([`Executor::draw_order`]), since no machine keeps such an order. A host is a set of tasks, a
//! clock that may run fast, slow or offset, and a stream of random numbers; killing it drops
//! its tasks, pausing it leaves them unpolled.
//!
//! There is no tokio runtime here: tokio's clock has a resolution of a millisecond, this one
//! of a nanosecond. Nothing in this folder knows of Raft, sockets or files.

mod run;
pub mod scheduler;
mod sleep;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::steps::{self, Step};
pub use crate::time::{HostId, Nanos};
use crate::timers::Timers;
use scheduler::{Scheduler, Work};

pub use sleep::Sleep;

type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    host: HostId,
    /// Taken out while the task is polled.
    future: Option<LocalFuture>,
    waker: Arc<TaskWaker>,
}

/// One for each task, and tasks come and go by the hundred thousand: with its counters no more
/// than 32 bytes.
struct TaskWaker {
    slot: u32,
    /// Of all tasks of the executor, in the order in which they were spawned.
    number: u64,
    /// In the ready queue already.
    queued: AtomicBool,
    /// Cleared when the task ends: a late wake-up must not reach the slot's next tenant.
    alive: AtomicBool,
}

const _: () = assert!(size_of::<TaskWaker>() <= 16);

impl TaskWaker {
    fn slot(&self) -> usize {
        self.slot as usize
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if self.alive.load(Ordering::Relaxed) && !self.queued.swap(true, Ordering::Relaxed) {
            steps::tell(&Step::Woken { task: self.number });
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
    background: Option<HostId>,
}

/// Tasks, timers and hosts.
pub struct Executor {
    now: Cell<Nanos>,
    current: Cell<HostId>,
    /// Number of the task that runs, or ran last.
    task: Cell<u64>,
    spawned: Cell<u64>,
    tasks: RefCell<Vec<Option<Task>>>,
    free: RefCell<Vec<usize>>,
    hosts: RefCell<Vec<Host>>,
    timers: RefCell<Timers>,
    /// `None`: work costs no time.
    scheduler: Option<RefCell<Box<dyn Scheduler>>>,
    /// Draws who goes first of those who can go on; `None`: who could first.
    order: RefCell<Option<ChaCha8Rng>>,
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
    pub fn enter_with(
        scheduler: Option<Box<dyn Scheduler>>,
        on_switch: fn(HostId),
    ) -> (Rc<Self>, Entered) {
        let executor = Rc::new(Self {
            now: Cell::new(0),
            current: Cell::new(HostId(usize::MAX)),
            task: Cell::new(0),
            spawned: Cell::new(0),
            tasks: RefCell::default(),
            free: RefCell::default(),
            hosts: RefCell::default(),
            timers: RefCell::default(),
            scheduler: scheduler.map(RefCell::new),
            order: RefCell::default(),
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

    /// From now on, it is drawn which task runs next of those that can. Timers that are due at
    /// one instant fire in an order of no consequence then. A task's own steps stay in order.
    pub fn draw_order(&self, rng: ChaCha8Rng) {
        self.order.replace(Some(rng));
    }

    /// Adds a host with its clock (offset in microseconds, drift in parts per million) and stream.
    pub fn add_host(&self, offset_us: i64, drift_ppm: i32, rng: ChaCha8Rng) -> HostId {
        let mut hosts = self.hosts.borrow_mut();
        hosts.push(Host {
            clock: Clock::new(offset_us, drift_ppm),
            rng,
            contains_panics: false,
            paused: false,
            parked: Vec::new(),
            backlog: VecDeque::new(),
            background: None,
        });
        HostId(hosts.len() - 1)
    }

    /// From now on, `background` is a second thread of the process of `host`.
    pub fn set_background(&self, host: HostId, background: HostId) {
        self.hosts.borrow_mut()[host.0].background = Some(background);
    }

    /// The second thread of a process, if it has one.
    pub fn background(&self, host: HostId) -> Option<HostId> {
        self.hosts.borrow()[host.0].background
    }

    /// Has the second thread of a process sync a disk, which takes `cost`: the process goes on
    /// with other things meanwhile, and the two may use a processor each.
    pub async fn sync_in_background(self: &Rc<Self>, background: HostId, cost: Nanos) {
        let (done, synced) = oneshot::channel();
        let thread = self.clone();
        self.spawn_on(background, async move {
            thread.spend(Work::Sync);
            let begins = thread.done_at(background);
            thread.sleep_until(begins + cost).await;
            // Nobody waits any more if the task of the process was dropped.
            let _ = done.send(());
        });
        // The second thread is dropped only together with the task that waits here.
        let _ = synced.await;
    }

    /// From now on, a panic of a task of `host` is kept for that host ([`Self::take_panics`]).
    pub fn contain_panics(&self, host: HostId) {
        self.hosts.borrow_mut()[host.0].contains_panics = true;
    }

    /// Hosts of which a task has panicked since the last call, and what it said.
    pub fn take_panics(&self) -> Vec<(HostId, String)> {
        self.panics.take()
    }

    /// Virtual time since the simulation began.
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

    /// The task that runs, by a number that no other has.
    pub fn task(&self) -> u64 {
        self.task.get()
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
        Sleep::until(deadline)
    }

    /// A random number from the running host's stream.
    pub fn random_u64(&self) -> u64 {
        let value = self.hosts.borrow_mut()[self.current.get().0].rng.next_u64();
        steps::tell(&Step::Drew { value });
        value
    }

    /// Spawns onto the running host.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.spawn_on(self.current.get(), future);
    }

    /// Runs a task on a host; it first runs when the present one yields.
    pub fn spawn_on<F: Future<Output = ()> + 'static>(&self, host: HostId, future: F) {
        let mut tasks = self.tasks.borrow_mut();
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            tasks.push(None);
            tasks.len() - 1
        });
        self.spawned.set(self.spawned.get() + 1);
        let waker = Arc::new(TaskWaker {
            slot: u32::try_from(slot).expect("so many tasks have no room"),
            number: self.spawned.get(),
            queued: AtomicBool::new(false),
            alive: AtomicBool::new(true),
        });
        steps::tell(&Step::Spawned {
            task: waker.number,
            host,
            kind: std::any::type_name::<F>(),
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
        if let Some(background) = self.background(host) {
            self.kill_thread(background);
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
        if let Some(scheduler) = &self.scheduler {
            scheduler.borrow_mut().rest(self.now(), host);
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
        if let Some(background) = self.background(host) {
            self.set_thread_paused(background, paused);
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

    /// Whether the host's tasks stand still.
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
}

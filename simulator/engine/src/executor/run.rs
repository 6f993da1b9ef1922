//! Runs one instant: ready tasks, their processor time, and the timers that fire.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use rand::RngExt;

use super::scheduler::{Scheduler, Usage, Work};
use super::{Executor, HostId, Nanos, READY, TaskWaker};
use crate::steps::{self, Step};

impl Executor {
    /// Polls runnable tasks until none is left.
    pub fn run_ready(&self) -> bool {
        let mut ran = false;
        loop {
            while let Some(waker) = READY.with_borrow_mut(|ready| self.next_of(ready)) {
                ran |= self.run_task(waker);
            }
            let Some(scheduler) = &self.scheduler else {
                return ran;
            };
            let Some(host) = scheduler.borrow_mut().next_granted() else {
                return ran;
            };
            ran |= self.go_on(scheduler, host);
        }
    }

    /// Takes out the task that runs next.
    fn next_of(&self, ready: &mut VecDeque<Arc<TaskWaker>>) -> Option<Arc<TaskWaker>> {
        let mut order = self.order.borrow_mut();
        let Some(rng) = order.as_mut().filter(|_| ready.len() > 1) else {
            return ready.pop_front();
        };
        let next = rng.random_range(0..ready.len() as u64) as usize;
        ready.swap_remove_front(next)
    }

    /// Runs the next task of a process that has a core and is done with the last one.
    fn go_on(&self, scheduler: &RefCell<Box<dyn Scheduler>>, host: HostId) -> bool {
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
                    if self.order.borrow().is_some() {
                        machine.backlog.retain(|waker| !is_dead(waker));
                    }
                    let mut scheduler = scheduler.borrow_mut();
                    if !machine.backlog.is_empty() && scheduler.must_yield(now, host) {
                        return false;
                    }
                    next = self.next_of(&mut machine.backlog);
                }
            }
        }
        let Some(waker) = next else {
            scheduler.borrow_mut().rest(now, host);
            return false;
        };
        scheduler.borrow_mut().task_begins(host);
        waker.queued.store(false, Ordering::Relaxed);
        self.poll_task(host, waker);
        scheduler.borrow_mut().task_ended(now, host);
        true
    }

    fn run_task(&self, waker: Arc<TaskWaker>) -> bool {
        waker.queued.store(false, Ordering::Relaxed);
        if !waker.alive.load(Ordering::Relaxed) {
            return false;
        }
        let host = {
            let tasks = self.tasks.borrow();
            let task = tasks[waker.slot()].as_ref();
            let host = task.expect("a live waker has its task").host;
            let machine = &mut self.hosts.borrow_mut()[host.0];
            if machine.paused {
                waker.queued.store(true, Ordering::Relaxed);
                machine.parked.push(waker);
                return false;
            }
            if let Some(scheduler) = &self.scheduler {
                let mut scheduler = scheduler.borrow_mut();
                if scheduler.is_charged(host) {
                    waker.queued.store(true, Ordering::Relaxed);
                    machine.backlog.push_back(waker);
                    scheduler.want(self.now.get(), host);
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
        let slot = waker.slot();
        let mut future = {
            let mut tasks = self.tasks.borrow_mut();
            let task = tasks[slot].as_mut().expect("a live waker has its task");
            task.future.take().expect("a task is polled by one caller")
        };
        self.switch_to(host);
        self.task.set(waker.number);
        self.polls.set(self.polls.get() + 1);
        steps::tell(&Step::Polled {
            at: self.now.get(),
            task: waker.number,
            host,
        });
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
        let Some(scheduler) = &self.scheduler else {
            return timer;
        };
        let end = scheduler.borrow().next_end();
        [timer, end].into_iter().flatten().min()
    }

    /// The task that runs does something that may cost time.
    pub fn spend(&self, work: Work) {
        if let Some(scheduler) = &self.scheduler {
            scheduler.borrow_mut().spend(self.current.get(), work);
        }
    }

    /// The task that runs makes something of so many bytes, which may cost time.
    pub fn spend_on_bytes(&self, bytes: usize) {
        if let Some(scheduler) = &self.scheduler {
            scheduler
                .borrow_mut()
                .spend_on_bytes(self.current.get(), bytes);
        }
    }

    /// When what `host` does now is done.
    pub fn done_at(&self, host: HostId) -> Nanos {
        let now = self.now.get();
        match &self.scheduler {
            Some(scheduler) => scheduler.borrow().done_at(now, host),
            None => now,
        }
    }

    /// What `host` has done so far; `None` where work costs no time.
    pub fn usage(&self, host: HostId) -> Option<Usage> {
        let scheduler = self.scheduler.as_ref()?.borrow();
        let mut usage = scheduler.usage(host)?;
        // That a helper goes on and waits is part of what a sync costs.
        let background = self
            .background(host)
            .and_then(|background| scheduler.usage(background));
        usage.syncs += background.map_or(0, |background| background.syncs);
        Some(usage)
    }

    /// Moves time on to `at`.
    pub fn set_time(&self, at: Nanos) {
        assert!(at >= self.now.get(), "time does not go back");
        self.now.set(at);
    }

    /// Whether a task can run.
    pub fn has_ready(&self) -> bool {
        let scheduler = self.scheduler.as_ref();
        READY.with_borrow(|ready| !ready.is_empty())
            || scheduler.is_some_and(|scheduler| scheduler.borrow().has_granted())
    }

    /// Fires the timers that are due, and lets processes go on that are done.
    pub fn fire_due(&self) {
        let now = self.now.get();
        if let Some(scheduler) = &self.scheduler {
            scheduler.borrow_mut().end_due(now);
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

//! The load: tells users when to come and go, and says when operations of a rate start.
//!
//! One task (`drive()`) follows the plan's steps and sets the level of every workload's
//! schedule at short intervals; a `schedule` turns a rate into times. Clients wait on it: a
//! user until there is room for so many users, a client of a rate until there is an operation
//! to start. Operations of a rate that start late, because every client was busy, keep the
//! time at which they were meant to.

mod drive;
mod schedule;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use schedule::Schedule;
use squall_plan::plan::{LoadPlan, Plan, Seed, WorkloadPlan};

pub(super) use drive::drive;

/// The load of a run.
pub struct Load {
    plan: LoadPlan,
    warmup_us: u64,
    schedules: Vec<Rc<WorkloadSchedule>>,
    is_over: Cell<bool>,
}

impl Load {
    pub(super) fn new(load: &LoadPlan, plan: &Plan) -> Rc<Self> {
        Rc::new(Self {
            plan: load.clone(),
            warmup_us: plan.phases.warmup_us,
            schedules: plan
                .workloads
                .iter()
                .map(|w| Rc::new(WorkloadSchedule::new(w)))
                .collect(),
            is_over: Cell::new(false),
        })
    }

    pub(super) fn schedule(&self, workload: usize) -> Rc<WorkloadSchedule> {
        self.schedules[workload].clone()
    }

    /// Whether a stress test has found what it looked for.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Lets everybody who waits look whether the run is over.
    pub(super) fn wake(&self) {
        self.schedules
            .iter()
            .for_each(|schedule| schedule.changed.notify_waiters());
    }
}

/// The part of the load that one workload has.
pub(super) struct WorkloadSchedule {
    /// Users that are there.
    users: Cell<u64>,
    think: Cell<Option<(u64, u64)>>,
    /// When operations start, microseconds of the run.
    arrivals: RefCell<VecDeque<u64>>,
    changed: Notify,
    times: RefCell<Schedule>,
}

impl WorkloadSchedule {
    fn new(workload: &WorkloadPlan) -> Self {
        Self {
            users: Cell::new(0),
            think: Cell::new(None),
            arrivals: RefCell::default(),
            changed: Notify::new(),
            times: RefCell::new(Schedule::new(Seed(workload.seed).fork("arrivals").rng())),
        }
    }

    /// Whether a user, numbered from 0, is not there at the moment.
    pub(super) fn is_away(&self, user: u64) -> bool {
        user >= self.users.get()
    }

    /// Until the user is there, or the run is over.
    pub(super) async fn wait_for_turn(&self, user: u64, is_over: impl Fn() -> bool) {
        while self.is_away(user) && !is_over() {
            self.changed.notified().await;
        }
    }

    /// Pause of the users that are there, if this step has its own.
    pub(super) fn think(&self) -> Option<(Duration, Duration)> {
        let (min, max) = self.think.get()?;
        Some((Duration::from_micros(min), Duration::from_micros(max)))
    }

    /// When the next operation starts that nobody has taken; `None` when the run is over.
    pub(super) async fn next_arrival(&self, is_over: impl Fn() -> bool) -> Option<u64> {
        loop {
            if is_over() {
                return None;
            }
            let next = self.arrivals.borrow_mut().pop_front();
            if next.is_some() {
                return next;
            }
            self.changed.notified().await;
        }
    }

    /// Operations that were meant to start from `from_us` on, and that nobody has taken.
    fn unsent(&self, from_us: u64, to_us: u64) -> Vec<u64> {
        let arrivals = self.arrivals.borrow();
        let within = arrivals
            .iter()
            .filter(|at_us| (from_us..to_us).contains(at_us));
        within.copied().collect()
    }
}

//! Holds the state that the clients of one workload share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::limited::Limited;
use super::load::WorkloadSchedule;
use squall_plan::plan::{KeyDraw, Seed, WorkloadKind, WorkloadPlan};

/// What the clients of one workload share.
pub(super) struct Shared {
    pub(super) plan: WorkloadPlan,
    pub(super) limited: Limited,
    /// Its part of the load, if there is one.
    pub(super) schedule: Option<Rc<WorkloadSchedule>>,
    pub(super) keys: KeyDraw,
    /// Keys set before the rest begins.
    pub(super) preloaded: Cell<u64>,
    pub(super) records: RefCell<LiveRecords>,
}

/// The records that are there, as far as the application of a workload knows.
#[derive(Default)]
pub(super) struct LiveRecords {
    pub(super) numbers: Vec<u64>,
    /// Inserted since operations count.
    pub(super) inserted: u64,
}

impl Shared {
    pub(super) fn new(plan: WorkloadPlan, schedule: Option<Rc<WorkloadSchedule>>) -> Self {
        let seed = Seed(plan.seed);
        let (keys, access) = plan.kind.keys();
        let keys = KeyDraw::new(keys, &access, seed);
        let preload = match &plan.kind {
            WorkloadKind::Cache { keys, mix, .. } => mix.preload.min(*keys),
            _ => 0,
        };
        Self {
            limited: Limited::new(plan.operations, preload),
            plan,
            schedule,
            keys,
            preloaded: Cell::new(0),
            records: RefCell::default(),
        }
    }

    /// Whether it has sent, and been answered, all that it was to; queues are empty then.
    pub(super) fn is_done(&self) -> bool {
        let consumers = match self.plan.kind {
            WorkloadKind::Queue { consumers, .. } => consumers,
            _ => 0,
        };
        self.limited.is_done(consumers)
    }
}

//! Clients: what they ask of the cluster, and when.
//!
//! Every workload is a set of sequential clients; each records what it asked and what it
//! was told, and tells apart what it knows from what it does not. The drivers are generic
//! over the [`World`], so the same clients can run in a simulation and against containers.
//! Every written value is unique within a run, which is what lets a check tell writes apart.

use std::rc::Rc;
use std::time::Duration;

use squall_world::World;

use caller::{Caller, Over, Pace, Pool, UNHEARD};
use load::{Lane, Load};
use outcome::{outcome_of, payload, value_of};
use random::{chance, random_duration, sometimes};
use shared::Shared;
use squall_plan::plan::{Plan, WorkloadKind, WorkloadPlan};

pub mod audit;
mod cache;
mod caller;
mod control;
mod exactly_once;
mod gauge;
mod issuer;
mod limited;
pub mod load;
mod lock;
mod near;
mod outcome;
pub mod probe;
mod queue;
mod random;
mod records;
mod setting;
mod shared;

pub use control::Control;
pub use gauge::{Gauge, Usage};
pub use issuer::{Issuer, Issuers, LocalFuture};
pub use setting::Setting;

/// Between two looks of those who only look, where a load paces the others.
const LOOK_REST: Duration = Duration::from_millis(10);

/// Starts the clients of all workloads on the present host, and whoever tells them how much
/// to ask, if the plan has a load.
pub fn start<W: World>(setting: &Rc<Setting>, plan: &Plan) {
    let load = plan.load.as_ref().map(|load| Load::new(load, plan));
    *setting.load.borrow_mut() = load.clone();
    for (index, workload) in plan.workloads.iter().enumerate() {
        let lane = load.as_ref().map(|load| load.lane(index));
        start_workload::<W>(setting, workload, lane);
    }
    if let Some(load) = load {
        setting.spawn::<W>(load::drive::<W>(setting.clone(), load));
    }
}

fn start_workload<W: World>(setting: &Rc<Setting>, plan: &WorkloadPlan, lane: Option<Rc<Lane>>) {
    let shared = Rc::new(Shared::new(plan.clone(), lane));
    if plan.operations.is_some() {
        setting.limited.borrow_mut().push(shared.clone());
    }
    match &plan.kind {
        WorkloadKind::Lock { clients, mix, .. } => {
            start_role::<W, _>(setting, &shared, "", *clients, lock::run);
            start_role::<W, _>(setting, &shared, "watcher", mix.watchers, lock::watch);
        }
        WorkloadKind::Queue {
            producers,
            consumers,
            ..
        } => {
            start_role::<W, _>(setting, &shared, "producer", *producers, queue::produce);
            start_role::<W, _>(setting, &shared, "consumer", *consumers, queue::consume);
        }
        WorkloadKind::Cache { clients, mix, .. } => {
            if mix.records.is_some() {
                start_role::<W, _>(setting, &shared, "", *clients, records::run);
            } else {
                start_role::<W, _>(setting, &shared, "", *clients, cache::run);
            }
            start_role::<W, _>(setting, &shared, "near", mix.near, near::run);
        }
    }
}

/// Starts `count` clients that all do `run`.
fn start_role<W: World, F: Future<Output = ()> + 'static>(
    setting: &Rc<Setting>,
    shared: &Rc<Shared>,
    role: &str,
    count: u64,
    run: fn(Caller<W>) -> F,
) {
    // Watchers and consumers go on as long as there is anything to see.
    let ends = matches!(role, "" | "producer");
    let pool: Option<Pool<W>> = (ends && shared.lane.is_some()).then(Rc::default);
    let role_rests = role != "consumer";
    if ends {
        shared.limited.enter(count);
    }
    for index in 0..count {
        let workload = &shared.plan.name;
        let name = match role {
            "" => format!("{workload}-{}", index + 1),
            role => format!("{workload}-{role}-{}", index + 1),
        };
        let (setting_of, shared_of) = (setting.clone(), shared.clone());
        let pool = pool.clone();
        let live = move |control, name| {
            let (setting, shared) = (setting_of.clone(), shared_of.clone());
            let mut caller = Caller::<W>::new(setting, shared, name, index, count);
            caller.control = control;
            caller.pool = pool.clone();
            if !ends && shared_of.lane.is_some() {
                // The load is that of the others.
                let rest = if role_rests {
                    LOOK_REST
                } else {
                    Duration::ZERO
                };
                caller.pace = Pace::Closed {
                    think_min: rest,
                    think_max: rest,
                };
            }
            run(caller)
        };
        let shared = shared.clone();
        let ended = move || {
            if ends {
                shared.limited.leave();
            }
        };
        control::spawn::<W, _>(setting, name, live, ended);
    }
}

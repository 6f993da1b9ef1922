//! Clients: what they ask of the cluster, and when.
//!
//! Every workload is a set of sequential clients; each records what it asked and what it
//! was told, and tells apart what it knows from what it does not. Clients know neither the
//! world they run in nor the protocol of the cluster: the first is behind the run's
//! [`Setting`], the second behind a [`ClientDriver`]. What is asked of which service is said
//! by the [`service::Service`]s.
//! Every written value is unique within a run, which is what lets a check tell writes apart.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use client::{Pace, Pool};
use load::{Lane, Load};
use random::{chance, random_duration, sometimes};
use service::{Role, Service};
use shared::Shared;
use squall_plan::plan::{Plan, WorkloadPlan};

pub mod audit;
mod cache;
mod client;
mod cluster;
mod control;
mod driver;
mod exactly_once;
mod gauge;
mod host;
mod limited;
pub mod load;
mod lock;
mod near;
pub mod probe;
mod queue;
mod random;
mod records;
pub mod service;
mod setting;
mod shared;

pub use audit::Audit;
pub use client::{Client, Over};
pub use control::Control;
pub use driver::{ClientDriver, Drivers, LocalFuture};
pub use gauge::{Gauge, Usage};
pub use setting::Setting;

/// Between two looks of those who only look, where a load paces the others.
const LOOK_REST: Duration = Duration::from_millis(10);

/// Starts the clients of all workloads on the present host, and the task that paces them if
/// the plan has a load.
pub fn start(setting: &Rc<Setting>, plan: &Plan) {
    let load = plan.load.as_ref().map(|load| Load::new(load, plan));
    *setting.load.borrow_mut() = load.clone();
    for (index, workload) in plan.workloads.iter().enumerate() {
        let lane = load.as_ref().map(|load| load.lane(index));
        start_workload(setting, workload, lane);
    }
    if let Some(load) = load {
        setting.spawn(load::drive(setting.clone(), load));
    }
}

/// # Panics
/// The run has no such service, which is for whoever makes the run to see first.
fn start_workload(setting: &Rc<Setting>, plan: &WorkloadPlan, lane: Option<Rc<Lane>>) {
    let name = plan.kind.service();
    let mut services = setting.services.iter();
    let service = services.find(|service| service.name() == name);
    let service = service.unwrap_or_else(|| panic!("no service `{}`", name.name()));
    let roles = service.roles(plan);
    let shared = Rc::new(Shared::new(plan.clone(), lane));
    if plan.operations.is_some() {
        setting.limited.borrow_mut().push(shared.clone());
    }
    for role in roles {
        start_role(setting, &shared, service, role);
    }
}

/// Starts the clients of one role.
fn start_role(setting: &Rc<Setting>, shared: &Rc<Shared>, service: &Arc<dyn Service>, role: Role) {
    let pool: Option<Pool> = (role.is_load && shared.lane.is_some()).then(Rc::default);
    if role.is_load {
        shared.limited.enter(role.clients);
    }
    for index in 0..role.clients {
        let workload = &shared.plan.name;
        let name = match role.name {
            "" => format!("{workload}-{}", index + 1),
            role => format!("{workload}-{role}-{}", index + 1),
        };
        let (setting_of, shared_of, service) = (setting.clone(), shared.clone(), service.clone());
        let pool = pool.clone();
        let live = move |control, name| {
            let (setting, shared) = (setting_of.clone(), shared_of.clone());
            let mut client = Client::new(setting, shared, name, index, role.clients);
            client.control = control;
            client.pool = pool.clone();
            if !role.is_load && shared_of.lane.is_some() {
                // The load is that of the others.
                let rest = if role.rests {
                    LOOK_REST
                } else {
                    Duration::ZERO
                };
                client.pace = Pace::Closed {
                    think_min: rest,
                    think_max: rest,
                };
            }
            service.run(role.name, client)
        };
        let shared = shared.clone();
        let ended = move || {
            if role.is_load {
                shared.limited.leave();
            }
        };
        control::spawn(setting, name, live, ended);
    }
}

//! Clients: what they ask of the cluster, and when.
//!
//! Every workload is a set of sequential clients; each records its requests and the answers,
//! and keeps answered operations apart from those whose outcome is unknown. Clients know neither the
//! world they run in nor the protocol of the cluster: the first is behind the run's
//! [`RunContext`], the second behind a [`ClientDriver`]. What is asked of which service is said
//! by the [`service::Service`]s.
//! Every written value is unique within a run, which is what lets a check tell writes apart.

#![warn(missing_docs)]

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use client::Pace;
use load::{Load, WorkloadSchedule};
use pool::Pool;
use random::{chance, random_duration, sometimes};
use service::{Role, Service, Services};
use shared::Shared;
use squall_plan::plan::{Plan, WorkloadPlan};

mod asked;
mod audit;
pub mod audits;
mod cache;
mod cache_audit;
mod client;
mod client_handle;
mod cluster;
mod driver;
mod exactly_once;
mod gauge;
mod host;
mod keys;
mod limited;
mod lists;
pub mod load;
mod lock;
mod near;
mod pool;
pub mod probe;
mod probe_names;
mod queue;
mod random;
mod reader;
mod records;
mod run_context;
pub mod service;
mod shared;
mod shipped;

pub use asked::{payload, value_of};
pub use audit::Audit;
pub use client::{Client, Over};
pub use client_handle::ClientHandle;
pub use driver::{ClientDriver, Drivers, LocalFuture};
pub use gauge::{Gauge, Usage};
pub use run_context::RunContext;
pub use shipped::shipped;

/// Between two looks of those who only look, where a load paces the others.
const LOOK_REST: Duration = Duration::from_millis(10);

/// How long until a client that crashed is replaced.
const RESTART_DELAY: Duration = Duration::from_millis(200);

/// Starts the clients of all workloads on the present host, and the task that paces them if
/// the plan has a load.
pub fn start(context: &Rc<RunContext>, services: &Services, plan: &Plan) {
    let load = plan.load.as_ref().map(|load| Load::new(load, plan));
    *context.load.borrow_mut() = load.clone();
    for (index, workload) in plan.workloads.iter().enumerate() {
        let schedule = load.as_ref().map(|load| load.schedule(index));
        start_workload(context, services, workload, schedule);
    }
    if let Some(load) = load {
        context.spawn(load::drive(context.clone(), load));
    }
}

/// # Panics
/// The run has no such service, which is for whoever makes the run to see first.
fn start_workload(
    context: &Rc<RunContext>,
    services: &Services,
    plan: &WorkloadPlan,
    schedule: Option<Rc<WorkloadSchedule>>,
) {
    let name = plan.kind.service();
    let mut services = services.iter();
    let service = services.find(|service| service.name() == name);
    let service = service.unwrap_or_else(|| panic!("no service `{}`", name.name()));
    let roles = service.roles(plan);
    let shared = Rc::new(Shared::new(plan.clone(), schedule));
    if plan.operations.is_some() {
        context.limited.borrow_mut().push(shared.clone());
    }
    for role in roles {
        start_role(context, &shared, service, role);
    }
}

/// Starts the clients of one role.
fn start_role(
    context: &Rc<RunContext>,
    shared: &Rc<Shared>,
    service: &Arc<dyn Service>,
    role: Role,
) {
    let pool: Option<Rc<Pool>> = (role.is_load && shared.schedule.is_some()).then(Rc::default);
    if role.is_load {
        shared.limited.enter(role.clients);
    }
    for index in 0..role.clients {
        let workload = &shared.plan.name;
        let name = match role.name {
            "" => format!("{workload}-{}", index + 1),
            role => format!("{workload}-{role}-{}", index + 1),
        };
        let (setting_of, shared_of, service) = (context.clone(), shared.clone(), service.clone());
        let pool = pool.clone();
        let live = move |handle, name| {
            let (context, shared) = (setting_of.clone(), shared_of.clone());
            let mut client = Client::new(context, shared, name, index, role.clients);
            client.handle = handle;
            client.pool = pool.clone();
            if !role.is_load && shared_of.schedule.is_some() {
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
        spawn(context, name, live, ended);
    }
}

/// Runs a client, and its successors when it crashes, as a task of the present host. `live`
/// makes a client of a name; `ended` is called when there will be none any more.
fn spawn<F: Future<Output = ()> + 'static>(
    context: &Rc<RunContext>,
    name: String,
    live: impl Fn(Rc<ClientHandle>, String) -> F + 'static,
    ended: impl FnOnce() + 'static,
) {
    let handle = Rc::new(ClientHandle::default());
    context.clients.borrow_mut().push(handle.clone());
    let shared = context.clone();
    context.spawn(async move {
        let mut life = 0;
        loop {
            let name = match life {
                0 => name.clone(),
                _ => format!("{name}~{life}"),
            };
            handle.set_name(&name);
            let client = live(handle.clone(), name);
            if !handle.until_crash(client).await || shared.is_stopped() {
                ended();
                return;
            }
            life += 1;
            shared.host.sleep(RESTART_DELAY).await;
        }
    });
}

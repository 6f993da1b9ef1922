//! Probes: small, steady clients that resolve downtime to the millisecond.
//!
//! A workload that thinks between its operations cannot say when a service went away or
//! came back. A probe asks each service at short intervals around the faults of the plan,
//! and for as long as it finds the service away, and rarely otherwise, so that a run pays
//! for resolution only where it is needed. Each service has several probes taking turns,
//! because an operation sent to a node that has gone silent keeps its client waiting.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use squall_cluster::state::command::{
    Command, LockCommand, LockMode, QueueCommand, SessionCommand,
};
use squall_world::World;

use super::{Caller, Setting, cache, queue};
use squall_history::{Action, Outcome, PROBE, Service};
use squall_plan::plan::{Plan, ProbePlan};

/// Probes taking turns, a service.
const LANES: u64 = 4;
/// Probing is dense from this long before an expected disturbance …
const DENSE_BEFORE_US: u64 = 200_000;
/// … until this long after it, or after the last failed probe.
const DENSE_AFTER_US: u64 = 1_000_000;
/// Sessions of lock probes outlive any outage.
const TTL_MS: u64 = 600_000;

/// When probing is dense.
struct Density {
    plan: ProbePlan,
    /// Expected disturbances, in order.
    moments_us: Vec<u64>,
    /// When a probe last failed.
    failed_us: Cell<Option<u64>>,
}

impl Density {
    fn is_dense(&self, now_us: u64) -> bool {
        let recently = |at: u64| now_us < at + DENSE_AFTER_US;
        let around = |at: &u64| now_us + DENSE_BEFORE_US >= *at && recently(*at);
        self.moments_us.iter().any(around) || self.failed_us.get().is_some_and(recently)
    }

    /// Until when a probe rests after `now_us` if no disturbance comes sooner.
    fn next_us(&self, now_us: u64, lane: u64) -> u64 {
        if self.is_dense(now_us) {
            return now_us + self.plan.dense_us * LANES;
        }
        // In quiet times the first probe is enough.
        let idle_us = match lane {
            0 => now_us + self.plan.idle_us,
            _ => u64::MAX,
        };
        let upcoming = self
            .moments_us
            .iter()
            .map(|at| at.saturating_sub(DENSE_BEFORE_US));
        let upcoming = upcoming.filter(|at| *at > now_us).min();
        let wake_us = upcoming.map_or(u64::MAX, |at| at + lane * self.plan.dense_us);
        // A failure seen by the first probe must bring the others in soon.
        idle_us.min(wake_us).min(now_us + self.plan.idle_us * LANES)
    }
}

/// Starts the probes of all services on the present host.
pub fn start<W: World>(setting: &Rc<Setting>, plan: &Plan, probe: &ProbePlan) {
    let mut moments_us: Vec<u64> = (plan.faults.iter())
        .flat_map(|fault| [fault.at_us, fault.until_us])
        .collect();
    moments_us.sort_unstable();
    moments_us.dedup();
    for service in [Service::Lock, Service::Queue, Service::Cache] {
        let density = Rc::new(Density {
            plan: probe.clone(),
            moments_us: moments_us.clone(),
            failed_us: Cell::new(None),
        });
        for lane in 0..LANES {
            let caller = Caller::<W>::of_harness(
                setting.clone(),
                format!("{PROBE}{}-{}", word(service), lane + 1),
                plan.stream("probe"),
                patience_us(plan, probe),
                lane,
            );
            setting.spawn::<W>(run(caller, density.clone(), service, lane));
        }
    }
}

fn word(service: Service) -> &'static str {
    match service {
        Service::Lock => "lock",
        Service::Queue => "queue",
        Service::Cache => "cache",
    }
}

/// The queues that probes use, for the audit to drain.
pub(super) fn queues() -> impl Iterator<Item = String> {
    (0..LANES).map(|lane| format!("probe-queue-{}", lane + 1))
}

/// The keys that probes set.
pub(super) fn keys() -> impl Iterator<Item = String> {
    (0..LANES).map(|lane| format!("probe-cache-{}", lane + 1))
}

/// How long a probe waits for an answer: several times what an undisturbed operation takes
/// in this network, so that a silent node is given up soon.
fn patience_us(plan: &Plan, probe: &ProbePlan) -> u64 {
    let far_us = plan
        .network
        .regions
        .as_ref()
        .map_or(0, |regions| regions.latency_max_us());
    let one_way_us = plan.network.latency_max_us.max(far_us) + plan.network.jitter_us;
    let usual_us = 4 * one_way_us + 2 * plan.disk.sync_max_us;
    (5 * usual_us).max(MIN_PATIENCE_US).min(probe.timeout_us)
}

const MIN_PATIENCE_US: u64 = 50_000;

async fn run<W: World>(mut caller: Caller<W>, density: Rc<Density>, service: Service, lane: u64) {
    let mut state = State::default();
    while !caller.setting.is_stopped() {
        let now_us = caller.setting.recorder.now_us();
        let rest_us = density.next_us(now_us, lane) - now_us;
        let asks = lane == 0 || density.is_dense(now_us);
        if asks {
            let outcome = match service {
                Service::Lock => state.ask_lock(&mut caller).await,
                Service::Queue => state.ask_queue(&mut caller).await,
                Service::Cache => ask_cache(&mut caller).await,
            };
            if !outcome.is_acknowledged() {
                density
                    .failed_us
                    .set(Some(caller.setting.recorder.now_us()));
            }
        }
        W::sleep(Duration::from_micros(rest_us)).await;
    }
}

/// Where a probe stands in its cycle.
#[derive(Default)]
struct State {
    session: Option<u64>,
    token: Option<u64>,
    received: Vec<squall_history::Delivered>,
    published: bool,
}

impl State {
    /// Open a session; then acquire and release a lock of its own in turn.
    async fn ask_lock<W: World>(&mut self, caller: &mut Caller<W>) -> Outcome {
        let name = caller.name.clone();
        let Some(session) = self.session else {
            let action = Action::OpenSession { ttl_ms: TTL_MS };
            let command = Command::Session(SessionCommand::Open { ttl_ms: TTL_MS });
            let outcome = caller.write(None, action, command, 0).await;
            if let Outcome::Session { session } = outcome {
                self.session = Some(session);
            }
            return outcome;
        };
        if let Some(token) = self.token.take() {
            let action = Action::Release {
                name: name.clone(),
                session,
                token,
            };
            let command = Command::Lock(LockCommand::Release {
                name,
                session,
                token,
            });
            return caller.write(None, action, command, 0).await;
        }
        let action = Action::Acquire {
            name: name.clone(),
            session,
            shared: false,
            wait_ms: 0,
        };
        let command = Command::Lock(LockCommand::Acquire {
            name,
            session,
            mode: LockMode::Exclusive,
            wait_ms: 0,
            wait_die: false,
        });
        let outcome = caller.write(None, action, command, 0).await;
        match outcome {
            Outcome::Granted { token } => self.token = Some(token),
            Outcome::NotHeld => self.session = None,
            _ => {}
        }
        outcome
    }

    /// Publish, receive, acknowledge, in turn, on a queue of its own.
    async fn ask_queue<W: World>(&mut self, caller: &mut Caller<W>) -> Outcome {
        let queue = caller.name.clone();
        if let Some(message) = self.received.pop() {
            let (action, command) = queue::ack(&queue, &message);
            return caller.write(None, action, command, 0).await;
        }
        self.published = !self.published;
        if self.published {
            let value = caller.fresh_value();
            let (action, command) = queue::publish(&queue, &value, 0);
            return caller.write(None, action, command, 0).await;
        }
        let visibility_ms = 10_000;
        let action = Action::Receive {
            queue: queue.clone(),
            max: 1,
            visibility_ms,
            wait_ms: 0,
        };
        let command = Command::Queue(QueueCommand::Receive {
            queue,
            count: 1,
            visibility_ms: Some(visibility_ms),
        });
        let outcome = caller.write(None, action, command, 0).await;
        if let Outcome::Received { messages } = &outcome {
            self.received = messages.clone();
        }
        outcome
    }
}

/// Sets a key of its own.
async fn ask_cache<W: World>(caller: &mut Caller<W>) -> Outcome {
    let value = caller.fresh_value();
    let (action, command) = cache::set(&caller.name.clone(), &value, 0);
    caller.write(None, action, command, 0).await
}

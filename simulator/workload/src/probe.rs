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

use super::probe_names::{PROBERS, probe_names};
use super::service::{Probe, Services};
use super::{Client, RunContext};
use squall_plan::plan::{Plan, ProbePlan};

/// Probing is dense from this long before an expected disturbance …
const DENSE_BEFORE_US: u64 = 200_000;
/// … until this long after it, or after the last failed probe.
const DENSE_AFTER_US: u64 = 1_000_000;

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
    fn next_us(&self, now_us: u64, prober: u64) -> u64 {
        if self.is_dense(now_us) {
            return now_us + self.plan.dense_us * PROBERS;
        }
        // In quiet times the first probe is enough.
        let idle_us = match prober {
            0 => now_us + self.plan.idle_us,
            _ => u64::MAX,
        };
        let upcoming = self
            .moments_us
            .iter()
            .map(|at| at.saturating_sub(DENSE_BEFORE_US));
        let upcoming = upcoming.filter(|at| *at > now_us).min();
        let wake_us = upcoming.map_or(u64::MAX, |at| at + prober * self.plan.dense_us);
        // A failure seen by the first probe must bring the others in soon.
        idle_us
            .min(wake_us)
            .min(now_us + self.plan.idle_us * PROBERS)
    }
}

/// Starts the probes of the services on the present host: of all that Squall's own cluster
/// has, and of those that the workloads ask of another system, which need not have the rest.
pub fn start(context: &Rc<RunContext>, services: &Services, plan: &Plan, probe: &ProbePlan) {
    let mut moments_us: Vec<u64> = (plan.faults.iter())
        .flat_map(|fault| [fault.at_us, fault.until_us])
        .collect();
    moments_us.sort_unstable();
    moments_us.dedup();
    let mut services: Vec<_> = services.iter().collect();
    services.sort_by_key(|service| service.name());
    for service in services {
        let name = service.name();
        let is_asked = plan.workloads_of(name).next().is_some();
        if context.is_foreign && !is_asked || service.probe().is_none() {
            continue;
        }
        context.probed.borrow_mut().insert(name);
        let density = Rc::new(Density {
            plan: probe.clone(),
            moments_us: moments_us.clone(),
            failed_us: Cell::new(None),
        });
        for (prober, client) in (0..).zip(probe_names(name)) {
            let client = Client::of_harness(
                context.clone(),
                client,
                plan.stream("probe"),
                patience_us(plan, probe),
                prober,
                name,
            );
            let probe = service.probe().expect("it has just had one");
            context.spawn(run(client, density.clone(), probe, prober));
        }
    }
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

async fn run(mut client: Client, density: Rc<Density>, mut probe: Box<dyn Probe>, prober: u64) {
    while !client.is_stopped() {
        let now_us = client.context.recorder.now_us();
        let rest_us = density.next_us(now_us, prober) - now_us;
        let asks = prober == 0 || density.is_dense(now_us);
        if asks && !probe.ask(&mut client).await.is_acknowledged() {
            let failed_us = client.context.recorder.now_us();
            density.failed_us.set(Some(failed_us));
        }
        client.sleep(Duration::from_micros(rest_us)).await;
    }
}

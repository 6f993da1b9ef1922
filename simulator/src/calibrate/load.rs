//! One closed loop: how much a real cluster gets done, and what it costs its processes.
//!
//! The clients are those of every run; here they live in the real world, on a thread of
//! their own as they do in simulation.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use squall_world::{RealWorld, World};
use tokio::task::LocalSet;

use super::{CalibrateError, Shape, Target, processor, scenario, wire};
use crate::history::{EventKind, History, Phase, Recorder};
use crate::measure::{self, Class};
use crate::stopwatch::Stopwatch;
use crate::workload::{self, RunContext};

/// What a closed loop showed. Processor times are nanoseconds an acknowledged operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// How many clients, and what they did.
    pub shape: Shape,
    /// Acknowledged operations.
    pub thousandths_per_second: u64,
    /// Median latency.
    pub p50_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// Of the node that led.
    pub leader_ns: u64,
    /// Mean of the others; 0 when there are none.
    pub follower_ns: u64,
    /// Of the thread that all clients share.
    pub client_ns: u64,
}

/// What the clients saw in the phase that counts.
pub(super) struct Seen {
    pub acknowledged: u64,
    pub thousandths_per_second: u64,
    pub p50_us: u64,
    pub p99_us: u64,
}

impl Seen {
    /// `None` if nothing was acknowledged.
    pub(super) fn of(history: &History) -> Option<Self> {
        let measures = measure::measure(history);
        let rate = measures.throughput.get("all")?.get(&Phase::Chaos)?;
        let operations = measures.latency.values().flat_map(BTreeMap::values);
        let mut chaos = operations.filter_map(|phases| phases.get(&Phase::Chaos));
        let latency = chaos.find_map(|outcomes| outcomes.get(&Class::Ok))?;
        Some(Self {
            acknowledged: rate.acked,
            thousandths_per_second: rate.per_second.get(),
            p50_us: latency.p50,
            p99_us: latency.p99,
        })
    }
}

/// Loads a real cluster.
pub(super) fn measured(
    target: &Target,
    shape: Shape,
    length: Duration,
) -> Result<Load, CalibrateError> {
    let nodes = target.addresses.len();
    let plan = scenario::plan(nodes, shape, length, None).map_err(CalibrateError::Simulation)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CalibrateError::EventLoop)?;
    let watch = Stopwatch::start();
    let recorder = Recorder::new(move || watch.elapsed().as_micros() as u64);
    let context = RunContext::new::<RealWorld>(recorder, target.addresses.clone());
    let used = LocalSet::new().block_on(&runtime, async {
        let enter = |phase| context.recorder.record(EventKind::Phase { phase });
        enter(Phase::Warmup);
        workload::start(&context, &workload::shipped(), &plan);
        RealWorld::sleep(scenario::WARMUP).await;
        let before = Used::now(target)?;
        enter(Phase::Chaos);
        RealWorld::sleep(length).await;
        enter(Phase::Heal);
        let used = Used::now(target)?.since(&before);
        finish(&context).await;
        enter(Phase::End);
        Ok::<_, CalibrateError>(used)
    })?;
    let history = context.recorder.take();
    let no_answer = CalibrateError::NoAnswer {
        clients: shape.clients,
    };
    let seen = Seen::of(&history).filter(|seen| seen.acknowledged > 0);
    let seen = seen.ok_or(no_answer)?;
    let leader = wire::leader(&target.addresses)?.ok_or_else(|| CalibrateError::Node {
        address: target.addresses.join(", "),
        why: "no node leads".into(),
    })?;
    // Nobody else works: what others do, the kernel's threads first of all, they do for nodes.
    let other_ns = used.others_ns / nodes as u64;
    let leader_ns = used.nodes_ns[leader] + other_ns;
    let all: u64 = used.nodes_ns.iter().sum::<u64>() + used.others_ns;
    let followers = (nodes - 1).max(1) as u64;
    Ok(Load {
        shape,
        thousandths_per_second: seen.thousandths_per_second,
        p50_us: seen.p50_us,
        p99_us: seen.p99_us,
        leader_ns: leader_ns / seen.acknowledged,
        follower_ns: (all - leader_ns) / followers / seen.acknowledged,
        client_ns: used.client_ns / seen.acknowledged,
    })
}

async fn finish(context: &Rc<RunContext>) {
    context.stop();
    // Operations time out, so this ends.
    while !context.is_finished() {
        RealWorld::sleep(Duration::from_millis(10)).await;
    }
}

/// Processor time used.
struct Used {
    nodes_ns: Vec<u64>,
    client_ns: u64,
    others_ns: u64,
}

impl Used {
    fn now(target: &Target) -> Result<Self, CalibrateError> {
        let nodes = target.processes.iter().map(|pid| processor::used_ns(*pid));
        Ok(Self {
            nodes_ns: nodes.collect::<Result<_, _>>()?,
            client_ns: processor::used_ns(std::process::id())?,
            others_ns: processor::used_by_others_ns(&target.processes),
        })
    }

    fn since(&self, before: &Used) -> Used {
        let nodes = self.nodes_ns.iter().zip(&before.nodes_ns);
        Used {
            nodes_ns: nodes.map(|(now, then)| now.saturating_sub(*then)).collect(),
            client_ns: self.client_ns.saturating_sub(before.client_ns),
            others_ns: self.others_ns.saturating_sub(before.others_ns),
        }
    }
}

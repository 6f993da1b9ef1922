//! Measures: what the failures of a run cost its clients, in numbers.
//!
//! Every measure is a pure function of a [`History`], one measure a file, so that a
//! simulated run, a run on containers and a stored history are measured by the same code.
//! A measure says what it cannot know by `None`, never by a zero. Measures do not judge:
//! limits and verdicts are the report's business, correctness that of checks. What is
//! measured is what is reported: these types are parts of `report.json`. Times are whole
//! microseconds of the run's clock inside, which keeps equal histories equal to the last
//! digit; [`Ms`](squall_objective::fixed::Ms) writes them as milliseconds.

#![warn(missing_docs)]

mod attempts;
mod baseline;
mod causes;
pub mod definitions;
pub mod distribution;
mod downtime;
mod election;
mod errors;
pub mod faults;
mod latency;
pub mod levels;
mod list_loss;
mod loss;
pub mod marks;
mod misses;
mod recovery;
mod resources;
mod response;
pub mod series;
pub mod shapes;
mod sizes;
mod slowest;
mod steps;
mod tally;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod throughput;
pub mod timeline;
mod totals;
mod work;

pub use distribution::Times;
pub use downtime::{ClientGaps, ClientsDowntime, Downtime, Gap, Outages, ServiceDowntime};
pub use election::Election;
pub use errors::ErrorRow;
pub use faults::FaultSpan;
pub use latency::{Latencies, Latency, OperationLatency};
pub use levels::Levels;
pub use loss::Loss;
pub use recovery::{Recovery, RecoveryTimes};
pub use resources::{ResourceRow, Resources};
pub use response::ResponseWindow;
pub use sizes::PayloadRow;
pub use slowest::SlowRow;
pub use steps::{Broke, LoadMeasure, LoadStep, Overall, StressEnd};
pub use throughput::{Leader, PhaseStart, Rate, Throughput, TimelineData};
pub use timeline::{Class, Span};
pub use totals::{CacheReport, QueueReport, Totals};
pub use work::{Breakdown, Stages};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use baseline::Baselines;
use squall_history::{History, Phase};
use timeline::Timeline;

/// Everything measured of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// Every occurrence of every fault, with the leadership change it caused, if any.
    pub faults: Vec<FaultMeasure>,
    /// Fault takes effect → a surviving node starts an election.
    pub detection: Times,
    /// Fault takes effect → a new leader has committed its first entry.
    pub election: Times,
    /// When services were down, and whose clients went without.
    pub outages: Outages,
    /// How long clients and nodes took to come back to normal.
    pub recovery: Recovery,
    /// From the fault's effect to service as in the warm-up.
    pub recovery_after_fault: RecoveryTimes,
    /// What the distributions are made of.
    pub samples: Samples,
    /// What was acknowledged and is gone, or happened twice, or never was.
    pub loss: Loss,
    /// How often each mark was met; see [`marks`].
    pub marks: BTreeMap<String, u64>,
    /// Of operations, by service, operation, phase and outcome.
    pub latency: Latencies,
    /// Of writes, by size, where sizes differ.
    pub sizes: Vec<PayloadRow>,
    /// Acknowledged operations, by service and phase.
    pub throughput: Throughput,
    /// How many were asked, and how they ended.
    pub operations: Operations,
    /// What workloads were given, over any stretch.
    pub levels: Levels,
    /// Where the time of operations went.
    pub breakdown: Breakdown,
    /// What queues and the cache did.
    pub totals: Totals,
    /// Why operations were not acknowledged, and how often.
    pub errors: Vec<ErrorRow>,
    /// The slowest operations, the worst first.
    pub slowest: Vec<SlowRow>,
    /// Of the chaos phase; `None` if the run did not come to it.
    pub overall: Option<Overall>,
    /// Steps of the load, and what clients saw in them.
    pub load: LoadMeasure,
    /// What clients saw second by second, beside the load that was asked for.
    pub response: Vec<ResponseWindow>,
    /// For drawing.
    pub timeline: TimelineData,
}

/// Every single duration behind the distributions, in rising order, so that runs can be
/// taken together without loss. Microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Samples {
    /// Fault takes effect → a surviving node starts an election.
    pub detection: Vec<u64>,
    /// Fault takes effect → a new leader has committed its first entry.
    pub election: Vec<u64>,
    /// New leader → throughput and latency as in the warm-up.
    pub recovery_throughput: Vec<u64>,
    /// New leader → every node then up has caught up.
    pub recovery_members: Vec<u64>,
    /// Fault healed → its nodes have caught up.
    pub recovery_rejoin: Vec<u64>,
}

/// A fault and what it did to the leadership.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultMeasure {
    /// When it was in force, and on which nodes.
    pub span: FaultSpan,
    /// `None` when the fault did not cost the cluster its leader.
    pub election: Option<Election>,
}

/// What the cluster was asked in the whole run, by probes and the audit too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operations {
    /// Started: the sum of the others.
    pub invoked: u64,
    /// Answered, whatever the answer.
    pub acknowledged: u64,
    /// Certainly without effect.
    pub failed: u64,
    /// Without a usable answer, so that they may have had an effect: timed out, broken off,
    /// or outstanding at the end.
    pub unknown: u64,
}

/// Measures a history. Linear in its length but for sorting.
pub fn measure(history: &History) -> Measures {
    let timeline = Timeline::of(history);
    let baselines = Baselines::of(&timeline);
    let spans = faults::spans(history);
    let causes = causes::causes(&timeline, &spans);
    let elections = election::elections(&timeline, &spans, &causes);
    let durations = |pick: fn(&Election) -> Option<u64>| {
        distribution::sorted(elections.iter().flatten().filter_map(pick))
    };
    let outages = downtime::downtime(history, &timeline);
    let recoveries = recovery::recovery(&timeline, &baselines, &spans, &elections);
    let seen = |us: &[Option<u64>]| distribution::sorted(us.iter().copied().flatten());
    let samples = Samples {
        detection: durations(|election| election.detected_us),
        election: durations(|election| election.elected_us),
        recovery_throughput: seen(&recoveries.throughput),
        recovery_members: seen(&recoveries.members),
        recovery_rejoin: seen(&recoveries.rejoin),
    };
    Measures {
        marks: marks::count(history, &timeline, &spans, &causes, &outages.gaps),
        detection: Times::of(&samples.detection),
        election: Times::of(&samples.election),
        outages,
        recovery: recoveries.summary(),
        recovery_after_fault: RecoveryTimes::of(&recoveries.after_fault),
        samples,
        loss: loss::loss(&timeline),
        latency: latency::latency(&timeline),
        sizes: sizes::by_size(&timeline),
        throughput: throughput::throughput(&timeline),
        operations: operations(&timeline),
        levels: Levels::of(&timeline),
        breakdown: work::breakdown(&timeline),
        totals: totals::totals(history, &timeline, &misses::misses(&timeline)),
        errors: errors::errors(&timeline),
        slowest: slowest::slowest(&timeline),
        overall: (timeline.phase(Phase::Chaos)).map(|span| steps::overall(history, span)),
        load: steps::load(history),
        response: response::response(history, &timeline, &spans),
        timeline: throughput::timeline_data(&timeline),
        faults: spans
            .into_iter()
            .zip(elections)
            .map(|(span, election)| FaultMeasure { span, election })
            .collect(),
    }
}

fn operations(timeline: &Timeline<'_>) -> Operations {
    let mut counts = Operations::default();
    for sample in &timeline.samples {
        counts.invoked += 1;
        match sample.class {
            Class::Ok => counts.acknowledged += 1,
            Class::Failed => counts.failed += 1,
            Class::Unknown => counts.unknown += 1,
        }
    }
    counts
}

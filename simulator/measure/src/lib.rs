//! Measures: what the failures of a run cost its clients, in numbers.
//!
//! Every measure is a pure function of a [`History`], one measure a file, so that a
//! simulated run, a run on containers and a stored history are measured by the same code.
//! A measure says what it cannot know by `None`, never by a zero. Measures do not judge:
//! limits and verdicts are the business of [`squall_report`], correctness that of
//! [`squall_check`]. Times are whole microseconds of the run's clock throughout, which
//! keeps equal histories equal to the last digit.

mod baseline;
pub mod distribution;
pub mod downtime;
pub mod election;
pub mod errors;
pub mod faults;
pub mod latency;
pub mod levels;
pub mod loss;
pub mod marks;
pub mod misses;
pub mod recovery;
pub mod resources;
pub mod series;
pub mod sizes;
pub mod slowest;
pub mod steps;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod throughput;
pub mod timeline;
pub mod totals;
pub mod work;

pub use distribution::{Distribution, Durations};
pub use downtime::{Downtime, Gap, ServiceDowntime};
pub use election::Election;
pub use faults::FaultSpan;
pub use latency::LatencyRow;
pub use levels::Levels;
pub use loss::DataLoss;
pub use misses::Misses;
pub use recovery::{Recovery, Spell};
pub use resources::Resources;
pub use squall_history::FaultStatus as SpanStatus;
pub use steps::{LoadMeasure, Overall, StepMeasure, StressEnd};
pub use throughput::{Series, Throughput};
pub use timeline::{Class, Reign, Span};
pub use totals::Totals;
pub use work::{Breakdown, Stages};

use baseline::Baselines;
use squall_history::{EventKind, History, Phase, UNFINISHED};
use timeline::Timeline;

/// Everything measured of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// Every occurrence of every fault, with the leadership change it caused, if any.
    pub faults: Vec<FaultMeasure>,
    /// Fault takes effect → a surviving node starts an election.
    pub detection: Durations,
    /// Fault takes effect → a new leader has committed its first entry.
    pub election: Durations,
    pub downtime: Downtime,
    pub recovery: Recovery,
    pub loss: DataLoss,
    /// How often each mark was met, in the order of [`marks::all`].
    pub marks: Vec<(&'static str, u64)>,
    pub latency: Vec<LatencyRow>,
    /// Of writes, by size, where sizes differ.
    pub sizes: Vec<sizes::SizeRow>,
    pub throughput: Throughput,
    pub operations: Counts,
    /// What workloads were given, over any stretch.
    pub levels: Levels,
    /// Where the time of operations went.
    pub breakdown: Breakdown,
    pub totals: Totals,
    pub misses: Misses,
    pub errors: Vec<errors::ErrorCount>,
    pub slowest: Vec<slowest::Slow>,
    /// Of the chaos phase; `None` if the run did not come to it.
    pub overall: Option<Overall>,
    pub load: LoadMeasure,
    /// Whether operations that were asked for were left undone.
    pub unfinished: bool,
    /// Acknowledged operations over time, for drawing.
    pub series: Series,
    /// Who led, when; in order of term.
    pub reigns: Vec<Reign>,
    /// Start of each phase that the run reached.
    pub phases: Vec<(Phase, u64)>,
    /// Time of the last event.
    pub end_us: u64,
}

/// A fault and what it did to the leadership.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultMeasure {
    pub span: FaultSpan,
    /// `None` when the fault did not cost the cluster its leader.
    pub election: Option<Election>,
}

/// How many operations ended how, over the whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub invoked: u64,
    pub acknowledged: u64,
    pub failed: u64,
    /// Timed out, broken off, or still outstanding at the end.
    pub unknown: u64,
}

/// Measures a history. Linear in its length but for sorting.
pub fn measure(history: &History) -> Measures {
    let timeline = Timeline::of(history);
    let baselines = Baselines::of(&timeline);
    let spans = faults::spans(history);
    let elections = election::elections(&timeline, &spans);
    let durations = |pick: fn(&Election) -> Option<u64>| {
        Durations::of(elections.iter().flatten().filter_map(pick).collect())
    };
    let downtime = downtime::downtime(&timeline, &baselines);
    Measures {
        marks: marks::count(&timeline, &spans, &downtime.gaps),
        detection: durations(|e| e.detected_us),
        election: durations(|e| e.elected_us),
        downtime,
        recovery: recovery::recovery(&timeline, &baselines, &spans, &elections),
        loss: loss::loss(&timeline),
        latency: latency::latency(&timeline),
        sizes: sizes::by_size(&timeline),
        throughput: throughput::throughput(&timeline),
        operations: counts(&timeline),
        levels: Levels::of(&timeline),
        breakdown: work::breakdown(&timeline),
        totals: totals::totals(history, &timeline),
        misses: misses::misses(&timeline),
        errors: errors::errors(&timeline),
        slowest: slowest::slowest(&timeline),
        overall: (timeline.phase(Phase::Chaos)).map(|span| steps::overall(history, span)),
        load: steps::load(history),
        unfinished: is_unfinished(history),
        series: throughput::series(&timeline),
        reigns: timeline.reigns,
        phases: timeline.phases,
        end_us: timeline.end_us,
        faults: spans
            .into_iter()
            .zip(elections)
            .map(|(span, election)| FaultMeasure { span, election })
            .collect(),
    }
}

fn is_unfinished(history: &History) -> bool {
    let is_it = |kind: &EventKind| matches!(kind, EventKind::Note { text } if text == UNFINISHED);
    history.events.iter().any(|event| is_it(&event.kind))
}

fn counts(timeline: &Timeline<'_>) -> Counts {
    let mut counts = Counts::default();
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

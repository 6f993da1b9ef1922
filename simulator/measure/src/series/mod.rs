//! A run over time, for graphs: the same windows for everything that is counted.
//!
//! Pure functions of a history. Kept apart from [`crate::measure`] because only
//! graphs and tables of raw data need it: a sweep measures thousands of runs and draws none.

mod depth;
mod flow;
mod percentiles;
pub mod resources;
#[cfg(test)]
mod tests;
mod windows;

use std::collections::BTreeMap;

use squall_history::{Action, History, Outcome, Service};

pub use depth::Depth;
pub use flow::{Flow, WindowLatency};
pub use percentiles::Curve;
pub use resources::{NodeResources, Resources, resources, resources_of};
pub use windows::{MOST_WINDOWS, STEP_US, Windows};

use super::timeline::Timeline;

/// Everything about a run that is counted window by window.
#[derive(Debug, Clone, PartialEq)]
pub struct OverTime {
    /// What all else is counted by; every list has a value for each.
    pub windows: Windows,
    /// Of each service that was asked for anything.
    pub services: BTreeMap<Service, Flow>,
    /// All services together.
    pub all: Flow,
    /// Most operations outstanding at a time.
    pub outstanding: Vec<u64>,
    /// Of each queue that ever held a message; see `depth` for how it is recounted.
    pub queues: BTreeMap<String, Vec<Depth>>,
    /// All queues together.
    pub all_queues: Vec<Depth>,
    /// Reads that the cluster answered, and those among them that found a value.
    pub reads: Vec<Reads>,
    /// Latency distributions over the whole run.
    pub curves: Vec<Curve>,
}

/// Reads of the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// Those that were answered.
    pub gets: u64,
    /// Those among them that found a value.
    pub hits: u64,
}

/// Measures a run over time. Linear in the length of the history but for sorting.
pub fn over_time(history: &History) -> OverTime {
    let timeline = Timeline::of(history);
    let windows = Windows::of(timeline.end_us);
    let (queues, all_queues) = depth::depths(&timeline.operations, &windows);
    OverTime {
        services: (timeline.services().into_iter())
            .map(|service| (service, Flow::of(&timeline, &windows, Some(service))))
            .collect(),
        all: Flow::of(&timeline, &windows, None),
        outstanding: outstanding(&timeline, &windows),
        reads: reads(&timeline, &windows),
        curves: percentiles::curves(&timeline),
        windows,
        queues,
        all_queues,
    }
}

fn outstanding(timeline: &Timeline<'_>, windows: &Windows) -> Vec<u64> {
    let remote = timeline.operations.iter().filter(|o| o.action.is_remote());
    let mut changes: Vec<(usize, u64, bool)> = Vec::new();
    for operation in remote {
        changes.push((operation.invoke_pos, operation.invoked_us, true));
        if let (Some(pos), Some(at_us)) = (operation.return_pos, operation.returned_us) {
            changes.push((pos, at_us, false));
        }
    }
    // In the order of the history, which is also that of time.
    changes.sort_unstable();
    let mut changes = changes.into_iter().peekable();
    let mut now = 0_u64;
    let mut most = |window: usize| {
        let mut most = now;
        while let Some((_, _, begins)) = changes.next_if(|(_, at, _)| windows.at(*at) == window) {
            now = if begins { now + 1 } else { now - 1 };
            most = most.max(now);
        }
        most
    };
    (0..windows.count).map(&mut most).collect()
}

fn reads(timeline: &Timeline<'_>, windows: &Windows) -> Vec<Reads> {
    let mut reads = vec![Reads::default(); windows.count];
    for operation in &timeline.operations {
        let is_read = matches!(
            operation.action,
            Action::Get { .. } | Action::GetFrom { .. }
        );
        if let (true, Some(at_us), Some(Outcome::Value { value, .. })) =
            (is_read, operation.returned_us, operation.outcome)
        {
            let reads = &mut reads[windows.at(at_us)];
            reads.gets += 1;
            reads.hits += u64::from(value.is_some());
        }
    }
    reads
}

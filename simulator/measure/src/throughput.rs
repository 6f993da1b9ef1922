//! Throughput: acknowledged operations over time, by service and phase.
//!
//! An acknowledgement counts in the phase in which the client got it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::{Phase, Service};
use squall_objective::fixed::{Ms, PerSecond};

use super::timeline::{Leadership, Span, Timeline, count_in};

/// Length of the window of [`Rate::lowest`].
pub const WINDOW_US: u64 = 1_000_000;
/// How far the window slides.
pub const STEP_US: u64 = 100_000;
/// A series has no more buckets than this.
pub const MOST_BUCKETS: u64 = 600;

/// Acknowledged operations of one service, or of all, in one phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// How many, by when the client had the answer.
    pub acked: u64,
    /// Mean over the phase.
    pub per_second: PerSecond,
    /// Fewest in any second; `null` in phases shorter than that.
    pub lowest: Option<u64>,
}

/// So many over a stretch of time.
pub fn per_second(count: u64, length_us: u64) -> PerSecond {
    let scaled = u128::from(count) * 1_000_000_000;
    let rate = scaled.checked_div(u128::from(length_us)).unwrap_or(0);
    PerSecond::of(u64::try_from(rate).unwrap_or(u64::MAX))
}

/// Service that was asked for anything, or `all` → phase.
pub type Throughput = BTreeMap<String, BTreeMap<Phase, Rate>>;

pub fn throughput(timeline: &Timeline<'_>) -> Throughput {
    let services = timeline.services().into_iter();
    services
        .map(|service| (service.name().to_owned(), by_phase(timeline, Some(service))))
        .chain([("all".to_owned(), by_phase(timeline, None))])
        .collect()
}

/// For drawing: acknowledged operations by bucket, leaderships and phases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineData {
    /// Length of the run.
    pub end_ms: Ms,
    /// Length of a bucket, a multiple of 100 ms.
    pub bucket_ms: Ms,
    /// Service → operations acknowledged in each bucket, the first of which starts with the
    /// run; by when the client had the answer.
    pub acked: BTreeMap<String, Vec<u64>>,
    /// In order of time.
    pub phases: Vec<PhaseStart>,
    /// In order of time.
    pub leaders: Vec<Leader>,
}

/// When a phase begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseStart {
    /// Which one.
    pub phase: Phase,
    /// From the start of the run.
    pub at_ms: Ms,
}

/// Who led, from when to when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leader {
    /// As in the list of nodes: `node-1`.
    pub node: String,
    /// Raft's; rises from leader to leader.
    pub term: u64,
    /// From the start of the run.
    pub from_ms: Ms,
    /// `null`: to the end of the run.
    pub until_ms: Option<Ms>,
}

pub fn timeline_data(timeline: &Timeline<'_>) -> TimelineData {
    let bucket_us = timeline
        .end_us
        .div_ceil(MOST_BUCKETS)
        .next_multiple_of(STEP_US)
        .max(STEP_US);
    let count = usize::try_from(timeline.end_us / bucket_us + 1).expect("at most MOST_BUCKETS + 1");
    let acked = timeline.services().into_iter().map(|service| {
        let mut buckets = vec![0; count];
        for at_us in timeline.ack_times(Some(service)) {
            // An index below `count`, as no event is later than the last.
            buckets[(at_us / bucket_us) as usize] += 1;
        }
        (service.name().to_owned(), buckets)
    });
    let phase = |(phase, us): &(Phase, u64)| PhaseStart {
        phase: *phase,
        at_ms: Ms::of(*us),
    };
    let leader = |leadership: &Leadership| Leader {
        node: leadership.node.clone(),
        term: leadership.term,
        from_ms: Ms::of(leadership.from_us),
        until_ms: leadership.until_us.map(Ms::of),
    };
    TimelineData {
        end_ms: Ms::of(timeline.end_us),
        bucket_ms: Ms::of(bucket_us),
        acked: acked.collect(),
        phases: timeline.phases.iter().map(phase).collect(),
        leaders: timeline.leaderships.iter().map(leader).collect(),
    }
}

fn by_phase(timeline: &Timeline<'_>, service: Option<Service>) -> BTreeMap<Phase, Rate> {
    let acks = timeline.ack_times(service);
    timeline
        .phases
        .iter()
        .filter(|(phase, _)| *phase != Phase::End)
        .filter_map(|(phase, _)| Some((*phase, rate(&acks, timeline.phase(*phase)?))))
        .collect()
}

fn rate(acks: &[u64], span: Span) -> Rate {
    let windows = span
        .length_us()
        .checked_sub(WINDOW_US)
        .map(|room_us| room_us / STEP_US);
    let window = |step| {
        let from_us = span.from_us + step * STEP_US;
        Span {
            from_us,
            to_us: from_us + WINDOW_US,
        }
    };
    let lowest = windows.and_then(|last| (0..=last).map(|i| count_in(acks, window(i))).min());
    Rate {
        acked: count_in(acks, span),
        per_second: per_second(count_in(acks, span), span.length_us()),
        lowest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn rates_count_acknowledgements_where_they_arrive() {
        let mut script = Script::new();
        script
            .phase(0, Phase::Warmup)
            .phase(2 * SECOND, Phase::Chaos);
        script.phase(5 * SECOND, Phase::Audit);
        script
            .gets(0, 2 * SECOND, 100_000, 1_000)
            .get(1_999_000, 2_500_000);
        script.gets(4 * SECOND, 5 * SECOND, 100_000, 1_000);
        let history = script.end(5_500_000);
        let throughput = throughput(&Timeline::of(&history));
        let warmup = Rate {
            acked: 20,
            per_second: PerSecond::of(10_000),
            lowest: Some(10),
        };
        let chaos = Rate {
            acked: 11,
            per_second: PerSecond::of(3_666),
            lowest: Some(0),
        };
        let audit = Rate {
            acked: 0,
            per_second: PerSecond::of(0),
            lowest: None,
        };
        let phases = [
            (Phase::Warmup, warmup),
            (Phase::Chaos, chaos),
            (Phase::Audit, audit),
        ];
        assert_eq!(throughput["all"], BTreeMap::from(phases));
        assert_eq!(throughput["cache"], BTreeMap::from(phases));
        assert_eq!(throughput.len(), 2);
    }

    #[test]
    fn a_series_has_buckets_of_a_round_length() {
        let mut script = Script::new();
        script.gets(0, 400_000, 150_000, 1_000);
        let short = script.end(400_000);
        let series_of = |history| {
            let data = timeline_data(&Timeline::of(history));
            (data.bucket_ms.get(), data.acked)
        };
        let expected = BTreeMap::from([("cache".to_owned(), vec![1, 1, 0, 1, 0])]);
        assert_eq!(series_of(&short), (100_000, expected));
        let long = Script::new().get(0, 1).end(90 * SECOND);
        assert_eq!(series_of(&long).0, 200_000);
    }
}

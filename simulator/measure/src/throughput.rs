//! Throughput: acknowledged operations over time, by service and phase.
//!
//! An acknowledgement counts in the phase in which the client got it. Rates are kept as
//! counts and lengths, so that nothing is rounded before it is printed.

use std::collections::BTreeMap;

use squall_history::{Phase, Service};

use super::timeline::{Span, Timeline, count_in};

/// Length of the window of [`Rate::lowest`].
pub const WINDOW_US: u64 = 1_000_000;
/// How far the window slides.
pub const STEP_US: u64 = 100_000;
/// A series has no more buckets than this.
pub const MOST_BUCKETS: u64 = 600;

/// Acknowledged operations of one service, or of all, in one phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub acked: u64,
    pub length_us: u64,
    /// Fewest in any second of the phase; `None` in phases shorter than that.
    pub lowest: Option<u64>,
}

impl Rate {
    /// Thousandths of an operation per second.
    pub fn per_second_milli(self) -> u64 {
        let scaled = u128::from(self.acked) * 1_000_000_000;
        let rate = scaled.checked_div(u128::from(self.length_us)).unwrap_or(0);
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

/// Rates by phase, of each service that was asked for anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Throughput {
    pub services: BTreeMap<Service, BTreeMap<Phase, Rate>>,
    pub all: BTreeMap<Phase, Rate>,
}

/// Acknowledged operations by buckets of equal length from the start of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// A multiple of 100 ms.
    pub bucket_us: u64,
    pub services: BTreeMap<Service, Vec<u64>>,
}

pub fn throughput(timeline: &Timeline<'_>) -> Throughput {
    Throughput {
        services: timeline
            .services()
            .into_iter()
            .map(|s| (s, by_phase(timeline, Some(s))))
            .collect(),
        all: by_phase(timeline, None),
    }
}

pub fn series(timeline: &Timeline<'_>) -> Series {
    let bucket_us = timeline
        .end_us
        .div_ceil(MOST_BUCKETS)
        .next_multiple_of(STEP_US)
        .max(STEP_US);
    let count = usize::try_from(timeline.end_us / bucket_us + 1).expect("at most MOST_BUCKETS + 1");
    let mut services: BTreeMap<Service, Vec<u64>> = timeline
        .services()
        .into_iter()
        .map(|service| (service, vec![0; count]))
        .collect();
    for (at_us, index) in &timeline.acks {
        let buckets = services.get_mut(&timeline.samples[*index].service);
        // An index below `count`, as no event is later than the last.
        buckets.expect("a service that acknowledges was asked")[(at_us / bucket_us) as usize] += 1;
    }
    Series {
        bucket_us,
        services,
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
        length_us: span.length_us(),
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
            length_us: 2 * SECOND,
            lowest: Some(10),
        };
        let chaos = Rate {
            acked: 11,
            length_us: 3 * SECOND,
            lowest: Some(0),
        };
        let audit = Rate {
            acked: 0,
            length_us: 500_000,
            lowest: None,
        };
        let phases = [
            (Phase::Warmup, warmup),
            (Phase::Chaos, chaos),
            (Phase::Audit, audit),
        ];
        assert_eq!(throughput.all, BTreeMap::from(phases));
        assert_eq!(
            throughput.services,
            BTreeMap::from([(Service::Cache, BTreeMap::from(phases))])
        );
        assert_eq!(chaos.per_second_milli(), 3_666);
    }

    #[test]
    fn a_series_has_buckets_of_a_round_length() {
        let mut script = Script::new();
        script.gets(0, 400_000, 150_000, 1_000);
        let short = script.end(400_000);
        let series_of = |history| series(&Timeline::of(history));
        let expected = Series {
            bucket_us: 100_000,
            services: BTreeMap::from([(Service::Cache, vec![1, 1, 0, 1, 0])]),
        };
        assert_eq!(series_of(&short), expected);
        let long = Script::new().get(0, 1).end(90 * SECOND);
        assert_eq!(series_of(&long).bucket_us, 200_000);
    }
}

//! Measures each service's warm-up, the norm before anything is broken.
//!
//! Operations that asked to be kept waiting (long polls, lock waits) tell nothing about
//! the speed of the service and are left out of the latencies.

use std::collections::BTreeMap;

use squall_history::{Phase, Service};

use super::distribution::nearest_rank;
use super::timeline::{Class, Span, Timeline, count_in};

/// All services' warm-ups, and the rate of acknowledgements over all.
#[derive(Debug, Clone, Default)]
pub struct Baselines {
    /// Latency p99 of each service that acknowledged anything.
    p99_us: BTreeMap<Service, u64>,
    /// Acknowledged operations and the stretch they were counted over: from the first
    /// acknowledgement, so that the forming of the cluster does not count as normal.
    pub acked: u64,
    pub span_us: u64,
}

impl Baselines {
    pub fn of(timeline: &Timeline<'_>) -> Self {
        let Some(warmup) = timeline.phase(Phase::Warmup) else {
            return Self::default();
        };
        let services = timeline.services().into_iter();
        let p99_us = services
            .filter_map(|service| Some((service, p99_us(timeline, service)?)))
            .collect();
        let acks = timeline.ack_times(None);
        let first_us = acks.iter().copied().find(|at_us| *at_us >= warmup.from_us);
        let steady = Span {
            from_us: first_us.unwrap_or(warmup.to_us),
            to_us: warmup.to_us,
        };
        Self {
            p99_us,
            acked: count_in(&acks, steady),
            span_us: steady.length_us(),
        }
    }

    /// Microseconds; `None` of a service that acknowledged nothing.
    pub fn p99_us(&self, service: Service) -> Option<u64> {
        self.p99_us.get(&service).copied()
    }
}

fn p99_us(timeline: &Timeline<'_>, service: Service) -> Option<u64> {
    let mut latencies: Vec<u64> = timeline
        .samples
        .iter()
        .filter(|s| s.service == service && s.phase == Phase::Warmup)
        .filter(|s| s.class == Class::Ok && s.patience_us == 0)
        .filter_map(|s| s.end_us.map(|end_us| end_us - s.start_us))
        .collect();
    latencies.sort_unstable();
    nearest_rank(&latencies, 990)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;
    use squall_history::Action;

    #[test]
    fn normal_is_the_warm_up_without_forming_and_without_long_polls() {
        let mut script = Script::new();
        script.phase(0, Phase::Warmup).phase(1_000, Phase::Chaos);
        script
            .get(400, 410)
            .get(500, 530)
            .get(600, 620)
            .get(1_100, 1_900);
        let poll = Action::Receive {
            queue: "q".into(),
            max: 1,
            visibility_ms: 1,
            wait_ms: 1,
        };
        script.received(500, 900, poll, &[]);
        let history = script.end(2_000);
        let baselines = Baselines::of(&Timeline::of(&history));
        assert_eq!(baselines.p99_us(Service::Cache), Some(30));
        assert_eq!(baselines.p99_us(Service::Queue), None);
        assert_eq!((baselines.acked, baselines.span_us), (4, 590));
    }
}

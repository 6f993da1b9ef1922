//! Measures each service's warm-up, the norm before anything is broken.
//!
//! Operations that asked to be kept waiting (long polls, lock waits) tell nothing about
//! the speed of the service and are left out of the latencies.

use std::collections::BTreeMap;

use squall_history::{Phase, Service};

use super::distribution::nearest_rank;
use super::timeline::{Class, Span, Timeline, count_in};

/// One service's warm-up. `None` where it had too few acknowledged operations to tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Baseline {
    pub p99_us: Option<u64>,
    pub p999_us: Option<u64>,
    /// Longest time between two acknowledgements.
    pub spacing_us: Option<u64>,
}

/// All services' warm-ups, and the rate of acknowledgements over all.
#[derive(Debug, Clone, Default)]
pub struct Baselines {
    by_service: BTreeMap<Service, Baseline>,
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
        let by_service = services
            .map(|service| (service, baseline(timeline, service, warmup)))
            .collect();
        let acks = timeline.ack_times(None);
        let first_us = acks.iter().copied().find(|at_us| *at_us >= warmup.from_us);
        let steady = Span {
            from_us: first_us.unwrap_or(warmup.to_us),
            to_us: warmup.to_us,
        };
        Self {
            by_service,
            acked: count_in(&acks, steady),
            span_us: steady.length_us(),
        }
    }

    pub fn service(&self, service: Service) -> Baseline {
        self.by_service.get(&service).copied().unwrap_or_default()
    }
}

fn baseline(timeline: &Timeline<'_>, service: Service, warmup: Span) -> Baseline {
    let mut latencies: Vec<u64> = timeline
        .samples
        .iter()
        .filter(|s| s.service == service && s.phase == Phase::Warmup)
        .filter(|s| s.class == Class::Ok && s.patience_us == 0)
        .filter_map(|s| s.end_us.map(|end_us| end_us - s.start_us))
        .collect();
    latencies.sort_unstable();
    let mut acks = timeline.ack_times(Some(service));
    acks.retain(|at_us| (warmup.from_us..warmup.to_us).contains(at_us));
    Baseline {
        p99_us: nearest_rank(&latencies, 990),
        p999_us: nearest_rank(&latencies, 999),
        spacing_us: acks.windows(2).map(|pair| pair[1] - pair[0]).max(),
    }
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
        let cache = Baseline {
            p99_us: Some(30),
            p999_us: Some(30),
            spacing_us: Some(120),
        };
        assert_eq!(baselines.service(Service::Cache), cache);
        assert_eq!(baselines.service(Service::Queue), Baseline::default());
        assert_eq!((baselines.acked, baselines.span_us), (4, 590));
    }
}

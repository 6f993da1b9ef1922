//! Service levels: what workloads were given, over any stretch of the run.
//!
//! Latency, throughput, errors and hits, from single operations and therefore exact; the
//! tables of `latency` and `throughput` are by phase and rounded. Probes do
//! not count: they are the harness's own, and thickest where service is worst. An operation
//! belongs to the moment at which it was meant to start, an acknowledgement to that at which
//! it came.

use std::collections::BTreeMap;

use squall_history::{Action, Operation, Outcome, PROBE, Phase, Service};

use super::distribution::nearest_rank;
use super::timeline::{Span, Timeline, count_in};

/// Throughput is counted by whole ones.
const SECOND_US: u64 = 1_000_000;

/// What workloads were given. Everything in order of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    /// Start of chaos to end of serve.
    pub measured: Option<Span>,
    /// From the start of chaos to the last operation that a workload sent in it.
    pub loaded: Option<Span>,
    /// Start and latency of acknowledged operations.
    answers: BTreeMap<(Service, &'static str), Vec<(u64, u64)>>,
    /// Times of acknowledgements.
    acks: BTreeMap<Service, Vec<u64>>,
    all_acks: Vec<u64>,
    /// Start of each operation, and whether it was acknowledged.
    ends: Vec<(u64, bool)>,
    /// Start of each read that was answered, and whether it found a value.
    reads: Vec<(u64, bool)>,
    phases: BTreeMap<Phase, Span>,
}

impl Levels {
    /// Reads the timeline once.
    pub fn of(timeline: &Timeline<'_>) -> Self {
        let mut levels = Self {
            measured: timeline.measured(),
            phases: timeline
                .phases
                .iter()
                .filter_map(|(phase, _)| Some((*phase, timeline.phase(*phase)?)))
                .collect(),
            ..Self::default()
        };
        let mut last_sent_us = None;
        let chaos = timeline.phase(Phase::Chaos);
        let workloads = timeline.operations.iter();
        for operation in workloads.filter(|operation| !operation.client.starts_with(PROBE)) {
            let sent_us = operation.invoked_us;
            if chaos.is_some_and(|chaos| (chaos.from_us..chaos.to_us).contains(&sent_us)) {
                last_sent_us = Some(sent_us);
            }
            levels.add(operation);
        }
        levels.loaded = chaos.zip(last_sent_us).map(|(chaos, to_us)| Span {
            from_us: chaos.from_us,
            to_us,
        });
        levels.sort();
        levels
    }

    fn add(&mut self, operation: &Operation<'_>) {
        let start_us = operation.start_us();
        let outcome = operation
            .outcome
            .filter(|outcome| outcome.is_acknowledged());
        if let Some(Outcome::Value { value, .. }) = outcome {
            self.reads.push((start_us, value.is_some()));
        }
        if let Some(Outcome::Values { values }) = outcome {
            let found = values.iter().map(|found| (start_us, found.value.is_some()));
            self.reads.extend(found);
        }
        // What a client answers itself is no service of the cluster.
        if matches!(operation.action, Action::GetNear { .. }) {
            return;
        }
        self.ends.push((start_us, outcome.is_some()));
        if let (Some(_), Some(end_us)) = (outcome, operation.returned_us) {
            let service = operation.action.service();
            let key = (service, operation.action.operation());
            let answers = self.answers.entry(key).or_default();
            answers.push((start_us, end_us - start_us));
            self.acks.entry(service).or_default().push(end_us);
            self.all_acks.push(end_us);
        }
    }

    fn sort(&mut self) {
        self.answers
            .values_mut()
            .for_each(|all| all.sort_unstable());
        self.acks.values_mut().for_each(|all| all.sort_unstable());
        self.all_acks.sort_unstable();
        self.ends.sort_unstable();
        self.reads.sort_unstable();
    }

    /// Operations with an acknowledgement in the run.
    pub fn operations(&self) -> impl Iterator<Item = (Service, &'static str)> {
        self.answers.keys().copied()
    }

    /// Services with an acknowledgement in the run.
    pub fn services(&self) -> impl Iterator<Item = Service> {
        self.acks.keys().copied()
    }

    /// `None` if the run did not come to it.
    pub fn phase(&self, phase: Phase) -> Option<Span> {
        self.phases.get(&phase).copied()
    }

    /// Latencies of acknowledged operations, in rising order.
    pub fn latencies_us(&self, service: Service, operation: &str, span: Span) -> Vec<u64> {
        let answers = self.answers.iter();
        let mut found: Vec<u64> = answers
            .filter(|((s, name), _)| *s == service && *name == operation)
            .flat_map(|(_, answers)| within(answers, span))
            .map(|(_, latency_us)| *latency_us)
            .collect();
        found.sort_unstable();
        found
    }

    /// By nearest rank; `None` if nothing was acknowledged. `per_mille` is 1 to 1,000.
    pub fn latency_us(
        &self,
        service: Service,
        operation: &str,
        per_mille: usize,
        span: Span,
    ) -> Option<u64> {
        nearest_rank(&self.latencies_us(service, operation, span), per_mille)
    }

    /// Acknowledgements in the span, of one service or of all.
    pub fn acknowledged(&self, service: Option<Service>, span: Span) -> u64 {
        count_in(self.ack_times(service), span)
    }

    /// The same of one kind of operation.
    pub fn acknowledged_of(&self, service: Service, operation: &str, span: Span) -> u64 {
        let answers = self.answers.iter();
        let answers = answers.filter(|((s, name), _)| *s == service && *name == operation);
        let ends = answers.flat_map(|(_, answers)| answers.iter().map(|(at, took)| at + took));
        ends.filter(|end_us| (span.from_us..span.to_us).contains(end_us))
            .count() as u64
    }

    /// Acknowledgements in each whole second of the load.
    pub fn per_second(&self, service: Option<Service>) -> Vec<u64> {
        let acks = self.ack_times(service);
        let loaded = self.loaded.into_iter().flat_map(seconds);
        loaded.map(|second| count_in(acks, second)).collect()
    }

    fn ack_times(&self, service: Option<Service>) -> &[u64] {
        match service {
            None => &self.all_acks,
            Some(service) => self.acks.get(&service).map_or(&[], Vec::as_slice),
        }
    }

    /// How many operations that began in the span were acknowledged, and how many there were.
    pub fn successes(&self, span: Span) -> (u64, u64) {
        tally(&self.ends, span)
    }

    /// How many reads found a value, of those that were answered.
    pub fn hits(&self, span: Span) -> (u64, u64) {
        tally(&self.reads, span)
    }
}

/// Whole seconds from the beginning of the span.
pub fn seconds(span: Span) -> impl Iterator<Item = Span> {
    (0..span.length_us() / SECOND_US).map(move |second| {
        let from_us = span.from_us + second * SECOND_US;
        Span {
            from_us,
            to_us: from_us + SECOND_US,
        }
    })
}

fn within<T>(sorted: &[(u64, T)], span: Span) -> &[(u64, T)] {
    let before = |limit_us: u64| sorted.partition_point(|(at_us, _)| *at_us < limit_us);
    &sorted[before(span.from_us)..before(span.to_us.max(span.from_us))]
}

fn tally(sorted: &[(u64, bool)], span: Span) -> (u64, u64) {
    let found = within(sorted, span);
    let good = found.iter().filter(|(_, is_good)| *is_good).count();
    (good as u64, found.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Script, get, unknown};

    const SECOND: u64 = 1_000_000;

    fn levels() -> Levels {
        let mut script = Script::new();
        script
            .phase(0, Phase::Warmup)
            .phase(SECOND, Phase::Chaos)
            .phase(5 * SECOND, Phase::Serve)
            .phase(6 * SECOND, Phase::Audit);
        script.gets(0, SECOND, 100_000, 90_000);
        // Ten a second, then five, in two and a half seconds of load.
        script.gets(SECOND, 2 * SECOND, 100_000, 1_000);
        script.gets(2 * SECOND, 3_500_000, 200_000, 2_000);
        script.op(3_500_000, get("k"), Some((3_900_000, unknown())));
        script.gets(5 * SECOND, 6 * SECOND, 500_000, 3_000);
        let history = script.end(7 * SECOND);
        Levels::of(&Timeline::of(&history))
    }

    #[test]
    fn levels_are_those_of_the_stretch_that_is_asked_for() {
        let levels = levels();
        let measured = levels.measured.expect("the run has chaos");
        assert_eq!((measured.from_us, measured.to_us), (SECOND, 6 * SECOND));
        assert_eq!(levels.loaded.map(|l| l.to_us), Some(3_500_000));
        let p = |per_mille| levels.latency_us(Service::Cache, "get", per_mille, measured);
        assert_eq!((p(500), p(1_000)), (Some(1_000), Some(3_000)));
        assert_eq!(
            levels.latency_us(Service::Cache, "set", 500, measured),
            None
        );
        let loaded = levels.loaded.expect("chaos had operations");
        // The last get of the load is answered after it.
        assert_eq!(levels.acknowledged_of(Service::Cache, "get", loaded), 18);
        assert_eq!(levels.acknowledged_of(Service::Cache, "set", loaded), 0);
        // Eighteen in the load, two in serve, one without an answer.
        assert_eq!(levels.successes(measured), (20, 21));
        assert_eq!(levels.hits(measured), (0, 20));
        assert_eq!(levels.per_second(None), [10, 5]);
        assert_eq!(levels.per_second(Some(Service::Lock)), [0, 0]);
    }
}

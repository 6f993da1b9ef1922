//! The slowest acknowledged operations, for a reader who wants to look at them one by one.

use std::cmp::Reverse;

use squall_history::Service;

use super::timeline::Timeline;

/// How many are told.
const MOST: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slow {
    pub service: Service,
    pub operation: &'static str,
    pub client: String,
    /// When it was meant to start.
    pub at_us: u64,
    pub latency_us: u64,
}

/// Slowest first, the earlier of equals first. What asked to be kept waiting is left out.
pub fn slowest(timeline: &Timeline<'_>) -> Vec<Slow> {
    let remote = timeline.operations.iter().filter(|o| o.action.is_remote());
    let mut slow: Vec<(u64, usize)> = Vec::new();
    let operations: Vec<_> = remote.collect();
    for (index, (operation, sample)) in operations.iter().zip(&timeline.samples).enumerate() {
        let answered = operation.outcome.is_some_and(|o| o.is_acknowledged());
        if let (true, 0, Some(end_us)) = (answered, sample.patience_us, sample.end_us) {
            slow.push((end_us - sample.start_us, index));
        }
    }
    slow.sort_by_key(|(latency_us, index)| (Reverse(*latency_us), *index));
    slow.truncate(MOST);
    let told = |(latency_us, index): (u64, usize)| Slow {
        service: operations[index].action.service(),
        operation: operations[index].action.operation(),
        client: operations[index].client.to_owned(),
        at_us: timeline.samples[index].start_us,
        latency_us,
    };
    slow.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    #[test]
    fn the_slowest_come_first_and_no_more_than_told() {
        let mut script = Script::new();
        for latency_us in 1..=20 {
            script.get(1_000 * latency_us, 1_000 * latency_us + latency_us);
        }
        let history = script.end(100_000);
        let found = slowest(&Timeline::of(&history));
        let latencies: Vec<u64> = found.iter().map(|slow| slow.latency_us).collect();
        assert_eq!(latencies, (11..=20).rev().collect::<Vec<u64>>());
        assert_eq!(found[0].at_us, 20_000);
    }
}

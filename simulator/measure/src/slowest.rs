//! The slowest acknowledged operations, for a reader who wants to look at them one by one.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_objective::fixed::Ms;

use super::timeline::Timeline;

/// How many are listed.
const MOST: usize = 10;

/// One of the slowest operations of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlowRow {
    /// As in scenarios and histories.
    pub service: String,
    /// As in histories.
    pub operation: String,
    /// As in the history: `cache-2`.
    pub client: String,
    /// When it was meant to start; of a client that asks at no rate, when it was sent.
    pub at_ms: Ms,
    /// From `at_ms` to the answer.
    pub latency_ms: Ms,
}

/// Slowest first, the earlier of equals first. What asked to be kept waiting is left out.
pub fn slowest(timeline: &Timeline<'_>) -> Vec<SlowRow> {
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
    let row = |(latency_us, index): (u64, usize)| SlowRow {
        service: operations[index].action.service().name().to_owned(),
        operation: operations[index].action.operation().to_owned(),
        client: operations[index].client.to_owned(),
        at_ms: Ms::of(timeline.samples[index].start_us),
        latency_ms: Ms::of(latency_us),
    };
    slow.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    #[test]
    fn the_slowest_come_first_and_no_more_than_are_listed() {
        let mut script = Script::new();
        for latency_us in 1..=20 {
            script.get(1_000 * latency_us, 1_000 * latency_us + latency_us);
        }
        let history = script.end(100_000);
        let found = slowest(&Timeline::of(&history));
        let latencies: Vec<u64> = found.iter().map(|slow| slow.latency_ms.get()).collect();
        assert_eq!(latencies, (11..=20).rev().collect::<Vec<u64>>());
        assert_eq!(found[0].at_ms, Ms::of(20_000));
    }
}

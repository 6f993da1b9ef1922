//! Latency by size: how long writes took that carried payloads of very different sizes.
//!
//! Sizes fall into classes that end at powers of ten. Only acknowledged operations of the
//! chaos phase count, and only kinds of operations with payloads of more than one class.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::Phase;

use super::latency::{Latency, Recorder};
use super::timeline::{Class, Timeline};

/// Payloads up to this size are one class.
const SMALLEST_CLASS_BYTES: u64 = 100;

/// Acknowledged writes of the chaos phase whose payloads were about as large.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PayloadRow {
    /// As in scenarios and histories.
    pub service: String,
    /// As in histories.
    pub operation: String,
    /// The largest payload that counts here, bytes: a power of ten. More than a tenth of it is
    /// the smallest, but for the first row of an operation, where that may be empty.
    pub up_to_bytes: u64,
    /// From the start that was intended to the answer.
    pub latency_us: Latency,
}

/// In order of service, operation, size.
pub fn by_size(timeline: &Timeline<'_>) -> Vec<PayloadRow> {
    let mut operations: BTreeMap<_, BTreeMap<u64, Recorder>> = BTreeMap::new();
    let counted = |class, phase| class == Class::Ok && phase == Phase::Chaos;
    for sample in (timeline.samples.iter()).filter(|s| counted(s.class, s.phase)) {
        let (Some(end_us), Some(bytes)) = (sample.end_us, sample.action.payload_bytes()) else {
            continue;
        };
        let key = (sample.service, sample.action.operation());
        let classes = operations.entry(key).or_default();
        let class = classes.entry(class_of(bytes)).or_insert_with(Recorder::new);
        class.record(end_us - sample.start_us);
    }
    let mut rows = Vec::new();
    for ((service, operation), classes) in operations {
        if classes.len() > 1 {
            rows.extend(classes.iter().map(|(up_to_bytes, recorder)| PayloadRow {
                service: service.name().to_owned(),
                operation: operation.to_owned(),
                up_to_bytes: *up_to_bytes,
                latency_us: recorder.summary(),
            }));
        }
    }
    rows
}

fn class_of(bytes: u64) -> u64 {
    let mut up_to_bytes = SMALLEST_CLASS_BYTES;
    while up_to_bytes < bytes {
        up_to_bytes = up_to_bytes.saturating_mul(10);
    }
    up_to_bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;
    use squall_history::{Action, Outcome};

    fn set(bytes: u64) -> Action {
        Action::Set {
            key: "k".into(),
            value: "v".into(),
            bytes,
        }
    }

    /// Sizes and latencies of sets in a chaos phase that begins at 1,000 µs.
    fn classes(sets: &[(u64, u64, u64)]) -> Vec<(u64, u64, u64)> {
        let mut script = Script::new();
        script.phase(0, Phase::Warmup).phase(1_000, Phase::Chaos);
        for (at_us, bytes, took_us) in sets {
            let stored = Outcome::Stored { version: 1 };
            script.op(*at_us, set(*bytes), Some((at_us + took_us, stored)));
        }
        let history = script.end(1_000_000);
        let rows = by_size(&Timeline::of(&history));
        let row = |row: PayloadRow| (row.up_to_bytes, row.latency_us.count, row.latency_us.max);
        rows.into_iter().map(row).collect()
    }

    #[test]
    fn sizes_fall_into_classes_that_end_at_powers_of_ten() {
        let sets = [
            (2_000, 1, 10),
            (3_000, 100, 20),
            (4_000, 101, 30),
            (5_000, 1_000, 40),
            (6_000, 20_000, 50),
            // Before the phase that counts.
            (500, 20_000, 60),
        ];
        assert_eq!(
            classes(&sets),
            [(100, 2, 20), (1_000, 2, 40), (100_000, 1, 50)]
        );
    }

    #[test]
    fn payloads_of_one_class_need_no_rows_of_their_own() {
        assert_eq!(classes(&[(2_000, 200, 10), (3_000, 900, 20)]), []);
        assert_eq!(classes(&[]), []);
    }

    #[test]
    fn the_largest_size_has_a_class() {
        assert_eq!(class_of(u64::MAX), u64::MAX);
        assert_eq!(class_of(0), 100);
    }
}

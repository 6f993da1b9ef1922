//! Objectives: limits that the scenario's author set, and whether the run kept them.
//!
//! What could not be measured has not been kept. Nothing to measure (no election in a run
//! with a limit on elections) keeps the limit, as it asks how long, not how often.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measure::{Distribution, Measures};

use super::Number;

/// Limits; `None` is no limit. Upper bounds but for availability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Objectives {
    pub detection_max_us: Option<u64>,
    pub election_p50_us: Option<u64>,
    pub election_p99_us: Option<u64>,
    pub election_max_us: Option<u64>,
    /// Longest gap of any service.
    pub downtime_max_us: Option<u64>,
    /// Time in which at least one service was down.
    pub downtime_total_us: Option<u64>,
    /// New leader → throughput and latency as in the warm-up.
    pub recovery_max_us: Option<u64>,
    /// Acknowledged writes.
    pub lost: Option<u64>,
    /// Lower bound, in millionths.
    pub availability_ppm: Option<u32>,
}

/// A limit and what was measured against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectiveResult {
    /// `election_p99`, `lost` …
    pub name: String,
    pub unit: Unit,
    pub limit: Number,
    /// `null` when there was nothing to measure, or it could not be measured.
    pub measured: Option<Number>,
    pub met: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Ms,
    Count,
    Percent,
}

impl Unit {
    /// From microseconds, a count, or millionths.
    fn number(self, value: u64) -> Number {
        Number::of(match self {
            Unit::Ms => value.saturating_mul(10),
            Unit::Count => value.saturating_mul(10_000),
            Unit::Percent => value,
        })
    }

    /// Number and unit, without needless decimals.
    pub fn text(self, number: Number) -> String {
        let digits = number.to_string();
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        match self {
            Unit::Ms => format!("{digits} ms"),
            Unit::Count => digits.to_owned(),
            Unit::Percent => format!("{digits} %"),
        }
    }
}

/// `election_p99 is 1203.4 ms, limit 1000 ms`.
impl fmt::Display for ObjectiveResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.unit.text(self.limit);
        match self.measured {
            Some(measured) if self.unit == Unit::Percent || self.met || measured > self.limit => {
                write!(
                    f,
                    "{} is {}, limit {limit}",
                    self.name,
                    self.unit.text(measured)
                )
            }
            Some(_) => write!(
                f,
                "{} could not be measured in full, limit {limit}",
                self.name
            ),
            None if self.met => write!(f, "{} had nothing to measure, limit {limit}", self.name),
            None => write!(f, "{} could not be measured, limit {limit}", self.name),
        }
    }
}

/// Measures against limits, in the order of [`Objectives`]; no limit, no result.
pub fn evaluate(objectives: &Objectives, measures: &Measures) -> Vec<ObjectiveResult> {
    let never_elected = measures
        .faults
        .iter()
        .filter_map(|fault| fault.election.as_ref())
        .any(|election| election.elected_us.is_none());
    let election = |pick: fn(&Distribution) -> Option<u64>| Measured {
        value: pick(&measures.election.times),
        is_complete: !never_elected,
    };
    let downtime = measures.downtime.any;
    let longest = measures
        .downtime
        .gaps
        .iter()
        .map(|gap| gap.to_us - gap.from_us)
        .max();
    let recovery = &measures.recovery.throughput;
    let lost = Measured {
        value: Some(measures.loss.lost),
        is_complete: measures.loss.unaudited == 0,
    };
    [
        at_most(
            "detection_max",
            Unit::Ms,
            objectives.detection_max_us,
            known(measures.detection.times.max_us),
        ),
        at_most(
            "election_p50",
            Unit::Ms,
            objectives.election_p50_us,
            election(|e| e.p50_us),
        ),
        at_most(
            "election_p99",
            Unit::Ms,
            objectives.election_p99_us,
            election(|e| e.p99_us),
        ),
        at_most(
            "election_max",
            Unit::Ms,
            objectives.election_max_us,
            election(|e| e.max_us),
        ),
        at_most(
            "downtime_max",
            Unit::Ms,
            objectives.downtime_max_us,
            Measured {
                value: downtime.map(|_| longest.unwrap_or(0)),
                is_complete: downtime.is_some(),
            },
        ),
        at_most(
            "downtime_total",
            Unit::Ms,
            objectives.downtime_total_us,
            Measured {
                value: downtime.map(|any| any.total_us),
                is_complete: downtime.is_some(),
            },
        ),
        at_most(
            "recovery_max",
            Unit::Ms,
            objectives.recovery_max_us,
            Measured {
                value: recovery.seen.times.max_us,
                is_complete: recovery.unseen == 0,
            },
        ),
        at_most("lost", Unit::Count, objectives.lost, lost),
        at_least_available(
            objectives.availability_ppm,
            downtime.map(|any| any.availability_ppm),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

struct Measured {
    value: Option<u64>,
    /// Whether all there was to measure could be measured.
    is_complete: bool,
}

fn known(value: Option<u64>) -> Measured {
    Measured {
        value,
        is_complete: true,
    }
}

fn at_most(
    name: &str,
    unit: Unit,
    limit: Option<u64>,
    measured: Measured,
) -> Option<ObjectiveResult> {
    let limit = limit?;
    Some(ObjectiveResult {
        name: name.into(),
        unit,
        limit: unit.number(limit),
        measured: measured.value.map(|value| unit.number(value)),
        met: measured.is_complete && measured.value.is_none_or(|value| value <= limit),
    })
}

fn at_least_available(limit: Option<u32>, measured: Option<u32>) -> Option<ObjectiveResult> {
    let limit = limit?;
    Some(ObjectiveResult {
        name: "availability".into(),
        unit: Unit::Percent,
        limit: Unit::Percent.number(limit.into()),
        measured: measured.map(|ppm| Unit::Percent.number(ppm.into())),
        met: measured.is_some_and(|ppm| ppm >= limit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{NodeEvent, Phase};
    use crate::measure::measure;
    use crate::measure::testing::{Script, get};

    fn run(elects: bool) -> Measures {
        let mut script = Script::new();
        script
            .phase(0, Phase::Warmup)
            .phase(2_000_000, Phase::Chaos);
        script
            .gets(0, 2_000_000, 20_000, 5_000)
            .leader(0, "node-1", 1, 10);
        script.fault(0, "kill", &["node-1"], 2_000_000, None);
        script.node(
            2_000_000,
            "node-1",
            NodeEvent::Stopped {
                why: "killed".into(),
            },
        );
        script.election(2_300_000, "node-2", 1);
        if elects {
            script.leader(2_500_000, "node-2", 2, 2_600_000);
        }
        script.op(2_100_000, get("k"), None);
        script.get(2_500_000, 3_000_000);
        measure(&script.end(4_000_000))
    }

    fn met(objectives: Objectives, measures: &Measures) -> Vec<(String, Option<u64>, bool)> {
        let results = evaluate(&objectives, measures);
        results
            .into_iter()
            .map(|r| (r.name, r.measured.map(Number::get), r.met))
            .collect()
    }

    #[test]
    fn limits_are_kept_up_to_and_including_themselves() {
        let limits = |us| Objectives {
            election_p99_us: Some(us),
            availability_ppm: Some(2_500),
            lost: Some(0),
            ..Objectives::default()
        };
        let row = |name: &str, value, met| (name.to_owned(), Some(value), met);
        let measures = run(true);
        // The gap lasts from the start of chaos to the end, but for an answer between.
        let expected = |is_met| {
            [
                row("election_p99", 6_000_000, is_met),
                row("lost", 0, true),
                row("availability", 0, false),
            ]
        };
        assert_eq!(met(limits(600_000), &measures), expected(true));
        assert_eq!(met(limits(599_999), &measures), expected(false));
    }

    #[test]
    fn what_never_came_is_missed_and_what_never_was_needed_is_met() {
        let limits = Objectives {
            election_max_us: Some(u64::MAX),
            recovery_max_us: Some(1),
            ..Objectives::default()
        };
        let missed = [
            ("election_max".to_owned(), None, false),
            ("recovery_max".to_owned(), None, true),
        ];
        assert_eq!(met(limits, &run(false)), missed);
        let unseen = met(limits, &run(true));
        assert_eq!(
            unseen[0],
            ("election_max".to_owned(), Some(6_000_000), true)
        );
        assert_eq!(unseen[1], ("recovery_max".to_owned(), None, false));
    }
}

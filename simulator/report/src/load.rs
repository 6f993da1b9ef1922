//! The load of a run: its steps, what broke under stress, and whether all was done in time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::{LoadUnit, Phase, StressLimit};
use squall_measure::{Measures, StepMeasure, StressEnd};

use crate::document::NOTHING;
use crate::tables::or_nothing;
use crate::words::{count, duration};
use crate::{Bound, Ms, ObjectiveResult, PerSecond, Percent, Status, Unit};

/// Steps in order of time, and the end of a stress test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    pub steps: Vec<LoadStep>,
    /// `null`: no stress test, or it did not come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stress: Option<Stress>,
}

/// What clients saw while the load stayed at a level. One of `users` and `rate` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoadStep {
    pub step: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// Operations that start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<PerSecond>,
    pub from_ms: Ms,
    pub to_ms: Ms,
    pub acknowledged: u64,
    pub errors: u64,
    /// Started, and never answered.
    pub pending: u64,
    pub per_second: PerSecond,
    /// Microseconds from the intended start; `null` without operations.
    pub p50_us: Option<u64>,
    pub p95_us: Option<u64>,
    pub p99_us: Option<u64>,
    pub max_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke: Option<Broke>,
}

/// The limit that a step broke. Microseconds, millionths or bytes, as the limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Broke {
    pub limit: StressLimit,
    pub measured: u64,
    pub allowed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stress {
    /// The step that broke; `null` if all held.
    pub breaking_step: Option<u64>,
    /// Whether all limits held again when the load had fallen.
    pub recovered: bool,
    /// Limits that nobody on this backend could look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<StressLimit>,
    /// In one line.
    pub summary: String,
}

impl Load {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(super) fn of(measures: &Measures) -> Self {
        let steps: Vec<LoadStep> = measures.load.steps.iter().map(step_row).collect();
        let unknown = &measures.load.unknown;
        let stress = measures.load.stress.map(|end| stress(&steps, end, unknown));
        Self { steps, stress }
    }
}

fn step_row(step: &StepMeasure) -> LoadStep {
    let length_us = step.to_us - step.from_us;
    let scaled = u128::from(step.acknowledged) * 1_000_000_000;
    let per_second = scaled.checked_div(u128::from(length_us)).unwrap_or(0);
    let (users, rate) = match step.unit {
        LoadUnit::Users => (Some(step.level), None),
        LoadUnit::PerHour => (None, Some(PerSecond::of(step.level * 1_000 / 3_600))),
    };
    LoadStep {
        step: step.step as u64,
        users,
        rate,
        from_ms: Ms::of(step.from_us),
        to_ms: Ms::of(step.to_us),
        acknowledged: step.acknowledged,
        errors: step.errors,
        pending: step.pending,
        per_second: PerSecond::of(u64::try_from(per_second).unwrap_or(u64::MAX)),
        p50_us: step.p50_us,
        p95_us: step.p95_us,
        p99_us: step.p99_us,
        max_us: step.max_us,
        broke: step.broke.map(|broke| Broke {
            limit: broke.limit,
            measured: broke.measured,
            allowed: broke.allowed,
        }),
    }
}

fn stress(steps: &[LoadStep], end: StressEnd, unknown: &[StressLimit]) -> Stress {
    let breaking = steps.iter().find(|step| step.broke.is_some());
    let held = steps.iter().take_while(|step| step.broke.is_none()).last();
    let summary = match breaking {
        Some(step) => {
            let broke = step.broke.expect("that is why it was found");
            let before = steps.iter().rfind(|s| s.step < step.step);
            let held = before.map(|held| format!("; the step before, {}, holds", held.level()));
            format!(
                "breaks at {}: {}{}",
                step.level(),
                broke.text(),
                held.unwrap_or_default()
            )
        }
        // The last step is the way back.
        None => {
            let top = steps.iter().rev().nth(1).or(held);
            format!("nothing breaks up to {}", or_nothing(top, LoadStep::level))
        }
    };
    let (recovered, after) = match end {
        StressEnd::Recovered => (true, "recovers when the load falls".to_owned()),
        StressEnd::StillBroken(limit) => (
            false,
            format!("{} is still broken when the load has fallen", name(limit)),
        ),
    };
    let unlooked: Vec<&str> = unknown.iter().map(|limit| name(*limit)).collect();
    let unlooked = match unlooked.is_empty() {
        true => String::new(),
        false => format!("; {}: not known on this backend", unlooked.join(", ")),
    };
    Stress {
        breaking_step: breaking.map(|step| step.step),
        recovered,
        unknown: unknown.to_vec(),
        summary: format!("{summary}; {after}{unlooked}"),
    }
}

fn name(limit: StressLimit) -> &'static str {
    match limit {
        StressLimit::ErrorRate => "error rate",
        StressLimit::P99 => "p99",
        StressLimit::Unserved => "unserved",
        StressLimit::Memory => "memory",
        StressLimit::Cpu => "cpu",
    }
}

impl Broke {
    pub(crate) fn text(&self) -> String {
        let show = |value: u64| match self.limit {
            StressLimit::P99 => duration(value),
            StressLimit::Memory => Unit::Bytes.text(Unit::Bytes.number(value)),
            StressLimit::ErrorRate | StressLimit::Unserved | StressLimit::Cpu => {
                format!("{:.3} %", Percent::of(value))
            }
        };
        let (measured, allowed) = (show(self.measured), show(self.allowed));
        format!("{} is {measured}, limit {allowed}", name(self.limit))
    }
}

impl LoadStep {
    /// `500 users`, `250/s`.
    pub(crate) fn level(&self) -> String {
        match (self.users, self.rate) {
            (Some(users), _) => format!("{} users", count(users)),
            (None, Some(rate)) => format!("{}/s", count(rate.get() / 1_000)),
            (None, None) => NOTHING.to_owned(),
        }
    }
}

/// Objectives that come with what a scenario asks for: operations that end must do so within
/// the chaos phase, given as a limit, and a stress test must end in recovery.
pub(super) fn objectives(
    limit_us: Option<u64>,
    load: &Load,
    measures: &Measures,
) -> Vec<ObjectiveResult> {
    let chaos = measures
        .phases
        .iter()
        .position(|(phase, _)| *phase == Phase::Chaos);
    let length_us = chaos.and_then(|index| {
        let (_, ended_us) = measures.phases.get(index + 1)?;
        Some(ended_us - measures.phases[index].1)
    });
    let completion = limit_us.map(|limit_us| {
        let measured = length_us.filter(|_| !measures.unfinished);
        result("completion", Unit::Ms, limit_us, measured)
    });
    let recovery = load.stress.as_ref().map(|stress| {
        let broken = u64::from(!stress.recovered);
        result("still_broken_after_stress", Unit::Count, 0, Some(broken))
    });
    completion.into_iter().chain(recovery).collect()
}

/// What never came to its end is missed.
fn result(name: &str, unit: Unit, limit: u64, measured: Option<u64>) -> ObjectiveResult {
    let is_met = measured.is_some_and(|value| value <= limit);
    ObjectiveResult {
        name: name.into(),
        unit,
        bound: Bound::AtMost,
        limit: unit.number(limit),
        measured: measured.map(|value| unit.number(value)),
        status: match is_met {
            true => Status::Met,
            false => Status::Missed,
        },
        margin_percent: None,
        grace_ms: None,
        missed_for_ms: None,
        note: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64, broke: Option<Broke>) -> LoadStep {
        LoadStep {
            step,
            users: Some(step * 100),
            rate: None,
            from_ms: Ms::of(0),
            to_ms: Ms::of(1_000_000),
            acknowledged: 1,
            errors: 0,
            pending: 0,
            per_second: PerSecond::of(1_000),
            p50_us: None,
            p95_us: None,
            p99_us: None,
            max_us: None,
            broke,
        }
    }

    #[test]
    fn the_step_before_is_named_where_there_was_one() {
        let broke = Some(Broke {
            limit: StressLimit::P99,
            measured: 80_000,
            allowed: 50_000,
        });
        let said = |steps: &[LoadStep]| stress(steps, StressEnd::Recovered, &[]).summary;
        assert_eq!(
            said(&[step(1, None), step(2, broke), step(3, None)]),
            "breaks at 200 users: p99 is 80.0 ms, limit 50.0 ms; the step before, 100 users, \
             holds; recovers when the load falls"
        );
        assert_eq!(
            said(&[step(1, broke), step(2, None)]),
            "breaks at 100 users: p99 is 80.0 ms, limit 50.0 ms; recovers when the load falls"
        );
    }
}

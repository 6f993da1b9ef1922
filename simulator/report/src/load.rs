//! The load of a run: its steps, what broke under stress, and whether all was done in time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::{Phase, StressLimit};
use squall_measure::{Broke, LoadStep, Measures, StressEnd};

use crate::document::NOTHING;
use crate::objectives::{ObjectiveResult, Status};
use crate::words::{count, duration};
use squall_objective::fixed::Percent;
use squall_objective::objective::{Bound, Unit};

/// Steps in order of time, and the end of a stress test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// In order of time; those that never reached their level are left out.
    pub steps: Vec<LoadStep>,
    /// `null`: no stress test, or it did not come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stress: Option<Stress>,
}

/// What a stress test found.
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
    /// Whether no load was asked for.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(super) fn of(measures: &Measures) -> Self {
        let load = &measures.load;
        let end = load.stress;
        Self {
            stress: end.map(|end| stress(&load.steps, end, &load.unknown)),
            steps: load.steps.clone(),
        }
    }
}

fn stress(steps: &[LoadStep], end: StressEnd, unknown: &[StressLimit]) -> Stress {
    let breaking = steps.iter().find(|step| step.broke.is_some());
    let held = steps.iter().take_while(|step| step.broke.is_none()).last();
    let summary = match breaking {
        Some(step) => {
            let broke = step.broke.expect("that is why it was found");
            let before = steps.iter().rfind(|s| s.step < step.step);
            let held = before.map(|held| format!("; the step before, {}, holds", level(held)));
            format!(
                "breaks at {}: {}{}",
                level(step),
                text(&broke),
                held.unwrap_or_default()
            )
        }
        // The last step is the way back.
        None => {
            let top = steps.iter().rev().nth(1).or(held);
            format!(
                "nothing breaks up to {}",
                top.map_or_else(|| NOTHING.to_owned(), level)
            )
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

/// `p99 is 80.0 ms, limit 50.0 ms`.
pub(crate) fn text(broke: &Broke) -> String {
    let show = |value: u64| match broke.limit {
        StressLimit::P99 => duration(value),
        StressLimit::Memory => Unit::Bytes.text(Unit::Bytes.number(value)),
        StressLimit::ErrorRate | StressLimit::Unserved | StressLimit::Cpu => {
            format!("{:.3} %", Percent::of(value))
        }
    };
    let (measured, allowed) = (show(broke.measured), show(broke.allowed));
    format!("{} is {measured}, limit {allowed}", name(broke.limit))
}

/// `500 users`, `250/s`.
pub(crate) fn level(step: &LoadStep) -> String {
    match (step.users, step.rate) {
        (Some(users), _) => format!("{} users", count(users)),
        (None, Some(rate)) => format!("{}/s", count(rate.get() / 1_000)),
        (None, None) => NOTHING.to_owned(),
    }
}

/// Objectives that come with what a scenario asks for: operations that end must do so within
/// the chaos phase, given as a limit, and a stress test must end in recovery.
pub(super) fn objectives(
    limit_us: Option<u64>,
    load: &Load,
    measures: &Measures,
) -> Vec<ObjectiveResult> {
    let phases = &measures.timeline.phases;
    let chaos = phases.iter().position(|start| start.phase == Phase::Chaos);
    let length_us = chaos.and_then(|index| {
        let ended = phases.get(index + 1)?.at_ms;
        Some(ended.get() - phases[index].at_ms.get())
    });
    let completion = limit_us.map(|limit_us| {
        let measured = length_us.filter(|_| !measures.load.unfinished);
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
    use squall_objective::fixed::{Ms, PerSecond};

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

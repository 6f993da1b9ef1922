//! Steps of a load: what clients saw while the load stayed at each level.
//!
//! Only the time at the level is looked at, not the way there. Operations count by when they
//! were meant to start, so that those that had to wait for a free client are not hidden.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::{EventKind, History, LoadEvent, LoadUnit, Phase, StressLimit, Window};

use squall_objective::fixed::{Ms, PerSecond};

use super::throughput::per_second;
use super::timeline::Span;

/// Operations that are not answered so long after their step are not waited for.
const PATIENCE_US: u64 = 30_000_000;

/// What clients saw while the load stayed at a level. One of `users` and `rate` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoadStep {
    /// Its number in the plan, from 0.
    pub step: u64,
    /// How many were at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// Operations that start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<PerSecond>,
    /// When the ramp was over.
    pub from_ms: Ms,
    /// When the next step began.
    pub to_ms: Ms,
    /// Operations that were meant to start in it and were acknowledged.
    pub acknowledged: u64,
    /// Operations that were meant to start in it and failed, or whose outcome is unknown.
    pub errors: u64,
    /// Started, and never answered.
    pub pending: u64,
    /// Acknowledged operations.
    pub per_second: PerSecond,
    /// Microseconds from the intended start; `null` without operations.
    pub p50_us: Option<u64>,
    /// As `p50_us`.
    pub p95_us: Option<u64>,
    /// As `p50_us`.
    pub p99_us: Option<u64>,
    /// The slowest, or the longest wait.
    pub max_us: Option<u64>,
    /// Left out if it kept its limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke: Option<Broke>,
}

/// The limit that a step broke. Microseconds, millionths or bytes, as the limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Broke {
    /// The first that it broke.
    pub limit: StressLimit,
    /// What the step showed.
    pub measured: u64,
    /// What the limit allowed.
    pub allowed: u64,
}

/// What became of a stress test when the load had fallen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StressEnd {
    /// The limits were kept again.
    Recovered,
    /// This one was still broken.
    StillBroken(StressLimit),
}

/// Steps of the load, and the end of a stress test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadMeasure {
    /// In order of time; those that never reached their level are left out.
    pub steps: Vec<LoadStep>,
    /// `None`: no stress test, or it did not come to its end.
    pub stress: Option<StressEnd>,
    /// Limits of the stress test that nobody could look at.
    pub unknown: Vec<StressLimit>,
    /// Whether operations that were asked for were left undone.
    pub unfinished: bool,
}

/// All operations of a phase but long polls together, by when they were meant to start.
/// Microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Overall {
    /// Operations that were answered with success.
    pub acknowledged: u64,
    /// Operations that failed, or whose outcome is unknown.
    pub errors: u64,
    /// Acknowledged operations.
    pub per_second: PerSecond,
    /// Of acknowledged ones; `null` without any.
    pub mean_us: Option<u64>,
    /// The median.
    pub p50_us: Option<u64>,
    /// 95th percentile.
    pub p95_us: Option<u64>,
    /// 99th percentile.
    pub p99_us: Option<u64>,
    /// The slowest.
    pub max_us: Option<u64>,
}

/// What clients saw of operations that were meant to start within a stretch of the run.
pub fn overall(history: &History, span: Span) -> Overall {
    let until_us = span.to_us + PATIENCE_US;
    let window = Window::of(&history.events, span.from_us, span.to_us, until_us);
    Overall {
        acknowledged: window.acknowledged,
        errors: window.errors,
        per_second: per_second(window.acknowledged, span.length_us()),
        mean_us: window.mean_us(),
        p50_us: window.percentile_us(50),
        p95_us: window.percentile_us(95),
        p99_us: window.percentile_us(99),
        max_us: window.max_us(),
    }
}

/// A step that has begun.
struct Begun {
    step: usize,
    unit: LoadUnit,
    level: u64,
    from_us: u64,
    broke: Option<Broke>,
}

pub fn load(history: &History) -> LoadMeasure {
    let mut load = LoadMeasure::default();
    let mut begun: Option<Begun> = None;
    for event in &history.events {
        match &event.kind {
            EventKind::Load { event: load_event } => match load_event {
                LoadEvent::Step {
                    step,
                    unit,
                    to,
                    ramp_us,
                    ..
                } => {
                    let next = Begun {
                        step: *step,
                        unit: *unit,
                        level: *to,
                        from_us: event.at_us + ramp_us,
                        broke: None,
                    };
                    let ended = begun.replace(next);
                    load.steps
                        .extend(ended.and_then(|step| step.ended(event.at_us, history)));
                }
                LoadEvent::Broke {
                    limit,
                    measured,
                    allowed,
                    ..
                } => {
                    if let Some(step) = &mut begun {
                        step.broke = Some(Broke {
                            limit: *limit,
                            measured: *measured,
                            allowed: *allowed,
                        });
                    }
                }
                LoadEvent::Unfinished => load.unfinished = true,
                LoadEvent::Unknown { limit } => load.unknown.push(*limit),
                LoadEvent::Recovered { broken } => {
                    let end = broken.map_or(StressEnd::Recovered, StressEnd::StillBroken);
                    load.stress = Some(end);
                }
            },
            // What comes after the chaos phase is no step.
            EventKind::Phase { phase } if *phase > Phase::Chaos => {
                let ended = begun.take();
                load.steps
                    .extend(ended.and_then(|step| step.ended(event.at_us, history)));
            }
            _ => {}
        }
    }
    load
}

impl Begun {
    /// `None`: it never reached its level.
    fn ended(self, to_us: u64, history: &History) -> Option<LoadStep> {
        let until_us = to_us + PATIENCE_US;
        let length_us = to_us.checked_sub(self.from_us).filter(|us| *us > 0)?;
        let window = Window::of(&history.events, self.from_us, to_us, until_us);
        let (users, rate) = match self.unit {
            LoadUnit::Users => (Some(self.level), None),
            LoadUnit::PerHour => (None, Some(PerSecond::of(self.level * 1_000 / 3_600))),
        };
        Some(LoadStep {
            step: self.step as u64,
            users,
            rate,
            from_ms: Ms::of(self.from_us),
            to_ms: Ms::of(to_us),
            acknowledged: window.acknowledged,
            errors: window.errors,
            pending: window.pending,
            per_second: per_second(window.acknowledged, length_us),
            p50_us: window.percentile_us(50),
            p95_us: window.percentile_us(95),
            p99_us: window.percentile_us(99),
            max_us: window.max_us(),
            broke: self.broke,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;
    use squall_history::Event;

    fn load_event(at_us: u64, event: LoadEvent) -> Event {
        let kind = EventKind::Load { event };
        Event { at_us, kind }
    }

    #[test]
    fn a_step_is_judged_at_its_level_only() {
        let mut script = Script::new();
        script
            .phase(0, Phase::Warmup)
            .phase(1_000_000, Phase::Chaos);
        // One every 10 ms of the run, each answered after 2 ms.
        script.gets(0, 5_000_000, 10_000, 2_000);
        let mut history = script.end(5_100_000);
        let step = |step, to, ramp_us| LoadEvent::Step {
            step,
            unit: LoadUnit::Users,
            from: 1,
            to,
            ramp_us,
        };
        let broke = LoadEvent::Broke {
            step: 1,
            limit: StressLimit::P99,
            measured: 2_000,
            allowed: 1_000,
        };
        history.events.extend([
            load_event(1_000_000, step(0, 1, 0)),
            load_event(2_000_000, step(1, 5, 500_000)),
            load_event(4_000_000, broke),
            load_event(4_000_000, step(2, 1, 0)),
            load_event(5_000_000, LoadEvent::Recovered { broken: None }),
        ]);
        history.events.sort_by_key(|event| event.at_us);
        let found = load(&history);
        let rows: Vec<_> = found
            .steps
            .iter()
            .map(|s| {
                (
                    s.step,
                    s.users,
                    s.from_ms.get(),
                    s.acknowledged,
                    s.p99_us,
                    s.broke.is_some(),
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                (0, Some(1), 1_000_000, 100, Some(2_000), false),
                (1, Some(5), 2_500_000, 150, Some(2_000), true),
                (2, Some(1), 4_000_000, 100, Some(2_000), false),
            ]
        );
        assert_eq!(found.stress, Some(StressEnd::Recovered));
    }
}

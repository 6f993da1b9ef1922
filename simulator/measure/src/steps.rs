//! Steps of a load: what clients saw while the load stayed at each level.
//!
//! Only the time at the level is looked at, not the way there. Operations count by when they
//! were meant to start, so that those that had to wait for a free client are not hidden.

use squall_history::{EventKind, History, LoadEvent, LoadUnit, Phase, StressLimit, Window};

use super::timeline::Span;

/// Operations that are not answered so long after their step are not waited for.
const PATIENCE_US: u64 = 30_000_000;

/// One step at its level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepMeasure {
    pub step: usize,
    pub unit: LoadUnit,
    pub level: u64,
    pub from_us: u64,
    pub to_us: u64,
    pub acknowledged: u64,
    pub errors: u64,
    /// Meant to start, and never answered.
    pub pending: u64,
    pub p50_us: Option<u64>,
    pub p95_us: Option<u64>,
    pub p99_us: Option<u64>,
    pub max_us: Option<u64>,
    /// What broke in it.
    pub broke: Option<Broke>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broke {
    pub limit: StressLimit,
    pub measured: u64,
    pub allowed: u64,
}

/// What became of a stress test when the load had fallen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StressEnd {
    Recovered,
    StillBroken(StressLimit),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadMeasure {
    /// In order of time; those that never reached their level are left out.
    pub steps: Vec<StepMeasure>,
    /// `None`: no stress test, or it did not come to its end.
    pub stress: Option<StressEnd>,
    /// Limits of the stress test that nobody could look at.
    pub unknown: Vec<StressLimit>,
}

/// A whole phase, all operations but long polls together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overall {
    pub length_us: u64,
    pub acknowledged: u64,
    pub errors: u64,
    pub mean_us: Option<u64>,
    pub p50_us: Option<u64>,
    pub p95_us: Option<u64>,
    pub p99_us: Option<u64>,
    pub max_us: Option<u64>,
}

/// What clients saw of operations that were meant to start within a stretch of the run.
pub fn overall(history: &History, span: Span) -> Overall {
    let until_us = span.to_us + PATIENCE_US;
    let window = Window::of(&history.events, span.from_us, span.to_us, until_us);
    Overall {
        length_us: span.length_us(),
        acknowledged: window.acknowledged,
        errors: window.errors,
        mean_us: window.mean_us(),
        p50_us: window.percentile_us(50),
        p95_us: window.percentile_us(95),
        p99_us: window.percentile_us(99),
        max_us: window.max_us(),
    }
}

pub fn load(history: &History) -> LoadMeasure {
    let mut load = LoadMeasure::default();
    let mut begun: Option<StepMeasure> = None;
    let mut steps: Vec<StepMeasure> = Vec::new();
    for event in &history.events {
        match &event.kind {
            EventKind::Load {
                event:
                    LoadEvent::Step {
                        step,
                        unit,
                        to,
                        ramp_us,
                        ..
                    },
            } => {
                steps.extend(ended(begun.take(), event.at_us));
                begun = Some(StepMeasure {
                    step: *step,
                    unit: *unit,
                    level: *to,
                    from_us: event.at_us + ramp_us,
                    to_us: 0,
                    acknowledged: 0,
                    errors: 0,
                    pending: 0,
                    p50_us: None,
                    p95_us: None,
                    p99_us: None,
                    max_us: None,
                    broke: None,
                });
            }
            EventKind::Load {
                event:
                    LoadEvent::Broke {
                        limit,
                        measured,
                        allowed,
                        ..
                    },
            } => {
                if let Some(step) = &mut begun {
                    step.broke = Some(Broke {
                        limit: *limit,
                        measured: *measured,
                        allowed: *allowed,
                    });
                }
            }
            EventKind::Load {
                event: LoadEvent::Unknown { limit },
            } => load.unknown.push(*limit),
            EventKind::Load {
                event: LoadEvent::Recovered { broken },
            } => {
                load.stress = Some(match broken {
                    None => StressEnd::Recovered,
                    Some(limit) => StressEnd::StillBroken(*limit),
                });
            }
            // What comes after the chaos phase is no step.
            EventKind::Phase { phase } if *phase > Phase::Chaos => {
                steps.extend(ended(begun.take(), event.at_us));
            }
            _ => {}
        }
    }
    for step in &mut steps {
        see(step, history);
    }
    load.steps = steps;
    load
}

fn ended(begun: Option<StepMeasure>, at_us: u64) -> Option<StepMeasure> {
    let mut step = begun?;
    step.to_us = at_us;
    (step.from_us < at_us).then_some(step)
}

fn see(step: &mut StepMeasure, history: &History) {
    let until_us = step.to_us + PATIENCE_US;
    let window = Window::of(&history.events, step.from_us, step.to_us, until_us);
    step.acknowledged = window.acknowledged;
    step.errors = window.errors;
    step.pending = window.pending;
    step.p50_us = window.percentile_us(50);
    step.p95_us = window.percentile_us(95);
    step.p99_us = window.percentile_us(99);
    step.max_us = window.max_us();
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
                    s.level,
                    s.from_us,
                    s.acknowledged,
                    s.p99_us,
                    s.broke.is_some(),
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                (0, 1, 1_000_000, 100, Some(2_000), false),
                (1, 5, 2_500_000, 150, Some(2_000), true),
                (2, 1, 4_000_000, 100, Some(2_000), false),
            ]
        );
        assert_eq!(found.stress, Some(StressEnd::Recovered));
    }
}

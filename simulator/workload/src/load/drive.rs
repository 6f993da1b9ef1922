//! The task that plays the load, step by step.
//!
//! In a stress test it also judges each step when it is over, by what the recorder has seen,
//! and turns back at the first that broke a limit.

use std::rc::Rc;
use std::time::Duration;

use super::Load;
use crate::RunContext;
use squall_history::{EventKind, LoadEvent, StressLimit};
use squall_plan::plan::{LoadUnit, StressPlan};

/// How finely a level changes.
const TICK_US: u64 = 100_000;

/// Plays the load from the start of the run to its end.
pub(crate) async fn drive(context: Rc<RunContext>, load: Rc<Load>) {
    let driver = Driver {
        context: &context,
        load: &load,
    };
    let plan = &load.plan;
    let first = plan.steps[0].level;
    let mut at_us = context.recorder.now_us();
    at_us = driver.stretch(0, at_us, load.warmup_us, |_| first).await;
    for (number, step) in plan.steps.iter().enumerate() {
        driver.announce(number, plan.level_before(number), step.level, step.ramp_us);
        let ramp = |us| plan.ramp_level(number, us);
        at_us = driver.stretch(number, at_us, step.ramp_us, ramp).await;
        at_us = driver
            .stretch(number, at_us, step.hold_us, |_| step.level)
            .await;
        let is_last = number + 1 == plan.steps.len();
        if let Some(stress) = &plan.stress {
            let from_us = at_us - step.hold_us + stress.settle_us;
            if number == 0 {
                driver.tell_unknown(stress, from_us, at_us);
            }
            let broken = driver.judge(stress, from_us, at_us);
            if let Some(broken) = &broken {
                driver.record(LoadEvent::Broke {
                    step: number,
                    limit: broken.limit,
                    measured: broken.measured,
                    allowed: broken.allowed,
                });
            }
            if broken.is_some() || is_last {
                driver.announce(number + 1, step.level, first, 0);
                driver.recover(stress, at_us).await;
                break;
            }
        }
    }
    load.is_over.set(true);
    let (last, level) = match plan.stress {
        Some(_) => (0, first),
        None => (plan.steps.len() - 1, plan.steps[plan.steps.len() - 1].level),
    };
    driver
        .stretch(last, context.recorder.now_us(), u64::MAX, |_| level)
        .await;
}

struct Driver<'a> {
    context: &'a RunContext,
    load: &'a Load,
}

/// A limit, what it allows, and what was seen.
struct Broken {
    limit: StressLimit,
    measured: u64,
    allowed: u64,
}

impl Driver<'_> {
    fn record(&self, event: LoadEvent) {
        self.context.recorder.record(EventKind::Load { event });
    }

    fn announce(&self, step: usize, from: u64, to: u64, ramp_us: u64) {
        let unit = self.load.plan.unit;
        self.record(LoadEvent::Step {
            step,
            unit,
            from,
            to,
            ramp_us,
        });
    }

    /// Keeps the load at a level, which is that of the time since `from_us`, for `length_us`
    /// or until the run is over. Returns when that is.
    async fn stretch(
        &self,
        step: usize,
        from_us: u64,
        length_us: u64,
        level: impl Fn(u64) -> u64,
    ) -> u64 {
        let end_us = from_us.saturating_add(length_us);
        let mut at_us = from_us;
        while at_us < end_us && !self.context.is_stopped() {
            let tick_us = TICK_US.min(end_us - at_us);
            // The middle stands for the whole, which is exact for a straight line.
            self.set(step, level(at_us - from_us + tick_us / 2), at_us, tick_us);
            at_us += tick_us;
            let left_us = at_us.saturating_sub(self.context.recorder.now_us());
            self.context
                .host
                .sleep(Duration::from_micros(left_us))
                .await;
        }
        end_us
    }

    fn set(&self, step: usize, level: u64, from_us: u64, length_us: u64) {
        let step = &self.load.plan.steps[step];
        for (schedule, share) in self.load.schedules.iter().zip(step.shares(level)) {
            match self.load.plan.unit {
                LoadUnit::Users => {
                    schedule.users.set(share);
                    schedule.think.set(step.think_us);
                }
                LoadUnit::PerHour => {
                    let mut times = schedule.times.borrow_mut();
                    let starts = times.advance(from_us, length_us, share, step.burst);
                    schedule.arrivals.borrow_mut().extend(starts);
                }
            }
            schedule.changed.notify_waiters();
        }
    }

    /// The first limit that this stretch broke; operations count by when they were meant to
    /// start.
    fn judge(&self, stress: &StressPlan, from_us: u64, to_us: u64) -> Option<Broken> {
        let mut limits = self.limits(stress, from_us, to_us).into_iter();
        limits.find_map(|(limit, allowed, measured)| {
            let (allowed, measured) = (allowed?, measured?);
            (measured > allowed).then_some(Broken {
                limit,
                measured,
                allowed,
            })
        })
    }

    /// Says which limits cannot be looked at.
    fn tell_unknown(&self, stress: &StressPlan, from_us: u64, to_us: u64) {
        for (limit, allowed, measured) in self.limits(stress, from_us, to_us) {
            if allowed.is_some() && measured.is_none() {
                self.record(LoadEvent::Unknown { limit });
            }
        }
    }

    /// Every limit, what it allows if it is set, and what was seen if that is known.
    fn limits(
        &self,
        stress: &StressPlan,
        from_us: u64,
        to_us: u64,
    ) -> [(StressLimit, Option<u64>, Option<u64>); 5] {
        let mut window = self.context.recorder.window(from_us, to_us);
        for schedule in &self.load.schedules {
            window.add_unsent(schedule.unsent(from_us, to_us).into_iter(), to_us);
        }
        let usage = self.context.usage(from_us, to_us);
        let p99_us = window.percentile_us(99).unwrap_or(0);
        let ppm = |share: Option<u32>| share.map(u64::from);
        [
            (
                StressLimit::ErrorRate,
                ppm(stress.error_ppm),
                Some(window.error_ppm()),
            ),
            (StressLimit::P99, stress.p99_us, Some(p99_us)),
            (
                StressLimit::Unserved,
                ppm(stress.unserved_ppm),
                Some(window.pending_ppm()),
            ),
            (StressLimit::Memory, stress.memory_bytes, usage.memory_bytes),
            (StressLimit::Cpu, ppm(stress.cpu_ppm), usage.cpu_ppm),
        ]
    }

    /// Back at the first level, and judged again.
    async fn recover(&self, stress: &StressPlan, at_us: u64) {
        let first = self.load.plan.steps[0].level;
        let end_us = self.stretch(0, at_us, stress.recover_us, |_| first).await;
        let broken = self.judge(stress, at_us + stress.recover_us / 2, end_us);
        self.record(LoadEvent::Recovered {
            broken: broken.map(|broken| broken.limit),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_plan::plan::{LoadPlan, LoadStepPlan};

    #[test]
    fn a_ramp_is_a_straight_line() {
        let step = |level, ramp_us| LoadStepPlan {
            level,
            ramp_us,
            hold_us: 0,
            think_us: None,
            burst: (1, 1),
            weights: vec![1],
        };
        let plan = LoadPlan {
            unit: LoadUnit::Users,
            steps: vec![step(10, 0), step(110, 1_000), step(60, 500)],
            stress: None,
        };
        let levels = |number, times: &[u64]| -> Vec<u64> {
            times
                .iter()
                .map(|us| plan.ramp_level(number, *us))
                .collect()
        };
        assert_eq!(levels(0, &[0, 50]), [10, 10]);
        assert_eq!(
            levels(1, &[0, 250, 500, 999, 1_000, 9_000]),
            [10, 35, 60, 109, 110, 110]
        );
        assert_eq!(levels(2, &[0, 250, 500]), [110, 85, 60]);
    }

    #[test]
    fn levels_are_shared_out_without_a_remainder() {
        let step = |weights: &[u64]| LoadStepPlan {
            level: 0,
            ramp_us: 0,
            hold_us: 0,
            think_us: None,
            burst: (1, 1),
            weights: weights.to_vec(),
        };
        assert_eq!(step(&[1, 1, 1]).shares(10), [4, 3, 3]);
        assert_eq!(step(&[8, 1, 1]).shares(1_000), [800, 100, 100]);
        assert_eq!(step(&[0, 3]).shares(7), [0, 7]);
        assert_eq!(step(&[5]).shares(0), [0]);
    }
}

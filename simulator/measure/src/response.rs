//! Measures response time and throughput second by second, beside the load that was asked
//! for.
//!
//! Only of the stretch in which clients are promised service, only of workloads, and only
//! whole windows, each of so many whole seconds that there are at most 600.

use squall_history::{EventKind, History, LoadEvent, LoadUnit, PROBE, Phase};

use super::distribution::nearest_rank;
use super::faults::FaultSpan;
use super::timeline::{Class, Span, Timeline};

const SECOND_US: u64 = 1_000_000;
const MOST_WINDOWS: u64 = 600;

/// What clients saw in a stretch of a second or a few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseWindow {
    /// Whole seconds of the run.
    pub span: Span,
    /// Mean of the load that was asked for, in thousandths of a user, or of an operation a
    /// second; `None` where no step of a load was in force all the time.
    pub load: Option<(LoadUnit, u64)>,
    /// Operations that were acknowledged in it, and those that failed or were never answered
    /// of those that were meant to start in it.
    pub acknowledged: u64,
    /// Those that failed or were never answered.
    pub errors: u64,
    /// Microseconds, of acknowledged operations that were meant to start in it, long polls and
    /// waits for locks left out.
    pub p50_us: Option<u64>,
    /// 95th percentile of the same.
    pub p95_us: Option<u64>,
    /// Whether a fault was in force at any time of it: what happens then has a cause.
    pub is_disturbed: bool,
}

impl ResponseWindow {
    /// Thousandths.
    pub fn per_second(&self) -> u64 {
        self.acknowledged * 1_000_000_000 / self.span.length_us().max(1)
    }
}

/// In order of time; empty of a run that did not come to its chaos phase.
pub fn response(
    history: &History,
    timeline: &Timeline<'_>,
    faults: &[FaultSpan],
) -> Vec<ResponseWindow> {
    let Some(measured) = timeline.measured() else {
        return Vec::new();
    };
    let seconds = measured.length_us() / SECOND_US;
    let length_us = seconds.div_ceil(MOST_WINDOWS).max(1) * SECOND_US;
    let count = (measured.length_us() / length_us) as usize;
    let place = |at_us: u64| {
        let place = at_us.checked_sub(measured.from_us)? / length_us;
        usize::try_from(place).ok().filter(|place| *place < count)
    };
    let mut latencies = vec![Vec::new(); count];
    let mut windows: Vec<ResponseWindow> = (0..count as u64)
        .map(|number| measured.from_us + number * length_us)
        .map(|from_us| ResponseWindow {
            span: Span {
                from_us,
                to_us: from_us + length_us,
            },
            load: None,
            acknowledged: 0,
            errors: 0,
            p50_us: None,
            p95_us: None,
            is_disturbed: false,
        })
        .collect();
    for (operation, sample) in timeline.asked() {
        if operation.client.starts_with(PROBE) {
            continue;
        }
        let (begun, ended) = (place(sample.start_us), sample.end_us.and_then(place));
        match (sample.class, begun, ended) {
            (Class::Ok, begun, ended) => {
                if let Some(ended) = ended {
                    windows[ended].acknowledged += 1;
                }
                if let (Some(begun), Some(end_us), 0) = (begun, sample.end_us, sample.patience_us) {
                    latencies[begun].push(end_us - sample.start_us);
                }
            }
            (Class::Failed | Class::Unknown, Some(begun), _) => windows[begun].errors += 1,
            _ => {}
        }
    }
    for (window, mut latencies) in windows.iter_mut().zip(latencies) {
        latencies.sort_unstable();
        window.p50_us = nearest_rank(&latencies, 500);
        window.p95_us = nearest_rank(&latencies, 950);
        window.is_disturbed = faults.iter().any(|fault| is_in_force(fault, window.span));
    }
    set_loads(history, &mut windows);
    windows
}

/// From its first event on, and a second longer: a cluster needs a moment to find itself again.
fn is_in_force(fault: &FaultSpan, span: Span) -> bool {
    let from_us = fault.installed_us.unwrap_or(fault.at_us);
    let until_us = fault.healed_us.map_or(u64::MAX, |at_us| at_us + SECOND_US);
    from_us < span.to_us && until_us > span.from_us
}

struct Step {
    unit: LoadUnit,
    from: u64,
    to: u64,
    at_us: u64,
    ramp_us: u64,
    until_us: u64,
}

fn set_loads(history: &History, windows: &mut [ResponseWindow]) {
    let mut steps: Vec<Step> = Vec::new();
    for event in &history.events {
        let ends = match &event.kind {
            EventKind::Load {
                event:
                    LoadEvent::Step {
                        unit,
                        from,
                        to,
                        ramp_us,
                        ..
                    },
            } => Some(Step {
                unit: *unit,
                from: *from,
                to: *to,
                at_us: event.at_us,
                ramp_us: *ramp_us,
                until_us: u64::MAX,
            }),
            EventKind::Phase { phase } if *phase > Phase::Chaos => None,
            _ => continue,
        };
        if let Some(last) = steps.last_mut() {
            last.until_us = last.until_us.min(event.at_us);
        }
        steps.extend(ends);
    }
    for window in windows {
        let Span { from_us, to_us } = window.span;
        let within = |step: &&Step| step.at_us <= from_us && to_us <= step.until_us;
        window.load = steps.iter().find(within).map(|step| {
            let mean = step.level(from_us).midpoint(step.level(to_us));
            // Rates are recorded by the hour.
            let mean = match step.unit {
                LoadUnit::Users => mean,
                LoadUnit::PerHour => mean / 3_600,
            };
            (step.unit, mean)
        });
    }
}

impl Step {
    /// In thousandths.
    fn level(&self, at_us: u64) -> u64 {
        let passed_us = at_us.saturating_sub(self.at_us).min(self.ramp_us);
        let share = |level: u64, us: u64| {
            let share = u128::from(level) * 1_000 * u128::from(us);
            share.checked_div(u128::from(self.ramp_us))
        };
        let (from, to) = (
            share(self.from, self.ramp_us - passed_us),
            share(self.to, passed_us),
        );
        let level = from
            .zip(to)
            .map_or(u128::from(self.to) * 1_000, |(from, to)| from + to);
        u64::try_from(level).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;
    use squall_history::Event;

    #[test]
    fn windows_know_their_load_and_what_clients_saw_under_it() {
        let mut script = Script::new();
        script
            .phase(0, Phase::Warmup)
            .phase(1_000_000, Phase::Chaos);
        // One every 10 ms, each answered after 2 ms.
        script.gets(0, 6_000_000, 10_000, 2_000);
        let mut history = script.end(6_100_000);
        let step = LoadEvent::Step {
            step: 0,
            unit: LoadUnit::Users,
            from: 0,
            to: 8,
            ramp_us: 4_000_000,
        };
        history.events.push(Event {
            at_us: 1_000_000,
            kind: EventKind::Load { event: step },
        });
        history.events.sort_by_key(|event| event.at_us);
        let windows = response(&history, &Timeline::of(&history), &[]);
        let loads: Vec<u64> = windows
            .iter()
            .map(|window| window.load.expect("a step").1)
            .collect();
        assert_eq!(loads, [1_000, 3_000, 5_000, 7_000, 8_000]);
        assert_eq!(
            (windows[1].acknowledged, windows[1].per_second()),
            (100, 100_000)
        );
        assert_eq!(
            (windows[1].p50_us, windows[1].p95_us, windows[1].errors),
            (Some(2_000), Some(2_000), 0)
        );
    }
}

//! Objectives that may be missed for a while, looked at second by second while a run works.
//!
//! The report looks again when all is known: it counts an operation that failed where it was
//! meant to start, which here is where it ended.

use crate::history::Phase;
use crate::objective::{Bound, Metric, Objective};

/// An objective whose limit is passed, or nearly so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Risk {
    pub(super) what: String,
    pub(super) for_us: u64,
    pub(super) limit_us: u64,
}

const SECOND_US: u64 = 1_000_000;

/// Objectives with a grace that are watched: error rates, and throughput of all services.
#[derive(Default)]
pub(super) struct Levels {
    watched: Vec<Watched>,
    /// Whose seconds are counted, and the start of the one at hand.
    now: Option<(Phase, u64)>,
    acked: u64,
    errors: u64,
    /// Operations of workloads without an answer.
    outstanding: u64,
    /// Whether there was any in this second: when the load is over, nobody expects an answer.
    was_asked: bool,
}

struct Watched {
    figure: Metric,
    limit: u64,
    grace_us: u64,
    /// First and last moment of the seconds at a stretch that missed the limit.
    missed: Option<(u64, u64)>,
}

impl Levels {
    pub(super) fn of(objectives: &[Objective]) -> Self {
        let watched = objectives.iter().filter_map(|objective| {
            let is_watched = matches!(
                objective.figure,
                Metric::ErrorRate { .. } | Metric::Throughput { service: None, .. }
            );
            let grace_us = objective.grace_us.filter(|_| is_watched)?;
            Some(Watched {
                figure: objective.figure.clone(),
                limit: objective.limit,
                grace_us,
                missed: None,
            })
        });
        Self {
            watched: watched.collect(),
            ..Self::default()
        }
    }

    /// Only whole seconds of one phase count.
    pub(super) fn enter(&mut self, phase: Phase, at_us: u64) {
        self.move_to(at_us);
        self.now = Some((phase, at_us));
        self.begin();
        let over = |watched: &&mut Watched| !is_of(&watched.figure, phase);
        (self.watched.iter_mut().filter(over)).for_each(|watched| watched.missed = None);
    }

    /// Nothing happened until then but what was told.
    pub(super) fn move_to(&mut self, at_us: u64) {
        while let Some((phase, from_us)) = self.now
            && at_us >= from_us + SECOND_US
        {
            self.judge(phase, from_us);
            self.now = Some((phase, from_us + SECOND_US));
            self.begin();
        }
    }

    pub(super) fn asked(&mut self) {
        self.outstanding += 1;
        self.was_asked = true;
    }

    pub(super) fn ended(&mut self, is_acknowledged: bool) {
        self.outstanding = self.outstanding.saturating_sub(1);
        match is_acknowledged {
            true => self.acked += 1,
            false => self.errors += 1,
        }
    }

    fn begin(&mut self) {
        (self.acked, self.errors) = (0, 0);
        self.was_asked = self.outstanding > 0;
    }

    fn judge(&mut self, phase: Phase, from_us: u64) {
        let (acked, ended) = (self.acked, self.acked + self.errors);
        let error_ppm = (self.errors * 1_000_000).checked_div(ended);
        for watched in &mut self.watched {
            let value = match watched.figure {
                Metric::Throughput { .. } => self.was_asked.then_some(acked * 1_000),
                _ => error_ppm,
            };
            let value = value.filter(|_| is_of(&watched.figure, phase));
            // A second that says nothing neither begins nor ends a stretch.
            let Some(value) = value else {
                continue;
            };
            watched.missed = match watched.figure.bound().is_kept(value, watched.limit) {
                true => None,
                false => {
                    let (since_us, _) = watched.missed.unwrap_or((from_us, from_us));
                    Some((since_us, from_us + SECOND_US))
                }
            };
        }
    }

    /// Limits that have been missed for more than half of what they may be.
    pub(super) fn at_risk(&self) -> impl Iterator<Item = Risk> {
        self.watched.iter().filter_map(|watched| {
            let Watched {
                figure,
                limit,
                grace_us,
                missed,
            } = watched;
            let (from_us, to_us) = (*missed)?;
            let for_us = to_us - from_us;
            let side = match figure.bound() {
                Bound::AtMost => "above",
                Bound::AtLeast => "below",
            };
            let limit = figure.unit().text(figure.unit().number(*limit));
            (for_us > grace_us / 2).then(|| Risk {
                what: format!("{figure} {side} {limit} for"),
                for_us,
                limit_us: *grace_us,
            })
        })
    }
}

/// Whether the figure is counted in this phase.
fn is_of(figure: &Metric, phase: Phase) -> bool {
    match figure {
        Metric::Throughput { .. } => phase == Phase::Chaos,
        Metric::ErrorRate { phase: Some(of) } => *of == phase,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::Rate;

    fn levels() -> Levels {
        let objective = |figure, limit| Objective {
            figure,
            limit,
            grace_us: Some(2 * SECOND_US),
        };
        let throughput = Metric::Throughput {
            service: None,
            rate: Rate::Sustained,
        };
        Levels::of(&[
            objective(Metric::ErrorRate { phase: None }, 100_000),
            objective(throughput, 3_000),
            Objective {
                grace_us: None,
                ..objective(Metric::ErrorRate { phase: None }, 0)
            },
        ])
    }

    /// A second with so many operations that are answered, and that are not.
    fn second(levels: &mut Levels, from_us: u64, acked: u64, errors: u64) {
        levels.move_to(from_us);
        for number in 0..acked + errors {
            levels.asked();
            levels.ended(number < acked);
        }
    }

    fn announced(levels: &mut Levels, at_us: u64) -> Vec<(String, u64)> {
        levels.move_to(at_us);
        let risks = levels.at_risk();
        risks.map(|risk| (risk.what, risk.for_us)).collect()
    }

    #[test]
    fn a_limit_missed_for_half_its_grace_is_announced() {
        let mut levels = levels();
        second(&mut levels, 0, 0, 9);
        levels.enter(Phase::Chaos, 500_000);
        second(&mut levels, 500_000, 8, 2);
        let none: [(String, u64); 0] = [];
        assert_eq!(
            announced(&mut levels, 1_400_000),
            none,
            "the second is not over"
        );
        assert_eq!(announced(&mut levels, 1_500_000), none, "half of the grace");
        second(&mut levels, 1_500_000, 1, 1);
        let errors = |for_us| ("error_rate above 10 % for".to_owned(), for_us);
        let slow = |for_us| ("throughput.sustained below 3/s for".to_owned(), for_us);
        assert_eq!(announced(&mut levels, 2_500_000), [errors(2 * SECOND_US)]);
        // Clients wait, and nobody is told anything.
        levels.asked();
        let both = [errors(2 * SECOND_US), slow(3 * SECOND_US)];
        assert_eq!(announced(&mut levels, 4_500_000), both);
        levels.ended(true);
        second(&mut levels, 4_500_000, 9, 1);
        assert_eq!(
            announced(&mut levels, 5_500_000),
            none,
            "both are kept again"
        );
    }

    #[test]
    fn nothing_is_missed_after_the_load() {
        let mut levels = levels();
        levels.enter(Phase::Chaos, 0);
        second(&mut levels, 0, 5, 0);
        assert_eq!(announced(&mut levels, 50 * SECOND_US), []);
        second(&mut levels, 50 * SECOND_US, 1, 0);
        second(&mut levels, 51 * SECOND_US, 1, 0);
        assert_eq!(announced(&mut levels, 52 * SECOND_US).len(), 1);
        levels.enter(Phase::Serve, 60 * SECOND_US);
        second(&mut levels, 60 * SECOND_US, 1, 0);
        second(&mut levels, 61 * SECOND_US, 1, 0);
        assert_eq!(
            announced(&mut levels, 63 * SECOND_US),
            [],
            "throughput is that of chaos"
        );
    }
}

//! Estimates how objectives stand while a run works.
//!
//! An estimate is no verdict; the report judges when all is known. An objective is
//! *missed* when nothing that may still come could mend it, and *at risk* when more than half
//! of what may be missed is used up, or when it would be missed if the run ended now.

use serde::Serialize;
use squall_objective::objective::{Looked, Metric, Objective, Rate};

use crate::stretch::Stretch;

/// How an objective stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing is known of it yet; of some nothing can be before the end.
    #[default]
    Open,
    Kept,
    AtRisk,
    Missed,
}

/// An objective and how it stands.
#[derive(Debug)]
pub struct Watched {
    pub objective: Objective,
    pub standing: Standing,
    /// In the small unit of the figure: of the last second where there is a grace, else so far.
    pub value: Option<u64>,
    /// Seconds that missed the limit.
    stretch: Stretch,
}

impl Watched {
    /// For how long it has been missed at a stretch, and how long it may be.
    pub fn missed_for_us(&self) -> Option<(u64, u64)> {
        let grace_us = self.objective.grace_us?;
        self.stretch.since_us()?;
        Some((self.stretch.length_us(), grace_us))
    }

    /// From where on it is at risk, in the small unit; `None`: there is no such value.
    pub fn warning(&self) -> Option<u64> {
        let is_used_up = self.objective.grace_us.is_none() && is_for_good(&self.objective.figure);
        (is_used_up && !is_a_rate(&self.objective.figure)).then_some(self.objective.limit / 2)
    }

    fn by_seconds(&self) -> bool {
        self.objective.grace_us.is_some() && self.objective.figure.looked() == Looked::BySecond
    }

    fn judge(&mut self) {
        if self.standing == Standing::Missed {
            return;
        }
        let Objective {
            figure,
            limit,
            grace_us,
        } = &self.objective;
        let is_kept = |limit: u64| self.value.map(|value| figure.bound().is_kept(value, limit));
        self.standing = match (grace_us.filter(|_| self.by_seconds()), is_kept(*limit)) {
            (Some(grace_us), _) if self.stretch.length_us() > grace_us => Standing::Missed,
            (Some(grace_us), _) if self.stretch.length_us() > grace_us / 2 => Standing::AtRisk,
            (Some(_), None) | (None, None) => self.standing,
            (Some(_), Some(_)) => Standing::Kept,
            (None, Some(false)) if is_for_good(figure) => Standing::Missed,
            (None, Some(false)) => Standing::AtRisk,
            (None, Some(true)) => match self.warning().and_then(is_kept) {
                Some(false) => Standing::AtRisk,
                _ => Standing::Kept,
            },
        };
    }
}

/// Whether a limit that was broken once stays broken.
fn is_for_good(figure: &Metric) -> bool {
    match figure {
        Metric::DowntimeMax | Metric::Election { .. } | Metric::Memory => true,
        Metric::Throughput { rate, .. } => *rate == Rate::Minimum,
        _ => false,
    }
}

fn is_a_rate(figure: &Metric) -> bool {
    matches!(figure, Metric::Throughput { .. })
}

/// Objectives in the order of the plan.
#[derive(Debug)]
pub struct Standings {
    watched: Vec<Watched>,
}

impl Standings {
    pub fn of(objectives: &[Objective]) -> Self {
        let watched = objectives.iter().map(|objective| Watched {
            objective: objective.clone(),
            standing: Standing::Open,
            value: None,
            stretch: Stretch::default(),
        });
        Self {
            watched: watched.collect(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Watched> {
        self.watched.iter()
    }

    /// A phase begins: what does not count in it is not missed any longer.
    pub(super) fn enter(&mut self, not_now: impl Fn(&Metric) -> bool) {
        for watched in &mut self.watched {
            if not_now(&watched.objective.figure) {
                watched.stretch.end();
            }
        }
    }

    /// A second is over.
    pub(super) fn end_second(
        &mut self,
        from_us: u64,
        to_us: u64,
        value: impl Fn(&Metric) -> Option<u64>,
    ) {
        for watched in &mut self.watched {
            let figure = &watched.objective.figure;
            let Some(value) = value(figure) else {
                continue;
            };
            if watched.by_seconds() {
                let is_kept = figure.bound().is_kept(value, watched.objective.limit);
                watched.stretch.look(from_us, to_us, Some(is_kept));
                watched.value = Some(value);
                watched.judge();
            } else if let Metric::Throughput { rate, .. } = figure {
                // Fewest and most of any whole second so far.
                let so_far = watched.value;
                watched.value = match rate {
                    Rate::Minimum => Some(so_far.map_or(value, |least| least.min(value))),
                    Rate::Peak => so_far.max(Some(value)),
                    Rate::Sustained => so_far,
                };
                watched.judge();
            }
        }
    }

    /// Takes in figures as they are so far.
    pub(super) fn look(&mut self, value: impl Fn(&Metric) -> Option<u64>) {
        for watched in &mut self.watched {
            let is_of_seconds = matches!(
                watched.objective.figure,
                Metric::Throughput {
                    rate: Rate::Minimum | Rate::Peak,
                    ..
                }
            );
            if watched.by_seconds() || is_of_seconds {
                continue;
            }
            let value = value(&watched.objective.figure);
            watched.value = match is_for_good(&watched.objective.figure) {
                true => watched.value.max(value),
                false => value.or(watched.value),
            };
            watched.judge();
        }
    }

    /// The run is over: what is broken now stays so.
    pub(super) fn finish(&mut self) {
        for watched in &mut self.watched {
            let Objective { figure, limit, .. } = &watched.objective;
            let is_broken = (watched.value).is_some_and(|v| !figure.bound().is_kept(v, *limit));
            watched.standing = match watched.standing {
                Standing::AtRisk if is_broken && !watched.by_seconds() => Standing::Missed,
                Standing::AtRisk => Standing::Kept,
                standing => standing,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn standings(figure: &str, limit: u64, grace_us: Option<u64>) -> Standings {
        Standings::of(&[Objective {
            figure: figure.parse().expect("a figure"),
            limit,
            grace_us,
        }])
    }

    fn standing(standings: &Standings) -> Standing {
        standings.watched[0].standing
    }

    #[test]
    fn with_a_grace_half_of_it_is_a_risk_and_all_of_it_a_miss() {
        let mut standings = standings("error_rate", 10, Some(2 * SECOND));
        let mut after = |value: u64, second: u64| {
            standings.end_second(second * SECOND, (second + 1) * SECOND, |_| Some(value));
            standing(&standings)
        };
        use Standing::{AtRisk, Kept, Missed};
        let seen = [5, 20, 20, 5, 20, 20, 20, 5].into_iter().zip(0..);
        let seen: Vec<Standing> = seen.map(|(value, second)| after(value, second)).collect();
        assert_eq!(
            seen,
            [Kept, Kept, AtRisk, Kept, Kept, AtRisk, Missed, Missed]
        );
    }

    #[test]
    fn a_limit_that_cannot_be_mended_is_at_risk_by_half() {
        let mut standings = standings("downtime_max", 100, None);
        let mut after = |value| {
            standings.look(|_| value);
            standing(&standings)
        };
        use Standing::{AtRisk, Kept, Missed, Open};
        let seen = [None, Some(50), Some(51), Some(10), Some(101), Some(0)].map(&mut after);
        assert_eq!(seen, [Open, Kept, AtRisk, AtRisk, Missed, Missed]);
    }

    #[test]
    fn what_may_still_be_mended_is_missed_at_the_end_only() {
        let mut standings = standings("success_rate", 900_000, None);
        standings.look(|_| Some(800_000));
        assert_eq!(standing(&standings), Standing::AtRisk);
        standings.look(|_| Some(950_000));
        assert_eq!(standing(&standings), Standing::Kept);
        standings.look(|_| Some(850_000));
        standings.finish();
        assert_eq!(standing(&standings), Standing::Missed);
    }
}

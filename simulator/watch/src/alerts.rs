//! Alerts of a plan, as a run goes on: when each begins and ends.
//!
//! Everything here is in the time of the run, so that a simulation at any pace, and a stored
//! history, have the same spells. What is done about them is [`crate::actions`]' matter.

use squall_objective::alert::{Alert, AlertReport, AlertSpell, AlertStatus};
use squall_objective::fixed::Ms;
use squall_objective::objective::{Bound, Looked};

use crate::stretch::Stretch;

/// Spells of an alert that are kept; later ones are acted upon and not listed.
const MOST_SPELLS: usize = 1_000;

/// An alert has begun or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Place of the alert in the plan.
    pub alert: usize,
    /// Which time that it is on, from 1.
    pub spell: u64,
    pub status: AlertStatus,
    /// Microseconds of the run.
    pub at_us: u64,
    /// From when on the limit was broken.
    pub since_us: u64,
    /// What the figure is at a begin, and what it was at its worst at an end; in its small unit.
    pub value: u64,
    /// It ended because the run did.
    pub is_over: bool,
}

/// One alert and how it stands.
#[derive(Debug)]
struct Rule {
    alert: Alert,
    stretch: Stretch,
    /// The value furthest beyond the limit in the stretch or the spell.
    worst: u64,
    /// When it began, while it is on: since when the limit was broken, and from when it is on.
    on: Option<(u64, u64)>,
    count: u64,
    spells: Vec<AlertSpell>,
}

/// Alerts in the order of the plan.
#[derive(Debug)]
pub struct Alerts {
    rules: Vec<Rule>,
    /// What nobody has taken yet.
    changes: Vec<Change>,
}

impl Alerts {
    pub fn of(alerts: &[Alert]) -> Self {
        let rules = alerts.iter().map(|alert| Rule {
            alert: alert.clone(),
            stretch: Stretch::default(),
            worst: 0,
            on: None,
            count: 0,
            spells: Vec::new(),
        });
        Self {
            rules: rules.collect(),
            changes: Vec::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Takes in the figures of those that are looked at in this way, from one moment to
    /// another. `Ok(None)` says nothing; an error: the figure does not count in this phase.
    pub(crate) fn look(
        &mut self,
        looked: Looked,
        from_us: u64,
        to_us: u64,
        value: impl Fn(&Alert) -> Result<Option<u64>, NotNow>,
    ) {
        for (place, rule) in self.rules.iter_mut().enumerate() {
            if rule.alert.metric.looked() != looked {
                continue;
            }
            let change = match value(&rule.alert) {
                Ok(None) => None,
                Ok(Some(value)) => rule.look(from_us, to_us, value),
                Err(NotNow) => {
                    rule.stretch.end();
                    rule.end(from_us, false)
                }
            };
            self.changes.extend(change.map(|change| Change {
                alert: place,
                ..change
            }));
        }
    }

    /// The run is over: what is on ends, and its spell stays open.
    pub(crate) fn finish(&mut self, at_us: u64) {
        for (place, rule) in self.rules.iter_mut().enumerate() {
            let change = rule.end(at_us, true);
            self.changes.extend(change.map(|change| Change {
                alert: place,
                ..change
            }));
        }
    }

    /// What has begun and ended since this was asked last.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Those that are on: the alert, and from when.
    pub fn on(&self) -> impl Iterator<Item = (&Alert, u64)> {
        self.rules
            .iter()
            .filter_map(|rule| Some((&rule.alert, rule.on?.1)))
    }

    /// Each alert, how often it has begun, and whether it is on.
    pub fn counts(&self) -> impl Iterator<Item = (&Alert, u64, bool)> {
        self.rules
            .iter()
            .map(|rule| (&rule.alert, rule.count, rule.on.is_some()))
    }

    /// What the run showed of each.
    pub fn reports(&self) -> Vec<AlertReport> {
        let report = |rule: &Rule| AlertReport {
            name: rule.alert.name.clone(),
            severity: rule.alert.severity,
            condition: rule.alert.condition(),
            unit: rule.alert.metric.unit(),
            spells: rule.spells.clone(),
        };
        self.rules.iter().map(report).collect()
    }
}

/// A figure does not count in the phase at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotNow;

impl Rule {
    fn look(&mut self, from_us: u64, to_us: u64, value: u64) -> Option<Change> {
        let bound = self.alert.metric.bound();
        let is_kept = bound.is_kept(value, self.alert.limit);
        if !is_kept {
            let is_first = self.stretch.since_us().is_none() && self.on.is_none();
            self.worst = match (is_first, bound) {
                (true, _) => value,
                (false, Bound::AtMost) => self.worst.max(value),
                (false, Bound::AtLeast) => self.worst.min(value),
            };
        }
        self.stretch.look(from_us, to_us, Some(is_kept));
        match self.on {
            Some(_) if bound.is_kept(value, self.alert.clear) => self.end(to_us, false),
            Some(_) => None,
            None => {
                let since_us = self.stretch.since_us()?;
                if self.stretch.length_us() < self.alert.for_us {
                    return None;
                }
                self.on = Some((since_us, to_us));
                self.count += 1;
                Some(self.change(AlertStatus::Begun, to_us, since_us, value))
            }
        }
    }

    fn end(&mut self, at_us: u64, is_over: bool) -> Option<Change> {
        let (since_us, begun_us) = self.on.take()?;
        let at_us = at_us.max(begun_us);
        if self.spells.len() < MOST_SPELLS {
            self.spells.push(AlertSpell {
                since_ms: Ms::of(since_us),
                begun_ms: Ms::of(begun_us),
                ended_ms: (!is_over).then(|| Ms::of(at_us)),
                worst: self.alert.metric.unit().number(self.worst),
            });
        }
        Some(Change {
            is_over,
            ..self.change(AlertStatus::Ended, at_us, since_us, self.worst)
        })
    }

    fn change(&self, status: AlertStatus, at_us: u64, since_us: u64, value: u64) -> Change {
        Change {
            // Whoever holds the rules knows the place.
            alert: 0,
            spell: self.count,
            status,
            at_us,
            since_us,
            value,
            is_over: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_objective::alert::Severity;

    const SECOND: u64 = 1_000_000;

    fn alert(figure: &str, limit: u64, clear: u64, for_us: u64) -> Alert {
        Alert {
            name: figure.into(),
            metric: figure.parse().expect("a figure"),
            limit,
            clear,
            for_us,
            severity: Severity::Warning,
            actions: Vec::new(),
        }
    }

    /// Looks at a value every second from 0 on; what changed, and when.
    fn changes(
        alerts: &mut Alerts,
        values: &[Result<Option<u64>, NotNow>],
    ) -> Vec<(AlertStatus, u64)> {
        for (second, value) in (0..).zip(values) {
            let from_us = second * SECOND;
            alerts.look(Looked::BySecond, from_us, from_us + SECOND, |_| *value);
        }
        let changes = alerts.take_changes().into_iter();
        changes.map(|c| (c.status, c.at_us / SECOND)).collect()
    }

    use AlertStatus::{Begun, Ended};

    #[test]
    fn it_begins_once_after_the_limit_was_broken_for_long_enough_and_ends_once() {
        let mut alerts = Alerts::of(&[alert("error_rate", 50, 50, 2 * SECOND)]);
        let values = [60, 40, 60, 60, 90, 60, 50, 60].map(|value| Ok(Some(value)));
        assert_eq!(changes(&mut alerts, &values), [(Begun, 4), (Ended, 7)]);
        let spells = &alerts.reports()[0].spells;
        assert_eq!(spells.len(), 1);
        assert_eq!(spells[0].since_ms.get(), 2 * SECOND);
        assert_eq!(spells[0].ended_ms.map(Ms::get), Some(7 * SECOND));
        assert_eq!(spells[0].worst.to_string(), "0.0090", "90 ppm");
    }

    #[test]
    fn what_hovers_about_the_limit_is_one_spell_if_it_must_clear() {
        let values = [60, 45, 60, 45, 60, 20, 60].map(|value| Ok(Some(value)));
        let mut flaps = Alerts::of(&[alert("error_rate", 50, 50, 0)]);
        let at_once = changes(&mut flaps, &values);
        assert_eq!(at_once.len(), 7, "{at_once:?}");
        let mut holds = Alerts::of(&[alert("error_rate", 50, 20, 0)]);
        assert_eq!(
            changes(&mut holds, &values),
            [(Begun, 1), (Ended, 6), (Begun, 7)]
        );
    }

    #[test]
    fn silence_says_nothing_and_the_end_of_the_phase_ends_it() {
        let mut alerts = Alerts::of(&[alert("throughput.minimum", 50, 50, 2 * SECOND)]);
        let values = [
            Ok(Some(10)),
            Ok(None),
            Ok(Some(9)),
            Ok(None),
            Err(NotNow),
            Ok(Some(1)),
        ];
        assert_eq!(changes(&mut alerts, &values), [(Begun, 3), (Ended, 4)]);
        assert_eq!(alerts.reports()[0].spells[0].worst.to_string(), "0.0090");
    }

    #[test]
    fn the_end_of_the_run_notifies_once_and_leaves_the_spell_open() {
        let mut alerts = Alerts::of(&[alert("error_rate", 50, 50, 0)]);
        assert_eq!(changes(&mut alerts, &[Ok(Some(60))]), [(Begun, 1)]);
        alerts.finish(3 * SECOND);
        alerts.finish(4 * SECOND);
        let last = alerts.take_changes();
        assert_eq!(last.len(), 1);
        assert!(last[0].is_over && last[0].spell == 1 && last[0].at_us == 3 * SECOND);
        assert_eq!(alerts.reports()[0].spells[0].ended_ms, None);
    }

    #[test]
    fn alerts_are_looked_at_as_their_figures_are() {
        let mut alerts = Alerts::of(&[alert("downtime_max", 50, 50, 0)]);
        assert_eq!(changes(&mut alerts, &[Ok(Some(60))]), []);
        alerts.look(Looked::AtOnce, 5, 5, |_| Ok(Some(60)));
        assert_eq!(alerts.take_changes().len(), 1);
    }
}

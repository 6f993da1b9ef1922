//! Describes the notice that an action receives.

use serde::Serialize;
use squall_objective::alert::{Alert, AlertStatus, Severity};
use squall_objective::fixed::{Ms, Number};
use squall_objective::objective::Unit;

use crate::alerts::Change;

/// The run that notices are of.
#[derive(Debug, Clone)]
pub struct Source {
    /// With its variant, if it has any: `NAME-VARIANT`.
    pub scenario: String,
    /// Of the run.
    pub seed: u64,
    /// As `--backend` takes it.
    pub backend: String,
}

/// What an action receives, as JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// The same for one begin or end in every notice of it: `SCENARIO-SEED/ALERT/SPELL/STATUS`.
    pub id: String,
    /// As in [`Source`].
    pub scenario: String,
    /// As in [`Source`].
    pub seed: u64,
    /// As in [`Source`].
    pub backend: String,
    /// Its name, as in the scenario.
    pub alert: String,
    /// As in the scenario.
    pub severity: Severity,
    /// Whether it begins or ends.
    pub status: AlertStatus,
    /// Which time that the alert is on, from 1.
    pub spell: u64,
    /// When it is on: `error_rate above 5 %`.
    pub condition: String,
    /// `error_rate`, `latency.lock.acquire.p95`.
    pub figure: String,
    /// Of `limit` and of the value.
    pub unit: Unit,
    /// Beyond it the alert is on.
    pub limit: Number,
    /// At a begin what it is, at an end what it was at its worst.
    pub value: Number,
    /// When it began or ended, in the time of the run.
    pub at_ms: Ms,
    /// From when on the limit was broken.
    pub since_ms: Ms,
    /// It ended because the run did.
    pub run_over: bool,
}

impl Notice {
    /// Of a change of this alert.
    pub fn of(source: &Source, alert: &Alert, change: &Change) -> Self {
        let Source {
            scenario,
            seed,
            backend,
        } = source.clone();
        let unit = alert.metric.unit();
        let status = change.status;
        Self {
            id: format!(
                "{scenario}-{seed}/{}/{}/{}",
                alert.name,
                change.spell,
                status.name()
            ),
            scenario,
            seed,
            backend,
            alert: alert.name.clone(),
            severity: alert.severity,
            status,
            spell: change.spell,
            condition: alert.condition(),
            figure: alert.metric.to_string(),
            unit,
            limit: unit.number(alert.limit),
            value: unit.number(change.value),
            at_ms: Ms::of(change.at_us),
            since_ms: Ms::of(change.since_us),
            run_over: change.is_over,
        }
    }

    pub(super) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data")
    }

    /// For programs that read no JSON.
    pub(super) fn variables(&self) -> [(&'static str, String); 8] {
        [
            ("SQUALL_ALERT", self.alert.clone()),
            ("SQUALL_ALERT_STATUS", self.status.name().into()),
            ("SQUALL_ALERT_SEVERITY", self.severity.name().into()),
            ("SQUALL_ALERT_CONDITION", self.condition.clone()),
            ("SQUALL_ALERT_VALUE", self.unit.text(self.value)),
            ("SQUALL_ALERT_SPELL", self.spell.to_string()),
            ("SQUALL_SCENARIO", self.scenario.clone()),
            ("SQUALL_SEED", self.seed.to_string()),
        ]
    }
}

//! Alerts: conditions that somebody wants to be notified of while a run works.
//!
//! An alert watches a figure of the one vocabulary ([`Metric`]). It begins when the figure has
//! been beyond its limit for long enough, and ends when it is back within a limit that may be
//! stricter, so that a figure that hovers about the limit does not begin and end it again and
//! again. From its begin to its end is a spell. What is done then are its actions.
//!
//! Not here: how figures are counted while a run works, and how actions are carried out.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fixed::{Ms, Number};
use crate::objective::{Bound, Metric, Unit};

/// Most alerts of a scenario.
pub const MOST_ALERTS: usize = 32;

/// What is watched, and what is done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Unique in its scenario.
    pub name: String,
    /// The figure that is watched.
    pub metric: Metric,
    /// In the small unit of [`Metric::unit`]; the alert is on beyond it, on the side that
    /// [`Metric::bound`] says.
    pub limit: u64,
    /// The alert ends only when the figure is within this; no laxer than the limit.
    pub clear: u64,
    /// It begins when the limit has been broken for so long at a stretch. 0: at once.
    pub for_us: u64,
    /// How urgent it is to whoever receives it.
    pub severity: Severity,
    /// What is done at each begin and each end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<AlertAction>,
}

impl Alert {
    /// `error_rate above 5 %`: when it is on.
    pub fn condition(&self) -> String {
        let side = beyond(self.metric.bound());
        let unit = self.metric.unit();
        format!(
            "{} {side} {}",
            self.metric,
            unit.text(unit.number(self.limit))
        )
    }
}

/// On which side of its limit a figure breaks it.
pub fn beyond(bound: Bound) -> &'static str {
    match bound {
        Bound::AtMost => "above",
        Bound::AtLeast => "below",
    }
}

/// How much an alert matters.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know; nobody has to act.
    Info,
    /// To be looked at in working hours.
    #[default]
    Warning,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// As scenarios write it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// What is done when an alert begins, and again when it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertAction {
    /// A program and its arguments; no shell reads them.
    Command(Vec<String>),
    /// A POST of JSON to this `http://` address.
    Webhook(String),
}

impl fmt::Display for AlertAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AlertAction::Command(words) => write!(f, "command {}", words.join(" ")),
            AlertAction::Webhook(address) => write!(f, "webhook {address}"),
        }
    }
}

/// One time that an alert was on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertSpell {
    /// From when on the limit was broken.
    pub since_ms: Ms,
    /// When the alert began: the limit had been broken for long enough.
    pub begun_ms: Ms,
    /// When it ended; `null` if it was on to the end of the run.
    pub ended_ms: Option<Ms>,
    /// The value furthest beyond the limit.
    pub worst: Number,
}

/// An alert, and what a run showed of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertReport {
    /// As in the scenario.
    pub name: String,
    /// As in the scenario.
    pub severity: Severity,
    /// When it is on: `error_rate above 5 %`.
    pub condition: String,
    /// Of the figure.
    pub unit: Unit,
    /// In order of time; empty: it never began.
    pub spells: Vec<AlertSpell>,
}

/// Whether an action is about the begin of a spell or about its end.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// The limit was broken for as long as the alert asks.
    Begun,
    /// The figure is back within the alert's `clear`, or its `limit`.
    Ended,
}

impl AlertStatus {
    /// As notices to actions name it.
    pub fn name(self) -> &'static str {
        match self {
            AlertStatus::Begun => "begun",
            AlertStatus::Ended => "ended",
        }
    }
}

/// What became of an action. It was tried once at most: one that may have arrived is not sent
/// again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActionOutcome {
    /// The alert's name.
    pub alert: String,
    /// Which time that the alert was on, from 1.
    pub spell: u64,
    /// Whether it was sent at its begin or its end.
    pub status: AlertStatus,
    /// `command notify-send`, `webhook http://…`.
    pub action: String,
    /// Why it was not done, as far as is known; `null`: it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_said_in_words() {
        let alert = |figure: &str, limit| Alert {
            name: "a".into(),
            metric: figure.parse().expect("a figure"),
            limit,
            clear: limit,
            for_us: 0,
            severity: Severity::Warning,
            actions: Vec::new(),
        };
        assert_eq!(
            alert("error_rate", 50_000).condition(),
            "error_rate above 5 %"
        );
        let slow = alert("throughput.lock.minimum", 2_500);
        assert_eq!(slow.condition(), "throughput.lock.minimum below 2.5/s");
    }
}

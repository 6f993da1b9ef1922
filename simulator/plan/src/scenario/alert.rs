//! Parses `[[alert]]`: conditions that notify somebody while a run works.
//!
//! A figure by its name in reports, a limit in the figure's own unit, for how long it must be
//! broken, and what is done at each begin and end. An alert changes no verdict.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use toml::Spanned;

use super::bounds::{Checked, problem};
use super::objectives::check_operation;
use super::source::Problem;
use super::unit::{Duration, Share, Size};
use squall_history::Service;
use squall_objective::alert::{Alert, AlertAction, MOST_ALERTS, Severity, beyond};
use squall_objective::objective::{Looked, Metric, Unit};

/// Longest name, command word and address, in bytes.
const LONGEST: usize = 1_000;
/// Most words of a command.
const MOST_WORDS: usize = 64;

/// One `[[alert]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertTable {
    /// Default: the figure.
    pub name: Option<Spanned<String>>,
    /// As in reports: `error_rate`, `latency.lock.acquire.p95`.
    pub figure: Spanned<String>,
    /// In the figure's unit; whether a most or a least is the figure's matter.
    pub limit: Spanned<Quantity>,
    /// Within this it ends. Default: the limit.
    pub clear: Option<Spanned<Quantity>>,
    /// How long the limit must be broken at a stretch. Default 0 s.
    #[serde(rename = "for")]
    pub lasts: Option<Duration>,
    /// Default `warning`.
    #[serde(default)]
    pub severity: Severity,
    /// A program and its arguments.
    pub command: Option<Spanned<Vec<String>>>,
    /// Address of a POST.
    pub webhook: Option<Spanned<String>>,
}

/// A limit as it is written: a number, or a text with a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quantity {
    /// As it is, for figures that are counts.
    Number(u64),
    /// With its unit: `"250ms"`, `"5%"`.
    Text(String),
}

impl Quantity {
    /// In the small unit of `unit`.
    fn value(&self, unit: Unit) -> Result<u64, String> {
        let text = match self {
            Quantity::Number(number) if unit == Unit::Count => return Ok(*number),
            Quantity::Number(number) => number.to_string(),
            Quantity::Text(text) => text.clone(),
        };
        match unit {
            Unit::Ms => text.parse().map(Duration::us),
            Unit::Percent => text.parse().map(|share: Share| share.0.into()),
            Unit::PerSecond => text.parse().map(super::objective_list::per_second_milli),
            Unit::Bytes => text.parse().map(|size: Size| size.0),
            Unit::Count => Err(format!("`{text}` is no whole number")),
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a limit such as \"5%\", \"100ms\", \"200/s\" or 50")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity::Text(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Quantity, E> {
                match u64::try_from(number) {
                    Ok(number) => Ok(Quantity::Number(number)),
                    Err(_) => Err(E::custom("a limit is not negative")),
                }
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// A mistake with its place in the scenario.
type Found<T> = Result<T, Problem>;

impl AlertTable {
    /// The name, and where the author wrote what it comes from.
    fn name(&self) -> &Spanned<String> {
        self.name.as_ref().unwrap_or(&self.figure)
    }

    fn metric(&self) -> Found<Metric> {
        let at = |message| Problem::new(self.figure.span(), message);
        let metric: Metric = self.figure.get_ref().parse().map_err(|_| {
            at(format!(
                "there is no figure `{}`; figures are called as in reports, such as `error_rate`, \
                 `throughput.minimum`, `latency.lock.acquire.p99`, `downtime_max`, `backlog_end`",
                self.figure.get_ref()
            ))
        })?;
        match metric.looked() {
            Looked::AtTheEnd => Err(at(format!(
                "`{metric}` is known when the run is over: write it as an objective; an alert \
                 takes latency, throughput, error_rate, success_rate, hit_rate, downtime_max, \
                 election_max, backlog_end, memory or cpu"
            ))),
            Looked::BySecond | Looked::AtOnce => Ok(metric),
        }
    }

    fn limits(&self, metric: &Metric) -> Found<(u64, u64)> {
        let value = |written: &Spanned<Quantity>| {
            let value = written.get_ref().value(metric.unit());
            value.map_err(|message| Problem::new(written.span(), message))
        };
        let limit = value(&self.limit)?;
        let clear = self.clear.as_ref().map_or(Ok(limit), value)?;
        if !metric.bound().is_kept(clear, limit) {
            let place = self.clear.as_ref().map_or(self.limit.span(), Spanned::span);
            let side = beyond(metric.bound());
            let message =
                format!("clear is {side} the limit: an alert would end before it can begin");
            return Err(Problem::new(place, message));
        }
        Ok((limit, clear))
    }

    /// As the rest of the program knows it, of a table that was checked.
    pub(crate) fn alert(&self) -> Alert {
        let metric = self.metric().expect("the scenario was checked");
        let (limit, clear) = self.limits(&metric).expect("the scenario was checked");
        let command = self.command.iter();
        let command = command.map(|words| AlertAction::Command(words.get_ref().clone()));
        let webhook = self.webhook.iter();
        let webhook = webhook.map(|address| AlertAction::Webhook(address.get_ref().clone()));
        Alert {
            name: self.name().get_ref().clone(),
            metric,
            limit,
            clear,
            for_us: self.lasts.map_or(0, Duration::us),
            severity: self.severity,
            actions: command.chain(webhook).collect(),
        }
    }
}

/// Checks that every alert can begin, and has a name of its own.
pub(super) fn check(alerts: &[Spanned<AlertTable>], asked: &[Service]) -> Checked {
    if let Some(extra) = alerts.get(MOST_ALERTS) {
        return problem(extra.span(), format!("more than {MOST_ALERTS} alerts"));
    }
    for (place, alert) in alerts.iter().enumerate() {
        let alert = alert.get_ref();
        let metric = alert.metric()?;
        check_operation(&metric, alert.figure.span(), asked)?;
        alert.limits(&metric)?;
        check_name(alert.name())?;
        let earlier = alerts[..place].iter().map(|other| other.get_ref().name());
        if earlier
            .into_iter()
            .any(|name| name.get_ref() == alert.name().get_ref())
        {
            let message = format!(
                "another alert is called `{}`; give each a name",
                alert.name().get_ref()
            );
            return problem(alert.name().span(), message);
        }
        if let Some(command) = &alert.command {
            check_command(command)?;
        }
        if let Some(webhook) = &alert.webhook {
            check_webhook(webhook)?;
        }
    }
    Ok(())
}

fn check_name(name: &Spanned<String>) -> Checked {
    let text = name.get_ref();
    let is_fit = !text.trim().is_empty() && text.len() <= LONGEST;
    match is_fit && !text.chars().any(char::is_control) {
        true => Ok(()),
        false => problem(
            name.span(),
            format!("the name of an alert is 1 to {LONGEST} bytes of one line"),
        ),
    }
}

fn check_command(command: &Spanned<Vec<String>>) -> Checked {
    let words = command.get_ref();
    if words.first().is_none_or(String::is_empty) {
        return problem(command.span(), "command names no program");
    }
    if words.len() > MOST_WORDS || words.iter().any(|word| word.len() > LONGEST) {
        let message = format!("command has more than {MOST_WORDS} words of {LONGEST} bytes");
        return problem(command.span(), message);
    }
    match words.iter().any(|word| word.contains('\0')) {
        true => problem(command.span(), "command has a zero byte in it"),
        false => Ok(()),
    }
}

fn check_webhook(webhook: &Spanned<String>) -> Checked {
    let why = match check_http(webhook.get_ref()) {
        Ok(()) => return Ok(()),
        Err(NoHttp::Secure) => {
            "webhook is plain http, for a receiver nearby; let `command` call curl for https"
        }
        Err(NoHttp::NoAddress) => "webhook is an address such as \"http://127.0.0.1:9000/alert\"",
    };
    problem(webhook.span(), why)
}

/// Why nothing can be posted to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoHttp {
    /// It wants TLS, which is not spoken here.
    Secure,
    /// It is no `http://` address with a host, of at most 1,000 bytes of ASCII without spaces.
    NoAddress,
}

/// That something can be posted to this address over plain HTTP.
///
/// # Errors
/// Why not.
pub fn check_http(address: &str) -> Result<(), NoHttp> {
    if address.starts_with("https://") {
        return Err(NoHttp::Secure);
    }
    let rest = address.strip_prefix("http://").unwrap_or_default();
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let is_fit = !host.is_empty() && address.len() <= LONGEST && address.is_ascii();
    match is_fit && !address.contains(|c: char| c.is_ascii_whitespace() || c.is_control()) {
        true => Ok(()),
        false => Err(NoHttp::NoAddress),
    }
}

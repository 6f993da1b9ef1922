//! The pace at which a simulation is shown: its events are recorded no earlier than a clock on
//! the wall that runs as fast as asked says. Virtual time knows nothing of it.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::history::{Event, EventKind, Phase};
use crate::stopwatch::Stopwatch;

/// Thousandths of the run's clock for each of the wall's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace(u64);

const ONE: u64 = 1_000;
const FASTEST: u64 = 1_000_000;

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no pace, such as 1x, 0.5x or 10x");
        let number = text.strip_suffix('x').ok_or_else(wrong)?;
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !are_digits(whole) || !are_digits(rest) || whole.len() > 4 || rest.len() > 3 {
            return Err(wrong());
        }
        let digits: u64 = format!("{whole}{rest:0<3}").parse().map_err(|_| wrong())?;
        match digits {
            1..=FASTEST => Ok(Self(digits)),
            _ => Err(format!("`{text}` is not between 0.001x and 1000x")),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / ONE, self.0 % ONE);
        let rest = format!("{rest:03}");
        match rest.trim_end_matches('0') {
            "" => write!(f, "{whole}x"),
            rest => write!(f, "{whole}.{rest}x"),
        }
    }
}

/// Holds a run back.
pub(super) struct Pacer {
    pace: Pace,
    /// Since the first event.
    since: OnceCell<Stopwatch>,
    is_over: Cell<bool>,
}

impl Pacer {
    pub(super) fn at(pace: Pace) -> Self {
        Self {
            pace,
            since: OnceCell::new(),
            is_over: Cell::new(false),
        }
    }

    /// Waits until this event is due. What is late is not waited for, nor is the audit: there
    /// is nothing to see of it.
    #[allow(clippy::disallowed_methods)] // the thread that simulates is to stop
    pub(super) fn wait_for(&self, event: &Event) {
        if let EventKind::Phase { phase } = event.kind {
            self.is_over.set(phase >= Phase::Audit);
        }
        if self.is_over.get() {
            return;
        }
        let since = self.since.get_or_init(Stopwatch::start);
        let due = Duration::from_micros(event.at_us.saturating_mul(ONE) / self.pace.0);
        if let Some(early) = due.checked_sub(since.elapsed()) {
            std::thread::sleep(early);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_a_multiple() {
        for (text, thousandths) in [
            ("1x", 1_000),
            ("0.5x", 500),
            ("10x", 10_000),
            ("1000x", FASTEST),
            ("0.001x", 1),
        ] {
            assert_eq!(text.parse(), Ok(Pace(thousandths)));
            assert_eq!(Pace(thousandths).to_string(), text);
        }
        for wrong in [
            "1", "x", "0x", "-1x", "1001x", "0.0001x", ".5x", "1.x", "fast",
        ] {
            let error = wrong.parse::<Pace>().expect_err(wrong);
            assert!(error.starts_with(&format!("`{wrong}` is no")), "{error}");
        }
    }
}

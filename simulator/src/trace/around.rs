//! Says which stretch of a run to look at: around an operation, a time, or what broke a check.

use std::str::FromStr;

use super::Window;
use crate::check::{CheckResult, Verdict};
use crate::fault::unit::Duration;
use crate::history::{History, Operation, operations};

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around {
    /// From its invocation to its return.
    Operation(u64),
    /// What the first broken check shows as evidence.
    Violation,
    /// A time of the run, microseconds.
    Time(i64),
}

impl FromStr for Around {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "violation" {
            return Ok(Self::Violation);
        }
        let number = text.strip_prefix("op:").unwrap_or(text);
        if let Ok(op) = number.parse() {
            return Ok(Self::Operation(op));
        }
        let time = text.parse::<Duration>();
        let time = time.map(|time| Self::Time(time.us() as i64));
        time.map_err(|_| {
            "expected an operation by its number such as 812, a time such as 12.3s, or `violation`"
                .into()
        })
    }
}

impl Around {
    /// The stretch, with `margin_us` before and after.
    ///
    /// # Errors
    /// There is nothing of the kind in the run.
    pub fn window(
        self,
        history: &History,
        checks: &[CheckResult],
        margin_us: i64,
    ) -> Result<Window, String> {
        let (from_us, to_us) = match self {
            Self::Time(at_us) => (at_us, at_us),
            Self::Operation(op) => {
                let all = operations(history);
                let operation = all.iter().find(|operation| operation.op == op);
                let operation = operation.ok_or_else(|| {
                    let count = all.len();
                    format!("the run has no operation {op}: its {count} operations count from 0")
                })?;
                stretch([operation]).expect("there is one")
            }
            Self::Violation => violation(history, checks)?,
        };
        Ok(Window {
            from_us: (from_us - margin_us).max(0),
            to_us: to_us + margin_us,
        })
    }
}

fn violation(history: &History, checks: &[CheckResult]) -> Result<(i64, i64), String> {
    let mut broken = checks.iter().filter(|check| check.verdict == Verdict::Fail);
    let broken = broken
        .next()
        .ok_or("no check of the run is broken; name an operation or a time")?;
    let all = operations(history);
    let of_operations = stretch(cited_operations(&broken.evidence, &all));
    let cited = broken.evidence.iter().filter_map(|line| cited(line));
    let times = cited.map(|(at_us, _)| at_us as i64);
    let of_lines = times.clone().min().zip(times.max());
    of_operations.or(of_lines).ok_or_else(|| {
        format!(
            "{} ({}) is broken, but names no operation and no time: {}; give a time",
            broken.property, broken.name, broken.detail
        )
    })
}

fn stretch<'a>(operations: impl IntoIterator<Item = &'a Operation<'a>>) -> Option<(i64, i64)> {
    let times = operations.into_iter().map(|operation| {
        let returned_us = operation.returned_us.unwrap_or(operation.invoked_us);
        (operation.invoked_us as i64, returned_us as i64)
    });
    times.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// When something happened, and who or what it was, as a line of evidence begins:
/// `3.201000 s cache-1: get k1 …`.
pub fn cited(line: &str) -> Option<(u64, &str)> {
    let (seconds, rest) = line.split_once(" s ")?;
    let (whole, micros) = seconds.split_once('.')?;
    let is_exact = micros.len() == 6;
    let at_us = whole.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
    let (who, _) = rest.split_once(':')?;
    is_exact.then_some((at_us, who))
}

/// The operations that lines of evidence name, in the order of the lines, each once.
pub fn cited_operations<'a, 'h>(
    evidence: &[String],
    operations: &'a [Operation<'h>],
) -> Vec<&'a Operation<'h>> {
    let mut found: Vec<&Operation> = Vec::new();
    for line in evidence {
        let Some((at_us, client)) = cited(line) else {
            continue;
        };
        let from = operations.partition_point(|operation| operation.invoked_us < at_us);
        let mut same_time = operations[from..].iter();
        let named = same_time
            .by_ref()
            .take_while(|operation| operation.invoked_us == at_us)
            .find(|operation| operation.client == client && line.contains(&asked(operation)));
        if let Some(named) = named
            && !found.iter().any(|other| other.op == named.op)
        {
            found.push(named);
        }
    }
    found
}

fn asked(operation: &Operation) -> String {
    format!(": {} ->", operation.action)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::words;
    use crate::history::{Action, Event, EventKind, Outcome};

    fn history() -> History {
        let invoke = |at_us, op, client: &str| Event {
            at_us,
            kind: EventKind::Invoke {
                op,
                client: client.into(),
                intended_us: None,
                action: Action::Cancel {
                    name: format!("lock {op}"),
                    session: 7,
                },
            },
        };
        let returned = Event {
            at_us: 5_300_000,
            kind: EventKind::Return {
                op: 1,
                outcome: Outcome::Released,
            },
        };
        History {
            events: vec![
                invoke(5_000_000, 0, "lock-1"),
                invoke(5_000_000, 1, "lock-2"),
                returned,
            ],
        }
    }

    fn broken(evidence: Vec<String>) -> CheckResult {
        CheckResult {
            name: "lock_exclusion".into(),
            property: "L1".into(),
            verdict: Verdict::Fail,
            detail: "two holders".into(),
            checked: 1,
            evidence,
        }
    }

    #[test]
    fn evidence_of_checks_leads_back_to_its_operations() {
        let history = history();
        let all = operations(&history);
        let evidence: Vec<String> = all.iter().rev().map(words::operation).collect();
        let found = cited_operations(&evidence, &all);
        assert_eq!(found.iter().map(|o| o.op).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(cited("3.2 s node-1: leader"), None);
        assert_eq!(cited("harness"), None);
    }

    #[test]
    fn violation_is_where_its_evidence_is() {
        let history = history();
        let all = operations(&history);
        let check = broken(vec![words::operation(&all[1])]);
        let window = Around::Violation.window(&history, &[check], 100_000);
        let expected = Window {
            from_us: 4_900_000,
            to_us: 5_400_000,
        };
        assert_eq!(window, Ok(expected));
        let error = Around::Violation
            .window(&history, &[broken(vec![])], 0)
            .expect_err("no evidence");
        assert!(error.contains("L1 (lock_exclusion) is broken"), "{error}");
        let error = Around::Operation(9).window(&history, &[], 0);
        let error = error.expect_err("there are two");
        assert!(error.contains("no operation 9"), "{error}");
    }

    #[test]
    fn around_takes_numbers_times_and_the_violation() {
        assert_eq!("812".parse(), Ok(Around::Operation(812)));
        assert_eq!("op:812".parse(), Ok(Around::Operation(812)));
        assert_eq!("12.3s".parse(), Ok(Around::Time(12_300_000)));
        assert_eq!("violation".parse(), Ok(Around::Violation));
        let error = "soon".parse::<Around>().expect_err("no time");
        assert!(error.contains("12.3s"), "{error}");
    }
}

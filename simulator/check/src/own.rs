//! Checks from outside: of services and systems that do not ship with Squall.
//!
//! An [`OwnCheck`] looks at the operations of a history and notes its [`Findings`]; the gates
//! and the verdict are those of every other check. [`linearizable`] judges a service by a
//! sequential model of its objects.

use std::fmt::Display;

use indexmap::IndexMap;

use super::linearizability::{Bounds, Specification, Verdict as Found, search};
use super::log_order::call_of;
use super::result::{CheckResult, Judge};
use super::table::{CHECKS, Check};
use super::view::View;
use super::{behind_gates, run, words};
use squall_history::{History, Operation, Service};

/// A property of a service or system from outside.
#[derive(Clone, Copy)]
pub struct OwnCheck {
    /// Unique among all checks: `max_linearizable`.
    pub name: &'static str,
    /// The property's number, as reports show it: `M1`.
    pub property: &'static str,
    /// What [`Findings::count_checked`] counts, in the plural.
    pub counted: &'static str,
    /// Judges the operations, which are in order of invocation.
    pub judge: fn(&[Operation], &mut Findings),
}

impl OwnCheck {
    /// As a row of the table.
    fn row(&self) -> Check {
        Check {
            name: self.name,
            property: self.property,
            promise: "",
            source: "",
            services: &[],
            counted: self.counted,
            is_expected: false,
            judge: |_, _| {},
        }
    }
}

/// What a check finds.
pub struct Findings(Judge);

impl Findings {
    /// One more operation was looked at.
    pub fn count_checked(&mut self) {
        self.0.count_checked();
    }

    /// The property is broken, as these operations show.
    pub fn violation<'a>(
        &mut self,
        what: impl Display,
        evidence: impl IntoIterator<Item = &'a Operation<'a>>,
    ) {
        let lines = evidence.into_iter().map(words::operation);
        self.0.violation(what.to_string(), lines);
    }

    /// The property cannot be decided.
    pub fn unknown(&mut self, why: impl Display) {
        self.0.unknown(why.to_string());
    }
}

/// Judges a history by checks from outside, behind the same gates as
/// [`check_all`](super::check_all).
pub fn check_own(history: &History, checks: &[OwnCheck]) -> Vec<CheckResult> {
    if checks.is_empty() {
        return Vec::new();
    }
    let view = View::new(history);
    let mut results = vec![run(&CHECKS[0], &view)];
    results.extend(checks.iter().map(|check| {
        let mut findings = Findings(Judge::default());
        (check.judge)(&view.operations, &mut findings);
        check.row().result(findings.0)
    }));
    let mut results = behind_gates(history, results);
    results.remove(0);
    results
}

/// Steps of the search that every key may take, and more for each call on it.
const STEPS: u64 = 200_000;
const STEPS_PER_CALL: u64 = 50;
/// What the search of one key may hold.
const BYTES: usize = 1 << 30;

/// Judges whether a service is linearizable: each of its keys by itself, since linearizability
/// is local (Herlihy & Wing, "Linearizability", 1990). `call` says what an operation is to the
/// specification, with its answer if there is one; `None` for what cannot have had an effect
/// and tells nothing. A key whose search takes too much stays unknown.
pub fn linearizable<S: Specification>(
    operations: &[Operation],
    findings: &mut Findings,
    service: Service,
    specification: &S,
    call: impl Fn(&Operation) -> Option<S::Operation>,
) {
    let mut keys: IndexMap<&str, Vec<&Operation>> = IndexMap::new();
    for operation in operations.iter().filter(|o| o.action.service() == service) {
        findings.count_checked();
        let key = operation.action.key().unwrap_or_default();
        keys.entry(key).or_default().push(operation);
    }
    for (key, operations) in keys {
        let calls = operations
            .iter()
            .filter_map(|o| Some((*o, call_of(call(o)?, o))));
        let (operations, calls): (Vec<&Operation>, Vec<_>) = calls.unzip();
        let bounds = Bounds {
            steps: STEPS + STEPS_PER_CALL * calls.len() as u64,
            bytes: BYTES,
        };
        match search(specification, &calls, bounds) {
            Found::Linearizable => {}
            Found::Unknown(_) => findings.unknown(format!(
                "key {key}: no answer within the bound for {} operations",
                calls.len()
            )),
            Found::Violation(stuck) => {
                let order = stuck.order.iter().rev().take(5).rev();
                let evidence = order.chain([&stuck.call]).map(|&place| operations[place]);
                findings.violation(
                    format!("key {key}: no order of the operations explains the last answer"),
                    evidence,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Verdict;
    use crate::testing::Run;
    use squall_history::{Action, Call, Name, OperationClass, Outcome};

    /// A register that keeps the largest number.
    struct Largest;

    impl Specification for Largest {
        /// Offered number, or `None` for a read; and the answer.
        type Operation = (Option<u64>, Option<u64>);
        type State = u64;

        fn initial(&self) -> u64 {
            0
        }

        fn apply(&self, state: &u64, (offered, answer): &Self::Operation) -> Option<u64> {
            let new = (*state).max(offered.unwrap_or(0));
            answer.is_none_or(|answer| answer == new).then_some(new)
        }

        fn is_read(&self, (offered, _): &Self::Operation) -> bool {
            offered.is_none()
        }
    }

    fn own(name: &str) -> Name {
        Name::new(name).expect("a name")
    }

    fn offer(value: Option<u64>) -> Action {
        Action::Call(Call {
            service: Service::Own(own("largest")),
            operation: own("offer"),
            class: OperationClass::Write,
            key: Some("k".into()),
            arguments: json!(value),
        })
    }

    fn answer(value: u64) -> Outcome {
        let value = json!(value);
        Outcome::Answered { value }
    }

    const CHECK: OwnCheck = OwnCheck {
        name: "largest_linearizable",
        property: "X1",
        counted: "offers",
        judge: |operations, findings| {
            let service = Service::Own(own("largest"));
            linearizable(operations, findings, service, &Largest, |operation| {
                let Action::Call(call) = operation.action else {
                    return None;
                };
                let answer = match operation.outcome {
                    Some(Outcome::Answered { value }) => value.as_u64(),
                    _ => None,
                };
                Some((call.arguments.as_u64(), answer))
            });
        },
    };

    fn judged(run: &mut Run) -> CheckResult {
        let mut results = check_own(&run.end(), &[CHECK]);
        results.pop().expect("one check was made")
    }

    #[test]
    fn a_lost_write_of_an_own_service_is_a_violation() {
        let audited = |last: u64| {
            let mut run = Run::new();
            run.call("largest-1", offer(Some(3)), answer(3));
            run.call("largest-2", offer(Some(2)), answer(3));
            run.audit();
            run.call("audit", offer(None), answer(last));
            judged(&mut run)
        };
        let good = audited(3);
        assert_eq!((good.verdict, good.checked), (Verdict::Pass, 3));
        let bad = audited(2);
        assert_eq!(bad.verdict, Verdict::Fail, "{bad:?}");
        let last = bad.evidence.last().expect("there is evidence");
        assert!(last.contains("audit: offer k -> 2"), "{last}");
    }

    #[test]
    fn a_cut_history_passes_no_own_check() {
        let mut run = Run::new();
        run.call("largest-1", offer(Some(3)), answer(3));
        let results = check_own(&run.cut(), &[CHECK]);
        assert_eq!(results[0].verdict, Verdict::Unknown, "{results:?}");
    }
}

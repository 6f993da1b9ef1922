//! Defines the result of a check: a verdict, the reason, and the evidence.
//!
//! [`Judge`] is the notebook of one check: it counts what was judged, collects violations
//! and what stays unknown, and turns them into a [`CheckResult`] in one place. So no check
//! can forget that "unknown" is not a pass, nor that a check without anything to judge has
//! shown nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most lines of evidence that a result carries.
pub const EVIDENCE_LIMIT: usize = 20;

/// What a check found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Something was judged, and the property holds.
    Pass,
    /// The property was violated, and the evidence says by what.
    Fail,
    /// Cannot tell. Never to be read as a pass.
    Unknown,
    /// There was nothing to judge; the detail says why. Never to be read as a pass.
    NotJudged,
    /// Something was judged, and the property is broken; but the system does not promise it.
    /// Counts for nothing, and is shown.
    NotPromised,
    /// Cannot tell, and the system does not promise it. Counts for nothing, and is shown; never
    /// to be read as broken.
    UnknownNotPromised,
}

/// One check's judgement on one history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// File name of the check: `lock_exclusion`.
    pub name: String,
    /// The property's number: `L1`.
    pub property: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// One line.
    pub detail: String,
    /// How many operations or events were judged.
    pub checked: u64,
    /// One line an operation or event, at most [`EVIDENCE_LIMIT`]; left out when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// The verdict of all checks together: `Fail` beats `Unknown` beats `Pass`. Checks that had
/// nothing to judge, or judged what nobody promised, count for nothing; if no other is there,
/// nothing is known.
pub fn overall(results: &[CheckResult]) -> Verdict {
    let any = |verdict| results.iter().any(|result| result.verdict == verdict);
    if any(Verdict::Fail) {
        Verdict::Fail
    } else if any(Verdict::Unknown) || !any(Verdict::Pass) {
        Verdict::Unknown
    } else {
        Verdict::Pass
    }
}

/// The notebook of one check.
#[derive(Default)]
pub(super) struct Judge {
    pub(super) checked: u64,
    pub(super) violations: u64,
    pub(super) first_violation: Option<String>,
    pub(super) first_unknown: Option<String>,
    pub(super) first_passed_over: Option<String>,
    /// How many would have been violations but for a reason, and what they are and why.
    pub(super) excused: Option<(u64, &'static str)>,
    pub(super) evidence: Vec<String>,
}

impl Judge {
    /// One more operation or event was judged.
    pub(super) fn count_checked(&mut self) {
        self.count(1);
    }

    /// So many more were judged.
    pub(super) fn count(&mut self, judged: u64) {
        self.checked += judged;
    }

    /// The property is broken. `lines` are kept up to the limit.
    pub(super) fn violation(&mut self, what: String, lines: impl IntoIterator<Item = String>) {
        self.violations += 1;
        let left = EVIDENCE_LIMIT.saturating_sub(self.evidence.len());
        self.evidence.extend(lines.into_iter().take(left));
        self.first_violation.get_or_insert(what);
    }

    pub(super) fn has_violation(&self) -> bool {
        self.violations > 0
    }

    /// This would be a violation but for a reason; the result says how many were, and `what`.
    pub(super) fn excuse(&mut self, what: &'static str) {
        let (count, _) = self.excused.unwrap_or((0, what));
        self.excused = Some((count + 1, what));
    }

    /// The property cannot be decided.
    pub(super) fn unknown(&mut self, why: String) {
        self.first_unknown.get_or_insert(why);
    }

    /// Something that could have been judged was not, because it says nothing: `why`
    /// becomes the reason if nothing else was judged.
    pub(super) fn pass_over(&mut self, why: impl FnOnce() -> String) {
        self.first_passed_over.get_or_insert_with(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{CHECKS, Check};

    fn row(is_expected: bool) -> Check {
        Check {
            counted: "elections",
            is_expected,
            ..CHECKS[0]
        }
    }

    fn result(verdict: Verdict) -> CheckResult {
        CheckResult {
            verdict,
            ..row(false).result(Judge::default())
        }
    }

    #[test]
    fn fail_beats_unknown_beats_pass() {
        use Verdict::*;
        assert_eq!(overall(&[result(Pass), result(Unknown)]), Unknown);
        assert_eq!(overall(&[result(Unknown), result(Fail)]), Fail);
        assert_eq!(overall(&[result(Pass), result(NotJudged)]), Pass);
    }

    #[test]
    fn nothing_judged_is_no_pass() {
        assert_eq!(overall(&[]), Verdict::Unknown);
        assert_eq!(overall(&[result(Verdict::NotJudged)]), Verdict::Unknown);
    }

    #[test]
    fn a_violation_outweighs_an_unknown_and_evidence_is_bounded() {
        let mut judge = Judge::default();
        judge.unknown("hm".into());
        for n in 0..50 {
            judge.violation(format!("v{n}"), [n.to_string()]);
        }
        let result = row(false).result(judge);
        assert_eq!(result.verdict, Verdict::Fail);
        assert_eq!(result.detail, "50 violations; the first: v0");
        assert_eq!(result.evidence.len(), EVIDENCE_LIMIT);
    }

    #[test]
    fn a_check_without_anything_to_judge_gives_its_reason() {
        let result = row(false).result(Judge::default());
        assert_eq!(result.verdict, Verdict::NotJudged);
        assert_eq!(result.detail, "no elections");
        let mut judge = Judge::default();
        judge.pass_over(|| "clocks were wrong".into());
        assert_eq!(row(false).result(judge).detail, "clocks were wrong");
    }

    #[test]
    fn a_check_that_every_run_must_feed_is_unknown_without_evidence() {
        let result = row(true).result(Judge::default());
        assert_eq!(result.verdict, Verdict::Unknown);
    }
}

//! What a check says: a verdict, why, and the evidence.
//!
//! [`Judge`] is the notebook of one check: it counts what was looked at, collects
//! violations and doubts, and turns them into a [`CheckResult`] in one place, so that no
//! check can forget that a doubt is not a pass.

use serde::Serialize;

/// Most lines of evidence that a result carries.
pub const EVIDENCE_LIMIT: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Fail,
    /// Cannot tell. Never to be read as a pass.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// File name of the check: `lock_exclusion`.
    pub name: &'static str,
    /// The property's number: `L1`.
    pub property: &'static str,
    pub verdict: Verdict,
    /// One line.
    pub detail: String,
    /// One line an operation or event, at most [`EVIDENCE_LIMIT`].
    pub evidence: Vec<String>,
    /// How many operations or events were looked at.
    pub checked: u64,
}

/// The verdict of all checks together: `Fail` beats `Unknown` beats `Pass`. No results
/// at all are `Unknown`: nothing was judged.
pub fn overall(results: &[CheckResult]) -> Verdict {
    let any = |verdict| results.iter().any(|result| result.verdict == verdict);
    if any(Verdict::Fail) {
        Verdict::Fail
    } else if any(Verdict::Unknown) || results.is_empty() {
        Verdict::Unknown
    } else {
        Verdict::Pass
    }
}

/// The notebook of one check.
pub(super) struct Judge {
    name: &'static str,
    property: &'static str,
    checked: u64,
    violations: u64,
    first_violation: Option<String>,
    first_doubt: Option<String>,
    evidence: Vec<String>,
    needs_evidence: bool,
}

impl Judge {
    pub(super) fn new(name: &'static str, property: &'static str) -> Self {
        Self {
            name,
            property,
            checked: 0,
            violations: 0,
            first_violation: None,
            first_doubt: None,
            evidence: Vec::new(),
            needs_evidence: false,
        }
    }

    /// Nothing to look at shall mean `Unknown`, not a pass: every run must give this
    /// check something.
    pub(super) fn needs_evidence(mut self) -> Self {
        self.needs_evidence = true;
        self
    }

    /// One more operation or event was looked at.
    pub(super) fn looked(&mut self) {
        self.checked += 1;
    }

    /// The property is broken. `lines` are kept up to the limit.
    pub(super) fn violation(&mut self, what: String, lines: impl IntoIterator<Item = String>) {
        self.violations += 1;
        let room = EVIDENCE_LIMIT.saturating_sub(self.evidence.len());
        self.evidence.extend(lines.into_iter().take(room));
        self.first_violation.get_or_insert(what);
    }

    /// The property cannot be decided.
    pub(super) fn doubt(&mut self, why: String) {
        self.first_doubt.get_or_insert(why);
    }

    /// `counted` names what [`Judge::looked`] counted, in the plural.
    pub(super) fn finish(self, counted: &str) -> CheckResult {
        let (verdict, detail) = match (self.first_violation, self.first_doubt) {
            (Some(what), _) if self.violations == 1 => (Verdict::Fail, what),
            (Some(what), _) => (
                Verdict::Fail,
                format!("{} violations; the first: {what}", self.violations),
            ),
            (None, Some(why)) => (Verdict::Unknown, why),
            (None, None) if self.checked == 0 && self.needs_evidence => (
                Verdict::Unknown,
                format!("the history holds no {counted}, so nothing can be told"),
            ),
            (None, None) if self.checked == 0 => {
                (Verdict::Pass, format!("nothing to judge: no {counted}"))
            }
            (None, None) => (Verdict::Pass, format!("{} {counted} judged", self.checked)),
        };
        CheckResult {
            name: self.name,
            property: self.property,
            verdict,
            detail,
            evidence: self.evidence,
            checked: self.checked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(verdict: Verdict) -> CheckResult {
        CheckResult {
            verdict,
            ..Judge::new("x", "X1").finish("things")
        }
    }

    #[test]
    fn fail_beats_unknown_beats_pass() {
        use Verdict::*;
        assert_eq!(overall(&[result(Pass), result(Unknown)]), Unknown);
        assert_eq!(overall(&[result(Unknown), result(Fail)]), Fail);
        assert_eq!(overall(&[result(Pass)]), Pass);
        assert_eq!(overall(&[]), Unknown);
    }

    #[test]
    fn a_violation_outweighs_a_doubt_and_evidence_is_bounded() {
        let mut judge = Judge::new("x", "X1");
        judge.doubt("hm".into());
        for n in 0..50 {
            judge.violation(format!("v{n}"), [n.to_string()]);
        }
        let result = judge.finish("things");
        assert_eq!(result.verdict, Verdict::Fail);
        assert_eq!(result.detail, "50 violations; the first: v0");
        assert_eq!(result.evidence.len(), EVIDENCE_LIMIT);
    }

    #[test]
    fn seeing_nothing_is_unknown_where_evidence_is_needed() {
        let judge = Judge::new("x", "X1").needs_evidence();
        assert_eq!(judge.finish("elections").verdict, Verdict::Unknown);
    }
}

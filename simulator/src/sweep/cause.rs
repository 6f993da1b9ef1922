//! Causes: what makes two failures the same.
//!
//! A thousand failing seeds are rarely a thousand bugs. A failure is identified by the
//! property that was broken and by the kind of evidence: the check's own sentence without
//! its names and numbers, which belong to the seed. Grouping, keeping of run directories and
//! shrinking all ask this one question.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::{Comparison, Report, RunVerdict, Status, Verdict, is_recovery};

/// What makes failures of several runs one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Number of the property (`L1`), or what else stands in its place (`objective`).
    pub property: String,
    /// The check, or the objective.
    pub name: String,
    /// The evidence, without names and numbers.
    pub kind: String,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let words = [&self.property, &self.name].map(String::as_str);
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        match self.kind.is_empty() {
            true => write!(f, "{}", words.join(" ")),
            false => write!(f, "{}: {}", words.join(" "), self.kind),
        }
    }
}

impl Cause {
    /// Of a text with numbers, names and values, which are left out.
    pub fn new(property: &str, name: &str, detail: &str) -> Self {
        Self {
            property: property.to_owned(),
            name: name.to_owned(),
            kind: kind(detail),
        }
    }

    /// Whether it is a check that does not hold; others have no name, or one of
    /// [`OBJECTIVE`] or [`REGRESSION`].
    pub fn is_check(&self) -> bool {
        !self.name.is_empty() && ![OBJECTIVE, REGRESSION].contains(&&*self.property)
    }
}

/// Stands in the place of the property for an objective that was missed.
pub const OBJECTIVE: &str = "objective";
/// And for a figure that is worse than in earlier runs.
pub const REGRESSION: &str = "regression";

/// Why a run did not pass, the cause of its verdict first: one for every check that failed,
/// or for every objective missed. Empty for a pass.
pub fn causes(report: &Report) -> Vec<Cause> {
    let failed = report.checks.iter();
    let failed = failed.filter(|check| check.verdict == Verdict::Fail);
    // Checks that count as recovery come last, as they do in the verdict.
    let mut failed: Vec<_> = failed.collect();
    failed.sort_by_key(|check| is_recovery(&check.name));
    let mut causes: Vec<Cause> = failed
        .iter()
        .map(|check| Cause::new(&check.property, &check.name, &check.detail))
        .collect();
    if report.verdict == RunVerdict::Inconclusive {
        causes.insert(0, Cause::new("inconclusive", "", &report.reason));
    }
    let missed = report.objectives.iter();
    let missed = missed.filter(|result| result.status == Status::Missed);
    causes.extend(missed.map(|result| Cause::new(OBJECTIVE, &result.name, "")));
    let worse = report.comparison.iter().flat_map(Comparison::regressions);
    causes.extend(worse.map(|row| Cause::new(REGRESSION, &row.figure, "")));
    causes
}

/// The first clause of a detail, with every word that holds a digit replaced by `N`.
fn kind(detail: &str) -> String {
    let detail = match detail.split_once(" violations; the first: ") {
        Some((count, first)) if count.bytes().all(|byte| byte.is_ascii_digit()) => first,
        _ => detail,
    };
    let clause = detail.split(';').next().unwrap_or_default();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '>');
    let mut kind = String::new();
    let mut word = String::new();
    for c in clause.trim().chars().chain([' ']) {
        if is_word(c) {
            word.push(c);
            continue;
        }
        match word.contains(|c: char| c.is_ascii_digit()) {
            true => kind.push('N'),
            false => kind += &word,
        }
        word.clear();
        kind.push(c);
    }
    kind.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn names_and_numbers_do_not_tell_failures_apart() {
        let texts = [
            "18 violations; the first: lock lock-0: token 121 was granted while token 116 was still held",
            "lock lock-2: token 9 was granted while token 4 was still held",
        ];
        let expected = "lock N: token N was granted while token N was still held";
        assert_eq!(texts.map(kind), [expected, expected]);
    }

    #[test]
    fn words_do() {
        let (before, after) = (
            kind("queue queue-0: acknowledged message queue-producer-1.55 was never received"),
            kind("queue queue-0: acknowledged message queue-producer-1.55 was dropped"),
        );
        assert_eq!(before, "queue N: acknowledged message N was never received");
        assert_ne!(before, after);
    }

    #[test]
    fn what_follows_the_first_clause_is_of_the_seed() {
        let text = "did not converge within 30 s: no node leads; node-1 applied 7, node-2 is down";
        assert_eq!(kind(text), "did not converge within N s: no node leads");
        assert_eq!(kind(""), "");
    }
}

//! Which checks broke, in their own words.

use super::case::{Case, broken};
use super::sentence::Sentence;

/// Lines of evidence of each check that are shown here.
const SHOWN: usize = 6;

pub(super) fn sentences(case: &Case) -> Vec<Sentence> {
    let checks = broken(case.report).map(|check| {
        let text = format!(
            "{} ({}) is broken: {}.",
            check.property,
            check.name,
            check.detail.trim_end_matches('.')
        );
        let mut evidence = check.evidence.clone();
        let more = evidence.len().saturating_sub(SHOWN);
        evidence.truncate(SHOWN);
        if more > 0 {
            evidence.push(format!("… and {more} more lines in report.json"));
        }
        Sentence::new(text, evidence)
    });
    let mut sentences: Vec<Sentence> = checks.collect();
    if sentences.is_empty() {
        sentences.push(Sentence::new(
            format!(
                "No check is broken; the verdict is {}: {}",
                case.report.verdict, case.report.reason
            ),
            Vec::new(),
        ));
    }
    sentences
}

//! Describes each violation: the moment to look at, the nodes that answered its operations, and
//! the explanation.

use super::Recording;
use crate::backends::trace::time;
use crate::check::words::outcome;
use crate::explain::{Answered, Story};
use crate::history::{Operation, operations};
use crate::report::duration;
use crate::report::html::player::{Answer, Violation};
use crate::report::{CheckResult, Verdict};
use crate::trace::around::{cited, cited_operations};

/// Operations of a check that are shown: as many as are explained.
const MOST_OPERATIONS: usize = 4;
/// Sentences of an explanation that are shown.
const MOST_STEPS: usize = 6;

pub(super) fn violations(seen: &Recording) -> Vec<Violation> {
    let broken = seen.report.checks.iter();
    let broken: Vec<&CheckResult> = broken
        .filter(|check| check.verdict == Verdict::Fail)
        .collect();
    let all = operations(seen.trace.history);
    let violations = broken.iter().enumerate();
    let mut violations: Vec<Violation> = violations
        .map(|(nth, check)| violation(seen, check, &all, nth == 0))
        .collect();
    // Where nothing says when, it is shown at the end, where it was judged.
    let end = crate::trace::end_us(seen.trace.history);
    for violation in &mut violations {
        violation.at = violation.at.clamp(0, end);
    }
    violations
}

/// The explanation is of the first broken check.
fn violation(
    seen: &Recording,
    check: &CheckResult,
    all: &[Operation],
    is_first: bool,
) -> Violation {
    let story = seen.story.filter(|_| is_first);
    let cited_ones = cited_operations(&check.evidence, all);
    let answers = cited_ones.iter().take(MOST_OPERATIONS).map(|operation| {
        let answered = story.and_then(|story| {
            let mut answers = story.answers.iter();
            answers.find(|answered| answered.op == operation.op)
        });
        answer(operation, answered)
    });
    let answers: Vec<Answer> = answers.collect();
    // What a node answered that another one had replaced, or else what was answered last.
    let worst = answers.iter().find(|answer| answer.is_superseded);
    let worst = worst.or_else(|| answers.iter().max_by_key(|answer| answer.at));
    let of_lines = check.evidence.iter().filter_map(|line| cited(line));
    let of_lines = of_lines.map(|(at_us, _)| at_us as i64).max();
    Violation {
        check: format!("{} {}", check.property, check.name),
        detail: check.detail.clone(),
        at: worst
            .map(|answer| answer.at)
            .or(of_lines)
            .unwrap_or(i64::MAX),
        message: worst.and_then(|answer| answer.message),
        steps: story.map_or(Vec::new(), steps),
        answers,
    }
}

/// Each once: of several operations, the same may be said.
fn steps(story: &Story) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for step in &story.steps {
        if steps.len() < MOST_STEPS && !steps.contains(step) {
            steps.push(step.clone());
        }
    }
    steps
}

fn answer(operation: &Operation, answered: Option<&Answered>) -> Answer {
    let asked = format!(
        "op {}, {}: {}",
        operation.op, operation.client, operation.action
    );
    let returned_us = operation.returned_us.unwrap_or(operation.invoked_us) as i64;
    let heard = match operation.outcome {
        Some(answer) => format!("{asked} → {}", outcome(answer)),
        None => format!("{asked}, which was never answered"),
    };
    let Some(answered) = answered else {
        return Answer {
            op: operation.op,
            words: format!("{heard} ({}).", time(returned_us)),
            at: returned_us,
            ..Answer::default()
        };
    };
    let part = answered.part.map_or(String::new(), |(role, term)| {
        format!(", {} of term {term}", role.name())
    });
    let later = answered.later.as_ref().map_or(String::new(), |later| {
        format!(
            "; by then {} had led the later term {} for {}",
            later.node,
            later.term,
            duration((answered.at_us - later.since_us).max(0) as u64)
        )
    });
    Answer {
        op: operation.op,
        words: format!(
            "{heard}. Answered at {} by {}{part}{later}.",
            time(answered.at_us),
            answered.node
        ),
        node: Some(answered.node.clone()),
        term: answered.part.map(|(_, term)| term),
        at: answered.at_us,
        message: Some(answered.message),
        is_superseded: answered.later.is_some(),
    }
}

//! Counts errors by kind: the answers to operations that were not acknowledged.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::Outcome;

use super::timeline::{Class, Timeline};

/// How often one kind of operation was not acknowledged for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorRow {
    /// As in scenarios and histories.
    pub service: String,
    /// As in histories.
    pub operation: String,
    /// `failed` or `unknown`.
    pub outcome: Class,
    /// With every number replaced by `N`, so that equal reasons count together.
    pub why: String,
    /// How many operations.
    pub count: u64,
}

/// The most frequent first.
pub fn errors(timeline: &Timeline<'_>) -> Vec<ErrorRow> {
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for operation in timeline.operations.iter().filter(|o| o.action.is_remote()) {
        let (class, why) = match operation.outcome {
            Some(Outcome::Failed { why }) => (Class::Failed, kind(why)),
            Some(Outcome::Unknown { why }) => (Class::Unknown, kind(why)),
            None => (Class::Unknown, "no answer before the end".to_owned()),
            Some(_) => continue,
        };
        let service = operation.action.service();
        let key = (service, operation.action.operation(), class, why);
        *counts.entry(key).or_default() += 1;
    }
    let counts = counts.into_iter();
    let mut rows: Vec<_> = counts
        .map(|((service, operation, outcome, why), count)| ErrorRow {
            service: service.name().to_owned(),
            operation: operation.to_owned(),
            outcome,
            why,
            count,
        })
        .collect();
    // Stable: equal counts stay in the order of their names.
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    rows
}

/// Every run of digits becomes `N`.
fn kind(why: &str) -> String {
    let mut kind = String::new();
    for char in why.chars() {
        match char.is_ascii_digit() {
            true if kind.ends_with('N') => {}
            true => kind.push('N'),
            false => kind.push(char),
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Script, get};

    #[test]
    fn equal_reasons_count_together() {
        let mut script = Script::new();
        let failed = |port: u64| Outcome::Failed {
            why: format!("the leader is at 10.0.0.{port}:7001"),
        };
        script.op(1, get("k"), Some((2, failed(1))));
        script.op(3, get("k"), Some((4, failed(23))));
        script.op(5, get("k"), None);
        script.get(6, 7);
        let history = script.end(10);
        let rows = errors(&Timeline::of(&history));
        let seen: Vec<_> = rows
            .iter()
            .map(|r| (r.why.as_str(), r.outcome, r.count))
            .collect();
        let expected = [
            ("the leader is at N.N.N.N:N", Class::Failed, 2),
            ("no answer before the end", Class::Unknown, 1),
        ];
        assert_eq!(seen, expected);
    }
}

//! The lines between Squall and a client program.
//!
//! An operation is written as in histories, with a number and the time that is left; an outcome
//! likewise, with the number of what it answers. Versions and ids may be left out where a system
//! has none: they become names of the value.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use squall_history::unordered::name_of;
use squall_history::{Action, Outcome};
use squall_world::{Instant, RealWorld, World};

/// Most values whose names are remembered.
const MOST_SEEN: usize = 1_000;

/// Values that a client has read, by their names: a program that knows no versions compares
/// with values.
#[derive(Default)]
pub(super) struct Seen(BTreeMap<u64, String>);

impl Seen {
    pub(super) fn note(&mut self, outcome: &Outcome) {
        if let Outcome::Value {
            value: Some(value),
            version,
        } = outcome
        {
            if self.0.len() >= MOST_SEEN {
                self.0.clear();
            }
            self.0.insert(*version, value.clone());
        }
    }
}

/// The line that asks for an operation.
pub(super) fn question(id: u64, action: &Action, seen: &Seen, deadline: Instant) -> String {
    let mut line = serde_json::to_value(action).expect("an operation is plain data");
    let left = deadline - RealWorld::now();
    line["id"] = id.into();
    line["deadline_ms"] = (left.as_millis() as u64).into();
    if let Action::CompareAndSet { version, .. } = action {
        line["expected"] = json!(seen.0.get(version));
    }
    line.to_string()
}

/// What a line says about an operation; or why it says nothing.
pub(super) fn outcome(id: u64, action: &Action, line: &str) -> Result<Outcome, String> {
    let unclear = |why: &str| {
        let shown: String = line.chars().take(200).collect();
        format!("the program answered {why}: {shown}")
    };
    let mut answer: Value = serde_json::from_str(line).map_err(|_| unclear("what is no JSON"))?;
    let fields = answer.as_object_mut().ok_or_else(|| unclear("no object"))?;
    if fields.remove("id").as_ref().and_then(Value::as_u64) != Some(id) {
        return Err(unclear(&format!("something else than operation {id}")));
    }
    complete(action, &mut answer);
    let outcome: Outcome =
        serde_json::from_value(answer).map_err(|error| unclear(&error.to_string()))?;
    match action.is_answered_by(&outcome) {
        true => Ok(outcome),
        false => Err(unclear("what does not answer the operation")),
    }
}

/// Names what the program gave no number.
fn complete(action: &Action, answer: &mut Value) {
    let name = |value: &str| json!(name_of(value.as_bytes()));
    let missing = |answer: &Value, field: &str| answer.get(field).is_none_or(Value::is_null);
    match answer["outcome"].as_str().unwrap_or_default() {
        "value" if missing(answer, "version") => {
            let version = answer["value"].as_str().map_or(json!(0), name);
            answer["version"] = version;
        }
        "stored" if missing(answer, "version") => {
            answer["version"] = match action {
                Action::Set { value, .. }
                | Action::SetVolatile { value, .. }
                | Action::CompareAndSet { value, .. } => name(value),
                _ => json!(0),
            };
        }
        "counted" if missing(answer, "version") => {
            answer["version"] = name(&answer["value"].to_string());
        }
        "published" if missing(answer, "id") => {
            if let Action::Publish { value, .. } = action {
                answer["id"] = name(value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Action {
        Action::Set {
            key: "k".into(),
            value: "a".into(),
            bytes: 0,
        }
    }

    fn get() -> Action {
        Action::Get {
            key: "k".into(),
            lease: false,
        }
    }

    #[test]
    fn an_operation_is_a_line_with_its_number() {
        let deadline = RealWorld::now() + std::time::Duration::from_secs(5);
        let line = question(7, &set(), &Seen::default(), deadline);
        let line: Value = serde_json::from_str(&line).expect("it is JSON");
        assert_eq!(
            (&line["id"], &line["f"], &line["key"]),
            (&json!(7), &json!("set"), &json!("k"))
        );
        assert!(
            line["deadline_ms"]
                .as_u64()
                .is_some_and(|ms| (4_000..=5_000).contains(&ms))
        );
    }

    #[test]
    fn a_compare_and_set_says_what_value_was_read() {
        let mut seen = Seen::default();
        let read = outcome(1, &get(), r#"{"id":1,"outcome":"value","value":"a"}"#).expect("one");
        seen.note(&read);
        let Outcome::Value { version, .. } = read else {
            panic!("a value was read");
        };
        let swap = Action::CompareAndSet {
            key: "k".into(),
            version,
            value: "b".into(),
        };
        let line = question(2, &swap, &seen, RealWorld::now());
        assert!(line.contains(r#""expected":"a""#), "{line}");
    }

    #[test]
    fn versions_that_a_system_has_not_become_names() {
        let stored = outcome(1, &set(), r#"{"id":1,"outcome":"stored"}"#);
        let read = outcome(1, &get(), r#"{"id":1,"outcome":"value","value":"a"}"#);
        let Ok(Outcome::Stored { version }) = stored else {
            panic!("{stored:?}");
        };
        let value = Some("a".to_owned());
        assert_eq!(read, Ok(Outcome::Value { value, version }));
        let own = outcome(1, &set(), r#"{"id":1,"outcome":"stored","version":9}"#);
        assert_eq!(own, Ok(Outcome::Stored { version: 9 }));
        let absent = outcome(1, &get(), r#"{"id":1,"outcome":"value"}"#);
        let (value, version) = (None, 0);
        assert_eq!(absent, Ok(Outcome::Value { value, version }));
    }

    #[test]
    fn what_is_no_answer_is_said_to_be_none() {
        for (line, expected) in [
            ("stored", "no JSON"),
            ("[1]", "no object"),
            (
                r#"{"id":2,"outcome":"stored"}"#,
                "something else than operation 1",
            ),
            (r#"{"id":1,"outcome":"done"}"#, "unknown variant"),
            (r#"{"id":1,"outcome":"released"}"#, "does not answer"),
        ] {
            let why = outcome(1, &set(), line).expect_err(line);
            assert!(why.contains(expected), "{line}: {why}");
        }
        let failed = outcome(
            1,
            &set(),
            r#"{"id":1,"outcome":"failed","why":"no primary"}"#,
        );
        let why = "no primary".to_owned();
        assert_eq!(failed, Ok(Outcome::Failed { why }));
    }
}

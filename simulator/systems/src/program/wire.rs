//! The lines between Squall and a client program.
//!
//! An operation is written as in histories, with a number and the time that is left; an outcome
//! likewise, with the number of what it answers. Versions, ids and tokens may be left out where a
//! system has none. What a program gives is an order only if its file says that it rises;
//! otherwise versions and ids become names of the value, and tokens names of the number
//! ([`squall_history::unordered`]). The program is asked with its own numbers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use squall_history::unordered::{is_ordered, name_of, name_of_number, number_of};
use squall_history::{Action, Outcome};
use squall_world::{Instant, RealWorld, World};

/// Most values whose versions are remembered.
const MOST_SEEN: usize = 1_000;

/// Which of a program's numbers rise, so that the larger one is the later one. Of all others
/// Squall makes names, which tell no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rising {
    /// Versions, for each key, also over deletes.
    pub(crate) versions: bool,
    /// Tokens, for each lock.
    pub(crate) tokens: bool,
    /// Ids of messages, for each queue.
    pub(crate) ids: bool,
}

/// What a client and its program say to each other.
pub(super) struct Wire {
    rising: Rising,
    /// Values that the client has read or written, by the names of their versions.
    seen: BTreeMap<u64, Seen>,
}

struct Seen {
    value: String,
    /// As the program gave it, if it did.
    version: Option<u64>,
}

impl Wire {
    pub(super) fn new(rising: Rising) -> Self {
        let seen = BTreeMap::new();
        Self { rising, seen }
    }

    /// The line that asks for an operation; or why it cannot be asked for.
    pub(super) fn question(
        &self,
        id: u64,
        action: &Action,
        deadline: Instant,
    ) -> Result<String, String> {
        let mut line = serde_json::to_value(action).expect("an operation is plain data");
        let left = deadline - RealWorld::now();
        line["id"] = id.into();
        line["deadline_ms"] = (left.as_millis() as u64).into();
        match action {
            Action::CompareAndSet { version, .. } => {
                let seen = self.seen.get(version);
                line["expected"] = json!(seen.map(|seen| &seen.value));
                if !is_ordered(*version) {
                    let seen = seen.ok_or("this client has not read the value it compares with")?;
                    line["version"] = json!(seen.version);
                }
            }
            Action::Release { token, .. } | Action::Check { token, .. } if !self.rising.tokens => {
                line["token"] = number_of(*token).into();
            }
            _ => {}
        }
        Ok(line.to_string())
    }

    /// What a line says about an operation; or why it says nothing.
    pub(super) fn outcome(
        &mut self,
        id: u64,
        action: &Action,
        line: &str,
    ) -> Result<Outcome, String> {
        let unclear = |why: &str| {
            let shown: String = line.chars().take(200).collect();
            format!("the program answered {why}: {shown}")
        };
        let mut answer: Value =
            serde_json::from_str(line).map_err(|_| unclear("what is no JSON"))?;
        let fields = answer.as_object_mut().ok_or_else(|| unclear("no object"))?;
        if fields.remove("id").as_ref().and_then(Value::as_u64) != Some(id) {
            return Err(unclear(&format!("something else than operation {id}")));
        }
        self.complete(action, fields).map_err(|why| unclear(&why))?;
        let outcome: Outcome =
            serde_json::from_value(answer).map_err(|error| unclear(&error.to_string()))?;
        match action.is_answered_by(&outcome) {
            true => Ok(outcome),
            false => Err(unclear("what does not answer the operation")),
        }
    }

    /// Names what has no number, or one that does not rise.
    fn complete(&mut self, action: &Action, answer: &mut Map<String, Value>) -> Result<(), String> {
        let kind = answer.get("outcome").and_then(Value::as_str);
        let kind = kind.unwrap_or_default().to_owned();
        match (kind.as_str(), action) {
            ("value", _) => self.name_found(answer)?,
            ("values", _) => {
                let values = answer.get_mut("values").and_then(Value::as_array_mut);
                for found in values
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_object_mut)
                {
                    self.name_found(found)?;
                }
            }
            (
                "stored",
                Action::Set { value, .. }
                | Action::SetVolatile { value, .. }
                | Action::CompareAndSet { value, .. },
            ) => self.name_version(answer, Some(value))?,
            ("stored", _) => self.name_version(answer, None)?,
            ("counted", _) => {
                let sum = answer.get("value").map(Value::to_string);
                self.name_version(answer, sum.as_deref())?;
            }
            ("granted", _) => {
                let token = given(answer, "token")?;
                if token.is_none() && self.rising.tokens {
                    return Err("no token, though they are promised".into());
                }
                let token = token.unwrap_or_else(|| RealWorld::random_u64() >> 12);
                let token = match self.rising.tokens {
                    true => token,
                    false => name_of_number(token),
                };
                answer.insert("token".into(), token.into());
            }
            // The `id` of a line is that of the operation.
            ("published", Action::Publish { value, .. }) => {
                let id = self.id(answer, "message", value)?;
                answer.insert("id".into(), id.into());
            }
            ("published_batch", Action::PublishBatch { values, .. }) if !self.rising.ids => {
                let ids = values.iter().map(|value| name_of(value.as_bytes()));
                answer.insert("ids".into(), ids.collect());
            }
            ("received", _) => {
                let messages = answer.get_mut("messages").and_then(Value::as_array_mut);
                let messages = messages.into_iter().flatten();
                for message in messages.filter_map(Value::as_object_mut) {
                    let value = message.get("value").and_then(Value::as_str);
                    let value = value.unwrap_or_default().to_owned();
                    let id = self.id(message, "id", &value)?;
                    message.insert("id".into(), id.into());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn name_found(&mut self, found: &mut Map<String, Value>) -> Result<(), String> {
        let value = found
            .get("value")
            .and_then(Value::as_str)
            .map(str::to_owned);
        self.name_version(found, value.as_deref())
    }

    /// The version is the program's own if those rise, and otherwise the name of the value.
    fn name_version(
        &mut self,
        answer: &mut Map<String, Value>,
        value: Option<&str>,
    ) -> Result<(), String> {
        let own = given(answer, "version")?;
        let version = match &own {
            Some(own) if self.rising.versions => *own,
            _ => value.map_or(0, |value| name_of(value.as_bytes())),
        };
        if let Some(value) = value {
            if self.seen.len() >= MOST_SEEN {
                self.seen.clear();
            }
            let value = value.to_owned();
            // A write that gave no version does not make one forgotten that a read has given.
            let before = self.seen.remove(&version).and_then(|seen| seen.version);
            let version_given = own.or(before);
            let seen = Seen {
                value,
                version: version_given,
            };
            self.seen.insert(version, seen);
        }
        answer.insert("version".into(), version.into());
        Ok(())
    }

    /// The id of a message is the program's own if those rise, and otherwise the name of its
    /// value.
    fn id(&self, answer: &mut Map<String, Value>, field: &str, value: &str) -> Result<u64, String> {
        let own = given(answer, field)?.filter(|_| self.rising.ids);
        Ok(own.unwrap_or_else(|| name_of(value.as_bytes())))
    }
}

/// A number of an answer, if it is there. What is not below 2^52 would pass for a name.
fn given(answer: &mut Map<String, Value>, field: &str) -> Result<Option<u64>, String> {
    let Some(given) = answer.remove(field).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    match given.as_u64() {
        Some(number) if is_ordered(number) => Ok(Some(number)),
        Some(_) => Err(format!("a {field} that is not below 2^52")),
        None => Err(format!("a {field} that is no number")),
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

    /// Of a program whose numbers rise, or do not.
    fn wire(is_rising: bool) -> Wire {
        Wire::new(Rising {
            versions: is_rising,
            tokens: is_rising,
            ids: is_rising,
        })
    }

    fn outcome(id: u64, action: &Action, line: &str) -> Result<Outcome, String> {
        wire(false).outcome(id, action, line)
    }

    fn set_if(version: u64) -> Action {
        Action::CompareAndSet {
            key: "k".into(),
            version,
            value: "b".into(),
        }
    }

    fn version(outcome: Result<Outcome, String>) -> u64 {
        match outcome {
            Ok(Outcome::Value { version, .. } | Outcome::Stored { version }) => version,
            other => panic!("no version: {other:?}"),
        }
    }

    fn asked(wire: &Wire, action: &Action) -> Value {
        let line = wire.question(2, action, RealWorld::now());
        serde_json::from_str(&line.expect("it can be asked")).expect("it is JSON")
    }

    #[test]
    fn an_operation_is_a_line_with_its_number() {
        let deadline = RealWorld::now() + std::time::Duration::from_secs(5);
        let line = wire(false).question(7, &set(), deadline);
        let line = line.expect("a set can be asked");
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
    fn a_compare_and_set_says_what_value_was_read_and_its_own_version_of_it() {
        for (line, own) in [
            (r#"{"id":1,"outcome":"value","value":"a"}"#, json!(null)),
            (
                r#"{"id":1,"outcome":"value","value":"a","version":17}"#,
                json!(17),
            ),
        ] {
            let mut wire = wire(false);
            let read = version(wire.outcome(1, &get(), line));
            let line = asked(&wire, &set_if(read));
            assert_eq!((&line["expected"], &line["version"]), (&json!("a"), &own));
        }
        let why = wire(false).question(2, &set_if(name_of(b"x")), RealWorld::now());
        assert!(why.is_err_and(|why| why.contains("has not read")));
        assert_eq!(asked(&wire(false), &set_if(0))["version"], json!(0));
    }

    #[test]
    fn a_programs_own_numbers_are_an_order_only_if_they_rise() {
        let line = r#"{"id":1,"outcome":"value","value":"a","version":17}"#;
        assert_eq!(version(wire(true).outcome(1, &get(), line)), 17);
        let named = version(wire(false).outcome(1, &get(), line));
        assert_eq!(named, name_of(b"a"));
        let acquire = Action::Acquire {
            name: "l".into(),
            session: 1,
            shared: false,
            wait_ms: 0,
        };
        let release = |token| Action::Release {
            name: "l".into(),
            session: 1,
            token,
        };
        let granted = |wire: &mut Wire, line: &str| match wire.outcome(1, &acquire, line) {
            Ok(Outcome::Granted { token }) => token,
            other => panic!("no token: {other:?}"),
        };
        let line = r#"{"id":1,"outcome":"granted","token":5}"#;
        assert_eq!(granted(&mut wire(true), line), 5);
        assert_eq!(asked(&wire(true), &release(5))["token"], json!(5));
        let mut plain = wire(false);
        let token = granted(&mut plain, line);
        assert!(!is_ordered(token));
        assert_eq!(asked(&plain, &release(token))["token"], json!(5));
        // Without tokens no two grants are taken for one.
        let line = r#"{"id":1,"outcome":"granted"}"#;
        let [one, other] = [granted(&mut plain, line), granted(&mut plain, line)];
        assert!(one != other && !is_ordered(one) && !is_ordered(other));
        assert!(wire(true).outcome(1, &acquire, line).is_err());

        let publish = Action::Publish {
            queue: "q".into(),
            value: "a".into(),
            bytes: 0,
        };
        let receive = Action::Receive {
            queue: "q".into(),
            max: 1,
            visibility_ms: 1,
            wait_ms: 0,
        };
        // In lines of answers `id` is that of the operation.
        for (is_rising, expected) in [(true, 3), (false, name_of(b"a"))] {
            let line = r#"{"id":1,"outcome":"received","messages":
                [{"id":3,"receipt":8,"deliveries":1,"value":"a"}]}"#;
            let Ok(Outcome::Received { messages }) = wire(is_rising).outcome(1, &receive, line)
            else {
                panic!("it was received");
            };
            assert_eq!(messages[0].id, expected);
        }
        for (is_rising, id) in [(true, 3), (false, name_of(b"a"))] {
            let line = r#"{"id":1,"outcome":"published","message":3}"#;
            let published = wire(is_rising).outcome(1, &publish, line);
            assert_eq!(published, Ok(Outcome::Published { id }));
        }
    }

    #[test]
    fn numbers_that_would_pass_for_names_are_refused() {
        for number in [1_u64 << 52, u64::MAX] {
            let line = format!(r#"{{"id":1,"outcome":"stored","version":{number}}}"#);
            for is_rising in [true, false] {
                let why = wire(is_rising).outcome(1, &set(), &line).expect_err(&line);
                assert!(why.contains("not below 2^52"), "{why}");
            }
        }
        let line = r#"{"id":1,"outcome":"stored","version":"x"}"#;
        assert!(outcome(1, &set(), line).is_err_and(|why| why.contains("no number")));
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

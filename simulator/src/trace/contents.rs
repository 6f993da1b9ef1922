//! All that a node holds, as fields by name: sessions, locks, queues and keys.
//!
//! The names are those under which the state writes itself down, with names of locks, queues and
//! keys in place of their numbers: `locks.printer.holders.0.session`.

use std::collections::BTreeMap;

use serde_json::Value;
use squall_cluster::raft::overhear::first_word;
use squall_cluster::state::State;

/// Values longer than this are cut.
const MOST_CHARS: usize = 60;

/// Fields with their values, in order of their names.
pub type Fields = BTreeMap<String, String>;

/// All fields of a state.
pub fn fields(state: &State) -> Fields {
    let mut fields = Fields::new();
    // Plain data without maps of structures as keys: it always has a form in JSON.
    let value = serde_json::to_value(state).unwrap_or(Value::Null);
    if let Value::Object(parts) = value {
        for (name, part) in parts {
            match (name.as_str(), part) {
                ("sessions", part) => insert(&mut fields, "sessions", unwrap(part, "sessions")),
                ("locks", part) => insert(&mut fields, "locks", unwrap(part, "locks")),
                ("queues", part) => {
                    insert(
                        &mut fields,
                        "queues",
                        by_name(unwrap(part, "queues"), "name"),
                    );
                }
                ("cache", Value::Object(mut cache)) => {
                    let sieve = cache.remove("entries").unwrap_or_default();
                    insert(
                        &mut fields,
                        "keys",
                        by_name(unwrap(sieve.clone(), "entries"), "key"),
                    );
                    let hand = sieve.get("hand").cloned().unwrap_or_default();
                    insert(&mut fields, "cache.hand", hand);
                    insert(&mut fields, "cache", Value::Object(cache));
                }
                (name, part) => insert(&mut fields, name, part),
            }
        }
    }
    fields
}

/// A field that differs, with its two values; `None`: it is not there.
pub type Difference = (String, Option<String>, Option<String>);

/// Fields that two states do not have alike.
pub fn differences(one: &Fields, other: &Fields) -> Vec<Difference> {
    let names = one
        .keys()
        .chain(other.keys().filter(|name| !one.contains_key(*name)));
    let mut names: Vec<&String> = names.collect();
    names.sort_unstable_by_key(|name| natural(name));
    let values = |name: &String| (one.get(name).cloned(), other.get(name).cloned());
    let all = names.into_iter().map(|name| (name, values(name)));
    let differing = all.filter(|(_, (one, other))| one != other);
    differing
        .map(|(name, (one, other))| (name.clone(), one, other))
        .collect()
}

/// In the order in which people count: 9 before 10.
pub fn natural(name: &str) -> Vec<(u64, String)> {
    let parts = name.split(['.', '-']);
    let part = |part: &str| (part.parse().unwrap_or(0), part.to_owned());
    parts.map(part).collect()
}

/// The part of a structure that has the name, if that is all that counts of it.
fn unwrap(part: Value, name: &str) -> Value {
    match part {
        Value::Object(mut fields) => fields.remove(name).unwrap_or_default(),
        other => other,
    }
}

/// Things under their own name instead of their number.
fn by_name(things: Value, name: &str) -> Value {
    let things: Vec<Value> = match things {
        Value::Array(things) => things,
        Value::Object(things) => things.into_iter().map(|(_, thing)| thing).collect(),
        _ => Vec::new(),
    };
    let named = things.into_iter().filter_map(|thing| {
        let Value::Object(mut fields) = thing else {
            return None;
        };
        let name = text(&fields.remove(name)?);
        Some((name, Value::Object(fields)))
    });
    Value::Object(named.collect())
}

fn insert(fields: &mut Fields, path: &str, value: Value) {
    match value {
        Value::Object(parts) => {
            for (name, part) in parts {
                insert(fields, &format!("{path}.{name}"), part);
            }
        }
        Value::Array(_) if is_bytes(&value) => {
            fields.insert(path.to_owned(), text(&value));
        }
        Value::Array(parts) => {
            for (nth, part) in parts.into_iter().enumerate() {
                insert(fields, &format!("{path}.{nth}"), part);
            }
        }
        value => {
            fields.insert(path.to_owned(), text(&value));
        }
    }
}

/// Whether it is a value of clients; those are written as numbers.
fn is_bytes(value: &Value) -> bool {
    value.as_array().is_some_and(|bytes| {
        !bytes.is_empty()
            && bytes
                .iter()
                .all(|byte| byte.as_u64().is_some_and(|b| b < 256))
            && bytes.len() > 1
    })
}

fn text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        Value::Array(bytes) => {
            let bytes = bytes.iter().map(|byte| byte.as_u64().unwrap_or(0) as u8);
            let bytes: Vec<u8> = bytes.collect();
            // Those who write a value tell it by its first word.
            let word = first_word(&bytes);
            match word.len() < bytes.len() {
                true => format!("{word} …"),
                false => word,
            }
        }
        other => other.to_string(),
    };
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The fields that differ between two nodes as lines: the name, what the one has, what the other.
pub fn lines(differences: &[Difference], nodes: [&str; 2]) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(not there)".into());
    let mut rows = vec![["field".to_owned(), nodes[0].to_owned(), nodes[1].to_owned()]];
    let fields = differences.iter();
    rows.extend(fields.map(|(name, one, other)| [name.clone(), value(one), value(other)]));
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let (names, ones) = (width(0), width(1));
    let lines = rows
        .iter()
        .map(|[name, one, other]| format!("{name:names$}  {one:ones$}  {other}\n"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use squall_cluster::state::Limits;
    use squall_cluster::state::command::{
        CacheCommand, Command, LockCommand, LockMode, NewMessage, QueueCommand, Request,
        SessionCommand, SetCondition, Stamp,
    };

    use super::*;

    fn applied(commands: Vec<Command>) -> State {
        let mut state = State::new(Limits::default());
        for (index, command) in (1..).zip(commands) {
            let request = Request {
                time_ms: 5,
                once: None,
                command,
            };
            state.apply(Stamp { index, time_ms: 5 }, &request);
        }
        state
    }

    fn set(value: &'static str) -> Command {
        Command::Cache(CacheCommand::Set {
            key: "k1".into(),
            value: value.into(),
            ttl_ms: None,
            keep_ttl: false,
            condition: SetCondition::Always,
        })
    }

    #[test]
    fn fields_are_named_by_what_they_are_of_and_differences_by_their_fields() {
        let commands = |value| {
            vec![
                Command::Session(SessionCommand::Open { ttl_ms: 1_000 }),
                Command::Lock(LockCommand::Acquire {
                    name: "printer".into(),
                    session: 1,
                    mode: LockMode::Exclusive,
                    wait_ms: 0,
                    wait_die: false,
                }),
                Command::Queue(QueueCommand::Publish {
                    queue: "jobs".into(),
                    messages: vec![NewMessage {
                        payload: "page".into(),
                        delay_ms: 0,
                        priority: 0,
                        group: None,
                        dedup: None,
                    }],
                }),
                set(value),
            ]
        };
        let one = fields(&applied(commands("v1")));
        for (name, value) in [
            ("sessions.1.deadline_ms", "1005"),
            ("locks.printer.holders.0.token", "2"),
            ("queues.jobs.messages.1.content.payload", "page"),
            ("keys.k1.value", "v1"),
            ("clock_ms", "5"),
        ] {
            assert_eq!(one.get(name).map(String::as_str), Some(value), "{one:#?}");
        }
        let other = fields(&applied(commands("v2")));
        let expected = ("keys.k1.value".into(), Some("v1".into()), Some("v2".into()));
        assert_eq!(differences(&one, &other), [expected]);
        assert_eq!(differences(&one, &one), []);
        let missing = differences(&one, &fields(&applied(vec![])));
        assert!(missing.iter().all(|(_, one, other)| one != other));
        let shown = lines(&differences(&one, &other), ["node-1", "node-4"]);
        assert_eq!(
            shown,
            "field          node-1  node-4\nkeys.k1.value  v1      v2\n"
        );
    }
}

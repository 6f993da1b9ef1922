//! Reads the events of a history in each of three notations: a Jepsen log, EDN, JSON.

use std::rc::Rc;

use serde_json::value::RawValue;

use crate::external::InputError;
use crate::external::edn::Datum;
use squall_history::jsonl::MAX_LINE_BYTES;

/// What one line says.
pub(super) struct Entry {
    pub(super) process: Rc<str>,
    pub(super) kind: Kind,
    pub(super) function: Rc<str>,
    pub(super) key: Option<Datum>,
    pub(super) value: Datum,
    pub(super) error: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

pub(super) const NEMESIS: &str = "nemesis";

/// The whole file, which is text.
pub(super) fn text(input: &[u8]) -> Result<&str, InputError> {
    std::str::from_utf8(input).map_err(|error| InputError::Line {
        line: line_at(input, error.valid_up_to()),
        what: "not text in UTF-8".into(),
    })
}

/// The line of a byte, from 1.
fn line_at(input: &[u8], at: usize) -> u64 {
    input[..at].iter().filter(|&&byte| byte == b'\n').count() as u64 + 1
}

/// The values of one array, or those that stand by themselves, each with its line.
pub(super) fn json_values(text: &str) -> Result<Vec<(u64, Datum)>, InputError> {
    let at = |error: serde_json::Error| InputError::Line {
        line: error.line() as u64,
        what: format!("no JSON: {error}"),
    };
    let raw: Vec<&RawValue> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(at)?
    } else {
        let values = serde_json::Deserializer::from_str(text).into_iter();
        values.collect::<Result<_, _>>().map_err(at)?
    };
    let (mut line, mut counted) = (1, 0);
    let value = |raw: &RawValue| {
        let start = raw.get().as_ptr().addr() - text.as_ptr().addr();
        line += line_at(&text.as_bytes()[counted..], start - counted) - 1;
        counted = start;
        let value = serde_json::from_str(raw.get()).map_err(at)?;
        Ok((line, Datum::of_json(&value)))
    };
    raw.into_iter().map(value).collect()
}

/// The lines that are not blank, numbered from 1.
pub(super) fn lines(input: &[u8]) -> Result<Vec<(u64, &str)>, InputError> {
    let mut lines = Vec::new();
    for (number, bytes) in (1..).zip(input.split(|&byte| byte == b'\n')) {
        let at = |what: &str| InputError::Line {
            line: number,
            what: what.into(),
        };
        if bytes.len() > MAX_LINE_BYTES {
            return Err(at(&format!("longer than {MAX_LINE_BYTES} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| at("not text in UTF-8"))?;
        if !text.trim().is_empty() {
            lines.push((number, text));
        }
    }
    Ok(lines)
}

/// What a logger writes before an event of ours.
const LOGGER: &str = "jepsen.util";
/// Levels with which lines of a log may begin.
const LEVELS: [&str; 4] = ["INFO", "WARN", "ERROR", "DEBUG"];

/// The event of a line, from the process on: by itself, behind a level, or behind the name of
/// Jepsen's own logger. `None` for what other loggers say.
fn event_of(line: &str) -> Result<Option<&str>, String> {
    let (level, behind) = first_word(line);
    let has_level = LEVELS.contains(&level);
    let logged = line.split_once(LOGGER).map(|(_, said)| {
        let said = said.trim_start();
        said.strip_prefix(['-', ':']).unwrap_or(said)
    });
    let places = [Some(line), has_level.then_some(behind), logged];
    match places.into_iter().flatten().find(|text| is_event(text)) {
        Some(event) => Ok(Some(event)),
        None if logged.is_none() && (has_level || line.contains(" - ")) => Ok(None),
        None => Err("not an event: PROCESS :TYPE :FUNCTION VALUE".into()),
    }
}

/// Whether the text begins with `PROCESS :TYPE :FUNCTION`.
fn is_event(text: &str) -> bool {
    let (_, rest) = first_word(text);
    let (kind, rest) = first_word(rest);
    let (function, _) = first_word(rest);
    let kind = kind.strip_prefix(':').and_then(kind_of);
    kind.is_some() && function.starts_with(':')
}

/// `3<tab>:invoke<tab>:read<tab>nil`, and what may stand before it.
pub(super) fn log_entry(line: &str) -> Result<Option<Entry>, String> {
    let Some(event) = event_of(line)? else {
        return Ok(None);
    };
    let (process, rest) = first_word(event);
    let (kind, rest) = first_word(rest);
    let (function, rest) = first_word(rest);
    let kind = kind_of(&kind[1..]).expect("it is an event");
    let process = process.strip_prefix(':').unwrap_or(process);
    let has_answer = matches!(kind, Kind::Invoke | Kind::Ok) && process != NEMESIS;
    let (value, behind) = match Datum::read_first(rest) {
        Ok((value, behind)) => (value, behind.trim()),
        Err(why) if has_answer => return Err(why),
        // A message in words, of which only that it is there matters.
        Err(_) => (Datum::Nil, rest.trim()),
    };
    if has_answer && !behind.is_empty() {
        return Err(format!("`{behind}` after the end of the value"));
    }
    Ok(Some(Entry {
        process: process.into(),
        kind,
        function: function[1..].into(),
        key: None,
        // `:timed-out` in the place of the value, or anything behind it.
        error: matches!(value, Datum::Keyword(_)) || !matches!(behind, "" | "nil"),
        value,
    }))
}

fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at(end)
}

pub(super) fn map_entry(map: &Datum) -> Result<Entry, String> {
    if !matches!(map, Datum::Map(_)) {
        return Err("not a map like {:process 0, :type :invoke, :f :read, :value nil}".into());
    }
    let name = |key: &str| -> Result<Rc<str>, String> {
        match map.get(key) {
            Some(Datum::Keyword(name) | Datum::Text(name)) => {
                Ok(name.strip_prefix(':').unwrap_or(name).into())
            }
            Some(other) => Err(format!(":{key} is {other}, not a keyword")),
            None => Err(format!("the map has no :{key}")),
        }
    };
    let kind = name("type")?;
    let kind = kind_of(&kind).ok_or_else(|| format!("unknown :type :{kind}"))?;
    let process = match map.get("process") {
        Some(Datum::Keyword(_) | Datum::Text(_)) => name("process")?,
        Some(other) => other.to_string().into(),
        None => return Err("the map has no :process".into()),
    };
    Ok(Entry {
        process,
        kind,
        function: name("f")?,
        key: map.get("key").cloned(),
        value: map.get("value").cloned().unwrap_or(Datum::Nil),
        error: map.get("error").is_some_and(|error| *error != Datum::Nil),
    })
}

fn kind_of(name: &str) -> Option<Kind> {
    match name {
        "invoke" => Some(Kind::Invoke),
        "ok" => Some(Kind::Ok),
        "fail" => Some(Kind::Fail),
        "info" => Some(Kind::Info),
        _ => None,
    }
}

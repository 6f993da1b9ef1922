//! Operations of a history from outside, as they stand in the file.
//!
//! Two notations, one event a line. A Jepsen log: `… PROCESS :TYPE :FUNCTION VALUE`, and
//! lines of the nemesis. EDN maps: `{:process 0, :type :invoke, :f :read, :value nil}`,
//! with `:key`, `:time` and `:error` where they are known. Types are Jepsen's: `:invoke`,
//! `:ok`, `:fail` (surely no effect), `:info` (unknown). This file pairs invocations with
//! completions and judges nothing; what functions mean is for the models.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::edn::Datum;
use super::object::Shown;
use super::{Format, InputError};
use squall_history::jsonl::MAX_LINE_BYTES;

/// One operation, with the places of its events: positions in the history, and lines.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) client: Rc<str>,
    pub(super) function: Rc<str>,
    pub(super) key: Option<Datum>,
    pub(super) asked: Datum,
    pub(super) told: Told,
    pub(super) invoked: usize,
    /// Also of an unknown outcome, if the history says when it was given up.
    pub(super) returned: Option<usize>,
    pub(super) line: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    Ok(Datum),
    /// Surely without effect; whether an error is the reason, and not the object's state.
    Fail {
        error: bool,
    },
    Unknown,
}

/// A history from outside.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) records: Vec<Record>,
    /// What the nemesis did: position, and its words.
    pub(super) nemesis: Vec<(usize, String)>,
    /// Line of each event.
    pub(super) lines: Vec<u64>,
}

/// More operations than this are refused, so that no file takes all memory.
const MOST_OPERATIONS: usize = 20_000_000;

/// What one line says.
struct Entry {
    process: Rc<str>,
    kind: Kind,
    function: Rc<str>,
    key: Option<Datum>,
    value: Datum,
    error: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

const NEMESIS: &str = "nemesis";

impl Records {
    /// # Errors
    /// The line that is no event, or that answers nothing.
    pub(super) fn read(input: &[u8], format: Format) -> Result<Self, InputError> {
        let mut pairing = Pairing::default();
        for (line, text) in lines(input)? {
            let at = |what: String| InputError::Line { line, what };
            let entry = match format {
                Format::Edn => map_entry(text).map(Some),
                Format::Jepsen | Format::Squall => log_entry(text),
            };
            if let Some(entry) = entry.map_err(at)? {
                pairing.note(entry, line).map_err(at)?;
            }
        }
        match pairing.found.records.is_empty() {
            true => Err(InputError::Empty),
            false => Ok(pairing.found),
        }
    }

    /// An operation as a reader sees it.
    pub(super) fn shown(&self, number: usize) -> Shown {
        let record = &self.records[number];
        let Record {
            client,
            function,
            told,
            ..
        } = record;
        let asked = match &record.asked {
            Datum::Nil => String::new(),
            asked => format!(" {asked}"),
        };
        let (label, told) = match told {
            Told::Ok(answer) if *answer == record.asked => {
                (format!("{function}{asked}"), "ok".into())
            }
            Told::Ok(answer) => (format!("{function} → {answer}"), answer.to_string()),
            Told::Fail { .. } => (format!("{function}{asked} ✗"), "failed".into()),
            Told::Unknown => (format!("{function}{asked} ?"), "unknown".to_owned()),
        };
        let returned = record.returned.filter(|_| record.told != Told::Unknown);
        let lines = match returned {
            None => format!("line {}", record.line),
            Some(position) => format!("lines {} to {}", record.line, self.lines[position]),
        };
        Shown {
            client: client.clone(),
            words: format!("client {client}: {function}{asked} -> {told} ({lines})"),
            label,
            invoked: record.invoked,
            returned,
        }
    }
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

#[derive(Default)]
struct Pairing {
    found: Records,
    /// The operation that each process has not been answered.
    open: BTreeMap<Rc<str>, usize>,
    /// Each name once, however often it stands in the file.
    names: BTreeMap<Rc<str>, Rc<str>>,
}

impl Pairing {
    fn note(&mut self, entry: Entry, line: u64) -> Result<(), String> {
        let position = self.found.lines.len();
        self.found.lines.push(line);
        if &*entry.process == NEMESIS {
            let words = format!("{} {}", entry.function, entry.value);
            self.found.nemesis.push((position, words));
            return Ok(());
        }
        let process = self.name(entry.process.clone());
        match entry.kind {
            Kind::Invoke => self.invoke(process, entry, position, line),
            kind => self.complete(&process, kind, entry, position),
        }
    }

    fn name(&mut self, name: Rc<str>) -> Rc<str> {
        self.names.entry(name.clone()).or_insert(name).clone()
    }

    fn invoke(
        &mut self,
        process: Rc<str>,
        entry: Entry,
        position: usize,
        line: u64,
    ) -> Result<(), String> {
        let number = self.found.records.len();
        if number == MOST_OPERATIONS {
            return Err(format!("more than {MOST_OPERATIONS} operations"));
        }
        if let Some(before) = self.open.insert(process.clone(), number) {
            let line = self.found.records[before].line;
            return Err(format!(
                "process {process} begins an operation, but that of line {line} is not answered"
            ));
        }
        let function = self.name(entry.function);
        self.found.records.push(Record {
            client: process,
            function,
            key: entry.key,
            asked: entry.value,
            told: Told::Unknown,
            invoked: position,
            returned: None,
            line,
        });
        Ok(())
    }

    fn complete(
        &mut self,
        process: &str,
        kind: Kind,
        entry: Entry,
        position: usize,
    ) -> Result<(), String> {
        let Some(number) = self.open.remove(process) else {
            return Err(format!("process {process} is answered, but asked nothing"));
        };
        let record = &mut self.found.records[number];
        if record.function != entry.function {
            return Err(format!(
                "process {process} is answered {}, but asked {} in line {}",
                entry.function, record.function, record.line
            ));
        }
        record.returned = Some(position);
        record.told = match kind {
            Kind::Ok => Told::Ok(entry.value),
            Kind::Fail => Told::Fail { error: entry.error },
            Kind::Info => Told::Unknown,
            Kind::Invoke => unreachable!("an invocation completes nothing"),
        };
        Ok(())
    }
}

/// `INFO  jepsen.util - 3<tab>:invoke<tab>:read<tab>nil`; the part before the process is
/// the logger's. `None` for what other loggers say.
fn log_entry(text: &str) -> Result<Option<Entry>, String> {
    let said = match text.split_once(" - ") {
        Some((head, _)) if !head.trim_end().ends_with("jepsen.util") => return Ok(None),
        Some((_, said)) => said,
        None => text,
    };
    let (process, rest) = first_word(said);
    let (kind, rest) = first_word(rest);
    let (function, rest) = first_word(rest);
    let known = kind_of(kind.strip_prefix(':').unwrap_or(""));
    let (Some(kind), Some(function)) = (known, function.strip_prefix(':')) else {
        return Err("not an event: PROCESS :TYPE :FUNCTION VALUE".into());
    };
    let process = process.strip_prefix(':').unwrap_or(process);
    // A message may follow the words of the nemesis, and no one reads it.
    let value = match Datum::read(rest) {
        Err(_) if process == NEMESIS => Datum::Nil,
        value => value?,
    };
    Ok(Some(Entry {
        process: process.into(),
        kind,
        function: function.into(),
        key: None,
        // `:timed-out` in the place of the value.
        error: matches!(value, Datum::Keyword(_)),
        value,
    }))
}

fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at(end)
}

fn map_entry(text: &str) -> Result<Entry, String> {
    let map = Datum::read(text)?;
    if !matches!(map, Datum::Map(_)) {
        return Err("not a map like {:process 0, :type :invoke, :f :read, :value nil}".into());
    }
    let name = |key: &str| match map.get(key) {
        Some(Datum::Keyword(name)) => Ok(name.clone()),
        Some(other) => Err(format!(":{key} is {other}, not a keyword")),
        None => Err(format!("the map has no :{key}")),
    };
    let kind = name("type")?;
    let kind = kind_of(&kind).ok_or_else(|| format!("unknown :type :{kind}"))?;
    let process = match map.get("process") {
        Some(Datum::Keyword(name)) => name.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, format: Format) -> String {
        let read = Records::read(text.as_bytes(), format);
        read.expect_err("the text is damaged").to_string()
    }

    #[test]
    fn a_log_and_maps_say_the_same() {
        let log = "INFO  jepsen.util - 0\t:invoke\t:write\t1\nother - noise\n\
                   INFO  jepsen.util - 0\t:info\t:write\t:timed-out\n";
        let maps = "{:process 0, :type :invoke, :f :write, :value 1}\n\n\
                    {:process 0, :type :info, :f :write, :value 1, :error :timed-out}";
        let read = |text: &str, format| {
            let read = Records::read(text.as_bytes(), format).expect("it is well formed");
            let [record] = read.records.as_slice() else {
                panic!("{read:?}")
            };
            (
                record.told.clone(),
                record.asked.to_string(),
                record.returned,
            )
        };
        let expected = (Told::Unknown, "1".to_owned(), Some(1));
        assert_eq!(read(log, Format::Jepsen), expected);
        assert_eq!(read(maps, Format::Edn), expected);
    }

    #[test]
    fn what_cannot_be_paired_is_named_with_its_line() {
        let log = "0 :invoke :read nil\n0 :ok :read 1\n0 :ok :read 1\n";
        let told = "line 3: process 0 is answered, but asked nothing";
        assert_eq!(refused(log, Format::Jepsen), told);
        let log = "0 :invoke :read nil\n0 :invoke :read nil\n";
        assert!(refused(log, Format::Jepsen).starts_with("line 2: process 0 begins"));
        let log = "0 :invoke :read nil\n0 :ok :write 1\n";
        assert!(refused(log, Format::Jepsen).contains("but asked read in line 1"));
        assert!(refused("{:type :ok}", Format::Edn).starts_with("line 1: the map has no"));
        assert!(refused("", Format::Edn).contains("no operations"));
    }
}

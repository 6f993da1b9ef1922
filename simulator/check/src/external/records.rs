//! Reads the operations of a history from outside, as they stand in the file.
//!
//! Three notations. A Jepsen log, one event a line: `… PROCESS :TYPE :FUNCTION VALUE`, and
//! lines of the nemesis; what stands behind the value of a failure is its error. EDN maps:
//! `{:process 0, :type :invoke, :f :read, :value nil}`, with `:key`, `:time` and `:error`
//! where they are known, in one vector or list or by themselves. JSON objects with the same
//! fields, in one array or by themselves. Types are Jepsen's: `:invoke`, `:ok`, `:fail`
//! (surely no effect), `:info` (unknown). `notations` reads events; this file pairs
//! invocations with completions and judges nothing; what functions mean is for the models.

mod notations;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::edn::{Datum, Values};
use super::shown::Shown;
use super::{Format, InputError};
use notations::{Entry, Kind, NEMESIS, json_values, lines, log_entry, map_entry, text};

/// One operation, with the places of its events: positions in the history, and lines.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) client: Rc<str>,
    pub(super) function: Rc<str>,
    pub(super) key: Option<Datum>,
    pub(super) asked: Datum,
    pub(super) completion: Completion,
    pub(super) invoked: usize,
    /// Also of an unknown outcome, if the history says when it was given up.
    pub(super) returned: Option<usize>,
    pub(super) line: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Completion {
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

impl Records {
    /// # Errors
    /// The line that is no event, or that answers nothing.
    pub(super) fn read(input: &[u8], format: Format) -> Result<Self, InputError> {
        let mut pairing = Pairing::default();
        let mut note = |line: u64, entry: Result<Option<Entry>, String>| {
            let at = |what: String| InputError::Line { line, what };
            match entry.map_err(at)? {
                Some(entry) => pairing.note(entry, line).map_err(at),
                None => Ok(()),
            }
        };
        match format {
            Format::Jepsen | Format::Squall => {
                for (line, text) in lines(input)? {
                    note(line, log_entry(text))?;
                }
            }
            Format::Edn => {
                for (line, value) in Values::of(text(input)?) {
                    note(line, value.and_then(|value| map_entry(&value)).map(Some))?;
                }
            }
            Format::Json => {
                for (line, value) in json_values(text(input)?)? {
                    note(line, map_entry(&value).map(Some))?;
                }
            }
        }
        if pairing.found.records.is_empty() {
            Err(InputError::Empty)
        } else {
            Ok(pairing.found)
        }
    }

    /// An operation as a reader sees it.
    pub(super) fn shown(&self, number: usize) -> Shown {
        let record = &self.records[number];
        let Record {
            client,
            function,
            completion,
            ..
        } = record;
        let asked = match &record.asked {
            Datum::Nil => String::new(),
            asked => format!(" {asked}"),
        };
        let (label, completion) = match completion {
            Completion::Ok(answer) if *answer == record.asked => {
                (format!("{function}{asked}"), "ok".into())
            }
            Completion::Ok(answer) => (format!("{function} → {answer}"), answer.to_string()),
            Completion::Fail { .. } => (format!("{function}{asked} ✗"), "failed".into()),
            Completion::Unknown => (format!("{function}{asked} ?"), "unknown".to_owned()),
        };
        let returned = record
            .returned
            .filter(|_| record.completion != Completion::Unknown);
        let lines = match returned {
            None => format!("line {}", record.line),
            Some(position) => format!("lines {} to {}", record.line, self.lines[position]),
        };
        Shown {
            client: client.clone(),
            words: format!("client {client}: {function}{asked} -> {completion} ({lines})"),
            label,
            invoked: record.invoked,
            returned,
        }
    }
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
            completion: Completion::Unknown,
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
        record.completion = match kind {
            Kind::Ok => Completion::Ok(entry.value),
            Kind::Fail => Completion::Fail { error: entry.error },
            Kind::Info => Completion::Unknown,
            Kind::Invoke => unreachable!("an invocation completes nothing"),
        };
        Ok(())
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
                record.completion.clone(),
                record.asked.to_string(),
                record.returned,
            )
        };
        let expected = (Completion::Unknown, "1".to_owned(), Some(1));
        assert_eq!(read(log, Format::Jepsen), expected);
        assert_eq!(read(maps, Format::Edn), expected);
    }

    /// Client, function and outcome of each operation.
    fn outcomes(text: &str, format: Format) -> Vec<(String, String, Completion)> {
        let read = Records::read(text.as_bytes(), format).expect("it is well formed");
        let records = read.records.into_iter();
        records
            .map(|r| (r.client.to_string(), r.function.to_string(), r.completion))
            .collect()
    }

    #[test]
    fn a_log_with_or_without_its_logger_and_with_errors_behind_the_value() {
        let completion = |error| vec![("1".into(), "read".into(), Completion::Fail { error })];
        for before in [
            "",
            "INFO ",
            "INFO  jepsen.util - ",
            "12:00 INFO [worker 1] jepsen.util: ",
        ] {
            for (behind, error) in [
                ("nil", false),
                ("nil\tnil", false),
                ("nil\t:timeout", true),
                ("nil\tSome connection error", true),
                ("nil\t[:not-found \"no - lease\"]", true),
                (":timed-out", true),
            ] {
                let log = format!(
                    "{before}1\t:invoke\t:read\tnil\nother - noise\n\
                     {before}1\t:fail\t:read\t{behind}\n\
                     {before}:nemesis\t:info\t:start\tcut off (n1 - n2\n"
                );
                assert_eq!(outcomes(&log, Format::Jepsen), completion(error), "{log}");
            }
        }
    }

    #[test]
    fn one_vector_one_list_one_array_and_values_by_themselves_say_the_same() {
        let expected = [(
            "1".to_owned(),
            "read".to_owned(),
            Completion::Ok(Datum::Int(3)),
        )];
        let edn = |open: &str, close: &str| {
            format!(
                "; recorded\n{open}{{:process 1  :type :invoke, :f :read\n :value nil}}\n\
                 ; then\n {{:process :nemesis :type :info :f :stop}},\n\
                 {{:type :ok, :f :read, :value 3, :process 1, :error nil}}{close}\n"
            )
        };
        for (open, close) in [("[", "]"), ("(", ")"), ("", "")] {
            assert_eq!(outcomes(&edn(open, close), Format::Edn), expected);
        }
        let json = |open: &str, comma: &str, close: &str| {
            format!(
                "{open}{{\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"value\":null}}{comma}\n\
                 {{\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"stop\"}}{comma}\n\
                 {{\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":3}}{close}\n"
            )
        };
        assert_eq!(outcomes(&json("[", ",", "]"), Format::Json), expected);
        assert_eq!(outcomes(&json("", "", ""), Format::Json), expected);
        let cut = json("[", ",", "");
        assert!(
            refused(&cut, Format::Json).starts_with("line 4: no JSON"),
            "{cut}"
        );
        let odd = json("[", ",", "]").replace("\"ok\"", "\"odd\"");
        assert_eq!(refused(&odd, Format::Json), "line 3: unknown :type :odd");
    }

    #[test]
    fn what_cannot_be_paired_is_named_with_its_line() {
        let log = "0 :invoke :read nil\n0 :ok :read 1\n0 :ok :read 1\n";
        let completion = "line 3: process 0 is answered, but asked nothing";
        assert_eq!(refused(log, Format::Jepsen), completion);
        let log = "0 :invoke :read nil\n0 :invoke :read nil\n";
        assert!(refused(log, Format::Jepsen).starts_with("line 2: process 0 begins"));
        let log = "0 :invoke :read nil\n0 :ok :write 1\n";
        assert!(refused(log, Format::Jepsen).contains("but asked read in line 1"));
        assert!(refused("{:type :ok}", Format::Edn).starts_with("line 1: the map has no"));
        assert!(refused("", Format::Edn).contains("no operations"));
    }
}

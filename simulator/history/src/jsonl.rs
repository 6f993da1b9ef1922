//! A history as JSON lines: a [`Header`], then one [`Event`] a line.
//!
//! Stored histories are judged again long after the run, and compared byte for byte to
//! prove that a run repeats. So the output is stable (fields in the order of their
//! declaration, nothing depends on a map), and reading forgives nothing: a line that does
//! not parse, a file that ends within a line, or events out of order are errors naming
//! the line. It deliberately does not judge whether the history makes sense; that is
//! `check`'s work.
//!
//! Format: <https://jsonlines.org>.

use std::io::{self, BufRead, Read, Write};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::line::Line;
use super::{Event, History};

/// Version of the format that this code writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// The longest line that is read, in bytes without the line end (16 MiB). A damaged file
/// must not make the reader take all memory.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// The first line: what ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always [`FORMAT_VERSION`]; also marks the file as a history.
    pub squall_history: u32,
    /// Name of the scenario.
    pub scenario: String,
    /// Together with the scenario it repeats a simulated run to the byte.
    pub seed: u64,
    /// Names of the nodes at the start of the run.
    pub nodes: Vec<String>,
}

impl Header {
    /// A header of the current format version.
    pub fn new(scenario: impl Into<String>, seed: u64, nodes: Vec<String>) -> Self {
        Self {
            squall_history: FORMAT_VERSION,
            scenario: scenario.into(),
            seed,
            nodes,
        }
    }
}

/// Why a history could not be written or read. Lines count from 1, the header is line 1.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The output did not take it: disk full, pipe closed.
    #[error("cannot write the history: {0}")]
    Write(#[source] io::Error),
    /// The input failed, or is no UTF-8.
    #[error("line {line}: cannot read: {source}")]
    Read {
        /// Of the file, from 1.
        line: u64,
        /// As the operating system has it.
        source: io::Error,
    },
    /// No line at all.
    #[error("the history is empty: line 1 must be a header like {{\"squall_history\":1,...}}")]
    Empty,
    /// The first line is JSON of another kind, or none.
    #[error("line 1: not a history header: {0}")]
    Header(#[source] serde_json::Error),
    /// Written by another version of Squall.
    #[error("line 1: history format {found}, but this program reads format {FORMAT_VERSION}")]
    Version {
        /// The version that the header claims; this one reads [`FORMAT_VERSION`].
        found: u32,
    },
    /// A line with nothing in it.
    #[error("line {line}: blank, but every line must be an event")]
    Blank {
        /// Of the file, from 1.
        line: u64,
    },
    /// A line that is no JSON, or an event that this version does not know.
    #[error("line {line}: not an event: {source}")]
    Event {
        /// Of the file, from 1.
        line: u64,
        /// What the parser did not like.
        source: serde_json::Error,
    },
    /// A line that has fields which would be lost if it were written again.
    #[error("line {line}: says more than an event of this format can: {surplus}")]
    Surplus {
        /// Of the file, from 1.
        line: u64,
        /// The first such field.
        surplus: String,
    },
    /// Time runs backwards.
    #[error("line {line}: at {at_us} us is before the previous event's {previous_us} us")]
    Backwards {
        /// Of the file, from 1.
        line: u64,
        /// When this line's event happened, µs since the start of the run.
        at_us: u64,
        /// When the line before it happened, µs since the start of the run.
        previous_us: u64,
    },
    /// A line beyond [`MAX_LINE_BYTES`]; it is not read to its end.
    #[error("line {line}: longer than {MAX_LINE_BYTES} bytes")]
    TooLong {
        /// Of the file, from 1.
        line: u64,
    },
    /// The last line is cut off, as by a crash of whoever wrote it.
    #[error("line {line}: truncated: the file ends without a line end")]
    Truncated {
        /// Of the file, from 1.
        line: u64,
    },
}

impl History {
    /// SHA-256 of the file that [`History::write`] makes, in hexadecimal.
    pub fn sha256(&self, header: &Header) -> String {
        use sha2::{Digest, Sha256};
        let mut hasher = Sha256::new();
        self.write(header, io::BufWriter::with_capacity(1 << 16, &mut hasher))
            .expect("hashing does not fail");
        let digest = hasher.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes the header and every event, one line each.
    ///
    /// # Errors
    /// [`HistoryError::Write`] when `out` refuses.
    pub fn write(&self, header: &Header, mut out: impl Write) -> Result<(), HistoryError> {
        write_line(&mut out, header)?;
        for event in &self.events {
            write_line(&mut out, event)?;
        }
        out.flush().map_err(HistoryError::Write)
    }

    /// Reads what [`History::write`] wrote.
    ///
    /// # Errors
    /// Anything that `write` could not have produced; see [`HistoryError`].
    pub fn read(mut input: impl BufRead) -> Result<(Header, History), HistoryError> {
        let (mut buffer, mut canonical) = (Vec::new(), Vec::new());
        if !read_line(&mut input, 1, &mut buffer)? {
            return Err(HistoryError::Empty);
        }
        let header = parse_header(&buffer)?;
        let mut history = History::default();
        let mut previous_us = 0;
        for line in 2.. {
            if !read_line(&mut input, line, &mut buffer)? {
                break;
            }
            let event = parse_event(&buffer, &mut canonical, line)?;
            if event.at_us < previous_us {
                return Err(HistoryError::Backwards {
                    line,
                    at_us: event.at_us,
                    previous_us,
                });
            }
            previous_us = event.at_us;
            history.events.push(event);
        }
        Ok((header, history))
    }
}

fn write_line(out: &mut impl Write, value: &impl Serialize) -> Result<(), HistoryError> {
    serde_json::to_writer(&mut *out, value).map_err(|error| HistoryError::Write(error.into()))?;
    out.write_all(b"\n").map_err(HistoryError::Write)
}

/// Fills `buffer` with the next line without its end; `false` at the end of the file.
fn read_line(
    input: &mut impl BufRead,
    line: u64,
    buffer: &mut Vec<u8>,
) -> Result<bool, HistoryError> {
    buffer.clear();
    let bound = MAX_LINE_BYTES as u64 + 1;
    input
        .by_ref()
        .take(bound)
        .read_until(b'\n', buffer)
        .map_err(|source| HistoryError::Read { line, source })?;
    match buffer.pop() {
        None => Ok(false),
        Some(b'\n') => Ok(true),
        Some(_) if buffer.len() == MAX_LINE_BYTES => Err(HistoryError::TooLong { line }),
        Some(_) => Err(HistoryError::Truncated { line }),
    }
}

fn parse_header(line: &[u8]) -> Result<Header, HistoryError> {
    /// Read first, so that a later format is named as such and not as a bad field.
    #[derive(Deserialize)]
    struct Version {
        squall_history: u32,
    }
    let version: Version = serde_json::from_slice(line).map_err(HistoryError::Header)?;
    if version.squall_history != FORMAT_VERSION {
        return Err(HistoryError::Version {
            found: version.squall_history,
        });
    }
    serde_json::from_slice(line).map_err(HistoryError::Header)
}

/// Parses one event and makes sure that nothing in the line was ignored.
///
/// serde cannot refuse unknown fields in flattened types, so the event is written again
/// (into `scratch`); only a line that is not byte for byte what we would write is
/// compared field by field, which keeps the usual case fast.
fn parse_event(bytes: &[u8], scratch: &mut Vec<u8>, line: u64) -> Result<Event, HistoryError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(HistoryError::Blank { line });
    }
    let bad = |source| HistoryError::Event { line, source };
    let event: Event = match serde_json::from_slice(bytes) {
        Ok(Line(event)) => event,
        Err(_) => serde_json::from_slice(bytes).map_err(bad)?,
    };
    scratch.clear();
    serde_json::to_writer(&mut *scratch, &event).map_err(bad)?;
    if scratch != bytes {
        let found: serde_json::Value = serde_json::from_slice(bytes).map_err(bad)?;
        let known: serde_json::Value = serde_json::from_slice(scratch).map_err(bad)?;
        if found != known {
            let surplus = surplus(&found, &known);
            return Err(HistoryError::Surplus { line, surplus });
        }
    }
    Ok(event)
}

/// Names what `found` has and `known` has not.
fn surplus(found: &serde_json::Value, known: &serde_json::Value) -> String {
    let (Some(found), Some(known)) = (found.as_object(), known.as_object()) else {
        return found.to_string();
    };
    let extra = |(key, value): (&String, &serde_json::Value)| match known.get(key) {
        Some(same) if same == value => None,
        Some(other) => Some(format!("{key}: {}", surplus(value, other))),
        None => Some(format!("field `{key}`")),
    };
    let names: Vec<String> = found.iter().filter_map(extra).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use crate::PointCounts;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Action, EventKind, FaultEvent, FaultStatus, HarnessEvent, NodeEvent, Outcome, Phase,
    };

    fn header() -> Header {
        Header::new("demo", 7, vec!["node-1".into(), "node-2".into()])
    }

    fn one_of_each() -> History {
        let kinds = vec![
            EventKind::Phase {
                phase: Phase::Warmup,
            },
            EventKind::Invoke {
                op: 1,
                client: "cache-1".into(),
                intended_us: Some(3),
                action: Action::Increment {
                    key: "k".into(),
                    by: -2,
                },
            },
            EventKind::Return {
                op: 1,
                outcome: Outcome::Value {
                    value: None,
                    version: 0,
                },
            },
            EventKind::Fault(FaultEvent {
                fault: 0,
                kind: squall_fault::FaultKind::Kill,
                targets: vec!["node-1".into()],
                cut_off: Vec::new(),
                drift_ppm: None,
                status: FaultStatus::Skipped {
                    why: "no leader".into(),
                },
            }),
            EventKind::Node {
                node: "node-1".into(),
                event: NodeEvent::Follower {
                    term: 2,
                    leader: None,
                },
            },
            EventKind::Note {
                text: "line\nend".into(),
            },
            EventKind::Harness {
                event: HarnessEvent::Undo {
                    fault: 3,
                    why: "no leader".into(),
                },
            },
            EventKind::Points {
                points: [(
                    squall_fault::Point::LogBeforeSync,
                    PointCounts {
                        met: 3,
                        struck: 1,
                        ..PointCounts::default()
                    },
                )]
                .into(),
            },
            EventKind::Harness {
                event: HarnessEvent::ClientsDone,
            },
        ];
        let event = |(at, kind)| Event {
            at_us: at as u64,
            kind,
        };
        History {
            events: kinds.into_iter().enumerate().map(event).collect(),
        }
    }

    fn text(history: &History) -> String {
        let mut out = Vec::new();
        history
            .write(&header(), &mut out)
            .expect("a Vec takes every byte");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    fn error(input: &str) -> String {
        History::read(input.as_bytes())
            .expect_err("the input is damaged")
            .to_string()
    }

    const HEADER: &str = "{\"squall_history\":1,\"scenario\":\"demo\",\"seed\":7,\"nodes\":[]}\n";

    #[test]
    fn output_is_these_bytes() {
        let expected = [
            r#"{"squall_history":1,"scenario":"demo","seed":7,"nodes":["node-1","node-2"]}"#,
            r#"{"at":0,"type":"phase","phase":"warmup"}"#,
            r#"{"at":1,"type":"invoke","op":1,"client":"cache-1","intended":3,"action":{"f":"increment","key":"k","by":-2}}"#,
            r#"{"at":2,"type":"return","op":1,"outcome":{"outcome":"value","version":0}}"#,
            r#"{"at":3,"type":"fault","fault":0,"kind":"kill","targets":["node-1"],"status":"skipped","why":"no leader"}"#,
            r#"{"at":4,"type":"node","node":"node-1","is":"follower","term":2,"leader":null}"#,
            r#"{"at":5,"type":"note","text":"line\nend"}"#,
            r#"{"at":6,"type":"harness","missed":"undo","fault":3,"why":"no leader"}"#,
            r#"{"at":7,"type":"points","points":{"log.before_sync":{"met":3,"struck":1}}}"#,
            r#"{"at":8,"type":"harness","missed":"clients_done"}"#,
            "",
        ];
        assert_eq!(text(&one_of_each()), expected.join("\n"));
    }

    #[test]
    fn reading_gives_back_what_was_written() {
        let history = one_of_each();
        let (read_header, read) =
            History::read(text(&history).as_bytes()).expect("our own output reads");
        assert_eq!((read_header, read), (header(), history));
    }

    #[test]
    fn an_unknown_kind_of_fault_is_named() {
        let line =
            r#"{"at":3,"type":"fault","fault":0,"kind":"meteor","targets":[],"status":"healed"}"#;
        let error = error(&format!("{HEADER}{line}\n"));
        assert!(error.starts_with("line 2: not an event"), "{error}");
        assert!(error.contains("unknown kind of fault `meteor`"), "{error}");
    }

    #[test]
    fn damage_is_named_with_its_line() {
        assert!(error("").contains("history is empty"));
        assert!(error("{\"at\":1}\n").starts_with("line 1: not a history header"));
        assert!(error("{\"squall_history\":2}\n").contains("history format 2"));
        assert!(error(&format!("{HEADER}\n")).starts_with("line 2: blank"));
        assert!(error(&format!("{HEADER}{{}}\n")).starts_with("line 2: not an event"));
        let twice = format!(
            "{HEADER}{}\n{}\n",
            r#"{"at":9,"type":"note","text":"a"}"#, r#"{"at":8,"type":"note","text":"b"}"#
        );
        assert!(error(&twice).starts_with("line 3: at 8 us is before"));
    }

    #[test]
    fn a_field_that_would_be_ignored_is_an_error() {
        let line = r#"{"at":1,"type":"note","text":"a","colour":"red"}"#;
        assert_eq!(
            error(&format!("{HEADER}{line}\n")),
            "line 2: says more than an event of this format can: field `colour`"
        );
    }

    #[test]
    fn spaces_and_field_order_are_no_damage() {
        let line = r#"{ "type": "note", "text": "a", "at": 1 }"#;
        let input = format!("{HEADER}{line}\n");
        let (_, history) = History::read(input.as_bytes()).expect("the same event");
        assert_eq!(history.events.len(), 1);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let line = "x".repeat(MAX_LINE_BYTES + 1);
        assert!(error(&format!("{HEADER}{line}")).starts_with("line 2: longer than"));
    }

    proptest! {
        /// Wherever a file is cut, reading it says so, unless the cut is between lines.
        #[test]
        fn every_cut_inside_a_line_is_seen(cut in 1usize..600) {
            let whole = text(&one_of_each());
            let cut = cut.min(whole.len() - 1);
            let read = History::read(&whole.as_bytes()[..cut]);
            if whole.as_bytes()[cut - 1] == b'\n' {
                prop_assert!(read.is_ok());
            } else {
                let message = read.expect_err("the last line is cut").to_string();
                prop_assert!(message.contains("truncated"), "{}", message);
            }
        }
    }
}

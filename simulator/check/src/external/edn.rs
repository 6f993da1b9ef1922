//! Values in EDN, the notation of Clojure, in which Jepsen writes histories.
//!
//! Format: <https://github.com/edn-format/edn>. Reads what histories hold: nil, booleans,
//! numbers, strings, keywords, symbols, lists, vectors, sets, maps, and tags, which are
//! dropped. Numbers that are no 64-bit integers stay text: a history compares values and
//! never calculates with such. Nesting is bounded, so that no input exhausts the stack.

use std::fmt;
use std::rc::Rc;

/// A value. Lists, vectors and sets are one, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Datum {
    Nil,
    Bool(bool),
    Int(i64),
    Text(Rc<str>),
    /// Without its colon.
    Keyword(Rc<str>),
    /// Anything else that is one word.
    Word(Rc<str>),
    List(Rc<[Datum]>),
    Map(Rc<[(Datum, Datum)]>),
}

/// Deeper nesting is refused.
const DEPTH: usize = 64;

impl Datum {
    /// Reads one value, and what stands behind it.
    ///
    /// # Errors
    /// Why it is none, in words.
    pub(super) fn read_first(text: &str) -> Result<(Datum, &str), String> {
        let mut reader = Reader { text, at: 0 };
        let datum = reader.value(0)?;
        reader.skip_blank();
        Ok((datum, &text[reader.at..]))
    }

    /// A value of JSON; a map's keys become keywords.
    pub(super) fn of_json(value: &serde_json::Value) -> Datum {
        use serde_json::Value;
        match value {
            Value::Null => Datum::Nil,
            Value::Bool(value) => Datum::Bool(*value),
            Value::Number(number) => match number.as_i64() {
                Some(number) => Datum::Int(number),
                None => Datum::Word(number.to_string().into()),
            },
            Value::String(text) => Datum::Text(text.as_str().into()),
            Value::Array(items) => Datum::List(items.iter().map(Datum::of_json).collect()),
            Value::Object(fields) => {
                let pair = |(key, value): (&String, &Value)| {
                    (Datum::Keyword(key.as_str().into()), Datum::of_json(value))
                };
                Datum::Map(fields.iter().map(pair).collect())
            }
        }
    }

    /// The value of a keyword in a map.
    pub(super) fn get(&self, key: &str) -> Option<&Datum> {
        let Datum::Map(pairs) = self else {
            return None;
        };
        let is_key = |datum: &Datum| matches!(datum, Datum::Keyword(name) if &**name == key);
        pairs.iter().find(|(k, _)| is_key(k)).map(|(_, v)| v)
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Nil => f.write_str("nil"),
            Datum::Bool(value) => write!(f, "{value}"),
            Datum::Int(value) => write!(f, "{value}"),
            Datum::Text(text) => {
                f.write_str("\"")?;
                for letter in text.chars() {
                    match letter {
                        '"' | '\\' => write!(f, "\\{letter}")?,
                        '\n' => f.write_str("\\n")?,
                        control if control.is_control() => {
                            write!(f, "\\u{:04x}", u32::from(control))?;
                        }
                        letter => write!(f, "{letter}")?,
                    }
                }
                f.write_str("\"")
            }
            Datum::Keyword(name) => write!(f, ":{name}"),
            Datum::Word(word) => f.write_str(word),
            Datum::List(items) => {
                f.write_str("[")?;
                for (n, item) in items.iter().enumerate() {
                    let space = if n > 0 { " " } else { "" };
                    write!(f, "{space}{item}")?;
                }
                f.write_str("]")
            }
            Datum::Map(pairs) => {
                f.write_str("{")?;
                for (n, (key, value)) in pairs.iter().enumerate() {
                    let comma = if n > 0 { ", " } else { "" };
                    write!(f, "{comma}{key} {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

/// The values of a file: those of the one vector or list that it is, or else all that stand
/// in it, each with the line that it begins in.
pub(super) struct Values<'t> {
    reader: Reader<'t>,
    /// What closes the vector or list; `None` outside of one.
    close: Option<char>,
    line: u64,
    counted: usize,
    is_over: bool,
}

impl<'t> Values<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let mut reader = Reader { text, at: 0 };
        reader.skip_blank();
        let close = match reader.peek() {
            Some('[') => Some(']'),
            Some('(') => Some(')'),
            _ => None,
        };
        if close.is_some() {
            reader.next();
        }
        Self {
            reader,
            close,
            line: 1,
            counted: 0,
            is_over: false,
        }
    }

    /// What comes next, unless it is the end.
    fn value(&mut self) -> Result<Option<Datum>, String> {
        self.reader.skip_blank();
        let passed = &self.reader.text.as_bytes()[self.counted..self.reader.at];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.counted = self.reader.at;
        match (self.reader.peek(), self.close) {
            (None, None) => return Ok(None),
            (None, Some(close)) => return Err(format!("the file ends before its `{close}`")),
            (next, close) if next == close => {
                self.reader.next();
                self.reader.skip_blank();
                return match self.reader.peek() {
                    None => Ok(None),
                    Some(rest) => Err(format!("`{rest}` after the end of the history")),
                };
            }
            _ => {}
        }
        self.reader.value(0).map(Some)
    }
}

impl Iterator for Values<'_> {
    type Item = (u64, Result<Datum, String>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let value = self.value();
        self.is_over = !matches!(value, Ok(Some(_)));
        Some((self.line, value.transpose()?))
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Spaces, commas and comments mean nothing.
    fn skip_blank(&mut self) {
        while let Some(next) = self.peek() {
            match next {
                ';' => {
                    let line = self.text[self.at..].find('\n');
                    self.at = line.map_or(self.text.len(), |end| self.at + end);
                }
                _ if is_blank(next) => self.at += next.len_utf8(),
                _ => return,
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Datum, String> {
        if depth > DEPTH {
            return Err(format!("nested deeper than {DEPTH}"));
        }
        self.skip_blank();
        match self.peek() {
            None => Err("the value is missing".into()),
            Some('"') => self.string(),
            Some('(') => self.list(')', depth),
            Some('[') => self.list(']', depth),
            Some('{') => self.map(depth),
            Some('#') => self.dispatched(depth),
            Some(close @ (')' | ']' | '}')) => Err(format!("`{close}` closes nothing")),
            Some(_) => Ok(word(self.word())),
        }
    }

    fn dispatched(&mut self, depth: usize) -> Result<Datum, String> {
        self.next();
        match self.peek() {
            Some('{') => self.list('}', depth),
            Some('_') => {
                self.next();
                self.value(depth + 1)?;
                self.value(depth + 1)
            }
            _ => {
                // A tag, whose value is what counts.
                self.word();
                self.value(depth + 1)
            }
        }
    }

    fn items(&mut self, close: char, depth: usize) -> Result<Vec<Datum>, String> {
        self.next();
        let mut items = Vec::new();
        loop {
            self.skip_blank();
            match self.peek() {
                None => return Err(format!("ends before its `{close}`")),
                Some(next) if next == close => {
                    self.next();
                    return Ok(items);
                }
                Some(_) => items.push(self.value(depth + 1)?),
            }
        }
    }

    fn list(&mut self, close: char, depth: usize) -> Result<Datum, String> {
        Ok(Datum::List(self.items(close, depth)?.into()))
    }

    fn map(&mut self, depth: usize) -> Result<Datum, String> {
        let mut items = self.items('}', depth)?.into_iter();
        let mut pairs = Vec::new();
        while let Some(key) = items.next() {
            let value = items.next().ok_or_else(|| format!("{key} has no value"))?;
            pairs.push((key, value));
        }
        Ok(Datum::Map(pairs.into()))
    }

    fn string(&mut self) -> Result<Datum, String> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err("a string does not end".into()),
                Some('"') => return Ok(Datum::Text(text.into())),
                Some('\\') => text.push(self.escaped()?),
                Some(letter) => text.push(letter),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, String> {
        match self.next() {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some(same @ ('"' | '\\')) => Ok(same),
            Some('u') => {
                let code = self.text.get(self.at..self.at + 4);
                let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
                let letter = code.and_then(char::from_u32);
                self.at += 4;
                letter.ok_or_else(|| "`\\u` without four digits of a letter".into())
            }
            _ => Err("an unknown escape in a string".into()),
        }
    }

    /// Up to the next blank or bracket. Takes at least one letter.
    fn word(&mut self) -> &str {
        let start = self.at;
        self.next();
        // `\[` is a letter, not a bracket.
        if self.text[start..].starts_with('\\') {
            self.next();
        }
        let ends = |c: char| is_blank(c) || "()[]{}\"".contains(c);
        while self.peek().is_some_and(|c| !ends(c)) {
            self.next();
        }
        &self.text[start..self.at]
    }
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == ','
}

fn word(word: &str) -> Datum {
    match word {
        "nil" => Datum::Nil,
        "true" => Datum::Bool(true),
        "false" => Datum::Bool(false),
        _ => match (word.strip_prefix(':'), word.parse()) {
            (Some(name), _) => Datum::Keyword(name.into()),
            (None, Ok(number)) => Datum::Int(number),
            (None, Err(_)) => Datum::Word(word.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads exactly one value.
    fn read(text: &str) -> Result<Datum, String> {
        match Datum::read_first(text)? {
            (datum, "") => Ok(datum),
            (_, rest) => Err(format!("`{rest}` is too much")),
        }
    }

    #[test]
    fn a_file_is_one_vector_or_many_values() {
        let values = |text| -> Vec<(u64, String)> {
            let values = Values::of(text);
            let shown = values.map(|(line, value)| match value {
                Ok(datum) => (line, datum.to_string()),
                Err(why) => (line, why),
            });
            shown.collect()
        };
        let expected = vec![(2, "{:a 1}".to_owned()), (5, "{:a 2}".to_owned())];
        assert_eq!(values("; a comment [\n[{:a\n1}; {\n\n,{:a 2}]\n"), expected);
        assert_eq!(values("\n{:a 1}\n\n;\n{:a 2}"), expected);
        assert_eq!(
            values("[1"),
            [(1, "1".into()), (1, "the file ends before its `]`".into())]
        );
        assert_eq!(values("(1)\n2")[1].1, "`2` after the end of the history");
    }

    #[test]
    fn values_print_as_they_are_written() {
        for text in [
            "nil",
            "-7",
            "[1 [2 nil] :x/y]",
            r#"{:process 0, :f :append, :value "x \"0\" y"}"#,
            "1.5",
            "99999999999999999999",
        ] {
            let read = read(text).map(|datum| datum.to_string());
            assert_eq!(read.as_deref(), Ok(text));
        }
    }

    #[test]
    fn blanks_comments_and_tags_mean_nothing() {
        let shown = read("#jepsen.history.Op {:a, #{1 #_ 2 3} ; end").map(|d| d.to_string());
        assert_eq!(shown, Err("ends before its `}`".into()));
        let shown = read(" #op {:a (1 #_ 2 3)} ; end").map(|d| d.to_string());
        assert_eq!(shown.as_deref(), Ok("{:a [1 3]}"));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in [
            "",
            "(",
            "]",
            "{:a}",
            "\"",
            "\"\\q\"",
            "\"\\u12\"",
            "1 2",
            "#",
            "#_ 1",
            "\"\\uŵŵ\"",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(read(&deep).is_err_and(|why| why.contains("deeper")));
    }
}

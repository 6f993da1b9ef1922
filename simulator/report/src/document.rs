//! Defines the document that every report is made of: sections of text, facts, lists, code
//! and tables.
//!
//! A table is columns over rows. A column says once what it is called, how it is aligned and
//! how its values are taken from a row; a [`Value`] knows how a reader sees it and how a
//! program reads it. So one table is a table on a terminal, in Markdown, on a page, and a
//! file of comma-separated values. The writers are in [`crate::write`].

use maud::Markup;
use serde::Serialize;

use crate::words::{count, duration};
use squall_objective::fixed::{Chance, Ms, Number, PerSecond, Percent, Seconds, SignedPercent};
use squall_objective::objective::Unit;

/// Stands for a value that does not exist, for a reader.
pub const NOTHING: &str = "-";

/// A cell: as a reader sees it ([`Value::shown`]), and as a program reads it ([`Value::raw`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// There is none: `-`, and an empty cell.
    Nothing,
    /// As it is, for reader and program.
    Text(String),
    /// `1,234`.
    Count(u64),
    /// A number that counts nothing, as a term: `1234`.
    Number(u64),
    /// A duration in microseconds: `4.12 ms`, and `4129`.
    Us(u64),
    /// A duration in milliseconds: `4.12 ms`, and `4.129`.
    Ms(Ms),
    /// A moment of the run: `3.000 s`, and milliseconds.
    At(Ms),
    /// The same to the microsecond: `3.000000 s`.
    Exactly(Ms),
    /// In whole operations: `1,234`, and `1234.567`.
    PerSecond(PerSecond),
    /// With so many decimals for a reader.
    Percent(Percent, usize),
    /// With its sign: `+12 %`.
    Change(SignedPercent),
    /// In the largest unit that fits, and as a plain number.
    Bytes(u64),
    /// In the unit of a metric.
    Measured(Unit, Number),
    /// `0.0012`, and `<0.0001` below that; `0.001234`.
    Chance(Chance),
}

impl Value {
    /// For a reader, with its unit.
    pub fn shown(&self) -> String {
        match self {
            Value::Nothing => NOTHING.to_owned(),
            Value::Text(text) => text.clone(),
            Value::Count(value) => count(*value),
            Value::Number(value) => value.to_string(),
            Value::Us(us) => duration(*us),
            Value::Ms(ms) => duration(ms.get()),
            Value::At(ms) => format!("{:.3} s", Seconds::of(ms.get())),
            Value::Exactly(ms) => format!("{} s", Seconds::of(ms.get())),
            Value::PerSecond(rate) => count(rate.get() / 1_000),
            Value::Percent(share, digits) => format!("{share:.digits$} %"),
            Value::Change(change) => change.to_string(),
            Value::Bytes(bytes) => Unit::Bytes.text(Unit::Bytes.number(*bytes)),
            Value::Measured(unit, number) => unit.text(*number),
            Value::Chance(p) if p.get() < 100 => "<0.0001".to_owned(),
            Value::Chance(p) => format!("{p:.4}"),
        }
    }

    /// For a program: digits alone, the unit is in the name of the column.
    pub fn raw(&self) -> String {
        match self {
            Value::Nothing => String::new(),
            Value::Text(text) => text.clone(),
            Value::Count(value) | Value::Number(value) | Value::Us(value) | Value::Bytes(value) => {
                value.to_string()
            }
            Value::Ms(ms) | Value::At(ms) | Value::Exactly(ms) => ms.to_string(),
            Value::PerSecond(rate) => rate.to_string(),
            Value::Percent(share, _) => share.to_string(),
            Value::Change(change) => serde_json::to_string(change).expect("a number"),
            Value::Measured(_, number) => number.to_string(),
            Value::Chance(p) => p.to_string(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::Text(text.clone())
    }
}

impl From<Ms> for Value {
    fn from(ms: Ms) -> Self {
        Value::Ms(ms)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Nothing, Into::into)
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Value::Count(count)
    }
}

impl From<SignedPercent> for Value {
    fn from(change: SignedPercent) -> Self {
        Value::Change(change)
    }
}

/// A duration in microseconds, if there is one.
pub fn us(us: impl Into<Option<u64>>) -> Value {
    us.into().map_or(Value::Nothing, Value::Us)
}

/// A number that counts nothing, if there is one.
pub fn number(number: impl Into<Option<u64>>) -> Value {
    number.into().map_or(Value::Nothing, Value::Number)
}

/// Operations a second, if that is known.
pub fn rate(rate: impl Into<Option<PerSecond>>) -> Value {
    rate.into().map_or(Value::Nothing, Value::PerSecond)
}

/// A share with so many decimals for a reader, if it is known.
pub fn share(share: impl Into<Option<Percent>>, digits: usize) -> Value {
    let share = share.into();
    share.map_or(Value::Nothing, |share| Value::Percent(share, digits))
}

/// The word by which JSON knows a value.
pub fn word(value: &impl Serialize) -> String {
    let written = serde_json::to_value(value).expect("a plain enum is a word");
    written.as_str().unwrap_or_default().to_owned()
}

/// One column of a table over rows of type `R`; see `columns`.
pub struct Column<R> {
    /// What stands above it.
    pub head: Head,
    /// What a row has in it.
    pub cell: fn(&R) -> Value,
}

/// What stands over a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// For readers; empty: the column is for programs alone.
    pub title: &'static str,
    /// For programs, with its unit; empty: the column is for readers alone.
    pub name: &'static str,
    /// Aligned to the right.
    pub is_number: bool,
}

/// Columns over rows of a type, one a line: `text` or `number`, the title for readers, the
/// name for programs, and how the value is taken from a row.
#[macro_export]
macro_rules! columns {
    (@is_number text) => { false };
    (@is_number number) => { true };
    ($row:ident: $type:ty; $($align:ident $title:literal $name:literal $cell:expr;)+) => {
        [$($crate::document::Column {
            head: $crate::document::Head {
                title: $title,
                name: $name,
                is_number: $crate::columns!(@is_number $align),
            },
            cell: |$row: &$type| {
                let _ = $row;
                $crate::document::Value::from($cell)
            },
        }),+]
    };
}

/// How a row is meant, for writers that know colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// As any other.
    Plain,
    /// Something is wrong.
    Bad,
    /// Something is to be looked at.
    Warning,
}

/// Rows under their heads.
#[derive(Debug, Clone)]
pub struct Table {
    /// As it stands above the table.
    pub title: &'static str,
    /// One for each column.
    pub heads: Vec<Head>,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

/// One line of a table.
#[derive(Debug, Clone)]
pub struct Row {
    /// How it is meant.
    pub severity: Severity,
    /// One for each head.
    pub cells: Vec<Value>,
}

impl Table {
    /// Every row is plain; see [`Table::with_severity`].
    pub fn of<'r, R: 'r>(
        title: &'static str,
        columns: &[Column<R>],
        rows: impl IntoIterator<Item = &'r R>,
    ) -> Self {
        Self::with_severity(title, columns, rows, |_| Severity::Plain)
    }

    /// As [`Table::of`], with `severity` saying how each row is meant.
    pub fn with_severity<'r, R: 'r>(
        title: &'static str,
        columns: &[Column<R>],
        rows: impl IntoIterator<Item = &'r R>,
        severity: impl Fn(&R) -> Severity,
    ) -> Self {
        let row = |row| Row {
            severity: severity(row),
            cells: columns.iter().map(|column| (column.cell)(row)).collect(),
        };
        Self {
            title,
            heads: columns.iter().map(|column| column.head).collect(),
            rows: rows.into_iter().map(row).collect(),
        }
    }

    /// Without the columns of these titles.
    pub fn without(mut self, titles: &[&str]) -> Self {
        let is_kept: Vec<bool> = self
            .heads
            .iter()
            .map(|head| !titles.contains(&head.title))
            .collect();
        let mut kept = is_kept.iter();
        self.heads.retain(|_| *kept.next().unwrap_or(&true));
        for row in &mut self.rows {
            let mut kept = is_kept.iter();
            row.cells.retain(|_| *kept.next().unwrap_or(&true));
        }
        self
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Places and heads of the columns that readers see.
    pub fn for_readers(&self) -> Vec<(usize, &Head)> {
        let heads = self.heads.iter().enumerate();
        heads.filter(|(_, head)| !head.title.is_empty()).collect()
    }

    /// Places and heads of the columns that programs get.
    pub fn for_programs(&self) -> Vec<(usize, &Head)> {
        let heads = self.heads.iter().enumerate();
        heads.filter(|(_, head)| !head.name.is_empty()).collect()
    }
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// As it is.
    Plain(String),
    /// Stands out.
    Strong(String),
    /// A command, a file, a name.
    Code(String),
}

/// A line or a paragraph.
pub type Line = Vec<Span>;

/// A piece of a line that is shown as it is.
pub fn plain(text: impl Into<String>) -> Span {
    Span::Plain(text.into())
}

/// A piece of a line that stands out.
pub fn strong(text: impl Into<String>) -> Span {
    Span::Strong(text.into())
}

/// A piece of a line that is a command, a file or a name.
pub fn code(text: impl Into<String>) -> Span {
    Span::Code(text.into())
}

/// Names and values. What is not known is left out.
pub type Facts = Vec<(&'static str, String)>;

/// A part of a section.
#[derive(Debug, Clone)]
pub enum Block {
    /// Within a section.
    Heading(String),
    /// A paragraph.
    Text(Line),
    /// What a reader may skip.
    Note(String),
    /// A bullet each.
    List(Vec<Line>),
    /// Lines that keep their breaks, and the name of their language.
    Code(&'static str, String),
    /// Names and what they are.
    Facts(Facts),
    /// Commands or files, and what they are good for.
    Terms(Vec<(String, String)>),
    /// Rows under their heads.
    Table(Table),
    /// For pages alone.
    Drawn(Markup),
}

impl Block {
    /// A paragraph of one piece.
    pub fn text(text: impl Into<String>) -> Self {
        Block::Text(vec![plain(text)])
    }

    /// The table, or the words where it has no rows.
    pub fn table_or(table: Table, words: &str) -> Self {
        if table.is_empty() {
            Block::Note(words.to_owned())
        } else {
            Block::Table(table)
        }
    }
}

/// Facts without those of which the value is empty.
pub fn known(mut facts: Facts) -> Facts {
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// A part of a report, under a title.
#[derive(Debug, Clone)]
pub struct Section {
    /// Of a page, where it can be linked to.
    pub id: String,
    /// As it stands above the section.
    pub title: String,
    /// From top to bottom.
    pub blocks: Vec<Block>,
}

/// A whole report. Sections without blocks are left out by every writer.
#[derive(Debug, Clone)]
pub struct Document {
    /// Of the whole.
    pub title: String,
    /// What stands before the first section.
    pub lead: Vec<Block>,
    /// From top to bottom.
    pub sections: Vec<Section>,
}

impl Section {
    /// Of all its parts.
    pub fn new(id: impl Into<String>, title: impl Into<String>, blocks: Vec<Block>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            blocks,
        }
    }
}
